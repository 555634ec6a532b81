interface Deadline<Name> {
  readonly name: Name;
  atMs: number;
  /** Where in the heap it stands. */
  at: number;
}

/** The earliest of many deadlines, one a name, that may move: a binary heap whose entries know where they are. */
export class DeadlineHeap<Name> {
  readonly #heap: Deadline<Name>[] = [];
  readonly #byName = new Map<Name, Deadline<Name>>();

  get size(): number {
    return this.#heap.length;
  }

  /** Sets or moves a deadline; Infinity takes it away. */
  set(name: Name, atMs: number): void {
    if (atMs === Number.POSITIVE_INFINITY) {
      this.delete(name);
      return;
    }
    const known = this.#byName.get(name);
    const deadline = known ?? { name, atMs, at: this.#heap.length };
    if (known === undefined) this.#byName.set(name, deadline);
    deadline.atMs = atMs;
    this.#settle(deadline, deadline.at);
  }

  delete(name: Name): void {
    const deadline = this.#byName.get(name);
    if (deadline === undefined) return;
    this.#byName.delete(name);
    const last = this.#heap.pop();
    if (last !== undefined && last !== deadline) this.#settle(last, deadline.at);
  }

  firstName(): Name | undefined {
    return this.#heap[0]?.name;
  }

  /** Infinity when there is none. */
  firstAtMs(): number {
    return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  /** Moves others out of the way, from `start` on, until the deadline can stand. */
  #settle(deadline: Deadline<Name>, start: number): void {
    let at = start;
    while (at > 0) {
      const above = this.#heap[(at - 1) >> 1];
      if (above === undefined || above.atMs <= deadline.atMs) break;
      at = this.#move(above, at);
    }
    for (;;) {
      const below = this.#earliestBelow(at);
      if (below === undefined || below.atMs >= deadline.atMs) break;
      at = this.#move(below, at);
    }
    this.#move(deadline, at);
  }

  #earliestBelow(at: number): Deadline<Name> | undefined {
    const left = this.#heap[2 * at + 1];
    const right = this.#heap[2 * at + 2];
    return left !== undefined && right !== undefined && right.atMs < left.atMs ? right : left;
  }

  /** Where it stood before, which is free now. */
  #move(deadline: Deadline<Name>, to: number): number {
    const from = deadline.at;
    deadline.at = to;
    this.#heap[to] = deadline;
    return from;
  }
}
