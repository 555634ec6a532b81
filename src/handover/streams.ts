/**
 * RTP state per (socket, SSRC): highest sequence number, timestamp, payload type, inter-arrival time and its jitter.
 * Only packets of the proven source are noted. Nothing is allocated.
 */
import { ssrcsPerSlotMax } from "../core/limits.ts";
import type { PacketFacts } from "./contract.ts";
import { isKnownPayloadType } from "./hints.ts";
import type { Settings } from "./settings-table.ts";
import { type SlotTable, slotWords, stream, word } from "./slot-table.ts";
import {
  holdMsMax,
  holdMsMin,
  interArrivalMsDefault,
  jitterMsDefault,
  reorderMax,
  sequenceAheadMax,
  sequenceAheadMin,
  speakingMs,
  timestampBackMs,
  timestampSlackMs,
  videoClockHz,
} from "./timing.ts";

/** Gaps longer than this are pauses of the speaker and say nothing about the pace. */
const pauseMs = 200;

/** Word index of the record of `ssrc`, or -1. */
export function findStream(table: SlotTable, slot: number, ssrc: number): number {
  const { words } = table;
  const base = slot * slotWords;
  const count = words[base + word.streamCount]!;
  for (let index = 0; index < count; index++) {
    const at = base + stream.first + index * stream.size;
    if (words[at + stream.ssrc] === ssrc) return at;
  }
  return -1;
}

/** Takes an RTP packet of the proven source into its stream's record. */
export function noteStream(table: SlotTable, facts: PacketFacts, nowMs: number): void {
  const { words, reals } = table;
  const base = facts.slot * slotWords;
  let at = base + stream.first + words[base + word.currentStream]! * stream.size;
  if (words[base + word.streamCount] === 0 || words[at + stream.ssrc] !== facts.ssrc) {
    at = findStream(table, facts.slot, facts.ssrc);
    if (at < 0) {
      startStream(table, facts.slot, facts.ssrc, facts.sequence, facts.timestamp, facts.payloadType, nowMs);
      return;
    }
    words[base + word.currentStream] = (at - base - stream.first) / stream.size;
  }
  const ahead = (facts.sequence - words[at + stream.sequence]!) & 0xffff;
  // Late or repeated: the highest stays. Far behind: the sender began a new count.
  if (ahead === 0 || ahead > 0x10000 - reorderMax) return;
  const time = at >>> 1;
  if (ahead === 1) notePace(reals, time, nowMs);
  words[at + stream.sequence] = facts.sequence;
  words[at + stream.timestamp] = facts.timestamp;
  words[at + stream.payloadType] = facts.payloadType;
  reals[time + stream.lastAt / 2] = nowMs;
}

function notePace(reals: Float64Array, time: number, nowMs: number): void {
  const elapsedMs = nowMs - reals[time + stream.lastAt / 2]!;
  if (elapsedMs > pauseMs) return;
  const deviationMs = elapsedMs - reals[time + stream.interArrivalMs / 2]!;
  const jitterMs = reals[time + stream.jitterMs / 2]!;
  reals[time + stream.interArrivalMs / 2]! += deviationMs / 16;
  reals[time + stream.jitterMs / 2] =
    jitterMs + ((deviationMs < 0 ? -deviationMs : deviationMs) - jitterMs) / 16;
}

/** A new SSRC takes a free record, else the one unheard for longest, and becomes the current stream. */
export function startStream(
  table: SlotTable,
  slot: number,
  ssrc: number,
  sequence: number,
  timestamp: number,
  payloadType: number,
  nowMs: number,
): void {
  const { words, reals } = table;
  const base = slot * slotWords;
  const count = words[base + word.streamCount]!;
  let index = count;
  if (count < ssrcsPerSlotMax) words[base + word.streamCount] = count + 1;
  else index = stalestStream(table, slot);
  const at = base + stream.first + index * stream.size;
  words[at + stream.ssrc] = ssrc;
  words[at + stream.sequence] = sequence;
  words[at + stream.timestamp] = timestamp;
  words[at + stream.payloadType] = payloadType;
  const time = at >>> 1;
  reals[time + stream.lastAt / 2] = nowMs;
  reals[time + stream.interArrivalMs / 2] = interArrivalMsDefault;
  reals[time + stream.jitterMs / 2] = jitterMsDefault;
  words[base + word.currentStream] = index;
}

