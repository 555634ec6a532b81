import assert from "node:assert/strict";
import { openDigests, systemDigests } from "../../src/io/digests.ts";
import { openNativeDigests } from "../../src/io/linux/digests.ts";
import { suite } from "../support/suite.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const ascii = (text: string): Uint8Array => Buffer.from(text, "ascii");

suite("digests", (test) => {
  test("the vectors of RFC 2202 and RFC 4231, with the longest keys", () => {
    const digests = openNativeDigests(systemDigests);
    const [key, message] = [ascii("Jefe"), ascii("what do ya want for nothing?")];
    assert.equal(hex(digests.hmacSha1(key, message)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    assert.equal(
      hex(digests.hmacSha256(key, message)),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
    const long = ascii("Test Using Larger Than Block-Size Key - Hash Key First");
    assert.equal(
      hex(digests.hmacSha1(new Uint8Array(80).fill(0xaa), long)),
      "aa4ae5e15272d00e95705637ce8a3b55ed402112",
    );
    assert.equal(
      hex(digests.hmacSha256(new Uint8Array(131).fill(0xaa), long)),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    );
  });

  test("the same as node's at every size, whatever was hashed before", () => {
    const digests = openNativeDigests(systemDigests);
    for (let size = 0; size <= 2_100; size += size < 200 ? 1 : 13) {
      const message = Uint8Array.from({ length: size }, (_, at) => at * size);
      const key = message.subarray(0, size % 70);
      for (const name of ["hmacSha1", "hmacSha256"] as const) {
        assert.equal(hex(digests[name](key, message)), hex(systemDigests[name](key, message)), `${size}`);
      }
    }
  });

  test("what it gives back stays as it is", () => {
    const digests = openNativeDigests(systemDigests);
    const first = digests.hmacSha1(ascii("a"), ascii("first"));
    const text = hex(first);
    digests.hmacSha1(ascii("b"), ascii("second"));
    assert.equal(hex(first), text);
  });

  test("here it is the native one that serves", async () => {
    assert.notEqual((await openDigests()).hmacSha1, systemDigests.hmacSha1);
  });
});
