/** The crypto suites and what follows from each (RFC 3711 section 8.2, RFC 4568 section 6.2, RFC 6188, RFC 7714 section 12). */
import type { SrtpKey, SrtpSuite } from "../core/plan/security.ts";
import { type SuiteSizes, suiteSizes } from "../core/srtp-suites.ts";

export interface SuiteFacts extends SuiteSizes {
  readonly cipher: "ctr" | "gcm" | "none";
  /** On an RTP packet. */
  readonly tagBytes: number;
  /** On an RTCP packet: the suites with 32 bits shorten the RTP tag alone (RFC 4568 section 6.2.2). */
  readonly rtcpTagBytes: number;
}

function counterMode(suite: SrtpSuite, cipher: "ctr" | "none", tagBytes: number): SuiteFacts {
  return { cipher, tagBytes, rtcpTagBytes: 10, ...suiteSizes(suite) };
}

function galois(suite: SrtpSuite): SuiteFacts {
  return { cipher: "gcm", tagBytes: 16, rtcpTagBytes: 16, ...suiteSizes(suite) };
}

const facts: Readonly<Record<SrtpSuite, SuiteFacts>> = {
  AES_CM_128_HMAC_SHA1_80: counterMode("AES_CM_128_HMAC_SHA1_80", "ctr", 10),
  AES_CM_128_HMAC_SHA1_32: counterMode("AES_CM_128_HMAC_SHA1_32", "ctr", 4),
  AES_192_CM_HMAC_SHA1_80: counterMode("AES_192_CM_HMAC_SHA1_80", "ctr", 10),
  AES_192_CM_HMAC_SHA1_32: counterMode("AES_192_CM_HMAC_SHA1_32", "ctr", 4),
  AES_256_CM_HMAC_SHA1_80: counterMode("AES_256_CM_HMAC_SHA1_80", "ctr", 10),
  AES_256_CM_HMAC_SHA1_32: counterMode("AES_256_CM_HMAC_SHA1_32", "ctr", 4),
  AEAD_AES_128_GCM: galois("AEAD_AES_128_GCM"),
  AEAD_AES_256_GCM: galois("AEAD_AES_256_GCM"),
  NULL_HMAC_SHA1_80: counterMode("NULL_HMAC_SHA1_80", "none", 10),
  NULL_HMAC_SHA1_32: counterMode("NULL_HMAC_SHA1_32", "none", 4),
};

export const srtpSuites = Object.keys(facts) as readonly SrtpSuite[];

export function suiteFacts(suite: SrtpSuite): SuiteFacts {
  return facts[suite];
}

/** Longest MKI an SDES key may have (RFC 4568 section 6.1). */
export const mkiBytesMax = 128;

/** Key and salt have the suite's lengths, and the MKI one that is allowed. */
export function isWellFormedKey(key: SrtpKey): boolean {
  const { keyBytes, saltBytes } = facts[key.suite];
  const mkiBytes = key.mki?.length ?? 0;
  return key.masterKey.length === keyBytes && key.masterSalt.length === saltBytes && mkiBytes <= mkiBytesMax;
}

/** The same session keys come of both: suite, master key and salt are equal. */
export function isSameMaster(a: SrtpKey, b: SrtpKey): boolean {
  return a.suite === b.suite && isEqual(a.masterKey, b.masterKey) && isEqual(a.masterSalt, b.masterSalt);
}

/** What one protects the other accepts as it is: a packet may pass between them untouched. */
export function isSameKey(a: SrtpKey, b: SrtpKey): boolean {
  return (
    isSameMaster(a, b) &&
    a.encryptsRtp === b.encryptsRtp &&
    a.encryptsRtcp === b.encryptsRtcp &&
    a.authenticatesRtp === b.authenticatesRtp &&
    isEqual(a.mki ?? none, b.mki ?? none)
  );
}

const none = new Uint8Array(0);

/** Takes the same time wherever the two differ. */
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (const [index, byte] of a.entries()) difference |= byte ^ (b[index] ?? 0);
  return difference === 0;
}
