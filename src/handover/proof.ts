/** The two variables of a leg: the proven source, and the send target; and what follows when one of them moves. */
import { candidatesPerSlotMax } from "../core/limits.ts";
import { candidateAt, dropAllCandidates, dropCandidate, isCandidate, lastAtMs } from "./candidates.ts";
import { evidenceCode, handoverNote, noPayloadType } from "./contract.ts";
import {
  type Ground,
  hasFlag,
  isProven,
  isProvenIp,
  isProvisional,
  keepsTarget,
  provenAt,
  setFlag,
  setTime,
  timeOf,
} from "./ground.ts";
import { hintMatch, isSameEndpoint, isSameIp, matchHints } from "./hints.ts";
import {
  candidate,
  claim,
  previousClaim,
  real,
  slotFlag,
  slotWords,
  stream,
  watch,
  word,
} from "./slot-table.ts";
import { findStream, startStream } from "./streams.ts";
import { latePacketsMs, supersededMs, switchesMax, switchWindowMs } from "./timing.ts";

/** Makes the endpoint at `at` of `source` the slot's proven source and tells of it once. */
export function prove(
  ground: Ground,
  slot: number,
  source: Int32Array,
  at: number,
  evidence: number,
  nowMs: number,
): void {
  const { words } = ground.table;
  const base = slot * slotWords;
  const isSwitch = isProven(ground, slot);
  if (isSwitch) rememberPrevious(ground, slot, evidence, nowMs);
  if (!carriesStreamsOn(evidence)) forgetStreams(ground, slot);
  for (let index = 0; index < 5; index++) words[base + word.proven + index] = source[at + index]!;
  words[base + word.evidence] = evidence;
  if (!isSameSpeaker(evidence)) {
    words[base + word.provenRank] = 0;
    words[base + word.pending]! &= ~watch.provisional;
    setTime(ground, slot, real.provenAt, nowMs);
  }
  setTime(ground, slot, real.heardAt, nowMs);
  setTime(ground, slot, real.supersededAt, 0);
  const match = matchHints(ground.settings[slot]!, words, base + word.proven);
  setFlag(ground, slot, slotFlag.isFitting, match >= hintMatch.ip);
  setFlag(ground, slot, slotFlag.isExact, match === hintMatch.exact);
  setFlag(ground, slot, slotFlag.lostFit | slotFlag.targetByPresence, false);
  if (evidence === evidenceCode.signalled) setFlag(ground, slot, slotFlag.generationOpen, false);
  const note = isSwitch ? handoverNote.switched : handoverNote.proven;
  ground.sink.note(slot, note, evidence, words, base + word.proven);
  if (!keepsTarget(ground.settings[slot]!)) {
    const leavesAt = leavesAtMs(ground, slot, evidence);
    if (nowMs < leavesAt) supersede(ground, slot, leavesAt);
    else setTarget(ground, slot, words, base + word.proven);
  }
  if ((slot & 1) === 0) rtpMoved(ground, slot, nowMs);
}

/**
 * Signalling has gone on from the source just proven: what it still sends is heard until this time, and does not move
 * the target. 0: the source is where the party is. So a forked call's losing branch does not take the winner's media.
 */
function leavesAtMs(ground: Ground, slot: number, evidence: number): number {
  const { words } = ground.table;
  const proven = provenAt(slot);
  if ((slot & 1) !== 0 && isProvenIp(ground, slot - 1, words, proven)) {
    const supersededAt = timeOf(ground, slot - 1, real.supersededAt);
    if (supersededAt > 0) return supersededAt;
  }
  const isFormer = isSameEndpoint(words, slot * slotWords + word.former, words, proven);
  const isSignalled = evidence === evidenceCode.signalled;
  return isSignalled && isFormer ? timeOf(ground, slot, real.signalledAt) + supersededMs : 0;
}

/** The source just proven is looked at again at this time. */
function supersede(ground: Ground, slot: number, atMs: number): void {
  setTime(ground, slot, real.supersededAt, atMs);
  ground.deadlines.lower(slot, atMs);
}

/** A proof that yields to better evidence until it was in use for a while. */
export function makeProvisional(ground: Ground, slot: number, rank: number): void {
  const base = slot * slotWords;
  ground.table.words[base + word.provenRank] = rank;
  ground.table.words[base + word.pending]! |= watch.provisional;
}

