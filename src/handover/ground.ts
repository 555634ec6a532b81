/** What the parts of the policy share, and the small questions all of them ask about a slot. */
import type { Cidr } from "../core/address-class.ts";
import type { HandoverSink } from "./contract.ts";
import type { Deadlines } from "./deadlines.ts";
import { hintMatch, isSameIp, matchHints } from "./hints.ts";
import type { Settings, SettingsTable } from "./settings-table.ts";
import { real, type SlotTable, slotWords, watch, word } from "./slot-table.ts";
import { rank, speakingMs } from "./timing.ts";
import type { TwinTable } from "./twin-table.ts";

export interface Ground {
  readonly table: SlotTable;
  readonly sink: HandoverSink;
  readonly twins: TwinTable;
  readonly deadlines: Deadlines;
  readonly settingsTable: SettingsTable;
  /** Of that table, by slot. */
  readonly settings: readonly Settings[];
  /** By slot: counts its openings, so that a sibling's successor is not taken for it. */
  readonly epochs: Int32Array;
  /** Rows of four address words and four mask words. */
  readonly trustedMedia: Int32Array;
  /** How long an unknown address must be alone where a usable one is known, and how long a proof stays provisional. */
  readonly settleMs: number;
  /** Infinity: a stranger never takes a leg that signalling did not open anew. */
  readonly relearnAfterSilenceMs: number;
  /** Source of the packet in hand, five words. */
  readonly source: Int32Array;
  /** Candidate of the packet in hand, after `hold`. */
  heldFor: number;
}

/** Codes of `SlotSettings.learningMode`. */
export const learning = { standard: 0, off: 1, immediate: 2, delayed: 3, heuristic: 4 } as const;

export const networkRowWords = 8;

export function networkRows(networks: readonly Cidr[]): Int32Array {
  const rows = new Int32Array(networks.length * networkRowWords);
  for (const [row, network] of networks.entries()) {
    for (let index = 0; index < 4; index++) {
      const bits = Math.min(32, Math.max(0, network.prefixBits - 32 * index));
      const mask = bits === 0 ? 0 : -1 << (32 - bits);
      rows[row * networkRowWords + index] = network.words[index]! & mask;
      rows[row * networkRowWords + 4 + index] = mask;
    }
  }
  return rows;
}

export function timeOf(ground: Ground, slot: number, field: number): number {
  return ground.table.reals[slot * (slotWords / 2) + field]!;
}

export function setTime(ground: Ground, slot: number, field: number, atMs: number): void {
  ground.table.reals[slot * (slotWords / 2) + field] = atMs;
}

export function hasFlag(ground: Ground, slot: number, flag: number): boolean {
  return (ground.table.words[slot * slotWords + word.flags]! & flag) !== 0;
}

export function setFlag(ground: Ground, slot: number, flag: number, isSet: boolean): void {
  const at = slot * slotWords + word.flags;
  if (isSet) ground.table.words[at]! |= flag;
  else ground.table.words[at]! &= ~flag;
}

export function isProven(ground: Ground, slot: number): boolean {
  return ground.table.words[slot * slotWords + word.provenPort] !== 0;
}

export function isProvisional(ground: Ground, slot: number): boolean {
  return (ground.table.words[slot * slotWords + word.pending]! & watch.provisional) !== 0;
}

/**
 * True while the target is not to follow what is received. Under ICE it follows what ICE selects and nothing else: a
 * source that asks for media has to show that it wants it (RFC 8445 section 19.5.1, RFC 7675 section 5.1).
 */
export function keepsTarget(settings: Settings): boolean {
  return settings.isAsymmetric || settings.hasIce || settings.learningMode === learning.off;
}

/** True for a socket that is RTCP's alone. */
export function isRtcp(ground: Ground, slot: number): boolean {
  return (slot & 1) !== 0 && ground.settings[slot]!.isRtp;
}

/** True while a changed SDP makes the party's addresses new. */
export function isFresh(ground: Ground, slot: number, nowMs: number): boolean {
  return nowMs < timeOf(ground, slot, real.freshUntil);
}

