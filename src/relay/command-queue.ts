/**
 * Commands on their way to one worker: into the ring, or behind it in order while it is full. Commands are never
 * dropped; `isOverloaded` tells the relay to refuse new pairs before the queue outgrows its limit.
 */
import { pendingCommandsMax } from "../core/limits.ts";
import { type Command, encodeCommand } from "./commands.ts";
import type { RecordWriter, WorkerLink } from "./driver.ts";

/** Written commands are taken out of the list in lots, since each taking out moves all others. */
const forgetAfter = 1_024;

export interface QueueParts<Record> {
  readonly ring: RecordWriter;
  encode(words: Int32Array, at: number, record: Record): void;
  /** Makes the worker look at the ring soon. */
  wake(): void;
}

export class RecordQueue<Record> {
  readonly #parts: QueueParts<Record>;
  readonly #limit: number;
  /** Those before `#next` are in the ring already. */
  readonly #waiting: Record[] = [];
  #next = 0;

  constructor(parts: QueueParts<Record>, limit: number = pendingCommandsMax) {
    this.#parts = parts;
    this.#limit = limit;
  }

  get waitingCount(): number {
    return this.#waiting.length - this.#next;
  }

  /** Pairs that are open need room for their configure and close, so opening stops at half. */
  get isOverloaded(): boolean {
    return this.waitingCount >= this.#limit / 2;
  }

  submit(command: Record): void {
    if (this.#waiting.length === 0 && this.#write(command)) {
      this.#parts.wake();
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
    if (written > 0) this.#parts.wake();
  }

  #forgetWritten(): void {
    this.#waiting.splice(0, this.#next);
    this.#next = 0;
  }

  #write(record: Record): boolean {
    const { ring } = this.#parts;
    const at = ring.begin();
    if (at < 0) return false;
    this.#parts.encode(ring.words, at, record);
    ring.commit();
    return true;
  }
}

export class CommandQueue extends RecordQueue<Command> {
  constructor(link: WorkerLink, limit?: number) {
    super({ ring: link.commands, encode: encodeCommand, wake: () => link.wake() }, limit);
  }
}
