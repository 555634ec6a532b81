/** What SDP and SRTP both have to know of the crypto suites. */
import type { SrtpSuite } from "./plan/security.ts";

/** Bytes of what stands behind `inline:` (RFC 4568 section 6.2, RFC 6188 section 4, RFC 7714 section 12). */
export interface SuiteSizes {
  /** Of the master key; session keys of the cipher have the same. */
  readonly keyBytes: number;
  /** Of the master salt; session salts have the same. */
  readonly saltBytes: number;
  /** The tag is part of the cipher and cannot be left out (RFC 7714 section 13.1). */
  readonly isAead: boolean;
}

const sizes: Readonly<Record<SrtpSuite, SuiteSizes>> = {
  AEAD_AES_256_GCM: { keyBytes: 32, saltBytes: 12, isAead: true },
  AEAD_AES_128_GCM: { keyBytes: 16, saltBytes: 12, isAead: true },
  AES_256_CM_HMAC_SHA1_80: { keyBytes: 32, saltBytes: 14, isAead: false },
  AES_256_CM_HMAC_SHA1_32: { keyBytes: 32, saltBytes: 14, isAead: false },
  AES_192_CM_HMAC_SHA1_80: { keyBytes: 24, saltBytes: 14, isAead: false },
  AES_192_CM_HMAC_SHA1_32: { keyBytes: 24, saltBytes: 14, isAead: false },
  AES_CM_128_HMAC_SHA1_80: { keyBytes: 16, saltBytes: 14, isAead: false },
  AES_CM_128_HMAC_SHA1_32: { keyBytes: 16, saltBytes: 14, isAead: false },
  NULL_HMAC_SHA1_80: { keyBytes: 16, saltBytes: 14, isAead: false },
  NULL_HMAC_SHA1_32: { keyBytes: 16, saltBytes: 14, isAead: false },
};

/** Strongest first, those without encryption last: the order in which suites are offered. */
export const suitesByStrength = Object.keys(sizes) as readonly SrtpSuite[];

export function suiteSizes(suite: SrtpSuite): SuiteSizes {
  return sizes[suite];
}
