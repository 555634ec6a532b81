/** Choosing among candidates that nothing but their own stream speaks for (section 2, ranked first speaker). */
import { candidatesPerSlotMax } from "../core/limits.ts";
import { candidateAt, firstAtMs, isCandidate, isPlausible, lastAtMs } from "./candidates.ts";
import { evidenceCode } from "./contract.ts";
import { type Ground, hasFlag, isProven, timeOf } from "./ground.ts";
import { hasUsableHint, isKnownPayloadType, isSameIp } from "./hints.ts";
import { candidate, claim, real, slotFlag, slotWords, word } from "./slot-table.ts";
import {
  firstSpeakerMs,
  firstSpeakerPackets,
  plausiblePackets,
  portContestMs,
  rank,
  rivalMs,
  speakingMs,
} from "./timing.ts";

/** Why the candidate waits. */
export function claimOf(ground: Ground, at: number): number {
  return ground.table.words[at + candidate.claim]! & 0xff;
}

/** True for candidates judged by their stream alone. */
export function isSpeaker(ground: Ground, at: number): boolean {
  const wants = claimOf(ground, at);
  return wants === claim.speaker || wants === claim.generation || wants === claim.place;
}

/** Index of the candidate to believe now, or -1. */
export function pickSpeaker(ground: Ground, slot: number, nowMs: number): number {
  const index = likeliestSpeaker(ground, slot);
  if (index < 0) return -1;
  const at = candidateAt(ground.table, slot, index);
  return nowMs >= dueAtMs(ground, slot, at) && !hasRival(ground, slot, index, nowMs) ? index : -1;
}

/** When the candidate has been heard for long enough; Infinity while its stream is none. */
export function dueAtMs(ground: Ground, slot: number, at: number): number {
  const { words } = ground.table;
  if (!isHeardWell(ground, slot, at)) return Number.POSITIVE_INFINITY;
  const firstAt = firstAtMs(ground.table, at);
  const hasEnough = words[at + candidate.packets]! >= firstSpeakerPackets;
  const streamDueAt = hasEnough ? firstAt : firstAt + firstSpeakerMs;
  if (!isUnknownAddress(ground, slot, at)) return streamDueAt;
  const aloneSince = Math.max(
    firstAt,
    timeOf(ground, slot, real.signalledAt),
    timeOf(ground, slot, real.usableHeardAt),
    signalledRtcpHeardAt(ground, slot),
    signalledSourceHeardAt(ground, slot),
  );
  return Math.max(streamDueAt, aloneSince + ground.settleMs);
}

/** Signalling named a usable address, and this one has nothing to do with it nor with the proven source. */
function isUnknownAddress(ground: Ground, slot: number, at: number): boolean {
  if (claimOf(ground, at) === claim.place) return false;
  return ground.table.words[at + candidate.rank] === rank.anything && hasUsableHint(ground.settings[slot]!);
}

/** RTCP that signalling vouches for shows that the signalled address is alive. */
function signalledRtcpHeardAt(ground: Ground, slot: number): number {
  const rtcp = slot | 1;
  const isSignalled = ground.table.words[rtcp * slotWords + word.evidence] === evidenceCode.signalled;
  return slot !== rtcp && isProven(ground, rtcp) && isSignalled ? timeOf(ground, rtcp, real.heardAt) : 0;
}

/** So does the proven source while signalling stands by it: a pause of its speech is no silence of the party. */
function signalledSourceHeardAt(ground: Ground, slot: number): number {
  const isFitting = isProven(ground, slot) && hasFlag(ground, slot, slotFlag.isFitting);
  return isFitting ? timeOf(ground, slot, real.heardAt) : 0;
}

