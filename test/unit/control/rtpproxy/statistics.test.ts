import assert from "node:assert/strict";
import type { CallReport, LegReport, MediaReport } from "../../../../src/call/report.ts";
import type { CounterReader, PairCounters, SocketCounters } from "../../../../src/core/plan/counters.ts";
import type { PairId } from "../../../../src/core/plan/plan.ts";
import { addMs, type MonotonicMs, type UnixMs } from "../../../../src/core/time.ts";
import { suite } from "../../../support/suite.ts";
import { Bench, start } from "./fixture.ts";

function socket(packetsIn: number, packetsOut: number, errorsIn = 0): SocketCounters {
  return {
    packetsIn,
    bytesIn: 0,
    packetsOut,
    bytesOut: 0,
    errorsIn,
    errorsOut: 0,
    lastPacketAt: undefined,
    provenSource: undefined,
    evidence: undefined,
    sendTarget: undefined,
  };
}

function stream(packets: number, packetsLost: number): PairCounters["streams"][number] {
  return {
    ssrc: 1,
    packets,
    bytes: 0,
    payloadType: 0,
    lastSequence: 0,
    lastTimestamp: 0,
    packetsLost,
    jitterMs: 0,
    lastPacketAt: start,
  };
}

const pairs: ReadonlyMap<number, PairCounters> = new Map([
  [1, { rtp: socket(100, 90, 2), rtcp: socket(5, 5), streams: [stream(80, 3), stream(20, -2)] }],
  [2, { rtp: socket(95, 99, 1), rtcp: socket(5, 5), streams: [] }],
]);

function counters(lastPacketAt: MonotonicMs | undefined): CounterReader {
  return { read: (pair) => pairs.get(pair), lastPacketAt: () => lastPacketAt };
}

function media(pair: number): MediaReport {
  return {
    index: 0,
    type: "audio",
    protocol: "RTP/AVP",
    codec: undefined,
    isActive: true,
    direction: "sendrecv",
    rtcpMux: false,
    isAsymmetric: false,
    isStrict: false,
    followsAnySource: false,
    pair: pair as PairId,
    local: undefined,
    advertised: undefined,
    advertisedRtcp: undefined,
  };
}

function leg(legId: number, tag: string, pair: number): LegReport {
  return {
    legId,
    tag,
    viaBranch: undefined,
    aliases: [],
    label: undefined,
    createdAt: 0 as UnixMs,
    peers: [1 - legId],
    media: [media(pair)],
  };
}

const report: CallReport = {
  callId: "cid",
  createdAt: 5_000 as UnixMs,
  lastSignalAt: 15_000 as UnixMs,
  ageMs: 30_000,
  isDeleted: false,
  legs: [leg(0, "ft1", 1), leg(1, "tt9", 2)],
};

suite("control/rtpproxy/statistics", (test) => {
  test("Q: time to live, packets of both parties, relayed and dropped", () => {
    const bench = new Bench({}, counters(undefined));
    const reply = { kind: "report", report } as const;
    assert.equal(bench.ask("Q cid ft1;1 tt9", reply), "40 100 95 189 3\n");
    assert.equal(bench.ask("Q cid tt9;1 ft1", reply), "40 95 100 189 3\n");
    assert.equal(bench.ask("q cid ft1", reply), "40 100 95 189 3\n");
    assert.equal(
      bench.ask("Qv cid ft1;1 tt9", reply),
      "ttl=40 npkts_ina=100 npkts_ino=95 nrelayed=189 ndropped=3\n",
    );
  });

  test("the latest packet renews the time to live", () => {
    const reply = { kind: "report", report } as const;
    const recent = new Bench({}, counters(addMs(start, -1_500)));
    assert.equal(recent.ask("Q cid ft1 tt9 ttl", reply), "59\n");
    const expired = new Bench({ timeoutMs: 10_000 }, counters(addMs(start, -90_000)));
    assert.equal(expired.ask("Q cid ft1 tt9 ttl", reply), "0\n");
  });

  test("Q with names, as OpenSIPS asks for all statistics", () => {
    const bench = new Bench({}, counters(undefined));
    const reply = { kind: "report", report } as const;
    const names =
      "ttl npkts_ina npkts_ino nrelayed ndropped rtpa_nsent rtpa_nrcvd rtpa_ndups rtpa_nlost rtpa_perrs";
    assert.equal(bench.ask(`Q cid ft1;1 tt9 ${names}`, reply), "40 100 95 189 3 101 98 2 3 0\n");
    assert.equal(bench.ask("Qv cid ft1;1 tt9 ttl rtpa_nlost", reply), "ttl=40 rtpa_nlost=3\n");
    assert.equal(bench.ask("Q cid ft1;1 tt9 ttl longest_ipi", reply), "E62\n");
    assert.equal(bench.ask("Qx cid ft1;1 tt9", reply), "E19\n");
    assert.equal(bench.ask("Qx cid ft1;1 tt9", { kind: "refused", reason: "unknown-call" }), "E50\n");
    assert.equal(bench.ask("Q cid ft1;2 tt9", reply), "E50\n", "no second stream");
    assert.equal(bench.ask("Q cid ft1 tt9 && M"), "E3\n");
  });
});
