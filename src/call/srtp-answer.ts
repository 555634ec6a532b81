/** SDES in answers (RFC 4568 section 5.1.2): which line is taken, and which keys are in force by it. */
import type { SrtpKey } from "../core/plan/security.ts";
import type { Random } from "../core/random.ts";
import type { CryptoAttribute } from "../sdp/crypto-attribute.ts";
import { isSameKey, isSameMaster } from "../srtp/suites.ts";
import type { MediaOptions } from "./requests.ts";
import type { SdesLine, SdesSide } from "./security-state.ts";
import { freshKey, lifetimeOf } from "./srtp-offer.ts";

/** Keys kept for what one party sends: one a branch that answered, and one of before. */
export const receiveKeysMax = 4;

export function newSdes(): SdesSide {
  return {
    offered: [],
    isRanked: false,
    told: [],
    isAnswered: false,
    used: undefined,
    answered: undefined,
    answers: [],
    receive: [],
    formerUntilMs: undefined,
    send: undefined,
  };
}

/** Of the keys so far the latest alone counts from now on: a new exchange begins, or the time of the others is over. */
export function keepLatestKey(side: SdesSide): void {
  if (side.receive.length > 1) side.receive = side.receive.slice(0, 1);
  side.formerUntilMs = undefined;
}

/**
 * The line of our offer that an answer takes, and the answer's own; undefined: it takes none of them. An answer that
 * leaves encryption or authentication out where the offer had it takes nothing (RFC 4568 section 6.3).
 */
export function takenLine(
  told: readonly SdesLine[],
  answered: readonly CryptoAttribute[],
): { readonly ours: SdesLine; readonly theirs: CryptoAttribute } | undefined {
  for (const needsTag of [true, false]) {
    // Some answer under a tag of their own: the suite alone tells then.
    for (const theirs of answered) {
      const ours = told.find(
        ({ tag, key }) =>
          key.suite === theirs.key.suite && !isWeaker(theirs.key, key) && (!needsTag || tag === theirs.tag),
      );
      if (ours !== undefined) return { ours, theirs };
    }
  }
  return undefined;
}

/** True if `a` protects less than `b`. */
function isWeaker(a: SrtpKey, b: SrtpKey): boolean {
  return (
    (!a.encryptsRtp && b.encryptsRtp) ||
    (!a.encryptsRtcp && b.encryptsRtcp) ||
    (!a.authenticatesRtp && b.authenticatesRtp)
  );
}

/** This party's offer, as far as we would take it. The same again, as to another branch, is no new exchange. */
export function hearSdesOffer(side: SdesSide, lines: readonly CryptoAttribute[], isRanked: boolean): void {
  const isSame =
    lines.length === side.offered.length &&
    lines.every(({ key }, index) => isSameKey(key, side.offered[index]?.key ?? key));
  if (!isSame) side.answers = [];
  keepLatestKey(side);
  side.offered = lines;
  side.isRanked = isRanked;
}

/** This party answered our offer. False when it took no line of it. */
export function hearSdesAnswer(side: SdesSide, lines: readonly CryptoAttribute[]): boolean {
  const taken = takenLine(side.told, lines);
  if (taken === undefined) return false;
  const { ours, theirs } = taken;
  side.isAnswered = true;
  side.used = ours;
  // What the answer says of encryption and authentication holds for both directions (RFC 4568 section 6.3).
  side.send = withUsesOf(ours.key, theirs.key);
  hearKey(side, theirs.key);
  return true;
}

function hearKey(side: SdesSide, key: SrtpKey): void {
  const others = side.receive.filter((known) => !isSameKey(known, key));
  side.receive = [key, ...others].slice(0, receiveKeysMax);
}

export interface SdesAnswerWish {
  readonly options: MediaOptions;
  readonly random: Random;
  /** SDES towards the other party, once it answered. */
  readonly other: SdesSide | undefined;
}

/** Answers this party's offer: the keys are in force, and `answered` is the line to tell. */
export function answerSdes(side: SdesSide, wish: SdesAnswerWish): void {
  const line = chosenLine(side, wish);
  if (line === undefined) return;
  const passed = passedKey(line, wish);
  const key = passed ?? keptKey(side, line, wish) ?? freshKey(line.key.suite, wish.random);
  side.answered = {
    tag: line.tag,
    key: withUsesOf(key, line.key),
    lifetime: lifetimeOf(wish.options.sdes),
    isOurs: passed === undefined,
  };
  side.used = side.answered;
  if (passed === undefined) {
    const others = side.answers.filter(({ key: { suite } }) => suite !== line.key.suite);
    side.answers = [side.answered, ...others];
  }
  // An offer of ours that was not answered until now never will be, and one of its keys may have been in use.
  side.isAnswered = true;
  side.send = side.answered.key;
  hearKey(side, line.key);
}

function chosenLine(side: SdesSide, { options, other }: SdesAnswerWish): CryptoAttribute | undefined {
  const { offered, used } = side;
  if (options.sdes.isStatic && used !== undefined) {
    const same = offered.filter(({ key }) => key.suite === used.key.suite);
    const kept = same.find(({ tag }) => tag === used.tag) ?? same[0];
    if (kept !== undefined) return kept;
  }
  const send = other?.send;
  if (send === undefined || side.isRanked || options.recrypts) return offered[0];
  return (
    offered.find(({ key }) => isSameKey(key, send)) ??
    offered.find(({ key }) => key.suite === send.suite) ??
    offered[0]
  );
}

/** The other party's own key, where both directions can then pass untouched. */
function passedKey(line: CryptoAttribute, { options, other }: SdesAnswerWish): SrtpKey | undefined {
  const [theirs] = other?.receive ?? [];
  if (options.recrypts || theirs === undefined || other?.send === undefined) return undefined;
  const passes = isSameKey(line.key, other.send) && isSameKey(withUsesOf(theirs, line.key), theirs);
  return passes && theirs.suite === line.key.suite ? theirs : undefined;
}

/** Ours of before. Not what is or was another party's: one key must not protect two versions of a packet. */
function keptKey(
  { used, answers }: SdesSide,
  line: CryptoAttribute,
  { other }: SdesAnswerWish,
): SrtpKey | undefined {
  const candidates = used?.isOurs === true ? [used, ...answers] : answers;
  const kept = candidates.find(({ key }) => key.suite === line.key.suite)?.key;
  const isShared = kept !== undefined && other?.receive.some((key) => isSameMaster(key, kept)) === true;
  return isShared ? undefined : kept;
}

function withUsesOf(key: SrtpKey, { encryptsRtp, encryptsRtcp, authenticatesRtp }: SrtpKey): SrtpKey {
  const isSame =
    key.encryptsRtp === encryptsRtp &&
    key.encryptsRtcp === encryptsRtcp &&
    key.authenticatesRtp === authenticatesRtp;
  return isSame ? key : { ...key, encryptsRtp, encryptsRtcp, authenticatesRtp };
}
