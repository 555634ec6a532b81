/**
 * Decides when a worker pauses after a batch, so that packets gather and share the cost of a wake-up.
 *
 * Only under load: the packet rate is looked at every ten milliseconds, and below the threshold every packet goes out
 * at once. A pause adds at most 300 microseconds of delay (250 asked for, and the kernel's timer slack).
 */
const windowMs = 10;
const busyPacketsPerWindow = 100;
/** Hysteresis: calm again only well below the threshold. */
const calmPacketsPerWindow = 60;
const pauseUs = 250;
/** A batch of this size needs no help. */
const fullBatch = 64;

export class Coalescer {
  readonly #isOn: boolean;
  #windowEndMs = 0;
  #packets = 0;
  #isBusy = false;

  constructor(isOn: boolean) {
    this.#isOn = isOn;
  }

  /** Microseconds to sleep after a batch of `ready` reports; 0: none. */
  pauseUs(ready: number, nowMs: number): number {
    if (!this.#isOn) return 0;
    if (nowMs >= this.#windowEndMs) {
      this.#isBusy = this.#packets >= (this.#isBusy ? calmPacketsPerWindow : busyPacketsPerWindow);
      this.#packets = 0;
      this.#windowEndMs = nowMs + windowMs;
    }
    this.#packets += Math.max(0, ready);
    return this.#isBusy && ready > 0 && ready < fullBatch ? pauseUs : 0;
  }
}
