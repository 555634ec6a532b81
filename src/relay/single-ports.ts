/**
 * Single ports out of a pool of pairs, for relays that need no neighbour (TURN).
 *
 * A pair whose one port is in use keeps the other as a spare. Spares are drawn only when there are many of them, or
 * nothing else is left, and then at random: the neighbour of a port that somebody knows would be easy to guess.
 */
import { turnSparePortsMin } from "../core/limits.ts";
import type { Random } from "../core/random.ts";
import type { MonotonicMs } from "../core/time.ts";
import type { PortPool } from "./port-pool.ts";

/** `pair`: an even port and the one above it. */
export type PortWish = "any" | "even" | "pair";

export class SinglePorts {
  readonly #pool: PortPool;
  readonly #random: Random;
  /** Even ports of the pairs we have, and how many of the two are in use. */
  readonly #pairs = new Map<number, number>();
  readonly #spares: number[] = [];

  constructor(pool: PortPool, random: Random) {
    this.#pool = pool;
    this.#random = random;
  }

  /** The port, or the lower one of two; undefined: there is none. */
  take(nowMs: MonotonicMs, wish: PortWish): number | undefined {
    if (wish === "any" && this.#spares.length >= turnSparePortsMin) return this.#takeSpare(this.#spares);
    const base = this.#pool.take(nowMs);
    if (base === undefined) {
      if (wish === "pair") return undefined;
      return this.#takeSpare(wish === "any" ? this.#spares : this.#spares.filter((port) => port % 2 === 0));
    }
    this.#pairs.set(base, wish === "pair" ? 2 : 1);
    if (wish !== "pair") this.#spares.push(base + 1);
    return base;
  }

  giveBack(port: number): void {
    const base = port - (port % 2);
    const inUse = (this.#pairs.get(base) ?? 0) - 1;
    if (inUse < 0) throw new Error(`single ports: port ${port} was not taken`);
    if (inUse > 0) {
      this.#pairs.set(base, inUse);
      this.#spares.push(port);
      return;
    }
    this.#leave(base);
    this.#pool.giveBack(base);
  }

  /** Instead of `giveBack`: somebody else holds the port. */
  avoid(port: number, nowMs: MonotonicMs): void {
    const base = port - (port % 2);
    const inUse = (this.#pairs.get(base) ?? 0) - 1;
    // The pair is kept by its other port, and this one is drawn no more until both are given back.
    if (inUse > 0) {
      this.#pairs.set(base, inUse);
      return;
    }
    this.#leave(base);
    this.#pool.avoid(base, nowMs);
  }

  #leave(base: number): void {
    this.#pairs.delete(base);
    for (const port of [base, base + 1]) {
      const at = this.#spares.indexOf(port);
      if (at >= 0) this.#spares.splice(at, 1);
    }
  }

  #takeSpare(fitting: readonly number[]): number | undefined {
    const port = fitting[this.#random.below(fitting.length)];
    if (port === undefined) return undefined;
    this.#spares.splice(this.#spares.indexOf(port), 1);
    const base = port - (port % 2);
    this.#pairs.set(base, (this.#pairs.get(base) ?? 0) + 1);
    return port;
  }
}
