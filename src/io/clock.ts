/** The real clocks. */
import type { Clock, MonotonicMs, UnixMs } from "../core/time.ts";

export const systemClock: Clock = {
  // CLOCK_MONOTONIC of the process: `performance.now()` starts at zero in every worker. Whole microseconds keep the
  // number exact for 285 years.
  monotonicMs: () => {
    const [seconds, nanoseconds] = process.hrtime();
    return (seconds * 1_000 + Math.trunc(nanoseconds / 1_000) / 1_000) as MonotonicMs;
  },
  unixMs: () => Date.now() as UnixMs,
};
