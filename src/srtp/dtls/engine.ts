/**
 * What the DTLS associations need of a TLS library: certificates of ours, and connections that take and give datagrams.
 *
 * An engine does no I/O and arms no timer. Nothing a peer sends makes it throw. DTLS 1.2 (RFC 6347) alone, always with
 * use_srtp (RFC 5764 section 4.1) and with a certificate demanded from both sides.
 */
import type { DtlsFailure } from "../../core/plan/plan.ts";
import type { FingerprintHash } from "../../core/plan/security.ts";

export interface DtlsEngine {
  /** A new key pair and its self-signed certificate. Costs about a millisecond. */
  createCertificate(): DtlsCertificate;
  open(options: DtlsOptions): DtlsConnection;
}

/** A certificate and, if it is ours, its private key. */
export interface DtlsCertificate extends CertificateView {
  /** Gives its memory back; connections opened with it go on. */
  close(): void;
}

export interface CertificateView {
  /** Hash of the DER encoding (RFC 8122 section 5). */
  digest(hash: FingerprintHash): Uint8Array;
}

export interface DtlsOptions {
  readonly role: "client" | "server";
  readonly certificate: DtlsCertificate;
  /** The first datagram is a ClientHello whose cookie has been found good (RFC 6347 section 4.2.1). Server alone. */
  readonly hasCookie: boolean;
  /** Asked once, when the peer shows its certificate; false ends the handshake. Must not throw. */
  readonly accepts: (peer: CertificateView) => boolean;
}

export interface DtlsConnection {
  /** Client: gives the ClientHello. Once. */
  start(): DtlsProgress;
  /** Takes one datagram in. After the handshake it answers retransmissions and drops data. */
  receive(datagram: Uint8Array): DtlsProgress;
  /** To be called when `timeoutMs` has passed: gives the last flight again if it is time. */
  handleTimeout(): DtlsProgress;
  /** Milliseconds until the last flight has to be sent again; undefined: nothing waits for an answer. */
  timeoutMs(): number | undefined;
  /** Frees everything. Nothing may be called afterwards, `close` again excepted. */
  close(): void;
}

export interface DtlsProgress {
  /** To be sent, in this order; each at most `dtlsDatagramSizeBytesMax`. */
  readonly datagrams: readonly Uint8Array[];
  readonly outcome: DtlsOutcome;
}

export type DtlsOutcome =
  | { readonly kind: "handshaking" }
  /** The handshake ended well, now or earlier. */
  | { readonly kind: "connected"; readonly keying: KeyingMaterial }
  | { readonly kind: "failed"; readonly reason: DtlsFailure };

/** What both sides of a finished handshake share (RFC 5764 section 4.2). */
export interface KeyingMaterial {
  /** Number of the SRTP protection profile both agreed on (RFC 5764 section 4.1.2). */
  readonly profile: number;
  /** Exported with the label EXTRACTOR-dtls_srtp, as many bytes as the profile takes. */
  readonly bytes: Uint8Array;
}
