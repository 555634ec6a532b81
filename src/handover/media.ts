/** Media from a source that is not the proven one: what signalling, the overrides and the source's past say of it. */
import { twinWindowPackets } from "../core/limits.ts";
import { judgeCopy, noCopy } from "./comparing.ts";
import { evidenceCode, type PacketFacts, packetKind, type Verdict, verdict } from "./contract.ts";
import {
  type Ground,
  hasFlag,
  isFresh,
  isProven,
  isProvisional,
  isSpeaking,
  isVouchedBySibling,
  provenAt,
  silenceMs,
} from "./ground.ts";
import { hintMatch, isBehindNat, isKnownPayloadType, isSamePlace, matchHints } from "./hints.ts";
import { keep, proveNow } from "./keep.ts";
import { judgeNewcomer } from "./newcomer.ts";
import { isPausing, mayTakeLeg } from "./overrides.ts";
import { showPresence } from "./presence.ts";
import { countSwitch } from "./proof.ts";
import { isRemembered } from "./remembered.ts";
import { judgeReturn, judgeTwin, noPrivilege } from "./returning.ts";
import type { Settings } from "./settings-table.ts";
import { claim, slotFlag, slotWords, stream, word } from "./slot-table.ts";
import { currentHoldTimeMs, findStream, isContinuous } from "./streams.ts";
import { isComparing, isFromTwin } from "./twins.ts";

/** RTP or data of a source that is not the proven one, in clear. */
export function judgeMedia(ground: Ground, facts: PacketFacts, settings: Settings, nowMs: number): Verdict {
  const { slot } = facts;
  if (facts.kind === packetKind.rtp) {
    const outcome = judgeKnown(ground, facts, settings, nowMs);
    if (outcome !== noPrivilege) return outcome;
  }
  if (!settings.isSignalled) return keep(ground, facts, claim.speaker, nowMs);
  const match = matchHints(settings, ground.source, 0);
  const isKnown = facts.kind === packetKind.data || isKnownPayloadType(settings, facts.payloadType);
  if (match >= hintMatch.usableIp && !isKnown) return judgeUnknownType(ground, facts, settings, match, nowMs);
  if (match === hintMatch.exact) return judgeExact(ground, facts, nowMs);
  if (mayTakeLeg(ground, facts, settings, nowMs)) return takeByOverride(ground, facts, nowMs);
  const isUnproven = !isProven(ground, slot);
  if (
    match === hintMatch.usableIp &&
    (isUnproven || isProvisional(ground, slot) || mayReopen(ground, slot, nowMs))
  ) {
    return judgeAddress(ground, facts, isUnproven, nowMs);
  }
  if (!isUnproven) return judgeNewcomer(ground, facts, settings, nowMs);
  if (facts.kind === packetKind.data && isVouchedBySibling(ground, slot, ground.source, 0)) {
    return proveNow(ground, facts, evidenceCode.signalled, nowMs);
  }
  if (!isKnown) return verdict.unknownPayloadType;
  return settings.isStrict ? verdict.unprovenSource : keep(ground, facts, claim.speaker, nowMs);
}

function takeByOverride(ground: Ground, facts: PacketFacts, nowMs: number): Verdict {
  if (isPausing(ground, facts.slot, nowMs)) return verdict.rateLimited;
  if (isProven(ground, facts.slot)) countSwitch(ground, facts.slot, nowMs);
  return proveNow(ground, facts, evidenceCode.override, nowMs);
}

/** RTP of a source that is read beside the proven one, or that was the proven one before. */
function judgeKnown(
  ground: Ground,
  facts: PacketFacts,
  settings: Settings,
  nowMs: number,
): Verdict | typeof noPrivilege {
  if (!isProven(ground, facts.slot)) return noPrivilege;
  if (isComparing(ground, facts.slot)) {
    const outcome = judgeCopy(ground, facts, nowMs);
    if (outcome !== noCopy) return outcome;
  } else if (isFromTwin(ground, facts.slot)) {
    const outcome = judgeTwin(ground, facts, settings, nowMs);
    if (outcome !== noPrivilege) return outcome;
  }
  return judgeReturn(ground, facts, settings, nowMs);
}

