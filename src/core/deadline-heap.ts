/** The earliest of many deadlines, one a name, that may move: a binary heap that knows where each name is. */
export class DeadlineHeap<Name> {
  readonly #names: Name[] = [];
  readonly #times: number[] = [];
  readonly #positions = new Map<Name, number>();

  get size(): number {
    return this.#names.length;
  }

  /** Sets or moves a deadline; Infinity takes it away. */
  set(name: Name, atMs: number): void {
    if (atMs === Number.POSITIVE_INFINITY) {
      this.delete(name);
      return;
    }
    const at = this.#positions.get(name) ?? this.#names.length;
    this.#place(at, name, atMs);
    this.#settle(at);
  }

  delete(name: Name): void {
    const at = this.#positions.get(name);
    if (at === undefined) return;
    this.#positions.delete(name);
    const lastName = this.#names.pop();
    const lastTime = this.#times.pop();
    if (lastName === undefined || lastTime === undefined || lastName === name) return;
    this.#place(at, lastName, lastTime);
    this.#settle(at);
  }

  firstName(): Name | undefined {
    return this.#names[0];
  }

  /** Infinity when there is none. */
  firstAtMs(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  #place(at: number, name: Name, atMs: number): void {
    this.#names[at] = name;
    this.#times[at] = atMs;
    this.#positions.set(name, at);
  }

  #settle(start: number): void {
    let at = start;
    while (at > 0 && this.#time(at) < this.#time((at - 1) >> 1)) at = this.#swap(at, (at - 1) >> 1);
    for (;;) {
      const left = 2 * at + 1;
      const least = this.#time(left + 1) < this.#time(left) ? left + 1 : left;
      if (this.#time(least) >= this.#time(at)) return;
      at = this.#swap(at, least);
    }
  }

  #time(at: number): number {
    return this.#times[at] ?? Number.POSITIVE_INFINITY;
  }

  #swap(from: number, to: number): number {
    const [name, time] = [this.#names[from], this.#times[from]];
    const [otherName, otherTime] = [this.#names[to], this.#times[to]];
    if (name === undefined || otherName === undefined) throw new Error("deadlines: a place without a name");
    this.#place(from, otherName, otherTime ?? 0);
    this.#place(to, name, time ?? 0);
    return to;
  }
}
