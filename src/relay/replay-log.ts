/**
 * The wire bytes of what a worker sent in the last 200 ms, so that a party which was between two networks can get them
 * again. One log serves all slots: packets lie one behind the other in chunks of the arena, and each names the packet
 * that left the same slot before it.
 *
 * Chunks that hold nothing recent go back to a stack and the one given back last is taken first, so the memory in use
 * follows the load and stays in the processor's caches. When all are in use the oldest gives way.
 *
 * A packet is named by its serial number, counted modulo 2^32; serials from `#oldest` to `#next` are alive, and 0 names
 * none. What stands in a chunk is never read as anything but a packet's bytes.
 */
import { packetSizeBytesMax, replayAgeMsMax } from "../core/limits.ts";
import { workerField } from "./counters.ts";

const chunkBytes = 64 * 1024;
/** So much memory for each packet that can be named; the others' room is taken from it. */
const bytesPerEntry = 128;

/** Words of an entry; a power of two. */
const entry = { offset: 0, slotAndSize: 1, previous: 2, at: 3 } as const;
const entryWordsShift = 2;
const entryBytes = 4 << entryWordsShift;

const sizeBits = 11;
const sizeMask = (1 << sizeBits) - 1;
if (packetSizeBytesMax > sizeMask) throw new Error("replay log: a packet's size does not fit its field");

interface Layout {
  readonly entries: number;
  readonly chunks: number;
}

/** Entries are a power of two, so that a serial's low bits name them. */
function layoutOf(memoryBytes: number): Layout {
  const entries = memoryBytes < 2 * chunkBytes ? 0 : 2 ** Math.floor(Math.log2(memoryBytes / bytesPerEntry));
  return { entries, chunks: Math.floor((memoryBytes - entries * entryBytes) / chunkBytes) };
}

/** Bytes of the arena that a log with so much memory in all needs; 0 where that is too little for any. */
export function replayLogBytes(memoryBytes: number): number {
  const { entries, chunks } = layoutOf(memoryBytes);
  return entries === 0 ? 0 : chunks * chunkBytes;
}

export class ReplayLog {
  /** False: there is no memory, and nothing may be appended. */
  readonly isOn: boolean;
  readonly #bytes: Uint8Array;
  readonly #base: number;
  readonly #worker: Float64Array;
  readonly #entries: Int32Array;
  readonly #entriesMax: number;
  readonly #mask: number;
  /** By slot: the serial of its newest packet. */
  readonly #newest: Int32Array;
  /** By chunk: its first serial, and the time of its last packet once it is full. */
  readonly #firstSerials: Int32Array;
  readonly #lastTimes: Int32Array;
  readonly #free: Int32Array;
  #freeCount: number;
  /** Chunks in use, oldest first, as a ring. */
  readonly #used: Int32Array;
  #usedFirst = 0;
  #usedCount = 0;
  /** Where the next packet goes, and where its chunk ends. */
  #head = 0;
  #end = 0;
  #next = 1;
  #oldest = 1;
  /** The serial that has no entry until the oldest chunk is given back. */
  #limit = 1;

  /**
   * `base`: where in the arena its `replayLogBytes` begin, aligned to eight bytes; `worker`: the worker's counter record.
   */
  constructor(
    bytes: Uint8Array,
    base: number,
    memoryBytes: number,
    capacitySlots: number,
    worker: Float64Array,
  ) {
    const { entries, chunks } = layoutOf(memoryBytes);
    if (capacitySlots > 2 ** (32 - sizeBits)) throw new Error("replay log: too many slots");
    this.isOn = entries > 0;
    this.#bytes = bytes;
    this.#base = base;
    this.#worker = worker;
    this.#entries = new Int32Array(entries << entryWordsShift);
    this.#entriesMax = entries;
    this.#mask = entries - 1;
    this.#newest = new Int32Array(this.isOn ? capacitySlots : 0);
    this.#firstSerials = new Int32Array(chunks);
    this.#lastTimes = new Int32Array(chunks);
    this.#free = Int32Array.from({ length: chunks }, (_, index) => chunks - 1 - index);
    this.#freeCount = chunks;
    this.#used = new Int32Array(chunks);
  }