/** The exact place signalling named: at once, but two such places do not take turns. */
function judgeExact(ground: Ground, facts: PacketFacts, nowMs: number): Verdict {
  const { slot } = facts;
  if (evidenceOf(ground, slot) === evidenceCode.cryptographic) return verdict.stranger;
  // One that lost the leg to its own stream from elsewhere is the party's place no more: whoever speaks from there with
  // another stream has to wait as well.
  const hasLeft =
    evidenceOf(ground, slot) !== evidenceCode.signalled && isRemembered(ground, slot, ground.source, 0);
  // So does who speaks from where nobody can, after somebody else did for a while.
  const isDoubtful = isBehindNat(ground.settings[slot]!, ground.source, 0) && !isProvisional(ground, slot);
  const isContested =
    isProven(ground, slot) &&
    isSpeaking(ground, slot, nowMs) &&
    (hasFlag(ground, slot, slotFlag.isExact) || hasLeft || isDoubtful);
  if (isContested) return waitNamed(ground, facts, claim.exact, nowMs);
  return proveNow(ground, facts, evidenceCode.signalled, nowMs);
}

/** A signalled address by its IP alone: at once, while nothing else that fits speaks. */
function judgeAddress(ground: Ground, facts: PacketFacts, isUnproven: boolean, nowMs: number): Verdict {
  const { slot } = facts;
  const isContested =
    isUnproven ||
    (hasFlag(ground, slot, slotFlag.isFitting) &&
      silenceMs(ground, slot, nowMs) < currentHoldTimeMs(ground.table, slot));
  return isContested
    ? waitNamed(ground, facts, claim.port, nowMs)
    : proveNow(ground, facts, evidenceCode.signalled, nowMs);
}

/**
 * Signalling names it, and another source that it names speaks: it waits for that one's silence. If it carries that one's
 * stream on, it is the same party, on two paths or moved: copies that come late are not kept.
 */
function waitNamed(ground: Ground, facts: PacketFacts, wants: number, nowMs: number): Verdict {
  const { slot } = facts;
  const settings = ground.settings[slot]!;
  const isStream = isProven(ground, slot) && facts.kind === packetKind.rtp;
  const streamAt = isStream ? findStream(ground.table, slot, facts.ssrc) : -1;
  if (streamAt < 0) return keep(ground, facts, wants, nowMs);
  const behind = (ground.table.words[streamAt + stream.sequence]! - facts.sequence) & 0xffff;
  if (behind < twinWindowPackets) return verdict.outsideWindow;
  const isMoved = !settings.isStrict && isContinuous(ground.table, streamAt, facts, settings, nowMs);
  if (!isMoved) return keep(ground, facts, wants, nowMs);
  const isInPlace = isSamePlace(ground.table.words, provenAt(slot), ground.source, 0);
  return keep(ground, facts, isInPlace ? claim.continuityInPlace : claim.continuity, nowMs);
}

/** In a new generation the signalled IP opens the leg once more. */
function mayReopen(ground: Ground, slot: number, nowMs: number): boolean {
  return (
    isFresh(ground, slot, nowMs) &&
    hasFlag(ground, slot, slotFlag.generationOpen) &&
    evidenceOf(ground, slot) !== evidenceCode.cryptographic
  );
}

/** A payload type nobody offered is a keepalive (RFC 6263 section 4.6), until it proves to be a stream. */
function judgeUnknownType(
  ground: Ground,
  facts: PacketFacts,
  settings: Settings,
  match: number,
  nowMs: number,
): Verdict {
  if (isProven(ground, facts.slot)) return verdict.unknownPayloadType;
  showPresence(ground, facts, settings, match, nowMs);
  return keep(ground, facts, claim.speaker, nowMs) === verdict.relay ? verdict.relay : verdict.consumed;
}

function evidenceOf(ground: Ground, slot: number): number {
  return ground.table.words[slot * slotWords + word.evidence]!;
}
