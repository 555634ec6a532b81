/**
 * Packets that say "I am here" and carry no media: keepalives, STUN, RTCP, unknown payload types. From a signalled
 * place they tell where a party that has sent no media can be reached (section 4).
 */
import { type PacketFacts, type Verdict, verdict } from "./contract.ts";
import { type Ground, isProven, isRtcp, keepsTarget, setFlag, setTime } from "./ground.ts";
import { hintMatch, isSameEndpoint } from "./hints.ts";
import { hasRtpLeft } from "./proof.ts";
import type { Settings } from "./settings-table.ts";
import { real, slotFlag, slotWords, word } from "./slot-table.ts";
import { aimRtcp, setTarget } from "./targets.ts";
import { hearAtNamed } from "./waiting-target.ts";

/** `consumed` if the source is signalled; nothing is ever relayed. */
export function showPresence(
  ground: Ground,
  facts: PacketFacts,
  settings: Settings,
  match: number,
  nowMs: number,
): Verdict {
  const { slot } = facts;
  if (!settings.isSignalled || match < hintMatch.usableIp) return verdict.unprovenSource;
  setTime(ground, settings.isRtp ? slot & ~1 : slot, real.usableHeardAt, nowMs);
  const isOutOfDate = isRtcp(ground, slot) && hasRtpLeft(ground, slot, ground.source, 0);
  if (!isProven(ground, slot) && !keepsTarget(settings) && !isAnswered(ground, slot) && !isOutOfDate) {
    setFlag(ground, slot, slotFlag.targetByPresence, true);
    setTarget(ground, slot, ground.source, 0);
    if ((slot & 1) === 0 && settings.isRtp) aimRtcp(ground, slot + 1);
  }
  if (match === hintMatch.exact) hearAtNamed(ground, slot, nowMs);
  return verdict.consumed;
}

/** A packet from elsewhere bore a tag that verified, if too short a one to prove anything yet: the party is there. */
function isAnswered(ground: Ground, slot: number): boolean {
  const weak = slot * slotWords + word.weak;
  return ground.table.words[weak + 4] !== 0 && !isSameEndpoint(ground.table.words, weak, ground.source, 0);
}
