/**
 * Replies remembered for retransmitted requests, so that a repeated command is answered again and not carried out again.
 *
 * A request is known by where it came from and by its cookie: two proxies, or two processes of one, may mint the same
 * cookie. Each reply lives for `ttlMs`; beyond the limits on entries and bytes the oldest goes first. Shared by the ng
 * and the rtpproxy protocol. No clock, no timer: expired entries leave when the next request comes in.
 */
import { type Endpoint, formatEndpoint } from "../core/address.ts";
import { replyCacheEntriesMax, replyCacheSizeBytesMax, replyCacheTtlMs } from "../core/limits.ts";
import type { MonotonicMs } from "../core/time.ts";

/** What is known about a request; `in-work`: it came before and its reply is still to come. */
export type KnownReply = Uint8Array | "in-work" | undefined;

export interface ReplyCacheLimits {
  readonly entriesMax: number;
  readonly sizeBytesMax: number;
  readonly ttlMs: number;
}

/** A link of the list from the oldest to the youngest entry. */
interface Entry {
  readonly key: string;
  expiresAt: number;
  sizeBytes: number;
  /** undefined while the request is in work. */
  reply: Uint8Array | undefined;
  older: Entry | undefined;
  younger: Entry | undefined;
}

/** Bytes an entry costs beside its key and its reply: the map's slot, the link and the array object, rounded up. */
const entryOverheadBytes = 256;

const limitsDefault: ReplyCacheLimits = {
  entriesMax: replyCacheEntriesMax,
  sizeBytesMax: replyCacheSizeBytesMax,
  ttlMs: replyCacheTtlMs,
};

/**
 * The cache key of a request; no endpoint has a space in it, so two requests never share a key by accident. A text of
 * its own, as long as the cookie is no slice of a message.
 */
export function replyKey(source: Endpoint, cookie: string): string {
  return `${formatEndpoint(source)} ${cookie}`;
}

export class ReplyCache {
  readonly #limits: ReplyCacheLimits;
  readonly #entries = new Map<string, Entry>();
  /** The order of `expiresAt`. A list of our own: a map that loses its first entry again and again gets slow to enter. */
  #oldest: Entry | undefined;
  #youngest: Entry | undefined;
  #sizeBytes = 0;

  constructor(limits: ReplyCacheLimits = limitsDefault) {
    this.#limits = limits;
  }

  get entriesCount(): number {
    return this.#entries.size;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** undefined for a request not seen before, or too long ago. The bytes belong to the cache: send, do not change. */
  find(nowMs: MonotonicMs, key: string): KnownReply {
    this.#expire(nowMs);
    const entry = this.#entries.get(key);
    return entry === undefined ? undefined : (entry.reply ?? "in-work");
  }

  /** Marks a request as in work; its repetitions wait for `store`. */
  start(nowMs: MonotonicMs, key: string): void {
    this.#put(nowMs, key, undefined);
  }

  /** Remembers the reply from now on for `ttlMs`. */
  store(nowMs: MonotonicMs, key: string, reply: Uint8Array): void {
    this.#put(nowMs, key, reply);
  }

  /** Forgets a request, so that its repetition is carried out. */
  drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#takeOut(entry);
  }

  #takeOut(entry: Entry): void {
    this.#sizeBytes -= entry.sizeBytes;
    if (entry.older === undefined) this.#oldest = entry.younger;
    else entry.older.younger = entry.younger;
    if (entry.younger === undefined) this.#youngest = entry.older;
    else entry.younger.older = entry.older;
  }

  #put(nowMs: MonotonicMs, key: string, reply: Uint8Array | undefined): void {
    const known = this.#entries.get(key);
    if (known !== undefined) this.#takeOut(known);
    const entry = known ?? { key, expiresAt: 0, sizeBytes: 0, reply, older: undefined, younger: undefined };
    if (known === undefined) this.#entries.set(key, entry);
    entry.expiresAt = nowMs + this.#limits.ttlMs;
    entry.sizeBytes = entryOverheadBytes + key.length + (reply?.byteLength ?? 0);
    entry.reply = reply;
    entry.older = this.#youngest;
    entry.younger = undefined;
    if (this.#youngest === undefined) this.#oldest = entry;
    else this.#youngest.younger = entry;
    this.#youngest = entry;
    this.#sizeBytes += entry.sizeBytes;
    while (this.#oldest !== undefined && this.#isOverfull()) this.drop(this.#oldest.key);
  }

  #isOverfull(): boolean {
    return this.#entries.size > this.#limits.entriesMax || this.#sizeBytes > this.#limits.sizeBytesMax;
  }

  #expire(nowMs: MonotonicMs): void {
    while (this.#oldest !== undefined && this.#oldest.expiresAt <= nowMs) this.drop(this.#oldest.key);
  }
}
