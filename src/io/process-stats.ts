/** What the process uses: memory, processor time, lateness of the main thread. */
import { monitorEventLoopDelay } from "node:perf_hooks";

export interface ProcessStats {
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly externalBytes: number;
  readonly cpuUserMs: number;
  readonly cpuSystemMs: number;
  readonly loopDelayMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

const samplingMs = 20;

/** Starts measuring; `read` gives the values now, loop delays since the reading before. */
export function watchProcess(): { read(): ProcessStats; close(): void } {
  const histogram = monitorEventLoopDelay({ resolution: samplingMs });
  histogram.enable();
  // The histogram holds the whole time between two samples in nanoseconds; what exceeds the interval is lateness.
  const lateness = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - samplingMs);
  return {
    read: () => {
      const memory = process.memoryUsage();
      const cpu = process.cpuUsage();
      const hasSamples = histogram.count > 0;
      const loopDelayMs = {
        p50: hasSamples ? lateness(histogram.percentile(50)) : 0,
        p99: hasSamples ? lateness(histogram.percentile(99)) : 0,
        max: hasSamples ? lateness(histogram.max) : 0,
      };
      histogram.reset();
      return {
        residentBytes: memory.rss,
        heapBytes: memory.heapUsed,
        externalBytes: memory.external,
        cpuUserMs: cpu.user / 1_000,
        cpuSystemMs: cpu.system / 1_000,
        loopDelayMs,
      };
    },
    close: () => {
      histogram.disable();
    },
  };
}