/** True while a stranger with a new stream may be the party: its SDP changed, or it has been silent for very long. */
export function isOpenAnew(ground: Ground, slot: number, nowMs: number): boolean {
  return isFresh(ground, slot, nowMs) || pairSilenceMs(ground, slot, nowMs) >= ground.relearnAfterSilenceMs;
}

/** How long the proven source has been silent on this socket. */
export function silenceMs(ground: Ground, slot: number, nowMs: number): number {
  return nowMs - timeOf(ground, slot, real.heardAt);
}

export function isSpeaking(ground: Ground, slot: number, nowMs: number): boolean {
  return silenceMs(ground, slot, nowMs) < speakingMs;
}

/** Silence of the proven source on both sockets of its pair: RTP, RTCP and keepalives. */
export function pairSilenceMs(ground: Ground, slot: number, nowMs: number): number {
  const companion = slot ^ 1;
  const own = silenceMs(ground, slot, nowMs);
  if (!isProven(ground, companion) || !isProvenIp(ground, companion, ground.table.words, provenAt(slot))) {
    return own;
  }
  return Math.min(own, silenceMs(ground, companion, nowMs));
}

/** Word index of a slot's proven source. */
export function provenAt(slot: number): number {
  return slot * slotWords + word.proven;
}

/** True if the slot has a proven source and its IP is the one at `at`. */
export function isProvenIp(ground: Ground, slot: number, source: Int32Array, at: number): boolean {
  return isProven(ground, slot) && isSameIp(ground.table.words, provenAt(slot), source, at);
}

/** How near a source is to what is known of the party (section 2, ranked first speaker). */
export function rankOf(ground: Ground, slot: number, source: Int32Array, at: number): number {
  const match = matchHints(ground.settings[slot]!, source, at);
  if (match >= hintMatch.ip) return rank.signalled;
  if (match === hintMatch.sameNetwork) return rank.sameNetwork;
  if (isSiblingIp(ground, slot, source, at)) return rank.sibling;
  return isInRows(ground.trustedMedia, source, at) ? rank.trustedMedia : rank.anything;
}

/** True if the IP was proven for another media of this party. */
export function isSiblingIp(ground: Ground, slot: number, source: Int32Array, at: number): boolean {
  const { words, siblingsAt, siblingsEnd, siblingStep } = ground.settings[slot]!;
  if (siblingEpochs(ground, slot) !== ground.table.words[slot * slotWords + word.siblingEpochs]) return false;
  for (let sibling = siblingsAt; sibling < siblingsEnd; sibling += siblingStep) {
    if (isProvenIp(ground, words[sibling]!, source, at)) return true;
  }
  return false;
}

/** As `isSiblingIp`, by a proof that is none on probation: a stranger that holds one media must not get the others. */
export function isVouchedBySibling(ground: Ground, slot: number, source: Int32Array, at: number): boolean {
  if (!isSiblingIp(ground, slot, source, at)) return false;
  const { words, siblingsAt, siblingsEnd, siblingStep } = ground.settings[slot]!;
  for (let each = siblingsAt; each < siblingsEnd; each += siblingStep) {
    const sibling = words[each]!;
    if (isProvenIp(ground, sibling, source, at) && !isProvisional(ground, sibling)) return true;
  }
  return false;
}

/** Changes when one of the slot's siblings was opened anew. */
export function siblingEpochs(ground: Ground, slot: number): number {
  const { words, siblingsAt, siblingsEnd, siblingStep } = ground.settings[slot]!;
  let sum = 0;
  for (let sibling = siblingsAt; sibling < siblingsEnd; sibling += siblingStep) {
    sum = (sum + ground.epochs[words[sibling]!]!) | 0;
  }
  return sum;
}

/** True if the address at `at` is in one of the networks. */
export function isInRows(rows: Int32Array, source: Int32Array, at: number): boolean {
  for (let row = 0; row < rows.length; row += networkRowWords) {
    let index = 0;
    while (index < 4 && (source[at + index]! & rows[row + 4 + index]!) === rows[row + index]) index++;
    if (index === 4) return true;
  }
  return false;
}
