/**
 * Attacks on plain calls, controlled by ng and by rtpproxy: none of the victims' packets reaches the attacker, none of
 * the attacker's is relayed, and the victims lose nothing.
 */
import assert from "node:assert/strict";
import type { Attack, CallPlan } from "./parts/call.ts";
import { type Protocol, protocols } from "./parts/servers.ts";
import { type Case, demandAll, labSuite } from "./parts/suite.ts";
import type { Step, TalkerPlan } from "./parts/talker.ts";

const lastsMs = 7_000;
const start: Step = { atMs: 0, send: ["wifi"], hear: ["wifi"] };
const moves: readonly Step[] = [start, { atMs: 5_300, send: ["cell"], hear: ["cell"] }];
const silentStart: Step = { ...start, say: "frozen" };
const farSilentStart: Step = { atMs: 0, send: ["home"], hear: ["home"], say: "frozen" };

const always: readonly Step[] = [{ atMs: 0, send: ["lair"], hear: ["lair"] }];
const from = (atMs: number): readonly Step[] => [
  { atMs: 0, send: [], hear: ["lair"] },
  { atMs, send: ["lair"] },
];
const reportsAlone: readonly Step[] = [{ atMs: 0, send: ["lair"], hear: ["lair"], say: "frozen" }];
const goodbyes: Partial<TalkerPlan> = { rtcpEveryMs: 20, saysBye: true };

/** An address of its own, both ports of the relay, RTP and RTCP. */
const spray: Attack = { from: "attacker", at: "both", script: always, talker: { rtcpEveryMs: 100 } };
const scatter: Attack = {
  from: "attacker",
  at: "both",
  script: always,
  talker: { isBlind: true, ptimeMs: 5 },
};

const knowing = (stream: "mobile" | "far", aheadBy: number): Attack => ({
  from: "attacker",
  at: stream,
  knows: { stream, aheadBy },
  script: from(500),
});

type Scenario = Omit<CallPlan, "title" | "protocol" | "lastsMs"> & {
  readonly what: string;
  readonly lastsMs?: number;
};

