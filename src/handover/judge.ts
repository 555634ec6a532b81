/**
 * Deciding about candidates: run when one of them speaks, when settings changed, and at the slot's deadline.
 *
 * `settle` leaves the slot's next deadline behind, always later than now.
 */
import { candidatesPerSlotMax } from "../core/limits.ts";
import { candidateAt, dropCandidate, expireCandidates, isCandidate, lastAtMs } from "./candidates.ts";
import { expireTwin } from "./comparing.ts";
import { evidenceCode } from "./contract.ts";
import { setDeadline } from "./due.ts";
import {
  type Ground,
  isOpenAnew,
  isProven,
  isProvenIp,
  isProvisional,
  isRtcp,
  learning,
  pairSilenceMs,
  provenAt,
  rankOf,
  silenceMs,
  timeOf,
} from "./ground.ts";
import { hintMatch, isKnownPayloadType, matchHints } from "./hints.ts";
import { accept, countSwitch, makeProvisional } from "./proof.ts";
import { settleReceipt } from "./receipts.ts";
import { isRemembered } from "./remembered.ts";
import { neededSilenceMs } from "./silence.ts";
import { candidate, claim, real, slotWords, watch, word } from "./slot-table.ts";
import { claimOf, isSpeaker, pickPort, pickSpeaker } from "./speakers.ts";
import { findStream } from "./streams.ts";
import { lookAgain } from "./superseded.ts";
import { firstSpeakerPackets, provisionalSilenceMs } from "./timing.ts";
import { settleWaiting } from "./waiting-target.ts";

/** Decides whatever can be decided about the slot now. */
export function settle(ground: Ground, slot: number, nowMs: number): void {
  expireCandidates(ground.table, ground.sink, slot, nowMs);
  confirm(ground, slot, nowMs);
  expireTwin(ground, slot, nowMs);
  settleReceipt(ground, slot, nowMs);
  settleWaiting(ground, slot, nowMs);
  lookAgain(ground, slot, nowMs);
  if (ground.settings[slot]!.isSignalled) {
    if (isProven(ground, slot)) settleProven(ground, slot, nowMs);
    else if (isRtcp(ground, slot)) settleRtcp(ground, slot, nowMs);
    else settleUnproven(ground, slot, nowMs);
  }
  setDeadline(ground, slot, nowMs);
}

/** Sole use for a while makes a provisional proof a lasting one. */
export function confirm(ground: Ground, slot: number, nowMs: number): void {
  if (!isProvisional(ground, slot)) return;
  const isDue = nowMs - timeOf(ground, slot, real.provenAt) >= ground.settleMs;
  if (!isDue || silenceMs(ground, slot, nowMs) >= provisionalSilenceMs) return;
  ground.table.words[slot * slotWords + word.pending]! &= ~watch.provisional;
}

/** RTCP from the IP that RTP is proven for: a known SSRC, or the port above RTP's (section 5). */
export function isVouchedByRtp(
  ground: Ground,
  slot: number,
  source: Int32Array,
  at: number,
  ssrc: number,
): boolean {
  const rtp = slot & ~1;
  if (!isProvenIp(ground, rtp, source, at)) return false;
  const rtpPort = ground.table.words[provenAt(rtp) + 4]!;
  return source[at + 4] === rtpPort + 1 || findStream(ground.table, rtp, ssrc) >= 0;
}

function settleUnproven(ground: Ground, slot: number, nowMs: number): void {
  const settings = ground.settings[slot]!;
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (!isCandidate(ground.table, slot, index)) continue;
    if (reclassify(ground, slot, index) === hintMatch.exact) {
      accept(ground, slot, index, evidenceCode.signalled, nowMs);
      return;
    }
  }
  const port = pickPort(ground, slot, nowMs);
  if (port >= 0) {
    accept(ground, slot, port, evidenceCode.signalled, nowMs);
    return;
  }
  if (settings.learningMode > learning.off) settleByOverride(ground, slot, nowMs);
  else if (settings.isStrict) dropSpeakers(ground, slot);
  else settleSpeaker(ground, slot, nowMs, evidenceCode.firstSpeaker);
}

/** Gives the candidate the rank and claim that the present hints say; its match, for a payload that counts. */
function reclassify(ground: Ground, slot: number, index: number): number {
  const { words } = ground.table;
  const at = candidateAt(ground.table, slot, index);
  const settings = ground.settings[slot]!;
  words[at + candidate.rank] = rankOf(ground, slot, words, at);
  const match = matchHints(settings, words, at);
  const isMedia =
    !settings.isRtp ||
    isKnownPayloadType(settings, words[at + candidate.payloadType]!) ||
    words[at + candidate.packets]! >= firstSpeakerPackets;
  if (match === hintMatch.usableIp && isMedia) setClaim(ground, at, claim.port);
  return isMedia ? match : hintMatch.none;
}

export function setClaim(ground: Ground, at: number, wanted: number): void {
  const { words } = ground.table;
  words[at + candidate.claim] = (words[at + candidate.claim]! & ~0xff) | wanted;
}

/** Early packets under an explicit `endpoint-learning`: the best of those that wait, at once. */
function settleByOverride(ground: Ground, slot: number, nowMs: number): void {
  const { words } = ground.table;
  let best = -1;
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (!isCandidate(ground.table, slot, index)) continue;
    const rankAt = candidateAt(ground.table, slot, index) + candidate.rank;
    if (best < 0 || words[rankAt]! > words[candidateAt(ground.table, slot, best) + candidate.rank]!)
      best = index;
  }
  if (best >= 0) accept(ground, slot, best, evidenceCode.override, nowMs);
}

