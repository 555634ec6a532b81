/** RTCP from a source that is not proven (section 5). It never moves RTP, and alone never moves to a new IP. */
import { findCandidate } from "./candidates.ts";
import { evidenceCode, type PacketFacts, type Verdict, verdict } from "./contract.ts";
import { type Ground, hasFlag, isFresh, isProven, isProvenIp, learning, setTime } from "./ground.ts";
import { hintMatch, matchHints } from "./hints.ts";
import { isVouchedByRtp } from "./judge.ts";
import { keep, proveNow } from "./keep.ts";
import { showPresence } from "./presence.ts";
import { hasRtpLeft } from "./proof.ts";
import { judgeReceipt } from "./receipts.ts";
import type { Settings } from "./settings-table.ts";
import { claim, real, slotFlag, slotWords, word } from "./slot-table.ts";
import { bringTargetBack } from "./targets.ts";
import { hearNamed } from "./waiting-target.ts";

/** SR and RR; BYE, APP and feedback of an unproven source prove nothing and are not kept. */
const senderReport = 200;
const receiverReport = 201;

export function judgeRtcp(ground: Ground, facts: PacketFacts, settings: Settings, nowMs: number): Verdict {
  const isReport = facts.payloadType === senderReport || facts.payloadType === receiverReport;
  if ((facts.slot & 1) === 0) return judgeOnRtpPort(ground, facts, settings, isReport, nowMs);
  if (!settings.isSignalled)
    return isReport ? keep(ground, facts, claim.speaker, nowMs) : verdict.unprovenSource;
  const match = matchHints(settings, ground.source, 0);
  if (match >= hintMatch.usableIp) setTime(ground, facts.slot - 1, real.usableHeardAt, nowMs);
  const evidence = evidenceFor(ground, facts, settings, match, isReport, nowMs);
  if (evidence !== evidenceCode.none) {
    bringTargetBack(ground, facts.slot - 1);
    if (match === hintMatch.exact) hearNamed(ground, facts.slot - 1, nowMs);
    return proveNow(ground, facts, evidence, nowMs);
  }
  const waitsForRtp =
    isReport && !settings.isStrict && !isProven(ground, facts.slot) && !isProven(ground, facts.slot - 1);
  if (waitsForRtp) return keep(ground, facts, claim.speaker, nowMs);
  return isReport ? judgeReceipt(ground, facts, settings, nowMs) : verdict.unprovenSource;
}

/** What proves this source for RTCP with this packet, or `none`. */
function evidenceFor(
  ground: Ground,
  facts: PacketFacts,
  settings: Settings,
  match: number,
  isReport: boolean,
  nowMs: number,
): number {
  const { slot } = facts;
  const { source } = ground;
  const isUnproven = !isProven(ground, slot);
  const isNamed = !isUnproven && hasFlag(ground, slot, slotFlag.isExact);
  if (match === hintMatch.exact && (isUnproven || !(isNamed || hasRtpLeft(ground, slot, source, 0)))) {
    return evidenceCode.signalled;
  }
  const isRenewed = isFresh(ground, slot, nowMs) && hasFlag(ground, slot, slotFlag.lostFit);
  // Once RTP has shown which of the hosts behind an address is the party, the address alone says nothing any more.
  const isOpen = isUnproven && !isProvenIp(ground, slot - 1, source, 0);
  if (match === hintMatch.usableIp && isReport && (isOpen || isRenewed)) return evidenceCode.signalled;
  if (isReport && isVouchedByRtp(ground, slot, source, 0, facts.ssrc)) {
    const mayMove = !isNamed || isProvenIp(ground, slot, source, 0);
    if (mayMove) return ground.table.words[(slot - 1) * slotWords + word.evidence]!;
  }
  const isOpenToAll = settings.followsAnySource || (isUnproven && settings.learningMode > learning.off);
  return isOpenToAll ? evidenceCode.override : evidenceCode.none;
}

/** RTCP on the RTP port: under rtcp-mux from the signalled place it opens the leg; else it shows presence at most. */
function judgeOnRtpPort(
  ground: Ground,
  facts: PacketFacts,
  settings: Settings,
  isReport: boolean,
  nowMs: number,
): Verdict {
  const { slot } = facts;
  if (settings.isSignalled) {
    const match = matchHints(settings, ground.source, 0);
    if (settings.isMux && match === hintMatch.exact && !isProven(ground, slot)) {
      return proveNow(ground, facts, evidenceCode.signalled, nowMs);
    }
    const presence = showPresence(ground, facts, settings, match, nowMs);
    if (presence === verdict.consumed) return presence;
  }
  const index = isReport ? findCandidate(ground.table, slot, ground.source) : -1;
  if (index < 0 && isReport && settings.isMux) return judgeReceipt(ground, facts, settings, nowMs);
  if (index < 0) return verdict.unprovenSource;
  ground.heldFor = index;
  return verdict.hold;
}
