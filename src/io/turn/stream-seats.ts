/** The streams of clients by their 5-tuples, each with a small number that a data path knows it by. */
import { turnStreamsMax } from "../../core/limits.ts";
import type { TurnClient } from "../../turn/actions.ts";
import { clientKeyOf } from "../../turn/request.ts";
import type { StreamSeat } from "./contract.ts";

/** Streams have numbers below this; a data path adds an offset and keeps 31 bits. */
const numbersMax = 2 ** 29;

export interface Seated {
  readonly number: number;
  readonly seat: StreamSeat;
  /** The worker that carries its packets; undefined: none does yet. */
  worker: number | undefined;
}

export class StreamSeats {
  readonly #byKey = new Map<string, Seated>();
  readonly #byNumber = new Map<number, Seated>();
  #lastNumber = -1;

  get size(): number {
    return this.#byKey.size;
  }

  /** False: there is no room. */
  enter(seat: StreamSeat): boolean {
    const key = clientKeyOf(seat.client);
    // The kernel lets nobody have the place of a living connection: the former one has died without a word.
    this.#byKey.get(key)?.seat.close();
    if (this.#byKey.size >= 2 * turnStreamsMax) return false;
    const seated = { number: this.#takeNumber(), seat, worker: undefined };
    this.#byKey.set(key, seated);
    this.#byNumber.set(seated.number, seated);
    return true;
  }

  leave(seat: StreamSeat): void {
    const key = clientKeyOf(seat.client);
    const seated = this.#byKey.get(key);
    if (seated?.seat !== seat) return;
    this.#byKey.delete(key);
    this.#byNumber.delete(seated.number);
  }

  of(client: TurnClient): Seated | undefined {
    return this.#byKey.get(clientKeyOf(client));
  }

  at(number: number): StreamSeat | undefined {
    return this.#byNumber.get(number)?.seat;
  }

  closeAll(): void {
    for (const { seat } of [...this.#byKey.values()]) seat.close();
  }

  /**
   * All others first: packets that a worker has handed up for a stream that has ended meanwhile must not reach the one
   * that came after it.
   */
  #takeNumber(): number {
    do this.#lastNumber = (this.#lastNumber + 1) % numbersMax;
    while (this.#byNumber.has(this.#lastNumber));
    return this.#lastNumber;
  }
}
