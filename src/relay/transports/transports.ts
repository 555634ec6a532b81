/**
 * The secure transports of all pairs: hands each the packets its worker passed up, keeps their deadlines, and turns
 * what they want into commands, packets and events.
 *
 * Everything of a pair goes through here in order: its settings first, then keys and proof, so the worker never
 * applies one to a predecessor. Pairs in the clear without ICE have nothing here.
 */
import type { Endpoint } from "../../core/address.ts";
import { DeadlineHeap } from "../../core/deadline-heap.ts";
import { transportTimeoutsPerTurnMax } from "../../core/limits.ts";
import type { PairCounters } from "../../core/plan/counters.ts";
import type { Component, PairId, PairSettings, RelayEvent } from "../../core/plan/plan.ts";
import type { MonotonicMs } from "../../core/time.ts";
import { PairTransport, type TransportView } from "./pair-transport.ts";
import { noTransports, type TransportCounts } from "./transport-counts.ts";
import type { TransportAction, TransportMakers } from "./transport-parts.ts";
import type { PassedPacket, SocketAction } from "./worker-door.ts";

/** What the transports need of the relay. Pairs are open while they are named here. */
export interface TransportRelay {
  /** False for a packet that found no room on its way to the worker. */
  perform(pair: PairId, action: SocketAction): boolean;
  counters(pair: PairId): PairCounters | undefined;
  /** May call `configure` and `close` here. */
  tell(event: RelayEvent): void;
}

/** STUN's first byte is 0 to 3, that of DTLS 20 to 63 (RFC 7983 section 7). */
const firstDtlsByte = 20;

export class Transports {
  readonly #relay: TransportRelay;
  readonly #makers: TransportMakers;
  readonly #pairs = new Map<PairId, PairTransport>();
  /** Of bundled pairs. */
  readonly #carriers = new Map<PairId, PairId>();
  readonly #deadlines = new DeadlineHeap<PairId>();
  readonly counts: TransportCounts = noTransports();

  constructor(relay: TransportRelay, makers: TransportMakers) {
    this.#relay = relay;
    this.#makers = makers;
  }

  get pairCount(): number {
    return this.#pairs.size;
  }

  configure(nowMs: MonotonicMs, pair: PairId, settings: PairSettings): void {
    if (!hasTransport(pair, settings)) {
      this.close(pair);
      if (settings.bundle !== undefined) this.#carriers.set(pair, settings.bundle.carrier);
      return;
    }
    this.#carriers.delete(pair);
    const transport = this.#pairs.get(pair) ?? new PairTransport(this.#makers);
    this.#pairs.set(pair, transport);
    this.#carryOut(pair, transport, transport.configure(nowMs, settings));
  }

  close(pair: PairId): void {
    this.#pairs.get(pair)?.close();
    this.#pairs.delete(pair);
    this.#carriers.delete(pair);
    this.#deadlines.delete(pair);
  }

  closeAll(): void {
    for (const pair of [...this.#pairs.keys()]) this.close(pair);
  }

  handlePacket(nowMs: MonotonicMs, pair: PairId, packet: PassedPacket): void {
    const transport = this.#pairs.get(pair);
    if (transport === undefined) return;
    const { component, source, bytes } = packet;
    const isDtls = (bytes[0] ?? 0) >= firstDtlsByte;
    const actions = isDtls
      ? transport.handleDtls(nowMs, component, source, bytes)
      : transport.handleStun(nowMs, component, source, bytes);
    this.#carryOut(pair, transport, actions);
  }

  /** The worker sends there from now on, as far as main knows. */
  noteTarget(nowMs: MonotonicMs, pair: PairId, component: Component, target: Endpoint): void {
    const transport = this.#pairs.get(pair);
    if (transport?.isSeeking !== true) return;
    this.#carryOut(pair, transport, transport.follow(nowMs, component, target));
  }

  /** Runs what is due, a turn's worth. */
  handleTimeout(nowMs: MonotonicMs): void {
    for (let looked = 0; looked < transportTimeoutsPerTurnMax; looked++) {
      const pair = this.#deadlines.firstName();
      const transport = pair === undefined ? undefined : this.#pairs.get(pair);
      if (pair === undefined || transport === undefined || this.#deadlines.firstAtMs() > nowMs) return;
      this.#followTarget(nowMs, pair, transport);
      this.#carryOut(pair, transport, transport.handleTimeout(nowMs));
    }
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    const atMs = this.#deadlines.firstAtMs();
    return atMs === Number.POSITIVE_INFINITY ? undefined : (atMs as MonotonicMs);
  }

  view(pair: PairId): TransportView | undefined {
    return this.#pairs.get(this.#carriers.get(pair) ?? pair)?.view();
  }

  /** A client that sends again sends where the worker would by now: a keepalive may have shown the way. */
  #followTarget(nowMs: MonotonicMs, pair: PairId, transport: PairTransport): void {
    if (!transport.isSeeking) return;
    const counters = this.#relay.counters(pair);
    for (const component of ["rtp", "rtcp"] as const) {
      const target = counters?.[component].sendTarget;
      if (target !== undefined) this.#carryOut(pair, transport, transport.follow(nowMs, component, target));
    }
  }

  #carryOut(pair: PairId, transport: PairTransport, actions: readonly TransportAction[]): void {
    for (const action of actions) {
      // What was told before may have closed the pair.
      if (this.#pairs.get(pair) !== transport) return;
      this.#do(pair, action);
    }
    if (this.#pairs.get(pair) !== transport) return;
    this.#deadlines.set(pair, transport.nextDeadlineMs() ?? Number.POSITIVE_INFINITY);
  }

  #do(pair: PairId, action: TransportAction): void {
    if (action.kind !== "tell") {
      if (!this.#relay.perform(pair, action)) this.counts.unsent++;
    } else {
      const { event } = action;
      if (event.kind === "dtls-connected") this.counts.handshakes++;
      else if (event.kind === "dtls-failed") this.counts.handshakesFailed[event.reason]++;
      else if (event.kind === "ice-selected") this.counts.iceSelected++;
      else this.counts.iceFailed[event.reason]++;
      this.#relay.tell({ ...event, pair });
    }
  }
}

/** Plain media has none; a bundled m-line travels on its carrier's sockets, under its keys (RFC 8843 section 7). */
function hasTransport(pair: PairId, { security, ice, bundle }: PairSettings): boolean {
  if (bundle !== undefined && bundle.carrier !== pair) return false;
  return ice !== undefined || security.kind !== "none";
}
