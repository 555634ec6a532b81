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
    const paidMs = Math.max(this.#paidMs[index] ?? 0, nowMs) + this.#stepMs;
    if (paidMs - nowMs > this.#aheadMsMax) return false;
    this.#paidMs[index] = paidMs;
    return true;
  }

  /** Forgets what was taken. */
  clear(index: number): void {
    this.#paidMs[index] = 0;
  }
}
