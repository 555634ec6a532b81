/**
 * The TURN server: requests, events and a clock in, actions and one next deadline out (RFC 8656, RFC 8489).
 *
 * Packets for peers, ChannelData and Send, do not come here: `DataPath` carries them out, by the plan that the actions
 * make. What is no request is counted and dropped.
 */
import type { Endpoint } from "../core/address.ts";
import { turnTimeoutsPerTurnMax } from "../core/limits.ts";
import type { MonotonicMs } from "../core/time.ts";
import { parseStun, unknownRequired } from "../stun/message.ts";
import { encodeTypes } from "../stun/values.ts";
import { stunAttribute, stunMethod } from "../stun/wire.ts";
import type {
  ActionOf,
  AllocationId,
  ConnectionId,
  RelayId,
  ReleaseReason,
  TurnAction,
  TurnClient,
  TurnMoment,
} from "./actions.ts";
import { Allocating, type OpenedRelay, type RelayFailure } from "./allocate.ts";
import type { Allocation, Timed } from "./allocation.ts";
import { authenticate } from "./authentication.ts";
import { handleBinding, hasDiscovery, wantsDetour } from "./binding.ts";
import { Credentials } from "./credentials.ts";
import { PeerPolicy } from "./peers.ts";
import {
  expirePeers,
  grantsOf,
  handleChannelBind,
  handleCreatePermission,
  revokePeers,
} from "./permissions.ts";
import { handleMoved, handlePlaceClosed, handleRefresh } from "./refresh.ts";
import { type Caller, clientKeyOf, type TurnRequest } from "./request.ts";
import type { TurnSettings } from "./settings.ts";
import { type AllocationView, type TurnSnapshot, viewOf } from "./snapshot.ts";
import { type TurnParts, TurnState } from "./state.ts";
import {
  expireConnection,
  handleConnect,
  handleConnected,
  handleConnectionBind,
  handleConnectionClosed,
  handlePeerConnection,
  nonceHoldersOf,
  revokeConnections,
} from "./tcp-relay.ts";
import { discoveryAttributes, turnAttribute, turnAttributes, turnError, turnMethod } from "./wire.ts";

export type { OpenedRelay, RelayFailure } from "./allocate.ts";
export type { TurnParts } from "./state.ts";

type Handler = (state: TurnState, request: TurnRequest, caller: Caller) => void;

export class TurnServer {
  readonly #state: TurnState;
  readonly #allocating: Allocating;
  readonly #handlers: ReadonlyMap<number, Handler>;

