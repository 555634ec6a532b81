import assert from "node:assert/strict";
import fc from "fast-check";
import { cryptoLinesPerMediaMax } from "../../../src/core/limits.ts";
import { suiteSizes, suitesByStrength } from "../../../src/core/srtp-suites.ts";
import {
  type CryptoAttribute,
  parseCrypto,
  printCrypto,
  readCrypto,
} from "../../../src/sdp/crypto-attribute.ts";
import { parseSuite } from "../../../src/sdp/crypto-suites.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { recordOf } from "./arbitrary.ts";

const key30 = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const key46 = "8AbZePWwsKhLGX3GlXA+yHYPQ3cgraer/9DkFJYCOPZZy3o9wC0NIbIFYZfyHw";
const plain = `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}`;

function read(text: string): CryptoAttribute {
  return parseCrypto(text) ?? assert.fail(text);
}

/** As a line again, and so with its padding. */
function printed(text: string): string {
  return printCrypto(read(text));
}

suite("sdp/crypto-attribute", (test) => {
  test("RFC 4568 section 6.1: key and salt, lifetime, MKI", () => {
    const { tag, key, lifetime } = read(`1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|2^20|1:4`);
    assert.deepEqual([tag, key.suite, lifetime], [1, "AES_CM_128_HMAC_SHA1_80", 2 ** 20]);
    assert.equal(Buffer.concat([key.masterKey, key.masterSalt]).toString("base64"), key30);
    assert.deepEqual([key.masterKey.length, key.masterSalt.length], [16, 14]);
    assert.deepEqual(key.mki, Uint8Array.of(0, 0, 0, 1));
    assert.deepEqual([key.encryptsRtp, key.encryptsRtcp, key.authenticatesRtp], [true, true, true]);
  });

  test("every suite has its sizes", () => {
    for (const name of suitesByStrength) {
      const { keyBytes, saltBytes } = suiteSizes(name);
      const bytes = Buffer.alloc(keyBytes + saltBytes, 7);
      for (const text of [bytes.toString("base64"), bytes.toString("base64").replace(/=+$/, "")]) {
        const { key } = read(`7 ${name.toLowerCase()} inline:${text}`);
        assert.deepEqual(
          [key.suite, key.masterKey.length, key.masterSalt.length],
          [name, keyBytes, saltBytes],
        );
      }
      for (const size of [bytes.length - 1, bytes.length + 1]) {
        assert.equal(parseCrypto(`7 ${name} inline:${Buffer.alloc(size).toString("base64")}`), undefined);
      }
    }
    assert.equal(parseSuite("F8_128_HMAC_SHA1_80"), undefined);
  });

  test("what is optional, in every mixture", () => {
    const key = (rest: string) => read(`1 AES_CM_128_HMAC_SHA1_80 inline:${key30}${rest}`);
    const facts = ({ lifetime, key: { mki } }: CryptoAttribute) => [
      lifetime,
      mki && Buffer.from(mki).toString("hex"),
    ];
    assert.deepEqual(facts(key("")), [undefined, undefined]);
    assert.deepEqual(facts(key("|2^48")), [2 ** 48, undefined]);
    assert.deepEqual(facts(key("|1048576")), [1_048_576, undefined]);
    assert.deepEqual(facts(key("|4095:2")), [undefined, "0fff"]);
    assert.deepEqual(facts(key("||5:1")), [undefined, "05"]);
    assert.deepEqual(facts(key("|2^31|18446744073709551616:9")), [2 ** 31, "010000000000000000"]);
    assert.deepEqual(facts(key("|2^31|0:0")), [2 ** 31, undefined]);
    assert.deepEqual(facts(key(`|2^31|${2n ** 1024n - 1n}:128`)), [2 ** 31, "ff".repeat(128)]);
    assert.deepEqual(facts(key(`;inline:${key30}|2^20|2:4`)), [undefined, undefined]);
  });

  test("session parameters", () => {
    const uses = (words: string) => {
      const { encryptsRtp, encryptsRtcp, authenticatesRtp } = read(`${plain} ${words}`).key;
      return [encryptsRtp, encryptsRtcp, authenticatesRtp];
    };
    assert.deepEqual(uses("UNENCRYPTED_SRTP"), [false, true, true]);
    assert.deepEqual(uses("unencrypted_srtcp  UNAUTHENTICATED_SRTP"), [true, false, false]);
    assert.deepEqual(uses("KDR=0 FEC_ORDER=FEC_SRTP FEC_KEY=inline:x WSH=128 -whatever=1"), [
      true,
      true,
      true,
    ]);
    for (const words of ["KDR=1", "KDR=24", "KDR", "WSH=x", "SOMETHING"]) {
      assert.equal(parseCrypto(`${plain} ${words}`), undefined, words);
    }
    const gcm = `1 AEAD_AES_128_GCM inline:${Buffer.alloc(28).toString("base64")}`;
    assert.equal(read(`${gcm} UNENCRYPTED_SRTCP`).key.encryptsRtcp, false);
    assert.equal(parseCrypto(`${gcm} UNAUTHENTICATED_SRTP`), undefined);
  });

  test("what is malformed is left out", () => {
    const table = [
      "",
      "1",
      "1 AES_CM_128_HMAC_SHA1_80",
      `x AES_CM_128_HMAC_SHA1_80 inline:${key30}`,
      `1234567890 AES_CM_128_HMAC_SHA1_80 inline:${key30}`,
      `1 F8_128_HMAC_SHA1_80 inline:${key30}`,
      `1 AES_CM_128_HMAC_SHA1_80 uri:${key30}`,
      `1 AES_CM_128_HMAC_SHA1_80 inline:${key46}`,
      `1 AES_CM_128_HMAC_SHA1_80 inline:${key30.slice(1)}`,
      `1 AES_CM_128_HMAC_SHA1_80 inline:${key30.replace("d", "-")}`,
      `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}===`,
      `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|2^0x`,
      `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|2^49`,
      `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|0`,
      `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|2^20|1`,
      `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|256:1`,
      `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|1:129`,
      `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|${"9".repeat(60_000)}:128`,
      `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|2^20|1:4|x`,
    ];
    for (const text of table) assert.equal(parseCrypto(text), undefined, text.slice(0, 100));
  });

  test("printing: always padded, powers of two as such", () => {
    assert.equal(printed(plain), `crypto:${plain}`);
    assert.equal(
      printed(
        `3 AES_256_CM_HMAC_SHA1_80 inline:${key46}|1048576|258:4 UNAUTHENTICATED_SRTP UNENCRYPTED_SRTP`,
      ),
      `crypto:3 AES_256_CM_HMAC_SHA1_80 inline:${key46}==|2^20|258:4 UNENCRYPTED_SRTP UNAUTHENTICATED_SRTP`,
    );
    assert.equal(printed(`${plain}|1000001`), `crypto:${plain}|1000001`);
  });

  test("of equal tags the first, and no more lines than the limit", () => {
    const line = (tag: number) => ({ type: "a", value: `crypto:${plain.replace("1", String(tag))}` });
    const junk = { type: "a", value: "crypto:junk" };
    assert.deepEqual(
      readCrypto([line(2), junk, line(1), line(2), { type: "b", value: line(3).value }]).map(
        ({ tag }) => tag,
      ),
      [2, 1],
    );
    const many = Array.from({ length: 100 }, (_, index) => line(index));
    assert.equal(readCrypto(many).length, cryptoLinesPerMediaMax);
    assert.deepEqual(readCrypto([...many.map(() => junk), line(1)]), []);
  });

  test("property: what is printed is read as it was", () => {
    const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size });
    const attribute = fc.constantFrom(...suitesByStrength).chain((name) => {
      const { keyBytes, saltBytes, isAead } = suiteSizes(name);
      return recordOf({
        tag: fc.integer({ min: 0, max: 999_999_999 }),
        key: recordOf({
          suite: fc.constant(name),
          masterKey: bytes(keyBytes),
          masterSalt: bytes(saltBytes),
          mki: fc.option(fc.uint8Array({ minLength: 1, maxLength: 128 }), { nil: undefined }),
          encryptsRtp: fc.boolean(),
          encryptsRtcp: fc.boolean(),
          authenticatesRtp: isAead ? fc.constant(true) : fc.boolean(),
        }),
        lifetime: fc.option(
          fc.oneof(
            fc.integer({ min: 0, max: 48 }).map((power) => 2 ** power),
            fc.integer({ min: 1, max: 2 ** 48 }),
          ),
          { nil: undefined },
        ),
      });
    });
    fc.assert(
      fc.property(attribute, (crypto) => {
        const text = printCrypto(crypto);
        assert.deepEqual(parseCrypto(text.slice("crypto:".length)), crypto, text);
      }),
      { numRuns: fuzzRuns(2_000) },
    );
  });

  test("property: no line makes it throw, and what it takes can be printed", () => {
    const part = fc.constantFrom(
      "1 ",
      "AES_CM_128_HMAC_SHA1_80 ",
      "inline:",
      key30,
      key46,
      "|2^20",
      "|1:4",
      ";",
      "=",
      " ",
      "KDR=1",
      "UNENCRYPTED_SRTP",
    );
    const line = fc
      .array(fc.oneof(part, fc.string({ maxLength: 6 })), { maxLength: 8 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(line, (text) => {
        const crypto = parseCrypto(text);
        if (crypto !== undefined) assert.deepEqual(read(printCrypto(crypto).slice("crypto:".length)), crypto);
      }),
      { numRuns: fuzzRuns(3_000) },
    );
  });
});
