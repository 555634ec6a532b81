/**
 * Sources that had the leg and lost it without signalling or a key: with their old SSRC they take it back with their
 * first packet (section 2). Few, and the one that was proven first always stays: whoever carries a stream on through
 * many places while the phone is mute must not push the phone out.
 */
import { rememberedSourcesPerSlotMax } from "../core/limits.ts";
import type { Ground } from "./ground.ts";
import { copyEndpoint, isSameEndpoint } from "./hints.ts";
import { memoryClaim, remembered, slotWords, word } from "./slot-table.ts";

/** Word index of the entry for the endpoint at `at`, or -1. */
export function findRemembered(ground: Ground, slot: number, source: Int32Array, at: number): number {
  const { words } = ground.table;
  const count = words[slot * slotWords + word.rememberedCount]!;
  for (let index = 0; index < count; index++) {
    const entry = entryAt(ground, slot, index);
    if (isSameEndpoint(words, entry, source, at)) return entry;
  }
  return -1;
}

/** True if the endpoint at `at` had the leg before. */
export function isRemembered(ground: Ground, slot: number, source: Int32Array, at: number): boolean {
  return findRemembered(ground, slot, source, at) >= 0;
}

/**
 * Keeps the proven source, which is about to lose the leg, with the last it sent of `ssrc`. One that had the leg before with
 * another stream keeps that one: whoever spoke from there since may have been anybody.
 */
export function remember(
  ground: Ground,
  slot: number,
  ssrc: number,
  sequence: number,
  pace: number,
  claim: number,
): void {
  const { words } = ground.table;
  const base = slot * slotWords;
  let entry = findRemembered(ground, slot, words, base + word.proven);
  if (entry >= 0 && words[entry + remembered.ssrc] !== ssrc) return;
  if (entry < 0) {
    entry = makeRoom(ground, slot);
    words[entry + remembered.claim] = claim;
  }
  copyEndpoint(words, entry, words, base + word.proven);
  words[entry + remembered.ssrc] = ssrc;
  words[entry + remembered.sequence] = sequence;
  words[entry + remembered.pace] = pace;
  if (claim === memoryClaim.takeBack) words[entry + remembered.claim] = claim;
}

/**
 * The source of the entry has the leg again: those that had it since have no claim any more. They move there as known
 * ones, when it is silent.
 */
export function endLaterClaims(ground: Ground, slot: number, entry: number): void {
  const { words } = ground.table;
  const end = entryAt(ground, slot, words[slot * slotWords + word.rememberedCount]!);
  for (let later = entry + remembered.size; later < end; later += remembered.size) {
    words[later + remembered.claim] = memoryClaim.known;
  }
}

export function forgetRemembered(ground: Ground, slot: number): void {
  ground.table.words[slot * slotWords + word.rememberedCount] = 0;
}

/** A free entry, else that of the oldest but the first, which moves to the end. */
function makeRoom(ground: Ground, slot: number): number {
  const { words } = ground.table;
  const countAt = slot * slotWords + word.rememberedCount;
  if (words[countAt]! < rememberedSourcesPerSlotMax) return entryAt(ground, slot, words[countAt]!++);
  words.copyWithin(
    entryAt(ground, slot, 1),
    entryAt(ground, slot, 2),
    entryAt(ground, slot, rememberedSourcesPerSlotMax),
  );
  return entryAt(ground, slot, rememberedSourcesPerSlotMax - 1);
}

function entryAt(ground: Ground, slot: number, index: number): number {
  return ground.table.annexOf(slot) + remembered.first + index * remembered.size;
}