/** The candidate's source is proven: what is held for it goes out, what is held for others goes. */
export function accept(ground: Ground, slot: number, index: number, evidence: number, nowMs: number): void {
  const { table, sink } = ground;
  const { words } = table;
  const at = candidateAt(slot, index);
  const base = slot * slotWords;
  const lastAt = lastAtMs(table, at);
  words[base + word.pending]! &= ~(1 << index);
  prove(ground, slot, words, at, evidence, nowMs);
  words[base + word.previousSequence] = (words[at + candidate.claim]! >>> 8) & 0xffff;
  if ((words[at + candidate.claim]! & 0xff) === claim.place) forgetStreams(ground, slot);
  const isStream = ground.settings[slot]!.isRtp && words[at + candidate.payloadType] !== noPayloadType;
  if ((slot & 1) === 0 && isStream) adoptStream(ground, slot, at, lastAt);
  sink.releaseHeld(slot, index);
  for (let other = 0; other < candidatesPerSlotMax; other++) {
    if (isCandidate(table, slot, other)) dropCandidate(table, sink, slot, other);
  }
}

/** Nothing is proven any more; we send where signalling says. */
export function withdraw(ground: Ground, slot: number, nowMs: number): void {
  const { words } = ground.table;
  const base = slot * slotWords;
  words.fill(0, base + word.proven, base + word.proven + 5);
  words[base + word.evidence] = evidenceCode.none;
  words[base + word.provenRank] = 0;
  words[base + word.pending]! &= ~watch.provisional;
  words[base + word.previousClaim] = previousClaim.none;
  setTime(ground, slot, real.supersededAt, 0);
  setFlag(
    ground,
    slot,
    slotFlag.isFitting | slotFlag.isExact | slotFlag.lostFit | slotFlag.targetByPresence,
    false,
  );
  dropAllCandidates(ground.table, ground.sink, slot);
  if ((slot & 1) === 0) {
    setTarget(ground, slot, ground.settings[slot]!.target, 0);
    rtpMoved(ground, slot, nowMs);
  } else {
    aimRtcp(ground, slot);
  }
}

/** Moves the send target and tells of it if it is another one; where ICE has spoken, nothing else moves it. */
export function setTarget(ground: Ground, slot: number, source: Int32Array, at: number): void {
  if (!hasFlag(ground, slot, slotFlag.targetByIce)) moveTarget(ground, slot, source, at);
}

/** As `setTarget`, whoever has spoken. */
export function moveTarget(ground: Ground, slot: number, source: Int32Array, at: number): void {
  const { words } = ground.table;
  const target = slot * slotWords + word.target;
  if (isSameEndpoint(words, target, source, at)) return;
  for (let index = 0; index < 5; index++) words[target + index] = source[at + index]!;
  ground.sink.targetChanged(slot);
}

/**
 * RTCP that was not heard yet goes where RTP goes, one port above; to the signalled address while RTP does the same
 * (section 5).
 */
export function aimRtcp(ground: Ground, slot: number): void {
  const { words } = ground.table;
  const settings = ground.settings[slot]!;
  if (isProven(ground, slot) || hasFlag(ground, slot, slotFlag.targetByPresence | slotFlag.targetByIce))
    return;
  const rtp = slot - 1;
  const rtpTarget = rtp * slotWords + word.target;
  const port = words[rtpTarget + 4]!;
  const follows =
    settings.isRtp && port !== 0 && !isSameEndpoint(words, rtpTarget, ground.settings[rtp]!.target, 0);
  if (!follows || port >= 65_535) {
    setTarget(ground, slot, settings.target, 0);
    return;
  }
  const target = slot * slotWords + word.target;
  if (isSameIp(words, target, words, rtpTarget) && words[target + 4] === port + 1) return;
  for (let index = 0; index < 4; index++) words[target + index] = words[rtpTarget + index]!;
  words[target + 4] = port + 1;
  ground.sink.targetChanged(slot);
}

/** What the source before sent vouches for the new one only if the streams themselves were the evidence, or a key. */
function carriesStreamsOn(evidence: number): boolean {
  return isSameSpeaker(evidence) || evidence === evidenceCode.cryptographic;
}

