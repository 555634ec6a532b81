/**
 * A candidate ran ahead of the proven source, which then went on without the number the candidate had brought: it lost
 * that packet, or the candidate made it up. Nobody can tell by that packet, so it is kept, and for a moment the proven
 * stream is compared with what else the candidate sends. Who has the same bytes under the next number, though later, has
 * seen the stream, and had a part of it first: a twin whose path is slower. Copies alone prove nothing: without having
 * been ahead nobody is compared.
 */

import { candidatesPerSlotMax } from "../core/limits.ts";
import { candidateAt, dropCandidate, findCandidate, isCandidate } from "./candidates.ts";
import { evidenceCode, handoverNote, noDigest, type PacketFacts, type Verdict, verdict } from "./contract.ts";
import { type Ground, hasFlag, setFlag } from "./ground.ts";
import { copyEndpoint, isSameEndpoint } from "./hints.ts";
import { candidate, claim, slotFlag, slotWords, stream, watch, word } from "./slot-table.ts";
import { claimOf } from "./speakers.ts";
import { findStream } from "./streams.ts";
import { isStruck, strikeSource } from "./strikes.ts";
import { windowState } from "./twin-table.ts";
import { begin, endTwin, hasTwin, isComparing, markHeld, twinAt, twinDueAtMs } from "./twins.ts";

/** In place of a verdict: nothing can be said of the packet. */
export const noCopy = -1;

/** The proven source's packets are kept in mind from the one in hand on; false: there is no room, or no way to. */
export function compareFrom(ground: Ground, facts: PacketFacts, nowMs: number): boolean {
  const { slot } = facts;
  if (isComparing(ground, slot)) return true;
  if (hasTwin(ground, slot)) return false;
  const digest = ground.sink.digest();
  const handle = digest === noDigest ? 0 : ground.twins.open(0, facts.ssrc, facts.sequence);
  if (handle === 0) return false;
  const { words } = ground.table;
  const base = slot * slotWords;
  words[base + word.twinRecord] = handle;
  words[base + word.twinPort] = 0;
  words[base + word.pending]! |= watch.twin;
  setFlag(ground, slot, slotFlag.isComparing, true);
  ground.twins.mark(handle, facts.sequence, digest);
  ground.twins.hear(handle, nowMs);
  ground.deadlines.lower(slot, twinDueAtMs(ground, slot));
  return true;
}

/** A switch was rolled back with the packet in hand: its successor may be the party's other path. */
export function compareSuccessor(ground: Ground, facts: PacketFacts, nowMs: number): void {
  const { words } = ground.table;
  const previous = facts.slot * slotWords + word.previous;
  if (isStruck(ground, facts.slot, words, previous, nowMs) || !compareFrom(ground, facts, nowMs)) return;
  words.copyWithin(twinAt(facts.slot), previous, previous + 5);
}

/** A packet of one that was ahead: `noCopy` if it is none of those the proven source has sent since. */
export function judgeCopy(ground: Ground, facts: PacketFacts, nowMs: number): Verdict | typeof noCopy {
  const { table, source } = ground;
  const { slot } = facts;
  if (table.words[slot * slotWords + word.evidence] === evidenceCode.cryptographic) return noCopy;
  const handle = ground.twins.find(table.words[slot * slotWords + word.twinRecord]!, facts.ssrc);
  const index = findCandidate(table, slot, source);
  const wasAhead = isSameEndpoint(table.words, twinAt(slot), source, 0) || isInDoubt(ground, slot, index);
  if (handle === 0 || !wasAhead) return noCopy;
  const digest = ground.sink.digest();
  const state = digest === noDigest ? windowState.old : ground.twins.look(handle, facts.sequence, digest);
  if (state === windowState.same) {
    pairSource(ground, slot, index, nowMs);
    return verdict.duplicate;
  }
  if (state !== windowState.different) return noCopy;
  strikeSource(ground, slot, source, 0, nowMs);
  if (index >= 0) dropCandidate(table, ground.sink, slot, index);
  if (isSameEndpoint(table.words, twinAt(slot), source, 0)) table.words[twinAt(slot) + 4] = 0;
  return verdict.struck;
}

/** The source in hand is read beside the proven one from now on, and what is held for it goes out. */
function pairSource(ground: Ground, slot: number, index: number, nowMs: number): void {
  const { words } = ground.table;
  copyEndpoint(words, twinAt(slot), ground.source, 0);
  if (index >= 0) markHeld(ground, slot, index);
  begin(ground, slot, twinAt(slot), nowMs);
  ground.sink.note(slot, handoverNote.twin, evidenceCode.continuity, words, twinAt(slot));
  if (index < 0) return;
  words[slot * slotWords + word.pending]! &= ~(1 << index);
  ground.sink.releaseHeld(slot, index);
}

/** Nobody is read beside the proven source, or compared with it, for longer than is of use. */
export function expireTwin(ground: Ground, slot: number, nowMs: number): void {
  if (nowMs < twinDueAtMs(ground, slot)) return;
  if (isComparing(ground, slot)) endComparing(ground, slot);
  else endTwin(ground, slot);
}

/** The time for comparing is over: whoever was not shown to be the party is refused. */
function endComparing(ground: Ground, slot: number): void {
  const { table, sink } = ground;
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (!isInDoubt(ground, slot, index)) continue;
    sink.note(
      slot,
      handoverNote.refused,
      evidenceCode.continuity,
      table.words,
      candidateAt(ground.table, slot, index),
    );
    dropCandidate(table, sink, slot, index);
  }
  endTwin(ground, slot);
}

/** True if the proven source has gone on beyond the first number the candidate brought. */
function isInDoubt(ground: Ground, slot: number, index: number): boolean {
  if (index < 0 || !isCandidate(ground.table, slot, index)) return false;
  const { words } = ground.table;
  const at = candidateAt(ground.table, slot, index);
  const wants = claimOf(ground, at);
  if (wants !== claim.continuity && wants !== claim.continuityInPlace) return false;
  const streamAt = findStream(ground.table, slot, words[at + candidate.ssrc]!);
  if (streamAt < 0 || !hasFlag(ground, slot, slotFlag.isComparing)) return false;
  const first = (words[at + candidate.claim]! >>> 8) & 0xffff;
  return ((words[streamAt + stream.sequence]! - first) & 0xffff) < 0x8000;
}
