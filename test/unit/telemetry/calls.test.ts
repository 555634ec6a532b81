import assert from "node:assert/strict";
import type { LegReport } from "../../../src/call/report.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import { callEndFields } from "../../../src/telemetry/call-end.ts";
import { callDetail, callRow } from "../../../src/telemetry/call-view.ts";
import { answerCtl, type CtlSource } from "../../../src/telemetry/ctl-commands.ts";
import { securityDetail } from "../../../src/telemetry/security-view.ts";
import { suite } from "../../support/suite.ts";
import { counters, report, snapshot } from "../../support/telemetry-sample.ts";

const nowMs = 10_000 as MonotonicMs;

suite("telemetry/call-end", (test) => {
  test("one flat line tells what became of a call", () => {
    const call = { report: report(), reason: "deleted", endedAt: nowMs, notify: undefined } as const;
    assert.deepEqual(callEndFields(call, counters), {
      event: "call-end",
      callId: "a84b4c76e66710",
      reason: "deleted",
      durationMs: 61_204,
      legs: 2,
      leg1Tag: "caller",
      leg1PacketsIn: 750,
      leg1PacketsOut: 748,
      leg1BytesIn: 129_000,
      leg1BytesOut: 128_656,
      leg1PacketsLost: 2,
      leg1JitterMs: 0.4,
      leg1Errors: 4,
      leg1Source: "192.0.2.7:40000",
      leg1Evidence: "signalled",
      leg2Tag: undefined,
      leg2PacketsIn: 0,
      leg2PacketsOut: 0,
      leg2BytesIn: 0,
      leg2BytesOut: 0,
      leg2PacketsLost: 0,
      leg2JitterMs: 0,
      leg2Errors: 0,
      leg2Source: undefined,
      leg2Evidence: undefined,
    });
  });

  test("a call with many legs does not make an endless line", () => {
    const legs = Array.from({ length: 32 }, () => report().legs[0] as LegReport);
    const call = {
      report: { ...report(), legs },
      reason: "killed",
      endedAt: nowMs,
      notify: undefined,
    } as const;
    const fields = callEndFields(call, counters);
    assert.equal(fields["legs"], 32);
    assert.equal(fields["leg8PacketsIn"], 750);
    assert.equal("leg9PacketsIn" in fields, false);
  });
});

suite("telemetry/call-view", (test) => {
  test("a row sums up", () => {
    assert.deepEqual(callRow(report(), counters, nowMs), {
      callId: "a84b4c76e66710",
      ageMs: 61_204,
      legs: 2,
      streams: 1,
      packets: 750,
      isDeleted: false,
      silentMs: 1_000,
    });
    assert.equal(callRow({ ...report(), legs: [] }, counters, nowMs).silentMs, null);
  });

  test("a detail survives JSON as it is", () => {
    const detail = callDetail(report(), counters, nowMs);
    assert.deepEqual(JSON.parse(JSON.stringify(detail)), detail);
    const media = detail.legs[0]?.media[0];
    assert.equal(media?.local, "203.0.113.7:30000");
    assert.equal(media?.rtp?.silentMs, 1_000);
    assert.equal(media?.rtcp?.silentMs, null);
    assert.deepEqual(media?.streams, [
      { ssrc: 0xdeadbeef, payloadType: 0, packets: 750, packetsLost: 2, jitterMs: 0.4 },
    ]);
    assert.equal(detail.legs[1]?.media[0]?.rtp, null);
    assert.deepEqual(detail.legs[1]?.media[0]?.security, {
      kind: "plain",
      suite: null,
      dtls: null,
      ice: null,
    });
  });

  test("security is told by what is agreed on, and failures in words", () => {
    assert.deepEqual(callDetail(report(), counters, nowMs).legs[0]?.media[0]?.security, {
      kind: "dtls",
      suite: "AEAD_AES_128_GCM",
      dtls: { rtp: "connected", rtcp: null },
      ice: { state: "selected", rtp: "192.0.2.7:40000", rtcp: null },
    });
    const failed = { kind: "failed", reason: "wrong-certificate" } as const;
    const dtls = { kind: "dtls", suite: undefined, ice: undefined, handshakes: { rtp: failed } } as const;
    assert.deepEqual(securityDetail(dtls), {
      kind: "dtls",
      suite: null,
      dtls: { rtp: "failed: the certificate is not the one that SDP named in a=fingerprint", rtcp: null },
      ice: null,
    });
    const sdes = { kind: "sdes", suite: "AES_CM_128_HMAC_SHA1_80", ice: undefined, handshakes: {} } as const;
    assert.deepEqual(securityDetail(sdes), {
      kind: "sdes",
      suite: "AES_CM_128_HMAC_SHA1_80",
      dtls: null,
      ice: null,
    });
    const checking = { state: "checking", selected: {} } as const;
    const passed = { kind: "none", suite: undefined, ice: checking, handshakes: {} } as const;
    assert.equal(securityDetail(passed).kind, "plain");
    assert.deepEqual(securityDetail(passed).ice, { state: "checking", rtp: null, rtcp: null });
  });
});

suite("telemetry/ctl-commands", (test) => {
  const killed: string[] = [];
  const source: CtlSource = {
    calls: () => [report("one"), report("two")],
    call: async (callId) => (callId === "one" ? report("one") : undefined),
    kill: (callId) => callId === "one" && killed.push(callId) > 0,
    relay: counters,
    telemetry: { snapshot },
    turn: undefined,
    monotonicMs: () => nowMs,
  };

  test("list, show, kill and stats answer", async () => {
    const list = await answerCtl(source, { command: "list" });
    assert.deepEqual(list.ok && (list.result as { callId: string }[]).map(({ callId }) => callId), [
      "one",
      "two",
    ]);
    const show = await answerCtl(source, { command: "show", callId: "one" });
    assert.deepEqual(show, { ok: true, result: callDetail(report("one"), counters, nowMs) });
    assert.deepEqual(await answerCtl(source, { command: "kill", callId: "one" }), {
      ok: true,
      result: { killed: "one" },
    });
    assert.deepEqual(killed, ["one"]);
    assert.deepEqual(await answerCtl(source, { command: "stats" }), { ok: true, result: snapshot() });
  });

  test("what makes no sense is refused with a sentence", async () => {
    for (const command of ["show", "kill"]) {
      const unknown = await answerCtl(source, { command, callId: "three" });
      assert.deepEqual(unknown, { ok: false, error: "there is no such call" });
      for (const callId of [undefined, "", 7, {}, "x".repeat(2_000)]) {
        assert.deepEqual(await answerCtl(source, { command, callId }), {
          ok: false,
          error: `${command} needs a callId`,
        });
      }
    }
    for (const command of [undefined, "", "quit", 1, "constructor"]) {
      assert.equal((await answerCtl(source, { command })).ok, false);
    }
  });
});
