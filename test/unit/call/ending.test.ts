import assert from "node:assert/strict";
import type { DeleteRequest } from "../../../src/call/requests.ts";
import { suite } from "../../support/suite.ts";
import { answer, Lab, offer, portIn, sdp } from "./lab.ts";

function remove(shape: Partial<DeleteRequest> = {}): DeleteRequest {
  return {
    kind: "delete",
    callId: "call-1",
    fromTag: undefined,
    toTag: undefined,
    viaBranch: undefined,
    deleteDelaySec: undefined,
    ...shape,
  };
}

function established(lab: Lab): { readonly toAlice: number; readonly toBob: number } {
  const toBob = portIn(lab.body(offer()));
  return { toBob, toAlice: portIn(lab.body(answer())) };
}

function reasons(lab: Lab): readonly string[] {
  return lab.ended.map((call) => call.reason);
}

suite("call: delete", (test) => {
  test("the whole call, by either party's tag, or by both", () => {
    const shapes: readonly Partial<DeleteRequest>[] = [
      {},
      { fromTag: "alice" },
      { fromTag: "bob" },
      { fromTag: "alice", toTag: "bob" },
      { fromTag: "bob", toTag: "alice" },
    ];
    for (const shape of shapes) {
      const lab = new Lab();
      established(lab);
      assert.equal(lab.ask(remove({ ...shape, deleteDelaySec: 0 })).kind, "report");
      assert.equal(lab.calls.callCount, 0);
      assert.equal(lab.relay.open.size, 0);
      assert.deepEqual(reasons(lab), ["deleted"]);
    }
  });

  test("the delay: the call stays, a second delete still reports, then it goes", () => {
    const lab = new Lab();
    established(lab);
    lab.ask(remove());
    assert.equal(lab.calls.callCount, 1);
    lab.advance(29_999);
    const second = lab.ask(remove({ fromTag: "bob" }));
    assert.equal(second.kind === "report" && second.report.isDeleted, true);
    assert.equal(second.kind === "report" && second.report.legs.length, 2);
    lab.advance(1);
    assert.equal(lab.calls.callCount, 0);
    assert.equal(lab.relay.open.size, 0);
    assert.equal(lab.calls.nextDeadlineMs(), undefined);
  });

  test("a new offer in the delay takes the delete back, with the same ports", () => {
    const lab = new Lab();
    const { toBob } = established(lab);
    lab.ask(remove());
    lab.advance(10_000);
    assert.equal(portIn(lab.body(offer({ to: "bob" }))), toBob);
    lab.advance(30_000);
    assert.equal(lab.calls.callCount, 1);
  });

  test("an offer that fails takes nothing back, neither for the call nor for its branches", () => {
    const more = sdp({ media: ["m=audio 4000 RTP/AVP 0", "m=video 4002 RTP/AVP 96"] });
    const dtlsAlone = { transportProtocol: "UDP/TLS/RTP/SAVPF" };
    const refused = [
      [offer({ to: "bob", sdp: more }), "no-ports"],
      [offer({ to: "bob", sdp: more, options: dtlsAlone }), "unsupported-protocol"],
    ] as const;
    for (const [request, reason] of refused) {
      const lab = new Lab();
      established(lab);
      lab.ask(remove());
      lab.advance(10_000);
      lab.relay.failure = "no-ports";
      assert.deepEqual(lab.ask(request), { kind: "refused", reason });
      lab.advance(20_000);
      assert.deepEqual(reasons(lab), ["deleted"]);
    }
    for (const [request, reason] of refused) {
      const lab = new Lab();
      established(lab);
      lab.body(offer({ branch: "b2" }));
      lab.ask(remove({ fromTag: "alice", toTag: "bob" }));
      lab.relay.failure = "no-ports";
      assert.deepEqual(lab.ask(request), { kind: "refused", reason });
      lab.advance(30_000);
      assert.equal(lab.calls.report(lab.nowMs, "call-1")?.legs.length, 2);
    }
  });

  test("a delete that falls due while an offer waits for its ports waits for it", () => {
    const more = sdp({ media: ["m=audio 4000 RTP/AVP 0", "m=video 4002 RTP/AVP 96"] });
    for (const failure of [undefined, "no-ports"] as const) {
      for (const tags of [{}, { fromTag: "alice", toTag: "bob" }]) {
        const lab = new Lab({ isManual: true });
        for (const request of [offer(), answer(), offer({ branch: "b2" })]) {
          lab.send(request);
          lab.settle();
        }
        lab.ask(remove(tags));
        lab.advance(29_000);
        lab.send(offer({ to: "bob", sdp: more }));
        lab.advance(2_000);
        assert.equal(lab.calls.report(lab.nowMs, "call-1")?.legs.length, 3);
        lab.relay.failure = failure;
        lab.settle();
        lab.advance(30_000);
        const isWhole = tags.fromTag === undefined;
        const left = failure === undefined ? 3 : isWhole ? undefined : 2;
        assert.equal(lab.calls.report(lab.nowMs, "call-1")?.legs.length, left);
      }
    }
  });

  test("unknown calls and tags are told apart and do no harm", () => {
    const lab = new Lab();
    assert.deepEqual(lab.ask(remove()), { kind: "refused", reason: "unknown-call" });
    established(lab);
    assert.deepEqual(lab.ask(remove({ fromTag: "carol" })), { kind: "refused", reason: "tags-mismatch" });
    assert.equal(lab.relay.open.size, 2);
  });

  test("both tags before any answer: the offerer is found by his own", () => {
    const lab = new Lab();
    lab.body(offer());
    assert.equal(lab.ask(remove({ fromTag: "alice", toTag: "bob", deleteDelaySec: 0 })).kind, "report");
    assert.equal(lab.calls.callCount, 0);
  });

  test("one branch goes alone; the last one takes the call along", () => {
    const lab = new Lab();
    const first = portIn(lab.body(offer({ branch: "b1" })));
    const second = portIn(lab.body(offer({ branch: "b2" })));
    const toAlice = portIn(lab.body(answer({ to: "bob-2", branch: "b2" })));
    lab.ask(remove({ fromTag: "alice", viaBranch: "b2", deleteDelaySec: 0 }));
    assert.throws(() => lab.settingsOf(second));
    assert.equal(lab.settingsOf(toAlice).peer, lab.pairOf(first), "the other branch is heard");
    lab.ask(remove({ fromTag: "alice", viaBranch: "b1", deleteDelaySec: 0 }));
    assert.equal(lab.calls.callCount, 0);
    assert.deepEqual(reasons(lab), ["deleted"]);
  });

  test("branches deleted one by one within the delay end the call with the last", () => {
    const lab = new Lab();
    lab.body(offer({ branch: "b1" }));
    lab.body(offer({ branch: "b2" }));
    lab.ask(remove({ fromTag: "alice", viaBranch: "b1" }));
    assert.equal(lab.calls.report(lab.nowMs, "call-1")?.legs.length, 3);
    lab.advance(1_000);
    lab.ask(remove({ fromTag: "alice", viaBranch: "b2" }));
    lab.advance(30_000);
    assert.equal(lab.calls.callCount, 0);
    assert.equal(lab.relay.open.size, 0);
  });

  test("a deleted branch goes after the delay, unless it answers after all", () => {
    const lab = new Lab();
    lab.body(offer({ branch: "b1" }));
    lab.body(offer({ branch: "b2" }));
    lab.ask(remove({ fromTag: "alice", viaBranch: "b1" }));
    lab.ask(remove({ fromTag: "alice", viaBranch: "b2" }));
    lab.body(answer({ to: "bob-2", branch: "b2" }));
    lab.advance(30_000);
    assert.equal(lab.calls.callCount, 0, "both branches were deleted, and so was the call");
    lab.body(offer({ branch: "b1" }));
    lab.body(offer({ branch: "b2" }));
    lab.ask(remove({ fromTag: "alice", viaBranch: "b1" }));
    lab.body(answer({ to: "bob-1", branch: "b1" }));
    lab.advance(30_000);
    assert.equal(lab.calls.report(lab.nowMs, "call-1")?.legs.length, 3);
  });
});

