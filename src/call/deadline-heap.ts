/** The earliest of many deadlines, one a name, that may move: a binary heap that knows where each name is. */
export class DeadlineHeap {
  readonly #names: string[] = [];
  readonly #times: number[] = [];
  readonly #positions = new Map<string, number>();

  get size(): number {
    return this.#names.length;
  }

  /** Sets or moves a deadline; Infinity takes it away. */
  set(name: string, atMs: number): void {
    if (atMs === Number.POSITIVE_INFINITY) {
      this.delete(name);
      return;
    }
    const at = this.#positions.get(name) ?? this.#names.length;
    this.#place(at, name, atMs);
    this.#settle(at);
  }

  delete(name: string): void {
    const at = this.#positions.get(name);
    if (at === undefined) return;
    this.#positions.delete(name);
    const lastName = this.#names.pop();
    const lastTime = this.#times.pop();
    if (lastName === undefined || lastTime === undefined || lastName === name) return;
    this.#place(at, lastName, lastTime);
    this.#settle(at);
  }

  firstName(): string | undefined {
    return this.#names[0];
  }

  /** Infinity when there is none. */
  firstAtMs(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  #place(at: number, name: string, atMs: number): void {
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
    const [name = "", time = 0] = [this.#names[from], this.#times[from]];
    this.#place(from, this.#names[to] ?? "", this.#time(to));
    this.#place(to, name, time);
    return to;
  }
}
