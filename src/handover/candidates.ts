/**
 * Sources that wait for a decision: at most eight a slot, two of one network, the least likely gives way; among equals
 * one that does not go on, or a flood from forged addresses would keep the party out with a packet of each.
 *
 * A candidate is known by its index; the relay keeps its packets under (slot, index). Nothing is allocated.
 */
import { candidatesPerNetworkMax, candidatesPerSlotMax } from "../core/limits.ts";
import { type HandoverSink, noPayloadType, type PacketFacts, packetKind } from "./contract.ts";
import { isSameEndpoint, isSameNetwork, sourceInto } from "./hints.ts";
import type { Settings } from "./settings-table.ts";
import { candidate, type SlotTable, slotWords, word } from "./slot-table.ts";
import { isTimely } from "./streams.ts";
import { candidateIdleMs, plausiblePackets, reorderMax, speakingMs, strayPacketMs } from "./timing.ts";

/** Word index of a candidate's record. */
export function candidateAt(table: SlotTable, slot: number, index: number): number {
  return table.annexOf(slot) + candidate.first + index * candidate.size;
}

export function isCandidate(table: SlotTable, slot: number, index: number): boolean {
  return (table.words[slot * slotWords + word.pending]! & (1 << index)) !== 0;
}

/** Index of the candidate whose endpoint stands in `source`, or -1. */
export function findCandidate(table: SlotTable, slot: number, source: Int32Array): number {
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (!isCandidate(table, slot, index)) continue;
    if (isSameEndpoint(table.words, candidateAt(table, slot, index), source, 0)) return index;
  }
  return -1;
}

/**
 * Makes room for the source of `facts`; -1 when all that is there is likelier, or as likely and goes on. A network that
 * has its full number gives one of its own.
 */
export function admitCandidate(
  table: SlotTable,
  sink: HandoverSink,
  facts: PacketFacts,
  source: Int32Array,
  likely: number,
  nowMs: number,
): number {
  const { slot } = facts;
  let free = -1;
  let weakest = -1;
  let weakestOfNetwork = -1;
  let ofNetwork = 0;
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    const at = candidateAt(table, slot, index);
    if (isCandidate(table, slot, index) && isIdle(table, at, nowMs)) dropCandidate(table, sink, slot, index);
    if (!isCandidate(table, slot, index)) {
      if (free < 0) free = index;
      continue;
    }
    weakest = weaker(table, slot, weakest, index);
    if (!isSameNetwork(table.words, at, source, 0)) continue;
    ofNetwork++;
    weakestOfNetwork = weaker(table, slot, weakestOfNetwork, index);
  }
  const isNetworkFull = ofNetwork >= candidatesPerNetworkMax;
  if (isNetworkFull || free < 0) {
    free = isNetworkFull ? weakestOfNetwork : weakest;
    if (!givesWay(table, candidateAt(table, slot, free), likely, nowMs)) return -1;
    dropCandidate(table, sink, slot, free);
  }
  start(table, candidateAt(table, slot, free), facts, likely, nowMs);
  table.words[slot * slotWords + word.pending]! |= 1 << free;
  return free;
}

/** Takes one more packet into the record; a break in the run starts the count again. */
export function noteCandidate(
  table: SlotTable,
  index: number,
  facts: PacketFacts,
  settings: Settings,
  nowMs: number,
): void {
  const { words, reals } = table;
  const at = candidateAt(table, facts.slot, index);
  const elapsedMs = nowMs - reals[(at + candidate.lastAt) >>> 1]!;
  reals[(at + candidate.lastAt) >>> 1] = nowMs;
  if (facts.kind !== packetKind.rtp) {
    words[at + candidate.packets]!++;
    return;
  }
  const ahead = (facts.sequence - words[at + candidate.sequence]!) & 0xffff;
  const isSameRun = words[at + candidate.ssrc] === facts.ssrc;
  if (isSameRun && (ahead === 0 || ahead > 0x10000 - reorderMax)) {
    noteFirst(words, at, facts.sequence);
    return;
  }
  const before = words[at + candidate.timestamp]!;
  const isComparable = words[at + candidate.payloadType] === facts.payloadType;
  const isRegular =
    isSameRun && ahead <= reorderMax && (!isComparable || isTimely(facts, before, elapsedMs, settings));
  if (words[at + candidate.ssrc] !== facts.ssrc) setFirst(words, at, facts.sequence);
  words[at + candidate.ssrc] = facts.ssrc;
  words[at + candidate.sequence] = facts.sequence;
  words[at + candidate.timestamp] = facts.timestamp;
  words[at + candidate.payloadType] = facts.payloadType;
  words[at + candidate.packets] = isRegular ? words[at + candidate.packets]! + 1 : 1;
  if (!isRegular) reals[(at + candidate.firstAt) >>> 1] = nowMs;
}

