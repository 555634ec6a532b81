import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { decodeBencode, encodeBencode } from "../../../../src/control/ng/bencode.ts";
import { decodeJson, encodeJson } from "../../../../src/control/ng/json.ts";
import { isDict, isList, type NgDict, type NgValue } from "../../../../src/control/ng/value.ts";
import { controlElementsMax, controlNestingMax } from "../../../../src/core/limits.ts";
import { fuzzRuns } from "../../../support/fuzz-runs.ts";
import { suite } from "../../../support/suite.ts";

const bytes = (latin1: string): Uint8Array => Buffer.from(latin1, "latin1");

/** Any ng value; names that mean something to JavaScript objects are among the keys. */
function anyDict(unit: fc.Arbitrary<string>): fc.Arbitrary<NgDict> {
  const text = fc.string({ unit, maxLength: 20 });
  const key = fc.oneof(
    { weight: 4, arbitrary: text },
    fc.constantFrom("__proto__", "constructor", "toString", "7"),
  );
  const { dict } = fc.letrec<{ value: NgValue; list: NgValue; dict: NgDict }>((tie) => ({
    value: fc.oneof({ depthSize: "small" }, text, fc.maxSafeInteger(), tie("list"), tie("dict")),
    list: fc.array(tie("value"), { maxLength: 5 }),
    dict: fc.array(fc.tuple(key, tie("value")), { maxLength: 6 }).map((pairs) => new Map(pairs)),
  }));
  return dict.filter((value) => depthOf(value) <= controlNestingMax);
}

function depthOf(value: NgValue): number {
  if (isList(value)) return 1 + Math.max(0, ...value.map(depthOf));
  if (isDict(value)) return 1 + Math.max(0, ...[...value.values()].map(depthOf));
  return 0;
}

const anyByte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));

suite("control/ng/bencode", (test) => {
  test("documents that are taken", () => {
    const table: readonly (readonly [string, NgDict])[] = [
      ["de", new Map()],
      ["d7:command4:pinge", new Map([["command", "ping"]])],
      [
        "d1:b1:x1:ai-7ee",
        new Map<string, NgValue>([
          ["b", "x"],
          ["a", -7],
        ]),
      ],
      ["d1:ali0e0:d1:b1:ceee", new Map([["a", [0, "", new Map([["b", "c"]])]]])],
      ["d1:ai9007199254740991ee", new Map([["a", Number.MAX_SAFE_INTEGER]])],
      ["d1:a1:x1:a1:ye", new Map([["a", "y"]])],
      ["d9:__proto__1:xe", new Map([["__proto__", "x"]])],
      ["d3:a\x00\xff2:\r\ne", new Map([["a\x00\xff", "\r\n"]])],
      ["d7:command4:pinge\r\n", new Map([["command", "ping"]])],
    ];
    for (const [text, value] of table) assert.deepEqual(decodeBencode(bytes(text)), value, text);
  });

  test("documents that are refused", () => {
    const table = [
      "",
      "d",
      "i1e",
      "le",
      "4:ping",
      "d7:command4:ping",
      "d7:command4:pin",
      "d7:command",
      "d7:commande",
      "di1e1:ae",
      "dle1:ae",
      "d1:ai01ee",
      "d1:ai-0ee",
      "d1:aiee",
      "d1:ai ee",
      "d1:ai+1ee",
      "d1:ai1",
      "d1:ai--1ee",
      "d1:ai9007199254740992ee",
      "d1:ai99999999999999999999ee",
      "d01:a1:be",
      "d1:a01:be",
      "d1:a2:be",
      "d1:a-1:be",
      "d1:a1:bee",
      "d1:a1:bed",
      "d1:a1:be\x00",
      "d1:a4294967297:be",
      "d1:ax",
      "d1:a1be",
      "e",
      "d1:ale",
    ];
    for (const text of table) assert.equal(decodeBencode(bytes(text)), undefined, JSON.stringify(text));
  });

  test("the limits on nesting and elements", () => {
    const nested = (depth: number): string => `d1:a${"l".repeat(depth)}${"e".repeat(depth)}e`;
    assert.notEqual(decodeBencode(bytes(nested(controlNestingMax))), undefined);
    assert.equal(decodeBencode(bytes(nested(controlNestingMax + 1))), undefined);
    assert.equal(decodeBencode(bytes(nested(30_000))), undefined);
    const wide = (count: number): string => `d1:al${"i1e".repeat(count)}ee`;
    assert.notEqual(decodeBencode(bytes(wide(controlElementsMax - 2))), undefined);
    assert.equal(decodeBencode(bytes(wide(controlElementsMax))), undefined);
  });

  test("property: what was encoded is decoded", () => {
    fc.assert(
      fc.property(anyDict(anyByte), (dict) => {
        assert.deepEqual(decodeBencode(bytes(encodeBencode(dict))), dict);
      }),
      { numRuns: fuzzRuns(5_000) },
    );
  });

  test("property: noise and cut or altered documents are a dictionary or refused, never a throw", () => {
    const noise = fc.oneof(
      fc.string({ unit: fc.constantFrom(..."dlie0123456789:-ab"), maxLength: 60 }),
      fc.string({ unit: anyByte, maxLength: 60 }),
      fc.tuple(anyDict(anyByte), fc.nat(), fc.nat(), anyByte).map(([dict, cut, at, byte]) => {
        const text = encodeBencode(dict);
        const changed = text.slice(0, at % text.length) + byte + text.slice((at % text.length) + 1);
        return changed.slice(0, 1 + (cut % changed.length));
      }),
    );
    fc.assert(
      fc.property(noise, (text) => {
        const dict = decodeBencode(bytes(text));
        if (dict !== undefined) assert.deepEqual(decodeBencode(bytes(encodeBencode(dict))), dict);
      }),
      { numRuns: fuzzRuns(5_000) },
    );
  });
});

