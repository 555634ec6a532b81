/**
 * Decides when a worker pauses after a batch, so that packets gather and share the cost of a wake-up.
 *
 * Only under load, and only in time that would be idle otherwise: every ten milliseconds the packet rate and the time
 * spent at work are looked at. Below the threshold every packet goes out at once; a worker that is nearly used up does
 * not pause either, since its batches grow by themselves. A pause adds at most 300 microseconds of delay (250 asked
 * for, and the kernel's timer slack).
 */
const windowMs = 10;
const busyPacketsPerWindow = 100;
/** Hysteresis: calm again only well below the threshold. */
const calmPacketsPerWindow = 60;
/** A batch of this size needs no help. */
const fullBatch = 64;

const longPauseUs = 250;
const shortPauseUs = 100;
/** The part of a window that must have been idle. */
const idleForLongPause = 0.35;
const idleForShortPause = 0.2;

export class Coalescer {
  readonly #isOn: boolean;
  #windowStartMs = 0;
  #windowEndMs = 0;
  #packets = 0;
  #workMs = 0;
  #isBusy = false;
  #pauseUs = longPauseUs;

  constructor(isOn: boolean) {
    this.#isOn = isOn;
  }

  /** Under load: from now on `noteWork` must be told of every batch. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** How long a batch took, from the wake-up to its end. */
  noteWork(durationMs: number): void {
    this.#workMs += durationMs;
  }

  /** Microseconds to sleep after a batch of `ready` reports, read at `nowMs`; 0: none. */
  pauseUs(ready: number, nowMs: number): number {
    if (!this.#isOn) return 0;
    if (nowMs >= this.#windowEndMs) this.#beginWindow(nowMs);
    this.#packets += Math.max(0, ready);
    return this.#isBusy && ready > 0 && ready < fullBatch ? this.#pauseUs : 0;
  }

  #beginWindow(nowMs: number): void {
    const wasBusy = this.#isBusy;
    this.#isBusy = this.#packets >= (wasBusy ? calmPacketsPerWindow : busyPacketsPerWindow);
    // Before it was busy nobody told of its work.
    const idle = wasBusy ? 1 - this.#workMs / (nowMs - this.#windowStartMs) : 1;
    this.#pauseUs = pauseFor(idle);
    this.#packets = 0;
    this.#workMs = 0;
    this.#windowStartMs = nowMs;
    this.#windowEndMs = nowMs + windowMs;
  }
}

function pauseFor(idle: number): number {
  if (idle >= idleForLongPause) return longPauseUs;
  return idle >= idleForShortPause ? shortPauseUs : 0;
}
