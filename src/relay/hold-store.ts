/**
 * Packets kept until the handover policy decides: early media before the party's SDP is known, newcomers during the
 * hold time, and media for a party that nobody knows how to reach yet. They lie in the worker's arena in two size
 * classes, so a release sends from where they lie. When a class is full, the slot that holds most of it gives way, so
 * that floods of unproven packets to a few ports leave everybody else's room.
 *
 * Every node is in two lists: its slot's, oldest first, and the worker's by age. Links hold index + 1, so zeroed
 * memory means empty and stays untouched until used.
 */
import {
  candidatesPerSlotMax,
  heldAgeMsMax,
  heldBytesPerWorkerMax,
  heldPacketsPerEgressMax,
  heldPacketsPerStreamMax,
  packetHeadroomBytes,
  packetRoomBytes,
  packetSizeBytesMax,
} from "../core/limits.ts";
import { workerField } from "./counters.ts";
import { reason } from "./reasons.ts";
import { SlotRanking } from "./slot-ranking.ts";

const smallBytes = 256;
const smallNodes = Math.floor(heldBytesPerWorkerMax / 2 / smallBytes);
const largeNodes = Math.floor(heldBytesPerWorkerMax / 2 / packetSizeBytesMax);
const nodeCount = smallNodes + largeNodes;
const packetsPerSlotMax = (candidatesPerSlotMax + 1) * heldPacketsPerStreamMax + heldPacketsPerEgressMax;

/** In place of a candidate: packets that wait for the slot to have somewhere to send. */
export const egressCandidate = candidatesPerSlotMax;

/** In place of a candidate: packets of a secure leg that wait for its keys, each behind its source. */
export const keylessCandidate = candidatesPerSlotMax + 1;

const nodesBytes = smallNodes * smallBytes + largeNodes * packetSizeBytesMax;

/** Bytes of the arena the store needs: its nodes, and a place in and one out. */
export const holdStoreBytes = nodesBytes + 2 * packetRoomBytes;

export class HoldStore {
  readonly #bytes: Uint8Array;
  readonly #base: number;
  readonly #worker: Float64Array;
  readonly #slotHead: Int32Array;
  readonly #slotTail: Int32Array;
  readonly #slotSmall: SlotRanking;
  readonly #slotLarge: SlotRanking;
  readonly #next = new Int32Array(nodeCount);
  readonly #previous = new Int32Array(nodeCount);
  readonly #younger = new Int32Array(nodeCount);
  readonly #older = new Int32Array(nodeCount);
  readonly #slot = new Int32Array(nodeCount);
  readonly #candidate = new Int32Array(nodeCount);
  readonly #kind = new Uint8Array(nodeCount);
  readonly #size = new Uint16Array(nodeCount);
  readonly #at = new Float64Array(nodeCount);
  #oldest = 0;
  #youngest = 0;
  #freeSmall = 0;
  #freeLarge = 0;
  #freshSmall = 0;
  #freshLarge = smallNodes;

  /** `base`: where in the arena the store's `holdStoreBytes` begin; `worker`: the worker's counter record. */
  constructor(bytes: Uint8Array, base: number, capacitySlots: number, worker: Float64Array) {
    this.#bytes = bytes;
    this.#base = base;
    this.#worker = worker;
    this.#slotHead = new Int32Array(capacitySlots);
    this.#slotTail = new Int32Array(capacitySlots);
    this.#slotSmall = new SlotRanking(capacitySlots, packetsPerSlotMax);
    this.#slotLarge = new SlotRanking(capacitySlots, packetsPerSlotMax);
  }

  /** True if the bytes lie in the store: ciphers must not touch them there, because there is no room behind them. */
  owns(offset: number): boolean {
    return offset >= this.#base && offset < this.#base + nodesBytes;
  }

  /** Where a kept packet is taken in anew, with the room in front and behind that any packet has. */
  get intakeOffset(): number {
    return this.#base + nodesBytes + packetHeadroomBytes;
  }

  /** The same for packets on their way out. Whatever is sent may overwrite it. */
  get outletOffset(): number {
    return this.#base + nodesBytes + packetRoomBytes + packetHeadroomBytes;
  }

  /** When `expire` has something to do; Infinity when nothing is held. */
  nextDeadlineMs(): number {
    return this.#oldest === 0 ? Number.POSITIVE_INFINITY : this.#at[this.#oldest - 1]! + heldAgeMsMax;
  }

