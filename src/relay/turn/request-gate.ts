/**
 * Which requests may wait for main. The ring holds so many; of those a stranger's address has a share, all strangers
 * have one together, and every client with an allocation has its own. So a flood of requests without credentials, from
 * one address or from very many, leaves room for the refreshes of those who are served. Nothing is allocated.
 *
 * Clients are told apart by a hash under a secret: two of them may share a share, and nobody can choose with whom.
 */
import {
  turnRequestRecords,
  turnStrangersWaitingMax,
  turnWaitingPerClientMax,
  turnWaitingPerStrangerMax,
  turnWaitingPerStreamMax,
} from "../../core/limits.ts";
import { isV4 } from "../../turn/data-facts.ts";
import type { GaugedWriter } from "./turn-driver.ts";

/** Shares of strangers, and as many of clients behind them. */
const shares = 4_096;

export class RequestGate {
  readonly #ring: GaugedWriter;
  readonly #seed: number;
  readonly #waiting = new Uint16Array(2 * shares);
  /** Whose the records in the ring are, in their order. */
  readonly #owners = new Uint16Array(turnRequestRecords);
  #written = 0;
  #settled = 0;
  #strangers = 0;
  #share = 0;

  constructor(ring: GaugedWriter, seed: number) {
    this.#ring = ring;
    this.#seed = seed | 0;
  }

  /** True: there is room for one more of this source; `note` follows once it is in the ring. */
  admitsStranger(source: Int32Array): boolean {
    this.#settle();
    // An IPv6 host has all of its /64.
    const hash = isV4(source) ? this.#hash(source[3]!, 0, 0) : this.#hash(source[0]!, source[1]!, 1);
    this.#share = hash & (shares - 1);
    return (
      this.#strangers < turnStrangersWaitingMax && this.#waiting[this.#share]! < turnWaitingPerStrangerMax
    );
  }

  /** The same for a client with an allocation. */
  admitsClient(source: Int32Array, port: number): boolean {
    this.#settle();
    const hash = this.#hash(source[3]!, source[1]! ^ source[2]!, port);
    this.#share = shares + (hash & (shares - 1));
    return this.#waiting[this.#share]! < turnWaitingPerClientMax;
  }

  /** The same for what is to leave by a stream. */
  admitsStream(stream: number): boolean {
    this.#settle();
    this.#share = shares + (this.#hash(0, 0, stream) & (shares - 1));
    return this.#waiting[this.#share]! < turnWaitingPerStreamMax;
  }

  /** What was admitted last has been written. */
  note(): void {
    const share = this.#share;
    this.#owners[this.#written & (turnRequestRecords - 1)] = share;
    this.#written = (this.#written + 1) | 0;
    this.#waiting[share]!++;
    if (share < shares) this.#strangers++;
  }

  /** Takes note of what main has read meanwhile. */
  #settle(): void {
    const { used } = this.#ring;
    while (((this.#written - this.#settled) | 0) > used) {
      const share = this.#owners[this.#settled & (turnRequestRecords - 1)]!;
      this.#waiting[share]!--;
      if (share < shares) this.#strangers--;
      this.#settled = (this.#settled + 1) | 0;
    }
  }

  #hash(first: number, second: number, third: number): number {
    let hash = Math.imul(this.#seed ^ first, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15) ^ second, 0xc2b2ae35);
    hash = Math.imul(hash ^ (hash >>> 13) ^ third, 0x85ebca6b);
    return hash ^ (hash >>> 16);
  }
}
