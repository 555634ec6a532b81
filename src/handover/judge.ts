/**
 * Deciding about candidates: run when one of them speaks, when settings changed, and at the slot's deadline.
 *
 * `settle` leaves the slot's next deadline behind, always later than now.
 */
import { candidatesPerSlotMax } from "../core/limits.ts";
import {
  candidateAt,
  dropCandidate,
  expireCandidates,
  firstAtMs,
  isCandidate,
  lastAtMs,
} from "./candidates.ts";
import { evidenceCode, handoverNote } from "./contract.ts";
import {
  type Ground,
  hasFlag,
  isFresh,
  isProven,
  isProvenIp,
  isProvisional,
  isSpeaking,
  keepsTarget,
  learning,
  pairSilenceMs,
  provenAt,
  rankOf,
  setFlag,
  setTime,
  silenceMs,
  timeOf,
} from "./ground.ts";
import { hintMatch, isKnownPayloadType, matchHints } from "./hints.ts";
import { accept, makeProvisional, setTarget, takeSwitch, withdraw } from "./proof.ts";
import { candidate, claim, real, slotFlag, slotWords, watch, word } from "./slot-table.ts";
import { claimOf, dueAtMs, isSpeaker, pickPort, pickSpeaker } from "./speakers.ts";
import { findStream, holdTimeMs } from "./streams.ts";
import {
  candidateIdleMs,
  firstSpeakerPackets,
  portContestMs,
  provisionalMs,
  provisionalSilenceMs,
  samePlaceSilenceMs,
  signalledLatelyMs,
  speakingMs,
} from "./timing.ts";

/** A question that stays open for another reason than time is asked again after so long. */
const askAgainMs = 10;

/** Decides whatever can be decided about the slot now. */
export function settle(ground: Ground, slot: number, nowMs: number): void {
  expireCandidates(ground.table, ground.sink, slot, nowMs);
  confirm(ground, slot, nowMs);
  lookAgain(ground, slot, nowMs);
  if (ground.settings[slot]!.isSignalled) {
    if (isProven(ground, slot)) settleProven(ground, slot, nowMs);
    else if (isRtcp(ground, slot)) settleRtcp(ground, slot, nowMs);
    else settleUnproven(ground, slot, nowMs);
  }
  ground.deadlines.set(slot, nextDeadline(ground, slot, nowMs));
}

/** Sole use for a while makes a provisional proof a lasting one. */
export function confirm(ground: Ground, slot: number, nowMs: number): void {
  if (!isProvisional(ground, slot)) return;
  const isDue = nowMs - timeOf(ground, slot, real.provenAt) >= provisionalMs;
  if (!isDue || silenceMs(ground, slot, nowMs) >= provisionalSilenceMs) return;
  ground.table.words[slot * slotWords + word.pending]! &= ~watch.provisional;
}

export function isRtcp(ground: Ground, slot: number): boolean {
  return (slot & 1) !== 0 && ground.settings[slot]!.isRtp;
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

/** Silence of the proven source that a candidate has to wait for. */
export function neededSilenceMs(ground: Ground, slot: number, at: number, nowMs: number): number {
  const { words } = ground.table;
  switch (claimOf(ground, at)) {
    case claim.continuity:
    case claim.continuityInPlace: {
      const streamAt = findStream(ground.table, slot, words[at + candidate.ssrc]!);
      return streamAt < 0 ? speakingMs : holdTimeMs(ground.table, streamAt);
    }
    case claim.place:
      return signalledLately(ground, slot, nowMs) ? speakingMs : samePlaceSilenceMs;
    case claim.generation:
      return hasFlag(ground, slot, slotFlag.lostFit) ? 0 : speakingMs;
    case claim.speaker:
      return words[at + candidate.rank]! > words[slot * slotWords + word.provenRank]!
        ? 0
        : provisionalSilenceMs;
    default:
      return speakingMs;
  }
}

export function signalledLately(ground: Ground, slot: number, nowMs: number): boolean {
  return nowMs - timeOf(ground, slot, real.signalledAt) < signalledLatelyMs;
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
  const at = candidateAt(slot, index);
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
    const rankAt = candidateAt(slot, index) + candidate.rank;
    if (best < 0 || words[rankAt]! > words[candidateAt(slot, best) + candidate.rank]!) best = index;
  }
  if (best >= 0) accept(ground, slot, best, evidenceCode.override, nowMs);
}

function settleSpeaker(ground: Ground, slot: number, nowMs: number, evidence: number): void {
  const index = pickSpeaker(ground, slot, nowMs);
  if (index < 0) return;
  const rank = ground.table.words[candidateAt(slot, index) + candidate.rank]!;
  accept(ground, slot, index, evidence, nowMs);
  makeProvisional(ground, slot, rank);
}

function dropSpeakers(ground: Ground, slot: number): void {
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (!isCandidate(ground.table, slot, index) || !isSpeaker(ground, candidateAt(slot, index))) continue;
    dropCandidate(ground.table, ground.sink, slot, index);
  }
}

