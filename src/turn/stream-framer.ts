/**
 * Cuts a client's stream into messages: STUN, and ChannelData with its padding (RFC 8489 section 6.2.2, RFC 8656
 * section 12.5). What it holds is one message that has not ended, which the sizes on the wire bound to 64 KiB.
 */
import { paddedSize, readUint16, readUint32, stunCookie, stunHeaderSizeBytes } from "../stun/wire.ts";
import { channelHeaderSizeBytes } from "./wire.ts";

export class StreamFramer {
  /** A longer message breaks the stream; may change between messages. */
  messageSizeBytesMax = Number.POSITIVE_INFINITY;
  #held: Uint8Array = new Uint8Array(0);
  #start = 0;
  /** `#held` is the caller's: what is left of it in the end has to be copied. */
  #isBorrowed = false;
  #isBroken = false;

  /** True once something came that neither begins: nothing is found behind it, and the stream should end. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** True while a message has begun and not ended: such a client is waited for, but not for ever. */
  get hasPart(): boolean {
    return this.#held.length > this.#start;
  }

  /** Takes what came; then ask for messages until there is none. Afterwards the bytes are the caller's again. */
  push(bytes: Uint8Array): void {
    const rest = this.#held.length - this.#start;
    this.#isBorrowed = rest === 0;
    if (rest === 0) this.#held = bytes;
    else {
      const joined = new Uint8Array(rest + bytes.length);
      joined.set(this.#held.subarray(this.#start));
      joined.set(bytes, rest);
      this.#held = joined;
    }
    this.#start = 0;
  }

  /** The next whole message, with its padding; good until the next call. */
  next(): Uint8Array | undefined {
    const sizeBytes = this.#isBroken ? undefined : this.#sizeOfNext();
    if (sizeBytes === undefined || this.#held.length - this.#start < sizeBytes) {
      if (this.#isBorrowed) this.#held = this.takeRest();
      return undefined;
    }
    const message = this.#held.subarray(this.#start, this.#start + sizeBytes);
    this.#start += sizeBytes;
    return message;
  }

  /** What came behind the last message, once the stream is no more for messages (RFC 6062 section 4.3). */
  takeRest(): Uint8Array {
    // Not `slice`, which lends where what came is one of node's own buffers.
    const rest = new Uint8Array(this.#held.subarray(this.#start));
    this.#held = new Uint8Array(0);
    this.#start = 0;
    this.#isBorrowed = false;
    return rest;
  }

  #sizeOfNext(): number | undefined {
    const has = this.#held.length - this.#start;
    if (has < channelHeaderSizeBytes) return undefined;
    const kind = (this.#held[this.#start] ?? 0) >>> 6;
    const sizeBytes = readUint16(this.#held, this.#start + 2);
    const isChannel = kind === 1;
    const wholeSizeBytes = isChannel
      ? channelHeaderSizeBytes + paddedSize(sizeBytes)
      : stunHeaderSizeBytes + sizeBytes;
    const hasCookie = has < 8 || readUint32(this.#held, this.#start + 4) === stunCookie;
    const isMessage = isChannel || (kind === 0 && sizeBytes % 4 === 0 && hasCookie);
    this.#isBroken = !isMessage || wholeSizeBytes > this.messageSizeBytesMax;
    return this.#isBroken ? undefined : wholeSizeBytes;
  }
}
