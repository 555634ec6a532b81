/**
 * A party says that its media moves, and its proven source speaks on (section 4): the target stays with that source for
 * the moment. A phone signals before it leaves a network, and behind a NAT the place it names does not exist before it
 * speaks from there. Whoever was exactly where SDP said is believed soon, for who listens there may never speak.
 */
import { type Ground, hasFlag, isRtcp, setFlag, setTime, silenceMs, timeOf } from "./ground.ts";
import { real, slotFlag } from "./slot-table.ts";
import { currentHoldTimeMs } from "./streams.ts";
import { aimAsSignalled, aimRtcp } from "./targets.ts";
import { namedTargetMs, replayBeforeMs, speakingMs, supersededMs } from "./timing.ts";

/** The new target waits while the proven source speaks. `isGuess`: nobody knows whether the place can be reached. */
export function moveTargetLater(ground: Ground, slot: number, isGuess: boolean, nowMs: number): void {
  const isWaiting = isRtcp(ground, slot)
    ? isTargetWaiting(ground, slot - 1)
    : silenceMs(ground, slot, nowMs) < quietMs(ground, slot, isGuess);
  if (!isWaiting) {
    stopWaiting(ground, slot);
    aimAsSignalled(ground, slot);
    return;
  }
  setFlag(ground, slot, slotFlag.targetWaits, true);
  setFlag(ground, slot, slotFlag.targetIsGuess, isGuess);
  ground.deadlines.lower(slot, nowMs);
}

export function isTargetWaiting(ground: Ground, slot: number): boolean {
  return hasFlag(ground, slot, slotFlag.targetWaits);
}

/** The target that waited is none any more; RTCP's, which waited for it, stays where it is as well. */
export function stopWaiting(ground: Ground, slot: number): void {
  setFlag(ground, slot, slotFlag.targetWaits | slotFlag.targetIsGuess, false);
  if (hasRtcp(ground, slot)) setFlag(ground, slot + 1, slotFlag.targetWaits | slotFlag.targetIsGuess, false);
}

/** Something came from exactly where signalling says that the party's media is now: nobody has to guess any more. */
export function hearAtNamed(ground: Ground, slot: number, nowMs: number): void {
  if (!isTargetWaiting(ground, slot)) return;
  setFlag(ground, slot, slotFlag.targetIsGuess, false);
  moveWaiting(ground, slot, nowMs);
}

/** When the waiting target is to be looked at; Infinity: none waits. RTCP's waits for RTP's. */
export function waitingDueAtMs(ground: Ground, slot: number): number {
  if (!isTargetWaiting(ground, slot) || isRtcp(ground, slot)) return Number.POSITIVE_INFINITY;
  const isGuess = hasFlag(ground, slot, slotFlag.targetIsGuess);
  const quietAtMs = timeOf(ground, slot, real.heardAt) + quietMs(ground, slot, isGuess);
  return Math.min(quietAtMs, limitMs(ground, slot, isGuess));
}

/** The old place fell silent, or the time is up. */
export function settleWaiting(ground: Ground, slot: number, nowMs: number): void {
  if (nowMs < waitingDueAtMs(ground, slot)) return;
  const isGuess = hasFlag(ground, slot, slotFlag.targetIsGuess);
  const isHopeless = isGuess && silenceMs(ground, slot, nowMs) < quietMs(ground, slot, isGuess);
  if (isHopeless) stopWaiting(ground, slot);
  else moveWaiting(ground, slot, nowMs);
}

/** RTCP came from exactly where signalling says that the party is now. */
export function hearNamed(ground: Ground, slot: number, nowMs: number): void {
  if (isTargetWaiting(ground, slot) && !hasFlag(ground, slot, slotFlag.targetIsGuess))
    moveWaiting(ground, slot, nowMs);
}

/** Media goes where signalling says from now on, and what an exact place has missed since it was named goes there too. */
function moveWaiting(ground: Ground, slot: number, nowMs: number): void {
  const isGuess = hasFlag(ground, slot, slotFlag.targetIsGuess);
  const rtcp = slot + 1;
  const takesRtcp = hasRtcp(ground, slot) && isTargetWaiting(ground, rtcp);
  stopWaiting(ground, slot);
  if (takesRtcp) aimAsSignalled(ground, rtcp);
  const hasMoved = aimAsSignalled(ground, slot);
  followRtp(ground, slot);
  if (!hasMoved || isGuess) return;
  const lastHeardMs = timeOf(ground, slot, real.heardAt) - replayBeforeMs;
  setTime(ground, slot, real.replayedAt, nowMs);
  ground.sink.replay(slot, Math.min(lastHeardMs, timeOf(ground, slot, real.signalledAt)));
}

/** Silence of the old place that is enough; where the new one is a guess, both may be dead. */
function quietMs(ground: Ground, slot: number, isGuess: boolean): number {
  return isGuess ? speakingMs : currentHoldTimeMs(ground.table, slot);
}

function limitMs(ground: Ground, slot: number, isGuess: boolean): number {
  return timeOf(ground, slot, real.signalledAt) + (isGuess ? supersededMs : namedTargetMs);
}

function hasRtcp(ground: Ground, slot: number): boolean {
  return (slot & 1) === 0 && ground.settings[slot]!.isRtp && hasFlag(ground, slot + 1, slotFlag.isOpen);
}

/** RTCP that was not heard yet goes where RTP goes. */
function followRtp(ground: Ground, slot: number): void {
  if (hasRtcp(ground, slot)) aimRtcp(ground, slot + 1);
}
