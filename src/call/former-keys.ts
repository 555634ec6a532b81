/**
 * SDES keys that a later answer has replaced: those of another branch on the same ports, which may have lost, and those
 * of before a re-INVITE. What was on its way under them is heard for a moment; then the key of the present answer alone
 * counts, as everybody who answered our offer knows the key that we send with.
 */
import { addMs, type MonotonicMs } from "../core/time.ts";
import type { SdesSide } from "./security-state.ts";
import { keepLatestKey } from "./srtp-answer.ts";
import type { LegState } from "./state.ts";

/** As long as a source is heard that an SDP has superseded (docs/handover.md, "Where we send"). */
const formerKeysMs = 3_000;

/** An answer has settled the keys of this leg. */
export function limitFormerKeys(leg: LegState, nowMs: MonotonicMs): void {
  for (const sdes of sdesOf(leg)) {
    sdes.formerUntilMs = sdes.receive.length > 1 ? addMs(nowMs, formerKeysMs) : undefined;
  }
}

/** When the first of them go; Infinity: there are none. */
export function formerKeysUntilMs(leg: LegState): number {
  let at = Number.POSITIVE_INFINITY;
  for (const { security } of leg.media) at = Math.min(at, security?.sdes?.formerUntilMs ?? at);
  return at;
}

/** True if keys went, which the relay is to be told. */
export function dropFormerKeys(leg: LegState, nowMs: MonotonicMs): boolean {
  const due = sdesOf(leg).filter(
    ({ formerUntilMs }) => formerUntilMs !== undefined && formerUntilMs <= nowMs,
  );
  for (const sdes of due) keepLatestKey(sdes);
  return due.length > 0;
}

function sdesOf(leg: LegState): readonly SdesSide[] {
  return leg.media.flatMap(({ security }) => security?.sdes ?? []);
}
