/** How long the proven source has to be silent before a candidate may take its place. */
import { type Ground, hasFlag, isFresh, timeOf } from "./ground.ts";
import { isRestless } from "./proof.ts";
import { isRemembered } from "./remembered.ts";
import { candidate, claim, real, slotFlag, slotWords, word } from "./slot-table.ts";
import { claimOf } from "./speakers.ts";
import { currentHoldTimeMs, findStream, holdTimeMs } from "./streams.ts";
import { isStruck } from "./strikes.ts";
import {
  doubtfulSilenceMs,
  provisionalSilenceMs,
  samePlaceSilenceMs,
  signalledLatelyMs,
  speakingMs,
} from "./timing.ts";

/** Silence that the candidate at `at` has to wait for. */
export function neededSilenceMs(ground: Ground, slot: number, at: number, nowMs: number): number {
  const wants = claimOf(ground, at);
  if (wants === claim.exact) return speakingMs;
  if (wants === claim.port) return currentHoldTimeMs(ground.table, slot);
  const { words } = ground.table;
  const needed = silenceForClaimMs(ground, slot, at, wants, nowMs);
  const isDoubtful =
    isStruck(ground, slot, words, at, nowMs) ||
    (isRestless(ground, slot, nowMs) && !isRemembered(ground, slot, words, at));
  return isDoubtful ? Math.max(needed, doubtfulSilenceMs) : needed;
}

/** The hold time of a stream, by its own pace. */
export function paceSilenceMs(ground: Ground, slot: number, ssrc: number): number {
  const streamAt = findStream(ground.table, slot, ssrc);
  return streamAt < 0 ? speakingMs : holdTimeMs(ground.table, streamAt);
}

export function signalledLately(ground: Ground, slot: number, nowMs: number): boolean {
  return nowMs - timeOf(ground, slot, real.signalledAt) < signalledLatelyMs;
}

function silenceForClaimMs(ground: Ground, slot: number, at: number, wants: number, nowMs: number): number {
  const { words } = ground.table;
  switch (wants) {
    case claim.continuity:
    case claim.continuityInPlace:
      return paceSilenceMs(ground, slot, words[at + candidate.ssrc]!);
    case claim.place:
      return signalledLately(ground, slot, nowMs) ? speakingMs : samePlaceSilenceMs;
    case claim.generation:
      if (!isFresh(ground, slot, nowMs)) return ground.relearnAfterSilenceMs;
      return hasFlag(ground, slot, slotFlag.lostFit) ? 0 : speakingMs;
    default:
      return words[at + candidate.rank]! > words[slot * slotWords + word.provenRank]!
        ? 0
        : provisionalSilenceMs;
  }
}