  /**
   * Keeps a copy of what leaves the slot now. `nowMs`: whole milliseconds as int32, modulo 2^32, so that no call boxes a
   * double; it never goes back. No allocation.
   */
  append(slot: number, offset: number, sizeBytes: number, nowMs: number): void {
    if (sizeBytes > packetSizeBytesMax) return;
    if (this.#head + sizeBytes > this.#end || this.#next === this.#limit) this.#turn(nowMs);
    const to = this.#head;
    const serial = this.#next;
    const entries = this.#entries;
    const at = (serial & this.#mask) << entryWordsShift;
    entries[at + entry.offset] = to;
    entries[at + entry.slotAndSize] = (slot << sizeBits) | sizeBytes;
    entries[at + entry.previous] = this.#newest[slot]!;
    entries[at + entry.at] = nowMs;
    this.#newest[slot] = serial;
    this.#bytes.copyWithin(to, offset, offset + sizeBytes);
    this.#head = to + ((sizeBytes + 7) & ~7);
    this.#next = (serial + 1) | 0;
  }

  /** The serial that the next packet gets. */
  get nextSerial(): number {
    return this.#next;
  }

  /** Serial of the slot's newest packet, or 0. */
  newestOf(slot: number): number {
    const serial = this.isOn ? this.#newest[slot]! : 0;
    return this.isAlive(serial, slot) ? serial : 0;
  }

  /** Serial of the packet that left the slot before this one of its packets, or 0. */
  previousOf(serial: number, slot: number): number {
    const previous = this.#entries[this.#at(serial) + entry.previous]!;
    return this.isAlive(previous, slot) ? previous : 0;
  }

  /** The packet is still here. Serials come round after 2^32 packets, so whose it is counts as well. */
  isAlive(serial: number, slot: number): boolean {
    if (serial === 0) return false;
    const age = (this.#next - serial) >>> 0;
    if (age === 0 || age > (this.#next - this.#oldest) >>> 0) return false;
    return this.#entries[this.#at(serial) + entry.slotAndSize]! >>> sizeBits === slot;
  }

  /** Where in the arena a living packet lies. */
  offsetOf(serial: number): number {
    return this.#entries[this.#at(serial) + entry.offset]!;
  }

  sizeOf(serial: number): number {
    return this.#entries[this.#at(serial) + entry.slotAndSize]! & sizeMask;
  }

  /** Milliseconds from `sinceMs` to the living packet, whole ones; negative: it left earlier. */
  msSince(serial: number, sinceMs: number): number {
    return (this.#entries[this.#at(serial) + entry.at]! - (sinceMs | 0)) | 0;
  }

  /** What left the slot is not to be sent again; true if there was something. */
  forget(slot: number): boolean {
    const hadSome = this.newestOf(slot) !== 0;
    if (this.isOn) this.#newest[slot] = 0;
    return hadSome;
  }

  #at(serial: number): number {
    return (serial & this.#mask) << entryWordsShift;
  }

  /** On to another chunk. What is too old makes room; else, where there is none, the oldest does. */
  #turn(nowMs: number): void {
    if (this.#usedCount > 0) {
      const current = this.#used[(this.#usedFirst + this.#usedCount - 1) % this.#used.length]!;
      this.#lastTimes[current] = this.#entries[this.#at(this.#next - 1) + entry.at]!;
    }
    while (this.#usedCount > 0) {
      const ageMs = (nowMs - this.#lastTimes[this.#used[this.#usedFirst]!]!) | 0;
      const isNeeded = this.#freeCount === 0 || this.#next === this.#limit;
      if (ageMs <= replayAgeMsMax && !isNeeded) break;
      this.#giveBackOldest();
    }
    const chunk = this.#free[--this.#freeCount]!;
    this.#used[(this.#usedFirst + this.#usedCount) % this.#used.length] = chunk;
    this.#usedCount++;
    this.#firstSerials[chunk] = this.#next;
    this.#settle();
    this.#head = this.#base + chunk * chunkBytes;
    this.#end = this.#head + chunkBytes;
    this.#worker[workerField.replayBytes] = this.#usedCount * chunkBytes;
  }

  #giveBackOldest(): void {
    this.#free[this.#freeCount++] = this.#used[this.#usedFirst]!;
    this.#usedFirst = (this.#usedFirst + 1) % this.#used.length;
    this.#usedCount--;
    this.#settle();
  }

  #settle(): void {
    this.#oldest = this.#usedCount === 0 ? this.#next : this.#firstSerials[this.#used[this.#usedFirst]!]!;
    this.#limit = (this.#oldest + this.#entriesMax) | 0;
  }
}
