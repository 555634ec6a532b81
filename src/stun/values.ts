/** Attribute values: bytes to values, and back (RFC 8489 section 14, RFC 8445 section 16). */
import { Buffer } from "node:buffer";
import { type Endpoint, familyOf, ipFromWords, ipToWords } from "../core/address.ts";
import {
  readUint16,
  readUint32,
  type StunErrorCode,
  stunCookie,
  transactionIdSizeBytes,
  writeUint16,
  writeUint32,
} from "./wire.ts";

/** USERNAME, REALM, NONCE, SOFTWARE: UTF-8; bytes that are none become U+FFFD and match nothing. */
export function readText(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString("utf8");
}

export function encodeText(text: string): Uint8Array {
  return Buffer.from(text, "utf8");
}

/** PRIORITY and the like. Undefined: not four bytes. */
export function readNumber(value: Uint8Array): number | undefined {
  return value.length === 4 ? readUint32(value, 0) : undefined;
}

export function encodeNumber(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeUint32(bytes, 0, value);
  return bytes;
}

/** MAPPED-ADDRESS. Undefined: neither an IPv4 nor an IPv6 address. */
export function readAddress(value: Uint8Array): Endpoint | undefined {
  return readMasked(value, new Uint8Array(4 + transactionIdSizeBytes));
}

export function encodeAddress(endpoint: Endpoint): Uint8Array {
  return encodeMasked(endpoint, new Uint8Array(4 + transactionIdSizeBytes));
}

/** XOR-MAPPED-ADDRESS: hidden from NATs that rewrite addresses inside packets (RFC 8489 section 14.2). */
export function readXorAddress(value: Uint8Array, transactionId: Uint8Array): Endpoint | undefined {
  return readMasked(value, maskOf(transactionId));
}

export function encodeXorAddress(endpoint: Endpoint, transactionId: Uint8Array): Uint8Array {
  return encodeMasked(endpoint, maskOf(transactionId));
}

/** ERROR-CODE. Undefined: no code from 300 to 699. */
export function readErrorCode(value: Uint8Array): StunErrorCode | undefined {
  if (value.length < 4) return undefined;
  const hundreds = (value[2] ?? 0) & 7;
  const rest = value[3] ?? 0;
  if (hundreds < 3 || hundreds > 6 || rest > 99) return undefined;
  return { code: hundreds * 100 + rest, reason: readText(value.subarray(4)) };
}

export function encodeErrorCode(error: StunErrorCode): Uint8Array {
  const reason = encodeText(error.reason);
  const bytes = new Uint8Array(4 + reason.length);
  bytes[2] = Math.floor(error.code / 100);
  bytes[3] = error.code % 100;
  bytes.set(reason, 4);
  return bytes;
}

/** UNKNOWN-ATTRIBUTES and the like: 16-bit numbers. Undefined: half a number is left. */
export function readTypes(value: Uint8Array): readonly number[] | undefined {
  if (value.length % 2 !== 0) return undefined;
  return Array.from({ length: value.length / 2 }, (_, index) => readUint16(value, 2 * index));
}

export function encodeTypes(types: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(2 * types.length);
  for (const [index, type] of types.entries()) writeUint16(bytes, 2 * index, type);
  return bytes;
}

/** What the XOR form lays over port and address: cookie, then transaction id. */
function maskOf(transactionId: Uint8Array): Uint8Array {
  const mask = new Uint8Array(4 + transactionIdSizeBytes);
  writeUint32(mask, 0, stunCookie);
  mask.set(transactionId, 4);
  return mask;
}

const familyCodes = { v4: 1, v6: 2 } as const;

function readMasked(value: Uint8Array, mask: Uint8Array): Endpoint | undefined {
  const isV4 = value[1] === familyCodes.v4 && value.length === 8;
  const isV6 = value[1] === familyCodes.v6 && value.length === 20;
  if (!isV4 && !isV6) return undefined;
  const word = (index: number): number =>
    (readUint32(value, 4 + 4 * index) ^ readUint32(mask, 4 * index)) >>> 0;
  const port = readUint16(value, 2) ^ readUint16(mask, 0);
  const ip = isV4 ? ipFromWords(0, 0, 0xffff, word(0)) : ipFromWords(word(0), word(1), word(2), word(3));
  return { ip, port };
}

function encodeMasked(endpoint: Endpoint, mask: Uint8Array): Uint8Array {
  const isV4 = familyOf(endpoint.ip) === 4;
  const words = ipToWords(endpoint.ip);
  const first = isV4 ? 3 : 0;
  const bytes = new Uint8Array(isV4 ? 8 : 20);
  bytes[1] = isV4 ? familyCodes.v4 : familyCodes.v6;
  writeUint16(bytes, 2, endpoint.port ^ readUint16(mask, 0));
  for (let index = 0; first + index < 4; index++) {
    const word = words[first + index] ?? 0;
    writeUint32(bytes, 4 + 4 * index, (word ^ readUint32(mask, 4 * index)) >>> 0);
  }
  return bytes;
}
