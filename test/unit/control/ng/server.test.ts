import assert from "node:assert/strict";
import fc from "fast-check";
import type { CallRefusal, RequestId } from "../../../../src/call/requests.ts";
import { commandNames } from "../../../../src/control/ng/command-names.ts";
import { controlCookieSizeBytesMax, controlPeersMax } from "../../../../src/core/limits.ts";
import { fuzzRuns } from "../../../support/fuzz-runs.ts";
import { suite } from "../../../support/suite.ts";
import { b, bencoded, kamailio, latin1, Rig, sent, sourceOf } from "./rig.ts";

const offer = { command: "offer", "call-id": "c1", "from-tag": "f1", sdp: "v=0\r\n" };

suite("control/ng/server", (test) => {
  test("framing: exact replies", () => {
    const table: readonly (readonly [string, string | undefined])[] = [
      ["1 d7:command4:pinge", "1 d6:result4:ponge"],
      ['1 {"command":"ping"}', '1 {"result":"pong"}'],
      ["7_3_99 d7:command4:pinge\n", "7_3_99 d6:result4:ponge"],
      ["", undefined],
      [" ", undefined],
      ["d7:command4:pinge", undefined],
      [" d7:command4:pinge", undefined],
      ['{"command":"ping"}', undefined],
      [`${"c".repeat(controlCookieSizeBytesMax + 1)} d7:command4:pinge`, undefined],
      ["1 ", `1 d6:result5:error12:error-reason${b("Invalid data (no payload)")}e`],
      ["1 hello", `1 d6:result5:error12:error-reason${b("Invalid NG data format")}e`],
      ["1  d7:command4:pinge", `1 d6:result5:error12:error-reason${b("Invalid NG data format")}e`],
      ["1 d7:command4:ping", `1 d6:result5:error12:error-reason${b("Could not decode bencode dictionary")}e`],
      ["1 {", '1 {"result":"error","error-reason":"Failed to parse JSON document"}'],
      ["1 de", `1 d6:result5:error12:error-reason${b('Dictionary contains no key "command"')}e`],
      ["1 d7:commandi1ee", `1 d6:result5:error12:error-reason${b('Dictionary contains no key "command"')}e`],
      ["1 {}", '1 {"result":"error","error-reason":"Dictionary contains no key \\"command\\""}'],
      ["1 d7:command4:PINGe", `1 d6:result5:error12:error-reason${b("Unrecognized command")}e`],
      ["1 d7:command7:offer\xe92e", `1 d6:result5:error12:error-reason${b("Unrecognized command")}e`],
    ];
    for (const [request, reply] of table)
      assert.equal(new Rig().answer(request), reply, JSON.stringify(request));
  });

  test("missing keys, in rtpengine's order", () => {
    const failing = (text: string): string => `1 d6:result5:error12:error-reason${b(text)}e`;
    const table: readonly (readonly [Parameters<typeof bencoded>[0], string])[] = [
      [{ command: "offer" }, "No SDP body in message"],
      [{ command: "offer", sdp: "v=0" }, "No call-id in message"],
      [{ command: "offer", sdp: "v=0", "call-id": "c" }, "No from-tag in message"],
      [{ command: "offer", sdp: "v=0", "call-id": "c", "from-tag": "" }, "No from-tag in message"],
      [{ command: "answer", "call-id": "c", "from-tag": "f", "to-tag": "t" }, "No SDP body in message"],
      [{ command: "answer", sdp: "v=0", "call-id": "c", "from-tag": "f" }, "No to-tag in message"],
      [{ command: "delete" }, "No call-id in message"],
      [{ command: "query" }, "No call-id in message"],
      [{ command: "list", limit: -1 }, "invalid limit, must be >= 0"],
      [{ command: "list", limit: "-5" }, "invalid limit, must be >= 0"],
      [{ ...offer, "call-id": "c".repeat(1_025) }, "Value of 'call-id' is longer than 1024 bytes"],
      [
        { command: "delete", "call-id": "c", "from-tag": "f".repeat(2_000) },
        "Value of 'from-tag' is longer than 1024 bytes",
      ],
    ];
    for (const [request, text] of table)
      assert.equal(new Rig().answer(`1 ${bencoded(request)}`), failing(text));
  });

  test("commands of rtpengine that are not ours are named as such", () => {
    const missing = commandNames.filter(({ isSupported }) => !isSupported).map(({ name }) => name);
    assert.equal(missing.length + 7, 33);
    for (const name of [...missing, "CLI"]) {
      const reply = new Rig().answer(`1 ${bencoded({ command: name, "call-id": "c" })}`);
      assert.equal(reply, `1 d6:result5:error12:error-reason${b(`Command '${name}' is not supported`)}e`);
    }
  });

  test("offer and answer: the request, the SDP reply", () => {
    const rig = new Rig();
    const asked = rig.call(`1 ${bencoded({ ...offer, "via-branch": "b1" })}`);
    assert.equal(asked.request.kind, "offer");
    assert.deepEqual(
      { ...asked.request, options: undefined },
      {
        kind: "offer",
        callId: "c1",
        fromTag: "f1",
        toTag: undefined,
        viaBranch: "b1",
        sdp: "v=0\r\n",
        options: undefined,
      },
    );
    const reply = rig.reply(asked.id, { kind: "sdp", sdp: "v=0\r\ns=\xe9\r\n", warnings: [] });
    assert.equal(sent(reply), "1 d3:sdp10:v=0\r\ns=\xe9\r\n6:result2:oke");

    const json = { ...offer, command: "answer", "to-tag": "t1", sdp: "v=0\r\ns=é" };
    const answer = rig.call(Buffer.from(`2 ${JSON.stringify(json)}`).toString("latin1"));
    assert.equal(answer.request.kind, "answer");
    assert.equal(answer.request.kind === "answer" && answer.request.sdp, "v=0\r\ns=\xc3\xa9");
    assert.equal(answer.request.kind === "answer" && answer.request.toTag, "t1");
    const answered = rig.reply(answer.id, {
      kind: "sdp",
      sdp: "v=0\r\ns=\xc3\xa9",
      warnings: ["no such interface"],
    });
    assert.equal(
      sent(answered),
      '2 {"sdp":"v=0\\r\\ns=\xc3\xa9","warning":"no such interface","result":"ok"}',
    );
  });

  test("a trickle body is taken without an SDP back", () => {
    const reply = new Rig().exchange(`1 ${bencoded({ ...offer, flags: ["fragment"] })}`, { kind: "done" });
    assert.equal(reply, "1 d6:result2:oke");
  });

  test("refusals: rtpengine's texts", () => {
    const texts: Readonly<Record<CallRefusal, string>> = {
      "sdp-malformed": "Failed to parse SDP",
      "sdp-incomplete": "Incomplete SDP specification",
      "sdp-rewrite-failed": "Error rewriting SDP",
      "unknown-call": "Unknown call-id",
      "unknown-tag": "Invalid dialogue association",
      "tags-mismatch": "Invalid dialogue association",
      "dialogue-invalid": "Invalid dialogue association",
      "no-ports": "Ran out of ports",
      "no-interface": "No interface for the requested address family",
      "sessions-exhausted": "Parallel session limit reached",
      "load-limit": "Parallel session limit reached",
      "limit-exceeded": "Too many legs, media or aliases in one call",
      "unsupported-address": "Unsupported address in SDP",
      "unsupported-protocol": "Unsupported transport protocol in SDP",
      "shutting-down": "Parallel session limit reached",
    };
    for (const [reason, text] of Object.entries(texts)) {
      const refused = { kind: "refused", reason: reason as CallRefusal } as const;
      assert.equal(
        new Rig().exchange(`1 ${bencoded(offer)}`, refused),
        `1 d6:result5:error12:error-reason${b(text)}e`,
      );
    }
  });

  test("load limit for those who understand it", () => {
    const asking = `1 ${bencoded({ supports: ["load limit"], ...offer })}`;
    const replies: readonly (readonly [CallRefusal, string])[] = [
      ["sessions-exhausted", "Parallel session limit reached"],
      ["load-limit", "Load limit exceeded"],
      ["shutting-down", "Load limit exceeded"],
    ];
    for (const [reason, text] of replies) {
      assert.equal(
        new Rig().exchange(asking, { kind: "refused", reason }),
        `1 d6:result10:load limit7:message${b(text)}e`,
      );
    }
    assert.equal(
      new Rig().exchange(asking, { kind: "refused", reason: "no-ports" }),
      `1 d6:result5:error12:error-reason${b("Ran out of ports")}e`,
    );
  });

  test("delete: what is asked, and nothing found", () => {
    const asked = (extra: Parameters<typeof bencoded>[0]) =>
      new Rig().call(`1 ${bencoded({ command: "delete", "call-id": "c", ...extra })}`).request;
    const base = {
      kind: "delete",
      callId: "c",
      fromTag: undefined,
      toTag: undefined,
      viaBranch: undefined,
      deleteDelaySec: undefined,
    };
    assert.deepEqual(asked({}), base);
    assert.deepEqual(asked({ "from-tag": "f", "to-tag": "t" }), { ...base, fromTag: "f" });
    assert.deepEqual(asked({ "from-tag": "f", "to-tag": "t", flags: ["to-tag"] }), {
      ...base,
      fromTag: "f",
      toTag: "t",
    });
    assert.deepEqual(asked({ "via-branch": "b", "delete delay": 7, "delete-delay": "5" }), {
      ...base,
      viaBranch: "b",
      deleteDelaySec: 5,
    });
    assert.deepEqual(asked({ "delete-delay": "-1" }), base);
    assert.deepEqual(asked({ "delete-delay": "soon", flags: ["block-DTMF"] }), base);

    const nothing = "Call-ID not found or tags didn't match";
    for (const reason of ["unknown-call", "unknown-tag", "tags-mismatch"] as const) {
      const refused = { kind: "refused", reason } as const;
      const plain = bencoded({ command: "delete", "call-id": "c" });
      const fatal = bencoded({ command: "delete", "call-id": "c", flags: ["fatal"] });
      assert.equal(new Rig().exchange(`1 ${plain}`, refused), `1 d7:warning${b(nothing)}6:result2:oke`);
      assert.equal(
        new Rig().exchange(`1 ${fatal}`, refused),
        `1 d6:result5:error12:error-reason${b(nothing)}e`,
      );
    }
  });

  test("list: default, limit, reply", () => {
    assert.deepEqual(new Rig().call("1 d7:command4:liste").request, { kind: "list", limit: 32 });
    assert.deepEqual(new Rig().call('1 {"command":"list","limit":"5"}').request, { kind: "list", limit: 5 });
    const calls = [
      { callId: "a", createdAt: 0 as never },
      { callId: "b", createdAt: 0 as never },
    ];
    assert.equal(
      new Rig().exchange("1 d7:command4:liste", { kind: "list", calls }),
      "1 d5:callsl1:a1:be6:result2:oke",
    );
  });

  test("query asks for the whole call", () => {
    const request = bencoded({ command: "query", "call-id": "c", "from-tag": "f", "to-tag": "t" });
    const expected = { kind: "query", callId: "c", fromTag: undefined, toTag: undefined };
    assert.deepEqual(new Rig().call(`1 ${request}`).request, expected);
    const refused = { kind: "refused", reason: "unknown-call" } as const;
    assert.equal(
      new Rig().exchange(`1 ${request}`, refused),
      `1 d6:result5:error12:error-reason${b("Unknown call-id")}e`,
    );
  });

  test("a repeated request: one call, the same bytes, from the same client only", () => {
    const rig = new Rig();
    const request = `9_1 ${bencoded(offer)}`;
    const { id } = rig.call(request);
    assert.deepEqual(rig.datagram(request), []);
    assert.equal(rig.datagram(request, sourceOf("127.0.0.1", 40_001))[0]?.kind, "call");
    assert.equal(rig.datagram(request, sourceOf("127.0.0.2", 40_000))[0]?.kind, "call");
    const first = sent(rig.reply(id, { kind: "sdp", sdp: "v=0", warnings: [] }));
    rig.nowMs += 34_999;
    assert.equal(sent(rig.datagram(request)), first);
    assert.equal(rig.control.counters().duplicates, 2);
    rig.nowMs += 1;
    assert.equal(rig.datagram(request)[0]?.kind, "call");
    assert.deepEqual(rig.reply(id, { kind: "done" }), []);
  });

  test("errors are remembered too, pings are not", () => {
    const rig = new Rig();
    assert.equal(rig.answer("1 d7:command4:pinge"), "1 d6:result4:ponge");
    assert.equal(rig.control.counters().cachedReplies, 0);
    const error = rig.answer("1 d7:command3:fooe");
    assert.equal(rig.answer("1 d7:command4:pinge"), error);
    assert.equal(rig.control.counters().duplicates, 1);
  });

  test("a reply goes back where the request came from", () => {
    const rig = new Rig();
    const source = sourceOf("2001:db8::5", 5_555, 3);
    const [send] = rig.datagram("1 d7:command4:pinge", source);
    assert.equal(send?.kind === "send" && send.to, source);
    const { id } = rig.call(`1 ${bencoded(offer)}`, source);
    const [later] = rig.reply(id, { kind: "done" });
    assert.equal(later?.kind === "send" && later.to, source);
  });

  test("a reply that fits no datagram is an error, never cut", () => {
    const calls = Array.from({ length: 3_000 }, (_, index) => ({
      callId: `${index}`.padStart(30, "x"),
      createdAt: 0 as never,
    }));
    const reply = new Rig().exchange("1 d7:command4:list5:limiti3000ee", { kind: "list", calls });
    assert.equal(reply, `1 d6:result5:error12:error-reason${b("Reply is too large for a datagram")}e`);
  });

  test("counts by proxy and command, durations from the times given", () => {
    const rig = new Rig();
    rig.datagram("1 d7:command4:pinge");
    rig.datagram("x");
    const { id } = rig.call(`2 ${bencoded(offer)}`);
    assert.equal(rig.control.counters().requestsInWork, 1);
    rig.nowMs += 12;
    rig.reply(id, { kind: "refused", reason: "no-ports" });
    rig.datagram("3 d7:command4:mesh7:call-id1:ce");
    const { peers, withoutCookie, requestsInWork } = rig.control.counters();
    const [peer] = peers;
    const index = (name: string): number => commandNames.findIndex((command) => command.name === name);
    assert.equal(peers.length, 1);
    assert.equal(peer?.address, "127.0.0.1");
    assert.equal(peer?.counts[index("ping")], 1);
    assert.equal(peer?.counts[index("offer")], 1);
    assert.equal(peer?.counts[index("mesh")], 1);
    assert.equal(peer?.durationsMs[index("offer")], 12);
    assert.equal(peer?.errors, 2);
    assert.equal(withoutCookie, 1);
    assert.equal(requestsInWork, 0);
  });

  test("proxies beyond the limit are counted together", () => {
    const rig = new Rig();
    for (let host = 0; host < controlPeersMax + 50; host++) {
      rig.datagram("1 d7:command4:pinge", sourceOf(`10.0.${host >> 8}.${host & 255}`, 1));
    }
    const { peers } = rig.control.counters();
    assert.equal(peers.length, controlPeersMax);
    assert.equal(peers.at(-1)?.address, "other");
    assert.equal(peers.at(-1)?.counts[0], 51);
  });

  test("property: noise is dropped, or refused in the documented words, and never throws", () => {
    const cookie = fc.constantFrom("1 ", "", "a b ", " ", "1  ");
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
      fc.string({ unit: fc.constantFrom(...'dlie0123456789:{}[]", '), maxLength: 60 }),
      fc
        .record({
          command: fc.constantFrom("offer", "answer", "delete", "query", "list", "ping", "play media", "x"),
          key: fc.constantFrom(
            "sdp-attr",
            "codec",
            "direction",
            "received-from",
            "rtpp-flags",
            "flags",
            "TOS",
            "limit",
          ),
          value: fc.string({ unit: fc.constantFrom(..."[]=,- >.ab1"), maxLength: 30 }),
        })
        .map(({ command, key, value }) => bencoded({ ...offer, "to-tag": "t", command, [key]: value })),
    );
    const reasons = new Set([
      "Invalid data (no payload)",
      "Invalid NG data format",
      "Could not decode bencode dictionary",
      "Failed to parse JSON document",
      'Dictionary contains no key "command"',
      "Unrecognized command",
      "Command 'play media' is not supported",
      "wrong type used",
      "invalid limit, must be >= 0",
      "unsupported sdp section",
    ]);
    const rig = new Rig();
    fc.assert(
      fc.property(cookie, body, (prefix, text) => {
        rig.nowMs += 40_000;
        const actions = rig.control.handleDatagram(
          { monotonicMs: rig.nowMs as never, unixMs: rig.nowMs as never },
          kamailio,
          latin1(prefix + text),
        );
        for (const action of actions) {
          if (action.kind === "call") rig.reply(action.requestId, { kind: "done" });
          if (action.kind !== "log" || actions.some(({ kind }) => kind === "call")) continue;
          assert.ok(reasons.has(action.message) || / is not supported$/.test(action.message), action.message);
        }
      }),
      { numRuns: fuzzRuns(5_000) },
    );
  });

  test("a reply to a request nobody made is nothing", () => {
    assert.deepEqual(new Rig().reply(77 as RequestId, { kind: "done" }), []);
  });
});
