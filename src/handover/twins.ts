/**
 * A source that is read beside the proven one (section 3): a *twin* sends the same packets over another path, and
 * whichever copy comes first goes out; a *suspect* had the leg until a moment ago, and what it sends now tells whether it
 * is a twin or was robbed. Packets of both are told apart by their numbers and digests.
 */
import { twinWindowPackets } from "../core/limits.ts";
import { candidateAt } from "./candidates.ts";
import { noDigest, type PacketFacts, packetKind, type Verdict, verdict } from "./contract.ts";
import { type Ground, hasFlag, setFlag, timeOf } from "./ground.ts";
import { isSameEndpoint } from "./hints.ts";
import { candidate, previousClaim, real, slotFlag, slotWords, watch, word } from "./slot-table.ts";
import { strikeSource } from "./strikes.ts";
import { latePacketsMs, twinIdleMs } from "./timing.ts";
import { windowState } from "./twin-table.ts";

export function hasTwin(ground: Ground, slot: number): boolean {
  return (ground.table.words[slot * slotWords + word.pending]! & watch.twin) !== 0;
}

export function isSuspect(ground: Ground, slot: number): boolean {
  return hasFlag(ground, slot, slotFlag.twinIsSuspect);
}

/** True while copies of the proven stream are looked for. */
export function isComparing(ground: Ground, slot: number): boolean {
  return hasFlag(ground, slot, slotFlag.isComparing);
}

/** True if the source in hand is the one that is read beside the proven one. */
export function isFromTwin(ground: Ground, slot: number): boolean {
  return hasTwin(ground, slot) && isSameEndpoint(ground.table.words, twinAt(slot), ground.source, 0);
}

/** Word index of the twin's endpoint. */
export function twinAt(slot: number): number {
  return slot * slotWords + word.twin;
}

/** Nobody is read beside the proven source any more. */
export function endTwin(ground: Ground, slot: number): void {
  const { words } = ground.table;
  const base = slot * slotWords;
  ground.twins.close(words[base + word.twinRecord]!);
  words[base + word.twinRecord] = 0;
  words[base + word.twinPort] = 0;
  words[base + word.pending]! &= ~watch.twin;
  setFlag(ground, slot, slotFlag.twinIsSuspect | slotFlag.isComparing, false);
}

/**
 * The candidate's packets are the proven source's own: it is read beside it from now on. False if there is no room for
 * another twin.
 */
export function pairCandidate(ground: Ground, slot: number, index: number, nowMs: number): boolean {
  if (isComparing(ground, slot)) markHeld(ground, slot, index);
  else if (hasTwin(ground, slot) || !openWindow(ground, slot, index)) return false;
  begin(ground, slot, candidateAt(ground.table, slot, index), nowMs);
  return true;
}

/**
 * The candidate took the leg by carrying its stream on: for a moment more the source before is read, and what it sends
 * is compared with what went out. Without room for that it is judged by its numbers alone.
 */
export function watchPrevious(ground: Ground, slot: number, index: number, nowMs: number): void {
  const { words } = ground.table;
  const base = slot * slotWords;
  if (words[base + word.previousClaim] !== previousClaim.takeBack) return;
  if (!openWindow(ground, slot, index)) return;
  setFlag(ground, slot, slotFlag.twinIsSuspect, true);
  begin(ground, slot, base + word.previous, nowMs);
}

/** The endpoint at `source` is read beside the proven one from now on. */
export function begin(ground: Ground, slot: number, source: number, nowMs: number): void {
  const { words } = ground.table;
  const base = slot * slotWords;
  setFlag(ground, slot, slotFlag.isComparing, false);
  words.copyWithin(base + word.twin, source, source + 5);
  words[base + word.pending]! |= watch.twin;
  ground.twins.hear(words[base + word.twinRecord]!, nowMs);
  ground.deadlines.lower(slot, twinDueAtMs(ground, slot));
}

