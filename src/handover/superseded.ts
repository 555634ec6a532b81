/** What is looked at again some time after an SDP: a source it no longer names, an address that is doubtful. */
import { evidenceCode } from "./contract.ts";
import {
  type Ground,
  hasFlag,
  isProven,
  isRtcp,
  isSpeaking,
  keepsTarget,
  rankOf,
  setFlag,
  setTime,
  timeOf,
} from "./ground.ts";
import { makeProvisional, withdraw } from "./proof.ts";
import { real, slotFlag, slotWords, word } from "./slot-table.ts";
import { aimAsSignalled, setTarget } from "./targets.ts";

/**
 * An unproven party did not speak in time: its doubtful address is sent to after all. A source that only superseded
 * hints proved goes, unless it alone still speaks, and nothing at all came from where the party is said to be now: then
 * it stays as what it is, the only speaker of this leg.
 */
export function lookAgain(ground: Ground, slot: number, nowMs: number): void {
  const supersededAt = timeOf(ground, slot, real.supersededAt);
  if (supersededAt === 0 || nowMs < supersededAt) return;
  setTime(ground, slot, real.supersededAt, 0);
  const { words } = ground.table;
  const base = slot * slotWords;
  const settings = ground.settings[slot]!;
  if (!isProven(ground, slot)) {
    if (!hasFlag(ground, slot, slotFlag.targetByPresence)) aimAsSignalled(ground, slot);
    return;
  }
  const isOnlyOne =
    isSpeaking(ground, slot, nowMs) &&
    timeOf(ground, slot, real.usableHeardAt) < timeOf(ground, slot, real.signalledAt);
  if (settings.isStrict || isRtcp(ground, slot) || !isOnlyOne) {
    withdraw(ground, slot, nowMs);
    return;
  }
  words[base + word.evidence] = evidenceCode.firstSpeaker;
  setFlag(ground, slot, slotFlag.lostFit, false);
  makeProvisional(ground, slot, rankOf(ground, slot, words, base + word.proven));
  setTime(ground, slot, real.provenAt, nowMs);
  if (!keepsTarget(settings)) setTarget(ground, slot, words, base + word.proven);
}
