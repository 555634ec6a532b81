/** The send target of a slot, and RTCP's, which follows RTP's until RTCP was heard (sections 4 and 5). */
import { type Ground, hasFlag, isProven, keepsTarget } from "./ground.ts";
import { copyEndpoint, isSameEndpoint, isSameIp } from "./hints.ts";
import { slotFlag, slotWords, watch, word } from "./slot-table.ts";

/** Moves the send target; where ICE has spoken, nothing else moves it. True if it is another one now. */
export function setTarget(ground: Ground, slot: number, source: Int32Array, at: number): boolean {
  return !hasFlag(ground, slot, slotFlag.targetByIce) && moveTarget(ground, slot, source, at);
}

/** As `setTarget`, whoever has spoken. */
export function moveTarget(ground: Ground, slot: number, source: Int32Array, at: number): boolean {
  const { words } = ground.table;
  const target = slot * slotWords + word.target;
  if (isSameEndpoint(words, target, source, at)) return false;
  copyEndpoint(words, target, source, at);
  ground.sink.targetChanged(slot);
  return true;
}

/** The target is where signalling says. True if that is another place than before. */
export function aimAsSignalled(ground: Ground, slot: number): boolean {
  const { words, targetAt } = ground.settings[slot]!;
  return setTarget(ground, slot, words, targetAt);
}

/** A listener was thought to have moved, and its old source speaks: media goes there again. */
export function bringTargetBack(ground: Ground, slot: number): void {
  const { words } = ground.table;
  const base = slot * slotWords;
  if ((words[base + word.pending]! & watch.targetAway) === 0) return;
  words[base + word.pending]! &= ~watch.targetAway;
  if (!keepsTarget(ground.settings[slot]!)) setTarget(ground, slot, words, base + word.proven);
}

/**
 * RTCP that was not heard yet goes where RTP goes, one port above; to the signalled address while RTP does the same
 * (section 5).
 */
export function aimRtcp(ground: Ground, slot: number): void {
  const { words } = ground.table;
  const settings = ground.settings[slot]!;
  if (isProven(ground, slot) || hasFlag(ground, slot, slotFlag.targetByPresence | slotFlag.targetByIce))
    return;
  const rtp = slot - 1;
  const rtpTarget = rtp * slotWords + word.target;
  const port = words[rtpTarget + 4]!;
  const ofRtp = ground.settings[rtp]!;
  const follows =
    settings.isRtp && port !== 0 && !isSameEndpoint(words, rtpTarget, ofRtp.words, ofRtp.targetAt);
  if (!follows || port >= 65_535) {
    aimAsSignalled(ground, slot);
    return;
  }
  const target = slot * slotWords + word.target;
  if (isSameIp(words, target, words, rtpTarget) && words[target + 4] === port + 1) return;
  for (let index = 0; index < 4; index++) words[target + index] = words[rtpTarget + index]!;
  words[target + 4] = port + 1;
  ground.sink.targetChanged(slot);
}