function settleRtcp(ground: Ground, slot: number, nowMs: number): void {
  const { words } = ground.table;
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (!isCandidate(ground.table, slot, index)) continue;
    const at = candidateAt(slot, index);
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
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (!isCandidate(table, slot, index)) continue;
    const at = candidateAt(slot, index);
    if (isSpeaker(ground, at)) {
      if (hasLapsed(ground, slot, at, nowMs)) dropCandidate(table, ground.sink, slot, index);
      continue;
    }
    if (silenceMs(ground, slot, nowMs) < neededSilenceMs(ground, slot, at, nowMs)) continue;
    const evidence = evidenceOfClaim(claimOf(ground, at));
    if (evidence !== evidenceCode.signalled && !takeSwitch(ground, slot, nowMs)) {
      refuse(ground, slot, index, evidence);
      continue;
    }
    accept(ground, slot, index, evidence, nowMs);
    return;
  }
  settleNewSpeaker(ground, slot, nowMs);
}

/** The time in which such a claim counts is over. */
function hasLapsed(ground: Ground, slot: number, at: number, nowMs: number): boolean {
  const wants = claimOf(ground, at);
  if (wants === claim.generation) return !isFresh(ground, slot, nowMs);
  return wants === claim.speaker && !isProvisional(ground, slot);
}

/** A speaker beside a proven source: its own conditions, and the proven one's silence. */
function settleNewSpeaker(ground: Ground, slot: number, nowMs: number): void {
  const index = pickSpeaker(ground, slot, nowMs);
  if (index < 0) return;
  const at = candidateAt(slot, index);
  const wants = claimOf(ground, at);
  const silence = wants === claim.place ? pairSilenceMs(ground, slot, nowMs) : silenceMs(ground, slot, nowMs);
  if (silence < neededSilenceMs(ground, slot, at, nowMs)) return;
  const evidence = evidenceOfClaim(wants);
  if (!takeSwitch(ground, slot, nowMs)) {
    refuse(ground, slot, index, evidence);
    return;
  }
  const rank = ground.table.words[at + candidate.rank]!;
  accept(ground, slot, index, evidence, nowMs);
  if (wants !== claim.place) makeProvisional(ground, slot, rank);
}

function refuse(ground: Ground, slot: number, index: number, evidence: number): void {
  ground.sink.note(slot, handoverNote.refused, evidence, ground.table.words, candidateAt(slot, index));
  dropCandidate(ground.table, ground.sink, slot, index);
}

function evidenceOfClaim(wants: number): number {
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

/**
 * An unproven party did not speak in time: its doubtful address is sent to after all. A source that only superseded
 * hints proved goes, unless it alone still speaks: then it stays as what it is, the only speaker of this leg.
 */
function lookAgain(ground: Ground, slot: number, nowMs: number): void {
  const supersededAt = timeOf(ground, slot, real.supersededAt);
  if (supersededAt === 0 || nowMs < supersededAt) return;
  setTime(ground, slot, real.supersededAt, 0);
  const { words } = ground.table;
  const base = slot * slotWords;
  const settings = ground.settings[slot]!;
  if (!isProven(ground, slot)) {
    if (!hasFlag(ground, slot, slotFlag.targetByPresence)) setTarget(ground, slot, settings.target, 0);
    return;
  }
  if (settings.isStrict || isRtcp(ground, slot) || !isSpeaking(ground, slot, nowMs)) {
    withdraw(ground, slot, nowMs);
    return;
  }
  words[base + word.evidence] = evidenceCode.firstSpeaker;
  setFlag(ground, slot, slotFlag.lostFit, false);
  makeProvisional(ground, slot, rankOf(ground, slot, words, base + word.proven));
  setTime(ground, slot, real.provenAt, nowMs);
  if (!keepsTarget(settings)) setTarget(ground, slot, words, base + word.proven);
}

function nextDeadline(ground: Ground, slot: number, nowMs: number): number {
  const supersededAt = timeOf(ground, slot, real.supersededAt);
  let next = supersededAt > 0 ? supersededAt : Number.POSITIVE_INFINITY;
  const mask = ground.table.words[slot * slotWords + word.pending]! & 0xff;
  if (mask === 0) return next;
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if ((mask & (1 << index)) === 0) continue;
    const at = candidateAt(slot, index);
    next = Math.min(next, lastAtMs(ground.table, at) + candidateIdleMs);
    if (!ground.settings[slot]!.isSignalled || isRtcp(ground, slot)) continue;
    const decidedAt = decidableAt(ground, slot, at, nowMs);
    if (decidedAt !== Number.POSITIVE_INFINITY)
      next = Math.min(next, Math.max(decidedAt, nowMs + askAgainMs));
  }
  return Math.max(next, nowMs + 1);
}

function decidableAt(ground: Ground, slot: number, at: number, nowMs: number): number {
  const isBesideProven = isProven(ground, slot);
  const quietAt = isBesideProven
    ? timeOf(ground, slot, real.heardAt) + neededSilenceMs(ground, slot, at, nowMs)
    : 0;
  if (isSpeaker(ground, at)) return Math.max(quietAt, dueAtMs(ground, slot, at));
  if (isBesideProven) return quietAt;
  return Math.min(firstAtMs(ground.table, at) + portContestMs, lastAtMs(ground.table, at) + speakingMs);
}
