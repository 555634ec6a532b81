/**
 * DTLS on one socket of a pair (RFC 5764): one association at a time, begun anew when signalling says so. The keys of
 * the one before serve until the new ones come.
 */
import { type Endpoint, sameEndpoint } from "../../core/address.ts";
import { earlyHandshakePacketsMax } from "../../core/limits.ts";
import type { Component, DtlsFailure } from "../../core/plan/plan.ts";
import type { PairSecurity, SrtpSuite } from "../../core/plan/security.ts";
import type { MonotonicMs } from "../../core/time.ts";
import type { DtlsAction } from "../../srtp/dtls/actions.ts";
import type { DtlsPart, TransportAction, TransportMakers } from "./transport-parts.ts";

export type DtlsSecurity = Extract<PairSecurity, { kind: "dtls" }>;

/** Where the handshake stands, for the operator. */
export type HandshakeState =
  | { readonly kind: "waiting" }
  | { readonly kind: "connected"; readonly suite: SrtpSuite }
  | { readonly kind: "failed"; readonly reason: DtlsFailure };

interface EarlyPacket {
  readonly source: Endpoint;
  readonly bytes: Uint8Array;
  readonly isVouched: boolean;
}

const waiting: HandshakeState = { kind: "waiting" };

export class SocketHandshake {
  readonly #component: Component;
  readonly #makers: TransportMakers;
  #association: DtlsPart | undefined;
  /** Of the association there is or was last. */
  #number: number | undefined;
  #target: Endpoint | undefined;
  #aimedAt: Endpoint | undefined;
  /** Came before the party's SDP told its fingerprint. */
  readonly #early: EarlyPacket[] = [];
  #state: HandshakeState = waiting;

  constructor(component: Component, makers: TransportMakers) {
    this.#component = component;
    this.#makers = makers;
  }

  get state(): HandshakeState {
    return this.#state;
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    return this.#association?.nextDeadlineMs();
  }

  configure(
    nowMs: MonotonicMs,
    security: DtlsSecurity,
    isVouched: (source: Endpoint) => boolean,
  ): readonly TransportAction[] {
    if (security.association === this.#number || security.fingerprints.length === 0) return [];
    const { role, certificate, fingerprints } = security;
    this.#association?.close();
    this.#number = security.association;
    this.#state = waiting;
    this.#aimedAt = undefined;
    this.#association = this.#makers.dtls({ role, certificate, fingerprints, nowMs });
    if (this.#association === undefined) return this.#translate([{ kind: "failed", reason: "unavailable" }]);
    const out = this.#begin(nowMs);
    for (const { source, bytes } of this.#early.splice(0)) {
      out.push(...this.handlePacket(nowMs, source, bytes, isVouched(source)));
    }
    return out;
  }

  handlePacket(
    nowMs: MonotonicMs,
    source: Endpoint,
    bytes: Uint8Array,
    isVouched: boolean,
  ): readonly TransportAction[] {
    if (this.#number === undefined) {
      this.#keepEarly({ source, bytes, isVouched });
      return [];
    }
    return this.#translate(this.#association?.handlePacket(nowMs, source, bytes, isVouched) ?? []);
  }

  /** Where the party is, as far as is known now; a client begins with it. */
  aim(nowMs: MonotonicMs, target: Endpoint): readonly TransportAction[] {
    this.#target = target;
    return this.#begin(nowMs);
  }

  handleTimeout(nowMs: MonotonicMs): readonly TransportAction[] {
    return this.#translate(this.#association?.handleTimeout(nowMs) ?? []);
  }

  close(): void {
    this.#association?.close();
    this.#association = undefined;
    this.#early.length = 0;
  }

  /** Strangers make room for a source that passed a check of ICE. */
  #keepEarly(packet: EarlyPacket): void {
    if (this.#early.length === earlyHandshakePacketsMax) {
      const stranger = packet.isVouched ? this.#early.findIndex(({ isVouched }) => !isVouched) : -1;
      if (stranger < 0) return;
      this.#early.splice(stranger, 1);
    }
    this.#early.push(packet);
  }

  #begin(nowMs: MonotonicMs): TransportAction[] {
    const target = this.#target;
    if (target === undefined || this.#association === undefined) return [];
    if (this.#state.kind === "connected") return [];
    if (this.#aimedAt !== undefined && sameEndpoint(this.#aimedAt, target)) return [];
    this.#aimedAt = target;
    this.#state = waiting;
    return this.#translate(this.#association.aim(nowMs, target));
  }

  #translate(actions: readonly DtlsAction[]): TransportAction[] {
    const out: TransportAction[] = [];
    for (const action of actions) this.#translateOne(action, out);
    return out;
  }

  #translateOne(action: DtlsAction, out: TransportAction[]): void {
    const component = this.#component;
    if (action.kind === "send") {
      out.push({ kind: "send", component, to: action.to, bytes: action.bytes });
      return;
    }
    if (action.kind === "failed") {
      this.#state = action;
      // A client that is aimed again begins again, be it at the same place.
      this.#aimedAt = undefined;
      out.push({ kind: "tell", event: { kind: "dtls-failed", component, reason: action.reason } });
      return;
    }
    const { source, receive, send } = action;
    const { suite } = receive;
    this.#state = { kind: "connected", suite };
    out.push(
      { kind: "keys", component, receive: [receive], send, provenBy: source },
      { kind: "tell", event: { kind: "dtls-connected", component, suite } },
    );
  }
}
