/**
 * What is promised for each cell: no harm at all, or harm within limits that the policy cannot narrow. A bound says of
 * a packet whether it may leak, be injected or be lost.
 */
import { packetKind } from "../../../src/handover/contract.ts";
import { holdMsMax } from "../../../src/handover/timing.ts";
import type { AttackerClass } from "./attacks.ts";
import type { Moment } from "./books.ts";
import type { Cell, Harm } from "./history.ts";
import type { VictimState } from "./states.ts";
import type { Victim } from "./victim.ts";

export const bounds = {
  none: { mark: "", text: "never" },
  early: { mark: "e", text: "before the answer, when nothing is known of the phone" },
  settle: {
    mark: "t",
    text: "after the settle time without a sign of the phone, until it has spoken five packets",
  },
  silence: {
    mark: "s",
    text: "once the phone was silent for longer than the hold time, until it speaks at its pace again: 120 ms and two packets at most",
  },
  copied: {
    mark: "p",
    text: "once the phone was silent for longer than the hold time, as long as what it says is copied",
  },
  ahead: {
    mark: "a",
    text: "numbers of the phone's stream that it has not used yet, until it uses the first of them",
  },
  absent: { mark: "m", text: "from the move on, until the phone signals or is back" },
  reports: { mark: "r", text: "RTCP alone, until the phone sends RTCP of its own" },
  silenceNear: { mark: "sr", text: "both of these" },
  moved: { mark: "mr", text: "both of these" },
  cipher: { mark: "c", text: "ciphertext, and what is sent where it goes" },
  unverified: {
    mark: "v",
    text: "ciphertext, and what is sent where it goes, until the phone's first packet (the second, where tags have 32 bits)",
  },
  unbounded: { mark: "u", text: "no bound" },
} as const;
export type Bound = keyof typeof bounds;

export type Promised = Readonly<Record<keyof Harm, Bound>>;
type Row = Readonly<Partial<Record<AttackerClass, Promised>>>;
type Rows = Readonly<Partial<Record<VictimState, Row>>>;

const nothing: Promised = { leaked: "none", injected: "none", lost: "none" };
const all = (bound: Bound): Promised => ({ leaked: bound, injected: bound, lost: bound });

/** Who speaks in the phone's name, or from its address, is the phone as far as plain RTP can tell. */
const spoofed: Promised = { ...nothing, injected: "unbounded" };
const early: Promised = { ...nothing, lost: "early" };
const tapped: Promised = { leaked: "cipher", injected: "none", lost: "cipher" };
/** Keepalives carry no tag: before the phone's first packet they say where it is, and what waited for it goes there. */
const misled: Promised = { leaked: "unverified", injected: "none", lost: "unverified" };
/** Behind the phone's NAT, before its first packet on a port: whose port it is nobody can tell. */
const nearest: Promised = { leaked: "reports", injected: "none", lost: "reports" };

function forAll(promised: Promised, others: Row): Row {
  return {
    blind: promised,
    "knows-ssrc": promised,
    "knows-ssrc-and-sequence": promised,
    "on-path-copier": promised,
    "other-party": promised,
    ...others,
  };
}

const beforeItSpeaks: Row = {
  "on-path-copier": { ...nothing, injected: "ahead" },
  "same-nat": all("unbounded"),
  "spoofs-source": { ...spoofed, lost: "unbounded" },
};

const plain: Rows = {
  early: forAll(early, {
    "on-path-copier": { ...early, injected: "ahead" },
    "same-nat": all("unbounded"),
    "spoofs-source": { ...spoofed, lost: "early" },
  }),
  "not-yet-speaking": beforeItSpeaks,
  listening: { ...beforeItSpeaks, "spoofs-source": spoofed },
  "silent-from-start": forAll(all("unbounded"), {
    blind: all("settle"),
    "same-nat": all("unbounded"),
    "spoofs-source": { ...spoofed, lost: "settle" },
  }),
  "no-usable-address": forAll(all("unbounded"), {
    "same-nat": all("unbounded"),
    "spoofs-source": { ...spoofed, lost: "unbounded" },
  }),
  speaking: {
    "on-path-copier": { ...nothing, injected: "ahead" },
    "same-nat": all("reports"),
    "spoofs-source": spoofed,
  },
  muted: {
    "knows-ssrc": all("silence"),
    "knows-ssrc-and-sequence": all("silence"),
    "on-path-copier": { ...all("copied"), injected: "ahead" },
    "other-party": { ...all("silence"), injected: "ahead" },
    "same-nat": all("silenceNear"),
    "spoofs-source": spoofed,
  },
  moving: {
    "knows-ssrc": all("absent"),
    "knows-ssrc-and-sequence": all("absent"),
    "on-path-copier": { ...all("absent"), injected: "ahead" },
    "other-party": all("absent"),
    "same-nat": all("moved"),
    "spoofs-source": { ...spoofed, lost: "absent" },
  },
};

