/**
 * Receipts (section 5): a report on what we send, with a number we sent in the last ten seconds. Only who hears us can
 * know it, so it counts where a party sends no RTP. From a new place it tells that a listener moved: once the old place
 * has been silent, RTP and RTCP, for longer than a listener that is still there would be, we send to the new one.
 *
 * Who can forge one has heard us, or is the other party of the call. He gains nothing while the listener reports, nothing
 * from a party whose RTCP was never heard, and the next packet from the old place brings everything back.
 */
import { evidenceCode, type PacketFacts, type Verdict, verdict } from "./contract.ts";
import {
  type Ground,
  isProven,
  isProvenIp,
  isRtcp,
  keepsTarget,
  provenAt,
  setTime,
  timeOf,
} from "./ground.ts";
import { copyEndpoint, isSameEndpoint, isSameIp } from "./hints.ts";
import { prove } from "./proof.ts";
import type { Settings } from "./settings-table.ts";
import { real, slotWords, watch, word } from "./slot-table.ts";
import { setTarget } from "./targets.ts";
import { receiptSilenceMs } from "./timing.ts";

const scratch = new Int32Array(5);

/** A report from a source that nothing else vouches for; `consumed` if it is a receipt that is waited with. */
export function judgeReceipt(ground: Ground, facts: PacketFacts, settings: Settings, nowMs: number): Verdict {
  const { slot } = facts;
  const { words } = ground.table;
  const isPlain = settings.isSignalled && settings.isRtp && !settings.isStrict && !keepsTarget(settings);
  if (!isPlain || words[slot * slotWords + word.evidence] === evidenceCode.cryptographic) {
    return verdict.unprovenSource;
  }
  // Before anything was proven there is no old place that could be asked by its silence.
  if (!isProven(ground, slot)) return verdict.unprovenSource;
  const receipt = slot * slotWords + word.receipt;
  if (words[receipt + 4] !== 0 && isSameEndpoint(words, receipt, ground.source, 0)) return verdict.consumed;
  if (words[receipt + 4] !== 0 || !ground.sink.isReceipt(slot)) return verdict.unprovenSource;
  copyEndpoint(words, receipt, ground.source, 0);
  setTime(ground, slot, real.receiptAt, nowMs);
  ground.deadlines.lower(slot, receiptDueAtMs(ground, slot));
  return verdict.consumed;
}

/** When it is to be decided whether the listener moved; Infinity: nobody says so. */
export function receiptDueAtMs(ground: Ground, slot: number): number {
  if (ground.table.words[slot * slotWords + word.receiptPort] === 0) return Number.POSITIVE_INFINITY;
  return lastHeardMs(ground, slot) + receiptSilenceMs;
}

/** Whoever showed receipts is where the party is, or the old place was heard since and he is not. */
export function settleReceipt(ground: Ground, slot: number, nowMs: number): void {
  const { words } = ground.table;
  const receipt = slot * slotWords + word.receipt;
  if (words[receipt + 4] === 0) return;
  if (lastHeardMs(ground, slot) > timeOf(ground, slot, real.receiptAt)) words[receipt + 4] = 0;
  else if (nowMs >= receiptDueAtMs(ground, slot)) moveListener(ground, slot, nowMs);
}

/** RTCP's path and where RTP is sent to go to the new place; whose RTP is relayed stays as it is. */
function moveListener(ground: Ground, slot: number, nowMs: number): void {
  const { words } = ground.table;
  const receipt = slot * slotWords + word.receipt;
  copyEndpoint(scratch, 0, words, receipt);
  words[receipt + 4] = 0;
  if (!isRtcp(ground, slot)) {
    leadAway(ground, slot, scratch);
    return;
  }
  const rtp = slot - 1;
  const rtpTarget = rtp * slotWords + word.target;
  const isBeside =
    isSameIp(words, rtpTarget, words, provenAt(slot)) &&
    words[rtpTarget + 4] === words[provenAt(slot) + 4]! - 1;
  prove(ground, slot, scratch, 0, evidenceCode.continuity, nowMs);
  scratch[4]!--;
  if (isBeside && scratch[4] !== 0) leadAway(ground, rtp, scratch);
}

function leadAway(ground: Ground, slot: number, target: Int32Array): void {
  if (!setTarget(ground, slot, target, 0) || !isProven(ground, slot)) return;
  ground.table.words[slot * slotWords + word.pending]! |= watch.targetAway;
}

/** The old place's last packet on either socket. */
function lastHeardMs(ground: Ground, slot: number): number {
  const own = timeOf(ground, slot, real.heardAt);
  const companion = slot ^ 1;
  const isSamePlace =
    isProven(ground, companion) && isProvenIp(ground, companion, ground.table.words, provenAt(slot));
  return isSamePlace ? Math.max(own, timeOf(ground, companion, real.heardAt)) : own;
}
