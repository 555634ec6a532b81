/**
 * The time by which all that was taken will have been paid for, if one more is taken now at a rate of one a step;
 * undefined: that is further ahead than a burst allows.
 */
export function payOneMore(
  paidMs: number,
  nowMs: number,
  stepMs: number,
  aheadMsMax: number,
): number | undefined {
  const nextMs = Math.max(paidMs, nowMs) + stepMs;
  return nextMs - nowMs > aheadMsMax ? undefined : nextMs;
}

/** How often something may happen: so often a second, and so often at once. One number of memory for each of many. */
export class Allowance {
  readonly #stepMs: number;
  readonly #aheadMsMax: number;
  /** When all that was taken will have been paid for at the rate that allows. */
  readonly #paidMs: Float64Array;

  constructor(capacity: number, perSec: number, burst: number) {
    this.#stepMs = 1_000 / perSec;
    this.#aheadMsMax = burst * this.#stepMs;
    this.#paidMs = new Float64Array(capacity);
  }

  /** True if it may happen now; it is taken as having happened then. No allocation. */
  take(index: number, nowMs: number): boolean {
    const paidMs = payOneMore(this.#paidMs[index] ?? 0, nowMs, this.#stepMs, this.#aheadMsMax);
    if (paidMs === undefined) return false;
    this.#paidMs[index] = paidMs;
    return true;
  }

  /** Forgets what was taken. */
  clear(index: number): void {
    this.#paidMs[index] = 0;
  }
}
