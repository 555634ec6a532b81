/**
 * Sources that contradicted the proven one: they claimed to carry its stream on, and sent other bytes under a number it
 * then sent itself (section 3). A strike lasts ten seconds.
 *
 * It is no lever. It never falls on a source that had the leg before or is exactly a signalled place, and while the proven source is silent a struck one
 * only waits longer: who forges packets from the place a phone is about to move to delays the phone by that, once.
 * A full table forgets the oldest strike of the offender's own network, else it records nothing: nobody elsewhere can
 * free a strike, and an offender without one is refused by what the proven source sends, as ever.
 */
import { strikesPerSlotMax } from "../core/limits.ts";
import { evidenceCode, handoverNote } from "./contract.ts";
import type { Ground } from "./ground.ts";
import { copyEndpoint, hintMatch, isSameEndpoint, isSameNetwork, matchHints } from "./hints.ts";
import { isRemembered } from "./remembered.ts";
import { slotWords, strike, word } from "./slot-table.ts";
import { strikeMs } from "./timing.ts";

/** Strikes the endpoint at `at`, which claimed continuity, and tells of it. */
export function strikeSource(
  ground: Ground,
  slot: number,
  source: Int32Array,
  at: number,
  nowMs: number,
): void {
  if (isRemembered(ground, slot, source, at)) return;
  if (matchHints(ground.settings[slot]!, source, at) === hintMatch.exact) return;
  const { words, reals } = ground.table;
  const index = placeFor(ground, slot, source, at, nowMs);
  if (index >= 0) {
    const entry = strikeAt(ground, slot, index);
    copyEndpoint(words, entry + strike.ip, source, at);
    reals[(entry + strike.until) >>> 1] = nowMs + strikeMs;
  }
  ground.sink.note(slot, handoverNote.struck, evidenceCode.continuity, source, at);
}

/** True while a strike lies on the endpoint at `at`. */
export function isStruck(
  ground: Ground,
  slot: number,
  source: Int32Array,
  at: number,
  nowMs: number,
): boolean {
  const { words, reals } = ground.table;
  const count = words[slot * slotWords + word.strikeCount]!;
  for (let index = 0; index < count; index++) {
    const entry = strikeAt(ground, slot, index);
    if (nowMs < reals[(entry + strike.until) >>> 1]! && isSameEndpoint(words, entry, source, at)) return true;
  }
  return false;
}

/** Where the strike is to be written: its own place, a free or expired one, the oldest of its network; or -1. */
function placeFor(ground: Ground, slot: number, source: Int32Array, at: number, nowMs: number): number {
  const { words, reals } = ground.table;
  const countAt = slot * slotWords + word.strikeCount;
  const count = words[countAt]!;
  let free = -1;
  let oldestOfNetwork = -1;
  for (let index = 0; index < count; index++) {
    const entry = strikeAt(ground, slot, index);
    if (isSameEndpoint(words, entry, source, at)) return index;
    const until = reals[(entry + strike.until) >>> 1]!;
    if (until <= nowMs) free = index;
    if (!isSameNetwork(words, entry, source, at)) continue;
    const oldest = oldestOfNetwork < 0 ? Number.POSITIVE_INFINITY : untilOf(ground, slot, oldestOfNetwork);
    if (until < oldest) oldestOfNetwork = index;
  }
  if (free >= 0) return free;
  if (count < strikesPerSlotMax) {
    words[countAt] = count + 1;
    return count;
  }
  return oldestOfNetwork;
}

function untilOf(ground: Ground, slot: number, index: number): number {
  return ground.table.reals[(strikeAt(ground, slot, index) + strike.until) >>> 1]!;
}

function strikeAt(ground: Ground, slot: number, index: number): number {
  return ground.table.annexOf(slot) + strike.first + index * strike.size;
}
