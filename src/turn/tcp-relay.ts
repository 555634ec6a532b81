/** Relays over TCP (RFC 6062 section 5): Connect, peers that connect to us, and the client's data connections. */
import { type Endpoint, sameEndpoint } from "../core/address.ts";
import { turnConnectionMsMax, turnConnectionsPerAllocationMax } from "../core/limits.ts";
import { addMs, type MonotonicMs } from "../core/time.ts";
import { StunBuilder } from "../stun/builder.ts";
import { attributeOf } from "../stun/message.ts";
import { encodeNumber, encodeXorAddress, readNumber } from "../stun/values.ts";
import { type StunErrorCode, transactionIdSizeBytes } from "../stun/wire.ts";
import type { ConnectionId, RelayId } from "./actions.ts";
import type { Allocation, PeerConnection } from "./allocation.ts";
import { readPeer } from "./peers.ts";
import { judgePeer } from "./permissions.ts";
import { ownAllocation } from "./refresh.ts";
import { type Caller, type ReplyAddress, replyAddressOf, type TurnRequest } from "./request.ts";
import type { TurnState } from "./state.ts";
import { turnAttribute, turnError, turnMethod } from "./wire.ts";

/** The numbers of connections are 32 bits on the wire, so they have a count of their own. */
const connectionIdMax = 0xffffffff;

export function handleConnect(state: TurnState, request: TurnRequest, caller: Caller): void {
  const allocation = ownAllocation(state, request, caller);
  if ("error" in allocation) {
    state.refuse(request, allocation, caller.seal);
    return;
  }
  const isRepeated = [...allocation.connections].some(
    (connection) => connection.state === "connecting" && isSameRequest(connection.request, request),
  );
  if (isRepeated) {
    state.counts.repeated++;
    return;
  }
  const peer = judgeConnect(state, request, allocation);
  if ("error" in peer) {
    state.refuse(request, peer, caller.seal);
    return;
  }
  const connection = open(state, request.moment.nowMs, allocation, {
    peer,
    state: "connecting",
    request: replyAddressOf(request),
  });
  const relay = relayFor(allocation, peer);
  state.emit({ kind: "connect", connection: connection.id, relay, peer });
}

function judgeConnect(
  state: TurnState,
  { message }: TurnRequest,
  allocation: Allocation,
): Endpoint | { readonly error: StunErrorCode } {
  if (allocation.transport !== "tcp") return { error: turnError.allocationMismatch };
  const value = attributeOf(message, turnAttribute.xorPeerAddress);
  const named = value === undefined ? undefined : readPeer(value, message.transactionId);
  if (named === undefined || named.endpoint.port === 0) return { error: turnError.badRequest };
  const peer = judgePeer(state, named, allocation);
  if ("error" in peer) return peer;
  if (hasConnection(allocation, peer.endpoint)) return { error: turnError.connectionExists };
  const isFull = allocation.connections.size >= turnConnectionsPerAllocationMax;
  return isFull ? { error: turnError.insufficientCapacity } : peer.endpoint;
}

/** The connection that Connect asked for is there. */
export function handleConnected(state: TurnState, nowMs: MonotonicMs, id: ConnectionId): void {
  const connection = state.connections.get(id);
  if (connection?.state !== "connecting") return;
  wait(state, nowMs, connection);
  if (connection.request === undefined) return;
  const { seal } = connection.allocation.caller;
  const bytes = state.succeed(connection.request, [[turnAttribute.connectionId, encodeNumber(id)]], seal);
  state.replies.keep(nowMs, connection.request, bytes);
}

/** It came to nothing, or the peer has ended it. */
export function handleConnectionClosed(state: TurnState, nowMs: MonotonicMs, id: ConnectionId): void {
  const connection = state.connections.get(id);
  if (connection === undefined) return;
  state.forget(connection);
  if (connection.state === "connecting") refuseConnect(state, nowMs, connection);
}

/**
 * A peer has connected to a relay (section 5.3). Undefined: close it, it has no permission or there are too many.
 */
export function handlePeerConnection(
  state: TurnState,
  nowMs: MonotonicMs,
  relay: RelayId,
  peer: Endpoint,
): ConnectionId | undefined {
  const allocation = state.byRelay.get(relay);
  const place = allocation?.place;
  if (allocation === undefined || place === undefined || allocation.transport !== "tcp") return undefined;
  const permission = allocation.permissions.get(peer.ip);
  const isPermitted = permission !== undefined && permission.untilMs > nowMs;
  const isOpen = isPermitted && state.reachOf({ endpoint: peer, isMapped: false }, "tcp") !== undefined;
  const isFull = allocation.connections.size >= turnConnectionsPerAllocationMax;
  if (!isOpen || isFull || hasConnection(allocation, peer)) return undefined;
  const { id } = open(state, nowMs, allocation, { peer, state: "waiting", request: undefined });
  const transactionId = state.parts.random.bytes(transactionIdSizeBytes);
  const bytes = new StunBuilder("indication", turnMethod.connectionAttempt, transactionId)
    .add(turnAttribute.connectionId, encodeNumber(id))
    .add(turnAttribute.xorPeerAddress, encodeXorAddress(peer, transactionId))
    .build();
  state.emit({ kind: "reply", client: place.client, bytes });
  return id;
}