/** A window that knows all that is held for the candidate. */
function openWindow(ground: Ground, slot: number, index: number): boolean {
  const { words } = ground.table;
  const at = candidateAt(ground.table, slot, index);
  const first = (words[at + candidate.claim]! >>> 8) & 0xffff;
  if (((words[at + candidate.sequence]! - first) & 0xffff) >= 0x8000) return false;
  const handle = ground.twins.open(0, words[at + candidate.ssrc]!, first);
  if (handle === 0) return false;
  words[slot * slotWords + word.twinRecord] = handle;
  markHeld(ground, slot, index);
  return true;
}

/** What is held for the candidate goes out: the slot's window knows it from now on. */
export function markHeld(ground: Ground, slot: number, index: number): void {
  const { words } = ground.table;
  const at = candidateAt(ground.table, slot, index);
  const handle = ground.twins.find(words[slot * slotWords + word.twinRecord]!, words[at + candidate.ssrc]!);
  const first = (words[at + candidate.claim]! >>> 8) & 0xffff;
  const count = (words[at + candidate.sequence]! - first) & 0xffff;
  if (handle === 0 || count >= 0x8000) return;
  for (let ahead = Math.max(0, count - twinWindowPackets + 1); ahead <= count; ahead++) {
    const sequence = (first + ahead) & 0xffff;
    const digest = ground.sink.heldDigest(slot, index, sequence);
    if (digest !== noDigest) ground.twins.mark(handle, sequence, digest);
  }
}

/** Until when somebody is read beside the proven source, if nothing is heard meanwhile; Infinity: nobody is. */
export function twinDueAtMs(ground: Ground, slot: number): number {
  if (!hasTwin(ground, slot)) return Number.POSITIVE_INFINITY;
  if (isSuspect(ground, slot)) return timeOf(ground, slot, real.previousAt) + latePacketsMs;
  const heardAtMs = ground.twins.heardAtMs(ground.table.words[slot * slotWords + word.twinRecord]!);
  return heardAtMs + (isComparing(ground, slot) ? latePacketsMs : twinIdleMs);
}

/** A packet of the proven source, while another is read beside it: `duplicate` if its copy went out already. */
export function judgeOwn(ground: Ground, facts: PacketFacts, nowMs: number): Verdict {
  if (facts.kind !== packetKind.rtp) return verdict.relay;
  const { twins, sink } = ground;
  const { slot } = facts;
  const first = ground.table.words[slot * slotWords + word.twinRecord]!;
  const known = twins.find(first, facts.ssrc);
  const handle = known === 0 ? twins.open(first, facts.ssrc, facts.sequence) : known;
  const digest = handle === 0 ? noDigest : sink.digest();
  if (digest === noDigest) return verdict.relay;
  const state = twins.look(handle, facts.sequence, digest);
  if (state === windowState.same) return verdict.duplicate;
  if (state === windowState.old && isOfPrevious(ground, facts)) return verdict.duplicate;
  if (state === windowState.fresh || state === windowState.old) twins.mark(handle, facts.sequence, digest);
  const isTwin = !isSuspect(ground, slot) && !isComparing(ground, slot);
  if (state === windowState.different && isTwin) contradict(ground, slot, nowMs);
  return verdict.relay;
}

/**
 * A number of the source before: what its successor brings of it now was sent over both paths, and came late over this.
 */
function isOfPrevious(ground: Ground, facts: PacketFacts): boolean {
  const { words } = ground.table;
  const base = facts.slot * slotWords;
  if (!isSuspect(ground, facts.slot) || words[base + word.previousSsrc] !== facts.ssrc) return false;
  return ((words[base + word.previousLast]! - facts.sequence) & 0xffff) < 0x8000;
}

/** The twin sent something else under the proven source's number: it is none. */
export function contradict(ground: Ground, slot: number, nowMs: number): void {
  strikeSource(ground, slot, ground.table.words, twinAt(slot), nowMs);
  endTwin(ground, slot);
}
