import assert from "node:assert/strict";
import { editsOf, printAttribute } from "../../../src/sdp/attribute-edits.ts";
import type { AttributeEdit } from "../../../src/sdp/edits.ts";
import { suite } from "../../support/suite.ts";

const edits: readonly AttributeEdit[] = [
  { scope: "audio", action: "remove", attribute: "x-one" },
  { scope: "audio", action: "remove", attribute: "fmtp:101" },
  { scope: "audio", action: "remove", attribute: "rtpmap:8 PCMA/8000" },
  { scope: "audio", action: "substitute", attribute: "ptime:20", replacement: "a=ptime:40" },
  { scope: "audio", action: "add", attribute: "a=added:1" },
  { scope: "audio", action: "add", attribute: "two\r\na=lines" },
  { scope: "global", action: "add", attribute: "g" },
  { scope: "none", action: "remove", attribute: "tool" },
];

suite("sdp/attribute-edits", (test) => {
  test("an edit names an attribute by name, by name and first word, or whole", () => {
    const audio = editsOf(edits, "audio");
    const table: readonly (readonly [string, string])[] = [
      ["x-one", ""],
      ["x-one:value", ""],
      ["X-ONE", ""],
      ["x-oneself", "a=x-oneself\r\n"],
      ["fmtp:101 0-15", ""],
      ["fmtp:1011 0-15", "a=fmtp:1011 0-15\r\n"],
      ["rtpmap:8 PCMA/8000", ""],
      ["rtpmap:8 PCMA/16000", "a=rtpmap:8 PCMA/16000\r\n"],
      ["ptime:20", "a=ptime:40\r\n"],
      ["ptime:30", "a=ptime:30\r\n"],
      ["tool:x", "a=tool:x\r\n"],
    ];
    for (const [text, expected] of table) assert.equal(printAttribute(audio, text), expected, text);
    assert.equal(printAttribute(undefined, "x-one"), "a=x-one\r\n");
  });

  test("additions are whole lines, one each", () => {
    assert.equal(editsOf(edits, "audio")?.addedText, "a=added:1\r\na=two\r\n");
    assert.equal(editsOf(edits, "session")?.addedText, "a=g\r\n");
    assert.equal(printAttribute(editsOf(edits, "session"), "tool:x"), "");
    assert.equal(editsOf(edits, "video"), undefined);
  });
});
