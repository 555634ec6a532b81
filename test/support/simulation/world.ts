/** Simulated time: things happen at their moment, in the order they were planned, and nothing takes any. */
import type { Clock, MonotonicMs, UnixMs } from "../../../src/core/time.ts";

interface Plan {
  readonly atMs: number;
  readonly run: () => void;
}

/** The unix clock's distance from the monotonic one. */
const unixOffsetMs = 1_700_000_000_000;

export class World {
  readonly trace: string[] = [];
  readonly clock: Clock = {
    monotonicMs: () => this.nowMs,
    unixMs: () => (unixOffsetMs + Math.floor(this.nowMs)) as UnixMs,
  };
  nowMs = 1_000 as MonotonicMs;
  /** Runs after each step: the place for checks. */
  afterStep: () => void = () => undefined;
  /** Latest first, so that the next one is taken off the end. */
  readonly #plans: Plan[] = [];

  after(delayMs: number, run: () => void): void {
    const atMs = this.nowMs + Math.max(0, delayMs);
    let low = 0;
    let high = this.#plans.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#plans[middle]?.atMs ?? 0) > atMs) low = middle + 1;
      else high = middle;
    }
    this.#plans.splice(low, 0, { atMs, run });
  }

  note(text: string): void {
    this.trace.push(`${this.nowMs.toFixed(1)} ${text}`);
  }

  /** False when nothing is planned any more, or nothing before `untilMs`. */
  step(untilMs: number): boolean {
    const plan = this.#plans.at(-1);
    if (plan === undefined || plan.atMs > untilMs) return false;
    this.#plans.pop();
    this.nowMs = plan.atMs as MonotonicMs;
    plan.run();
    this.afterStep();
    return true;
  }

  /** Lets so much time pass. */
  pass(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    while (this.step(endMs));
    this.nowMs = endMs as MonotonicMs;
  }

  get planCount(): number {
    return this.#plans.length;
  }
}
