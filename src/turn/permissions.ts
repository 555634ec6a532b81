/** CreatePermission (RFC 8656 section 10.2) and ChannelBind (section 12.2). */
import { familyOf, type IpAddress, sameEndpoint } from "../core/address.ts";
import {
  turnChannelsPerAllocationMax,
  turnChannelsPerWorkerMax,
  turnPermissionsPerAllocationMax,
  turnPermissionsPerWorkerMax,
} from "../core/limits.ts";
import type { MonotonicMs } from "../core/time.ts";
import { attributeOf } from "../stun/message.ts";
import { readUint16, type StunErrorCode } from "../stun/wire.ts";
import type { ActionOf, PeerReach } from "./actions.ts";
import { type Allocation, type Channel, channelRestMs } from "./allocation.ts";
import { type NamedPeer, readPeer } from "./peers.ts";
import { ownAllocation } from "./refresh.ts";
import type { Caller, TurnRequest } from "./request.ts";
import type { TurnState } from "./state.ts";
import {
  channelNumberLegacyMax,
  channelNumberMax,
  channelNumberMin,
  turnAttribute,
  turnError,
} from "./wire.ts";

type Refused = { readonly error: StunErrorCode };

interface JudgedPeer extends NamedPeer {
  readonly reach: PeerReach;
}

/** All of the peers or none. */
export function handleCreatePermission(state: TurnState, request: TurnRequest, caller: Caller): void {
  const granted = judgeOwn(state, request, caller, judgeAll);
  if (granted === undefined) return;
  const { allocation, wanted } = granted;
  for (const peer of wanted.peers) permit(state, request.moment.nowMs, allocation, peer);
  state.plan(allocation);
  state.succeed(request, [], caller.seal);
}

/** What `judge` finds good about the caller's own allocation; undefined: the request has been refused. */
function judgeOwn<Wanted extends object>(
  state: TurnState,
  request: TurnRequest,
  caller: Caller,
  judge: (state: TurnState, request: TurnRequest, allocation: Allocation) => Refused | Wanted,
): { readonly allocation: Allocation; readonly wanted: Wanted } | undefined {
  const allocation = ownAllocation(state, request, caller);
  const wanted = "error" in allocation ? allocation : judge(state, request, allocation);
  if (!("error" in allocation || "error" in wanted)) return { allocation, wanted };
  state.refuse(request, wanted as Refused, caller.seal);
  return undefined;
}

function judgeAll(
  state: TurnState,
  { message }: TurnRequest,
  allocation: Allocation,
): Refused | { readonly peers: readonly JudgedPeer[] } {
  const values = message.attributes.filter(({ type }) => type === turnAttribute.xorPeerAddress);
  const named = values.map(({ value }) => readPeer(value, message.transactionId));
  if (named.length === 0 || named.includes(undefined)) return { error: turnError.badRequest };
  const peers: JudgedPeer[] = [];
  for (const peer of named) {
    if (peer === undefined) continue;
    const judged = judgePeer(state, peer, allocation);
    if ("error" in judged) return judged;
    peers.push(judged);
  }
  const fresh = new Set(
    peers.map(({ endpoint }) => endpoint.ip).filter((ip) => !allocation.permissions.has(ip)),
  );
  return hasRoom(state, allocation, fresh.size) ? { peers } : { error: turnError.insufficientCapacity };
}

function hasRoom(state: TurnState, { permissions }: Allocation, fresh: number): boolean {
  if (fresh === 0) return true;
  return (
    permissions.size + fresh <= turnPermissionsPerAllocationMax &&
    state.permissions + fresh <= turnPermissionsPerWorkerMax
  );
}

/** The relay must speak the peer's family, and the peer be one that may be reached. */
export function judgePeer(state: TurnState, peer: NamedPeer, allocation: Allocation): Refused | JudgedPeer {
  if (peer.isMapped) return { error: turnError.forbidden };
  const family = familyOf(peer.endpoint.ip);
  if (!allocation.relays.some((relay) => relay.family === family))
    return { error: turnError.peerFamilyMismatch };
  const reach = state.reachOf(peer, allocation.transport);
  return reach === undefined ? { error: turnError.forbidden } : { ...peer, reach };
}

function permit(state: TurnState, nowMs: MonotonicMs, allocation: Allocation, peer: JudgedPeer): void {
  const { ip } = peer.endpoint;
  const untilMs = state.untilMs(nowMs, state.settings.permissionSec);
  const { reach } = peer;
  if (!allocation.permissions.has(ip)) state.permissions++;
  allocation.permissions.set(ip, { reach, untilMs });
  state.emit({ kind: "permit", allocation: allocation.id, ip, reach, untilMs });
}

export function handleChannelBind(state: TurnState, request: TurnRequest, caller: Caller): void {
  const granted = judgeOwn(state, request, caller, judgeBinding);
  if (granted === undefined) return;
  const { allocation, wanted } = granted;
  const { number, peer } = wanted;
  const { nowMs } = request.moment;
  permit(state, nowMs, allocation, peer);
  const untilMs = state.untilMs(nowMs, state.settings.channelSec);
  if (!allocation.channels.has(number)) state.channels++;
  allocation.channels.set(number, { peer: peer.endpoint, isBound: true, untilMs });
  state.emit({ kind: "bind", allocation: allocation.id, channel: number, peer: peer.endpoint, untilMs });
  state.plan(allocation);
  state.succeed(request, [], caller.seal);
}

