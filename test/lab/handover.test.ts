/**
 * A phone that changes networks, ports and what it sends, in calls controlled by ng and by rtpproxy: nothing is lost,
 * nothing is late, and the other party hears everything once.
 */
import type { CallPlan, MobilePath } from "./parts/call.ts";
import type { Protocol } from "./parts/servers.ts";
import { protocols } from "./parts/servers.ts";
import { type Case, demandAll, labSuite } from "./parts/suite.ts";
import type { Step } from "./parts/talker.ts";

/** Later than anything a relay allows a party that has just signalled. */
const moveMs = 5_300;
/** The relay sends again what went to a dead network at most once in two seconds. */
const backMs = moveMs + 2_200;
const shortMs = moveMs + 2_000;
const longMs = backMs + 1_300;

const on = (path: MobilePath): Pick<Step, "send" | "hear"> => ({ send: [path], hear: [path] });
const start: Step = { atMs: 0, ...on("wifi") };
const move: Step = { atMs: moveMs, ...on("cell") };
const back: Step = { atMs: backMs, ...on("wifi") };
const toCell = [start, move] as const;
const thereAndBack = [start, move, back] as const;
const between: Step = { atMs: 1_500, send: [], hear: [] };

type Scenario = Omit<CallPlan, "title" | "protocol" | "lastsMs"> & {
  readonly what: string;
  readonly lastsMs?: number;
  /**
   * RTCP alone moves nothing: of a phone that has moved and is mute it is not heard. And to a phone that has moved it is
   * sent next to its RTP port, where behind a NAT it is not, until its own RTCP comes.
   */
  readonly reportsLost?: number;
  /** What was said while the first of two switches, too close to each other, was seen. */
  readonly downLost?: number;
  /** Switches after which the relay sends what the old network may have swallowed. */
  readonly switches: number;
};

