/** Media before control, where both want the same core. */
import { getPriority, setPriority } from "node:os";

/** Of nice(2): a thread ten steps lower gets a tenth of a core that another wants all of. */
const steps = 10;
const lowest = 19;

/**
 * Main comes after the relay's threads from now on, which are there already. On Linux a process's number is its main
 * thread's, and the others stay as they are: packets then wait a third as long while many calls are set up on the same core,
 * and no collection in a worker is held up by main. With a core for each nothing changes.
 */
export function letMediaFirst(): void {
  try {
    setPriority(process.pid, Math.min(getPriority(process.pid) + steps, lowest));
  } catch {
    // Where a sandbox forbids it both go on as equals.
  }
}