  /** Keeps a copy. `reason.hold`, or why it could not; a full stream loses its oldest packet. */
  add(
    slot: number,
    candidate: number,
    kind: number,
    offset: number,
    sizeBytes: number,
    nowMs: number,
  ): number {
    if (sizeBytes > packetSizeBytesMax) return reason.heldTooLarge;
    const streamMax = candidate === egressCandidate ? heldPacketsPerEgressMax : heldPacketsPerStreamMax;
    if (this.#packetsOf(slot) >= streamMax) this.#makeRoom(slot, candidate, streamMax);
    if (this.#packetsOf(slot) >= packetsPerSlotMax) return reason.heldStoreFull;
    let link = this.#takeNode(sizeBytes);
    if (link === 0 && this.#dropOfFullest(slot, sizeBytes)) link = this.#takeNode(sizeBytes);
    if (link === 0) return reason.heldStoreFull;
    const node = link - 1;
    this.#slot[node] = slot;
    this.#candidate[node] = candidate;
    this.#kind[node] = kind;
    this.#size[node] = sizeBytes;
    this.#at[node] = nowMs;
    this.#bytes.copyWithin(this.offsetOf(link), offset, offset + sizeBytes);
    this.#append(link);
    return reason.hold;
  }

  /** Link of the oldest packet held for (slot, candidate), or 0. */
  first(slot: number, candidate: number): number {
    let link = this.#slotHead[slot]!;
    while (link !== 0 && this.#candidate[link - 1] !== candidate) link = this.#next[link - 1]!;
    return link;
  }

  /** Link of the packet held next after `link` for the same slot and the candidate, or 0. */
  nextOf(link: number, candidate: number): number {
    let next = this.#next[link - 1]!;
    while (next !== 0 && this.#candidate[next - 1] !== candidate) next = this.#next[next - 1]!;
    return next;
  }

  /** Link of the oldest packet held for the slot, whatever its candidate, or 0. */
  firstOf(slot: number): number {
    return this.#slotHead[slot]!;
  }

  /** Link of the oldest packet that is too old at `nowMs`, or 0. */
  firstExpired(nowMs: number): number {
    const link = this.#oldest;
    return link !== 0 && this.#at[link - 1]! + heldAgeMsMax <= nowMs ? link : 0;
  }

  offsetOf(link: number): number {
    const node = link - 1;
    if (node < smallNodes) return this.#base + node * smallBytes;
    return this.#base + smallNodes * smallBytes + (node - smallNodes) * packetSizeBytesMax;
  }

  sizeOf(link: number): number {
    return this.#size[link - 1]!;
  }

  kindOf(link: number): number {
    return this.#kind[link - 1]!;
  }

  /** When the packet arrived. */
  arrivalOf(link: number): number {
    return this.#at[link - 1]!;
  }

  isEgress(link: number): boolean {
    return this.#candidate[link - 1] === egressCandidate;
  }

  slotOf(link: number): number {
    return this.#slot[link - 1]!;
  }

  remove(link: number): void {
    const node = link - 1;
    const slot = this.#slot[node]!;
    const next = this.#next[node]!;
    const previous = this.#previous[node]!;
    if (previous === 0) this.#slotHead[slot] = next;
    else this.#next[previous - 1] = next;
    if (next === 0) this.#slotTail[slot] = previous;
    else this.#previous[next - 1] = previous;
    this.#rankingOf(link).decrease(slot);
    const younger = this.#younger[node]!;
    const older = this.#older[node]!;
    if (older === 0) this.#oldest = younger;
    else this.#younger[older - 1] = younger;
    if (younger === 0) this.#youngest = older;
    else this.#older[younger - 1] = older;
    this.#giveNode(link);
  }

  #append(link: number): void {
    const node = link - 1;
    const slot = this.#slot[node]!;
    const tail = this.#slotTail[slot]!;
    this.#previous[node] = tail;
    this.#next[node] = 0;
    if (tail === 0) this.#slotHead[slot] = link;
    else this.#next[tail - 1] = link;
    this.#slotTail[slot] = link;
    this.#rankingOf(link).increase(slot);
    this.#older[node] = this.#youngest;
    this.#younger[node] = 0;
    if (this.#youngest === 0) this.#oldest = link;
    else this.#younger[this.#youngest - 1] = link;
    this.#youngest = link;
  }

  /** Drops the oldest packet of a stream that has its full number. The walk is bounded by `packetsPerSlotMax`. */
  #makeRoom(slot: number, candidate: number, streamMax: number): void {
    let packets = 0;
    for (let link = this.#slotHead[slot]!; link !== 0; link = this.#next[link - 1]!) {
      if (this.#candidate[link - 1] === candidate) packets++;
    }
    if (packets >= streamMax) this.#drop(this.first(slot, candidate));
  }

  /**
   * Drops the oldest packet of the size class in the slot that holds most of it; false if that is `slot` itself, or
   * holds no more than it would. The walk is bounded by `packetsPerSlotMax`.
   */
  #dropOfFullest(slot: number, sizeBytes: number): boolean {
    const isSmall = sizeBytes <= smallBytes;
    const ranking = isSmall ? this.#slotSmall : this.#slotLarge;
    if (ranking.highest <= ranking.countOf(slot) + 1) return false;
    let link = this.#slotHead[ranking.first()]!;
    while (link <= smallNodes !== isSmall) link = this.#next[link - 1]!;
    this.#drop(link);
    return true;
  }

  #drop(link: number): void {
    this.remove(link);
    this.#worker[workerField.reasons + reason.heldDropped]!++;
  }

  #packetsOf(slot: number): number {
    return this.#slotSmall.countOf(slot) + this.#slotLarge.countOf(slot);
  }

  #rankingOf(link: number): SlotRanking {
    return link <= smallNodes ? this.#slotSmall : this.#slotLarge;
  }

  #takeNode(sizeBytes: number): number {
    let link = 0;
    if (sizeBytes <= smallBytes) {
      link = this.#freeSmall;
      if (link !== 0) this.#freeSmall = this.#next[link - 1]!;
      else if (this.#freshSmall < smallNodes) link = ++this.#freshSmall;
    } else {
      link = this.#freeLarge;
      if (link !== 0) this.#freeLarge = this.#next[link - 1]!;
      else if (this.#freshLarge < nodeCount) link = ++this.#freshLarge;
    }
    if (link !== 0)
      this.#worker[workerField.heldBytes]! += link <= smallNodes ? smallBytes : packetSizeBytesMax;
    return link;
  }

  #giveNode(link: number): void {
    const isSmall = link <= smallNodes;
    this.#worker[workerField.heldBytes]! -= isSmall ? smallBytes : packetSizeBytesMax;
    this.#next[link - 1] = isSmall ? this.#freeSmall : this.#freeLarge;
    if (isSmall) this.#freeSmall = link;
    else this.#freeLarge = link;
  }
}
