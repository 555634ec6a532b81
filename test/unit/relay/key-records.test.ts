import assert from "node:assert/strict";
import fc from "fast-check";
import type { IpAddress } from "../../../src/core/address.ts";
import { receiveKeysPerPairMax } from "../../../src/core/limits.ts";
import type { SrtpKey } from "../../../src/core/plan/security.ts";
import { allocateRing, RingReader, RingWriter } from "../../../src/io/ring.ts";
import { decodeKeys, encodeKeys } from "../../../src/relay/key-records.ts";
import { packetWords, readPacket, writePacket } from "../../../src/relay/packet-records.ts";
import { mkiBytesMax, srtpSuites, suiteFacts } from "../../../src/srtp/suites.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

const srtpKey: fc.Arbitrary<SrtpKey> = fc.constantFrom(...srtpSuites).chain((name) =>
  fc.record(
    {
      suite: fc.constant(name),
      masterKey: bytes(suiteFacts(name).keyBytes),
      masterSalt: bytes(suiteFacts(name).saltBytes),
      mki: fc.option(fc.uint8Array({ minLength: 1, maxLength: 8 }), { nil: undefined }),
      encryptsRtp: fc.boolean(),
      encryptsRtcp: fc.boolean(),
      authenticatesRtp: fc.boolean(),
    },
    { noNullPrototype: true },
  ),
);

suite("relay: keys on their way to a worker", (test) => {
  test("arrive as they were", () => {
    fc.assert(
      fc.property(
        fc.array(srtpKey, { maxLength: receiveKeysPerPairMax }),
        fc.option(srtpKey, { nil: undefined }),
        (receive, send) => {
          const words = new Int32Array(300).fill(-1);
          encodeKeys(words, 5, 300, receive, send);
          assert.deepEqual(decodeKeys(words, 5), { receive, send });
        },
      ),
      { numRuns: fuzzRuns(500) },
    );
  });

  test("those a record has no room for, the oldest, stay behind", () => {
    const key = (seed: number): SrtpKey => ({
      suite: "AES_256_CM_HMAC_SHA1_80",
      masterKey: new Uint8Array(32).fill(seed),
      masterSalt: new Uint8Array(14).fill(seed),
      mki: new Uint8Array(mkiBytesMax).fill(seed),
      encryptsRtp: true,
      encryptsRtcp: true,
      authenticatesRtp: true,
    });
    const words = new Int32Array(200);
    const receive = [1, 2, 3, 4].map(key);
    encodeKeys(words, 0, 150, receive, key(9));
    assert.deepEqual(decodeKeys(words, 0), { receive: receive.slice(0, 2), send: key(9) });
    assert.ok(words.subarray(150).every((word) => word === 0));
  });
});

suite("relay: datagrams between worker and main", (test) => {
  test("arrive as they were, as many as there is room for", () => {
    const memory = allocateRing(2, packetWords);
    const writer = new RingWriter(memory, packetWords);
    const reader = new RingReader(memory, packetWords);
    const packets = ["192.0.2.5", "2001:db8::5"].map((ip, index) => ({
      at: { slot: 7 + index, generation: 3 },
      remote: { ip: ip as IpAddress, port: 65_535 - index },
      bytes: new Uint8Array(1_600 - 3 * index).fill(index + 1),
    }));
    for (const packet of packets) assert.ok(writePacket(writer, packet.at, packet.remote, packet.bytes));
    const [first] = packets;
    assert.equal(
      writePacket(writer, { slot: 0, generation: 1 }, first?.remote ?? assert.fail(), new Uint8Array(1)),
      false,
    );
    assert.deepEqual([readPacket(reader), readPacket(reader), readPacket(reader)], [...packets, undefined]);
  });
});
