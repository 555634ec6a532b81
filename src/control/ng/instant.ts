/** One moment on both clocks: durations and deadlines take the monotonic one, what clients read the other. */
import type { MonotonicMs, UnixMs } from "../../core/time.ts";

export interface Instant {
  readonly monotonicMs: MonotonicMs;
  readonly unixMs: UnixMs;
}

/** The Unix time of a moment on the monotonic clock, whole seconds. */
export function unixSecondsOf(now: Instant, moment: MonotonicMs): number {
  return Math.floor((now.unixMs - (now.monotonicMs - moment)) / 1000);
}
