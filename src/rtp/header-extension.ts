/**
 * Elements of an RTP header extension (RFC 8285 section 4): one-byte headers (0xBEDE) and two-byte ones (0x100x). The
 * readers expect `isRtpPacket` to have said yes, and read nothing outside the extension.
 */
import { read16, rtpHeaderBytes } from "./rtp.ts";

const oneByteProfile = 0xbede;
const twoByteProfile = 0x1000;
const extensionFlag = 0x10;
/** One-byte headers: these numbers end the list; 0 is padding, and has no length (RFC 8285 section 4.2). */
const stopIds = { zero: 0, fifteen: 15 } as const;

/** Walks the elements of one packet after the other; one walker serves a whole worker. */
export class ExtensionWalker {
  /** Of the element in hand. */
  id = 0;
  offset = 0;
  sizeBytes = 0;
  #bytes: Uint8Array;
  #at = 0;
  #end = 0;
  #isOneByte = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** To the packet at `offset`, before its first element. */
  start(offset: number): void {
    const bytes = this.#bytes;
    this.#at = 0;
    this.#end = 0;
    if ((bytes[offset]! & extensionFlag) === 0) return;
    const header = offset + rtpHeaderBytes + 4 * (bytes[offset]! & 15);
    const profile = read16(bytes, header);
    this.#isOneByte = profile === oneByteProfile;
    if (!this.#isOneByte && (profile & 0xfff0) !== twoByteProfile) return;
    this.#at = header + 4;
    this.#end = this.#at + 4 * read16(bytes, header + 2);
  }

  /** To the next element; false at the end, and at what does not fit. */
  next(): boolean {
    const bytes = this.#bytes;
    // Padding is a zero byte each.
    while (this.#at < this.#end && bytes[this.#at] === 0) this.#at++;
    const headerBytes = this.#isOneByte ? 1 : 2;
    if (this.#at + headerBytes > this.#end) return false;
    const first = bytes[this.#at]!;
    this.id = this.#isOneByte ? first >>> 4 : first;
    this.sizeBytes = this.#isOneByte ? (first & 15) + 1 : bytes[this.#at + 1]!;
    this.offset = this.#at + headerBytes;
    this.#at = this.offset + this.sizeBytes;
    const isStop = this.#isOneByte && (this.id === stopIds.zero || this.id === stopIds.fifteen);
    if (this.#at <= this.#end && !isStop) return true;
    this.#at = this.#end;
    return false;
  }
}
