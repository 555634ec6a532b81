/**
 * A hash table from a few 32-bit words to a small number, of a fixed size and without allocation: what a packet is
 * looked up by. An entry keeps its number until it is removed, so values lie in arrays beside the table.
 *
 * The words that are sought are put into `key` first: a call with six of them would be hard to read.
 */
import assert from "node:assert/strict";

export class WordTable {
  /** What the next call is about. */
  readonly key: Int32Array;
  readonly #keyWords: number;
  readonly #seed: number;
  readonly #isScattered: boolean;
  readonly #keys: Int32Array;
  readonly #heads: Int32Array;
  readonly #mask: number;
  /** Of a used entry: the next in its chain; of a free one: the next that is free. */
  readonly #next: Int32Array;
  #free = 0;
  #size = 0;

  /**
   * `seed`: a secret number, or strangers choose addresses that all meet in one chain. Undefined: the one word is a
   * number of our own giving; such run on, and what is in use lies together and stays in the processor's cache.
   */
  constructor(capacity: number, keyWords: number, seed: number | undefined) {
    assert.ok(seed !== undefined || keyWords === 1, "word table: of one word, or with a seed");
    this.key = new Int32Array(keyWords);
    this.#keyWords = keyWords;
    this.#seed = (seed ?? 0) | 0;
    this.#isScattered = seed !== undefined;
    this.#keys = new Int32Array(capacity * keyWords);
    this.#mask = 2 ** Math.ceil(Math.log2(Math.max(2, capacity))) - 1;
    this.#heads = new Int32Array(this.#mask + 1).fill(-1);
    this.#next = Int32Array.from({ length: capacity }, (_, entry) => (entry + 1 < capacity ? entry + 1 : -1));
  }

  get size(): number {
    return this.#size;
  }

  /** The entry of `key`, or -1. No allocation. */
  find(): number {
    let entry = this.#heads[this.#bucketOf(this.key, 0)] ?? -1;
    while (entry >= 0 && !this.#isAt(entry)) entry = this.#next[entry] ?? -1;
    return entry;
  }

  /** The entry of `key`, made if there is none; -1: the table is full. */
  add(): number {
    const found = this.find();
    if (found >= 0) return found;
    const entry = this.#free;
    if (entry < 0) return -1;
    this.#free = this.#next[entry] ?? -1;
    this.#keys.set(this.key, entry * this.#keyWords);
    const bucket = this.#bucketOf(this.key, 0);
    this.#next[entry] = this.#heads[bucket] ?? -1;
    this.#heads[bucket] = entry;
    this.#size++;
    return entry;
  }

  /** A word of a used entry's key. */
  wordAt(entry: number, index: number): number {
    return this.#keys[entry * this.#keyWords + index] ?? 0;
  }

  /** The entry must be used. */
  remove(entry: number): void {
    const bucket = this.#bucketOf(this.#keys, entry * this.#keyWords);
    let at = this.#heads[bucket] ?? -1;
    if (at === entry) this.#heads[bucket] = this.#next[entry] ?? -1;
    else {
      while (at >= 0 && this.#next[at] !== entry) at = this.#next[at] ?? -1;
      assert.ok(at >= 0, "word table: the entry is not used");
      this.#next[at] = this.#next[entry] ?? -1;
    }
    this.#next[entry] = this.#free;
    this.#free = entry;
    this.#size--;
  }

  #isAt(entry: number): boolean {
    const start = entry * this.#keyWords;
    for (let index = 0; index < this.#keyWords; index++) {
      if (this.#keys[start + index] !== this.key[index]) return false;
    }
    return true;
  }

  #bucketOf(words: Int32Array, start: number): number {
    if (!this.#isScattered) return (words[start] ?? 0) & this.#mask;
    let hash = this.#seed;
    for (let index = 0; index < this.#keyWords; index++) {
      hash = Math.imul(hash ^ (words[start + index] ?? 0), 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) & this.#mask;
  }
}
