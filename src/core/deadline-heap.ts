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
    this.#settle(this.#positions.get(name) ?? this.#names.length, name, atMs);
  }

  delete(name: Name): void {
    const at = this.#positions.get(name);
    if (at === undefined) return;
    this.#positions.delete(name);
    const lastName = this.#names.pop();
    const lastTime = this.#times.pop();
    if (lastName === undefined || lastTime === undefined || lastName === name) return;
    this.#settle(at, lastName, lastTime);
  }

  firstName(): Name | undefined {
    return this.#names[0];
  }

  /** Infinity when there is none. */
  firstAtMs(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  /** Moves others out of the way, from `start` on, until the name can stand. */
  #settle(start: number, name: Name, atMs: number): void {
    let at = start;
    while (at > 0 && atMs < this.#time((at - 1) >> 1)) at = this.#move((at - 1) >> 1, at);
    for (;;) {
      const left = 2 * at + 1;
      const least = this.#time(left + 1) < this.#time(left) ? left + 1 : left;
      if (this.#time(least) >= atMs) break;
      at = this.#move(least, at);
    }
    this.#place(at, name, atMs);
  }

  #time(at: number): number {
    return this.#times[at] ?? Number.POSITIVE_INFINITY;
  }

  /** The place that is free now. */
  #move(from: number, to: number): number {
    const name = this.#names[from];
    if (name === undefined) throw new Error("deadlines: a place without a name");
    this.#place(to, name, this.#time(from));
    return from;
  }

  #place(at: number, name: Name, atMs: number): void {
    this.#names[at] = name;
    this.#times[at] = atMs;
    this.#positions.set(name, at);
  }
}
