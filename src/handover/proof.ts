/** The two variables of a leg: the proven source, and the send target; and what follows when one of them moves. */
import { candidatesPerSlotMax } from "../core/limits.ts";
import { candidateAt, dropCandidate, firstAtMs, isCandidate, lastAtMs } from "./candidates.ts";
import { evidenceCode, handoverNote, noPayloadType } from "./contract.ts";
import {
  type Ground,
  hasFlag,
  isInRows,
  isProven,
  isProvenIp,
  isProvisional,
  keepsTarget,
  provenAt,
  setFlag,
  setTime,
  timeOf,
} from "./ground.ts";
import { copyEndpoint, hintMatch, isBehindNat, isSameEndpoint, isSameIp, matchHints } from "./hints.ts";
import { isSameSpeaker, rememberPrevious } from "./previous.ts";
import { forgetRemembered, isRemembered } from "./remembered.ts";
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
import { firstUnsent } from "./stragglers.ts";
import { findStream, startStream } from "./streams.ts";
import { aimAsSignalled, aimRtcp, setTarget } from "./targets.ts";
import {
  replayBeforeMs,
  replayPauseMs,
  speakingMs,
  supersededMs,
  switchesMax,
  switchWindowMs,
} from "./timing.ts";
import { endTwin, watchPrevious } from "./twins.ts";
import { stopWaiting } from "./waiting-target.ts";

/**
 * Makes the endpoint at `at` of `source` the slot's proven source and tells of it once; `note`: as what, where it is no
 * plain proof or switch.
 */
export function prove(
  ground: Ground,
  slot: number,
  source: Int32Array,
  at: number,
  evidence: number,
  nowMs: number,
  note: number = isProven(ground, slot) ? handoverNote.switched : handoverNote.proven,
): void {
  const { words } = ground.table;
  const base = slot * slotWords;
  if (note !== handoverNote.proven) {
    const isReturn = isRemembered(ground, slot, source, at);
    rememberPrevious(
      ground,
      slot,
      evidence,
      isReturn,
      isByAddress(ground, slot, source, at, evidence),
      nowMs,
    );
    words[base + word.switches]!++;
  }
  if (!carriesStreamsOn(evidence)) forgetStreams(ground, slot);
  copyEndpoint(words, base + word.proven, source, at);
  words[base + word.evidence] = evidence;
  words[base + word.pending]! &= ~watch.targetAway;
  words[base + word.receiptPort] = 0;
  if (!isSameSpeaker(evidence)) {
    words[base + word.provenRank] = 0;
    words[base + word.pending]! &= ~watch.provisional;
    setTime(ground, slot, real.provenAt, nowMs);
  }
  setTime(ground, slot, real.heardAt, nowMs);
  setTime(ground, slot, real.supersededAt, 0);
  readFit(ground, slot);
  if (evidence === evidenceCode.signalled) setFlag(ground, slot, slotFlag.generationOpen, false);
  ground.sink.note(slot, note, evidence, words, base + word.proven);
  if (!keepsTarget(ground.settings[slot]!)) {
    const leavesAt = leavesAtMs(ground, slot, evidence);
    if (nowMs < leavesAt) supersede(ground, slot, leavesAt);
    else setTarget(ground, slot, words, base + word.proven);
  }
  if ((slot & 1) === 0) rtpMoved(ground, slot, nowMs);
}

/** Signalling speaks for the new source by its address, and for the present one too; or by an address nobody can have. */
function isByAddress(
  ground: Ground,
  slot: number,
  source: Int32Array,
  at: number,
  evidence: number,
): boolean {
  if (evidence !== evidenceCode.signalled) return false;
  if (isBehindNat(ground.settings[slot]!, source, at)) return true;
  if (!hasFlag(ground, slot, slotFlag.isFitting)) return false;
  return matchHints(ground.settings[slot]!, source, at) !== hintMatch.exact;
}

/** How the source just proven fits what signalling says. */
function readFit(ground: Ground, slot: number): void {
  const match = matchHints(ground.settings[slot]!, ground.table.words, provenAt(slot));
  setFlag(ground, slot, slotFlag.isFitting, match >= hintMatch.ip);
  setFlag(ground, slot, slotFlag.isExact, match === hintMatch.exact);
  setFlag(ground, slot, slotFlag.lostFit | slotFlag.targetByPresence, false);
  stopWaiting(ground, slot);
}

/**
 * The party moved: what went out since shortly before it was last heard at its old place goes out again. Not for a source
 * on probation, nor one that signalling named by its address alone and that does not carry the stream on (`goesOn`).
 */
