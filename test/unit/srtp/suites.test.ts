import assert from "node:assert/strict";
import type { SrtpKey } from "../../../src/core/plan/security.ts";
import {
  isSameKey,
  isSameMaster,
  isWellFormedKey,
  srtpSuites,
  suiteFacts,
} from "../../../src/srtp/suites.ts";
import { keyOf } from "../../support/srtp-rig.ts";
import { suite } from "../../support/suite.ts";

suite("srtp suites", (test) => {
  test("sizes of every suite (RFC 4568 section 6.2, RFC 6188 section 4, RFC 7714 section 12)", () => {
    const table = srtpSuites.map((name) => {
      const facts = suiteFacts(name);
      return [
        name,
        facts.cipher,
        facts.keyBytes,
        facts.saltBytes,
        facts.tagBytes,
        facts.rtcpTagBytes,
        facts.isAead,
      ];
    });
    assert.deepEqual(table, [
      ["AES_CM_128_HMAC_SHA1_80", "ctr", 16, 14, 10, 10, false],
      ["AES_CM_128_HMAC_SHA1_32", "ctr", 16, 14, 4, 10, false],
      ["AES_192_CM_HMAC_SHA1_80", "ctr", 24, 14, 10, 10, false],
      ["AES_192_CM_HMAC_SHA1_32", "ctr", 24, 14, 4, 10, false],
      ["AES_256_CM_HMAC_SHA1_80", "ctr", 32, 14, 10, 10, false],
      ["AES_256_CM_HMAC_SHA1_32", "ctr", 32, 14, 4, 10, false],
      ["AEAD_AES_128_GCM", "gcm", 16, 12, 16, 16, true],
      ["AEAD_AES_256_GCM", "gcm", 32, 12, 16, 16, true],
      ["NULL_HMAC_SHA1_80", "none", 16, 14, 10, 10, false],
      ["NULL_HMAC_SHA1_32", "none", 16, 14, 4, 10, false],
    ]);
  });

  test("which keys are the same", () => {
    const key = keyOf("AES_CM_128_HMAC_SHA1_80");
    const copy: SrtpKey = { ...key, masterKey: key.masterKey.slice(), masterSalt: key.masterSalt.slice() };
    assert.equal(isSameKey(key, copy), true);
    const marked: SrtpKey = { ...key, mki: Uint8Array.of(1) };
    assert.equal(isSameKey(marked, { ...copy, mki: Uint8Array.of(1) }), true);
    const variants: readonly Partial<SrtpKey>[] = [
      { mki: Uint8Array.of(1) },
      { encryptsRtp: false },
      { encryptsRtcp: false },
      { authenticatesRtp: false },
    ];
    for (const variant of variants) {
      assert.equal(isSameKey(key, { ...copy, ...variant }), false);
      assert.equal(isSameMaster(key, { ...copy, ...variant }), true);
    }
    const others: readonly Partial<SrtpKey>[] = [
      { suite: "AES_CM_128_HMAC_SHA1_32" },
      { masterKey: key.masterKey.map((byte) => byte ^ 1) },
      { masterSalt: key.masterSalt.map((byte) => byte ^ 1) },
    ];
    for (const other of others) {
      assert.equal(isSameMaster(key, { ...copy, ...other }), false);
      assert.equal(isSameKey(key, { ...copy, ...other }), false);
    }
  });

  test("which keys can be used", () => {
    for (const name of srtpSuites) {
      const key = keyOf(name);
      assert.equal(isWellFormedKey(key), true);
      assert.equal(isWellFormedKey({ ...key, masterKey: key.masterKey.subarray(1) }), false);
      assert.equal(isWellFormedKey({ ...key, masterSalt: new Uint8Array(key.masterSalt.length + 1) }), false);
      assert.equal(isWellFormedKey({ ...key, mki: new Uint8Array(128) }), true);
      assert.equal(isWellFormedKey({ ...key, mki: new Uint8Array(129) }), false);
    }
  });
});
