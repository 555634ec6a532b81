/** The source that has just lost the leg: what it may still do. */
import { evidenceCode } from "./contract.ts";
import { type Ground, hasFlag, isProvisional, setTime, timeOf } from "./ground.ts";
import { copyEndpoint } from "./hints.ts";
import { forgetRemembered, remember } from "./remembered.ts";
import { memoryClaim, previousClaim, real, slotFlag, slotWords, stream, word } from "./slot-table.ts";
import { paceOf } from "./streams.ts";
import { latePacketsMs } from "./timing.ts";

/**
 * The source before may still deliver what was on its way; one that lost the leg to a stream carried on may take it back.
 * Signalling, a key, and a change of SDP that it no longer fits are final; but where signalling names nothing but the
 * address that both sources have (`isByAddress`), the one before may show that it is still there. A provisional one was
 * perhaps a stranger: nothing is kept of it.
 */
export function rememberPrevious(
  ground: Ground,
  slot: number,
  evidence: number,
  isReturn: boolean,
  isByAddress: boolean,
  nowMs: number,
): void {
  const { words } = ground.table;
  const base = slot * slotWords;
  const isFinal =
    (evidence === evidenceCode.signalled && !isReturn && !isByAddress) ||
    evidence === evidenceCode.cryptographic ||
    hasFlag(ground, slot, slotFlag.lostFit);
  const wasDoubtful = isProvisional(ground, slot) && !isSameSpeaker(evidence);
  const isStream = (slot & 1) === 0 && words[base + word.streamCount] !== 0;
  const at = base + stream.first + words[base + word.currentStream]! * stream.size;
  const ssrc = words[at + stream.ssrc]!;
  const pace = isStream ? paceOf(ground.table, at) : 0;
  let keeps: number = isFinal ? previousClaim.latePackets : previousClaim.takeBack;
  if (wasDoubtful || evidence === evidenceCode.override || !isStream) keeps = previousClaim.none;
  const heldSince = Math.max(timeOf(ground, slot, real.provenAt), timeOf(ground, slot, real.previousAt));
  const isFirst = words[base + word.rememberedCount] === 0;
  const isEstablished = nowMs - heldSince >= ground.settleMs;
  if (isFinal || evidence === evidenceCode.override) forgetRemembered(ground, slot);
  else if (keeps === previousClaim.takeBack && (isFirst || isEstablished)) {
    const may = isReturn ? memoryClaim.known : memoryClaim.takeBack;
    remember(ground, slot, ssrc, words[at + stream.sequence]!, pace, may);
  }
  copyEndpoint(words, base + word.previous, words, base + word.proven);
  words[base + word.previousClaim] = keeps;
  words[base + word.previousSsrc] = ssrc;
  words[base + word.previousLast] = words[at + stream.sequence]!;
  words[base + word.previousPace] = pace;
  setTime(ground, slot, real.previousAt, nowMs);
  setTime(ground, slot, real.stragglerAt, 0);
}

/** The source is new, the speaker is not: what was doubtful about it still is. */
export function isSameSpeaker(evidence: number): boolean {
  return evidence === evidenceCode.continuity || evidence === evidenceCode.samePlace;
}

/** True while packets of the source before the last switch may still arrive. */
export function isLate(ground: Ground, slot: number, nowMs: number): boolean {
  return nowMs - timeOf(ground, slot, real.previousAt) < latePacketsMs;
}
