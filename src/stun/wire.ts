/**
 * The numbers of the STUN wire format, and its header (RFC 8489 section 5).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |0 0|     type (14 bits)        |   size behind the header      |
 *     |                       magic cookie                            |
 *     |                  transaction id (96 bits)                     |
 */

export const stunHeaderSizeBytes = 20;
export const stunCookie = 0x2112a442;
export const transactionIdSizeBytes = 12;

/** IANA registry "STUN Methods". */
export const stunMethod = { binding: 0x001 } as const;

export type StunClass = "request" | "indication" | "success" | "error";

/** IANA registry "STUN Attributes": those of RFC 8489 section 14 and RFC 8445 section 16.1. */
export const stunAttribute = {
  mappedAddress: 0x0001,
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  realm: 0x0014,
  nonce: 0x0015,
  messageIntegritySha256: 0x001c,
  passwordAlgorithm: 0x001d,
  userhash: 0x001e,
  xorMappedAddress: 0x0020,
  priority: 0x0024,
  useCandidate: 0x0025,
  passwordAlgorithms: 0x8002,
  alternateDomain: 0x8003,
  software: 0x8022,
  alternateServer: 0x8023,
  fingerprint: 0x8028,
  iceControlled: 0x8029,
  iceControlling: 0x802a,
} as const;

/** Types below 0x8000 have to be understood by whoever gets them (RFC 8489 section 14). */
export function isComprehensionRequired(type: number): boolean {
  return type < 0x8000;
}

/** IANA registry "STUN Error Codes" with the reason phrases of RFC 8489 section 14.8, RFC 8656 section 19 and RFC 8445 section 16.2. */
export const stunError = {
  badRequest: { code: 400, reason: "Bad Request" },
  unauthenticated: { code: 401, reason: "Unauthenticated" },
  forbidden: { code: 403, reason: "Forbidden" },
  unknownAttribute: { code: 420, reason: "Unknown Attribute" },
  roleConflict: { code: 487, reason: "Role Conflict" },
} as const;

export interface StunErrorCode {
  readonly code: number;
  readonly reason: string;
}

/** Those that must be understood, and are, by STUN and ICE (RFC 8489 section 14, RFC 8445 section 16.1). */
export const knownAttributes: ReadonlySet<number> = new Set([
  stunAttribute.mappedAddress,
  stunAttribute.username,
  stunAttribute.messageIntegrity,
  stunAttribute.errorCode,
  stunAttribute.unknownAttributes,
  stunAttribute.realm,
  stunAttribute.nonce,
  stunAttribute.messageIntegritySha256,
  stunAttribute.passwordAlgorithm,
  stunAttribute.userhash,
  stunAttribute.xorMappedAddress,
  stunAttribute.priority,
  stunAttribute.useCandidate,
]);

const classes: readonly StunClass[] = ["request", "indication", "success", "error"];

/** The two class bits stand between the method's: C0 is bit 4, C1 bit 8. */
export function encodeType(method: number, messageClass: StunClass): number {
  const bits = classes.indexOf(messageClass);
  return (
    (method & 0x00f) |
    ((method & 0x070) << 1) |
    ((method & 0xf80) << 2) |
    ((bits & 1) << 4) |
    ((bits & 2) << 7)
  );
}

export function methodOf(type: number): number {
  return (type & 0x000f) | ((type & 0x00e0) >>> 1) | ((type & 0x3e00) >>> 2);
}

export function classOf(type: number): StunClass {
  return classes[((type >>> 4) & 1) | ((type >>> 7) & 2)] ?? "request";
}

/** A value and the zeros that fill its last word. */
export function paddedSize(sizeBytes: number): number {
  return (sizeBytes + 3) & ~3;
}

export function readUint16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

export function readUint32(bytes: Uint8Array, offset: number): number {
  return ((readUint16(bytes, offset) << 16) | readUint16(bytes, offset + 2)) >>> 0;
}

export function writeUint16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value;
}

export function writeUint32(bytes: Uint8Array, offset: number, value: number): void {
  writeUint16(bytes, offset, value >>> 16);
  writeUint16(bytes, offset + 2, value & 0xffff);
}
