/** Who decides: controlling or controlled, and what happens when both think the same (RFC 8445 sections 6.1.1, 7.3.1.1). */
import type { IceSettings } from "../core/plan/security.ts";
import type { Random } from "../core/random.ts";

/** The role a check of the peer claims. */
export interface RoleClaim {
  readonly isControlling: boolean;
  /** 64 bits. */
  readonly tieBreaker: Uint8Array;
}

export class IceRole {
  readonly #random: Random;
  #asked: boolean | undefined;
  #isControlling = false;
  #tieBreaker: Uint8Array;

  constructor(random: Random) {
    this.#random = random;
    this.#tieBreaker = random.bytes(8);
  }

  get isControlling(): boolean {
    return this.#isControlling;
  }

  get tieBreaker(): Uint8Array {
    return this.#tieBreaker;
  }

  /**
   * Takes the role from the settings where they changed; a role that a conflict decided outlives repetitions and
   * restarts (RFC 8445 section 9). A lite peer cannot control a full agent. True if the role is another one now.
   */
  adopt({ isLite, isControlling, remote }: IceSettings): boolean {
    const isRemoteLite = remote?.isLite ?? false;
    const asked = isLite === isRemoteLite ? isControlling : isRemoteLite;
    if (asked === this.#asked) return false;
    this.#asked = asked;
    const isNew = asked !== this.#isControlling;
    this.#isControlling = asked;
    return isNew;
  }

  /**
   * RFC 8445 section 7.3.1.1. `refuse`: the peer has to give in (487); `switched`: we did. A lite agent never
   * takes control of a peer that checks.
   */
  judge(claim: RoleClaim | undefined, isLite: boolean): "agreed" | "switched" | "refuse" {
    if (claim === undefined || claim.isControlling !== this.#isControlling) return "agreed";
    const isOursLarger = compareBytes(this.#tieBreaker, claim.tieBreaker) >= 0;
    if (isLite) {
      if (!this.#isControlling) return "refuse";
    } else if (isOursLarger === this.#isControlling) {
      return "refuse";
    }
    this.#isControlling = !this.#isControlling;
    return "switched";
  }

  /** The peer answered 487 to a check that claimed this role (RFC 8445 section 7.2.5.1). True if we switched. */
  yieldFrom(wasControlling: boolean): boolean {
    if (wasControlling !== this.#isControlling) return false;
    this.#isControlling = !wasControlling;
    this.#tieBreaker = this.#random.bytes(8);
    return true;
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (const [index, byte] of a.entries()) {
    const difference = byte - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
