/**
 * What cannot be had for plain RTP (docs/handover.md): how much an attacker gets at most, and that SRTP, where the relay
 * has seen the keys, or `strict` leaves it nothing.
 */
import assert from "node:assert/strict";
import type { Attack, CallPlan } from "./parts/call.ts";
import { describe, type Verdict } from "./parts/judge.ts";
import { type Case, labSuite } from "./parts/suite.ts";
import type { Step } from "./parts/talker.ts";

const start: Step = { atMs: 0, send: ["wifi"], hear: ["wifi"] };
const silentStart: Step = { ...start, say: "frozen" };
const lair = { hear: ["lair"] };
const always: readonly Step[] = [{ atMs: 0, send: ["lair"], ...lair }];
const packetsIn = (ms: number): number => Math.ceil(ms / 20);

interface Bound {
  /** The victims' packets that the attacker may get, and the attacker's that are relayed. */
  readonly leaked: number;
  readonly injected: number;
  /** Of what is said to the victim, and of what it says. */
  readonly lost: number;
  readonly lostUp?: number;
  /** From here on it is over; counted from the start of the call. */
  readonly overAfterMs?: number;
}

/** The whole call of 4 s; the victim speaks for 2.5 s. */
const all: Bound = {
  leaked: packetsIn(4_000),
  injected: packetsIn(4_000),
  lost: packetsIn(2_500),
  lostUp: packetsIn(2_500),
};
const nothing: Bound = { leaked: 0, injected: 0, lost: 0 };

interface Scenario {
  readonly what: string;
  readonly plan: Omit<CallPlan, "title" | "protocol" | "attacks">;
  readonly attack: Attack;
  readonly plain: Bound;
  /** What `strict` and SRTP make of it; absent: they do not change it. */
  readonly strict?: Bound;
  readonly secured?: Bound;
  /** Only where the command names the private address of the SDP. */
  readonly hasNoHint?: boolean;
}

const holdMs = 120;
const mute = { fromMs: 1_000, toMs: 2_500 };
const late = { firstMs: 4_500, lastsMs: 6_000 };
const until = (atMs: number): readonly Step[] => [
  { atMs: 0, send: [], ...lair },
  { atMs: 500, send: ["lair"] },
  { atMs, send: [] },
];
const knowing: Attack = {
  from: "attacker",
  at: "mobile",
  knows: { stream: "mobile", aheadBy: 2 },
  // Long enough before the victims hang up to be forgotten.
  script: until(mute.toMs + 300),
};

const scenarios: readonly Scenario[] = [
  {
    what: "knows SSRC and sequence, victim muted for 1.5 s",
    plan: {
      lastsMs: 4_000,
      script: [start, { atMs: mute.fromMs, say: "running" }, { atMs: mute.toMs, say: "talk" }],
    },
    attack: knowing,
    plain: {
      leaked: packetsIn(mute.toMs - mute.fromMs),
      // And what was held of it.
      injected: packetsIn(mute.toMs - mute.fromMs) + 50,
      lost: packetsIn(mute.toMs - mute.fromMs),
      overAfterMs: mute.toMs + holdMs,
    },
    strict: nothing,
    secured: nothing,
  },
  {
    what: "spoofs the proven address and port, IPv6",
    plan: { lastsMs: 3_000, family: 6, script: [start] },
    attack: { ...knowing, spoofs: "proven" },
    plain: { leaked: 0, injected: packetsIn(2_500), lost: 0 },
    secured: nothing,
  },
  {
    what: "spoofs the address the victim will move to, with SSRC and sequence, IPv6",
    plan: {
      lastsMs: 3_500,
      family: 6,
      script: [start, { atMs: 1_500, send: ["cell"], hear: ["cell"] }],
      reinvites: [{ atMs: 2_000, network: "cell" }],
    },
    attack: { ...knowing, spoofs: "next", script: until(1_400) },
    // Struck for what the attacker sent, it is heard again when it names its address.
    plain: { leaked: 0, injected: 2, lost: packetsIn(600), lostUp: packetsIn(600) },
    secured: nothing,
  },
  {
    what: "behind the victim's NAT, before its first packet",
    plan: { lastsMs: 4_000, script: [silentStart, { atMs: 1_500, say: "talk" }] },
    attack: { from: "neighbour", at: "mobile", script: always },
    plain: all,
    secured: nothing,
  },
  {
    what: "alone for longer than the settle time, victim has not spoken yet",
    plan: {
      lastsMs: late.lastsMs,
      script: [silentStart, { atMs: late.firstMs, say: "talk" }],
      // Its reports would speak for it.
      mobile: { rtcpEveryMs: 1e9 },
    },
    attack: { from: "attacker", at: "mobile", script: always },
    plain: {
      leaked: packetsIn(late.firstMs - 3_000 + holdMs),
      injected: packetsIn(late.firstMs - 3_000 + holdMs) + 50,
      lost: 0,
      overAfterMs: late.firstMs + holdMs,
    },
    strict: nothing,
    secured: nothing,
  },
  {
    what: "no usable address known, before the victim's first packet",
    plan: { lastsMs: 4_000, words: "r", script: [silentStart, { atMs: 1_500, say: "talk" }] },
    attack: { from: "attacker", at: "mobile", script: always },
    plain: all,
    // Nor is the victim heard.
    strict: { ...all, leaked: 0, injected: 0 },
    hasNoHint: true,
  },
];

function check(verdict: Verdict, bound: Bound): void {
  const { leaked, injected, injectedReports, up, down, intrusionsAtMs, strange } = verdict;
  const faults = [
    [leaked, "leaked", bound.leaked],
    [injected + injectedReports, "injected", bound.injected],
    [down.lost + down.late, "lost downwards", bound.lost],
    [up.lost + up.late, "lost upwards", bound.lostUp ?? 0],
    [intrusionsAtMs.filter((atMs) => atMs > (bound.overAfterMs ?? atMs)).length, "when it should be over", 0],
    [strange, "altered or unknown", 0],
  ] as const;
  const wrong = faults.filter(([found, , most]) => found > most);
  assert.equal(
    wrong.map(([found, what, most]) => `${found} ${what}, not ${most}`).join("; "),
    "",
    describe(verdict),
  );
}

const cases: readonly Case[] = scenarios.flatMap(
  ({ what, plan, attack, plain, strict, secured, hasNoHint }) => {
    const make = (kind: string, bound: Bound | undefined, changes: Partial<CallPlan>): readonly Case[] => {
      if (bound === undefined) return [];
      const own = { protocol: "ng", ...plan, ...changes } as const;
      const title = `${own.protocol}, ${kind}: ${what}`;
      return [{ plan: { ...own, title, attacks: [attack] }, demand: (verdict) => check(verdict, bound) }];
    };
    const byName = [
      ...make("plain", plain, { protocol: "rtpproxy" }),
      ...make("strict", strict, { protocol: "rtpproxy", relay: "strict" }),
    ];
    if (hasNoHint === true) return byName;
    return [
      ...make("plain", plain, {}),
      ...make("strict", strict, { relay: "strict" }),
      ...make("strict-source", strict, { words: "strict-source" }),
      ...make("SRTP", secured, { isSecure: true }),
      ...byName,
    ];
  },
);

labSuite({ name: "lab: bounds", relays: ["default", "strict"], cases, atOnceMax: 30 });
