/**
 * How often a source that proved nothing is answered. A forged source address must not get more than a trickle of our
 * replies, and nobody guesses passwords at line rate. Sources share a fixed number of counters by a keyed hash, so that
 * a flood of addresses takes no memory; the worst it does is to make a newcomer wait.
 */
import { familyOf, type IpAddress, ipToWords } from "../core/address.ts";
import { Allowance } from "../core/allowance.ts";
import { turnChallengeBuckets, turnChallengeBurst } from "../core/limits.ts";
import type { Random } from "../core/random.ts";
import type { MonotonicMs } from "../core/time.ts";

export class ChallengeRate {
  readonly #key: number;
  #perSec = 0;
  #allowance: Allowance | undefined;

  /** 0 a second: no limit. */
  constructor(random: Random, perSec: number) {
    this.#key = random.below(0x1_0000_0000);
    this.setRate(perSec);
  }

  setRate(perSec: number): void {
    if (perSec === this.#perSec) return;
    this.#perSec = perSec;
    this.#allowance =
      perSec > 0 ? new Allowance(turnChallengeBuckets, perSec, turnChallengeBurst) : undefined;
  }

  /** True if a reply may go there now. An IPv6 source is its /64: one host has all of that. */
  take(nowMs: MonotonicMs, ip: IpAddress): boolean {
    return this.#allowance?.take(this.#bucketOf(ip), nowMs) ?? true;
  }

  #bucketOf(ip: IpAddress): number {
    const words = ipToWords(ip);
    const [high, low] = familyOf(ip) === 4 ? [0xffff, words[3]] : [words[0], words[1]];
    let hash = Math.imul(this.#key ^ high, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15) ^ low, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return ((hash ^ (hash >>> 16)) >>> 0) % turnChallengeBuckets;
  }
}