  constructor(parts: TurnParts) {
    this.#state = new TurnState(parts);
    this.#allocating = new Allocating(this.#state);
    this.#handlers = new Map<number, Handler>([
      [turnMethod.allocate, (_, request, caller) => this.#allocating.handle(request, caller)],
      [turnMethod.refresh, handleRefresh],
      [turnMethod.createPermission, handleCreatePermission],
      [turnMethod.channelBind, handleChannelBind],
      [turnMethod.connect, handleConnect],
      [turnMethod.connectionBind, handleConnectionBind],
    ]);
  }

  /** One message of a client: a datagram, or what `StreamFramer` cut out of a stream. */
  handleMessage(moment: TurnMoment, client: TurnClient, bytes: Uint8Array): readonly TurnAction[] {
    const state = this.#state;
    const message = parseStun(bytes);
    const isKnown =
      message !== undefined && (message.method === stunMethod.binding || this.#handlers.has(message.method));
    if (message?.class !== "request" || !isKnown) {
      state.counts.ignored++;
      return [];
    }
    const { method, transactionId, hasFingerprint } = message;
    const clientKey = clientKeyOf(client);
    const request = { moment, client, clientKey, method, transactionId, hasFingerprint, message };
    state.counts.requests.set(method, (state.counts.requests.get(method) ?? 0) + 1);
    const former = state.replies.find(moment.nowMs, request);
    if (former !== undefined) {
      state.counts.repeated++;
      return [{ kind: "reply", client, bytes: former }];
    }
    if (method === stunMethod.binding) this.#bind(request);
    else this.#carryOut(request);
    return state.take();
  }

  /** A stream or DTLS association of a client has ended. */
  handleClientClosed(nowMs: MonotonicMs, client: TurnClient): readonly TurnAction[] {
    const state = this.#state;
    const key = clientKeyOf(client);
    const connection = state.dataConnections.get(key);
    if (connection !== undefined) state.disconnect(connection);
    this.#allocating.handleClientClosed(key);
    handlePlaceClosed(state, key, nowMs);
    return state.take();
  }

  /** The data path has had the first packet of a client at its new place. */
  handleClientMoved(allocation: AllocationId): readonly TurnAction[] {
    handleMoved(this.#state, this.#state.allocations.get(allocation));
    return this.#state.take();
  }

  handleRelayOpened(nowMs: MonotonicMs, relay: RelayId, opened: OpenedRelay): readonly TurnAction[] {
    this.#allocating.handleOpened(nowMs, relay, opened);
    return this.#state.take();
  }

  handleRelayFailed(nowMs: MonotonicMs, relay: RelayId, failure: RelayFailure): readonly TurnAction[] {
    this.#allocating.handleFailed(nowMs, relay, failure);
    return this.#state.take();
  }

  /** The peer that `connect` named is there. */
  handleConnected(nowMs: MonotonicMs, connection: ConnectionId): readonly TurnAction[] {
    handleConnected(this.#state, nowMs, connection);
    return this.#state.take();
  }

  /** A connection with a peer has ended or came to nothing; unknown ones are no mistake, as both sides may end it. */
  handleConnectionClosed(nowMs: MonotonicMs, connection: ConnectionId): readonly TurnAction[] {
    handleConnectionClosed(this.#state, nowMs, connection);
    return this.#state.take();
  }

  /** A peer connects to a TCP relay. Without a connection: close it. */
  handlePeerConnection(
    nowMs: MonotonicMs,
    relay: RelayId,
    peer: Endpoint,
  ): { readonly connection: ConnectionId | undefined; readonly actions: readonly TurnAction[] } {
    const connection = handlePeerConnection(this.#state, nowMs, relay, peer);
    return { connection, actions: this.#state.take() };
  }

  handleTimeout(nowMs: MonotonicMs): readonly TurnAction[] {
    const { deadlines } = this.#state;
    for (let count = 0; count < turnTimeoutsPerTurnMax && deadlines.firstAtMs() <= nowMs; count++) {
      const timed = deadlines.firstName();
      if (timed !== undefined) this.#expire(nowMs, timed);
    }
    return this.#state.take();
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    const atMs = this.#state.deadlines.firstAtMs();
    return atMs === Number.POSITIVE_INFINITY ? undefined : (atMs as MonotonicMs);
  }

  /**
   * New settings. Allocations stay, but for peers that are no longer permitted; users that are gone cannot refresh, and
   * nonces stay good.
   */
  reload(nowMs: MonotonicMs, settings: TurnSettings): readonly TurnAction[] {
    const state = this.#state;
    state.settings = settings;
    state.credentials = new Credentials(state.parts, settings);
    state.peers = new PeerPolicy(settings);
    state.rate.setRate(settings.challengesPerSec);
    for (const allocation of state.allocations.values()) {
      revokePeers(state, allocation, nowMs);
      revokeConnections(state, allocation);
      state.plan(allocation);
    }
    return state.take();
  }

  /** From now on nobody gets an allocation; those there are go on. */
  drain(): void {
    this.#state.isDraining = true;
  }

  get isDrained(): boolean {
    return this.#state.isDraining && this.#state.load === 0;
  }

  /** Ends one allocation, or all of them, at the operator's word. False: there is no such one. */
  drop(allocation: AllocationId | undefined): readonly TurnAction[] {
    const state = this.#state;
    const reason: ReleaseReason = state.isDraining ? "drained" : "dropped";
    const found =
      allocation === undefined ? [...state.allocations.values()] : [state.allocations.get(allocation)];
    for (const each of found) if (each !== undefined) state.release(each, reason);
    if (allocation === undefined) {
      for (const reservation of [...state.reservations.values()]) {
        state.endReservation(reservation);
        state.emit({ kind: "close", relay: reservation.relay.id });
      }
    }
    return state.take();
  }

  /** The plan of an allocation but for its `attach`: for another data path that takes it over. None: there is no such one. */
  grantsOf(allocation: AllocationId): readonly (ActionOf<"permit"> | ActionOf<"bind">)[] {
    const found = this.#state.allocations.get(allocation);
    return found === undefined ? [] : grantsOf(found);
  }

  snapshot(): TurnSnapshot {
    const { allocations, reservations, permissions, channels, connections, counts, replies, load } =
      this.#state;
    return {
      allocations: allocations.size,
      opening: load - allocations.size,
      reservations: reservations.size,
      permissions,
      channels,
      connections: connections.size,
      replies: replies.size,
      counts,
    };
  }

  /** For the operator: all of them, in the order they were made. */
  *views(): Generator<AllocationView> {
    for (const allocation of this.#state.allocations.values()) yield viewOf(allocation);
  }

  #bind(request: TurnRequest): void {
    const state = this.#state;
    const isDiscovery = hasDiscovery(state.settings.discovery, request.client);
    if (isDiscovery && wantsDetour(request) && !this.#mayAnswer(request)) return;
    const unknown = unknownRequired(request.message, isDiscovery ? discoveryAttributes : turnAttributes);
    const attributes = [[stunAttribute.unknownAttributes, encodeTypes(unknown)]] as const;
    const refusal =
      unknown.length > 0 ? { error: turnError.unknownAttribute, attributes } : handleBinding(state, request);
    if (refusal !== undefined && this.#mayAnswer(request)) state.refuse(request, refusal, undefined);
  }

  #carryOut(request: TurnRequest): void {
    const state = this.#state;
    const verdict = authenticate(request, {
      digests: state.parts.digests,
      nonces: state.nonces,
      credentials: state.credentials,
      settings: state.settings,
      nonceHolders: nonceHoldersOf(state, request),
    });
    if (verdict.kind === "refused") {
      if (verdict.seal === undefined && !this.#mayAnswer(request)) return;
      state.refuse(request, verdict, verdict.seal);
      return;
    }
    const unknown = this.#unknownTo(request);
    if (unknown.length > 0) {
      const attributes = [[stunAttribute.unknownAttributes, encodeTypes(unknown)]] as const;
      state.refuse(request, { error: turnError.unknownAttribute, attributes }, verdict.caller.seal);
      return;
    }
    this.#handlers.get(request.method)?.(state, request, verdict.caller);
  }

  /** DONT-FRAGMENT counts as unknown where it cannot be done (RFC 8656 section 7.2). */
  #unknownTo(request: TurnRequest): readonly number[] {
    const { hasDontFragment } = this.#state.settings;
    return unknownRequired(request.message, hasDontFragment ? turnAttributes : fragmentingAttributes);
  }

  #mayAnswer({ moment, client }: TurnRequest): boolean {
    const { rate, counts } = this.#state;
    const may = rate.take(moment.nowMs, client.remote.ip);
    if (!may) counts.limited++;
    return may;
  }

  #expire(nowMs: MonotonicMs, timed: Timed): void {
    const state = this.#state;
    switch (timed.kind) {
      case "allocation":
        this.#expireAllocation(nowMs, timed);
        break;
      case "reservation":
        state.endReservation(timed);
        state.emit({ kind: "close", relay: timed.relay.id });
        break;
      case "connection":
        expireConnection(state, nowMs, timed);
        break;
    }
  }

  #expireAllocation(nowMs: MonotonicMs, allocation: Allocation): void {
    const state = this.#state;
    if (allocation.expiresAtMs <= nowMs) {
      state.release(allocation, "expired");
      return;
    }
    if (allocation.next !== undefined && allocation.next.untilMs <= nowMs) state.finishMove(allocation);
    expirePeers(state, allocation, nowMs);
    state.plan(allocation);
  }
}

const fragmentingAttributes: ReadonlySet<number> = new Set(
  [...turnAttributes].filter((type) => type !== turnAttribute.dontFragment),
);
