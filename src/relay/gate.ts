/**
 * What of STUN and DTLS a worker passes up to main: checks meant for one of its legs and answers to ours, handshakes
 * where DTLS is to be had; so many a second. Everything else ends here. Typed arrays and numbers, nothing allocated.
 */
import { Allowance } from "../core/allowance.ts";
import {
  iceLocalUfragSizeBytesMax,
  packetSizeBytesMax,
  packetsUpPerSlotBurstMax,
  packetsUpPerSlotPerSecMax,
  packetsUpPerWorkerBurstMax,
  packetsUpPerWorkerPerSecMax,
} from "../core/limits.ts";
import { type PacketFacts, packetKind } from "../handover/contract.ts";
import { read16, read32 } from "../rtp/rtp.ts";
import type { RecordWriter } from "./driver.ts";
import { packetField } from "./packet-records.ts";
import { reason } from "./reasons.ts";
import type { Slots } from "./slots.ts";

/** Checks of ours whose answers pass; of more than that under way at once the older ones are asked again. */
const transactionsKept = 4_096;
const transactionAt = 8;

/** Header, its class bits, and the attribute with both sides' user name fragments (RFC 8489 sections 5 and 14.3). */
const stunHeaderBytes = 20;
const stunClass = { mask: 0x0110, request: 0x0000, indication: 0x0010 } as const;
const usernameAttribute = 0x0006;
const colon = 0x3a;

export class Gate {
  readonly #arena: Uint8Array;
  readonly #slots: Slots;
  readonly #ring: RecordWriter;
  readonly #ringBytes: Uint8Array;
  /** By pair, two of each: our user name fragment, and the one before a restart, whose checks still come for a while. */
  readonly #ufrags: Uint8Array;
  readonly #ufragSizes: Uint8Array;
  /** By slot, each its own, so that a flood of one kind leaves room for the others. */
  readonly #ofKnown: Allowance;
  readonly #ofStun: Allowance;
  readonly #ofDtls: Allowance;
  /** Apart as well: who floods a worker with handshakes must not keep checks away, whose names cannot be guessed. */
  readonly #stunOfWorker = new Allowance(1, packetsUpPerWorkerPerSecMax, packetsUpPerWorkerBurstMax);
  readonly #dtlsOfWorker = new Allowance(1, packetsUpPerWorkerPerSecMax, packetsUpPerWorkerBurstMax);
  /** Of checks of ours, the first 64 bits of their ids: an answer nobody asked for is dropped where it is cheap. */
  readonly #transactions = new Int32Array(2 * transactionsKept);
  /** Something was written that main was not woken for. */
  owesWake = false;

  constructor(arena: Uint8Array, slots: Slots, ring: RecordWriter) {
    this.#arena = arena;
    this.#slots = slots;
    this.#ring = ring;
    const { buffer, byteOffset, byteLength } = ring.words;
    this.#ringBytes = new Uint8Array(buffer, byteOffset, byteLength);
    this.#ufrags = new Uint8Array(slots.capacitySlots * iceLocalUfragSizeBytesMax);
    this.#ufragSizes = new Uint8Array(slots.capacitySlots);
    const ofSlot = (): Allowance =>
      new Allowance(slots.capacitySlots, packetsUpPerSlotPerSecMax, packetsUpPerSlotBurstMax);
    // No id that belongs into the first place begins like this, and zeros belong into no other: all are vacant.
    this.#transactions[0] = 1;
    this.#ofKnown = ofSlot();
    this.#ofStun = ofSlot();
    this.#ofDtls = ofSlot();
  }

