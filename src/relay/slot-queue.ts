/** Slots with something to say, each at most once, first come first served. */
export class SlotQueue {
  readonly #slots: Int32Array;
  readonly #isQueued: Uint8Array;
  #head = 0;
  size = 0;

  constructor(capacitySlots: number) {
    this.#slots = new Int32Array(capacitySlots);
    this.#isQueued = new Uint8Array(capacitySlots);
  }

  push(slot: number): void {
    if (this.#isQueued[slot] === 1) return;
    this.#isQueued[slot] = 1;
    this.#slots[(this.#head + this.size) % this.#slots.length] = slot;
    this.size++;
  }

  peek(): number {
    return this.#slots[this.#head]!;
  }

  shift(): number {
    const slot = this.peek();
    this.#isQueued[slot] = 0;
    this.#head = (this.#head + 1) % this.#slots.length;
    this.size--;
    return slot;
  }
}
