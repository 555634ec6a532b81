/** Media before control, where both want the same core. */
import { readdirSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/** Of nice(2): a thread ten steps lower gets a tenth of a core that another wants all of. */
const steps = 10;
const lowest = 19;

/**
 * Of this process: before there are workers, main and those that compile and collect for all. Main alone, whose number is the
 * process's, where nobody can tell, or tells of another PID namespace.
 */
export function threadsSoFar(): readonly number[] {
  try {
    const threads = readdirSync("/proc/self/task").map(Number);
    return threads.includes(process.pid) ? threads : [process.pid];
  } catch {
    return [process.pid];
  }
}

/**
 * These threads come after the process's others from now on: on Linux each has a priority of its own. Packets then wait a
 * third as long while many calls are set up on the same core, and a worker is stopped for more than a millisecond twice in
 * eight seconds instead of up to 28 times. With a core for each nothing changes.
 */
export function letOthersFirst(threads: readonly number[]): void {
  for (const thread of threads) {
    try {
      setPriority(thread, Math.min(getPriority(thread) + steps, lowest));
    } catch {
      // It has ended, or a sandbox forbids it: both go on as equals.
    }
  }
}
