/**
 * Replies to requests that cannot be carried out twice, for clients that ask again because the first answer was lost
 * (RFC 8489 section 6.3.1). Everything else is answered alike by doing it once more.
 */
import { turnRepliesMax, turnReplyTtlMs } from "../core/limits.ts";
import type { MonotonicMs } from "../core/time.ts";
import type { ReplyAddress } from "./request.ts";

interface Kept {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly untilMs: number;
}

export class ReplyCache {
  readonly #kept = new Map<string, Kept>();
  /**
   * A ring in the order of their deadlines, as all live equally long. The map has that order too, but it would look at
   * every place it has emptied before it came to the first.
   */
  readonly #order: (Kept | undefined)[] = [];
  #oldest = 0;
  #count = 0;

  get size(): number {
    return this.#kept.size;
  }

  find(nowMs: MonotonicMs, request: ReplyAddress): Uint8Array | undefined {
    const kept = this.#kept.get(nameOf(request));
    return kept === undefined || kept.untilMs <= nowMs ? undefined : kept.bytes;
  }

  keep(nowMs: MonotonicMs, request: ReplyAddress, bytes: Uint8Array): void {
    const kept = { name: nameOf(request), bytes: bytes.slice(), untilMs: nowMs + turnReplyTtlMs };
    for (let oldest = this.#order[this.#oldest]; oldest !== undefined; oldest = this.#order[this.#oldest]) {
      if (oldest.untilMs > nowMs && this.#count < turnRepliesMax) break;
      this.#forget(oldest);
    }
    this.#order[(this.#oldest + this.#count) % turnRepliesMax] = kept;
    this.#count++;
    this.#kept.set(kept.name, kept);
  }

  #forget(oldest: Kept): void {
    this.#order[this.#oldest] = undefined;
    this.#oldest = (this.#oldest + 1) % turnRepliesMax;
    this.#count--;
    if (this.#kept.get(oldest.name) === oldest) this.#kept.delete(oldest.name);
  }
}

function nameOf({ clientKey, method, transactionId }: ReplyAddress): string {
  return `${clientKey} ${method} ${String.fromCharCode(...transactionId)}`;
}