/** A stream of the client becomes the other half of a connection (section 5.4). */
export function handleConnectionBind(state: TurnState, request: TurnRequest, caller: Caller): void {
  const verdict = judgeBind(state, request, caller);
  if ("error" in verdict) {
    state.refuse(request, verdict, caller.seal);
    return;
  }
  verdict.state = "joined";
  verdict.clientKey = request.clientKey;
  state.deadlines.delete(verdict);
  state.dataConnections.set(request.clientKey, verdict);
  state.succeed(request, [[turnAttribute.connectionId, encodeNumber(verdict.id)]], caller.seal);
  state.emit({ kind: "join", connection: verdict.id, client: request.client });
}

/**
 * A data connection is opened by a client that has a nonce already, on its control connection (RFC 6062 section 4.3):
 * that one serves here too, and saves a round trip. Some clients know no other way.
 */
export function nonceHoldersOf(state: TurnState, request: TurnRequest): readonly string[] {
  if (request.method !== turnMethod.connectionBind) return [];
  const value = attributeOf(request.message, turnAttribute.connectionId);
  const id = value === undefined ? undefined : readNumber(value);
  const key = id === undefined ? undefined : state.connections.get(id as ConnectionId)?.allocation.place?.key;
  return key === undefined ? [] : [key];
}

function judgeBind(
  state: TurnState,
  request: TurnRequest,
  caller: Caller,
): PeerConnection | { readonly error: StunErrorCode } {
  const { transport } = request.client;
  const isStream = transport === "tcp" || transport === "tls";
  const value = attributeOf(request.message, turnAttribute.connectionId);
  const id = value === undefined ? undefined : readNumber(value);
  const connection = id === undefined ? undefined : state.connections.get(id as ConnectionId);
  if (!isStream || connection?.state !== "waiting") return { error: turnError.badRequest };
  if (connection.allocation.caller.account !== caller.account) return { error: turnError.wrongCredentials };
  // It has to be a stream of its own: neither that of an allocation nor one that is joined.
  const isTaken = state.byClient.has(request.clientKey) || state.dataConnections.has(request.clientKey);
  return isTaken ? { error: turnError.badRequest } : connection;
}

/** Nobody answered: neither the peer nor the client. */
export function expireConnection(state: TurnState, nowMs: MonotonicMs, connection: PeerConnection): void {
  state.disconnect(connection);
  if (connection.state === "connecting") refuseConnect(state, nowMs, connection);
}

/** Judges anew, by new rules. */
export function revokeConnections(state: TurnState, allocation: Allocation): void {
  for (const connection of [...allocation.connections]) {
    const { peer } = connection;
    if (state.reachOf({ endpoint: peer, isMapped: false }, "tcp") !== undefined) continue;
    state.counts.revoked++;
    state.disconnect(connection);
    if (connection.state === "connecting" && connection.request !== undefined) {
      state.refuse(connection.request, { error: turnError.forbidden }, allocation.caller.seal);
    }
  }
}

function refuseConnect(state: TurnState, nowMs: MonotonicMs, connection: PeerConnection): void {
  const { request, allocation } = connection;
  if (request === undefined) return;
  const bytes = state.refuse(request, { error: turnError.connectionFailed }, allocation.caller.seal);
  state.replies.keep(nowMs, request, bytes);
}

function open(
  state: TurnState,
  nowMs: MonotonicMs,
  allocation: Allocation,
  parts: Pick<PeerConnection, "peer" | "state" | "request">,
): PeerConnection {
  const connection: PeerConnection = {
    kind: "connection",
    id: mintConnectionId(state),
    allocation,
    ...parts,
    untilMs: nowMs,
    clientKey: undefined,
  };
  state.connections.set(connection.id, connection);
  allocation.connections.add(connection);
  connection.untilMs = addMs(nowMs, turnConnectionMsMax);
  state.deadlines.set(connection, connection.untilMs);
  return connection;
}

function wait(state: TurnState, nowMs: MonotonicMs, connection: PeerConnection): void {
  connection.state = "waiting";
  connection.untilMs = addMs(nowMs, turnConnectionMsMax);
  state.deadlines.set(connection, connection.untilMs);
}

/** Drawn, so that a stranger with an account cannot guess whose connection to take (he is not let in anyway). */
function mintConnectionId(state: TurnState): ConnectionId {
  for (;;) {
    const id = (state.parts.random.below(connectionIdMax) + 1) as ConnectionId;
    if (!state.connections.has(id)) return id;
  }
}

function hasConnection(allocation: Allocation, peer: Endpoint): boolean {
  return [...allocation.connections].some((connection) => sameEndpoint(connection.peer, peer));
}

function relayFor(allocation: Allocation, peer: Endpoint): RelayId {
  const isV6 = peer.ip.includes(":");
  const relay = allocation.relays.find(({ family }) => (family === 6) === isV6);
  if (relay === undefined) throw new Error("turn: a peer of a family without a relay");
  return relay.id;
}

function isSameRequest(former: ReplyAddress | undefined, request: TurnRequest): boolean {
  return (
    former?.clientKey === request.clientKey &&
    former.transactionId.every((byte, at) => byte === request.transactionId[at])
  );
}
