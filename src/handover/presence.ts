/**
 * Packets that say "I am here" and carry no media: keepalives, STUN, RTCP, unknown payload types. From a signalled
 * place they tell where a party that has sent no media can be reached (section 4).
 */
import { type PacketFacts, type SlotSettings, type Verdict, verdict } from "./contract.ts";
import { type Ground, isProven, keepsTarget, setFlag, setTime } from "./ground.ts";
import { hintMatch } from "./hints.ts";
import { aimRtcp, setTarget } from "./proof.ts";
import { real, slotFlag } from "./slot-table.ts";

/** `consumed` if the source is signalled; nothing is ever relayed. */
export function showPresence(
  ground: Ground,
  facts: PacketFacts,
  settings: SlotSettings,
  match: number,
  nowMs: number,
): Verdict {
  const { slot } = facts;
  if (!settings.isSignalled || match < hintMatch.usableIp) return verdict.unprovenSource;
  setTime(ground, settings.isRtp ? slot & ~1 : slot, real.usableHeardAt, nowMs);
  if (!isProven(ground, slot) && !keepsTarget(settings)) {
    setFlag(ground, slot, slotFlag.targetByPresence, true);
    setTarget(ground, slot, ground.source, 0);
    if ((slot & 1) === 0 && settings.isRtp) aimRtcp(ground, slot + 1);
  }
  return verdict.consumed;
}
