/** Which entries belong to which owner: a doubly linked list an owner, in typed arrays. No allocation. */
export class EntryLists {
  readonly #first: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;

  constructor(owners: number, entries: number) {
    this.#first = new Int32Array(owners).fill(-1);
    this.#next = new Int32Array(entries).fill(-1);
    this.#previous = new Int32Array(entries).fill(-1);
  }

  /** -1: the owner has none. */
  firstOf(owner: number): number {
    return this.#first[owner] ?? -1;
  }

  /** The entry must be nobody's. */
  add(owner: number, entry: number): void {
    const second = this.firstOf(owner);
    this.#next[entry] = second;
    this.#previous[entry] = -1;
    if (second >= 0) this.#previous[second] = entry;
    this.#first[owner] = entry;
  }

  /** The entry must be this owner's. */
  remove(owner: number, entry: number): void {
    const next = this.#next[entry] ?? -1;
    const previous = this.#previous[entry] ?? -1;
    if (previous >= 0) this.#next[previous] = next;
    else this.#first[owner] = next;
    if (next >= 0) this.#previous[next] = previous;
  }
}
