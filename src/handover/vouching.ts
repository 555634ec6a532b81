/**
 * Sources that a key or ICE vouches for (section 2, cryptographic): packets whose tag verified, and sources of valid
 * ICE checks. Such a packet is always relayed: its index is used up, so no other copy of it would be let through.
 */
import { checkedSourcesPerSlotMax } from "../core/limits.ts";
import { dropAllCandidates } from "./candidates.ts";
import {
  evidenceCode,
  handoverNote,
  type PacketFacts,
  packetKind,
  type Verdict,
  verdict,
} from "./contract.ts";
import {
  type Ground,
  hasFlag,
  isProven,
  isProvisional,
  keepsTarget,
  provenAt,
  setFlag,
  setTime,
  silenceMs,
  timeOf,
} from "./ground.ts";
import { copyEndpoint, hintMatch, isSameEndpoint, matchHints, sourceInto } from "./hints.ts";
import { isFromProven, proveNow } from "./keep.ts";
import { isLate } from "./previous.ts";
import { checkedFirst, previousClaim, real, slotFlag, slotWords, stream, watch, word } from "./slot-table.ts";
import { findStream, holdTimeMs } from "./streams.ts";
import { aimAsSignalled, aimRtcp, moveTarget, setTarget } from "./targets.ts";
import { holdMsMax, latePacketsMs, weakTagBitsMax } from "./timing.ts";

const nowhere = new Int32Array(5);

/** The packet's tag verified, and its source is not the proven one. */
export function judgeVerified(ground: Ground, facts: PacketFacts, nowMs: number): Verdict {
  if (!facts.isNewest || !isStrong(ground, facts)) return verdict.relay;
  return takeOver(ground, facts, nowMs);
}

/**
 * The packet's tag is right, and another copy of it came before: over the party's other path, or from who copies faster than
 * it can send. The proven source is heard by it all the same, so nobody who brings its packets first has the leg for that;
 * and one that lost the leg a moment ago to the copy has it again.
 */
export function judgeRepeated(ground: Ground, facts: PacketFacts, nowMs: number): Verdict {
  const { words } = ground.table;
  const { slot } = facts;
  const base = slot * slotWords;
  if (isFromProven(ground, facts)) {
    setTime(ground, slot, real.heardAt, nowMs);
    return verdict.duplicate;
  }
  const wasBefore =
    isLate(ground, slot, nowMs) &&
    words[base + word.evidence] === evidenceCode.cryptographic &&
    words[base + word.previousClaim] === previousClaim.latePackets &&
    words[base + word.previousSsrc] === facts.ssrc &&
    ((facts.sequence - words[base + word.previousSequence]!) & 0xffff) < 0x8000 &&
    isSameEndpoint(words, base + word.previous, ground.source, 0);
  const mayMove = wasBefore || isNamedInstead(ground, slot, nowMs);
  if (mayMove && facts.tagBits > weakTagBitsMax) {
    const note = wasBefore ? handoverNote.rolledBack : handoverNote.switched;
    proveNow(ground, facts, evidenceCode.cryptographic, nowMs, note);
    // Else who copies would have it again with his next repetition.
    words[base + word.previousClaim] = previousClaim.none;
  }
  return verdict.duplicate;
}

/** Signalling names the source in hand, and has nothing to do with the one that was just proven by a packet of both. */
function isNamedInstead(ground: Ground, slot: number, nowMs: number): boolean {
  const isFirst =
    isProven(ground, slot) &&
    ground.table.words[slot * slotWords + word.switches] === 0 &&
    nowMs - timeOf(ground, slot, real.provenAt) < latePacketsMs;
  if (!isFirst || hasFlag(ground, slot, slotFlag.isFitting)) return false;
  return matchHints(ground.settings[slot]!, ground.source, 0) >= hintMatch.usableIp;
}

/** The leg moves to the source in hand once the present one is silent; a provisional one yields at once. */
export function takeOver(ground: Ground, facts: PacketFacts, nowMs: number): Verdict {
  const { slot } = facts;
  const mayMove =
    !isProven(ground, slot) ||
    isProvisional(ground, slot) ||
    silenceMs(ground, slot, nowMs) >= holdMs(ground, facts);
  return mayMove ? proveNow(ground, facts, evidenceCode.cryptographic, nowMs) : verdict.relay;
}

