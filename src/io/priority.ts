/** Media before whatever else of ours wants the same core. */
import { getPriority, setPriority } from "node:os";

/**
 * Of nice(2): a thread ten steps higher gets nine tenths of a core that another wants all of. With five it was interrupted
 * sixteen times as often while calls were set up on the same core.
 */
const stepsMax = 10;
const highest = -20;

/**
 * The calling thread comes before others from now on: on Linux each has a priority of its own. Takes CAP_SYS_NICE or a
 * limit that allows it (RLIMIT_NICE); without, all go on as equals.
 *
 * Lowering the others would take no right, and starve them on a machine that other programs saturate.
 */
export function comeFirst(): void {
  rise(getPriority(0), (priority) => setPriority(0, priority));
}

/** `set` throws at what is not allowed. */
export function rise(before: number, set: (priority: number) => void): void {
  for (let priority = Math.max(before - stepsMax, highest); priority < before; priority++) {
    try {
      set(priority);
      return;
    } catch {
      // Not so far; the limit may allow a part of it.
    }
  }
}
