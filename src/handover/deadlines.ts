/** At most one deadline a slot, the earliest on top: a binary heap in typed arrays. No allocation after construction. */
export class Deadlines {
  readonly #heap: Int32Array;
  readonly #place: Int32Array;
  readonly #at: Float64Array;
  #size = 0;

  constructor(capacitySlots: number) {
    this.#heap = new Int32Array(capacitySlots);
    this.#place = new Int32Array(capacitySlots).fill(-1);
    this.#at = new Float64Array(capacitySlots).fill(Number.POSITIVE_INFINITY);
  }

  /** Infinity when nothing is due. */
  nextMs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#at[this.#heap[0]!]!;
  }

  /** The slot that is due first; only with a finite `nextMs`. */
  nextSlot(): number {
    return this.#heap[0]!;
  }

  /** Infinity takes the slot's deadline away. */
  set(slot: number, atMs: number): void {
    const place = this.#place[slot]!;
    const before = this.#at[slot]!;
    this.#at[slot] = atMs;
    if (place < 0) {
      if (atMs === Number.POSITIVE_INFINITY) return;
      this.#put(slot, this.#size);
      this.#rise(this.#size++);
    } else if (atMs === Number.POSITIVE_INFINITY) {
      this.#remove(place);
    } else if (atMs < before) {
      this.#rise(place);
    } else {
      this.#sink(place);
    }
  }

  /** Brings the slot's deadline forward, never back. */
  lower(slot: number, atMs: number): void {
    if (atMs < this.#at[slot]!) this.set(slot, atMs);
  }

  #remove(place: number): void {
    this.#place[this.#heap[place]!] = -1;
    const last = --this.#size;
    if (place === last) return;
    this.#put(this.#heap[last]!, place);
    this.#rise(place);
    this.#sink(this.#place[this.#heap[place]!]!);
  }

  #put(slot: number, place: number): void {
    this.#heap[place] = slot;
    this.#place[slot] = place;
  }

  #rise(start: number): void {
    const slot = this.#heap[start]!;
    const at = this.#at[slot]!;
    let place = start;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const other = this.#heap[parent]!;
      if (this.#at[other]! <= at) break;
      this.#put(other, place);
      place = parent;
    }
    this.#put(slot, place);
  }

  #sink(start: number): void {
    const slot = this.#heap[start]!;
    const at = this.#at[slot]!;
    let place = start;
    for (let child = 2 * place + 1; child < this.#size; child = 2 * place + 1) {
      if (child + 1 < this.#size && this.#at[this.#heap[child + 1]!]! < this.#at[this.#heap[child]!]!)
        child++;
      const other = this.#heap[child]!;
      if (this.#at[other]! >= at) break;
      this.#put(other, place);
      place = child;
    }
    this.#put(slot, place);
  }
}
