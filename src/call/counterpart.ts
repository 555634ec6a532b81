/**
 * m-lines of one party beside those of the other.
 *
 * They have the same index (RFC 3264 section 6), except where `sdp-media-remove` keeps some of the offerer's m-lines
 * from the answerer: `skipped` of a leg names m-lines of its peer that it never sees.
 */
import type { LegState } from "./state.ts";

/** The peer's index of this leg's m-line; undefined where the peer does not see it. */
export function counterpartIndex(leg: LegState, peer: LegState, index: number): number | undefined {
  if (leg.skipped.length > 0) return unskip(leg.skipped, index);
  if (peer.skipped.length > 0) return skip(peer.skipped, index);
  return index;
}

/** From the index of him who sees fewer m-lines to the index of him who sees all. */
function unskip(skipped: readonly number[], index: number): number {
  let full = index;
  for (const gap of skipped) if (gap <= full) full++;
  return full;
}

function skip(skipped: readonly number[], index: number): number | undefined {
  if (skipped.includes(index)) return undefined;
  return index - skipped.filter((gap) => gap < index).length;
}
