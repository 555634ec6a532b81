/**
 * What protects a pair's media and how its way is found, as the call room says it to the relay: SRTP keys, DTLS, ICE,
 * bundles. Plain data; key material never goes into a log.
 */
import type { Endpoint } from "../address.ts";
import type { PairId } from "./plan.ts";

/** Crypto suites by their SDES names (RFC 4568 section 6.2, RFC 6188 section 4, RFC 7714 section 14.2). */
export type SrtpSuite =
  | "AES_CM_128_HMAC_SHA1_80"
  | "AES_CM_128_HMAC_SHA1_32"
  | "AES_192_CM_HMAC_SHA1_80"
  | "AES_192_CM_HMAC_SHA1_32"
  | "AES_256_CM_HMAC_SHA1_80"
  | "AES_256_CM_HMAC_SHA1_32"
  | "AEAD_AES_128_GCM"
  | "AEAD_AES_256_GCM"
  | "NULL_HMAC_SHA1_80"
  | "NULL_HMAC_SHA1_32";

/** One direction's master key and what SDES session parameters say of its use (RFC 4568 section 6.3). */
export interface SrtpKey {
  readonly suite: SrtpSuite;
  readonly masterKey: Uint8Array;
  readonly masterSalt: Uint8Array;
  /** Value on the wire, in the length it has there (RFC 3711 section 3.1); undefined: none. */
  readonly mki: Uint8Array | undefined;
  /** False under UNENCRYPTED_SRTP, UNENCRYPTED_SRTCP, UNAUTHENTICATED_SRTP. SRTCP is always authenticated. */
  readonly encryptsRtp: boolean;
  readonly encryptsRtcp: boolean;
  readonly authenticatesRtp: boolean;
}

export type FingerprintHash = "sha-1" | "sha-224" | "sha-256" | "sha-384" | "sha-512";

/** Hash of a certificate (RFC 8122 section 5). */
export interface Fingerprint {
  readonly hash: FingerprintHash;
  readonly value: Uint8Array;
}

export type PairSecurity =
  /** Plain RTP, or no RTP at all. */
  | { readonly kind: "none" }
  /** Keys belong to the parties alone: SRTP, DTLS, ZRTP and STUN go through unread, RTP headers can be read. */
  | { readonly kind: "passed" }
  | {
      readonly kind: "sdes";
      /** Any of these may protect what this party sends: one a live branch and generation, latest first. */
      readonly receive: readonly SrtpKey[];
      /** What we send this party is protected with. Undefined until it is known: nothing is sent. */
      readonly send: SrtpKey | undefined;
    }
  | {
      readonly kind: "dtls";
      /** `client`: we send the ClientHello. */
      readonly role: "client" | "server";
      /** Those of the strongest hash count, any of them will do (RFC 8122 section 5); all are hashes we can check. */
      readonly fingerprints: readonly Fingerprint[];
      /** Which of our certificates this association was offered with. */
      readonly certificate: CertificateId;
      /** Grows when a new association has to be made; the same number keeps the one there is. */
      readonly association: number;
    };

/** Names a certificate of ours. Associations keep theirs when a newer one is made. */
export type CertificateId = number & { readonly __kind: "certificate-id" };

export type CandidateType = "host" | "srflx" | "prflx" | "relay";

/** A remote candidate over UDP with an IP address (RFC 8839 section 5.1); all others are left out. */
export interface RemoteCandidate {
  readonly foundation: string;
  readonly component: 1 | 2;
  readonly priority: number;
  readonly endpoint: Endpoint;
  readonly type: CandidateType;
}

/** ICE of one pair (RFC 8445 section 2). Our only candidates are the pair's own sockets. */
export interface IceSettings {
  readonly localUfrag: string;
  readonly localPassword: string;
  /** Undefined until this party's SDP is known; checks from it are answered meanwhile. */
  readonly remote:
    | { readonly ufrag: string; readonly password: string; readonly isLite: boolean }
    | undefined;
  /** We are lite: we answer checks and send none. */
  readonly isLite: boolean;
  readonly isControlling: boolean;
  readonly candidates: readonly RemoteCandidate[];
  /** Grows at a restart, when ufrag and password of both sides change (RFC 8445 section 9). */
  readonly restart: number;
}

/** The pair is one of several m-lines that share one transport (RFC 8843 section 7). */
export interface BundleSettings {
  /** The pair whose sockets, keys and proof serve the whole bundle; of the carrier itself its own id. */
  readonly carrier: PairId;
  /** Of this m-line. */
  readonly mid: string | undefined;
  /** a=extmap number of urn:ietf:params:rtp-hdrext:sdes:mid in what this party sends (1 to 14, or 15 to 255). */
  readonly midExtension: number | undefined;
  /** a=ssrc of this m-line, as this party signalled it. */
  readonly ssrcs: readonly number[];
}

export const noSecurity: PairSecurity = { kind: "none" };