function stalestStream(table: SlotTable, slot: number): number {
  const first = (slot * slotWords + stream.first + stream.lastAt) >>> 1;
  let stalest = 0;
  for (let index = 1; index < ssrcsPerSlotMax; index++) {
    const at = (index * stream.size) >>> 1;
    if (table.reals[first + at]! < table.reals[first + ((stalest * stream.size) >>> 1)]!) stalest = index;
  }
  return stalest;
}

/** Section 3: how long a newcomer is held while the old source keeps quiet. */
export function holdTimeMs(table: SlotTable, streamAt: number): number {
  const time = streamAt >>> 1;
  const interArrivalMs = table.reals[time + stream.interArrivalMs / 2]!;
  return holdTime(interArrivalMs, table.reals[time + stream.jitterMs / 2]!);
}

/** The same of a pace of `paceOf`. */
export function holdTimeOf(pace: number): number {
  return holdTime(interArrivalOf(pace), jitterOf(pace));
}

function holdTime(interArrivalMs: number, jitterMs: number): number {
  const wanted = 1.5 * interArrivalMs + 4 * jitterMs;
  return Math.min(holdMsMax, Math.max(holdMsMin, wanted));
}

/** The same of the stream that was heard last; without any, what makes every source silent. */
export function currentHoldTimeMs(table: SlotTable, slot: number): number {
  const base = slot * slotWords;
  if (table.words[base + word.streamCount] === 0) return speakingMs;
  return holdTimeMs(table, base + stream.first + table.words[base + word.currentStream]! * stream.size);
}

/** Inter-arrival time and jitter of the stream at `streamAt` in one word, each in sixteenths of a millisecond. */
export function paceOf(table: SlotTable, streamAt: number): number {
  const time = streamAt >>> 1;
  const interArrival = Math.round(16 * table.reals[time + stream.interArrivalMs / 2]!);
  return (interArrival << 16) | Math.round(16 * table.reals[time + stream.jitterMs / 2]!);
}

export function setPace(table: SlotTable, streamAt: number, pace: number): void {
  const time = streamAt >>> 1;
  table.reals[time + stream.interArrivalMs / 2] = interArrivalOf(pace);
  table.reals[time + stream.jitterMs / 2] = jitterOf(pace);
}

/** Milliseconds between two packets of a stream with a pace of `paceOf`. */
export function interArrivalOf(pace: number): number {
  return (pace >>> 16) / 16;
}

function jitterOf(pace: number): number {
  return (pace & 0xffff) / 16;
}

/** True if the packet carries on the stream at `streamAt`: sequence, timestamp and payload type (continuity). */
export function isContinuous(
  table: SlotTable,
  streamAt: number,
  facts: PacketFacts,
  settings: Settings,
  nowMs: number,
): boolean {
  const { words, reals } = table;
  const time = streamAt >>> 1;
  const elapsedMs = nowMs - reals[time + stream.lastAt / 2]!;
  const paceMs = Math.max(1, reals[time + stream.interArrivalMs / 2]!);
  const aheadMax = Math.min(sequenceAheadMax, sequenceAheadMin + (2 * elapsedMs) / paceMs);
  const ahead = (facts.sequence - words[streamAt + stream.sequence]!) & 0xffff;
  if (ahead === 0 || ahead > aheadMax) return false;
  if (!isKnownPayloadType(settings, facts.payloadType)) return false;
  return (
    facts.payloadType !== words[streamAt + stream.payloadType] ||
    isTimely(facts, words[streamAt + stream.timestamp]!, elapsedMs, settings)
  );
}

/**
 * The timestamp stood still, or ran at most as fast as the clock allows, or went back by some frames of video; unknown
 * clocks are not judged.
 */
export function isTimely(
  facts: PacketFacts,
  timestampBefore: number,
  elapsedMs: number,
  settings: Settings,
): boolean {
  const clockRateHz = settings.clockRates[facts.payloadType & 127]!;
  if (clockRateHz === 0) return true;
  const back = (timestampBefore - facts.timestamp) >>> 0;
  if (clockRateHz === videoClockHz && back <= (timestampBackMs * videoClockHz) / 1_000) return true;
  const advanced = (facts.timestamp - timestampBefore) >>> 0;
  return advanced <= ((1.5 * elapsedMs + timestampSlackMs) * clockRateHz) / 1_000;
}
