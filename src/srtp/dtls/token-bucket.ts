/** A rate with a burst: so many at once, and from then on so many a second. */
import type { MonotonicMs } from "../../core/time.ts";

export class TokenBucket {
  readonly #burst: number;
  readonly #perSec: number;
  #tokens: number;
  #filledAtMs: MonotonicMs;

  constructor(burst: number, perSec: number, nowMs: MonotonicMs) {
    this.#burst = burst;
    this.#perSec = perSec;
    this.#tokens = burst;
    this.#filledAtMs = nowMs;
  }

  /** Takes one token; false when there is none. */
  take(nowMs: MonotonicMs): boolean {
    const elapsedMs = Math.max(0, nowMs - this.#filledAtMs);
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs * this.#perSec) / 1000);
    this.#filledAtMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
