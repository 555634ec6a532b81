/**
 * Reads STUN messages (RFC 8489): bounds first, nothing thrown, nothing copied. The values are views into the
 * packet: whoever keeps one copies it.
 */
import { stunAttributesMax } from "../core/limits.ts";
import { crc32 } from "./crc32.ts";
import {
  classOf,
  isComprehensionRequired,
  methodOf,
  paddedSize,
  readUint16,
  readUint32,
  type StunClass,
  stunAttribute,
  stunCookie,
  stunHeaderSizeBytes,
  transactionIdSizeBytes,
} from "./wire.ts";

export interface StunMessage {
  readonly class: StunClass;
  readonly method: number;
  readonly transactionId: Uint8Array;
  /** In their order; without what stands behind the integrity and has to be ignored (RFC 8489 section 14.5). */
  readonly attributes: readonly StunAttribute[];
  /** A wrong fingerprint makes no message at all. */
  readonly hasFingerprint: boolean;
  /** The whole message. */
  readonly bytes: Uint8Array;
}

export interface StunAttribute {
  readonly type: number;
  /** Where the attribute's header begins in the message. */
  readonly offset: number;
  readonly value: Uint8Array;
}

/**
 * A whole datagram as a message, or undefined if it is none: wrong bits, cookie, size or FINGERPRINT
 * (RFC 8489 sections 6.3 and 7.3: such packets are dropped in silence).
 */
export function parseStun(bytes: Uint8Array): StunMessage | undefined {
  if (!isStun(bytes)) return undefined;
  const attributes = parseAttributes(bytes);
  if (attributes === undefined) return undefined;
  const last = attributes.at(-1);
  const hasFingerprint = last?.type === stunAttribute.fingerprint;
  if (hasFingerprint && !hasRightFingerprint(bytes, last)) return undefined;
  const type = readUint16(bytes, 0);
  return {
    class: classOf(type),
    method: methodOf(type),
    transactionId: bytes.subarray(8, 8 + transactionIdSizeBytes),
    attributes,
    hasFingerprint,
    bytes,
  };
}

/** The value of the first attribute of this type: later ones of the same type do not count (RFC 8489 section 14). */
export function attributeOf(message: StunMessage, type: number): Uint8Array | undefined {
  return message.attributes.find((attribute) => attribute.type === type)?.value;
}

/** What the sender demands to be understood and `known` does not have; each once, for UNKNOWN-ATTRIBUTES. */
export function unknownRequired(message: StunMessage, known: ReadonlySet<number>): readonly number[] {
  const unknown: number[] = [];
  for (const { type } of message.attributes) {
    if (isComprehensionRequired(type) && !known.has(type) && !unknown.includes(type)) unknown.push(type);
  }
  return unknown;
}

function isStun(bytes: Uint8Array): boolean {
  return (
    bytes.length >= stunHeaderSizeBytes &&
    (bytes[0] ?? 0) < 0x40 &&
    bytes.length % 4 === 0 &&
    readUint16(bytes, 2) === bytes.length - stunHeaderSizeBytes &&
    readUint32(bytes, 4) === stunCookie
  );
}

/** Undefined if one reaches beyond the end, there are too many, or something follows a FINGERPRINT. */
function parseAttributes(bytes: Uint8Array): readonly StunAttribute[] | undefined {
  const attributes: StunAttribute[] = [];
  let order = 0;
  let count = 0;
  for (let offset = stunHeaderSizeBytes; offset < bytes.length; ) {
    const type = readUint16(bytes, offset);
    const sizeBytes = readUint16(bytes, offset + 2);
    const start = offset + 4;
    const next = start + paddedSize(sizeBytes);
    if (start > bytes.length || next > bytes.length) return undefined;
    if (order === endOrder || ++count > stunAttributesMax) return undefined;
    const rank = orderOf(type);
    if (rank > order || order === 0) {
      attributes.push({ type, offset, value: bytes.subarray(start, start + sizeBytes) });
      order = rank;
    }
    offset = next;
  }
  return attributes;
}

/**
 * MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT end a message, in this order (RFC 8489 sections 14.5 to
 * 14.7). Behind one of them only a later one counts: anybody could have added the rest.
 */
function orderOf(type: number): number {
  if (type === stunAttribute.messageIntegrity) return 1;
  if (type === stunAttribute.messageIntegritySha256) return 2;
  return type === stunAttribute.fingerprint ? endOrder : 0;
}

const endOrder = 3;
const fingerprintMask = 0x5354554e;

function hasRightFingerprint(bytes: Uint8Array, attribute: StunAttribute): boolean {
  if (attribute.value.length !== 4) return false;
  return readUint32(attribute.value, 0) === fingerprintOf(bytes.subarray(0, attribute.offset));
}

/** FINGERPRINT's value for the bytes in front of it, whose header already counts it (RFC 8489 section 14.7). */
export function fingerprintOf(head: Uint8Array): number {
  return (crc32(head) ^ fingerprintMask) >>> 0;
}