const scenarios: readonly Scenario[] = [
  {
    what: "eight seconds between networks",
    script: [start, between, { atMs: 9_500, ...on("cell") }],
    lastsMs: 11_500,
    switches: 1,
  },
  { what: "silent switch and switch back", script: thereAndBack, lastsMs: longMs, switches: 2 },
  {
    what: "silent switch and switch back, IPv6",
    family: 6,
    script: thereAndBack,
    lastsMs: longMs,
    switches: 2,
  },
  {
    what: "re-INVITE 500 ms after the switch",
    script: toCell,
    reinvites: [{ atMs: moveMs + 500, network: "cell" }],
    switches: 1,
  },
  {
    what: "re-INVITE 500 ms before the switch",
    script: toCell,
    reinvites: [{ atMs: moveMs - 500, network: "cell" }],
    switches: 1,
  },
  {
    what: "re-INVITE 500 ms after the switch, IPv6",
    family: 6,
    script: toCell,
    reinvites: [{ atMs: moveMs + 500, network: "cell" }],
    switches: 1,
  },
  {
    what: "re-INVITE with a new SSRC in the new network",
    script: [
      start,
      { atMs: moveMs, send: [], hear: ["wifi", "cell"] },
      { atMs: moveMs + 60, send: ["cell"], ssrc: 0x5151_5151 },
    ],
    reinvites: [{ atMs: moveMs, network: "cell" }],
    reportsLost: 1,
    switches: 1,
  },
  {
    what: "muted caller moves, timestamps run on",
    script: [start, { atMs: moveMs - 500, say: "running" }, move, { atMs: moveMs + 1_000, say: "talk" }],
    lastsMs: longMs,
    reportsLost: 3,
    switches: 1,
  },
  {
    what: "muted caller moves, timestamps stand still",
    script: [start, { atMs: moveMs - 500, say: "frozen" }, move, { atMs: moveMs + 1_000, say: "talk" }],
    lastsMs: longMs,
    reportsLost: 3,
    switches: 1,
  },
  {
    what: "muted caller moves, re-INVITE 500 ms later",
    script: [start, { atMs: moveMs - 500, say: "frozen" }, move, { atMs: moveMs + 1_000, say: "talk" }],
    reinvites: [{ atMs: moveMs + 500, network: "cell" }],
    lastsMs: longMs,
    reportsLost: 3,
    switches: 1,
  },
  {
    what: "DTX across the switch",
    script: [start, { atMs: moveMs - 500, say: "dtx" }, move, { atMs: moveMs + 900, say: "talk" }],
    switches: 1,
  },
  {
    what: "telephone event across the switch",
    script: [start, { atMs: moveMs - 100, eventPackets: 12 }, move],
    switches: 1,
  },
  {
    what: "ptime from 20 to 60 ms at the switch",
    script: [start, { ...move, ptimeMs: 60 }],
    far: { ptimeMs: 20 },
    switches: 1,
  },
  {
    what: "sequence numbers wrap at the switch",
    mobile: { firstSequence: 65_535 - moveMs / 20 },
    script: thereAndBack,
    lastsMs: longMs,
    switches: 2,
  },
  {
    what: "make before break",
    script: [start, { atMs: moveMs, send: ["cell"], hear: ["wifi", "cell"] }],
    reportsLost: 1,
    switches: 1,
  },
  {
    what: "bicast on both paths, then on the new one alone",
    script: [
      start,
      { atMs: moveMs, send: ["wifi", "cell"], hear: ["wifi", "cell"] },
      { atMs: moveMs + 1_000, send: ["cell"] },
    ],
    reportsLost: 1,
    switches: 1,
  },
  {
    what: "bicast with the new path 30 ms slower, then alone",
    cellLagMs: 30,
    script: [
      start,
      { atMs: moveMs, send: ["wifi", "cell"], hear: ["wifi", "cell"] },
      { atMs: moveMs + 1_000, send: ["cell"] },
    ],
    reportsLost: 1,
    switches: 1,
  },
  {
    what: "bicast with the old path 30 ms slower, then alone",
    wifiLagMs: 30,
    script: [
      start,
      { atMs: moveMs, send: ["wifi", "cell"], hear: ["wifi", "cell"] },
      { atMs: moveMs + 1_000, send: ["cell"] },
    ],
    reportsLost: 1,
    switches: 1,
  },
  {
    what: "bicast on two paths that lose every fourth packet each",
    losesInTurn: true,
    cellLagMs: 10,
    script: [
      start,
      { atMs: moveMs, send: ["wifi", "cell"], hear: ["wifi", "cell"] },
      { atMs: moveMs + 1_000, send: ["cell"] },
    ],
    // RTCP seeks its way twice where a loss makes the leg go over before the old path ends.
    reportsLost: 2,
    switches: 1,
  },
  {
    what: "packets of the old network still on their way",
    wifiLagMs: 35,
    script: toCell,
    switches: 1,
  },
  {
    what: "comes back after 200 ms",
    script: [start, move, { atMs: moveMs + 200, ...on("wifi") }],
    downLost: 2,
    switches: 2,
  },
  {
    what: "another port of the same NAT",
    script: [start, { atMs: moveMs, ...on("wifi-rebound") }],
    switches: 1,
  },
  {
    what: "another port and SSRC with a re-INVITE",
    script: [
      start,
      { atMs: moveMs, send: [], hear: ["wifi", "wifi-rebound"] },
      { atMs: moveMs + 60, send: ["wifi-rebound"], ssrc: 0x5252_5252 },
    ],
    reinvites: [{ atMs: moveMs, network: "wifi", path: "wifi-rebound" }],
    reportsLost: 1,
    switches: 1,
  },
  { what: "video", isVideo: true, script: thereAndBack, lastsMs: longMs, switches: 2 },
  {
    what: "video at 3.5 Mbit/s, IPv6",
    isVideo: true,
    family: 6,
    mobile: { packetsPerFrame: 14, payloadBytes: 1_100 },
    far: { packetsPerFrame: 14, payloadBytes: 1_100 },
    script: toCell,
    switches: 1,
  },
  { what: "SRTP", isSecure: true, script: thereAndBack, lastsMs: longMs, switches: 2 },
  {
    what: "SRTP, re-INVITE 500 ms after the switch",
    isSecure: true,
    script: toCell,
    reinvites: [{ atMs: moveMs + 500, network: "cell" }],
    switches: 1,
  },
];

/** After a switch the relay sends again what went to the old network for the last 40 ms, and while the new one was held. */
function replayedMax({ switches, isVideo }: Scenario): number {
  return isVideo === true ? switches * 32 : switches * 8;
}

function caseOf(protocol: Protocol, scenario: Scenario): Case {
  const { what, switches: _, reportsLost = 0, downLost = 0, ...plan } = scenario;
  return {
    plan: { lastsMs: shortMs, ...plan, title: `${protocol}: ${what}`, protocol },
    demand: (verdict) => demandAll(verdict, { downTwice: replayedMax(scenario), reportsLost, downLost }),
  };
}

labSuite({
  name: "lab: handover",
  cases: protocols.flatMap((protocol) => scenarios.map((scenario) => caseOf(protocol, scenario))),
  atOnceMax: 27,
});
