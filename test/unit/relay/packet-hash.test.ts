import assert from "node:assert/strict";
import fc from "fast-check";
import { PacketHash } from "../../../src/relay/packet-hash.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

/** The reference implementation's `vectors_hsip32`: key 00 01 .. 07, message 00 01 .. of n bytes, output in order of bytes. */
const vectors = ["5b9f35a9", "b85a4727", "03a662fa", "04e7fe8a", "89466e2a"];

suite("relay/packet-hash", (test) => {
  test("is HalfSipHash-2-4", () => {
    const hash = new PacketHash(Int32Array.of(0x03020100, 0x07060504));
    const message = Uint8Array.from({ length: 64 }, (_, index) => index);
    const told = vectors.map((_, size) => hash.of(message, 0, size).toString(16).padStart(8, "0"));
    assert.deepEqual(told, vectors);
  });

  test("depends on every byte, the length and the key, and on nothing around them", () => {
    const hash = new PacketHash(Int32Array.of(1, 2));
    const other = new PacketHash(Int32Array.of(1, 3));
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        fc.nat(199),
        fc.nat(7),
        (data, at, offset) => {
          const around = new Uint8Array(300).fill(0xee);
          around.set(data, offset);
          const digest = hash.of(around, offset, data.length);
          assert.equal(digest, hash.of(data, 0, data.length));
          assert.ok(Number.isInteger(digest) && digest >= 0 && digest < 2 ** 32);
          assert.notEqual(digest, other.of(data, 0, data.length));
          assert.notEqual(digest, hash.of(around, offset, data.length + 1));
          around[offset + (at % data.length)]! ^= 1;
          assert.notEqual(digest, hash.of(around, offset, data.length));
        },
      ),
      { numRuns: fuzzRuns(300) },
    );
  });
});
