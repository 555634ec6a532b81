/**
 * DTLS-SRTP with one party over one socket (RFC 5763, RFC 5764): who may try, when it is tried again, and whose keys
 * are believed. The handshake itself is the engine's. A new association is a new object; this one makes one handshake.
 */
import type { Endpoint } from "../../core/address.ts";
import type { Allowance } from "../../core/allowance.ts";
import type { CertificateId, Fingerprint } from "../../core/plan/security.ts";
import type { MonotonicMs } from "../../core/time.ts";
import type { DtlsAction, DtlsCounts } from "./actions.ts";
import type { Certificates } from "./certificates.ts";
import { ClientSide } from "./client-side.ts";
import type { CookieJar } from "./cookies.ts";
import { readDatagram } from "./datagram.ts";
import type { DtlsEngine } from "./engine.ts";
import { isNamed } from "./peer-certificate.ts";
import { ServerSide } from "./server-side.ts";
import type { AssociationSide } from "./side.ts";

export type { DtlsAction } from "./actions.ts";

export interface AssociationParts {
  readonly engine: DtlsEngine;
  readonly certificates: Certificates;
  readonly cookies: CookieJar;
  readonly counts: DtlsCounts;
  /** Handshakes of strangers, of all associations together. */
  readonly strangers: Allowance;
  readonly role: "client" | "server";
  /** Must be there (`Certificates.has`); it stays until `close`. */
  readonly certificate: CertificateId;
  /** Of the peer's certificate, as SDP has them. */
  readonly fingerprints: readonly Fingerprint[];
  readonly nowMs: MonotonicMs;
}

export class DtlsAssociation {
  readonly #parts: AssociationParts;
  readonly #side: AssociationSide;
  #isOpen = true;

  constructor(parts: AssociationParts) {
    const { engine, role, fingerprints, cookies, counts, strangers, nowMs } = parts;
    this.#parts = parts;
    const certificate = parts.certificates.retain(parts.certificate);
    const sideParts = {
      cookies,
      counts,
      strangers,
      nowMs,
      open: (hasCookie: boolean) =>
        engine.open({ role, certificate, hasCookie, accepts: (peer) => isNamed(peer, fingerprints) }),
    };
    this.#side = role === "server" ? new ServerSide(sideParts) : new ClientSide(sideParts);
  }

  /**
   * Takes one datagram that looks like DTLS (RFC 7983 section 7).
   * `isVouched`: the source has a valid ICE check, or is a signalled ip:port or usable IP.
   */
  handlePacket(
    nowMs: MonotonicMs,
    source: Endpoint,
    bytes: Uint8Array,
    isVouched: boolean,
  ): readonly DtlsAction[] {
    const datagram = this.#isOpen ? readDatagram(bytes) : undefined;
    if (datagram === undefined) {
      this.#parts.counts.ignored++;
      return [];
    }
    return this.#side.handlePacket(nowMs, source, datagram, isVouched);
  }

  /** Where a client's handshake goes, begun or going on; may be repeated at will. A server takes no notice. */
  aim(nowMs: MonotonicMs, target: Endpoint): readonly DtlsAction[] {
    return this.#isOpen ? this.#side.aim(nowMs, target) : [];
  }

  handleTimeout(nowMs: MonotonicMs): readonly DtlsAction[] {
    return this.#isOpen ? this.#side.handleTimeout(nowMs) : [];
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    return this.#isOpen ? this.#side.nextDeadlineMs() : undefined;
  }

  /** Frees all there is and says nothing more; may be called twice. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#side.close();
    this.#parts.certificates.release(this.#parts.certificate);
  }
}
