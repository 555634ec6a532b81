/**
 * Commands on their way to one worker: into the ring, or behind it in order while it is full. Commands are never
 * dropped; `isOverloaded` tells the relay to refuse new pairs before the queue outgrows its limit.
 */
import { pendingCommandsMax } from "../core/limits.ts";
import { type Command, encodeCommand } from "./commands.ts";
import type { WorkerLink } from "./driver.ts";

export class CommandQueue {
  readonly #link: WorkerLink;
  readonly #limit: number;
  #waiting: Command[] = [];

  constructor(link: WorkerLink, limit: number = pendingCommandsMax) {
    this.#link = link;
    this.#limit = limit;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Pairs that are open need room for their configure and close, so opening stops at half. */
  get isOverloaded(): boolean {
    return this.#waiting.length >= this.#limit / 2;
  }

  submit(command: Command): void {
    if (this.#waiting.length > 0 || !this.#write(command)) this.#waiting.push(command);
    this.#link.wake();
  }

  /** Moves what fits into the ring. True when nothing waits any more. */
  flush(): boolean {
    let written = 0;
    while (written < this.#waiting.length && this.#write(this.#waiting[written]!)) written++;
    if (written > 0) {
      this.#waiting = this.#waiting.slice(written);
      this.#link.wake();
    }
    return this.#waiting.length === 0;
  }

  #write(command: Command): boolean {
    const at = this.#link.commands.begin();
    if (at < 0) return false;
    encodeCommand(this.#link.commands.words, at, command);
    this.#link.commands.commit();
    return true;
  }
}
