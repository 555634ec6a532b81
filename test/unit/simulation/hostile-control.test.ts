/** Hostile control datagrams: each gets the error the documents promise, or is dropped and counted. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { decodePayload } from "../../../src/control/ng/message.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { documentedNgErrors, documentedRtpproxyErrors } from "../../support/hostile/documented-errors.ts";
import { HostileStation } from "../../support/hostile/hostile-station.ts";
import { heapBytes } from "../../support/hostile/memory.ts";
import { bodies, ngMessage, ngMessages, rtpproxyDatagrams } from "../../support/hostile/messages.ts";
import { hostile } from "../../support/hostile/mutations.ts";
import { oddMessages } from "../../support/hostile/words.ts";
import { suite } from "../../support/suite.ts";

const ngErrors = documentedNgErrors();
const rtpproxyErrors = documentedRtpproxyErrors();
const cases = fuzzRuns(5_000);
const patient = { timeoutMs: 3_600_000 };

/** An ng reply says ok or pong, or one of the documented errors. */
function assertNgReply(reply: string, request: Buffer): void {
  const end = request.indexOf(0x20);
  assert.equal(reply.slice(0, end + 1), request.toString("latin1", 0, end + 1), "the cookie comes back");
  const payload = decodePayload(Buffer.from(reply.slice(end + 1), "latin1"));
  if (!payload.ok) assert.fail(`no message: ${reply}`);
  const isJson = request[end + 1] === 0x7b;
  assert.equal(payload.encoding, isJson ? "json" : "bencode");
  const result = payload.dict.get("result");
  if (result === "ok" || result === "pong") return;
  const text = String(payload.dict.get(result === "load limit" ? "message" : "error-reason"));
  if (result === "load limit") assert.match(text, /^(?:Parallel session limit reached|Load limit exceeded)$/);
  else
    assert.ok(
      result === "error" && ngErrors.some((pattern) => pattern.test(text)),
      `"${text}" is not in docs/ng.md`,
    );
}

function hasNgCookie(bytes: Buffer): boolean {
  const end = bytes.indexOf(0x20);
  return end > 0 && end <= 256;
}

suite("hostile: ng", (test) => {
  test(
    "datagrams",
    () => {
      fc.assert(
        fc.property(fc.oneof(hostile(ngMessages), oddMessages), (bytes) => {
          const rig = new HostileStation({ checksBodies: false });
          rig.goodOffer();
          const replies = rig.ng(bytes);
          const dropped = rig.station.ng.counters().withoutCookie;
          assert.equal(replies.length, hasNgCookie(bytes) ? 1 : 0);
          assert.equal(dropped, hasNgCookie(bytes) ? 0 : 1);
          for (const reply of replies) assertNgReply(reply, bytes);
          rig.goodAnswer();
          rig.settle();
        }),
        { numRuns: cases, includeErrorInReport: true },
      );
    },
    patient,
  );

  const hostileBodies = hostile(bodies.map((body) => Buffer.from(body, "latin1")));
  test(
    "bodies in valid offers and answers",
    () => {
      fc.assert(
        fc.property(hostileBodies, hostileBodies, fc.boolean(), (offered, answered, isJson) => {
          const rig = new HostileStation({ checksBodies: true });
          const tags = { "call-id": "bad", "from-tag": "evil" };
          const encoding = isJson ? "json" : "bencode";
          const messages = [
            { command: "offer", ...tags, sdp: offered.toString("latin1") },
            { command: "answer", ...tags, "to-tag": "twin", sdp: answered.toString("latin1") },
            { command: "offer", ...tags, "to-tag": "twin", sdp: answered.toString("latin1") },
            { command: "query", ...tags },
          ];
          for (const [index, words] of messages.entries()) {
            const message = ngMessage(`c${index}`, words, encoding).subarray(0, 65_507);
            const replies = rig.ng(message);
            assert.equal(replies.length, 1);
            assertNgReply(replies[0] ?? "", Buffer.from(message));
          }
          rig.settle();
        }),
        { numRuns: cases, includeErrorInReport: true },
      );
    },
    patient,
  );
});

