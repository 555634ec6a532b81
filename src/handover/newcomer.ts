/** A leg has its proven source, and media comes from elsewhere (section 2, from continuity on). */
import {
  evidenceCode,
  type PacketFacts,
  packetKind,
  type SlotSettings,
  type Verdict,
  verdict,
} from "./contract.ts";
import { type Ground, isFresh, isProvisional, pairSilenceMs, provenAt, rankOf, silenceMs } from "./ground.ts";
import { isKnownPayloadType, isSameEndpoint, isSamePlace } from "./hints.ts";
import { signalledLately } from "./judge.ts";
import { keep, proveNow } from "./keep.ts";
import { isLate } from "./proof.ts";
import { claim, previousClaim, slotWords, stream, word } from "./slot-table.ts";
import { findStream, isContinuous } from "./streams.ts";
import { provisionalSilenceMs, samePlaceSilenceMs } from "./timing.ts";

export function judgeNewcomer(
  ground: Ground,
  facts: PacketFacts,
  settings: SlotSettings,
  nowMs: number,
): Verdict {
  const { slot } = facts;
  const { words } = ground.table;
  const isRtp = facts.kind === packetKind.rtp;
  if (isRtp && isPrevious(ground, facts)) {
    const outcome = judgePrevious(ground, facts, nowMs);
    if (outcome !== verdict.stranger) return outcome;
  }
  if (settings.isStrict) return verdict.unprovenSource;
  if (words[slot * slotWords + word.evidence] === evidenceCode.cryptographic) return verdict.stranger;
  if (isRtp && !isKnownPayloadType(settings, facts.payloadType)) return verdict.unknownPayloadType;
  const isInPlace = isSamePlace(words, provenAt(slot), ground.source, 0);
  const streamAt = isRtp ? findStream(ground.table, slot, facts.ssrc) : -1;
  if (streamAt < 0) return judgeNewStream(ground, facts, isInPlace, nowMs);
  if (!isContinuous(ground.table, streamAt, facts, settings, nowMs)) return verdict.outsideWindow;
  return keep(ground, facts, isInPlace ? claim.continuityInPlace : claim.continuity, nowMs);
}

function judgeNewStream(ground: Ground, facts: PacketFacts, isInPlace: boolean, nowMs: number): Verdict {
  const { slot } = facts;
  if (isInPlace) {
    const mayReplace =
      signalledLately(ground, slot, nowMs) || pairSilenceMs(ground, slot, nowMs) >= samePlaceSilenceMs;
    if (mayReplace) return keep(ground, facts, claim.place, nowMs);
  }
  if (isFresh(ground, slot, nowMs)) return keep(ground, facts, claim.generation, nowMs);
  if (!isProvisional(ground, slot)) return verdict.stranger;
  const isNearer =
    rankOf(ground, slot, ground.source, 0) > ground.table.words[slot * slotWords + word.provenRank]!;
  const isQuiet = silenceMs(ground, slot, nowMs) >= provisionalSilenceMs;
  return isNearer || isQuiet ? keep(ground, facts, claim.speaker, nowMs) : verdict.unprovenSource;
}

function isPrevious(ground: Ground, facts: PacketFacts): boolean {
  const { words } = ground.table;
  const base = facts.slot * slotWords;
  return (
    words[base + word.previousClaim] !== previousClaim.none &&
    words[base + word.previousSsrc] === facts.ssrc &&
    isSameEndpoint(words, base + word.previous, ground.source, 0)
  );
}

/**
 * The source before the last switch, with its old SSRC: what was on its way is relayed for a moment and proves
 * nothing; newer packets take the leg back, if it was lost without signalling. `stranger`: it has no privilege.
 */
function judgePrevious(ground: Ground, facts: PacketFacts, nowMs: number): Verdict {
  const { words } = ground.table;
  const base = facts.slot * slotWords;
  const currentSsrc =
    words[base + stream.first + words[base + word.currentStream]! * stream.size + stream.ssrc]!;
  const isShared = currentSsrc === facts.ssrc;
  const ahead = (facts.sequence - words[base + word.previousSequence]!) & 0xffff;
  const isBehind = isShared && ahead >= 0x8000;
  const isOnTheWay = isLate(ground, facts.slot, nowMs);
  if (words[base + word.previousClaim] === previousClaim.latePackets) {
    return isOnTheWay && (isBehind || !isShared) ? verdict.relay : verdict.stranger;
  }
  if (isBehind) return isOnTheWay ? verdict.relay : verdict.outsideWindow;
  const outcome = proveNow(ground, facts, evidenceCode.continuity, nowMs);
  // Whoever had the leg meanwhile has to prove itself again.
  words[base + word.previousClaim] = previousClaim.none;
  return outcome;
}
