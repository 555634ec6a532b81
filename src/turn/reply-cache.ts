/**
 * Replies to requests that cannot be carried out twice, for clients that ask again because the first answer was lost
 * (RFC 8489 section 6.3.1). Everything else is answered alike by doing it once more.
 */
import { Buffer } from "node:buffer";
import { turnRepliesMax, turnReplyTtlMs } from "../core/limits.ts";
import type { MonotonicMs } from "../core/time.ts";
import type { ReplyAddress } from "./request.ts";

interface Kept {
  readonly bytes: Uint8Array;
  readonly untilMs: number;
}

export class ReplyCache {
  /** In the order of their deadlines, as all live equally long. */
  readonly #kept = new Map<string, Kept>();

  get size(): number {
    return this.#kept.size;
  }

  find(nowMs: MonotonicMs, request: ReplyAddress): Uint8Array | undefined {
    const kept = this.#kept.get(nameOf(request));
    return kept === undefined || kept.untilMs <= nowMs ? undefined : kept.bytes;
  }

  keep(nowMs: MonotonicMs, request: ReplyAddress, bytes: Uint8Array): void {
    for (const [name, { untilMs }] of this.#kept) {
      if (untilMs > nowMs && this.#kept.size < turnRepliesMax) break;
      this.#kept.delete(name);
    }
    this.#kept.set(nameOf(request), { bytes, untilMs: nowMs + turnReplyTtlMs });
  }
}

function nameOf({ clientKey, method, transactionId }: ReplyAddress): string {
  return `${clientKey} ${method} ${Buffer.from(transactionId).toString("latin1")}`;
}
