/**
 * Packets of the source that lost the leg a moment ago, older than what its successor sent first. A phone that left a
 * network may have sent them before it did: they come together when the old path moves again, or not at all. One that is
 * still there sends them at its own pace, and whoever took its leg in a pause has only claimed higher numbers.
 */
import type { PacketFacts } from "./contract.ts";
import { type Ground, setTime, timeOf } from "./ground.ts";
import { previousClaim, real, slotWords, stream, word } from "./slot-table.ts";
import { findStream, holdTimeOf, interArrivalOf, setPace } from "./streams.ts";
import { pathDelayMs } from "./timing.ts";

/**
 * The first number that the previous source did not send before the switch, which was just made. `first` is its
 * successor's, which came at `firstAtMs`. Numbers that do not fit the time since its own last packet were skipped, or it
 * made a pause: then nothing was on its way.
 */
export function firstUnsent(ground: Ground, slot: number, first: number, firstAtMs: number): number {
  const { words, reals } = ground.table;
  const base = slot * slotWords;
  const last = words[base + word.previousLast]!;
  const ahead = (first - last) & 0xffff;
  const streamAt = findStream(ground.table, slot, words[base + word.previousSsrc]!);
  if (ahead >= 0x8000 || streamAt < 0) return first;
  const silenceMs = firstAtMs - reals[(streamAt + stream.lastAt) >>> 1]!;
  const sendingMs = ahead * interArrivalOf(words[base + word.previousPace]!);
  const isSteady = Math.abs(silenceMs - sendingMs) <= pathDelayMs;
  return isSteady ? first : (last + 1) & 0xffff;
}

/** True if the previous source's packet, one that may have been on its way, shows that it speaks on where it is. */
export function speaksOn(ground: Ground, facts: PacketFacts, nowMs: number): boolean {
  const { words } = ground.table;
  const { slot } = facts;
  const base = slot * slotWords;
  const pace = words[base + word.previousPace]!;
  const isNew = ((words[base + word.previousLast]! - facts.sequence) & 0xffff) >= 0x8000;
  if (words[base + word.previousClaim] !== previousClaim.takeBack || pace === 0 || !isNew) return false;
  const firstAtMs = timeOf(ground, slot, real.stragglerAt);
  if (firstAtMs === 0) {
    setTime(ground, slot, real.stragglerAt, nowMs);
    words[base + word.stragglerSequence] = facts.sequence;
    return false;
  }
  const later = (facts.sequence - words[base + word.stragglerSequence]!) & 0xffff;
  if (later === 0 || later >= 0x8000) return false;
  const isAtPace = nowMs - firstAtMs >= (later * interArrivalOf(pace)) / 2;
  return isAtPace && nowMs - timeOf(ground, slot, real.previousAt) >= holdTimeOf(pace);
}

/**
 * The source of the packet in hand has the leg again: its own number and its own pace count, not those of whoever spoke
 * meanwhile.
 */
export function resumeStream(ground: Ground, facts: PacketFacts, pace: number, nowMs: number): void {
  const { words, reals } = ground.table;
  const streamAt = findStream(ground.table, facts.slot, facts.ssrc);
  if (streamAt < 0) return;
  words[streamAt + stream.sequence] = facts.sequence;
  words[streamAt + stream.timestamp] = facts.timestamp;
  words[streamAt + stream.payloadType] = facts.payloadType;
  reals[(streamAt + stream.lastAt) >>> 1] = nowMs;
  if (pace !== 0) setPace(ground.table, streamAt, pace);
}
