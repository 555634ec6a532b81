/** SDES in offers (RFC 4568 section 5.1.1): which lines we offer, and which of those offered to us we would take. */

import type { SrtpKey, SrtpSuite } from "../core/plan/security.ts";
import type { Random } from "../core/random.ts";
import { suiteSizes, suitesByStrength } from "../core/srtp-suites.ts";
import type { CryptoAttribute } from "../sdp/crypto-attribute.ts";
import type { SdesOptions } from "./requests.ts";
import type { SdesLine, SdesSide } from "./security-state.ts";

/** What our lines show under `lifetime` (RFC 3711 section 9.2: the limit of SRTCP, which all suites share). */
const shownLifetime = 2 ** 31;
/** Tags have up to nine digits (RFC 4568 section 9.1). */
const tagMax = 999_999_999;

export interface SdesWish {
  readonly sdes: SdesOptions;
  /** Suites pass from the other party's offer with fresh keys instead of its own. */
  readonly recrypts: boolean;
  readonly random: Random;
}

/** Suites are offered without being asked for, except those that encrypt nothing. */
function isOfferedByItself(suite: SrtpSuite, { only, order }: SdesOptions): boolean {
  return !suite.startsWith("NULL") || only.includes(suite) || order.includes(suite);
}

function isExcluded(suite: SrtpSuite, { only, without }: SdesOptions): boolean {
  return only.length > 0 ? !only.includes(suite) : without.includes(suite);
}

/**
 * The lines a party is offered: those of the other party's offer, in its order and with its keys, so that what it
 * sends may pass untouched; then the one in use, with a key of ours; then all else we can speak, with fresh keys, or those
 * of an offer that waits for its answer: a repeated INVITE must not make untrue what its first copy said.
 */
export function linesToOffer(
  side: SdesSide | undefined,
  passed: readonly CryptoAttribute[],
  wish: SdesWish,
): readonly SdesLine[] {
  const { sdes, recrypts } = wish;
  const lines: SdesLine[] = [];
  const inUse = side?.used;
  for (const line of passed) {
    if (!sdes.addsNone && isExcluded(line.key.suite, sdes)) continue;
    const key = recrypts ? ownKey(line.key.suite, inUse, wish) : line.key;
    const { tag } = line;
    lines.push({ tag, key: withWishedUses(key, sdes), lifetime: lifetimeOf(sdes), isOurs: recrypts });
  }
  const has = (suite: SrtpSuite): boolean => lines.some(({ key }) => key.suite === suite);
  if (inUse !== undefined && !has(inUse.key.suite)) {
    const key = inUse.isOurs ? inUse.key : likeKey(inUse.key, wish.random);
    const tag = freeTag(lines);
    lines.push({ tag, key: withWishedUses(key, sdes), lifetime: lifetimeOf(sdes), isOurs: true });
  }
  if (!sdes.addsNone) {
    for (const suite of suitesByStrength) {
      if (has(suite) || isExcluded(suite, sdes) || !isOfferedByItself(suite, sdes)) continue;
      const key = withWishedUses(toldKey(suite, side) ?? freshKey(suite, wish.random), sdes);
      lines.push({ tag: freeTag(lines), key, lifetime: lifetimeOf(sdes), isOurs: true });
    }
  }
  // What one party is content with need not be the other's first choice.
  lines.sort((a, b) => Number(isWeak(a.key)) - Number(isWeak(b.key)));
  return ranked(lines, sdes.order);
}

function isWeak(key: SrtpKey): boolean {
  return key.suite.startsWith("NULL") || !key.encryptsRtp || !key.encryptsRtcp || !key.authenticatesRtp;
}

/** Whether `linesToOffer` would find any. */
export function hasLinesToOffer(
  side: SdesSide | undefined,
  passed: readonly CryptoAttribute[],
  sdes: SdesOptions,
): boolean {
  if (side?.used !== undefined) return true;
  if (sdes.addsNone) return passed.length > 0;
  const isPossible = (suite: SrtpSuite): boolean => !isExcluded(suite, sdes);
  return (
    passed.some(({ key }) => isPossible(key.suite)) ||
    suitesByStrength.some((suite) => isPossible(suite) && isOfferedByItself(suite, sdes))
  );
}