suite("call: timeouts", (test) => {
  test("no media: the call ends `timeout` after the last signalling", () => {
    const lab = new Lab();
    established(lab);
    lab.advance(59_999);
    assert.equal(lab.calls.callCount, 1);
    lab.advance(1);
    assert.deepEqual(reasons(lab), ["timeout"]);
    assert.equal(lab.relay.open.size, 0);
  });

  test("one live stream keeps the call", () => {
    const lab = new Lab();
    const { toAlice } = established(lab);
    for (let round = 0; round < 5; round++) {
      lab.advance(40_000);
      lab.heard(toAlice);
    }
    assert.equal(lab.calls.callCount, 1);
    lab.advance(59_999);
    assert.equal(lab.calls.callCount, 1);
    lab.advance(1);
    assert.deepEqual(reasons(lab), ["timeout"]);
  });

  test("a call nobody answers waits for offer-timeout, one on hold for silent-timeout", () => {
    const lab = new Lab({ options: { offerTimeoutMs: 200_000, silentTimeoutMs: 300_000 } });
    lab.body(offer({ callId: "ringing" }));
    established(lab);
    lab.body(offer({ to: "bob", sdp: sdp({ version: 2, extra: ["a=inactive"] }) }));
    lab.body(answer({ sdp: sdp({ ip: "203.0.113.6", port: 5000, extra: ["a=inactive"] }) }));
    lab.advance(199_999);
    assert.deepEqual(reasons(lab), []);
    lab.advance(1);
    assert.deepEqual(reasons(lab), ["offer-timeout"]);
    lab.advance(100_000);
    assert.deepEqual(reasons(lab), ["offer-timeout", "silent-timeout"]);
  });

  test("final-timeout ends a call that lives", () => {
    const lab = new Lab({ options: { finalTimeoutMs: 100_000 } });
    const { toAlice } = established(lab);
    lab.advance(50_000);
    lab.heard(toAlice);
    lab.advance(50_000);
    assert.deepEqual(reasons(lab), ["final-timeout"]);
  });

  test("0 switches timeouts off", () => {
    const lab = new Lab({ options: { timeoutMs: 0 } });
    established(lab);
    assert.equal(lab.calls.nextDeadlineMs(), undefined);
  });
});

