import assert from "node:assert/strict";
import type { PairPlace } from "../../../src/call/report.ts";
import { type Endpoint, type IpAddress, parseEndpoint } from "../../../src/core/address.ts";
import {
  sourceLineCallsMax,
  sourceLinesBurstMax,
  sourceLinesPerCallBurstMax,
} from "../../../src/core/limits.ts";
import { type LogFields, silentLogger } from "../../../src/core/log.ts";
import type { Evidence, PairId, SourceNote } from "../../../src/core/plan/plan.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import { LineBudget } from "../../../src/daemon/line-budget.ts";
import { SourceLog } from "../../../src/daemon/source-log.ts";
import { eventTable } from "../../../src/telemetry/events.ts";
import { suite } from "../../support/suite.ts";

const pair = 4 as PairId;
const wifi = parseEndpoint("192.0.2.1:4000") as Endpoint;
const cellular = parseEndpoint("198.51.100.7:5000") as Endpoint;
const ms = (value: number): MonotonicMs => value as MonotonicMs;

function rig({ tellsDebug = true }: { tellsDebug?: boolean } = {}) {
  const lines: (LogFields & { readonly level: string; readonly message: string })[] = [];
  const write =
    (level: string) =>
    (fields: LogFields, message: string): void =>
      void lines.push({ level, message, ...fields });
  const logger = { ...silentLogger, debug: write("debug"), info: write("info"), warn: write("warn") };
  const place: Omit<PairPlace, "callId"> = { leg: 2, tag: "b", media: 1, type: "audio" };
  const log = new SourceLog({
    log: logger,
    tellsDebug,
    placeOf: (id) => (id < 1_000_000 ? { ...place, callId: `call-${id}` } : undefined),
  });
  const tell = (
    atMs: number,
    note: SourceNote,
    source: Endpoint,
    more: { evidence?: Evidence; pair?: number } = {},
  ): void =>
    log.tell(ms(atMs), {
      kind: "source-noted",
      pair: (more.pair ?? pair) as PairId,
      component: "rtp",
      note,
      source,
      evidence: more.evidence,
    });
  return { lines, log, tell };
}

