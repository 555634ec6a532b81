/** The examples of docs/metrics.md are what the daemon would write. */
import assert from "node:assert/strict";
import type { CallReport, LegReport, MediaReport } from "../../../src/call/report.ts";
import { renderCall } from "../../../src/cli/ctl.ts";
import { type Endpoint, type IpAddress, parseEndpoint } from "../../../src/core/address.ts";
import { type LogFields, silentLogger } from "../../../src/core/log.ts";
import type { PairCounters, SocketCounters } from "../../../src/core/plan/counters.ts";
import type { Evidence, PairId, SourceNote } from "../../../src/core/plan/plan.ts";
import type { MonotonicMs, UnixMs } from "../../../src/core/time.ts";
import { SourceLog } from "../../../src/daemon/source-log.ts";
import type { SlotView } from "../../../src/handover/view.ts";
import { callDetail } from "../../../src/telemetry/call-view.ts";
import { markedPart, repositoryFile } from "../../support/repository.ts";
import { suite } from "../../support/suite.ts";

const at = (text: string): Endpoint => parseEndpoint(text) ?? assert.fail(text);
const ms = (value: number): MonotonicMs => value as MonotonicMs;
const callId = "a84b4c76e66710";
const [phonePair, trunkPair] = [1 as PairId, 2 as PairId];
const startedAtUnixMs = Date.UTC(2026, 0, 15, 10);
const relayIp = "203.0.113.7" as IpAddress;

const wifi = at("192.0.2.1:4000");
const cellular = at("198.51.100.7:5000");
const announcedByTrunk = at("192.0.2.80:16384");
const strangeTrunk = at("198.51.100.99:16384");

/** Writes JSON lines as the daemon's log does. */
function rig() {
  const lines: string[] = [];
  let nowMs = 0;
  const write =
    (level: string) =>
    (fields: LogFields, msg: string): void => {
      const time = new Date(startedAtUnixMs + nowMs).toISOString();
      lines.push(JSON.stringify({ level, time, ...fields, msg }));
    };
  const log = new SourceLog({
    log: { ...silentLogger, debug: write("debug"), info: write("info") },
    tellsDebug: true,
    placeOf: (pair) => ({
      callId,
      leg: pair,
      tag: pair === phonePair ? "phone" : "trunk",
      media: 1,
      type: "audio",
    }),
  });
  const note = (atMs: number, what: SourceNote, source: Endpoint, evidence: Evidence): void => {
    nowMs = atMs;
    log.tell(ms(atMs), {
      kind: "source-noted",
      pair: phonePair,
      component: "rtp",
      note: what,
      source,
      evidence,
    });
  };
  note(40, "proven", wifi, "signalled");
  note(22_480, "held", cellular, "continuity");
  note(22_532, "switched", cellular, "continuity");
  return { lines, log };
}

function socket(packets: number, more: Partial<SocketCounters>): SocketCounters {
  return {
    packetsIn: packets,
    packetsOut: packets,
    bytesIn: packets * 172,
    bytesOut: packets * 172,
    errorsIn: 0,
    errorsOut: 0,
    lastPacketAt: undefined,
    provenSource: undefined,
    evidence: undefined,
    sendTarget: undefined,
    ...more,
  };
}

const idle = socket(0, {});
const counters: ReadonlyMap<PairId, PairCounters> = new Map([
  [
    phonePair,
    {
      rtp: socket(1_507, {
        packetsOut: 0,
        lastPacketAt: ms(30_180),
        provenSource: cellular,
        evidence: "continuity",
        sendTarget: cellular,
      }),
      rtcp: idle,
      streams: [],
    },
  ],
  [
    trunkPair,
    { rtp: socket(0, { packetsOut: 1_507, sendTarget: announcedByTrunk }), rtcp: idle, streams: [] },
  ],
]);

const nothing: SlotView = { candidates: [], remembered: [], struck: [], twin: undefined, switches: 0 };
const views: ReadonlyMap<PairId, SlotView> = new Map([
  [phonePair, { ...nothing, remembered: [wifi], switches: 1 }],
  [
    trunkPair,
    {
      ...nothing,
      candidates: [
        { source: strangeTrunk, claim: "first-speaker", rank: "unknown", packets: 70, ageMs: 1_400 },
      ],
    },
  ],
]);

function leg(pair: PairId, tag: string, advertised: Endpoint): LegReport {
  const media: MediaReport = {
    index: 0,
    type: "audio",
    protocol: "RTP/AVP",
    codec: "PCMU/8000",
    isActive: true,
    direction: "sendrecv",
    rtcpMux: true,
    isAsymmetric: false,
    isStrict: false,
    followsAnySource: false,
    pair,
    local: { ip: relayIp, advertisedIp: relayIp, port: 30_000 + 2 * pair },
    advertised,
    advertisedRtcp: advertised,
  };
  const createdAt = startedAtUnixMs as UnixMs;
  return {
    legId: pair,
    tag,
    viaBranch: undefined,
    aliases: [],
    label: undefined,
    createdAt,
    peers: [],
    media: [media],
  };
}

const report: CallReport = {
  callId,
  createdAt: startedAtUnixMs as UnixMs,
  lastSignalAt: startedAtUnixMs as UnixMs,
  ageMs: 30_200,
  isDeleted: false,
  legs: [leg(phonePair, "phone", wifi), leg(trunkPair, "trunk", announcedByTrunk)],
};

const indented = (text: string): string => text.replace(/^/gm, "    ").concat("\n");

suite("docs/metrics.md", (test) => {
  const document = repositoryFile("docs/metrics.md");
  const { lines, log } = rig();

  test("the log of a handover", () => {
    assert.equal(markedPart(document, "handover-log"), indented(lines.join("\n")));
  });

  test("a call in ctl show, one party of which nobody hears", () => {
    const relay = {
      read: (pair: PairId) => counters.get(pair),
      lastPacketAt: (pair: PairId) => counters.get(pair)?.rtp.lastPacketAt,
      transport: () => undefined,
      sources: (pair: PairId) => ({ rtp: views.get(pair) ?? nothing, rtcp: nothing }),
      history: (pair: PairId) => log.history.of(pair),
    };
    const text = renderCall(callDetail(report, relay, ms(30_200)));
    assert.equal(markedPart(document, "handover-show"), indented(text));
  });
});
