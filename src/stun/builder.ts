/**
 * Writes a STUN message: attributes in the order they are added, then integrity, then fingerprint
 * (RFC 8489 sections 5 and 14).
 */
import assert from "node:assert/strict";
import { pooledBytes, pooledCopy } from "../core/bytes.ts";
import type { Digests } from "../core/digests.ts";
import { fingerprintOf } from "./message.ts";
import { encodeNumber } from "./values.ts";
import {
  encodeType,
  paddedSize,
  type StunClass,
  stunAttribute,
  stunCookie,
  stunHeaderSizeBytes,
  transactionIdSizeBytes,
  writeUint16,
  writeUint32,
} from "./wire.ts";

/** Which of the two integrity attributes: MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256. */
export type IntegrityHash = "sha1" | "sha256";

export class StunBuilder {
  /** What is behind `#sizeBytes` may be anything. */
  #bytes = pooledBytes(128);
  #sizeBytes = stunHeaderSizeBytes;

  constructor(messageClass: StunClass, method: number, transactionId: Uint8Array) {
    assert.equal(transactionId.length, transactionIdSizeBytes);
    writeUint16(this.#bytes, 0, encodeType(method, messageClass));
    writeUint32(this.#bytes, 4, stunCookie);
    this.#bytes.set(transactionId, 8);
  }

  add(type: number, value: Uint8Array): this {
    const start = this.#sizeBytes + 4;
    this.#grow(start + paddedSize(value.length));
    writeUint16(this.#bytes, start - 4, type);
    writeUint16(this.#bytes, start - 2, value.length);
    this.#bytes.set(value, start);
    for (let at = start + value.length; at < this.#sizeBytes; at++) this.#bytes[at] = 0;
    return this;
  }

  /** Seals what was added so far with this key (RFC 8489 sections 14.5, 14.6; keys: section 9). */
  addIntegrity(digests: Digests, key: Uint8Array, hash: IntegrityHash): this {
    const isSha1 = hash === "sha1";
    const head = this.#headCounting(isSha1 ? 24 : 36);
    return isSha1
      ? this.add(stunAttribute.messageIntegrity, digests.hmacSha1(key, head))
      : this.add(stunAttribute.messageIntegritySha256, digests.hmacSha256(key, head));
  }

  /** The last attribute of a message. */
  addFingerprint(): this {
    return this.add(stunAttribute.fingerprint, encodeNumber(fingerprintOf(this.#headCounting(8))));
  }

  build(): Uint8Array {
    return pooledCopy(this.#headCounting(0));
  }

  /** What stands so far, with a header that counts `moreBytes` as well. */
  #headCounting(moreBytes: number): Uint8Array {
    writeUint16(this.#bytes, 2, this.#sizeBytes - stunHeaderSizeBytes + moreBytes);
    return this.#bytes.subarray(0, this.#sizeBytes);
  }

  #grow(sizeBytes: number): void {
    assert.ok(sizeBytes - stunHeaderSizeBytes <= 0xffff, "a STUN message has at most 64 KiB");
    if (sizeBytes > this.#bytes.length) {
      const larger = pooledBytes(Math.max(sizeBytes, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#sizeBytes = sizeBytes;
  }
}
