/**
 * A worker's slots as typed arrays. A slot is one socket; a pair is an even slot for RTP and the odd one above for
 * RTCP. What is said per pair is indexed by `slot >> 1`.
 */
import type { SlotSettings } from "../handover/contract.ts";
import { copyWords } from "../handover/words.ts";

/** What a socket's send target is: none, somebody's, or the port of a pair of ours. */
export const targetState = { none: 0, any: 1, own: 2 } as const;

export const pairFlag = {
  isOpen: 1,
  isMux: 2,
  mayReceive: 4,
  maySend: 8,
  isRtp: 16,
  isUdptl: 32,
  /** SRTP with keys of ours: SDES or DTLS. */
  isSecure: 64,
  /** Keys belong to the parties alone. */
  isPassed: 128,
  isDtls: 256,
  hasIce: 512,
  /** Its sockets serve other m-lines too. */
  isCarrier: 1024,
  /** Another pair's sockets serve it. */
  isBundled: 2048,
  /** What is sent to it is kept, because it may have to be sent again. */
  mayReplay: 4096,
} as const;

/** Flags of pairs that take more than the plain way in. */
export const guardedFlags = pairFlag.isSecure | pairFlag.isPassed | pairFlag.hasIce;

const bundleFlags = pairFlag.isCarrier | pairFlag.isBundled;

const noClockRates = new Uint32Array(128);

export class Slots {
  readonly capacitySlots: number;
  /** By pair. */
  readonly flags: Uint16Array;
  readonly generations: Int32Array;
  /** By pair, of its last user, which may have gone. They rise. */
  readonly #latest: Int32Array;
  readonly peerSlots: Int32Array;
  readonly peerGenerations: Int32Array;
  readonly localEndpoints: Int32Array;
  /** By pair, a code of `securityCode`. */
  readonly securities: Uint8Array;
  /** By pair: clock rates by payload type. */
  readonly clockRates: Uint32Array[];
  /** By slot, a code of `targetState`. */
  readonly targetStates: Uint8Array;
  /** By slot, five words: where it sends, as the policy last said. */
  readonly targets: Int32Array;

  constructor(capacitySlots: number) {
    const pairs = capacitySlots >>> 1;
    this.capacitySlots = capacitySlots;
    this.flags = new Uint16Array(pairs);
    // Of its full length: an array that grows is copied by the collections meanwhile.
    this.clockRates = new Array<Uint32Array>(pairs).fill(noClockRates);
    this.generations = new Int32Array(pairs);
    this.#latest = new Int32Array(pairs);
    this.peerSlots = new Int32Array(pairs);
    this.peerGenerations = new Int32Array(pairs);
    this.localEndpoints = new Int32Array(pairs * 5);
    this.securities = new Uint8Array(pairs);
    this.targetStates = new Uint8Array(capacitySlots);
    this.targets = new Int32Array(capacitySlots * 5);
  }

  open(slot: number, generation: number, words: Int32Array, local: number): void {
    const pair = slot >>> 1;
    this.generations[pair] = generation;
    this.#latest[pair] = generation;
    this.flags[pair] = pairFlag.isOpen | pairFlag.isRtp;
    this.peerSlots[pair] = -1;
    this.securities[pair] = 0;
    copyWords(this.localEndpoints, pair * 5, words, local, 5);
    this.clockRates[pair] = noClockRates;
    this.targetStates.fill(targetState.none, slot, slot + 2);
    this.targets.fill(0, slot * 5, slot * 5 + 10);
  }

  close(slot: number): void {
    const pair = slot >>> 1;
    this.flags[pair] = 0;
    this.generations[pair] = 0;
    this.clockRates[pair] = noClockRates;
  }

  /** What the pair is to a bundle is not said by these flags, and stays. */
  configure(slot: number, flags: number, settings: SlotSettings): void {
    this.flags[slot >>> 1] = flags | pairFlag.isOpen | (this.flags[slot >>> 1]! & bundleFlags);
    this.clockRates[slot >>> 1] = settings.clockRates;
  }

  isOpen(slot: number, generation: number): boolean {
    const pair = slot >>> 1;
    return (this.flags[pair]! & pairFlag.isOpen) !== 0 && this.generations[pair] === generation;
  }

  /** Not even opened so far. */
  isToCome(slot: number, generation: number): boolean {
    return generation > this.#latest[slot >>> 1]!;
  }

  /** RTP slot of the pair's living peer, or -1. */
  peerOf(slot: number): number {
    const pair = slot >>> 1;
    const peer = this.peerSlots[pair]!;
    if (peer < 0 || this.generations[peer >>> 1] !== this.peerGenerations[pair]) return -1;
    return peer;
  }

  /** True if the endpoint is one of the pair's two sockets. */
  isLocal(slot: number, target: Int32Array, at: number): boolean {
    const local = (slot >>> 1) * 5;
    for (let word = 0; word < 4; word++) {
      if (this.localEndpoints[local + word] !== target[at + word]) return false;
    }
    const port = target[at + 4]!;
    return port === this.localEndpoints[local + 4] || port === this.localEndpoints[local + 4]! + 1;
  }
}
