/** Taking the packet in hand into a candidate's record, and deciding at once what can be decided. */
import {
  admitCandidate,
  candidateAt,
  dropAllCandidates,
  findCandidate,
  isCandidate,
  noteCandidate,
} from "./candidates.ts";
import { handoverNote, type PacketFacts, packetKind, type Verdict, verdict } from "./contract.ts";
import { type Ground, isProven, rankOf, timeOf } from "./ground.ts";
import { isSameEndpoint } from "./hints.ts";
import { evidenceOfClaim, setClaim, settle } from "./judge.ts";
import { isAimed, prove, sendAgain } from "./proof.ts";
import { candidate, claim, real, slotWords, word } from "./slot-table.ts";
import { findStream, isContinuous, noteStream } from "./streams.ts";
import { rank } from "./timing.ts";
import { endTwin, hasTwin, judgeOwn } from "./twins.ts";

/**
 * The packet waits under its source's candidate, unless it was the one that decided. `relay`: whatever was held for
 * the source has gone out before it.
 */
export function keep(ground: Ground, facts: PacketFacts, wants: number, nowMs: number): Verdict {
  const { table, sink, source } = ground;
  const { slot } = facts;
  const isContinuous = wants === claim.continuity || wants === claim.continuityInPlace;
  const likely = isContinuous ? rank.continuous : rankOf(ground, slot, source, 0);
  let index = findCandidate(table, slot, source);
  if (index < 0) {
    index = admitCandidate(table, sink, facts, source, likely, nowMs);
    if (index < 0) return verdict.tableFull;
    if (isProven(ground, slot) && (slot & 1) === 0) {
      sink.note(slot, handoverNote.held, evidenceOfClaim(wants), source, 0);
    }
  } else {
    noteCandidate(table, index, facts, ground.settings[slot]!, nowMs);
  }
  table.words[candidateAt(ground.table, slot, index) + candidate.rank] = likely;
  setClaim(ground, candidateAt(ground.table, slot, index), wants);
  settle(ground, slot, nowMs);
  if (isFromProven(ground, facts)) {
    if (facts.kind === packetKind.rtp) noteStream(table, facts, nowMs);
    return hasTwin(ground, slot) ? judgeOwn(ground, facts, nowMs) : verdict.relay;
  }
  if (!isCandidate(table, slot, index)) return verdict.unprovenSource;
  ground.heldFor = index;
  return verdict.hold;
}

/** The source in hand is proven by this very packet. What waited for it goes out first, what others sent goes. */
export function proveNow(
  ground: Ground,
  facts: PacketFacts,
  evidence: number,
  nowMs: number,
  note?: number,
): Verdict {
  const { table, source } = ground;
  const { slot } = facts;
  const index = findCandidate(table, slot, source);
  const wasProven = isProven(ground, slot);
  const lastHeardMs = timeOf(ground, slot, real.heardAt);
  const goesOn = wasProven && goesOnElsewhere(ground, facts, nowMs);
  if (index >= 0) table.words[slot * slotWords + word.pending]! &= ~(1 << index);
  endTwin(ground, slot);
  prove(ground, slot, source, 0, evidence, nowMs, note);
  table.words[slot * slotWords + word.previousSequence] = facts.sequence;
  if (wasProven && isAimed(ground, slot)) sendAgain(ground, slot, lastHeardMs, goesOn, nowMs);
  if (index >= 0) ground.sink.releaseHeld(slot, index);
  dropAllCandidates(table, ground.sink, slot);
  if (facts.kind === packetKind.rtp) noteStream(table, facts, nowMs);
  return verdict.relay;
}

/** The packet carries the proven stream on, whatever else speaks for its source. */
function goesOnElsewhere(ground: Ground, facts: PacketFacts, nowMs: number): boolean {
  if (facts.kind !== packetKind.rtp) return false;
  const streamAt = findStream(ground.table, facts.slot, facts.ssrc);
  if (streamAt < 0) return false;
  return isContinuous(ground.table, streamAt, facts, ground.settings[facts.slot]!, nowMs);
}

export function isFromProven(ground: Ground, facts: PacketFacts): boolean {
  return isSameEndpoint(ground.table.words, facts.slot * slotWords + word.proven, ground.source, 0);
}