/** The offerer's lines that we would take, best first. Where a word excludes all of them the first one stays. */
export function linesToTake(
  offered: readonly CryptoAttribute[],
  sdes: SdesOptions,
): readonly CryptoAttribute[] {
  if (sdes.only.length === 0 && sdes.without.length === 0 && sdes.offererPreference.length === 0) {
    return offered;
  }
  const taken = sdes.addsNone ? offered : offered.filter(({ key }) => !isExcluded(key.suite, sdes));
  return ranked(taken.length === 0 ? offered.slice(0, 1) : taken, sdes.offererPreference);
}

/** Lines of the named suites first, as named; the rest keeps its order. */
function ranked<Line extends CryptoAttribute>(
  lines: readonly Line[],
  order: readonly SrtpSuite[],
): readonly Line[] {
  if (order.length === 0) return lines;
  const named = order.flatMap((suite) => lines.filter(({ key }) => key.suite === suite));
  return [...new Set([...named, ...lines])];
}

function ownKey(suite: SrtpSuite, inUse: SdesLine | undefined, { random }: SdesWish): SrtpKey {
  return inUse?.isOurs === true && inUse.key.suite === suite ? inUse.key : freshKey(suite, random);
}

/** Ours of an offer without an answer, so nothing was protected with it; for all uses. */
function toldKey(suite: SrtpSuite, side: SdesSide | undefined): SrtpKey | undefined {
  if (side === undefined || side.isAnswered) return undefined;
  const line = side.told.find(({ isOurs, key }) => isOurs && key.suite === suite);
  if (line === undefined) return undefined;
  return { ...line.key, encryptsRtp: true, encryptsRtcp: true, authenticatesRtp: true };
}

/** A fresh key for the same suite and uses. */
function likeKey(key: SrtpKey, random: Random): SrtpKey {
  const { encryptsRtp, encryptsRtcp, authenticatesRtp } = key;
  return { ...freshKey(key.suite, random), encryptsRtp, encryptsRtcp, authenticatesRtp };
}

export function freshKey(suite: SrtpSuite, random: Random): SrtpKey {
  const { keyBytes, saltBytes } = suiteSizes(suite);
  return {
    suite,
    masterKey: random.bytes(keyBytes),
    masterSalt: random.bytes(saltBytes),
    mki: undefined,
    encryptsRtp: true,
    encryptsRtcp: true,
    authenticatesRtp: true,
  };
}

function withWishedUses(key: SrtpKey, sdes: SdesOptions): SrtpKey {
  const { wantsUnencryptedRtp, wantsUnencryptedRtcp, wantsUnauthenticatedRtp } = sdes;
  const isAsItIs =
    wantsUnencryptedRtp === undefined &&
    wantsUnencryptedRtcp === undefined &&
    wantsUnauthenticatedRtp === undefined;
  // RFC 7714 section 14.2: in these suites neither can be left out.
  if (isAsItIs || suiteSizes(key.suite).isAead) return key;
  return {
    ...key,
    encryptsRtp: wantsUnencryptedRtp === undefined ? key.encryptsRtp : !wantsUnencryptedRtp,
    encryptsRtcp: wantsUnencryptedRtcp === undefined ? key.encryptsRtcp : !wantsUnencryptedRtcp,
    authenticatesRtp: wantsUnauthenticatedRtp === undefined ? key.authenticatesRtp : !wantsUnauthenticatedRtp,
  };
}

export function lifetimeOf(sdes: SdesOptions): number | undefined {
  return sdes.showsLifetime ? shownLifetime : undefined;
}

/** Above those there are, so that nobody takes ours for theirs. */
function freeTag(lines: readonly CryptoAttribute[]): number {
  const next = lines.reduce((highest, { tag }) => Math.max(highest, tag), 0) + 1;
  if (next <= tagMax) return next;
  for (let tag = 1; ; tag++) if (!lines.some((line) => line.tag === tag)) return tag;
}
