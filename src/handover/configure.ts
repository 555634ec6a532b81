/** What a slot's new settings change: the generation, what the proven source is worth, and the send target. */
import { dropAllCandidates } from "./candidates.ts";
import { evidenceCode, type SlotSettings } from "./contract.ts";
import { isDoubtful } from "./doubt.ts";
import {
  type Ground,
  hasFlag,
  isProven,
  isRtcp,
  keepsTarget,
  provenAt,
  setFlag,
  setTime,
  siblingEpochs,
} from "./ground.ts";
import {
  copyEndpoint,
  hasUsableHint,
  hintMatch,
  hintUsable,
  isSameEndpoint,
  isSameIp,
  matchHints,
} from "./hints.ts";
import { forgetStreams } from "./proof.ts";
import type { Settings } from "./settings-table.ts";
import { real, slotFlag, slotWords, word } from "./slot-table.ts";
import { aimAsSignalled, aimRtcp, setTarget } from "./targets.ts";
import { doubtfulTargetMs, newGenerationMs, supersededMs } from "./timing.ts";
import { leaveIce } from "./vouching.ts";
import { isTargetWaiting, moveTargetLater, stopWaiting } from "./waiting-target.ts";

const nowhere = new Int32Array(5);

export function configureSlot(ground: Ground, slot: number, wanted: SlotSettings, nowMs: number): void {
  const { table, deadlines, settingsTable } = ground;
  const settings = settingsTable.set(slot, wanted);
  const before = settingsTable.former;
  if (before.hasIce && !settings.hasIce) leaveIce(ground, slot);
  table.words[slot * slotWords + word.siblingEpochs] = siblingEpochs(ground, slot);
  if (before.isRtp !== settings.isRtp) {
    // Audio became image or back: proof and target stay, what was known of RTP streams goes.
    forgetStreams(ground, slot);
    dropAllCandidates(table, ground.sink, slot);
  }
  if (settings.isSignalled) {
    const isNew = !before.isSignalled || before.generation !== settings.generation;
    if (isNew) {
      rememberFormer(ground, slot, before, settings);
      openGeneration(ground, slot, settings, nowMs);
    }
    deadlines.lower(slot, nowMs);
  }
  renewTarget(ground, slot, before, nowMs);
}

/** Where the party was said to be before: late packets from there must not take the target back. */
function rememberFormer(ground: Ground, slot: number, before: Settings, settings: Settings): void {
  const { words } = ground.table;
  const former = slot * slotWords + word.former;
  copyEndpoint(words, former, before.words, before.targetAt);
  const isStillNamed = matchHints(settings, words, former) === hintMatch.exact;
  if (isStillNamed || settings.targetPort === 0) words[former + 4] = 0;
}

/** The party's SDP changed: what the proven source is worth is read again from the new hints. */
function openGeneration(ground: Ground, slot: number, settings: Settings, nowMs: number): void {
  const { words } = ground.table;
  words[slot * slotWords + word.generation] = settings.generation;
  setTime(ground, slot, real.signalledAt, nowMs);
  if (!isProven(ground, slot)) return;
  setTime(ground, slot, real.freshUntil, nowMs + newGenerationMs);
  setFlag(ground, slot, slotFlag.generationOpen, true);
  const match = matchHints(settings, words, provenAt(slot));
  setFlag(ground, slot, slotFlag.isExact, match === hintMatch.exact);
  // Hold names no address, and a private one names none that could be compared: neither unlearns anything.
  const isTelling = match >= hintMatch.ip || hasUsableHint(settings);
  if (!isTelling) return;
  const isLost = hasFlag(ground, slot, slotFlag.isFitting) && match < hintMatch.ip;
  setFlag(ground, slot, slotFlag.isFitting, match >= hintMatch.ip);
  setFlag(ground, slot, slotFlag.lostFit, isLost);
  const isSuperseded = isLost && words[slot * slotWords + word.evidence] === evidenceCode.signalled;
  setTime(ground, slot, real.supersededAt, isSuperseded ? nowMs + supersededMs : 0);
}

function renewTarget(ground: Ground, slot: number, before: Settings, nowMs: number): void {
  const settings = ground.settings[slot]!;
  const isChanged = !isSameEndpoint(before.words, before.targetAt, settings.words, settings.targetAt);
  if (keepsTarget(settings)) {
    if (settings.targetPort !== 0 || !isProven(ground, slot)) aimAsSignalled(ground, slot);
  } else if (isProven(ground, slot)) {
    if (isChanged) followSignalling(ground, slot, before, nowMs);
  } else {
    if (isChanged) setFlag(ground, slot, slotFlag.targetByPresence, false);
    if (isRtcp(ground, slot)) aimRtcp(ground, slot);
    else if (!hasFlag(ground, slot, slotFlag.targetByPresence)) aimUnproven(ground, slot, settings, nowMs);
  }
  const hasRtcp = (slot & 1) === 0 && settings.isRtp && hasFlag(ground, slot + 1, slotFlag.isOpen);
  if (hasRtcp) aimRtcp(ground, slot + 1);
}

/**
 * Where signalling says; but what is sent to a phone behind NAT before it speaks is lost, so media for a doubtful address
 * waits a moment, again after each SDP of either party.
 */
function aimUnproven(ground: Ground, slot: number, settings: Settings, nowMs: number): void {
  if (!isDoubtful(settings)) {
    aimAsSignalled(ground, slot);
    return;
  }
  setTarget(ground, slot, nowhere, 0);
  setTime(ground, slot, real.supersededAt, nowMs + doubtfulTargetMs);
  ground.deadlines.lower(slot, nowMs + doubtfulTargetMs);
}

/**
 * The new SDP moves the target of a proven leg if its source was exactly where the old one said, or if the new address is
 * worth something and the source no longer fits: at once where only the port of a party without NAT changed.
 */
function followSignalling(ground: Ground, slot: number, before: Settings, nowMs: number): void {
  const { words } = ground.table;
  const settings = ground.settings[slot]!;
  const isStillPlain = isTargetWaiting(ground, slot) && !hasFlag(ground, slot, slotFlag.targetIsGuess);
  const wasPlain = isStillPlain || isSameEndpoint(words, provenAt(slot), before.words, before.targetAt);
  stopWaiting(ground, slot);
  if (settings.targetPort === 0) return;
  if (wasPlain && isSameIp(before.words, before.targetAt, settings.words, settings.targetAt)) {
    aimAsSignalled(ground, slot);
    return;
  }
  const hasMoved = wasPlain || hasFlag(ground, slot, slotFlag.lostFit);
  if (!hasMoved || !isTargetUsable(settings)) return;
  moveTargetLater(ground, slot, !wasPlain || isDoubtful(settings), nowMs);
}

function isTargetUsable(settings: Settings): boolean {
  const { words, targetAt, hintsAt, hintsEnd, hintStep } = settings;
  for (let hint = hintsAt; hint < hintsEnd; hint += hintStep) {
    if ((words[hint + 5]! & hintUsable) !== 0 && isSameIp(words, hint, words, targetAt)) return true;
  }
  return false;
}
