/**
 * What another thread may see of a slot: a glance into the memory the policy writes (`handoverBytes`). Nothing is locked,
 * so a row may be half of one source and half of the next; an operator's list may, a decision must not rest on it.
 */
import { type Endpoint, ipFromWords } from "../core/address.ts";
import { candidatesPerSlotMax, rememberedSourcesPerSlotMax, strikesPerSlotMax } from "../core/limits.ts";
import {
  annexAt,
  candidate,
  claim,
  remembered,
  slotBytes,
  slotFlag,
  slotWords,
  strike,
  word,
} from "./slot-table.ts";
import { rank } from "./timing.ts";

/** Why a candidate waits. */
export type CandidateClaim =
  | "first-speaker"
  | "signalled-ip"
  | "signalled"
  | "continuity"
  | "same-place"
  | "new-generation";

/** How near it is to what is known of the party; the last is the nearest. */
export type CandidateRank = "unknown" | "trusted-media" | "other-media" | "network" | "signalled" | "stream";

export interface CandidateView {
  readonly source: Endpoint;
  readonly claim: CandidateClaim;
  readonly rank: CandidateRank;
  /** Consistent packets in a row. */
  readonly packets: number;
  /** Since its first packet, in milliseconds. */
  readonly ageMs: number;
}

export interface SlotView {
  readonly candidates: readonly CandidateView[];
  /** Sources that lost the leg and may have it back, the oldest first. */
  readonly remembered: readonly Endpoint[];
  readonly struck: readonly { readonly source: Endpoint; readonly forMs: number }[];
  /** A source that sends what the proven one sends. */
  readonly twin: Endpoint | undefined;
  /** Times the leg went from one source to another. */
  readonly switches: number;
}

const claimNames: Readonly<Record<number, CandidateClaim>> = {
  [claim.speaker]: "first-speaker",
  [claim.port]: "signalled-ip",
  [claim.exact]: "signalled",
  [claim.continuity]: "continuity",
  [claim.continuityInPlace]: "same-place",
  [claim.place]: "same-place",
  [claim.generation]: "new-generation",
};

const rankNames: Readonly<Record<number, CandidateRank>> = {
  [rank.anything]: "unknown",
  [rank.trustedMedia]: "trusted-media",
  [rank.sibling]: "other-media",
  [rank.sameNetwork]: "network",
  [rank.signalled]: "signalled",
  [rank.continuous]: "stream",
};

const nothing: SlotView = { candidates: [], remembered: [], struck: [], twin: undefined, switches: 0 };

/** `words` and `reals` are two views of the policy's whole memory; a slot outside of it, or not open, shows nothing. */
export function readSlot(words: Int32Array, reals: Float64Array, slot: number, nowMs: number): SlotView {
  const capacitySlots = Math.floor((4 * words.length) / slotBytes);
  if (slot < 0 || slot >= capacitySlots) return nothing;
  const base = slot * slotWords;
  if (((words[base + word.flags] ?? 0) & slotFlag.isOpen) === 0) return nothing;
  const annex = annexAt(slot, capacitySlots);
  return {
    candidates: readCandidates(words, reals, base, annex, nowMs),
    remembered: readRemembered(words, base, annex),
    struck: readStrikes(words, reals, base, annex, nowMs),
    twin: endpointAt(words, base + word.twin),
    switches: Math.max(0, words[base + word.switches] ?? 0),
  };
}

function readCandidates(
  words: Int32Array,
  reals: Float64Array,
  base: number,
  annex: number,
  nowMs: number,
): CandidateView[] {
  const list: CandidateView[] = [];
  const mask = words[base + word.pending] ?? 0;
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if ((mask & (1 << index)) === 0) continue;
    const at = annex + candidate.first + index * candidate.size;
    const source = endpointAt(words, at + candidate.ip);
    const claimName = claimNames[(words[at + candidate.claim] ?? 0) & 0xff];
    const rankName = rankNames[words[at + candidate.rank] ?? 0];
    if (source === undefined || claimName === undefined || rankName === undefined) continue;
    const packets = Math.max(0, words[at + candidate.packets] ?? 0);
    const ageMs = Math.max(0, nowMs - (reals[(at + candidate.firstAt) >>> 1] ?? nowMs));
    list.push({ source, claim: claimName, rank: rankName, packets, ageMs });
  }
  return list;
}

function readRemembered(words: Int32Array, base: number, annex: number): Endpoint[] {
  const list: Endpoint[] = [];
  const count = Math.min(words[base + word.rememberedCount] ?? 0, rememberedSourcesPerSlotMax);
  for (let index = 0; index < count; index++) {
    const source = endpointAt(words, annex + remembered.first + index * remembered.size + remembered.ip);
    if (source !== undefined) list.push(source);
  }
  return list;
}

function readStrikes(
  words: Int32Array,
  reals: Float64Array,
  base: number,
  annex: number,
  nowMs: number,
): { source: Endpoint; forMs: number }[] {
  const list: { source: Endpoint; forMs: number }[] = [];
  const count = Math.min(words[base + word.strikeCount] ?? 0, strikesPerSlotMax);
  for (let index = 0; index < count; index++) {
    const at = annex + strike.first + index * strike.size;
    const source = endpointAt(words, at + strike.ip);
    const forMs = (reals[(at + strike.until) >>> 1] ?? 0) - nowMs;
    if (source !== undefined && forMs > 0) list.push({ source, forMs });
  }
  return list;
}

/** Undefined where no port stands. */
function endpointAt(words: Int32Array, at: number): Endpoint | undefined {
  const port = words[at + 4] ?? 0;
  if (port <= 0 || port > 65_535) return undefined;
  const ip = ipFromWords(
    (words[at] ?? 0) >>> 0,
    (words[at + 1] ?? 0) >>> 0,
    (words[at + 2] ?? 0) >>> 0,
    (words[at + 3] ?? 0) >>> 0,
  );
  return { ip, port };
}