const scenarios: readonly Scenario[] = [
  {
    what: "blind, before, during and after the first packets",
    script: [silentStart, { atMs: 800, say: "talk" }],
    farScript: [farSilentStart, { atMs: 900, say: "talk" }],
    attacks: [spray],
  },
  {
    what: "blind, victim has not spoken yet for 2.5 s",
    script: [silentStart, { atMs: 2_500, say: "talk" }],
    // Its packets have nowhere to go before.
    farScript: [farSilentStart, { atMs: 2_600, say: "talk" }],
    attacks: [spray],
  },
  {
    what: "blind, other party speaks to a victim that has not spoken yet",
    script: [silentStart, { atMs: 2_500, say: "talk" }],
    attacks: [spray],
  },
  {
    what: "blind, victim muted",
    script: [start, { atMs: 800, say: "frozen" }, { atMs: 6_000, say: "talk" }],
    attacks: [spray],
  },
  { what: "blind, a new SSRC in every packet", script: [start], attacks: [scatter] },
  {
    what: "keepalives, STUN, DTLS and noise, before and after the first packet",
    script: [silentStart, { atMs: 800, say: "talk" }],
    farScript: [farSilentStart, { atMs: 900, say: "talk" }],
    attacks: [{ ...spray, talker: { sendsJunk: true, ptimeMs: 10 } }],
  },
  { what: "blind, IPv6", family: 6, script: [start], attacks: [spray, scatter] },
  {
    what: "knows SSRC and sequence, victim speaks",
    script: [start],
    attacks: [knowing("mobile", 1), knowing("mobile", 10), knowing("far", 1), knowing("far", 10)],
  },
  {
    what: "knows SSRC and sequence, IPv6",
    family: 6,
    script: [start],
    attacks: [knowing("mobile", 3), knowing("far", 3)],
  },
  {
    what: "knows SSRC and sequence, from the first packet on",
    script: [start],
    attacks: [{ ...knowing("mobile", 2), script: always }],
  },
  {
    what: "knows SSRC, RTCP with BYE",
    script: [start],
    attacks: [
      { ...knowing("mobile", 0), script: reportsAlone, talker: goodbyes },
      { ...knowing("far", 0), script: reportsAlone, talker: goodbyes },
    ],
  },
  {
    what: "flood from 65,536 spoofed addresses, while the victim moves",
    script: moves,
    attacks: [{ ...scatter, spoofs: "anywhere", talker: { isBlind: true, ptimeMs: 2 } }],
  },
  {
    what: "flood from spoofed addresses with the victim's SSRC and sequence",
    script: [start],
    attacks: [{ ...knowing("mobile", 5), spoofs: "anywhere" }],
  },
  {
    what: "flood from spoofed addresses before the first packet",
    script: [silentStart, { atMs: 1_000, say: "talk" }],
    farScript: [farSilentStart, { atMs: 1_100, say: "talk" }],
    attacks: [{ ...scatter, spoofs: "anywhere", talker: { isBlind: true, ptimeMs: 2 } }],
  },
  {
    what: "flood from ports of the victim's own address, while the victim moves",
    script: moves,
    attacks: [
      {
        from: "attacker",
        at: "mobile",
        spoofs: "wifi",
        script: always,
        talker: { isBlind: true, ptimeMs: 4 },
      },
    ],
  },
  {
    what: "ports of the victim's own address with its SSRC and sequence",
    script: [start],
    attacks: [{ ...knowing("mobile", 4), spoofs: "wifi" }],
  },
  { what: "blind, while the victim moves", script: moves, attacks: [spray] },
  {
    what: "blind, while the victim moves and says so",
    script: moves,
    attacks: [spray],
    reinvites: [{ atMs: 5_800, network: "cell" }],
  },
  {
    what: "blind, victim muted and with a new SDP",
    script: [start, { atMs: 1_000, say: "running" }, { atMs: 3_400, say: "talk" }],
    attacks: [spray],
    reinvites: [{ atMs: 1_500, network: "wifi" }],
  },
  {
    what: "spoofs the address the victim will move to, blind, IPv6",
    family: 6,
    script: moves,
    // Afterwards it is the proven one.
    attacks: [
      {
        from: "attacker",
        at: "both",
        spoofs: "next",
        script: [...always, { atMs: 5_200, send: [] }],
      },
    ],
  },
  {
    what: "behind the victim's NAT, victim speaks",
    script: [start],
    attacks: [
      { from: "neighbour", at: "both", script: from(500), talker: { rtcpEveryMs: 100 } },
      { ...knowing("mobile", 2), from: "neighbour" },
    ],
  },
  {
    what: "behind the victim's NAT, IPv6",
    family: 6,
    script: [start],
    attacks: [
      { from: "neighbour", at: "both", script: from(500), talker: { rtcpEveryMs: 100 } },
      { ...knowing("mobile", 2), from: "neighbour" },
    ],
  },
  {
    what: "behind the victim's NAT, victim muted for 1.5 s",
    // Not within the time after its signalling in which it may change ports.
    script: [start, { atMs: 5_200, say: "running" }, { atMs: 6_700, say: "talk" }],
    attacks: [{ from: "neighbour", at: "mobile", script: from(500), talker: { rtcpEveryMs: 100 } }],
    lastsMs: 7_200,
  },
];

const switches = ({ script }: Scenario): number => script.filter(({ hear }) => hear !== undefined).length - 1;

function caseOf(protocol: Protocol, scenario: Scenario): Case {
  const { what, ...plan } = scenario;
  return {
    plan: { lastsMs, ...plan, title: `${protocol}: ${what}`, protocol },
    demand: (verdict) => demandAll(verdict, { downTwice: 8 * switches(scenario) }),
  };
}

labSuite({
  name: "lab: attacks",
  cases: protocols.flatMap((protocol) => scenarios.map((scenario) => caseOf(protocol, scenario))),
  atOnceMax: 23,
  after: {
    title: "nothing went to an address that was only pretended",
    check: async (lab) => assert.equal(await lab.network.answersToSpoofed(), 0),
  },
});