export function sendAgain(
  ground: Ground,
  slot: number,
  lastHeardMs: number,
  goesOn: boolean,
  nowMs: number,
): void {
  const evidence = ground.table.words[slot * slotWords + word.evidence]!;
  const isGood =
    evidence === evidenceCode.continuity ||
    evidence === evidenceCode.samePlace ||
    evidence === evidenceCode.cryptographic ||
    (evidence === evidenceCode.signalled && (goesOn || hasFlag(ground, slot, slotFlag.isExact)));
  if (!isGood || (slot & 1) !== 0 || isProvisional(ground, slot)) return;
  const replayedAt = timeOf(ground, slot, real.replayedAt);
  if (replayedAt > 0 && nowMs - replayedAt < replayPauseMs) return;
  setTime(ground, slot, real.replayedAt, nowMs);
  ground.sink.replay(slot, lastHeardMs - replayBeforeMs);
}

/**
 * While a trunk's first packets were weighed, the other party's went to where its SDP says. The operator vouches for its
 * networks, so it gets them, though it is on probation.
 */
function catchUp(ground: Ground, slot: number, nowMs: number): void {
  const isTrusted = isInRows(ground.trustedMedia, ground.table.words, provenAt(slot));
  if ((slot & 1) !== 0 || !isTrusted || !isAimed(ground, slot)) return;
  setTime(ground, slot, real.replayedAt, nowMs);
  ground.sink.replay(slot, 0);
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

/**
 * The candidate's source is proven: what is held for it goes out, what is held for others goes, unless they may still
 * turn out to be the party as well.
 */
export function accept(ground: Ground, slot: number, index: number, evidence: number, nowMs: number): void {
  const { table, sink } = ground;
  const { words } = table;
  const at = candidateAt(ground.table, slot, index);
  const base = slot * slotWords;
  const lastAt = lastAtMs(table, at);
  const wants = words[at + candidate.claim]! & 0xff;
  const isStream = ground.settings[slot]!.isRtp && words[at + candidate.payloadType] !== noPayloadType;
  const carriesOn = wants === claim.continuity || wants === claim.continuityInPlace;
  const wasProven = isProven(ground, slot);
  const lastHeardMs = timeOf(ground, slot, real.heardAt);
  const sinceMs = wasProven && carriesOn ? releasableSinceMs(ground, slot, index) : Number.NEGATIVE_INFINITY;
  words[base + word.pending]! &= ~(1 << index);
  endTwin(ground, slot);
  prove(ground, slot, words, at, evidence, nowMs);
  const first = (words[at + candidate.claim]! >>> 8) & 0xffff;
  words[base + word.previousSequence] = carriesOn
    ? firstUnsent(ground, slot, first, firstAtMs(table, at))
    : first;
  if (wants === claim.place) forgetStreams(ground, slot);
  if ((slot & 1) === 0 && isStream) adoptStream(ground, slot, at, lastAt);
  if (carriesOn) watchPrevious(ground, slot, index, nowMs);
  if (wasProven && wants !== claim.place && isAimed(ground, slot))
    sendAgain(ground, slot, lastHeardMs, carriesOn, nowMs);
  if (!wasProven && evidence === evidenceCode.firstSpeaker) catchUp(ground, slot, nowMs);
  sink.releaseHeld(slot, index, sinceMs);
  for (let other = 0; other < candidatesPerSlotMax; other++) {
    if (!isCandidate(table, slot, other)) continue;
    if (!isStillInQuestion(ground, slot, other, wants)) dropCandidate(table, sink, slot, other);
  }
}

/**
 * From when on what is held for a candidate that carries the stream on may be the old path's sequel. All of it, if nothing
 * is missing between the two. Else some of it may have come while the old path still spoke, if no longer than paths
 * differ. What the old path has gone beyond was not confirmed by it.
 */
function releasableSinceMs(ground: Ground, slot: number, index: number): number {
  const { words } = ground.table;
  const at = candidateAt(ground.table, slot, index);
  const streamAt = findStream(ground.table, slot, words[at + candidate.ssrc]!);
  if (streamAt < 0 || isRemembered(ground, slot, words, at)) return Number.NEGATIVE_INFINITY;
  const first = (words[at + candidate.claim]! >>> 8) & 0xffff;
  const ahead = (first - words[streamAt + stream.sequence]!) & 0xffff;
  if (ahead === 1) return Number.NEGATIVE_INFINITY;
  const heardAt = timeOf(ground, slot, real.heardAt);
  return ahead === 0 || ahead >= 0x8000 ? heardAt + 1 : heardAt - speakingMs;
}

/** True if what we send goes to the proven source. */
export function isAimed(ground: Ground, slot: number): boolean {
  const { words } = ground.table;
  return isSameEndpoint(words, slot * slotWords + word.target, words, provenAt(slot));
}

/**
 * Of two streams that speak at once the first to be believed may fall silent soon, and the other be the party: a trunk
 * that changes from one media server to the next. It waits on, on the terms of one that comes later.
 */
function isStillInQuestion(ground: Ground, slot: number, other: number, wants: number): boolean {
  const { words } = ground.table;
  const at = candidateAt(ground.table, slot, other);
  const others = words[at + candidate.claim]! & 0xff;
  if ((slot & 1) !== 0 || hasFlag(ground, slot, slotFlag.isExact) || others !== wants) return false;
  if (wants === claim.port)
    words[at + candidate.claim] = (words[at + candidate.claim]! & ~0xff) | claim.place;
  return wants === claim.speaker || wants === claim.generation || wants === claim.port;
}

/** Nothing is proven any more; we send where signalling says. */
export function withdraw(ground: Ground, slot: number, nowMs: number): void {
  const { words } = ground.table;
  const base = slot * slotWords;
  words.fill(0, base + word.proven, base + word.proven + 5);
  words[base + word.evidence] = evidenceCode.none;
  words[base + word.provenRank] = 0;
  words[base + word.pending]! &= ~(watch.provisional | watch.targetAway);
  words[base + word.previousClaim] = previousClaim.none;
  words[base + word.receiptPort] = 0;
  endTwin(ground, slot);
  forgetRemembered(ground, slot);
  setTime(ground, slot, real.supersededAt, 0);
  setFlag(
    ground,
    slot,
    slotFlag.isFitting | slotFlag.isExact | slotFlag.lostFit | slotFlag.targetByPresence,
    false,
  );
  stopWaiting(ground, slot);
  judgeAnew(ground, slot);
  if ((slot & 1) === 0) {
    aimAsSignalled(ground, slot);
    rtpMoved(ground, slot, nowMs);
  } else {
    aimRtcp(ground, slot);
  }
}

/** Nobody has the leg any more: who waits for it is a first speaker, and what was heard of it counts. */
function judgeAnew(ground: Ground, slot: number): void {
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (isCandidate(ground.table, slot, index))
      ground.table.words[candidateAt(ground.table, slot, index) + candidate.claim]! &= ~0xff;
  }
}