function judgeBinding(
  state: TurnState,
  { message }: TurnRequest,
  allocation: Allocation,
): Refused | { readonly number: number; readonly peer: JudgedPeer } {
  // RFC 6062 section 5: no channels there.
  if (allocation.transport === "tcp") return { error: turnError.badRequest };
  const number = readChannelNumber(attributeOf(message, turnAttribute.channelNumber));
  const value = attributeOf(message, turnAttribute.xorPeerAddress);
  const named = value === undefined ? undefined : readPeer(value, message.transactionId);
  const last = state.settings.hasLegacyChannels ? channelNumberLegacyMax : channelNumberMax;
  const isNumber = number !== undefined && number >= channelNumberMin && number <= last;
  if (!isNumber || named === undefined || named.endpoint.port === 0) return { error: turnError.badRequest };
  if (isBoundOtherwise(allocation, number, named)) return { error: turnError.badRequest };
  const peer = judgePeer(state, named, allocation);
  if ("error" in peer) return peer;
  const isFull =
    !allocation.channels.has(number) &&
    (allocation.channels.size >= turnChannelsPerAllocationMax || state.channels >= turnChannelsPerWorkerMax);
  const fresh = allocation.permissions.has(named.endpoint.ip) ? 0 : 1;
  const fits = !isFull && hasRoom(state, allocation, fresh);
  return fits ? { number, peer } : { error: turnError.insufficientCapacity };
}

/** Sixteen bits and sixteen reserved ones (RFC 8656 section 18.1). */
function readChannelNumber(value: Uint8Array | undefined): number | undefined {
  return value?.length === 4 ? readUint16(value, 0) : undefined;
}

/** The number belongs to another peer, or the peer to another number; also while they rest. */
function isBoundOtherwise(allocation: Allocation, number: number, { endpoint }: NamedPeer): boolean {
  for (const [other, { peer }] of allocation.channels) {
    if ((other === number) !== sameEndpoint(peer, endpoint)) return true;
  }
  return false;
}

/** Takes away what has run out. */
export function expirePeers(state: TurnState, allocation: Allocation, nowMs: MonotonicMs): void {
  for (const [ip, { untilMs }] of allocation.permissions) {
    if (untilMs <= nowMs) forbid(state, allocation, ip);
  }
  for (const [number, channel] of allocation.channels) {
    if (channel.untilMs > nowMs) continue;
    if (channel.isBound) rest(state, allocation, number, channel);
    else {
      allocation.channels.delete(number);
      state.channels--;
    }
  }
}

function forbid(state: TurnState, allocation: Allocation, ip: IpAddress): void {
  allocation.permissions.delete(ip);
  state.permissions--;
  state.emit({ kind: "forbid", allocation: allocation.id, ip });
}

function rest(state: TurnState, allocation: Allocation, number: number, channel: Channel): void {
  channel.isBound = false;
  channel.untilMs = (channel.untilMs + channelRestMs) as MonotonicMs;
  state.emit({ kind: "unbind", allocation: allocation.id, channel: number });
}

/** Judges anew, by new rules, what was granted by old ones. */
export function revokePeers(state: TurnState, allocation: Allocation, nowMs: MonotonicMs): void {
  for (const [ip, permission] of allocation.permissions) {
    const reach = state.reachOf({ endpoint: { ip, port: 0 }, isMapped: false }, allocation.transport);
    if (reach === permission.reach) continue;
    if (reach === undefined) {
      state.counts.revoked++;
      forbid(state, allocation, ip);
    } else {
      permission.reach = reach;
      state.emit({ kind: "permit", allocation: allocation.id, ip, reach, untilMs: permission.untilMs });
    }
  }
  for (const [number, channel] of allocation.channels) {
    const isLost = channel.isBound && isForbidden(state, allocation, channel);
    if (!isLost) continue;
    state.counts.revoked++;
    channel.untilMs = nowMs;
    rest(state, allocation, number, channel);
  }
}

function isForbidden(state: TurnState, allocation: Allocation, { peer }: Channel): boolean {
  const reach = state.reachOf({ endpoint: peer, isMapped: false }, allocation.transport);
  // A port of ours that nobody has at this moment is the data path's business, as it may be somebody's again.
  return reach === undefined && !allocation.permissions.has(peer.ip);
}

/** What has been granted and still stands, as it was told. */
export function grantsOf({
  id,
  permissions,
  channels,
}: Allocation): readonly (ActionOf<"permit"> | ActionOf<"bind">)[] {
  const permits = [...permissions].map(
    ([ip, { reach, untilMs }]) => ({ kind: "permit", allocation: id, ip, reach, untilMs }) as const,
  );
  const bound = [...channels].filter(([, { isBound }]) => isBound);
  const binds = bound.map(
    ([channel, { peer, untilMs }]) => ({ kind: "bind", allocation: id, channel, peer, untilMs }) as const,
  );
  return [...permits, ...binds];
}
