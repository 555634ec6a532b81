import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { turnRepliesMax, turnReplyTtlMs } from "../../../src/core/limits.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import { ReplyCache } from "../../../src/turn/reply-cache.ts";
import { clientKeyOf, type ReplyAddress } from "../../../src/turn/request.ts";
import { suite } from "../../support/suite.ts";
import { udpClient } from "./rig.ts";

const client = udpClient("192.0.2.9:1");

function request(id: number): ReplyAddress {
  const transactionId = Buffer.alloc(12);
  transactionId.writeUInt32BE(id);
  return { client, clientKey: clientKeyOf(client), method: 3, transactionId, hasFingerprint: false };
}

class Cache {
  readonly #cache = new ReplyCache();

  get size(): number {
    return this.#cache.size;
  }

  keep(nowMs: number, id: number, reply: number): void {
    const bytes = Uint8Array.of(reply);
    this.#cache.keep(nowMs as MonotonicMs, request(id), bytes);
    // The memory is the caller's.
    bytes[0] = 0xee;
  }

  find(nowMs: number, id: number): number | undefined {
    return this.#cache.find(nowMs as MonotonicMs, request(id))?.[0];
  }
}

suite("turn: the reply cache", (test) => {
  test("a reply is had for its time, and goes with the next one after that", () => {
    const cache = new Cache();
    cache.keep(0, 1, 10);
    cache.keep(1, 2, 20);
    assert.deepEqual([cache.find(turnReplyTtlMs - 1, 1), cache.find(turnReplyTtlMs, 1)], [10, undefined]);
    assert.equal(cache.find(turnReplyTtlMs, 2), 20);
    cache.keep(turnReplyTtlMs, 3, 30);
    assert.equal(cache.size, 2);
    cache.keep(3 * turnReplyTtlMs, 4, 40);
    assert.deepEqual([cache.size, cache.find(3 * turnReplyTtlMs, 4)], [1, 40]);
  });

  test("a later reply to the same request counts, also when the earlier one's time is over", () => {
    const cache = new Cache();
    cache.keep(0, 1, 10);
    cache.keep(100, 1, 11);
    assert.equal(cache.find(100, 1), 11);
    cache.keep(turnReplyTtlMs + 50, 2, 20);
    assert.deepEqual([cache.find(turnReplyTtlMs + 50, 1), cache.size], [11, 2]);
  });

  test("a full one gives up its oldest, round after round", () => {
    const cache = new Cache();
    const count = 2 * turnRepliesMax + 10;
    for (let id = 0; id < count; id++) cache.keep(id / turnRepliesMax, id, id % 251);
    assert.equal(cache.size, turnRepliesMax);
    const oldest = count - turnRepliesMax;
    assert.deepEqual([cache.find(2, oldest - 1), cache.find(2, oldest)], [undefined, oldest % 251]);
    assert.equal(cache.find(2, count - 1), (count - 1) % 251);
  });
});
