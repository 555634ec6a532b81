import assert from "node:assert/strict";
import { suite } from "../../support/suite.ts";
import { answer, Lab, offer, portIn, sdp } from "./lab.ts";

const twoMedia = sdp({ media: ["m=audio 4000 RTP/AVP 0", "m=video 4002 RTP/AVP 96"] });

suite("call: ports that do not open", (test) => {
  test("a new call goes with its ports; the reason is told", () => {
    const table = [
      ["no-ports", "no-ports"],
      ["no-descriptors", "no-ports"],
      ["no-interface", "no-interface"],
      ["overloaded", "load-limit"],
    ] as const;
    for (const [failure, reason] of table) {
      const lab = new Lab({ isManual: true });
      const id = lab.send(offer({ sdp: twoMedia }));
      assert.equal(lab.relay.pending.length, 4);
      lab.settleOne();
      lab.relay.failure = failure;
      lab.settleOne();
      assert.deepEqual(lab.replies.get(id), { kind: "refused", reason });
      assert.equal(lab.calls.callCount, 0);
      lab.relay.failure = undefined;
      lab.settle();
      assert.equal(lab.relay.open.size, 0, "those that open late are closed");
      assert.deepEqual(lab.ended, []);
    }
  });

  test("a re-offer that fails leaves the call as it was", () => {
    const lab = new Lab();
    const toBob = portIn(lab.body(offer()));
    lab.body(answer());
    lab.relay.failure = "no-ports";
    assert.deepEqual(lab.ask(offer({ to: "bob", sdp: twoMedia })), { kind: "refused", reason: "no-ports" });
    assert.deepEqual(lab.ask(offer({ branch: "b2" })), { kind: "refused", reason: "no-ports" });
    lab.relay.failure = undefined;
    assert.equal(lab.relay.open.size, 2);
    assert.equal(lab.calls.report(lab.nowMs, "call-1")?.legs.length, 2);
    assert.equal(portIn(lab.body(offer({ to: "bob" }))), toBob);
  });

  test("requests for a busy call wait in order; other calls go on", () => {
    const lab = new Lab({ isManual: true });
    const first = lab.send(offer());
    const second = lab.send(answer());
    const third = lab.send({
      kind: "delete",
      callId: "call-1",
      fromTag: "alice",
      toTag: undefined,
      viaBranch: undefined,
      deleteDelaySec: 0,
    });
    const other = lab.send(offer({ callId: "other" }));
    assert.equal(lab.replies.size, 0);
    lab.settleOne(2);
    lab.settleOne(2);
    assert.equal(lab.replies.get(other)?.kind, "sdp");
    lab.settle();
    assert.deepEqual(
      [first, second, third].map((id) => lab.replies.get(id)?.kind),
      ["sdp", "sdp", "report"],
    );
    assert.deepEqual([...lab.replies.keys()], [other, first, second, third]);
    assert.equal(lab.relay.open.size, 2);
  });

  test("waiting requests are bounded", () => {
    const lab = new Lab({ isManual: true });
    const ids = Array.from({ length: 20 }, () => lab.send(offer()));
    const refused = ids.filter((id) => lab.replies.get(id)?.kind === "refused");
    assert.equal(refused.length, 3);
    lab.settle();
    assert.equal(lab.replies.size, 20);
    assert.equal(lab.relay.open.size, 2);
  });

  test("an answer that waited for an offer that failed hears that there is no call", () => {
    const lab = new Lab({ isManual: true });
    lab.send(offer());
    const waiting = lab.send(answer());
    lab.relay.failure = "no-ports";
    lab.settle();
    assert.deepEqual(lab.replies.get(waiting), { kind: "refused", reason: "unknown-call" });
  });

  test("a relay that never answers is not waited for", () => {
    const lab = new Lab({ isManual: true });
    const id = lab.send(offer());
    lab.settleOne();
    lab.advance(5_000);
    assert.deepEqual(lab.replies.get(id), { kind: "refused", reason: "load-limit" });
    assert.equal(lab.calls.callCount, 0);
    assert.equal(lab.relay.open.size, 0);
    lab.settle();
    assert.equal(lab.relay.open.size, 0);
  });

  test("a call killed while its ports open answers its request and leaves nothing", () => {
    const lab = new Lab({ isManual: true });
    const id = lab.send(offer());
    lab.settleOne();
    lab.take(lab.calls.kill(lab.nowMs, "call-1") ?? []);
    assert.deepEqual(lab.replies.get(id), { kind: "refused", reason: "unknown-call" });
    lab.settle();
    assert.equal(lab.relay.open.size, 0);
    assert.equal(lab.calls.nextDeadlineMs(), undefined);
  });
});