/** An rtpproxy reply is an error of the table, or says what a good command is told. */
function assertRtpproxyReply(reply: string): void {
  assert.ok(reply.endsWith("\n"));
  const text = reply.slice(0, -1);
  if (/^E[0-9]+$/.test(text)) assert.ok(rtpproxyErrors.has(text), `${text} is not in docs/rtpproxy.md`);
  else assert.match(text, /^[\x20-\x7e\n]*$/, "plain text");
}

/** The first word; undefined when there is none, or one that cannot be sent back. */
function rtpproxyCookie(bytes: Buffer): string | undefined {
  const cookie = /[^ \t\r\n]+/.exec(bytes.toString("latin1"))?.[0];
  return cookie === undefined || cookie.length > 256 || cookie.includes("\0") ? undefined : cookie;
}

suite("hostile: rtpproxy", (test) => {
  test(
    "datagrams",
    () => {
      fc.assert(
        fc.property(hostile(rtpproxyDatagrams), (bytes) => {
          const rig = new HostileStation({ checksBodies: false });
          const cookie = rtpproxyCookie(bytes);
          const replies = rig.rtpproxy(bytes);
          assert.equal(replies.length, cookie === undefined ? 0 : 1);
          assert.equal(rig.station.rtpproxy.droppedCount, cookie === undefined ? 1 : 0);
          for (const reply of replies) {
            assert.ok(reply.startsWith(`${cookie} `), "the cookie comes back");
            assertRtpproxyReply(reply.slice((cookie?.length ?? 0) + 1));
          }
          assert.match(
            rig.rtpproxy(Buffer.from("good U good 203.0.113.5 4000 a;1"))[0] ?? "",
            /^good 30[0-9]{3} /,
          );
          rig.settle();
        }),
        { numRuns: cases, includeErrorInReport: true },
      );
    },
    patient,
  );

  test(
    "lines of a stream: one reply each, in order",
    () => {
      const line = hostile(rtpproxyDatagrams).map((bytes) =>
        Buffer.from(bytes.toString("latin1").replaceAll("\n", " "), "latin1"),
      );
      fc.assert(
        fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
          const rig = new HostileStation({ checksBodies: false });
          for (const bytes of lines) {
            const replies = rig.line(bytes);
            assert.equal(replies.length, 1);
            assertRtpproxyReply(replies[0] ?? "");
          }
          assert.match(rig.line(Buffer.from("V"))[0] ?? "", /^20040107\n$/);
          rig.settle();
        }),
        { numRuns: Math.ceil(cases / 4), includeErrorInReport: true },
      );
    },
    patient,
  );
});

suite("hostile: memory of the control side", (test) => {
  test(
    "what was refused leaves nothing behind",
    () => {
      const rig = new HostileStation({ checksBodies: false });
      const samples = [
        ...fc.sample(hostile(ngMessages), { numRuns: 1_000, seed: 1 }).map((bytes) => ["ng", bytes] as const),
        ...fc
          .sample(hostile(rtpproxyDatagrams), { numRuns: 500, seed: 2 })
          .map((bytes) => ["old", bytes] as const),
      ];
      const flood = (): void => {
        for (const [protocol, bytes] of samples) {
          if (protocol === "ng") rig.ng(bytes);
          else rig.rtpproxy(bytes);
          // Other bytes under the same cookie are another question here.
          rig.station.replies.clear();
        }
        rig.settle();
        rig.world.trace.length = 0;
      };
      flood();
      flood();
      const before = heapBytes();
      for (let round = 0; round < 10; round++) flood();
      // 15,000 messages later; a leak of 100 bytes each would be seen.
      assert.ok(heapBytes() - before < 1_500_000, `${heapBytes() - before} bytes more`);
    },
    { timeoutMs: 120_000 },
  );
});