/** A packet that was overtaken may be the first of all. */
function noteFirst(words: Int32Array, at: number, sequence: number): void {
  const first = (words[at + candidate.claim]! >>> 8) & 0xffff;
  if (((first - sequence) & 0xffff) < reorderMax) setFirst(words, at, sequence);
}

function setFirst(words: Int32Array, at: number, sequence: number): void {
  words[at + candidate.claim] = (sequence << 8) | (words[at + candidate.claim]! & 0xff);
}

export function dropCandidate(table: SlotTable, sink: HandoverSink, slot: number, index: number): void {
  table.words[slot * slotWords + word.pending]! &= ~(1 << index);
  sink.dropHeld(slot, index);
}

export function dropAllCandidates(table: SlotTable, sink: HandoverSink, slot: number): void {
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (isCandidate(table, slot, index)) dropCandidate(table, sink, slot, index);
  }
}

/** Forgets candidates that fell silent. */
export function expireCandidates(table: SlotTable, sink: HandoverSink, slot: number, nowMs: number): void {
  for (let index = 0; index < candidatesPerSlotMax; index++) {
    if (isCandidate(table, slot, index) && isIdle(table, candidateAt(table, slot, index), nowMs)) {
      dropCandidate(table, sink, slot, index);
    }
  }
}

export function firstAtMs(table: SlotTable, at: number): number {
  return table.reals[(at + candidate.firstAt) >>> 1]!;
}

export function lastAtMs(table: SlotTable, at: number): number {
  return table.reals[(at + candidate.lastAt) >>> 1]!;
}

/** Enough packets of one run to call it a stream. */
export function isPlausible(table: SlotTable, at: number): boolean {
  return table.words[at + candidate.packets]! >= plausiblePackets;
}

function isIdle(table: SlotTable, at: number, nowMs: number): boolean {
  return nowMs - lastAtMs(table, at) >= candidateIdleMs;
}

/** To one that is likelier at once; to one that is as likely if it is quieter than a stream would be. */
function givesWay(table: SlotTable, at: number, likely: number, nowMs: number): boolean {
  const rank = table.words[at + candidate.rank]!;
  if (rank !== likely) return rank < likely;
  return nowMs - lastAtMs(table, at) >= (isPlausible(table, at) ? speakingMs : strayPacketMs);
}

/** The one to give way first: lower rank, then fewer packets in a run, then the one that is quiet for longer. */
function weaker(table: SlotTable, slot: number, a: number, b: number): number {
  if (a < 0) return b;
  const { words } = table;
  const first = candidateAt(table, slot, a);
  const second = candidateAt(table, slot, b);
  const byRank = words[second + candidate.rank]! - words[first + candidate.rank]!;
  if (byRank !== 0) return byRank < 0 ? b : a;
  const isEither = !isPlausible(table, first) || !isPlausible(table, second);
  const byPackets = words[second + candidate.packets]! - words[first + candidate.packets]!;
  if (isEither && byPackets !== 0) return byPackets < 0 ? b : a;
  return lastAtMs(table, second) < lastAtMs(table, first) ? b : a;
}

function start(table: SlotTable, at: number, facts: PacketFacts, likely: number, nowMs: number): void {
  const { words, reals } = table;
  sourceInto(words, at, facts);
  words[at + candidate.ssrc] = facts.ssrc;
  words[at + candidate.sequence] = facts.sequence;
  words[at + candidate.timestamp] = facts.timestamp;
  words[at + candidate.payloadType] = facts.payloadType;
  // What is no RTP has no run to show; a handshake repeats its first datagram after a second at best.
  words[at + candidate.packets] = facts.payloadType === noPayloadType ? plausiblePackets : 1;
  words[at + candidate.rank] = likely;
  words[at + candidate.claim] = facts.sequence << 8;
  reals[(at + candidate.firstAt) >>> 1] = nowMs;
  reals[(at + candidate.lastAt) >>> 1] = nowMs;
}
