/**
 * The proven source speaks while candidates that claim its stream wait for its silence (section 3). What is older than a
 * candidate's first packet was on its way. The same number or a newer one decides: other bytes, and the claim was false;
 * the same bytes, and it is one party over two paths, whatever else it claims.
 */
import { candidatesPerSlotMax } from "../core/limits.ts";
import { candidateAt, dropCandidate, isCandidate } from "./candidates.ts";
import { compareFrom } from "./comparing.ts";
import { evidenceCode, handoverNote, noDigest, type PacketFacts, type Verdict, verdict } from "./contract.ts";
import type { Ground } from "./ground.ts";
import { candidate, claim, slotWords, word } from "./slot-table.ts";
import { claimOf } from "./speakers.ts";
import { strikeSource } from "./strikes.ts";
import { pairCandidate } from "./twins.ts";

/** `duplicate` if a twin's copy of the packet has gone out. */
export function refuteCandidates(ground: Ground, facts: PacketFacts, nowMs: number): Verdict {
  const { words } = ground.table;
  const { slot } = facts;
  let outcome: Verdict = verdict.relay;
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (!isCandidate(ground.table, slot, index)) continue;
    const at = candidateAt(ground.table, slot, index);
    if (words[at + candidate.ssrc] !== facts.ssrc) continue;
    const first = (words[at + candidate.claim]! >>> 8) & 0xffff;
    const isBehind = ((facts.sequence - first) & 0xffff) >= 0x8000;
    if (!isBehind && decide(ground, facts, index, nowMs)) outcome = verdict.duplicate;
  }
  return outcome;
}

/** True if the candidate turned out to be a twin, and the packet in hand was among what it had sent. */
function decide(ground: Ground, facts: PacketFacts, index: number, nowMs: number): boolean {
  const { table, sink } = ground;
  const { slot } = facts;
  const at = candidateAt(ground.table, slot, index);
  const held = sink.heldDigest(slot, index, facts.sequence);
  const own = held === noDigest ? noDigest : sink.digest();
  if (own !== noDigest && own === held && pairCandidate(ground, slot, index, nowMs)) {
    table.words[slot * slotWords + word.pending]! &= ~(1 << index);
    sink.note(slot, handoverNote.twin, evidenceCode.continuity, table.words, at);
    sink.releaseHeld(slot, index);
    return true;
  }
  const wants = claimOf(ground, at);
  if (wants !== claim.continuity && wants !== claim.continuityInPlace) return false;
  if (held === noDigest && compareFrom(ground, facts, nowMs)) return false;
  if (own !== noDigest && own !== held) strikeSource(ground, slot, table.words, at, nowMs);
  else sink.note(slot, handoverNote.refused, evidenceCode.continuity, table.words, at);
  dropCandidate(table, sink, slot, index);
  return false;
}