/** The source is new, the speaker is not: what was doubtful about it still is. */
function isSameSpeaker(evidence: number): boolean {
  return evidence === evidenceCode.continuity || evidence === evidenceCode.samePlace;
}

export function forgetStreams(ground: Ground, slot: number): void {
  ground.table.words[slot * slotWords + word.streamCount] = 0;
  ground.table.words[slot * slotWords + word.currentStream] = 0;
}

/** True while another switch without signalled or cryptographic evidence is allowed; counts it. */
export function takeSwitch(ground: Ground, slot: number, nowMs: number): boolean {
  const count = slot * slotWords + word.switchCount;
  const { words } = ground.table;
  if (nowMs - timeOf(ground, slot, real.switchWindowAt) >= switchWindowMs || words[count] === 0) {
    setTime(ground, slot, real.switchWindowAt, nowMs);
    words[count] = 0;
  }
  if (words[count]! >= switchesMax) return false;
  words[count]!++;
  return true;
}

/** RTP's source or its proof changed: RTCP's proof from elsewhere goes, its target follows, what waits is judged. */
function rtpMoved(ground: Ground, rtp: number, nowMs: number): void {
  const rtcp = rtp + 1;
  if (!hasFlag(ground, rtcp, slotFlag.isOpen) || !ground.settings[rtcp]!.isRtp) return;
  const { words } = ground.table;
  const isElsewhere =
    isProven(ground, rtcp) &&
    isProven(ground, rtp) &&
    !isSameIp(words, provenAt(rtcp), words, provenAt(rtp)) &&
    !hasFlag(ground, rtcp, slotFlag.isExact);
  if (isElsewhere) withdraw(ground, rtcp, nowMs);
  else aimRtcp(ground, rtcp);
  ground.deadlines.lower(rtcp, nowMs);
}

/**
 * The source before may still deliver what was on its way; one that lost the leg while signalling still stood by it
 * may take it back. A provisional one was perhaps a stranger: nothing is kept of it.
 */
function rememberPrevious(ground: Ground, slot: number, evidence: number, nowMs: number): void {
  const { words } = ground.table;
  const base = slot * slotWords;
  const isLasting =
    evidence === evidenceCode.signalled ||
    evidence === evidenceCode.cryptographic ||
    hasFlag(ground, slot, slotFlag.lostFit);
  let keeps: number = isLasting ? previousClaim.latePackets : previousClaim.takeBack;
  const wasDoubtful = isProvisional(ground, slot) && !isSameSpeaker(evidence);
  if (wasDoubtful || evidence === evidenceCode.override) keeps = previousClaim.none;
  if ((slot & 1) !== 0 || words[base + word.streamCount] === 0) keeps = previousClaim.none;
  for (let index = 0; index < 5; index++)
    words[base + word.previous + index] = words[base + word.proven + index]!;
  words[base + word.previousClaim] = keeps;
  words[base + word.previousSsrc] =
    words[base + stream.first + words[base + word.currentStream]! * stream.size + stream.ssrc]!;
  setTime(ground, slot, real.previousAt, nowMs);
}

/** The candidate's run becomes the slot's current stream. */
function adoptStream(ground: Ground, slot: number, at: number, lastAt: number): void {
  const { words, reals } = ground.table;
  const ssrc = words[at + candidate.ssrc]!;
  const known = findStream(ground.table, slot, ssrc);
  if (known < 0) {
    const sequence = words[at + candidate.sequence]!;
    const timestamp = words[at + candidate.timestamp]!;
    startStream(ground.table, slot, ssrc, sequence, timestamp, words[at + candidate.payloadType]!, lastAt);
    return;
  }
  words[known + stream.sequence] = words[at + candidate.sequence]!;
  words[known + stream.timestamp] = words[at + candidate.timestamp]!;
  words[known + stream.payloadType] = words[at + candidate.payloadType]!;
  reals[(known + stream.lastAt) >>> 1] = lastAt;
  words[slot * slotWords + word.currentStream] = (known - slot * slotWords - stream.first) / stream.size;
}

/** True while packets of the source before the last switch may still arrive. */
export function isLate(ground: Ground, slot: number, nowMs: number): boolean {
  return nowMs - timeOf(ground, slot, real.previousAt) < latePacketsMs;
}
