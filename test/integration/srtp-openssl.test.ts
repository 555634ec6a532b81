import assert from "node:assert/strict";
import { Arena } from "../../src/io/linux/arena.ts";
import { OpenSslEngine, openSslEngineBytes } from "../../src/io/linux/srtp-openssl.ts";
import { openSrtpEngine, srtpEngineBytes, srtpEngineSources } from "../../src/io/srtp-engine.ts";
import { srtpHandlesMax } from "../../src/srtp/packet-crypto.ts";
import { srtpSuites } from "../../src/srtp/suites.ts";
import { definePacketCases } from "../support/srtp-packet-cases.ts";
import { definePropertyCases } from "../support/srtp-property-cases.ts";
import {
  type EngineMaker,
  keyOf,
  nodeCrypto,
  rtcpPacket,
  rtpPacket,
  SrtpRig,
  toHex,
} from "../support/srtp-rig.ts";
import { defineVectorCases } from "../support/srtp-vector-cases.ts";
import { suite } from "../support/suite.ts";

const makers: readonly EngineMaker[] = (["kept", "contexts", "documented"] as const).map((way) => ({
  name: `OpenSSL, ${way}`,
  sizeBytes: openSslEngineBytes,
  make: (memory, offset, handlesMax) => new OpenSslEngine({ arena: memory.bytes, offset, handlesMax, way }),
}));

suite("srtp by OpenSSL", (test) => {
  for (const maker of makers) {
    defineVectorCases(test, maker);
    definePacketCases(test, maker);
    definePropertyCases(test, maker);
    test(`${maker.name}: the same bytes as node:crypto at every size`, () => isSameOutput(maker));
  }

  test("the fastest engine that is right is chosen", async () => {
    const arena = new Arena(srtpEngineBytes);
    const parts = {
      arena,
      offset: arena.reserve(srtpEngineBytes),
      handlesMax: srtpHandlesMax(2),
    };
    const chosen = await openSrtpEngine(parts);
    assert.deepEqual([chosen.engine?.name, chosen.faults], ["OpenSSL", []]);
    const [first, second] = srtpEngineSources;
    assert.ok(first !== undefined && second !== undefined);
    const wrong = {
      name: first.name,
      open: async (): Promise<OpenSslEngine> => {
        const engine = await first.open(parts);
        engine.hmac = () => true;
        return engine as OpenSslEngine;
      },
    };
    const absent = {
      name: "absent",
      open: (): never => {
        throw new Error("Cannot find function");
      },
    };
    const stepped = await openSrtpEngine(parts, [absent, wrong, second]);
    assert.equal(stepped.engine?.name, "OpenSSL with EVP contexts");
    assert.deepEqual(stepped.faults, [
      { name: "absent", fault: "Cannot find function" },
      { name: "OpenSSL", fault: "AES_CM_128_HMAC_SHA1_80: wrong output of step 0" },
    ]);
    assert.equal((await openSrtpEngine(parts, [absent])).engine, undefined);
  });
});

function isSameOutput(maker: EngineMaker): void {
  for (const name of srtpSuites) {
    const [ours, theirs] = [new SrtpRig(maker), new SrtpRig(nodeCrypto)];
    for (const rig of [ours, theirs]) rig.crypto.setKeys(0, [], keyOf(name));
    for (let sizeBytes = 0; sizeBytes < 400; sizeBytes += sizeBytes < 150 ? 1 : 7) {
      const payload = Uint8Array.from({ length: sizeBytes }, (_, index) => index * 3);
      const packet = rtpPacket({ sequence: 65_500 + sizeBytes, payload });
      assert.equal(toHex(ours.run("protect", "rtp", packet)), toHex(theirs.run("protect", "rtp", packet)));
    }
    assert.equal(
      toHex(ours.run("protect", "rtcp", rtcpPacket())),
      toHex(theirs.run("protect", "rtcp", rtcpPacket())),
    );
  }
}
