/** Which valid pair of a component is sent to. */
import type { MonotonicMs } from "../core/time.ts";
import { type CandidatePair, comparePairs } from "./pair.ts";
import { freshMs, liteSilentMs } from "./timing.ts";

/**
 * The nominated pair of the highest priority, or until there is one the best valid one (RFC 8445 sections 8.1.1, 12.1).
 * A pair that fell silent yields to one that worked just now, nominated or not; with no such pair it stays. Nobody
 * looks after the pairs that are not selected, so one of them counts only while there is a fresh sign of it.
 */
export function choosePair(
  pairs: readonly CandidatePair[],
  selected: CandidatePair | undefined,
  nowMs: MonotonicMs,
): CandidatePair | undefined {
  const mustWork = selected === undefined || selected.isSilent || selected.state !== "succeeded";
  let best: CandidatePair | undefined;
  for (const pair of pairs) {
    if (pair.state !== "succeeded" || pair.isSilent) continue;
    if (pair !== selected && nowMs - lastSignMs(pair, mustWork) > freshMs) continue;
    if (best === undefined || isBetter(pair, best)) best = pair;
  }
  return best ?? selected;
}

/** When it was known to work, or where that is no question now, when the peer was last heard there. */
function lastSignMs({ answeredAtMs, heardAtMs }: CandidatePair, mustWork: boolean): number {
  const workedMs = answeredAtMs ?? Number.NEGATIVE_INFINITY;
  return mustWork ? workedMs : Math.max(workedMs, heardAtMs ?? Number.NEGATIVE_INFINITY);
}

/** A lite agent sends no checks: it judges the selected pair by the checks of the peer. */
export function isSilentToLite(pair: CandidatePair, nowMs: MonotonicMs): boolean {
  return nowMs - (pair.answeredAtMs ?? nowMs) > liteSilentMs;
}

function isBetter(pair: CandidatePair, than: CandidatePair): boolean {
  return pair.isNominated === than.isNominated ? comparePairs(pair, than) < 0 : pair.isNominated;
}
