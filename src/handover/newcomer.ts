/** A leg has its proven source, and media comes from elsewhere (section 2, from continuity on). */
import { twinWindowPackets } from "../core/limits.ts";
import { evidenceCode, type PacketFacts, packetKind, type Verdict, verdict } from "./contract.ts";
import {
  type Ground,
  isOpenAnew,
  isProvisional,
  pairSilenceMs,
  provenAt,
  rankOf,
  silenceMs,
} from "./ground.ts";
import { isKnownPayloadType, isSameEndpoint, isSamePlace } from "./hints.ts";
import { keep } from "./keep.ts";
import { isLate } from "./previous.ts";
import { findRemembered } from "./remembered.ts";
import type { Settings } from "./settings-table.ts";
import { paceSilenceMs, signalledLately } from "./silence.ts";
import { claim, previousClaim, remembered, slotWords, stream, word } from "./slot-table.ts";
import { findStream, isContinuous } from "./streams.ts";
import { isStruck } from "./strikes.ts";
import { samePlaceSilenceMs, sequenceAheadMax } from "./timing.ts";

export function judgeNewcomer(
  ground: Ground,
  facts: PacketFacts,
  settings: Settings,
  nowMs: number,
): Verdict {
  const { slot } = facts;
  const { words } = ground.table;
  const isRtp = facts.kind === packetKind.rtp;
  if (settings.isStrict) return verdict.unprovenSource;
  if (words[slot * slotWords + word.evidence] === evidenceCode.cryptographic) return verdict.stranger;
  if (isRtp && !isKnownPayloadType(settings, facts.payloadType)) return verdict.unknownPayloadType;
  const isInPlace = isSamePlace(words, provenAt(slot), ground.source, 0);
  const streamAt = isRtp ? findStream(ground.table, slot, facts.ssrc) : -1;
  const isItself = isRtp && goesOnItself(ground, facts, streamAt, nowMs);
  if (streamAt < 0 && !isItself) return judgeNewStream(ground, facts, isInPlace, nowMs);
  if (!isItself && !isContinuous(ground.table, streamAt, facts, settings, nowMs))
    return verdict.outsideWindow;
  return wait(ground, facts, isInPlace ? claim.continuityInPlace : claim.continuity, nowMs);
}

function judgeNewStream(ground: Ground, facts: PacketFacts, isInPlace: boolean, nowMs: number): Verdict {
  const { slot } = facts;
  if (isInPlace) {
    const mayReplace =
      signalledLately(ground, slot, nowMs) || pairSilenceMs(ground, slot, nowMs) >= samePlaceSilenceMs;
    if (mayReplace) return wait(ground, facts, claim.place, nowMs);
  }
  if (isOpenAnew(ground, slot, nowMs)) return wait(ground, facts, claim.generation, nowMs);
  if (!isProvisional(ground, slot)) return verdict.stranger;
  const isFarther =
    rankOf(ground, slot, ground.source, 0) < ground.table.words[slot * slotWords + word.provenRank]!;
  return isFarther ? verdict.unprovenSource : wait(ground, facts, claim.speaker, nowMs);
}

/**
 * It had the leg, and follows its own last packet: whoever has the leg now may have run ahead in its name, or came late
 * from where it was before, or spoke from there with a stream of his own.
 */
function goesOnItself(ground: Ground, facts: PacketFacts, streamAt: number, nowMs: number): boolean {
  const { words } = ground.table;
  const isBehind =
    streamAt >= 0 && ((words[streamAt + stream.sequence]! - facts.sequence) & 0xffff) < twinWindowPackets;
  // Some time after the switch the proven source has sent that number itself: it is copied from there.
  if (isBehind && !isLate(ground, facts.slot, nowMs)) return false;
  const base = facts.slot * slotWords;
  const entry = findRemembered(ground, facts.slot, ground.source, 0);
  if (entry >= 0 && follows(facts, words[entry + remembered.ssrc]!, words[entry + remembered.sequence]!))
    return true;
  const may = words[base + word.previousClaim]!;
  const isPrevious =
    (may === previousClaim.takeBack || may === previousClaim.patience) &&
    isSameEndpoint(words, base + word.previous, ground.source, 0);
  return isPrevious && follows(facts, words[base + word.previousSsrc]!, words[base + word.previousLast]!);
}

function follows(facts: PacketFacts, ssrc: number, sequence: number): boolean {
  const ahead = (facts.sequence - sequence) & 0xffff;
  return facts.ssrc === ssrc && ahead !== 0 && ahead <= sequenceAheadMax;
}

/** It waits as a candidate; a struck source not even that, while the proven one speaks. */
function wait(ground: Ground, facts: PacketFacts, wants: number, nowMs: number): Verdict {
  const { slot } = facts;
  if (isStruck(ground, slot, ground.source, 0, nowMs)) {
    if (silenceMs(ground, slot, nowMs) < paceSilenceMs(ground, slot, facts.ssrc)) return verdict.struck;
  }
  return keep(ground, facts, wants, nowMs);
}
