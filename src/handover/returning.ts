/**
 * Sources that had the leg before, with their old SSRC (sections 2 and 3). For a moment after a switch the old path is
 * still read: what was on its way is relayed and proves nothing; if it goes on with new numbers, the switch is rolled
 * back. Later a remembered source takes the leg back with its first packet.
 */
import { compareSuccessor } from "./comparing.ts";
import { evidenceCode, handoverNote, noDigest, type PacketFacts, type Verdict, verdict } from "./contract.ts";
import { type Ground, provenAt, setFlag, silenceMs } from "./ground.ts";
import { hintMatch, isKnownPayloadType, isSameEndpoint, isSamePlace, matchHints } from "./hints.ts";
import { proveNow } from "./keep.ts";
import { isLate } from "./previous.ts";
import { forgetStreams, prove, sendAgain } from "./proof.ts";
import { endLaterClaims, findRemembered } from "./remembered.ts";
import type { Settings } from "./settings-table.ts";
import { memoryClaim, previousClaim, remembered, slotFlag, slotWords, stream, word } from "./slot-table.ts";
import { resumeStream, speaksOn } from "./stragglers.ts";
import { findStream, holdTimeMs, isContinuous, noteStream } from "./streams.ts";
import { strikeSource } from "./strikes.ts";
import { sequenceAheadMax } from "./timing.ts";
import { windowState } from "./twin-table.ts";
import { contradict, endTwin, isSuspect, twinAt } from "./twins.ts";

/** In place of a verdict: the source has no privilege that covers this packet. */
export const noPrivilege = -1;

/** An RTP packet of a source that is not the proven one: what it may do for having been it. */
export function judgeReturn(
  ground: Ground,
  facts: PacketFacts,
  settings: Settings,
  nowMs: number,
): Verdict | typeof noPrivilege {
  const { words } = ground.table;
  const { slot } = facts;
  const base = slot * slotWords;
  const isPrevious = isFromPrevious(ground, facts) && isLate(ground, slot, nowMs);
  if (isPrevious && isOnTheWay(ground, facts) && !speaksOn(ground, facts, nowMs)) return verdict.relay;
  if (words[base + word.evidence] === evidenceCode.cryptographic) return noPrivilege;
  if (settings.isStrict && matchHints(settings, ground.source, 0) < hintMatch.usableIp) return noPrivilege;
  if (!isKnownPayloadType(settings, facts.payloadType)) return noPrivilege;
  const entry = findRemembered(ground, slot, ground.source, 0);
  const mayTakeBack =
    entry >= 0 &&
    words[entry + remembered.claim] === memoryClaim.takeBack &&
    words[entry + remembered.ssrc] === facts.ssrc &&
    goesOn(ground, facts, settings, words[entry + remembered.sequence]!, nowMs);
  const isRolledBack =
    isPrevious &&
    words[base + word.previousClaim] === previousClaim.takeBack &&
    goesOn(ground, facts, settings, words[base + word.previousLast]!, nowMs);
  if (!mayTakeBack && !isRolledBack) return noPrivilege;
  const note = isRolledBack ? handoverNote.rolledBack : handoverNote.switched;
  const wasByAddress = words[base + word.evidence] === evidenceCode.signalled;
  const pace = words[isRolledBack ? base + word.previousPace : entry + remembered.pace]!;
  const evidence = settings.isStrict ? evidenceCode.signalled : evidenceCode.continuity;
  if (entry >= 0) endLaterClaims(ground, slot, entry);
  const outcome = proveNow(ground, facts, evidence, nowMs, note);
  endClaims(ground, facts, nowMs);
  resumeStream(ground, facts, pace, nowMs);
  if (isRolledBack && wasByAddress) setFlag(ground, slot, slotFlag.generationOpen, true);
  if (isRolledBack) compareSuccessor(ground, facts, nowMs);
  return outcome;
}

/**
 * Whoever had the leg meanwhile has to prove itself again: by its own numbers, for the packet may have been a late one after
 * all; but a stream of its own was never the party's.
 */
function endClaims(ground: Ground, facts: PacketFacts, nowMs: number): void {
  const { words } = ground.table;
  const base = facts.slot * slotWords;
  const isSameStream = words[base + word.previousSsrc] === facts.ssrc;
  words[base + word.previousClaim] = isSameStream ? previousClaim.patience : previousClaim.none;
  if (isSameStream) return;
  forgetStreams(ground, facts.slot);
  noteStream(ground.table, facts, nowMs);
}

/** A packet of the source that is read beside the proven one. */
export function judgeTwin(
  ground: Ground,
  facts: PacketFacts,
  settings: Settings,
  nowMs: number,
): Verdict | typeof noPrivilege {
  const { slot } = facts;
  const { twins, sink } = ground;
  const first = ground.table.words[slot * slotWords + word.twinRecord]!;
  const isDoubted = isSuspect(ground, slot);
  const handle = twins.find(first, facts.ssrc);
  if (handle === 0 || !isKnownPayloadType(settings, facts.payloadType)) {
    return isDoubted ? noPrivilege : verdict.unprovenSource;
  }
  const digest = sink.digest();
  if (digest === noDigest) {
    endTwin(ground, slot);
    return noPrivilege;
  }
  const state = twins.look(handle, facts.sequence, digest);
  if (isDoubted) return judgeSuspect(ground, facts, settings, state, nowMs);
  twins.hear(first, nowMs);
  if (state === windowState.different) {
    contradict(ground, slot, nowMs);
    return verdict.struck;
  }
  if (state !== windowState.fresh) return verdict.duplicate;
  if (!isNear(ground, facts, settings, nowMs)) return verdict.outsideWindow;
  twins.mark(handle, facts.sequence, digest);
  const streamAt = findStream(ground.table, slot, facts.ssrc);
  if (streamAt >= 0 && silenceMs(ground, slot, nowMs) >= holdTimeMs(ground.table, streamAt)) {
    promote(ground, facts, nowMs);
  }
  return verdict.relay;
}