/** What the source before sent vouches for the new one only if the streams themselves were the evidence, or a key. */
function carriesStreamsOn(evidence: number): boolean {
  return isSameSpeaker(evidence) || evidence === evidenceCode.cryptographic;
}

export function forgetStreams(ground: Ground, slot: number): void {
  ground.table.words[slot * slotWords + word.streamCount] = 0;
  ground.table.words[slot * slotWords + word.currentStream] = 0;
}

/** Counts a switch without signalled or cryptographic evidence. */
export function countSwitch(ground: Ground, slot: number, nowMs: number): void {
  const count = slot * slotWords + word.switchCount;
  const { words } = ground.table;
  if (nowMs - timeOf(ground, slot, real.switchWindowAt) >= switchWindowMs || words[count] === 0) {
    setTime(ground, slot, real.switchWindowAt, nowMs);
    words[count] = 0;
  }
  words[count]!++;
}

/** True while there were so many of them that further ones have to wait longer. */
export function isRestless(ground: Ground, slot: number, nowMs: number): boolean {
  const isPast = nowMs - timeOf(ground, slot, real.switchWindowAt) >= switchWindowMs;
  return !isPast && ground.table.words[slot * slotWords + word.switchCount]! >= switchesMax;
}

/**
 * RTP was said to come from this IP, and its stream or its key has gone on elsewhere: what signalling said of RTCP from
 * there is out of date as well.
 */
export function hasRtpLeft(ground: Ground, rtcp: number, source: Int32Array, at: number): boolean {
  const rtp = rtcp - 1;
  const evidence = ground.table.words[rtp * slotWords + word.evidence]!;
  if (!isProven(ground, rtp) || isProvenIp(ground, rtp, source, at) || !carriesStreamsOn(evidence))
    return false;
  const { words, targetAt } = ground.settings[rtp]!;
  return isSameIp(words, targetAt, source, at);
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
    (!hasFlag(ground, rtcp, slotFlag.isExact) || hasRtpLeft(ground, rtcp, words, provenAt(rtcp)));
  const isLeft = !isProven(ground, rtcp) && hasRtpLeft(ground, rtcp, words, rtcp * slotWords + word.target);
  if (isLeft) setFlag(ground, rtcp, slotFlag.targetByPresence, false);
  if (isElsewhere) withdraw(ground, rtcp, nowMs);
  else aimRtcp(ground, rtcp);
  ground.deadlines.lower(rtcp, nowMs);
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
