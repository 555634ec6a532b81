/**
 * Which sequence numbers of a stream were relayed within the last 10 s: what a receiver report from somebody who hears
 * the stream may name. Two marks for each stream, some 5 s apart, made by a packet now and then: the numbers from the older
 * mark on are at most 10 s old. All errors are on the safe side: of numbers more than 5 s old some do not count, nor,
 * after a silence of as long, do the first few.
 */
import { receiptAgeMsMax, ssrcsPerSlotMax } from "../core/limits.ts";
import { reception } from "../rtp/reception.ts";

const stepMs = receiptAgeMsMax / 2;

/** Streams by their number: a record's offset without this many bits. */
const recordShift = 4;
if (1 << recordShift !== reception.size) throw new Error("sent marks: a stream's record has another size");

export class SentMarks {
  readonly #streams: Float64Array;
  /** By stream record: when the next mark is due, and the extended sequence numbers marked. */
  readonly #dueMs: Float64Array;
  readonly #older: Float64Array;
  readonly #newer: Float64Array;

  /** `streams`: the records that `at` is an offset of below. */
  constructor(streams: Float64Array, capacitySlots: number) {
    const records = (capacitySlots >>> 1) * ssrcsPerSlotMax;
    this.#streams = streams;
    this.#dueMs = new Float64Array(records);
    this.#older = new Float64Array(records);
    this.#newer = new Float64Array(records);
  }

  /** The record is a new stream's. */
  start(at: number, nowMs: number): void {
    this.#mark(at, nowMs, true);
  }

  /** Packets come, and this is one of them, now and then. No allocation. */
  note(at: number, nowMs: number): void {
    const lateMs = nowMs - this.#dueMs[at >>> recordShift]!;
    // After silence the newer mark is too old itself.
    if (lateMs >= 0) this.#mark(at, nowMs, lateMs >= stepMs);
  }

  /**
   * True if this number, of which the lower 16 bits count, was relayed within the last 10 s. A receiver's cycles above
   * them begin with its own first packet and say nothing.
   */
  isRecent(at: number, sequence: number, nowMs: number): boolean {
    const streams = this.#streams;
    const index = at >>> recordShift;
    const lateMs = nowMs - this.#dueMs[index]!;
    if (lateMs >= stepMs) return false;
    const highest = streams[at + reception.highestExtended]!;
    const extended = highest - ((highest - sequence) & 0xffff);
    const mark = lateMs < 0 ? this.#older[index]! : this.#newer[index]!;
    // A stream that began anew meanwhile has a later base, or is behind the mark.
    return extended >= mark && mark >= streams[at + reception.baseExtended]!;
  }

  #mark(at: number, nowMs: number, isFirst: boolean): void {
    const index = at >>> recordShift;
    const highest = this.#streams[at + reception.highestExtended]!;
    this.#older[index] = isFirst ? highest : this.#newer[index]!;
    this.#newer[index] = highest;
    this.#dueMs[index] = stepMs + (isFirst ? nowMs : this.#dueMs[index]!);
  }
}
