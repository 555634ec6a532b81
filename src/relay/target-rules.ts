/** Where a worker's sockets never send, and where another leg of ours may be. Endpoints are five words. */
import type { Slots } from "./slots.ts";

export class TargetRules {
  readonly #slots: Slots;
  readonly #forbidden: Int32Array;
  readonly #ownMedia: Int32Array;

  /** `forbidden`: endpoints; `ownMedia`: rows of four IP words, first and last port. */
  constructor(slots: Slots, forbidden: Int32Array, ownMedia: Int32Array) {
    this.#slots = slots;
    this.#forbidden = forbidden;
    this.#ownMedia = ownMedia;
  }

  /**
   * Our listeners, the sockets a packet sent there would come back through (the pair's own and its peer's), and what
   * is no single party.
   */
  isForbidden(slot: number, targets: Int32Array, at: number): boolean {
    if (targets[at + 4] === 0 || isUnspecified(targets, at)) return true;
    if (isMulticast(targets, at)) return true;
    if (this.#slots.isLocal(slot, targets, at)) return true;
    const peer = this.#slots.peerOf(slot);
    if (peer >= 0 && this.#slots.isLocal(peer, targets, at)) return true;
    for (let row = 0; row < this.#forbidden.length; row += 5) {
      let word = 0;
      while (word < 5 && this.#forbidden[row + word] === targets[at + word]) word++;
      if (word === 5) return true;
    }
    return false;
  }

  /** A port on which this relay may have a pair: the party there is another leg of ours. */
  isOwnMedia(targets: Int32Array, at: number): boolean {
    const own = this.#ownMedia;
    const port = targets[at + 4]!;
    for (let row = 0; row < own.length; row += 6) {
      let word = 0;
      while (word < 4 && own[row + word] === targets[at + word]) word++;
      if (word === 4 && port >= own[row + 4]! && port <= own[row + 5]!) return true;
    }
    return false;
  }
}

/** 0.0.0.0 or ::, which the kernel takes for this very machine: hold, or an attempt at what listens here. */
export function isUnspecified(words: Int32Array, at: number): boolean {
  if (words[at] !== 0 || words[at + 1] !== 0 || words[at + 3] !== 0) return false;
  return words[at + 2] === 0 || words[at + 2] === 0xffff;
}

/** 224.0.0.0/4 and what is above it, ff00::/8. */
function isMulticast(words: Int32Array, at: number): boolean {
  const isV4 = words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0xffff;
  return isV4 ? words[at + 3]! >>> 28 >= 14 : words[at]! >>> 24 === 0xff;
}