suite("call: limits and the operator", (test) => {
  test("max-sessions refuses new calls and lets the others go on", () => {
    const lab = new Lab({ options: { maxSessions: 1 } });
    established(lab);
    assert.deepEqual(lab.ask(offer({ callId: "two" })), { kind: "refused", reason: "sessions-exhausted" });
    lab.body(offer({ to: "bob" }));
    assert.equal(lab.relay.open.size, 2);
  });

  test("kill, shutdown and the end of all", () => {
    const lab = new Lab();
    established(lab);
    assert.equal(lab.calls.kill(lab.nowMs, "nobody"), undefined);
    lab.take(lab.calls.kill(lab.nowMs, "call-1") ?? []);
    assert.deepEqual(reasons(lab), ["killed"]);
    established(lab);
    lab.calls.beginShutdown();
    assert.deepEqual(lab.ask(offer({ callId: "new" })), { kind: "refused", reason: "shutting-down" });
    lab.body(offer({ to: "bob" }));
    lab.take(lab.calls.endAll(lab.nowMs));
    assert.deepEqual(reasons(lab), ["killed", "shutdown"]);
    assert.equal(lab.relay.open.size, 0);
  });

  test("too long names, too many branches and aliases are refused", () => {
    const lab = new Lab();
    const long = "x".repeat(1_025);
    for (const shape of [{ callId: long }, { from: long }, { to: long }, { branch: long }]) {
      assert.deepEqual(lab.ask(offer(shape)), { kind: "refused", reason: "limit-exceeded" });
    }
    let refused = 0;
    for (let branch = 0; branch < 40; branch++) {
      const reply = lab.ask(offer({ branch: `b${branch}` }));
      if (reply.kind === "refused") refused++;
    }
    assert.ok((lab.calls.report(lab.nowMs, "call-1")?.legs.length ?? 0) <= 32);
    assert.ok(refused > 0);
    let aliases = 0;
    for (let tag = 0; tag < 20; tag++) {
      if (lab.ask(answer({ to: `t${tag}`, branch: "b1" })).kind === "sdp") aliases++;
    }
    assert.equal(aliases, 17);
  });

  test("query reports one leg with its peers, or all; list is bounded", () => {
    const lab = new Lab();
    lab.body(offer({ branch: "b1" }));
    lab.body(offer({ branch: "b2" }));
    lab.body(answer({ to: "bob-1", branch: "b1" }));
    lab.body(offer({ callId: "two" }));
    const all = lab.ask({ kind: "query", callId: "call-1", fromTag: undefined, toTag: undefined });
    assert.equal(all.kind === "report" && all.report.legs.length, 3);
    const one = lab.ask({ kind: "query", callId: "call-1", fromTag: "bob-1", toTag: undefined });
    assert.equal(one.kind === "report" && one.report.legs.length, 2);
    const none = lab.ask({ kind: "query", callId: "nobody", fromTag: undefined, toTag: undefined });
    assert.deepEqual(none, { kind: "refused", reason: "unknown-call" });
    const list = lab.ask({ kind: "list", limit: 1 });
    assert.equal(list.kind === "list" && list.calls.length, 1);
  });
});
