/** Chance that can be repeated: one seed, one sequence (mulberry32). */
import type { Random } from "../../../src/core/random.ts";

export class Chance implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Goes on from here like this one, apart from it. */
  clone(): Chance {
    return new Chance(this.#state);
  }

  below(limit: number): number {
    return Math.floor((this.#next() / 2 ** 32) * limit);
  }

  bytes(sizeBytes: number): Uint8Array {
    return Uint8Array.from({ length: sizeBytes }, () => this.#next() >>> 24);
  }

  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** Any number from 0 to below `limit`. */
  upTo(limit: number): number {
    return (this.#next() / 2 ** 32) * limit;
  }

  /** True in this share of all cases, from 0 to 1. */
  happens(share: number): boolean {
    return this.#next() < share * 2 ** 32;
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("chance: nothing to pick from");
    return item;
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}
