/** Arms one timer for whatever is due next in the relay's handshakes and for our certificates. */
import type { Clock, MonotonicMs } from "../core/time.ts";

/** Something that has one next deadline. */
export interface Timed {
  nextDeadlineMs(): MonotonicMs | undefined;
  handleTimeout(nowMs: MonotonicMs): void;
}

/** What setTimeout can wait for. */
const delayMsMax = 2 ** 31 - 1;

export class DeadlineTimer {
  readonly #clock: Clock;
  readonly #parts: readonly Timed[];
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #timerAt: number = Number.POSITIVE_INFINITY;
  #isFiring = false;
  #isClosed = false;

  constructor(clock: Clock, parts: readonly Timed[]) {
    this.#clock = clock;
    this.#parts = parts;
  }

  /** To be called when a deadline may have moved; firing too early does no harm. */
  schedule(): void {
    if (this.#isFiring || this.#isClosed || this.#immediate !== undefined) return;
    const deadline = this.#nextDeadline();
    if (deadline === Number.POSITIVE_INFINITY) {
      this.#disarm();
    } else if (deadline < this.#timerAt) {
      this.#disarm();
      this.#timerAt = deadline;
      const delayMs = Math.min(Math.ceil(deadline - this.#clock.monotonicMs()), delayMsMax);
      // What is left of a turn goes on at once, and control is heard in between.
      if (delayMs <= 0) this.#immediate = setImmediate(() => this.#fire());
      else this.#timer = setTimeout(() => this.#fire(), delayMs);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#disarm();
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  #nextDeadline(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const part of this.#parts) first = Math.min(first, part.nextDeadlineMs() ?? first);
    return first;
  }

  #fire(): void {
    this.#disarm();
    // What is told meanwhile arms nothing.
    this.#isFiring = true;
    for (const part of this.#parts) {
      const nowMs = this.#clock.monotonicMs();
      const deadline = part.nextDeadlineMs();
      if (deadline !== undefined && deadline <= nowMs) part.handleTimeout(nowMs);
    }
    this.#isFiring = false;
    this.schedule();
  }
}