suite("control/ng/json", (test) => {
  test("documents that are taken", () => {
    const utf8 = (text: string): string => Buffer.from(text, "utf8").toString("latin1");
    const table: readonly (readonly [string, NgDict])[] = [
      ["{}", new Map()],
      ['{"command":"ping"}\n', new Map([["command", "ping"]])],
      ['{"a":[1,-2,"x",true,false,null],"b":null}', new Map([["a", [1, -2, "x", 1, 0]]])],
      [
        '{"a":1.5,"b":1e300}',
        new Map([
          ["a", "1.5"],
          ["b", "1e+300"],
        ]),
      ],
      ['{"a":"\\u00e9 é"}', new Map([["a", utf8("é é")]])],
      ['{"__proto__":{"x":"y"}}', new Map([["__proto__", new Map([["x", "y"]])]])],
    ];
    for (const [text, value] of table) assert.deepEqual(decodeJson(Buffer.from(text, "utf8")), value, text);
  });

  test("documents that are refused", () => {
    for (const text of ["{", '{"a"}', '{"a":1}}', '{"a":\xff}', '{"a":"\xff"}', "[]", "1", '{"a":01}']) {
      assert.equal(decodeJson(bytes(text)), undefined, text);
    }
    const nested = (depth: number): string => `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;
    assert.notEqual(decodeJson(bytes(nested(controlNestingMax))), undefined);
    assert.equal(decodeJson(bytes(nested(controlNestingMax + 1))), undefined);
    assert.equal(decodeJson(bytes(nested(30_000))), undefined);
    assert.equal(decodeJson(bytes(`{"a":[${"1,".repeat(controlElementsMax)}1]}`)), undefined);
  });

  test("bytes that are no UTF-8 go out as latin1 characters", () => {
    assert.equal(encodeJson(new Map([["a", "\xe9"]])), '{"a":"\xc3\xa9"}');
    assert.equal(encodeJson(new Map([["a", "\xc3\xa9"]])), '{"a":"\xc3\xa9"}');
  });

  test("property: what was encoded is decoded, and an SDP body keeps its bytes", () => {
    const utf8 = fc
      .string({ unit: "grapheme", maxLength: 8 })
      .map((text) => Buffer.from(text).toString("latin1"));
    fc.assert(
      fc.property(anyDict(utf8), (dict) => {
        assert.deepEqual(decodeJson(bytes(encodeJson(dict))), dict);
      }),
      { numRuns: fuzzRuns(5_000) },
    );
  });

  test("property: noise is an object or refused, never a throw", () => {
    const noise = fc.string({ unit: fc.constantFrom(...'{}[]",:0123-e.tfn\\u\xe9'), maxLength: 40 });
    fc.assert(
      fc.property(noise, (text) => {
        decodeJson(bytes(`{${text}`));
      }),
      { numRuns: fuzzRuns(5_000) },
    );
  });
});