/** Nothing but signalled places: the whole of a NAT is one. */
const strict: Rows = {
  early: forAll(early, { "same-nat": all("unbounded"), "spoofs-source": { ...spoofed, lost: "early" } }),
  "not-yet-speaking": { "same-nat": all("unbounded"), "spoofs-source": { ...spoofed, lost: "unbounded" } },
  listening: { "same-nat": all("unbounded"), "spoofs-source": spoofed },
  "silent-from-start": { "same-nat": all("unbounded"), "spoofs-source": spoofed },
  speaking: { "same-nat": all("reports"), "spoofs-source": spoofed },
  muted: { "same-nat": all("silenceNear"), "spoofs-source": spoofed },
  moving: { "same-nat": all("moved"), "spoofs-source": { ...spoofed, lost: "absent" } },
};

/** The relay has the keys. What cannot be verified is never relayed. */
const srtp: Rows = {
  early: { "on-path-copier": tapped, "same-nat": misled },
  "not-yet-speaking": {
    "on-path-copier": tapped,
    "same-nat": misled,
    "spoofs-source": { ...misled, leaked: "none" },
  },
  listening: { "on-path-copier": tapped, "same-nat": misled },
  "silent-from-start": { "on-path-copier": tapped, "same-nat": misled },
  "no-usable-address": { "on-path-copier": tapped },
  speaking: { "on-path-copier": tapped, "same-nat": nearest },
  muted: { "on-path-copier": tapped, "same-nat": nearest },
  moving: {
    "on-path-copier": tapped,
    "same-nat": nearest,
    "spoofs-source": { ...nothing, lost: "reports" },
  },
};

const rowsOf = { plain, strict, srtp };

export function promisedOf({ attacker, state, protection }: Cell): Promised {
  if (protection !== "plain" && protection !== "strict" && protection !== "srtp") return all("unbounded");
  return rowsOf[protection][state]?.[attacker] ?? nothing;
}

/** Harm that nothing excuses. */
export function unexcused(bound: Bound, victim: Victim, harm: readonly Moment[]): readonly Moment[] {
  if (harm.length === 0) return [];
  const excuse = excuses[bound](victim);
  return harm.filter((moment) => !excuse(moment));
}

const settleMs = 3_000;
/** By so much a packet of a victim's may be late. */
const jitterMsMax = 12;
/** While the source before is still heard. */
const stragglersMs = 500;

type Excuse = (victim: Victim) => (moment: Moment) => boolean;

const always: Excuse = () => () => true;

const excuses: Readonly<Record<Bound, Excuse>> = {
  none: () => () => false,
  early: ({ sdps }) => {
    const answeredAt = sdps[0]?.atMs ?? 0;
    return ({ atMs }) => atMs <= answeredAt;
  },
  settle: ({ sdps, spokeAtMs, paceMs }) => {
    const answeredAt = sdps[0]?.atMs ?? 0;
    return ({ atMs }) => atMs >= answeredAt + settleMs && atMs <= spokeAtMs + 5 * paceMs;
  },
  silence: silenceOf,
  silenceNear: (victim) => {
    const isSilent = silenceOf(victim);
    return (moment) => moment.slot === 1 || isSilent(moment);
  },
  ahead: always,
  absent:
    ({ leftAtMs }) =>
    ({ atMs }) =>
      atMs >= leftAtMs - stragglersMs,
  reports:
    () =>
    ({ slot }) =>
      slot === 1,
  moved:
    ({ leftAtMs }) =>
    ({ atMs, slot }) =>
      slot === 1 || atMs >= leftAtMs - stragglersMs,
  copied: (victim) => {
    const [first] = pausesOf(victim);
    return ({ atMs }) => first !== undefined && atMs >= first[0];
  },
  cipher: always,
  unverified:
    ({ spokeAtMs, paceMs }) =>
    ({ atMs, slot }) =>
      slot === 1 || atMs <= spokeAtMs + 2 * paceMs + jitterMsMax,
  unbounded: always,
};

function silenceOf(victim: Victim): (moment: Moment) => boolean {
  const pauses = pausesOf(victim);
  const backMs = holdMsMax + 2 * (victim.paceMs + jitterMsMax);
  return ({ atMs }) => pauses.some(([from, to]) => atMs >= from && atMs <= to + backMs);
}

/** Times in which the phone says nothing for longer than the policy waits. */
function pausesOf({ packets, paceMs, endMs, spokeAtMs }: Victim): (readonly [number, number])[] {
  const times = packets.filter(({ kind }) => kind === packetKind.rtp).map(({ atMs }) => atMs);
  const pauses: (readonly [number, number])[] = [];
  for (const [index, atMs] of [...times, endMs].entries()) {
    const before = times[index - 1] ?? spokeAtMs;
    if (atMs - before >= 1.5 * paceMs) pauses.push([before, atMs]);
  }
  return pauses;
}