function settleSpeaker(ground: Ground, slot: number, nowMs: number, evidence: number): void {
  const index = pickSpeaker(ground, slot, nowMs);
  if (index < 0) return;
  const rank = ground.table.words[candidateAt(ground.table, slot, index) + candidate.rank]!;
  accept(ground, slot, index, evidence, nowMs);
  makeProvisional(ground, slot, rank);
}

function dropSpeakers(ground: Ground, slot: number): void {
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (!isCandidate(ground.table, slot, index) || !isSpeaker(ground, candidateAt(ground.table, slot, index)))
      continue;
    dropCandidate(ground.table, ground.sink, slot, index);
  }
}

function settleRtcp(ground: Ground, slot: number, nowMs: number): void {
  const { words } = ground.table;
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (!isCandidate(ground.table, slot, index)) continue;
    const at = candidateAt(ground.table, slot, index);
    if (matchHints(ground.settings[slot]!, words, at) >= hintMatch.usableIp) {
      accept(ground, slot, index, evidenceCode.signalled, nowMs);
      return;
    }
    if (isVouchedByRtp(ground, slot, words, at, words[at + candidate.ssrc]!)) {
      accept(ground, slot, index, words[(slot & ~1) * slotWords + word.evidence]!, nowMs);
      return;
    }
  }
}

function settleProven(ground: Ground, slot: number, nowMs: number): void {
  const { table } = ground;
  let best = -1;
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (!isCandidate(table, slot, index)) continue;
    const at = candidateAt(ground.table, slot, index);
    if (isSpeaker(ground, at)) {
      if (hasLapsed(ground, slot, at, nowMs)) dropCandidate(table, ground.sink, slot, index);
    } else if (
      silenceMs(ground, slot, nowMs) >= neededSilenceMs(ground, slot, at, nowMs) &&
      isAlive(ground, slot, at)
    ) {
      best = likelier(ground, slot, best, index);
    }
  }
  if (best < 0) {
    settleNewSpeaker(ground, slot, nowMs);
    return;
  }
  const evidence = evidenceOfClaim(claimOf(ground, candidateAt(ground.table, slot, best)));
  if (evidence !== evidenceCode.signalled)
    countNewcomer(ground, slot, candidateAt(ground.table, slot, best), nowMs);
  accept(ground, slot, best, evidence, nowMs);
}

/** What signalling named has to speak after the source it is to replace: a stray from before is not the party. */
function isAlive(ground: Ground, slot: number, at: number): boolean {
  const wants = claimOf(ground, at);
  const isNamed = wants === claim.port || wants === claim.exact;
  return !isNamed || lastAtMs(ground.table, at) >= timeOf(ground, slot, real.heardAt);
}

/** Of two that may have the leg: what signalling named, then the longer run. */
function likelier(ground: Ground, slot: number, a: number, b: number): number {
  if (a < 0) return b;
  const { words } = ground.table;
  const first = candidateAt(ground.table, slot, a);
  const second = candidateAt(ground.table, slot, b);
  const isNamed = evidenceOfClaim(claimOf(ground, first)) === evidenceCode.signalled;
  if (isNamed !== (evidenceOfClaim(claimOf(ground, second)) === evidenceCode.signalled))
    return isNamed ? a : b;
  return words[second + candidate.packets]! > words[first + candidate.packets]! ? b : a;
}

/** One that had the leg before is no newcomer. */
function countNewcomer(ground: Ground, slot: number, at: number, nowMs: number): void {
  if (!isRemembered(ground, slot, ground.table.words, at)) countSwitch(ground, slot, nowMs);
}

/** The time in which such a claim counts is over. */
function hasLapsed(ground: Ground, slot: number, at: number, nowMs: number): boolean {
  const wants = claimOf(ground, at);
  if (wants === claim.generation) return !isOpenAnew(ground, slot, nowMs);
  return wants === claim.speaker && !isProvisional(ground, slot);
}

/** A speaker beside a proven source: its own conditions, and the proven one's silence while it spoke itself. */
function settleNewSpeaker(ground: Ground, slot: number, nowMs: number): void {
  const index = pickSpeaker(ground, slot, nowMs);
  if (index < 0) return;
  const at = candidateAt(ground.table, slot, index);
  const wants = claimOf(ground, at);
  const silence = wants === claim.place ? pairSilenceMs(ground, slot, nowMs) : silenceMs(ground, slot, nowMs);
  const needed = neededSilenceMs(ground, slot, at, nowMs);
  if (silence < needed) return;
  if (needed > 0 && lastAtMs(ground.table, at) < timeOf(ground, slot, real.heardAt)) return;
  const rank = ground.table.words[at + candidate.rank]!;
  countNewcomer(ground, slot, at, nowMs);
  accept(ground, slot, index, evidenceOfClaim(wants), nowMs);
  if (wants !== claim.place) makeProvisional(ground, slot, rank);
}

/** What a switch by such a claim is told as. */
export function evidenceOfClaim(wants: number): number {
  switch (wants) {
    case claim.continuity:
      return evidenceCode.continuity;
    case claim.continuityInPlace:
    case claim.place:
      return evidenceCode.samePlace;
    case claim.generation:
      return evidenceCode.newGeneration;
    case claim.speaker:
      return evidenceCode.firstSpeaker;
    default:
      return evidenceCode.signalled;
  }
}
