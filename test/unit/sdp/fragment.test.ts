import assert from "node:assert/strict";
import fc from "fast-check";
import { type IceFragment, parseFragment } from "../../../src/sdp/fragment.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { body } from "./bodies.ts";

function read(text: string): IceFragment {
  const result = parseFragment(body(text));
  return result.ok ? result.value : assert.fail(JSON.stringify(result.reason));
}

/** mid, ufrag, password, ports, end. */
function facts(text: string): unknown {
  return read(text).media.map(({ mid, ufrag, password, candidates, hasEnded }) => [
    mid,
    ufrag,
    password,
    candidates.map(({ endpoint }) => endpoint.port).join(),
    hasEnded,
  ]);
}

suite("sdp/fragment", (test) => {
  test("RFC 8840 section 9: two m-lines, one generation, ended", () => {
    const text = `
      a=ice-ufrag:8hhY
      a=ice-pwd:asd88fgpdd777uzjYhagZg
      m=audio 9 RTP/AVP 0
      a=mid:1
      a=candidate:1 1 UDP 1 192.0.2.1 5000 typ host
      a=candidate:2 2 UDP 1 192.0.2.1 5001 typ host
      a=end-of-candidates
      m=audio 9 RTP/AVP 0
      a=mid:2
      a=candidate:1 1 UDP 1 192.0.2.1 5002 typ host`;
    assert.deepEqual(facts(text), [
      ["1", "8hhY", "asd88fgpdd777uzjYhagZg", "5000,5001", true],
      ["2", "8hhY", "asd88fgpdd777uzjYhagZg", "5002", false],
    ]);
    assert.deepEqual(
      read(text).media.map(({ index }) => index),
      [0, 1],
    );
  });

  test("end of candidates for all", () => {
    const fragment = read("a=ice-ufrag:u\na=end-of-candidates\nm=audio 9 RTP/AVP 0\na=mid:0");
    assert.deepEqual([fragment.hasEnded, fragment.media[0]?.hasEnded], [true, true]);
    assert.deepEqual(read("a=end-of-candidates"), { media: [], hasEnded: true });
  });

  test("generations: the m-line's own, else as the candidates say", () => {
    const candidate = (port: number, rest: string) =>
      `a=candidate:1 1 UDP 1 192.0.2.1 ${port} typ host ${rest}`;
    assert.deepEqual(
      facts(`m=audio 9 x 0\na=mid:0\na=ice-ufrag:b\n${candidate(1, "ufrag a")}\n${candidate(2, "ufrag b")}`),
      [["0", "b", undefined, "2", false]],
    );
    assert.deepEqual(
      facts(`m=audio 9 x 0\n${candidate(1, "generation 0 ufrag a")}\n${candidate(2, "ufrag b")}`),
      [[undefined, "a", undefined, "1", false]],
    );
  });

  test("sections that begin with a=mid, and candidates without any section", () => {
    const candidate = "a=candidate:1 1 UDP 1 192.0.2.1 7 typ host";
    assert.deepEqual(facts(`a=ice-ufrag:u\na=mid:a\n${candidate}\na=mid:b\n${candidate}`), [
      ["a", "u", undefined, "7", false],
      ["b", "u", undefined, "7", false],
    ]);
    assert.deepEqual(facts(candidate), [[undefined, undefined, undefined, "7", false]]);
  });

  test("lines of other types are passed over, LF will do", () => {
    const result = parseFragment(
      "v=0\no=- 1 1 IN IP4 192.0.2.1\n\na=ice-ufrag:u\nm=audio 9 RTP/AVP 0\nc=IN IP4 host\na=mid:0",
    );
    assert.ok(result.ok);
    assert.deepEqual(result.value.media[0]?.ufrag, "u");
  });

  test("refusals", () => {
    const table: readonly (readonly [string, string, number])[] = [
      ["", "empty", 1],
      ["\r\n\r\n", "empty", 1],
      ["a=x\nnoise", "not-a-line", 2],
      ["a=x\ry", "not-a-line", 1],
      ["a=x\0", "not-a-line", 1],
      ["m=audio 9 x 0\n".repeat(65), "too-many-media", 65],
      ["a=x\n".repeat(5_000), "too-many-lines", 4_097],
      [`a=${"x".repeat(70_000)}`, "too-large", 1],
    ];
    for (const [text, what, at] of table)
      assert.deepEqual(parseFragment(text), { ok: false, reason: { what, at } });
  });

  test("property: nothing makes it throw", () => {
    const line = fc.oneof(
      fc.constantFrom(
        "m=audio 9 RTP/AVP 0",
        "a=mid:0",
        "a=mid:",
        "a=ice-ufrag:u",
        "a=ice-pwd:x",
        "a=end-of-candidates",
        "a=candidate:1 1 UDP 1 192.0.2.1 7 typ host ufrag u",
        "",
      ),
      fc.string({ maxLength: 12 }).map((text) => `a=candidate:${text}`),
      fc.string({ maxLength: 12 }),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), fc.constantFrom("\n", "\r\n"), (lines, end) => {
        const result = parseFragment(lines.join(end));
        if (result.ok) for (const { mid } of result.value.media) assert.notEqual(mid, "");
      }),
      { numRuns: fuzzRuns(3_000) },
    );
  });
});
