/** SRTP protection profiles of use_srtp, and how exported keying material becomes keys (RFC 5764 sections 4.1.2, 4.2). */
import assert from "node:assert/strict";
import type { SrtpKey, SrtpSuite } from "../../core/plan/security.ts";
import type { KeyingMaterial } from "./engine.ts";

export interface DtlsProfile {
  /** On the wire: RFC 5764 section 4.1.2, RFC 7714 section 14.2. */
  readonly number: number;
  /** Its name in that registry, which is OpenSSL's too. */
  readonly name: string;
  readonly suite: SrtpSuite;
  readonly keyBytes: number;
  readonly saltBytes: number;
}

/** In the order we prefer them: as server we decide, as client we propose. */
export const dtlsProfiles: readonly DtlsProfile[] = [
  { number: 0x0007, name: "SRTP_AEAD_AES_128_GCM", suite: "AEAD_AES_128_GCM", keyBytes: 16, saltBytes: 12 },
  { number: 0x0008, name: "SRTP_AEAD_AES_256_GCM", suite: "AEAD_AES_256_GCM", keyBytes: 32, saltBytes: 12 },
  {
    number: 0x0001,
    name: "SRTP_AES128_CM_SHA1_80",
    suite: "AES_CM_128_HMAC_SHA1_80",
    keyBytes: 16,
    saltBytes: 14,
  },
  {
    number: 0x0002,
    name: "SRTP_AES128_CM_SHA1_32",
    suite: "AES_CM_128_HMAC_SHA1_32",
    keyBytes: 16,
    saltBytes: 14,
  },
];

export function profileOf(number: number): DtlsProfile | undefined {
  return dtlsProfiles.find((profile) => profile.number === number);
}

/** Bytes of keying material a profile takes: a key and a salt for each side. */
export function keyingSizeBytes(profile: DtlsProfile): number {
  return 2 * (profile.keyBytes + profile.saltBytes);
}

/** The two keys of the side with this role: client's key, server's key, client's salt, server's salt. */
export function splitKeying(
  keying: KeyingMaterial,
  role: "client" | "server",
): { readonly receive: SrtpKey; readonly send: SrtpKey } {
  const profile = profileOf(keying.profile);
  assert(profile !== undefined && keying.bytes.length === keyingSizeBytes(profile));
  const { keyBytes, saltBytes } = profile;
  const keyOf = (side: 0 | 1): SrtpKey => {
    const salt = 2 * keyBytes + side * saltBytes;
    return {
      suite: profile.suite,
      masterKey: keying.bytes.slice(side * keyBytes, (side + 1) * keyBytes),
      masterSalt: keying.bytes.slice(salt, salt + saltBytes),
      mki: undefined,
      encryptsRtp: true,
      encryptsRtcp: true,
      authenticatesRtp: true,
    };
  };
  return role === "client" ? { receive: keyOf(1), send: keyOf(0) } : { receive: keyOf(0), send: keyOf(1) };
}