/** Highest rank first, then the longer run. */
function likeliestSpeaker(ground: Ground, slot: number): number {
  const { words } = ground.table;
  let best = -1;
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (!isCandidate(ground.table, slot, index)) continue;
    const at = candidateAt(ground.table, slot, index);
    if (!isSpeaker(ground, at) || !isHeardWell(ground, slot, at)) continue;
    const bestAt = best < 0 ? -1 : candidateAt(ground.table, slot, best);
    const byRank = bestAt < 0 ? 1 : words[at + candidate.rank]! - words[bestAt + candidate.rank]!;
    if (byRank > 0 || (byRank === 0 && words[at + candidate.packets]! > words[bestAt + candidate.packets]!)) {
      best = index;
    }
  }
  return best;
}

function isHeardWell(ground: Ground, slot: number, at: number): boolean {
  const settings = ground.settings[slot]!;
  if (settings.isRtp && !isKnownPayloadType(settings, ground.table.words[at + candidate.payloadType]!))
    return false;
  return isPlausible(ground.table, at);
}

/** Another stream of the same rank, heard lately: neither is the only one. */
function hasRival(ground: Ground, slot: number, index: number, nowMs: number): boolean {
  const { table } = ground;
  const ownAt = candidateAt(ground.table, slot, index);
  const own = table.words[ownAt + candidate.rank]!;
  const aloneMs = isUnknownAddress(ground, slot, ownAt) ? ground.settleMs : rivalMs;
  for (let other = 0; other < candidatesPerSlotMax; other++) {
    if (other === index || !isCandidate(table, slot, other)) continue;
    const at = candidateAt(ground.table, slot, other);
    const isRival = table.words[at + candidate.rank]! >= own && isSpeaker(ground, at);
    if (isRival && isHeardWell(ground, slot, at) && nowMs - lastAtMs(table, at) < aloneMs) return true;
  }
  return false;
}

/**
 * Several ports of one signalled address: the only one that still speaks, else the one whose RTP runs well and has
 * RTCP beside it, else, after a while, the one with the most packets. -1: not decided yet.
 */
export function pickPort(ground: Ground, slot: number, nowMs: number): number {
  const { table } = ground;
  let best = -1;
  let bestScore = -1;
  let isTie = false;
  let count = 0;
  let speaking = 0;
  let speaker = -1;
  let startedAt = timeOf(ground, slot, real.signalledAt);
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (!isCandidate(table, slot, index)) continue;
    const at = candidateAt(ground.table, slot, index);
    if (claimOf(ground, at) !== claim.port) continue;
    count++;
    if (nowMs - lastAtMs(table, at) < speakingMs) {
      speaking++;
      speaker = index;
    }
    startedAt = Math.max(startedAt, firstAtMs(table, at));
    const score = portScore(ground, slot, at);
    if (score === bestScore) isTie = true;
    if (score > bestScore) {
      best = index;
      bestScore = score;
      isTie = false;
    }
  }
  if (count <= 1) return best;
  if (speaking === 1) return speaker;
  if (bestScore >= 2 && !isTie) return best;
  return nowMs >= startedAt + portContestMs ? best : -1;
}

function portScore(ground: Ground, slot: number, at: number): number {
  const packets = ground.table.words[at + candidate.packets]!;
  const run = packets >= firstSpeakerPackets ? 2 : packets >= plausiblePackets ? 1 : 0;
  return run + (run > 0 && hasRtcpBeside(ground, slot, at) ? 2 : 0);
}

/** RTCP came from the same address, one port above. */
function hasRtcpBeside(ground: Ground, slot: number, at: number): boolean {
  const { words } = ground.table;
  const rtcp = slot | 1;
  if (rtcp === slot || !hasFlag(ground, rtcp, slotFlag.isOpen)) return false;
  const port = words[at + candidate.port]! + 1;
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    const other = candidateAt(ground.table, rtcp, index);
    if (!isCandidate(ground.table, rtcp, index) || words[other + candidate.port] !== port) continue;
    if (isSameIp(words, other, words, at)) return true;
  }
  const proven = rtcp * slotWords + word.proven;
  return words[proven + 4] === port && isSameIp(words, proven, words, at);
}
