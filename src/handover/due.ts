/** When something is to be decided about a slot, if nothing comes meanwhile. */
import { candidatesPerSlotMax } from "../core/limits.ts";
import { candidateAt, firstAtMs, lastAtMs } from "./candidates.ts";
import { type Ground, isProven, isRtcp, timeOf } from "./ground.ts";
import { receiptDueAtMs } from "./receipts.ts";
import { neededSilenceMs } from "./silence.ts";
import { real, slotWords, word } from "./slot-table.ts";
import { dueAtMs, isSpeaker } from "./speakers.ts";
import { candidateIdleMs, portContestMs, speakingMs } from "./timing.ts";
import { twinDueAtMs } from "./twins.ts";
import { waitingDueAtMs } from "./waiting-target.ts";

/** A question that stays open for another reason than time is asked again after so long. */
const askAgainMs = 10;

/** Notes when the slot is to be settled again; always later than now. A time that is returned would be an object. */
export function setDeadline(ground: Ground, slot: number, nowMs: number): void {
  const supersededAt = timeOf(ground, slot, real.supersededAt);
  let next = Math.min(
    supersededAt > 0 ? supersededAt : Number.POSITIVE_INFINITY,
    receiptDueAtMs(ground, slot),
    twinDueAtMs(ground, slot),
    waitingDueAtMs(ground, slot),
  );
  const mask = ground.table.words[slot * slotWords + word.pending]! & 0xff;
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if ((mask & (1 << index)) === 0) continue;
    const at = candidateAt(ground.table, slot, index);
    next = Math.min(next, lastAtMs(ground.table, at) + candidateIdleMs);
    if (!ground.settings[slot]!.isSignalled || isRtcp(ground, slot)) continue;
    const decidedAt = decidableAt(ground, slot, at, nowMs);
    if (decidedAt !== Number.POSITIVE_INFINITY)
      next = Math.min(next, Math.max(decidedAt, nowMs + askAgainMs));
  }
  ground.deadlines.set(slot, Math.max(next, nowMs + 1));
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
