/** What the other party sends to the victim, in the miniature: it waits for a target, goes out, and may go out again. */
import {
  heldAgeMsMax,
  heldPacketsPerEgressMax,
  replayAgeMsMax,
  replayBurstPacketsMax,
  replayIntervalMsMin,
  replayPacketsMax,
} from "../../../src/core/limits.ts";
import type { Handover } from "../../../src/handover/handover.ts";
import type { Books } from "./books.ts";
import { type Address, isSameAddress } from "./places.ts";

/** Timers come late, never early. */
export const timerLagMs = 1 / 1_024;

/** When it came. */
interface Waiting {
  readonly number: number;
  readonly atMs: number;
}

/** When and where to it went first. */
interface Sent extends Waiting {
  readonly to: Address;
}

export class Downlink {
  readonly #policy: Handover;
  readonly #books: Books;
  readonly #waiting: [Waiting[], Waiting[]] = [[], []];
  /** RTP alone goes out again. */
  readonly #sent: Sent[] = [];
  /** When a replay that was asked for begins, undefined: none was; and what is left of the one under way. */
  #sinceMs: number | undefined;
  #replaying: number[] = [];
  #dueMs = Number.POSITIVE_INFINITY;
  #begunMs = Number.NEGATIVE_INFINITY;

  constructor(policy: Handover, books: Books) {
    this.#policy = policy;
    this.#books = books;
  }

  /** When the replay goes on. */
  get dueMs(): number {
    return this.#dueMs;
  }

  take(slot: 0 | 1, number: number, nowMs: number): void {
    this.#books.sentDown.push(number);
    if (this.#targetOf(slot).port !== 0) {
      this.#send(slot, number, nowMs);
      return;
    }
    const waiting = this.#waiting[slot];
    waiting.push({ number, atMs: nowMs });
    if (waiting.length > heldPacketsPerEgressMax) waiting.shift();
  }

  /** The slot has a target, perhaps. */
  release(slot: 0 | 1, nowMs: number): void {
    if (this.#targetOf(slot).port === 0) return;
    for (const { number, atMs } of this.#waiting[slot].splice(0)) {
      if (atMs + heldAgeMsMax >= nowMs - timerLagMs) this.#send(slot, number, nowMs);
    }
  }

  ask(sinceMs: number): void {
    if (this.#replaying.length === 0) this.#sinceMs = sinceMs;
  }

  /** The source before has heard everything. */
  rollBack(): void {
    this.#replaying = [];
  }

  /** All targets are what the policy wants them to be. */
  settle(nowMs: number): void {
    if (this.#sinceMs === undefined) return;
    const fromMs = Math.floor(Math.max(this.#sinceMs, nowMs - replayAgeMsMax));
    this.#sinceMs = undefined;
    if (nowMs - this.#begunMs < replayIntervalMsMin) return;
    const target = this.#targetOf(0);
    const again = this.#sent
      .filter(({ atMs, to }) => atMs >= fromMs && !isSameAddress(to, target))
      .slice(-replayPacketsMax);
    if (again.length > 0) this.#begunMs = nowMs;
    this.#replaying = again.map(({ number }) => number);
    this.#replay(replayBurstPacketsMax, nowMs);
  }

  advance(nowMs: number): void {
    this.#replay(1, nowMs);
  }

  /** The oldest so many of what is to be sent again. */
  #replay(packets: number, nowMs: number): void {
    for (const number of this.#replaying.splice(0, packets)) this.#put(0, number, nowMs);
    this.#dueMs = this.#replaying.length > 0 ? nowMs + 1 : Number.POSITIVE_INFINITY;
  }

  #send(slot: 0 | 1, number: number, nowMs: number): void {
    if (slot === 0) {
      // What is owed goes before what is new.
      this.#replay(replayPacketsMax, nowMs);
      // The relay remembers whole milliseconds.
      this.#sent.push({ number, atMs: Math.floor(nowMs), to: this.#targetOf(slot) });
      if (this.#sent.length > replayPacketsMax) this.#sent.shift();
    }
    this.#put(slot, number, nowMs);
  }

  #put(slot: 0 | 1, number: number, nowMs: number): void {
    this.#books.send(slot, number, this.#targetOf(slot), nowMs);
  }

  #targetOf(slot: 0 | 1): Address {
    return { ip3: this.#policy.targetWord(slot, 3), port: this.#policy.targetWord(slot, 4) };
  }
}
