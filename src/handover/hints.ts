/** Reading a slot's hints: is this source named by signalling, and how near is it to what is? No allocation. */
import { noPayloadType, type PacketFacts } from "./contract.ts";
import type { Settings } from "./settings-table.ts";
import { copyWords } from "./words.ts";

/** Flag of a hint: the IP alone, any port, is evidence. */
export const hintUsable = 1;
/** Flag of a hint: only exact, but the party is expected there (an address that carries other calls too). */
export const hintExpected = 2;

/** How a source matches the hints; the higher, the better. */
export const hintMatch = { none: 0, sameNetwork: 1, ip: 2, usableIp: 3, exact: 4 } as const;

/** Comfort noise: allowed whatever SDP says (RFC 3551 section 6, and its former assignment). */
const comfortNoise = 13;
const comfortNoiseFormer = 19;

/**
 * What is no RTP has no type to know. A table without any type is of a call whose SDP nobody showed us: every type may be meant. */
export function isKnownPayloadType(settings: Settings, payloadType: number): boolean {
  if (payloadType === noPayloadType) return true;
  const types = settings.payloadTypes;
  if ((types[0]! | types[1]! | types[2]! | types[3]!) === 0) return true;
  if ((types[payloadType >>> 5]! & (1 << (payloadType & 31))) !== 0) return true;
  return payloadType === comfortNoise || payloadType === comfortNoiseFormer;
}

/** Best match of the endpoint whose five words stand at `at`. Hints without an address (hold) name nothing. */
export function matchHints(settings: Settings, source: Int32Array, at: number): number {
  const { words, hintsAt, hintsEnd, hintStep } = settings;
  let best: number = hintMatch.none;
  for (let hint = hintsAt; hint < hintsEnd; hint += hintStep) {
    if (isNowhere(words, hint)) continue;
    const match = matchHint(words, hint, source, at);
    if (match > best) best = match;
  }
  return best;
}

function matchHint(hints: Int32Array, hint: number, source: Int32Array, at: number): number {
  if (isSameIp(hints, hint, source, at)) {
    if (hints[hint + 4] === source[at + 4]) return hintMatch.exact;
    return (hints[hint + 5]! & hintUsable) !== 0 ? hintMatch.usableIp : hintMatch.ip;
  }
  return isSameNetwork(hints, hint, source, at) ? hintMatch.sameNetwork : hintMatch.none;
}

/** True if signalling named a place where the party can be and is expected. */
export function hasUsableHint(settings: Settings): boolean {
  const { words, hintsAt, hintsEnd, hintStep } = settings;
  for (let hint = hintsAt; hint < hintsEnd; hint += hintStep) {
    if ((words[hint + 5]! & (hintUsable | hintExpected)) !== 0 && !isNowhere(words, hint)) return true;
  }
  return false;
}

/**
 * True if signalling names the place by an address that is of no use, and another one that is: the party is behind a NAT,
 * and nobody it has to do with can speak from there.
 */
export function isBehindNat(settings: Settings, source: Int32Array, at: number): boolean {
  const { words, hintsAt, hintsEnd, hintStep } = settings;
  for (let hint = hintsAt; hint < hintsEnd; hint += hintStep) {
    const isOfUse = (words[hint + 5]! & (hintUsable | hintExpected)) !== 0;
    if (isOfUse && isSameIp(words, hint, source, at)) return false;
  }
  return hasUsableHint(settings);
}

/** 0.0.0.0, :: or port 0. */
function isNowhere(words: Int32Array, at: number): boolean {
  if (words[at + 4] === 0) return true;
  if (words[at] !== 0 || words[at + 1] !== 0 || words[at + 3] !== 0) return false;
  return words[at + 2] === 0 || words[at + 2] === 0xffff;
}

export function isSameIp(a: Int32Array, aAt: number, b: Int32Array, bAt: number): boolean {
  return (
    a[aAt + 3] === b[bAt + 3] && a[aAt + 2] === b[bAt + 2] && a[aAt + 1] === b[bAt + 1] && a[aAt] === b[bAt]
  );
}

/** Five words. */
export function copyEndpoint(into: Int32Array, at: number, from: Int32Array, fromAt: number): void {
  copyWords(into, at, from, fromAt, 5);
}

export function isSameEndpoint(a: Int32Array, aAt: number, b: Int32Array, bAt: number): boolean {
  return a[aAt + 4] === b[bAt + 4] && isSameIp(a, aAt, b, bAt);
}

/** Same IPv4 /24 or IPv6 /64. */
export function isSameNetwork(a: Int32Array, aAt: number, b: Int32Array, bAt: number): boolean {
  if (a[aAt] !== b[bAt] || a[aAt + 1] !== b[bAt + 1]) return false;
  if (!isV4(a, aAt)) return !isV4(b, bAt);
  return isV4(b, bAt) && a[aAt + 3]! >>> 8 === b[bAt + 3]! >>> 8;
}

/** The same host as far as its address tells: one IPv4 address, or one IPv6 /64. */
export function isSamePlace(a: Int32Array, aAt: number, b: Int32Array, bAt: number): boolean {
  if (isSameIp(a, aAt, b, bAt)) return true;
  return !isV4(a, aAt) && isSameNetwork(a, aAt, b, bAt);
}

function isV4(words: Int32Array, at: number): boolean {
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0xffff;
}

/** Lays the packet's source into five words, so that one set of comparisons serves all. */
export function sourceInto(words: Int32Array, at: number, facts: PacketFacts): void {
  words[at] = facts.ip0;
  words[at + 1] = facts.ip1;
  words[at + 2] = facts.ip2;
  words[at + 3] = facts.ip3;
  words[at + 4] = facts.port;
}