suite("daemon: the log of media sources", (test) => {
  test("a handover reads as one", () => {
    const { lines, tell } = rig();
    tell(1_000, "proven", wifi, { evidence: "signalled" });
    tell(5_000, "held", cellular, { evidence: "continuity" });
    tell(5_050, "switched", cellular, { evidence: "continuity" });
    assert.deepEqual(
      lines.map(({ level, event, message }) => [level, event, message]),
      [
        ["debug", "source-proven", "party speaks from 192.0.2.1:4000: signalling named this address"],
        [
          "debug",
          "source-held",
          "packets from 198.51.100.7:5000 are kept: it goes on with the stream; 192.0.2.1:4000 has the leg",
        ],
        [
          "info",
          "source-switched",
          "party moved from 192.0.2.1:4000 to 198.51.100.7:5000: the same stream went on there",
        ],
      ],
    );
    assert.deepEqual(lines[2], {
      level: "info",
      message: "party moved from 192.0.2.1:4000 to 198.51.100.7:5000: the same stream went on there",
      event: "source-switched",
      callId: "call-4",
      leg: 2,
      tag: "b",
      media: 1,
      type: "audio",
      pair: 4,
      component: "rtp",
      source: "198.51.100.7:5000",
      before: "192.0.2.1:4000",
      evidence: "continuity",
    });
  });

  test("each note has its own event, and moves and strikes are told without debugging", () => {
    const notes = ["proven", "held", "switched", "rolled-back", "struck", "refused", "twin"] as const;
    for (const tellsDebug of [true, false]) {
      const { lines, log, tell } = rig({ tellsDebug });
      for (const note of notes) tell(1_000, note, wifi);
      const told = lines.map(({ event }) => String(event));
      const always = ["source-switched", "source-rolled-back", "source-struck"];
      assert.deepEqual(told, tellsDebug ? notes.map((note) => `source-${note}`) : always);
      for (const event of told) assert.ok(event in eventTable, event);
      assert.equal(log.history.of(pair).length, notes.length);
    }
  });

  test("a call that is gone is told by its pair alone, and its history is forgotten", () => {
    const { lines, log, tell } = rig();
    tell(1_000, "switched", wifi, { pair: 1_000_000 });
    assert.equal(lines[0]?.["callId"], undefined);
    assert.equal(lines[0]?.["pair"], 1_000_000);
    log.forget(1_000_000 as PairId);
    assert.equal(log.history.pairCount, 0);
  });

  test("one call cannot fill the log, others are told of still, and the rest is a number", () => {
    const { lines, log, tell } = rig();
    for (let count = 0; count < 500; count++) tell(1_000 + count / 100, "struck", cellular);
    assert.equal(lines.length, sourceLinesPerCallBurstMax);
    tell(1_005, "switched", cellular, { pair: 5 });
    assert.equal(lines.length, sourceLinesPerCallBurstMax + 1);
    const due = log.nextDeadlineMs() ?? assert.fail("a summary is due");
    assert.ok(due > 10_000 && due < 12_000);
    log.handleTimeout(ms(due - 1));
    assert.equal(lines.length, sourceLinesPerCallBurstMax + 1);
    log.handleTimeout(due);
    assert.deepEqual(lines.at(-1), {
      level: "warn",
      message: `left out ${500 - sourceLinesPerCallBurstMax} lines about media sources of 1 call`,
      event: "source-untold",
      lines: 500 - sourceLinesPerCallBurstMax,
      calls: 1,
      callId: "call-4",
    });
    assert.equal(log.nextDeadlineMs(), undefined);
    log.handleTimeout(ms(due + 1));
    tell(due + 30_000, "struck", cellular);
    assert.equal(lines.at(-1)?.["event"], "source-struck");
  });

  test("details do not use up the room of what matters", () => {
    const { lines, log, tell } = rig();
    for (let count = 0; count < 200; count++) tell(1_000, "refused", cellular);
    tell(1_000, "switched", cellular, { evidence: "continuity" });
    assert.equal(lines.at(-1)?.["event"], "source-switched");
    log.handleTimeout(ms(20_000));
    assert.equal(lines.at(-1)?.["level"], "debug");
    assert.match(lines.at(-1)?.message ?? "", /^left out 184 lines about media sources of 1 call$/);
  });

  test("strikes, which an attacker causes at will, do not hide where the party is", () => {
    const { lines, log, tell } = rig({ tellsDebug: false });
    for (let count = 0; count < 200; count++) tell(1_000, "struck", cellular);
    tell(1_000, "switched", cellular, { evidence: "continuity" });
    assert.equal(lines.at(-1)?.["event"], "source-switched");
    log.handleTimeout(ms(20_000));
    assert.deepEqual([lines.at(-1)?.["level"], lines.at(-1)?.["lines"]], ["warn", 184]);
  });

  test("all calls together are bounded too, in lines and in memory", () => {
    const { lines, log, tell } = rig({ tellsDebug: false });
    for (let call = 0; call < 2 * sourceLineCallsMax; call++)
      tell(1_000, "switched", cellular, { pair: call });
    assert.equal(lines.length, sourceLinesBurstMax);
    log.handleTimeout(ms(11_000));
    const last = lines.at(-1);
    assert.equal(last?.["lines"], 2 * sourceLineCallsMax - sourceLinesBurstMax);
    assert.equal(last?.["calls"], sourceLineCallsMax);
  });
});

suite("daemon: a budget of lines", (test) => {
  test("at once so many, and then at its rate", () => {
    const budget = new LineBudget({ burst: 3, perSec: 2 }, { burst: 100, perSec: 100 });
    const told = (atMs: number): number =>
      Array.from({ length: 10 }, () => budget.take(ms(atMs), "a")).filter((isTold) => isTold).length;
    assert.deepEqual([told(1_000), told(1_400), told(1_500), told(2_500), told(60_000)], [3, 0, 1, 2, 3]);
    assert.equal(budget.untoldCount, 41);
    assert.deepEqual(budget.takeUntold(ms(60_000)), { lines: 41, calls: 1, example: "a" });
    assert.deepEqual(budget.takeUntold(ms(90_000)), { lines: 0, calls: 0, example: undefined });
  });

  test("the call with the most is the example", () => {
    const budget = new LineBudget({ burst: 1, perSec: 1 }, { burst: 1_000, perSec: 1_000 });
    for (const callId of ["a", "b", "b", "a", "b", "c"]) budget.take(ms(1), callId);
    assert.deepEqual(budget.takeUntold(ms(1)), { lines: 3, calls: 2, example: "b" });
  });

  test("addresses of strangers are text of ours, whatever they are", () => {
    const { lines, tell } = rig();
    tell(1, "struck", { ip: "2001:db8::1" as IpAddress, port: 9 });
    assert.equal(lines[0]?.["source"], "[2001:db8::1]:9");
  });
});
