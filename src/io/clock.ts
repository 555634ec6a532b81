/** The real clocks. */
import type { Clock, MonotonicMs, UnixMs } from "../core/time.ts";

export const systemClock: Clock = {
  // CLOCK_MONOTONIC of the process: `performance.now()` starts at zero in every worker. Microseconds keep the
  // number exact for 285 years.
  monotonicMs: () => (Number(process.hrtime.bigint() / 1_000n) / 1_000) as MonotonicMs,
  unixMs: () => Date.now() as UnixMs,
};
