import assert from "node:assert/strict";
import fc from "fast-check";
import type { FingerprintHash } from "../../../src/core/plan/security.ts";
import {
  parseFingerprint,
  parseSetup,
  parseTlsId,
  printFingerprint,
  readFingerprints,
} from "../../../src/sdp/fingerprint.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { recordOf } from "./arbitrary.ts";

const sizes: readonly (readonly [FingerprintHash, number])[] = [
  ["sha-1", 20],
  ["sha-224", 28],
  ["sha-256", 32],
  ["sha-384", 48],
  ["sha-512", 64],
];

function colons(sizeBytes: number): string {
  return Array.from({ length: sizeBytes }, (_, index) => (index + 160).toString(16).toUpperCase()).join(":");
}

suite("sdp/fingerprint", (test) => {
  test("each hash in its own length, in any case", () => {
    for (const [hash, size] of sizes) {
      const text = `${hash} ${colons(size)}`;
      const fingerprint = parseFingerprint(text) ?? assert.fail(text);
      assert.equal(printFingerprint(fingerprint), `fingerprint:${text}`);
      assert.deepEqual(
        parseFingerprint(` ${hash.toUpperCase()}  ${colons(size).toLowerCase()} `),
        fingerprint,
      );
      assert.equal(parseFingerprint(`${hash} ${colons(size - 1)}`), undefined);
      assert.equal(parseFingerprint(`${hash} ${colons(size)}:00`), undefined);
    }
  });

  test("what shows nothing is left out", () => {
    const sha1 = colons(20);
    const table = [
      "",
      "sha-1",
      sha1,
      `md5 ${colons(16)}`,
      `sha-1 ${sha1} x`,
      `sha-1 ${sha1.replace(":", ".")}`,
      `sha-1 ${sha1.replace("A0", "AX")}`,
      `sha-1 ${sha1}:`,
      `sha-1 ${"A:".repeat(20)}`,
    ];
    for (const text of table) assert.equal(parseFingerprint(text), undefined, text);
  });

  test("a level without any is told from one with none that can be checked", () => {
    const line = (value: string) => ({ type: "a", value: `fingerprint:${value}` });
    assert.equal(readFingerprints([{ type: "a", value: "x" }]), undefined);
    assert.deepEqual(readFingerprints([line("md5 00")]), []);
    const two = readFingerprints([
      line(`sha-1 ${colons(20)}`),
      line("md5 00"),
      line(`sha-256 ${colons(32)}`),
    ]);
    assert.deepEqual(
      two?.map(({ hash }) => hash),
      ["sha-1", "sha-256"],
    );
    assert.equal(readFingerprints(Array.from({ length: 99 }, () => line(`sha-1 ${colons(20)}`)))?.length, 16);
  });

  test("a=setup and a=tls-id", () => {
    assert.deepEqual(["actpass", "active", "Passive ", "holdconn", "x", "", undefined].map(parseSetup), [
      "actpass",
      "active",
      "passive",
      "holdconn",
      undefined,
      undefined,
      undefined,
    ]);
    assert.deepEqual(
      ["abc3de65cddef001be82", "x y", "", undefined, "x".repeat(256), "\xe9"].map(parseTlsId),
      ["abc3de65cddef001be82", undefined, undefined, undefined, undefined, undefined],
    );
  });

  test("property: what is printed is read as it was, and noise never throws", () => {
    const fingerprint = fc
      .constantFrom(...sizes)
      .chain(([hash, size]) =>
        recordOf({ hash: fc.constant(hash), value: fc.uint8Array({ minLength: size, maxLength: size }) }),
      );
    fc.assert(
      fc.property(fingerprint, fc.string(), (value, noise) => {
        const text = printFingerprint(value).slice("fingerprint:".length);
        assert.deepEqual(parseFingerprint(text), value);
        parseFingerprint(noise);
        parseFingerprint(text.slice(0, noise.length) + noise);
      }),
      { numRuns: fuzzRuns(1_000) },
    );
  });
});
