/** Traffic per second, over the last whole second. */

export interface Sums {
  readonly packets: number;
  readonly bytes: number;
  readonly errors: number;
}

export class Rates {
  readonly #read: () => Sums;
  readonly #timer: NodeJS.Timeout;
  #before: Sums;
  #now: Sums = { packets: 0, bytes: 0, errors: 0 };

  constructor(read: () => Sums) {
    this.#read = read;
    this.#before = read();
    this.#timer = setInterval(() => this.#sample(), 1_000);
  }

  get perSecond(): Sums {
    return this.#now;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const sums = this.#read();
    const { packets, bytes, errors } = this.#before;
    this.#now = { packets: sums.packets - packets, bytes: sums.bytes - bytes, errors: sums.errors - errors };
    this.#before = sums;
  }
}
