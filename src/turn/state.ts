/**
 * All that the server remembers, and the few ways in which it changes. Requests are carried out elsewhere; whatever
 * they do, this holds: a relay that was opened is closed once, and what grows is counted against a limit.
 */
import assert from "node:assert/strict";
import { type Endpoint, formatEndpoint } from "../core/address.ts";
import { DeadlineHeap } from "../core/deadline-heap.ts";
import type { Digests } from "../core/digests.ts";
import type { Random } from "../core/random.ts";
import { addMs, type MonotonicMs } from "../core/time.ts";
import type { StunErrorCode } from "../stun/wire.ts";
import type { ConnectionId, PeerReach, RelayId, ReleaseReason, TurnAction, TurnClient } from "./actions.ts";
import type { Allocation, PeerConnection, Relay, Reservation, Timed } from "./allocation.ts";
import { deadlineOf } from "./allocation.ts";
import { ChallengeRate } from "./challenge-rate.ts";
import { makeTurnCounts, type TurnCounts } from "./counts.ts";
import { Credentials } from "./credentials.ts";
import { Nonces } from "./nonces.ts";
import { type NamedPeer, PeerPolicy } from "./peers.ts";
import { ReplyCache } from "./reply-cache.ts";
import { type Attribute, encodeRefusal, encodeSuccess, type ReplyAddress, type Seal } from "./request.ts";
import type { TurnSettings } from "./settings.ts";

export interface TurnParts {
  readonly digests: Digests;
  readonly random: Random;
  readonly settings: TurnSettings;
  /** True while media or a relay has this UDP port of ours, by its local or its advertised address. */
  readonly isOwnPort: (endpoint: Endpoint) => boolean;
}

export interface Refusal {
  readonly error: StunErrorCode;
  readonly attributes?: readonly Attribute[];
}

export class TurnState {
  readonly parts: TurnParts;
  readonly nonces: Nonces;
  readonly rate: ChallengeRate;
  readonly replies = new ReplyCache();
  readonly counts: TurnCounts = makeTurnCounts();
  settings: TurnSettings;
  credentials: Credentials;
  peers: PeerPolicy;
  isDraining = false;
  /** Of all allocations: one data path may have to hold them all. */
  permissions = 0;
  channels = 0;

  readonly allocations = new Map<number, Allocation>();
  /** By the 5-tuples their clients use, the awaited ones included. */
  readonly byClient = new Map<string, Allocation>();
  readonly byTicket = new Map<string, Allocation>();
  readonly byRelay = new Map<RelayId, Allocation>();
  readonly reservations = new Map<string, Reservation>();
  readonly connections = new Map<ConnectionId, PeerConnection>();
  /** Data connections of clients (RFC 6062 section 4.3). */
  readonly dataConnections = new Map<string, PeerConnection>();
  readonly deadlines = new DeadlineHeap<Timed>();
  /** Allocations of each user, those being made included, and the user's number. */
  readonly #accounts = new Map<string, { readonly id: number; count: number }>();
  readonly #tcpRelays = new Set<string>();
  #pending = 0;
  #lastId = 0;
  #actions: TurnAction[] = [];

  constructor(parts: TurnParts) {
    this.parts = parts;
    this.settings = parts.settings;
    this.nonces = new Nonces(parts);
    this.rate = new ChallengeRate(parts.random, parts.settings.challengesPerSec);
    this.credentials = new Credentials(parts, parts.settings);
    this.peers = new PeerPolicy(parts.settings);
  }

  mintId(): number {
    this.#lastId++;
    return this.#lastId;
  }

  emit(action: TurnAction): void {
    this.#actions.push(action);
  }

