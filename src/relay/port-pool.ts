/**
 * Free port pairs of one local address. A pair is an even port for RTP and the odd one above for RTCP.
 *
 * Ports are drawn at random, so that a stranger cannot guess the next call's and a late packet of an old call seldom
 * meets a new one. A port somebody else holds is put aside for a while.
 */
import type { Random } from "../core/random.ts";
import type { MonotonicMs } from "../core/time.ts";

/** How long a port that was found taken is left alone. */
const avoidedMs = 30_000;

export interface PortPoolStats {
  readonly free: number;
  readonly used: number;
  /** Put aside because another process holds them. */
  readonly avoided: number;
  readonly total: number;
}

type PairState = 0 | 1 | 2;
const state = { free: 0, used: 1, avoided: 2 } as const;

export class PortPool {
  readonly #base: number;
  readonly #states: Uint8Array;
  /** The first `#freeCount` entries are the free pairs, in no order. */
  readonly #free: Uint16Array;
  readonly #avoided: { readonly pair: number; readonly untilMs: number }[] = [];
  readonly #random: Random;
  #freeCount: number;

  /** Pairs whose both ports lie in [portMin, portMax]. */
  constructor(portMin: number, portMax: number, random: Random) {
    this.#base = portMin + (portMin & 1);
    const total = Math.max(0, (portMax - this.#base + 1) >> 1);
    this.#states = new Uint8Array(total);
    this.#free = Uint16Array.from({ length: total }, (_, index) => index);
    this.#freeCount = total;
    this.#random = random;
  }

  /** The RTP port of a free pair, now used; undefined when there is none. */
  take(nowMs: MonotonicMs): number | undefined {
    this.#readmit(nowMs);
    if (this.#freeCount === 0) return undefined;
    const at = this.#random.below(this.#freeCount);
    const pair = this.#free[at]!;
    this.#freeCount--;
    this.#free[at] = this.#free[this.#freeCount]!;
    this.#states[pair] = state.used;
    return this.#base + 2 * pair;
  }

  giveBack(port: number): void {
    this.#leave(this.#pairOf(port, state.used));
  }

  /** Instead of `giveBack`: somebody else holds the port. */
  avoid(port: number, nowMs: MonotonicMs): void {
    const pair = this.#pairOf(port, state.used);
    this.#states[pair] = state.avoided;
    this.#avoided.push({ pair, untilMs: nowMs + avoidedMs });
  }

  stats(): PortPoolStats {
    const total = this.#states.length;
    const avoided = this.#avoided.length;
    return { free: this.#freeCount, used: total - this.#freeCount - avoided, avoided, total };
  }

  #readmit(nowMs: MonotonicMs): void {
    let first = this.#avoided[0];
    while (first !== undefined && first.untilMs <= nowMs) {
      this.#avoided.shift();
      this.#leave(first.pair);
      first = this.#avoided[0];
    }
  }

  #leave(pair: number): void {
    this.#states[pair] = state.free;
    this.#free[this.#freeCount++] = pair;
  }

  #pairOf(port: number, expected: PairState): number {
    const pair = (port - this.#base) >> 1;
    if (((port - this.#base) & 1) !== 0 || this.#states[pair] !== expected) {
      throw new Error(`port pool: port ${port} was not taken`);
    }
    return pair;
  }
}
