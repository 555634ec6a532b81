/** Message integrity and the keys for it (RFC 8489 sections 9 and 14). */
import { Buffer } from "node:buffer";
import { pooledCopy } from "../core/bytes.ts";
import type { Digests } from "../core/digests.ts";
import type { IntegrityHash } from "./builder.ts";
import type { StunAttribute, StunMessage } from "./message.ts";
import { encodeText } from "./values.ts";
import { stunAttribute, stunHeaderSizeBytes, writeUint16 } from "./wire.ts";

/** Which integrity this message is to be judged by: SHA-256 where it has both (RFC 8489 section 9.1.3). */
export function integrityOf(message: StunMessage): IntegrityHash | undefined {
  if (find(message, "sha256") !== undefined) return "sha256";
  return find(message, "sha1") === undefined ? undefined : "sha1";
}

/** True if the message carries that integrity and it was made with `key`. Same time wherever the two differ. */
export function hasIntegrity(
  message: StunMessage,
  hash: IntegrityHash,
  key: Uint8Array,
  digests: Digests,
): boolean {
  const attribute = find(message, hash);
  if (attribute === undefined) return false;
  const { offset, value } = attribute;
  // The header counts up to the end of this attribute, whatever follows it.
  // A copy even of a Buffer, whose `slice` would not be one.
  const head = pooledCopy(message.bytes.subarray(0, offset));
  writeUint16(head, 2, offset + 4 + value.length - stunHeaderSizeBytes);
  if (hash === "sha1") return digests.isEqual(value, digests.hmacSha1(key, head));
  // MESSAGE-INTEGRITY-SHA256 may be cut to 16 bytes or more, in whole words (RFC 8489 section 14.6).
  if (value.length < 16 || value.length % 4 !== 0) return false;
  return digests.isEqual(value, digests.hmacSha256(key, head).subarray(0, value.length));
}

/** Short-term credentials: the password itself; ICE passwords are ASCII, which OpaqueString leaves alone. */
export function shortTermKey(password: string): Uint8Array {
  return encodeText(password);
}

/** Who asks for long-term credentials to be used, and which they are. */
export interface LongTermCredentials {
  readonly username: string;
  readonly realm: string;
  readonly password: string;
}

/** RFC 8489 section 9.2.2, with the password algorithm MD5 or SHA-256 (sections 18.5.1.1 and 18.5.1.2). */
export function longTermKey(
  digests: Digests,
  algorithm: "md5" | "sha256",
  { username, realm, password }: LongTermCredentials,
): Uint8Array {
  const text = Buffer.from(`${username}:${realm}:${password}`, "utf8");
  return algorithm === "md5" ? digests.md5(text) : digests.sha256(text);
}

/** USERHASH: names a user without showing him (RFC 8489 section 14.4). */
export function userhashOf(digests: Digests, username: string, realm: string): Uint8Array {
  return digests.sha256(encodeText(`${username}:${realm}`));
}

function find(message: StunMessage, hash: IntegrityHash): StunAttribute | undefined {
  const type = hash === "sha1" ? stunAttribute.messageIntegrity : stunAttribute.messageIntegritySha256;
  return message.attributes.find((attribute) => attribute.type === type);
}
