import assert from "node:assert/strict";
import fc from "fast-check";
import { readRequest } from "../../../../src/control/ng/read-request.ts";
import { parseRtppFlags } from "../../../../src/control/ng/rtpp-flags.ts";
import { isDict, isList, type NgValue } from "../../../../src/control/ng/value.ts";
import { fuzzRuns } from "../../../support/fuzz-runs.ts";
import { suite } from "../../../support/suite.ts";

/** Maps as plain objects, for tables that can be read. */
function plain(value: NgValue | undefined): unknown {
  if (isList(value)) return value.map(plain);
  if (isDict(value)) return Object.fromEntries([...value].map(([key, member]) => [key, plain(member)]));
  return value;
}

function parsed(text: string): readonly unknown[] {
  return parseRtppFlags(text).entries.map(({ name, value }) =>
    value === undefined ? name : [name, plain(value)],
  );
}

const transport = (name: string): readonly unknown[] => [["transport-protocol", name]];

suite("control/ng/rtpp-flags", (test) => {
  test("words, values, lists and dictionaries", () => {
    const table: readonly (readonly [string, readonly unknown[]])[] = [
      ["", []],
      ["   ", []],
      ["replace-origin  strict-source ", ["replace-origin", "strict-source"]],
      [
        "label=caller address-family=IP4",
        [
          ["label", "caller"],
          ["address-family", "IP4"],
        ],
      ],
      ["label=a=b", [["label", "a=b"]]],
      ["label= x", ["label", "x"]],
      ["replace=[origin]", [["replace", ["origin"]]]],
      ["replace=[ origin  username ]", [["replace", ["origin", "username"]]]],
      ["a=[]", [["a", []]]],
      ["codec=[accept=[PCMU]] x", [["codec", { accept: ["PCMU"] }], "x"]],
      ["codec=[strip=[G722 opus] offer=PCMU]", [["codec", { strip: ["G722", "opus"], offer: "PCMU" }]]],
      [
        "SDP-attr=[audio=[remove=[test] add=[foo bar]] global=[remove=[quux]]] rtcp-mux=[offer]",
        [
          ["SDP-attr", { audio: { remove: ["test"], add: ["foo", "bar"] }, global: { remove: ["quux"] } }],
          ["rtcp-mux", ["offer"]],
        ],
      ],
      [
        "s=[[a b] [c d]]",
        [
          [
            "s",
            [
              ["a", "b"],
              ["c", "d"],
            ],
          ],
        ],
      ],
      [
        "codec-strip=G722 codec-strip-opus transcode=PCMA",
        [["codec-strip", "G722"], "codec-strip-opus", ["transcode", "PCMA"]],
      ],
    ];
    for (const [text, entries] of table) {
      assert.deepEqual(parsed(text), entries, text);
      assert.equal(parseRtppFlags(text).isMalformed, false, text);
    }
  });

  test("transport words add up", () => {
    const table: readonly (readonly [string, readonly unknown[]])[] = [
      ["RTP", transport("RTP/AVP")],
      ["AVP", transport("RTP/AVP")],
      ["AVPF", transport("RTP/AVPF")],
      ["SRTP", transport("RTP/SAVP")],
      ["SRTP AVPF", transport("RTP/SAVPF")],
      ["SRTP AVPF RTP", transport("RTP/AVPF")],
      ["AVPF AVP", transport("RTP/AVP")],
      ["DTLS AVPF", transport("UDP/TLS/RTP/SAVPF")],
      ["DTLS", transport("UDP/TLS/RTP/SAVP")],
      ["RTP/SAVPF RTP/AVP", transport("RTP/AVP")],
      ["UDP/TLS/RTP/SAVPF", transport("UDP/TLS/RTP/SAVPF")],
      ["UDP/TLS/RTP/SAVP", transport("UDP/TLS/RTP/SAVP")],
      ["DTLS=off", [["DTLS", "off"]]],
    ];
    for (const [text, entries] of table) assert.deepEqual(parsed(text), entries, text);
  });

  test("interfaces: two words or two directions, ours first", () => {
    const both = [
      ["from-interface", "foo"],
      ["to-interface", "bar"],
    ];
    assert.deepEqual(parsed("direction=foo direction=bar"), both);
    assert.deepEqual(parsed("direction=foo direction=bar direction=third"), both);
    assert.deepEqual(parsed("internal external"), [
      ["from-interface", "internal"],
      ["to-interface", "external"],
    ]);
    assert.deepEqual(parsed("external external"), [
      ["from-interface", "external"],
      ["to-interface", "external"],
    ]);
    assert.deepEqual(parsed("direction=[foo bar]"), [["direction", ["foo", "bar"]]]);
  });

  test("what is malformed is left out, the rest is used", () => {
    const request = readRequest(
      "offer",
      new Map([
        [
          "rtpp-flags",
          "replace=[ origin ]  SDP-attr=  [audio=[  remove = [   test   ]  add =  [foo bar]] global=[remove=[quux]]] rtcp-mux=[offer]",
        ],
      ]),
    );
    assert.deepEqual([...request.media.replace], ["origin"]);
    assert.deepEqual([...request.media.rtcpMux], ["offer"]);
    assert.deepEqual(request.media.attributes, []);
    assert.equal(request.refusal, undefined);
    assert.deepEqual(request.warnings, [
      "Part of 'rtpp-flags' is malformed and was ignored",
      "Unknown flag: 'SDP-attr'",
    ]);
    assert.deepEqual(parsed("a=[b c"), [["a", ["b", "c"]]]);
    assert.equal(parseRtppFlags("a=[b c").isMalformed, true);
    assert.deepEqual(parsed(`a=${"[".repeat(20)}x${"]".repeat(20)} after`).length, 1);
  });

  test("to-tag=x names the tag and has it used; rtpp-flags in itself is nothing", () => {
    const request = readRequest("delete", new Map([["rtpp-flags", "to-tag=x from-tag=y rtpp-flags=fatal"]]));
    assert.deepEqual(
      [request.fromTag, request.toTag, request.usesToTag, request.isFatal],
      ["y", "x", true, false],
    );
    assert.equal(readRequest("delete", new Map([["to-tag", "x"]])).usesToTag, false);
  });

  test("property: any text ends, within its length", () => {
    const text = fc.string({ unit: fc.constantFrom(..."ab=[] -,"), maxLength: 80 });
    fc.assert(
      fc.property(text, (flags) => {
        assert.ok(parseRtppFlags(flags).entries.length <= flags.length + 1);
      }),
      { numRuns: fuzzRuns(5_000) },
    );
    assert.ok(parseRtppFlags("a ".repeat(30_000)).isMalformed);
    assert.ok(parseRtppFlags("a=[".repeat(20_000)).isMalformed);
  });
});
