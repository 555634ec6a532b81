/**
 * What an address that signalling named is worth: whether its IP alone is evidence (docs/handover.md, "usable"),
 * and whether packets sent there can arrive.
 */

import { type IpAddress, isUnspecified } from "../core/address.ts";
import { type AddressClass, type Cidr, cidrContains, classifyIp } from "../core/address-class.ts";
import type { CallState } from "./state.ts";

/** Addresses judged before, kept at hand; the same gateways and phones come again and again. */
const rememberedMax = 4_096;

interface KnownAddress {
  readonly kind: AddressClass;
  /** Public, ours, or on a network of ours. */
  readonly isReachable: boolean;
}

export interface AddressFacts {
  readonly onLink: readonly Cidr[];
  readonly ownIps: ReadonlySet<IpAddress>;
  readonly isSignallingProxy: (ip: IpAddress) => boolean;
}

export class AddressJudge {
  readonly #facts: AddressFacts;
  readonly #known = new Map<IpAddress, KnownAddress>();
  /** Pairs of all calls by the source that was proven for them. */
  readonly #provenPairs = new Map<IpAddress, number>();

  constructor(facts: AddressFacts) {
    this.#facts = facts;
  }

  /**
   * usable: the IP alone proves its owner to be this call's party, whatever the port. shared: it would, but other
   * calls' media comes from there too. none: it says nothing about where media comes from.
   */
  worth(ip: IpAddress, call: CallState): "usable" | "shared" | "none" {
    if (!this.isReachable(ip)) return "none";
    if (this.#facts.ownIps.has(ip) || this.#facts.isSignallingProxy(ip)) return "none";
    return this.#carriesOtherCalls(ip, call) ? "shared" : "usable";
  }

  /** Public, or on a network of ours. */
  isReachable(ip: IpAddress): boolean {
    return this.#know(ip).isReachable;
  }

  /**
   * False for loopback and link-local addresses, unless our socket `from` has one of that kind itself: a party cannot
   * be there, but services of this machine are.
   */
  maySendTo(ip: IpAddress, from: IpAddress): boolean {
    const { kind } = this.#know(ip);
    return (kind !== "loopback" && kind !== "link-local") || this.#know(from).kind === kind;
  }

  /** Worth a try as a target in place of an address that cannot be reached. */
  mayStandIn(ip: IpAddress): boolean {
    return !isUnspecified(ip) && !this.#facts.isSignallingProxy(ip);
  }

  /** A pair's proven source moved from `before` to `after`; undefined: none. */
  noteProven(before: IpAddress | undefined, after: IpAddress | undefined): void {
    if (before === after) return;
    if (before !== undefined) {
      const left = (this.#provenPairs.get(before) ?? 1) - 1;
      if (left <= 0) this.#provenPairs.delete(before);
      else this.#provenPairs.set(before, left);
    }
    if (after !== undefined) this.#provenPairs.set(after, (this.#provenPairs.get(after) ?? 0) + 1);
  }

  #know(ip: IpAddress): KnownAddress {
    const known = this.#known.get(ip);
    if (known !== undefined) return known;
    const kind = classifyIp(ip);
    const isReachable = kind === "public" || this.#facts.ownIps.has(ip) || this.#isOnLink(ip, kind);
    const judged = { kind, isReachable };
    if (this.#known.size >= rememberedMax) this.#known.clear();
    this.#known.set(ip, judged);
    return judged;
  }

  #isOnLink(ip: IpAddress, kind: AddressClass): boolean {
    if (kind === "unspecified" || kind === "multicast" || kind === "reserved") return false;
    return this.#facts.onLink.some((cidr) => cidrContains(cidr, ip));
  }

  #carriesOtherCalls(ip: IpAddress, call: CallState): boolean {
    let pairs = this.#provenPairs.get(ip) ?? 0;
    if (pairs === 0) return false;
    for (const leg of call.legs) {
      for (const media of leg.media) if (media.pair?.provenIp === ip) pairs--;
    }
    return pairs > 0;
  }
}
