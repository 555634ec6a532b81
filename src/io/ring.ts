/**
 * A ring of fixed-size records between two threads: one writes, one reads, neither waits.
 *
 * Memory: four words (head, tail, wake flag, spare), then the records. The writer alone moves the head, the reader
 * alone the tail; both grow modulo 2^32, and the number of records is a power of two.
 */
import type { RecordReader } from "../relay/driver.ts";
import type { GaugedWriter } from "../relay/turn/turn-driver.ts";

const control = { head: 0, tail: 1, wake: 2, words: 4 } as const;

export function allocateRing(records: number, recordWords: number): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * (control.words + records * recordWords));
}

function recordMask(words: Int32Array, recordWords: number): number {
  const records = (words.length - control.words) / recordWords;
  if (!Number.isInteger(Math.log2(records)))
    throw new Error("ring: the number of records is no power of two");
  return records - 1;
}

export class RingWriter implements GaugedWriter {
  readonly words: Int32Array;
  readonly #recordWords: number;
  readonly #mask: number;

  constructor(memory: SharedArrayBuffer, recordWords: number) {
    this.words = new Int32Array(memory);
    this.#recordWords = recordWords;
    this.#mask = recordMask(this.words, recordWords);
  }

  begin(): number {
    const head = Atomics.load(this.words, control.head);
    const used = (head - Atomics.load(this.words, control.tail)) | 0;
    return used > this.#mask ? -1 : control.words + (head & this.#mask) * this.#recordWords;
  }

  commit(): void {
    Atomics.add(this.words, control.head, 1);
  }

  /** Records that the reader has not released yet. */
  get used(): number {
    return (Atomics.load(this.words, control.head) - Atomics.load(this.words, control.tail)) | 0;
  }

  /** Notes that the reader is to be woken. False: that was noted before and the reader has not looked since. */
  requestWake(): boolean {
    return Atomics.exchange(this.words, control.wake, 1) === 0;
  }
}

export class RingReader implements RecordReader {
  readonly words: Int32Array;
  readonly #recordWords: number;
  readonly #mask: number;

  constructor(memory: SharedArrayBuffer, recordWords: number) {
    this.words = new Int32Array(memory);
    this.#recordWords = recordWords;
    this.#mask = recordMask(this.words, recordWords);
  }

  begin(): number {
    const tail = Atomics.load(this.words, control.tail);
    if (tail === Atomics.load(this.words, control.head)) return -1;
    return control.words + (tail & this.#mask) * this.#recordWords;
  }

  release(): void {
    Atomics.add(this.words, control.tail, 1);
  }

  /** Called after the wake-up is consumed and before looking: whatever is written from now on asks for a new one. */
  acknowledgeWake(): void {
    Atomics.store(this.words, control.wake, 0);
  }
}