  /** What was emitted since the last call. */
  take(): readonly TurnAction[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  /** Answers, and gives the bytes back to whoever keeps them. */
  succeed(to: ReplyAddress, attributes: readonly Attribute[], seal: Seal | undefined): Uint8Array {
    const bytes = encodeSuccess(to, attributes, seal, this.parts.digests);
    this.counts.successes++;
    this.emit({ kind: "reply", client: to.client, bytes });
    return bytes;
  }

  refuse(to: ReplyAddress, refusal: Refusal, seal: Seal | undefined): Uint8Array {
    const { error, attributes = [] } = refusal;
    this.counts.errors.set(error.code, (this.counts.errors.get(error.code) ?? 0) + 1);
    const bytes = encodeRefusal(to, { error, attributes }, seal, this.parts.digests);
    this.emit({ kind: "reply", client: to.client, bytes });
    return bytes;
  }

  /** How many allocations there are and are being made. */
  get load(): number {
    return this.allocations.size + this.#pending;
  }

  allocationsOf(account: string): number {
    return this.#accounts.get(account)?.count ?? 0;
  }

  /** Ports kept for this user, of a thousand at most. */
  reservationsOf(account: string): number {
    let count = 0;
    for (const reservation of this.reservations.values()) if (reservation.account === account) count++;
    return count;
  }

  /** An allocation is being made for this user: counted from now on. */
  enter(account: string): void {
    this.#pending++;
    const entry = this.#accounts.get(account);
    if (entry === undefined) this.#accounts.set(account, { id: this.mintId(), count: 1 });
    else entry.count++;
  }

  /** It came to nothing. */
  leave(account: string): void {
    this.#pending--;
    this.#discount(account);
  }

  /** It has come about. */
  admit(allocation: Allocation): void {
    const { place } = allocation;
    assert.ok(place !== undefined && !this.byClient.has(place.key));
    this.#pending--;
    this.allocations.set(allocation.id, allocation);
    this.byClient.set(place.key, allocation);
    for (const relay of allocation.relays) this.#own(relay, allocation);
    if (allocation.ticket !== undefined) this.byTicket.set(allocation.ticket, allocation);
    this.counts.allocations++;
    this.emit({
      kind: "attach",
      allocation: allocation.id,
      client: place.client,
      transport: allocation.transport,
      relays: allocation.relays.map(({ id, family }) => ({ relay: id, family })),
      username: allocation.caller.username,
      account: this.#accounts.get(allocation.caller.account)?.id ?? 0,
      allocationBytesPerSec: this.settings.allocationBytesPerSec,
      userBytesPerSec: this.settings.userBytesPerSec,
    });
    this.plan(allocation);
  }

  /** Takes all of it away. */
  release(allocation: Allocation, reason: ReleaseReason): void {
    assert.ok(this.allocations.delete(allocation.id), "an allocation is released once");
    this.deadlines.delete(allocation);
    for (const connection of [...allocation.connections]) this.disconnect(connection);
    if (allocation.place !== undefined) this.byClient.delete(allocation.place.key);
    if (allocation.next !== undefined) this.byClient.delete(allocation.next.key);
    if (allocation.ticket !== undefined) this.byTicket.delete(allocation.ticket);
    if (allocation.formerTicket !== undefined) this.byTicket.delete(allocation.formerTicket);
    this.emit({ kind: "detach", allocation: allocation.id, reason });
    for (const relay of allocation.relays) this.#disown(relay);
    this.permissions -= allocation.permissions.size;
    this.channels -= allocation.channels.size;
    this.#discount(allocation.caller.account);
    this.counts.releases++;
  }

  /** One of two relays goes, the allocation stays. */
  shed(allocation: Allocation, relay: Relay): void {
    allocation.relays = allocation.relays.filter((other) => other !== relay);
    assert.ok(allocation.relays.length > 0);
    this.#disown(relay);
  }

  /** Sets when it is looked at next. */
  plan(allocation: Allocation): void {
    this.deadlines.set(allocation, deadlineOf(allocation));
  }

  /** The time to live that the client gets (RFC 8656 sections 7.2 and 8.2). */
  lifetimeSec(wantedSec: number | undefined): number {
    const { lifetimeDefaultSec, lifetimeMaxSec } = this.settings;
    return Math.min(Math.max(wantedSec ?? 0, lifetimeDefaultSec), lifetimeMaxSec);
  }

  /** What of this peer may be reached; undefined: forbidden. A port of 0 names none. */
  reachOf(peer: NamedPeer, transport: "udp" | "tcp"): PeerReach | undefined {
    const { endpoint } = peer;
    const reach = peer.isMapped ? undefined : this.peers.reachOf(endpoint.ip);
    if (reach === undefined || endpoint.port === 0) return reach;
    if (reach !== "own-ports") return this.peers.isControl(endpoint) ? undefined : reach;
    const isOwn =
      transport === "udp" ? this.parts.isOwnPort(endpoint) : this.#tcpRelays.has(formatEndpoint(endpoint));
    return isOwn ? reach : undefined;
  }

  /** Ends a connection with a peer, at whatever point it is. */
  disconnect(connection: PeerConnection): void {
    this.forget(connection);
    this.emit({ kind: "disconnect", connection: connection.id });
  }

  /** The same, where its stream has gone already. */
  forget(connection: PeerConnection): void {
    assert.ok(this.connections.delete(connection.id), "a connection ends once");
    connection.allocation.connections.delete(connection);
    if (connection.clientKey !== undefined) this.dataConnections.delete(connection.clientKey);
    this.deadlines.delete(connection);
  }

  keepReservation(reservation: Reservation): void {
    this.reservations.set(reservation.token, reservation);
    this.deadlines.set(reservation, reservation.untilMs);
  }

  /** The port is somebody's, or nobody came for it: then `close` it. */
  endReservation(reservation: Reservation): void {
    this.reservations.delete(reservation.token);
    this.deadlines.delete(reservation);
  }

  /** The client is at its new place; its former stream, if it was one, ends. */
  finishMove(allocation: Allocation): void {
    const { next, place } = allocation;
    assert.ok(next !== undefined);
    this.counts.moves++;
    if (place !== undefined) {
      this.byClient.delete(place.key);
      if (isStream(place.client)) this.emit({ kind: "hang-up", client: place.client });
    }
    allocation.place = { client: next.client, key: next.key };
    allocation.next = undefined;
    if (allocation.formerTicket !== undefined) this.byTicket.delete(allocation.formerTicket);
    allocation.formerTicket = undefined;
    this.emit({ kind: "move", allocation: allocation.id, client: next.client });
    this.plan(allocation);
  }

  untilMs(nowMs: MonotonicMs, seconds: number): MonotonicMs {
    return addMs(nowMs, seconds * 1_000);
  }

  #own(relay: Relay, allocation: Allocation): void {
    this.byRelay.set(relay.id, allocation);
    if (allocation.transport === "udp") return;
    this.#tcpRelays.add(formatEndpoint(relay.local)).add(formatEndpoint(relay.advertised));
  }

  #disown(relay: Relay): void {
    this.byRelay.delete(relay.id);
    this.#tcpRelays.delete(formatEndpoint(relay.local));
    this.#tcpRelays.delete(formatEndpoint(relay.advertised));
    this.emit({ kind: "close", relay: relay.id });
  }

  #discount(account: string): void {
    const entry = this.#accounts.get(account);
    assert.ok(entry !== undefined && entry.count > 0);
    entry.count--;
    if (entry.count === 0) this.#accounts.delete(account);
  }
}

/** A client whose going away we are told. */
export function isStream({ transport }: TurnClient): boolean {
  return transport !== "udp";
}
