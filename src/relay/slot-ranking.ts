/**
 * How many packets each slot holds, and which slot holds most. Every step takes the same time however many slots
 * there are: slots that hold equally many are in one list, and a count changes by one.
 *
 * Links hold slot + 1, so zeroed memory means empty and stays untouched until used.
 */
export class SlotRanking {
  readonly #counts: Uint16Array;
  /** By count. */
  readonly #heads: Int32Array;
  /** By slot. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  #highest = 0;

  /** `packetsMax`: most packets of one slot. */
  constructor(capacitySlots: number, packetsMax: number) {
    this.#counts = new Uint16Array(capacitySlots);
    this.#heads = new Int32Array(packetsMax + 1);
    this.#next = new Int32Array(capacitySlots);
    this.#previous = new Int32Array(capacitySlots);
  }

  countOf(slot: number): number {
    return this.#counts[slot]!;
  }

  /** The count of the first. */
  get highest(): number {
    return this.#highest;
  }

  /** A slot that holds as many as any; -1 when nothing is held. */
  first(): number {
    return this.#highest === 0 ? -1 : this.#heads[this.#highest]! - 1;
  }

  increase(slot: number): void {
    this.#unlink(slot);
    const count = ++this.#counts[slot]!;
    this.#link(slot);
    if (count > this.#highest) this.#highest = count;
  }

  decrease(slot: number): void {
    this.#unlink(slot);
    const count = --this.#counts[slot]!;
    this.#link(slot);
    if (this.#heads[this.#highest] === 0) this.#highest = count;
  }

  #link(slot: number): void {
    const count = this.#counts[slot]!;
    if (count === 0) return;
    const head = this.#heads[count]!;
    this.#next[slot] = head;
    this.#previous[slot] = 0;
    if (head !== 0) this.#previous[head - 1] = slot + 1;
    this.#heads[count] = slot + 1;
  }

  #unlink(slot: number): void {
    const count = this.#counts[slot]!;
    if (count === 0) return;
    const next = this.#next[slot]!;
    const previous = this.#previous[slot]!;
    if (previous === 0) this.#heads[count] = next;
    else this.#next[previous - 1] = next;
    if (next !== 0) this.#previous[next - 1] = previous;
  }
}