/** A packet of the proven source verified: what was believed of it is known now, and weaker evidence has no say any more. */
export function confirmByKey(ground: Ground, slot: number): void {
  const { words } = ground.table;
  const base = slot * slotWords;
  if (words[base + word.evidence] === evidenceCode.cryptographic) return;
  words[base + word.evidence] = evidenceCode.cryptographic;
  words[base + word.provenRank] = 0;
  words[base + word.pending]! &= ~watch.provisional;
  dropAllCandidates(ground.table, ground.sink, slot);
  ground.sink.note(slot, handoverNote.proven, evidenceCode.cryptographic, words, base + word.proven);
}

/** The source in `facts` is proven whatever speaks, or keeps its proof as the best there is. */
export function proveByKey(ground: Ground, facts: PacketFacts, nowMs: number): void {
  sourceInto(ground.source, 0, facts);
  // The rest is of the packet judged last, and none is in hand.
  facts.kind = packetKind.stun;
  facts.sequence = 0;
  if (isFromProven(ground, facts)) confirmByKey(ground, facts.slot);
  else proveNow(ground, facts, evidenceCode.cryptographic, nowMs);
}

/** A check of ICE succeeded with the source in hand (`ground.source`). */
export function checkSource(ground: Ground, slot: number): void {
  const { words } = ground.table;
  const base = slot * slotWords;
  const first = ground.table.annexOf(slot) + checkedFirst;
  const count = words[base + word.checkedCount]!;
  let index = findChecked(ground, slot, ground.source, 0);
  if (index < 0) {
    index = count < checkedSourcesPerSlotMax ? count : 0;
    if (index === count) words[base + word.checkedCount] = count + 1;
  }
  const last = first + 5 * (words[base + word.checkedCount]! - 1);
  words.copyWithin(first + 5 * index, first + 5 * index + 5, last + 5);
  copyEndpoint(words, last, ground.source, 0);
}

/** True if a check of ICE succeeded with the endpoint at `at`. */
export function isChecked(ground: Ground, slot: number, source: Int32Array, at: number): boolean {
  return findChecked(ground, slot, source, at) >= 0;
}

function findChecked(ground: Ground, slot: number, source: Int32Array, at: number): number {
  const { words } = ground.table;
  const first = ground.table.annexOf(slot) + checkedFirst;
  const count = words[slot * slotWords + word.checkedCount]!;
  for (let index = 0; index < count; index++) {
    if (isSameEndpoint(words, first + 5 * index, source, at)) return index;
  }
  return -1;
}

/** ICE decides where the slot sends: to the source in hand, or nowhere until it decides anew. True if that is new. */
export function aimByIce(ground: Ground, slot: number, isAllowed: boolean): boolean {
  setFlag(ground, slot, slotFlag.targetByIce, true);
  const hasMoved = moveTarget(ground, slot, isAllowed ? ground.source : nowhere, 0);
  aimCompanion(ground, slot);
  return hasMoved;
}

export function forgetChecked(ground: Ground, slot: number): void {
  ground.table.words[slot * slotWords + word.checkedCount] = 0;
}

/** ICE is over: the other rules say where to send. */
export function leaveIce(ground: Ground, slot: number): void {
  const settings = ground.settings[slot]!;
  forgetChecked(ground, slot);
  if (!hasFlag(ground, slot, slotFlag.targetByIce)) return;
  setFlag(ground, slot, slotFlag.targetByIce, false);
  if (isProven(ground, slot) && !keepsTarget(settings)) {
    setTarget(ground, slot, ground.table.words, provenAt(slot));
  } else {
    aimAsSignalled(ground, slot);
  }
  aimCompanion(ground, slot);
}

function aimCompanion(ground: Ground, slot: number): void {
  const hasRtcp = (slot & 1) === 0 && ground.settings[slot]!.isRtp;
  if (hasRtcp && hasFlag(ground, slot + 1, slotFlag.isOpen)) aimRtcp(ground, slot + 1);
}

/** A short tag may be hit by chance: it takes two packets of one source. */
function isStrong(ground: Ground, facts: PacketFacts): boolean {
  if (facts.tagBits > weakTagBitsMax) return true;
  const { words } = ground.table;
  const weak = facts.slot * slotWords + word.weak;
  if (isSameEndpoint(words, weak, ground.source, 0)) return true;
  copyEndpoint(words, weak, ground.source, 0);
  return false;
}

/** How long the present source has to be silent: by the pace of the packet's stream, else of the last one heard. */
function holdMs(ground: Ground, facts: PacketFacts): number {
  const { words } = ground.table;
  const base = facts.slot * slotWords;
  if (words[base + word.streamCount] === 0) return holdMsMax;
  const known = findStream(ground.table, facts.slot, facts.ssrc);
  const current = base + stream.first + words[base + word.currentStream]! * stream.size;
  return holdTimeMs(ground.table, known < 0 ? current : known);
}
