/** Shows that code allocates nothing. */
import assert from "node:assert/strict";
import { heapBytes } from "./hostile/memory.ts";

const triesMax = 10;

/**
 * Asserts that `work`, which runs some ten thousand steps, leaves less than `limitBytes` on the heap. It may try again:
 * what it tells of is optimised code, and the optimiser works beside it, on a busy machine much later. What allocates
 * in each step does so in each try.
 */
export function assertNoGrowth(work: () => void, limitBytes: number): void {
  let leastBytes = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < triesMax && leastBytes >= limitBytes; tries++) {
    const before = heapBytes();
    work();
    leastBytes = Math.min(leastBytes, process.memoryUsage().heapUsed - before);
  }
  assert.ok(leastBytes < limitBytes, `${leastBytes} bytes`);
}