/**
 * The source that lost the leg a moment ago goes on. The same packets: one party over two paths. Others under the same
 * numbers: it was robbed. Numbers that did not come from its successor: it is there, so the switch was wrong.
 */
function judgeSuspect(
  ground: Ground,
  facts: PacketFacts,
  settings: Settings,
  state: number,
  nowMs: number,
): Verdict | typeof noPrivilege {
  const { slot } = facts;
  if (!isLate(ground, slot, nowMs)) {
    endTwin(ground, slot);
    return noPrivilege;
  }
  if (state === windowState.old) {
    const first = ground.table.words[slot * slotWords + word.twinRecord]!;
    ground.twins.mark(ground.twins.find(first, facts.ssrc), facts.sequence, ground.sink.digest());
    return noPrivilege;
  }
  if (state === windowState.same) {
    becomeTwin(ground, slot, nowMs);
    return verdict.duplicate;
  }
  if (settings.isStrict) return noPrivilege;
  if (state === windowState.different) strikeSource(ground, slot, ground.table.words, provenAt(slot), nowMs);
  endTwin(ground, slot);
  return noPrivilege;
}

/** The twin speaks while the proven source is silent: the leg is its own, and the one before is read beside it. */
function promote(ground: Ground, facts: PacketFacts, nowMs: number): void {
  const { words } = ground.table;
  const { slot } = facts;
  const base = slot * slotWords;
  const lastHeardMs = nowMs - silenceMs(ground, slot, nowMs);
  const isInPlace = isSamePlace(words, provenAt(slot), ground.source, 0);
  const evidence = isInPlace ? evidenceCode.samePlace : evidenceCode.continuity;
  prove(ground, slot, ground.source, 0, evidence, nowMs);
  words.copyWithin(twinAt(slot), base + word.previous, base + word.previous + 5);
  words[base + word.previousClaim] = previousClaim.none;
  noteStream(ground.table, facts, nowMs);
  sendAgain(ground, slot, lastHeardMs, true, nowMs);
}

function becomeTwin(ground: Ground, slot: number, nowMs: number): void {
  const { words } = ground.table;
  const base = slot * slotWords;
  setFlag(ground, slot, slotFlag.twinIsSuspect, false);
  ground.twins.hear(words[base + word.twinRecord]!, nowMs);
  words[base + word.previousClaim] = previousClaim.none;
  ground.sink.note(slot, handoverNote.twin, evidenceCode.continuity, words, twinAt(slot));
}

/** A number that was skipped, or one that carries the stream on. */
function isNear(ground: Ground, facts: PacketFacts, settings: Settings, nowMs: number): boolean {
  const streamAt = findStream(ground.table, facts.slot, facts.ssrc);
  if (streamAt < 0) return false;
  const behind = (ground.table.words[streamAt + stream.sequence]! - facts.sequence) & 0xffff;
  return behind < 0x8000 || isContinuous(ground.table, streamAt, facts, settings, nowMs);
}

function isFromPrevious(ground: Ground, facts: PacketFacts): boolean {
  const { words } = ground.table;
  const base = facts.slot * slotWords;
  const may = words[base + word.previousClaim]!;
  return (
    (may === previousClaim.latePackets || may === previousClaim.takeBack) &&
    words[base + word.previousSsrc] === facts.ssrc &&
    isSameEndpoint(words, base + word.previous, ground.source, 0)
  );
}

/** The previous source sent it before its successor spoke; of another stream than the successor's nobody can tell. */
function isOnTheWay(ground: Ground, facts: PacketFacts): boolean {
  const { words } = ground.table;
  const base = facts.slot * slotWords;
  const currentSsrc =
    words[base + stream.first + words[base + word.currentStream]! * stream.size + stream.ssrc]!;
  if (currentSsrc !== facts.ssrc) return words[base + word.previousClaim] === previousClaim.latePackets;
  return ((facts.sequence - words[base + word.previousSequence]!) & 0xffff) >= 0x8000;
}

/**
 * The packet follows what the source itself sent last, or what was sent for it meanwhile. Its own count matters: whoever
 * took the leg in its silence chose the numbers that went out since.
 */
function goesOn(
  ground: Ground,
  facts: PacketFacts,
  settings: Settings,
  ownLast: number,
  nowMs: number,
): boolean {
  const ahead = (facts.sequence - ownLast) & 0xffff;
  if (ahead !== 0 && ahead <= sequenceAheadMax) return true;
  const streamAt = findStream(ground.table, facts.slot, facts.ssrc);
  return streamAt >= 0 && isContinuous(ground.table, streamAt, facts, settings, nowMs);
}
