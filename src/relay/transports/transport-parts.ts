/**
 * What a pair's transport is made of, and what it asks of the relay.
 *
 * The ICE agent and the DTLS association are reached by what is used of them here, so a test can hand in its own.
 */
import type { Endpoint } from "../../core/address.ts";
import type { Component, RelayEvent } from "../../core/plan/plan.ts";
import type { CertificateId, Fingerprint, SrtpKey } from "../../core/plan/security.ts";
import type { MonotonicMs } from "../../core/time.ts";
import type { IceAgent } from "../../ice/agent.ts";
import type { DtlsAssociation } from "../../srtp/dtls/association.ts";

export type IcePart = Pick<IceAgent, "configure" | "handlePacket" | "handleTimeout" | "nextDeadlineMs">;

export type DtlsPart = Pick<
  DtlsAssociation,
  "handlePacket" | "aim" | "handleTimeout" | "nextDeadlineMs" | "close"
>;

export interface DtlsRequest {
  readonly role: "client" | "server";
  readonly certificate: CertificateId;
  readonly fingerprints: readonly Fingerprint[];
  readonly nowMs: MonotonicMs;
}

export interface TransportMakers {
  ice(): IcePart;
  /** Undefined: no DTLS can be had in this process, or the certificate is gone. */
  dtls(request: DtlsRequest): DtlsPart | undefined;
}

/** What the transport of one pair wants done, in this order. */
export type TransportAction =
  | {
      readonly kind: "send";
      readonly component: Component;
      readonly to: Endpoint;
      readonly bytes: Uint8Array;
    }
  /** The source passed a check of ICE. `isNominated`: it is where to send from now on. */
  | {
      readonly kind: "prove";
      readonly component: Component;
      readonly source: Endpoint;
      readonly isNominated: boolean;
    }
  | {
      readonly kind: "keys";
      readonly component: Component;
      readonly receive: readonly SrtpKey[];
      readonly send: SrtpKey | undefined;
      /** The source of the handshake that made these keys: it is proven by them. */
      readonly provenBy: Endpoint | undefined;
    }
  /** The party stopped answering checks: nothing is sent until one is nominated anew (RFC 7675 section 5.1). */
  | { readonly kind: "revoke"; readonly component: Component }
  /** What `prove` said so far of this socket is void. */
  | { readonly kind: "supersede"; readonly component: Component }
  | { readonly kind: "tell"; readonly event: TransportEvent };

type WithoutPair<Event> = Event extends RelayEvent ? Omit<Event, "pair"> : never;

export type TransportEvent = WithoutPair<
  Extract<RelayEvent, { kind: "ice-selected" | "ice-failed" | "dtls-connected" | "dtls-failed" }>
>;
