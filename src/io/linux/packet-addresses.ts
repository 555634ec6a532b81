/** Addresses of packets' parts, each boxed once and for all (see `BoxedNumbers`). */
import type { BoxedNumbers } from "./libc.ts";

/** Payloads begin at a multiple of four bytes around where their packets were received. */
const aheadBytes = 64;
const behindBytes = 192;
const boxesPerPlace = (aheadBytes + behindBytes) / 4;

/** Where packets are received: offsets in the arena, of the first and from one to the next. */
export interface PacketPlaces {
  readonly firstOffset: number;
  readonly strideBytes: number;
  readonly count: number;
}

export class PacketAddresses {
  readonly #base: number;
  readonly #first: number;
  readonly #strideBytes: number;
  readonly #endOffset: number;
  readonly #boxed: BoxedNumbers = [null];

  /** `base`: the address of the arena. */
  constructor(base: number, { firstOffset, strideBytes, count }: PacketPlaces) {
    this.#base = base;
    this.#first = firstOffset - aheadBytes;
    this.#strideBytes = strideBytes;
    this.#endOffset = this.#first + count * strideBytes;
    for (let place = 0; place < count; place++) {
      for (let at = 0; at < 4 * boxesPerPlace; at += 4) {
        this.#boxed.push(base + this.#first + place * strideBytes + at);
      }
    }
  }

  /** Whether these are the addresses to ask for what lies there. */
  covers(offset: number): boolean {
    return offset >= this.#first && offset < this.#endOffset;
  }

  /** Of any offset; no allocation near where packets begin. */
  at(offset: number): number {
    const from = offset - this.#first;
    const place = this.#strideBytes === 0 ? 0 : (from / this.#strideBytes) | 0;
    const within = from - place * this.#strideBytes;
    const isBoxed = (within & 3) === 0 && within >= 0 && within < 4 * boxesPerPlace;
    return isBoxed ? this.#boxed[1 + place * boxesPerPlace + (within >> 2)]! : this.#base + offset;
  }
}
