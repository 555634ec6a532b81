import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatsPerMediaMax,
  mediaPerCallMax,
  sdpLinesMax,
  sdpSizeBytesMax,
} from "../../../src/core/limits.ts";
import type { SdpLine, SdpRefusal, SessionDescription } from "../../../src/sdp/description.ts";
import { parseSdp } from "../../../src/sdp/parse.ts";
import { printSdp } from "../../../src/sdp/print.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { almostSdp } from "./arbitrary.ts";

const head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n";

function refusal(text: string): SdpRefusal {
  const parsed = parseSdp(text);
  if (parsed.ok) assert.fail(`taken: ${text.slice(0, 80)}`);
  return parsed.reason;
}

function parse(text: string): SessionDescription {
  const parsed = parseSdp(text);
  if (!parsed.ok) assert.fail(JSON.stringify(parsed.reason));
  return parsed.value;
}

suite("sdp/parse", (test) => {
  test("a body becomes lines and media sections", () => {
    const line = (type: string, value: string): SdpLine => ({ type, value });
    assert.deepEqual(parse(`${head}m=audio 4000/2 RTP/AVP 0 8\r\nc=IN IP6 2001:db8::1\r\na=sendrecv\r\n`), {
      session: [line("v", "0"), line("o", "- 1 1 IN IP4 192.0.2.1"), line("s", "-"), line("t", "0 0")],
      media: [
        {
          kind: "audio",
          port: 4000,
          portCount: 2,
          protocol: "RTP/AVP",
          formats: ["0", "8"],
          lines: [line("c", "IN IP6 2001:db8::1"), line("a", "sendrecv")],
        },
      ],
    });
  });

  test("LF, missing lines, a missing last line end and empty lines at the end are taken", () => {
    const plain = printSdp(parse(`${head}m=audio 4000 RTP/AVP 0\r\na=x\r\n`));
    for (const text of [
      `${head}m=audio 4000 RTP/AVP 0\r\na=x`,
      `${head}m=audio 4000 RTP/AVP 0\r\na=x\r\n\r\n`,
      `${head}m=audio 4000 RTP/AVP 0\r\na=x\r\n\r\nnot read any more`,
      `${head}m=audio  4000 RTP/AVP  0 \na=x\n`.replaceAll("\r\n", "\n"),
      `${head}m=audio 4000 RTP/AVP 0\r\r\na=x\r\n\n`,
    ]) {
      assert.equal(printSdp(parse(text)), plain);
    }
    assert.equal(printSdp(parse("v=0\n")), "v=0\r\n");
    assert.equal(printSdp(parse("v=0\nm=audio 0 RTP/AVP\n")), "v=0\r\nm=audio 0 RTP/AVP\r\n");
  });

  test("what is refused, and on which line", () => {
    const table: readonly (readonly [string, SdpRefusal["what"], number])[] = [
      ["", "empty", 1],
      ["\r\n", "empty", 1],
      ["o=- 1 1 IN IP4 192.0.2.1\r\n", "bad-version", 1],
      ["v=1\r\n", "bad-version", 1],
      ["v=0 \r\n", "bad-version", 1],
      [`${head}v=0\r\n`, "misplaced-line", 5],
      [`${head}o=- 2 2 IN IP4 192.0.2.1\r\n`, "misplaced-line", 5],
      [`${head}c=IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\n`, "misplaced-line", 6],
      [`${head}m=audio 1 RTP/AVP 0\r\nt=0 0\r\n`, "misplaced-line", 6],
      [`${head}x=1\r\n`, "not-a-line", 5],
      [`${head}hello\r\n`, "not-a-line", 5],
      [`${head} a=x\r\n`, "not-a-line", 5],
      [`${head}a\r\n`, "not-a-line", 5],
      [`${head}a=x\ry\r\n`, "not-a-line", 5],
      [`${head}a=x\0\r\n`, "not-a-line", 5],
      ["v=0\r\no=- 1 1 IN IP4\r\n", "bad-origin", 2],
      [`${head}c=IN IP4 media.example.org\r\n`, "bad-connection", 5],
      [`${head}c=IN IP4 2001:db8::1\r\n`, "bad-connection", 5],
      [`${head}c=IN IP4 233.252.0.1/127\r\n`, "bad-connection", 5],
      [`${head}m=audio RTP/AVP 0\r\n`, "bad-media", 5],
      [`${head}m=audio 65536 RTP/AVP 0\r\n`, "bad-media", 5],
      [`${head}m=audio -1 RTP/AVP 0\r\n`, "bad-media", 5],
      [`${head}m=audio 5000/0 RTP/AVP 0\r\n`, "bad-media", 5],
      [`${head}m=audio 5000/11 RTP/AVP 0\r\n`, "bad-media", 5],
      [`${head}m=audio 5000\r\n`, "bad-media", 5],
    ];
    for (const [text, what, at] of table) assert.deepEqual(refusal(text), { what, at }, text);
  });

  test("limits", () => {
    const media = "m=audio 1 RTP/AVP 0\r\n";
    const formats = " 0".repeat(formatsPerMediaMax);
    assert.equal(parse(head + media.repeat(mediaPerCallMax)).media.length, mediaPerCallMax);
    assert.equal(refusal(head + media.repeat(mediaPerCallMax + 1)).what, "too-many-media");
    assert.equal(
      parse(`${head}m=audio 1 RTP/AVP${formats}\r\n`).media[0]?.formats.length,
      formatsPerMediaMax,
    );
    assert.equal(refusal(`${head}m=audio 1 RTP/AVP${formats} 0\r\n`).what, "too-many-formats");
    assert.equal(parse(head + "a=x\r\n".repeat(sdpLinesMax - 4)).session.length, sdpLinesMax);
    assert.equal(refusal(head + "a=x\r\n".repeat(sdpLinesMax - 3)).what, "too-many-lines");
    assert.equal(refusal(`${head}a=${"x".repeat(sdpSizeBytesMax)}`).what, "too-large");
  });

  test("what was printed parses to the same", () => {
    fc.assert(
      fc.property(almostSdp, (text) => {
        const parsed = parseSdp(text);
        if (!parsed.ok) return;
        assert.deepEqual(parseSdp(printSdp(parsed.value)), parsed);
      }),
      { numRuns: fuzzRuns(5000) },
    );
  });

  test("noise never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), almostSdp), (text) => {
        assert.equal(typeof parseSdp(text).ok, "boolean");
      }),
      { numRuns: fuzzRuns(5000) },
    );
  });
});