  /** Another one than before is a restart of ICE (RFC 8445 section 9). Empty: no check is for this pair. */
  setUfrag(slot: number, ufrag: Uint8Array, sizeBytes: number): void {
    const current = slot & ~1;
    const former = current + 1;
    if (sizeBytes > 0 && this.#hasUfrag(current, ufrag, sizeBytes)) return;
    const at = current * iceLocalUfragSizeBytesMax;
    this.#ufrags.copyWithin(at + iceLocalUfragSizeBytesMax, at, at + iceLocalUfragSizeBytesMax);
    this.#ufragSizes[former] = sizeBytes === 0 ? 0 : this.#ufragSizes[current]!;
    for (let index = 0; index < sizeBytes; index++) this.#ufrags[at + index] = ufrag[index]!;
    this.#ufragSizes[current] = sizeBytes;
  }

  #hasUfrag(entry: number, ufrag: Uint8Array, sizeBytes: number): boolean {
    if (this.#ufragSizes[entry] !== sizeBytes) return false;
    const at = entry * iceLocalUfragSizeBytesMax;
    for (let index = 0; index < sizeBytes; index++) {
      if (this.#ufrags[at + index] !== ufrag[index]) return false;
    }
    return true;
  }

  close(slot: number): void {
    for (let each = slot & ~1; each <= (slot | 1); each++) {
      this.#ufragSizes[each] = 0;
      this.#ofKnown.clear(each);
      this.#ofStun.clear(each);
      this.#ofDtls.clear(each);
    }
  }

  /** What main sends: an answer to it is let through. */
  noteSent(bytes: Uint8Array, offset: number, sizeBytes: number): void {
    if (sizeBytes < stunHeaderBytes || bytes[offset]! > 3) return;
    if ((read16(bytes, offset) & stunClass.mask) !== stunClass.request) return;
    const first = read32(bytes, offset + transactionAt);
    const at = 2 * (first & (transactionsKept - 1));
    this.#transactions[at] = first;
    this.#transactions[at + 1] = read32(bytes, offset + transactionAt + 4);
  }

  #isAnswer(offset: number): boolean {
    const first = read32(this.#arena, offset + transactionAt);
    const at = 2 * (first & (transactionsKept - 1));
    const second = read32(this.#arena, offset + transactionAt + 4);
    return this.#transactions[at] === first && this.#transactions[at + 1] === second;
  }

  /** A request whose USERNAME begins with the pair's fragment (RFC 8445 section 7.2.2), or an answer to one of ours. */
  isMeant(slot: number, offset: number, sizeBytes: number): boolean {
    const bytes = this.#arena;
    const current = slot & ~1;
    if (this.#ufragSizes[current] === 0) return false;
    const ofClass = read16(bytes, offset) & stunClass.mask;
    if (ofClass === stunClass.indication) return false;
    if (ofClass !== stunClass.request) return sizeBytes >= stunHeaderBytes && this.#isAnswer(offset);
    const end = offset + Math.min(sizeBytes, stunHeaderBytes + read16(bytes, offset + 2));
    let at = offset + stunHeaderBytes;
    // Every attribute takes four bytes at least, so the walk is bounded by the datagram.
    while (at + 4 <= end) {
      const valueBytes = read16(bytes, at + 2);
      if (read16(bytes, at) === usernameAttribute) {
        if (at + 4 + valueBytes > end) return false;
        return this.#isUfrag(current, at + 4, valueBytes) || this.#isUfrag(current + 1, at + 4, valueBytes);
      }
      at += 4 + ((valueBytes + 3) & ~3);
    }
    return false;
  }

  /** Copies the datagram into the ring; `passedUp`, or why it could not. `isKnown`: its source is proven or signalled. */
  passUp(facts: PacketFacts, offset: number, isKnown: boolean, nowMs: number): number {
    const { slot, sizeBytes } = facts;
    if (sizeBytes > packetSizeBytesMax) return reason.tooLarge;
    const isStun = facts.kind === packetKind.stun;
    const ofStrangers = isStun ? this.#ofStun : this.#ofDtls;
    const ofWorker = isStun ? this.#stunOfWorker : this.#dtlsOfWorker;
    if (!(isKnown ? this.#ofKnown : ofStrangers).take(slot, nowMs)) return reason.packetsUpLimit;
    if (!isKnown && !ofWorker.take(0, nowMs)) return reason.packetsUpLimit;
    const at = this.#ring.begin();
    if (at < 0) return reason.packetsUpFull;
    const { words } = this.#ring;
    words[at + packetField.slot] = slot;
    words[at + packetField.generation] = this.#slots.generations[slot >>> 1]!;
    words[at + packetField.remote] = facts.ip0;
    words[at + packetField.remote + 1] = facts.ip1;
    words[at + packetField.remote + 2] = facts.ip2;
    words[at + packetField.remote + 3] = facts.ip3;
    words[at + packetField.remote + 4] = facts.port;
    words[at + packetField.sizeBytes] = sizeBytes;
    const to = 4 * (at + packetField.bytes);
    // One by one: a view of the packet would be an object for each.
    for (let index = 0; index < sizeBytes; index++)
      this.#ringBytes[to + index] = this.#arena[offset + index]!;
    this.#ring.commit();
    this.owesWake = true;
    return reason.passedUp;
  }

  /** The name at `at` begins with the fragment and a colon. */
  #isUfrag(entry: number, at: number, nameBytes: number): boolean {
    const sizeBytes = this.#ufragSizes[entry]!;
    if (sizeBytes === 0 || nameBytes <= sizeBytes || this.#arena[at + sizeBytes] !== colon) return false;
    const own = entry * iceLocalUfragSizeBytesMax;
    for (let index = 0; index < sizeBytes; index++) {
      if (this.#arena[at + index] !== this.#ufrags[own + index]) return false;
    }
    return true;
  }
}
