/**
 * Commands on their way to one worker: into the ring, or behind it in order while it is full. Commands are never
 * dropped; `isOverloaded` tells the relay to refuse new pairs before the queue outgrows its limit.
 */
import { pendingCommandsMax } from "../core/limits.ts";
import { type Command, encodeCommand } from "./commands.ts";
import type { WorkerLink } from "./driver.ts";

/** Written commands are taken out of the list in lots, since each taking out moves all others. */
const forgetAfter = 1_024;

export class CommandQueue {
  readonly #link: WorkerLink;
  readonly #limit: number;
  /** Those before `#next` are in the ring already. */
  readonly #waiting: Command[] = [];
  #next = 0;

  constructor(link: WorkerLink, limit: number = pendingCommandsMax) {
    this.#link = link;
    this.#limit = limit;
  }

  get waitingCount(): number {
    return this.#waiting.length - this.#next;
  }

  /** Pairs that are open need room for their configure and close, so opening stops at half. */
  get isOverloaded(): boolean {
    return this.waitingCount >= this.#limit / 2;
  }

  submit(command: Command): void {
    if (this.#waiting.length === 0 && this.#write(command)) {
      this.#link.wake();
      return;
    }
    this.#waiting.push(command);
    this.flush();
  }

  /** Moves what fits into the ring. */
  flush(): void {
    let written = 0;
    while (this.#next < this.#waiting.length && this.#write(this.#waiting[this.#next]!)) {
      this.#next++;
      written++;
    }
    if (this.#next === this.#waiting.length || this.#next >= forgetAfter) this.#forgetWritten();
    if (written > 0) this.#link.wake();
  }

  #forgetWritten(): void {
    this.#waiting.splice(0, this.#next);
    this.#next = 0;
  }

  #write(command: Command): boolean {
    const at = this.#link.commands.begin();
    if (at < 0) return false;
    encodeCommand(this.#link.commands.words, at, command);
    this.#link.commands.commit();
    return true;
  }
}
