/** Refresh (RFC 8656 section 8.2), and clients that come from another place with their ticket (RFC 8016 section 3.2). */
import { turnMoveMsMax } from "../core/limits.ts";
import { addMs, type MonotonicMs } from "../core/time.ts";
import { attributeOf, type StunMessage } from "../stun/message.ts";
import { encodeNumber, encodeText, readText } from "../stun/values.ts";
import type { StunErrorCode } from "../stun/wire.ts";
import { mintTicket } from "./allocate.ts";
import type { Allocation, Relay } from "./allocation.ts";
import { readLifetime } from "./demand.ts";
import type { Attribute, Caller, TurnRequest } from "./request.ts";
import { isStream, type TurnState } from "./state.ts";
import { familyOfCode, turnAttribute, turnError } from "./wire.ts";

export function handleRefresh(state: TurnState, request: TurnRequest, caller: Caller): void {
  const ticket = attributeOf(request.message, turnAttribute.mobilityTicket);
  const found =
    ticket === undefined ? ownAllocation(state, request, caller) : awaited(state, request, caller, ticket);
  if ("error" in found) {
    state.refuse(request, found, caller.seal);
    return;
  }
  const wish = readWish(request.message, found.relays);
  if ("error" in wish) {
    state.refuse(request, wish, caller.seal);
    return;
  }
  const { nowMs } = request.moment;
  if (wish.lifetimeSec === 0) {
    const only = wish.relay !== undefined && found.relays.length > 1 ? wish.relay : undefined;
    if (only === undefined) state.release(found, "refreshed-away");
    else state.shed(found, only);
    const attributes: Attribute[] = [[turnAttribute.lifetime, encodeNumber(0)]];
    state.replies.keep(nowMs, request, state.succeed(request, attributes, caller.seal));
    return;
  }
  const lifetimeSec = state.lifetimeSec(wish.lifetimeSec);
  found.expiresAtMs = state.untilMs(nowMs, lifetimeSec);
  const attributes: Attribute[] = [[turnAttribute.lifetime, encodeNumber(lifetimeSec)]];
  if (ticket === undefined) {
    state.plan(found);
    state.succeed(request, attributes, caller.seal);
    return;
  }
  beginMove(state, request, found, readText(ticket));
  attributes.push([turnAttribute.mobilityTicket, encodeText(found.ticket ?? "")]);
  state.replies.keep(nowMs, request, state.succeed(request, attributes, caller.seal));
}

/** The allocation of this client, if it is this user's too (RFC 8656 section 5). */
export function ownAllocation(
  state: TurnState,
  request: TurnRequest,
  caller: Caller,
): Allocation | { readonly error: StunErrorCode } {
  const allocation = state.byClient.get(request.clientKey);
  if (allocation === undefined) return { error: turnError.allocationMismatch };
  if (allocation.caller.account !== caller.account) return { error: turnError.wrongCredentials };
  // Whatever it is, it comes from the new place.
  if (allocation.next?.key === request.clientKey) state.finishMove(allocation);
  return allocation;
}

function awaited(
  state: TurnState,
  request: TurnRequest,
  caller: Caller,
  ticket: Uint8Array,
): Allocation | { readonly error: StunErrorCode } {
  if (!state.settings.hasMobility) return { error: turnError.mobilityForbidden };
  if (ticket.length === 0) return { error: turnError.badRequest };
  const allocation = state.byTicket.get(readText(ticket));
  if (allocation === undefined) return { error: turnError.allocationMismatch };
  if (allocation.caller.account !== caller.account) return { error: turnError.wrongCredentials };
  const other = state.byClient.get(request.clientKey);
  const isFree =
    (other === undefined || other === allocation) && !state.dataConnections.has(request.clientKey);
  return isFree ? allocation : { error: turnError.allocationMismatch };
}

interface Wish {
  readonly lifetimeSec: number | undefined;
  /** The relay of the family that was named. */
  readonly relay: Relay | undefined;
}

function readWish(message: StunMessage, relays: readonly Relay[]): Wish | { readonly error: StunErrorCode } {
  const lifetimeSec = readLifetime(message);
  if (lifetimeSec !== undefined && typeof lifetimeSec !== "number") return lifetimeSec;
  const code = attributeOf(message, turnAttribute.requestedAddressFamily);
  if (code === undefined) return { lifetimeSec, relay: undefined };
  if (code.length !== 4) return { error: turnError.badRequest };
  const relay = relays.find(({ family }) => family === familyOfCode(code[0]));
  return relay === undefined ? { error: turnError.peerFamilyMismatch } : { lifetimeSec, relay };
}

/**
 * The new place is noted, and a new ticket given; the old one stays good, as our answer may be lost. Peers' packets go
 * to the old place until the client is heard from the new one (RFC 8016 section 3.2.2).
 */
function beginMove(state: TurnState, request: TurnRequest, allocation: Allocation, ticket: string): void {
  for (const stale of [allocation.ticket, allocation.formerTicket]) {
    if (stale !== undefined && stale !== ticket) state.byTicket.delete(stale);
  }
  allocation.formerTicket = ticket;
  allocation.ticket = mintTicket(state);
  state.byTicket.set(allocation.ticket, allocation);
  const { client, clientKey: key, moment } = request;
  if (allocation.place?.key === key) {
    state.plan(allocation);
    return;
  }
  if (allocation.next !== undefined && allocation.next.key !== key) {
    state.byClient.delete(allocation.next.key);
    if (isStream(allocation.next.client)) state.emit({ kind: "hang-up", client: allocation.next.client });
  }
  allocation.next = { client, key, untilMs: addMs(moment.nowMs, turnMoveMsMax) };
  state.byClient.set(key, allocation);
  if (allocation.place === undefined) {
    state.finishMove(allocation);
    return;
  }
  state.emit({ kind: "expect", allocation: allocation.id, client });
  state.plan(allocation);
}

/** What was heard from the new place was no request: the owner of the data path says so. */
export function handleMoved(state: TurnState, allocation: Allocation | undefined): void {
  if (allocation?.next !== undefined) state.finishMove(allocation);
}

/** A stream has ended. A mobile client may come back; anybody else's allocation ends with it (RFC 8656 section 3.1). */
export function handlePlaceClosed(state: TurnState, key: string, nowMs: MonotonicMs): void {
  const allocation = state.byClient.get(key);
  if (allocation === undefined) return;
  state.byClient.delete(key);
  if (allocation.next?.key === key) {
    allocation.next = undefined;
    state.emit({ kind: "move", allocation: allocation.id, client: allocation.place?.client });
    state.plan(allocation);
    return;
  }
  allocation.place = undefined;
  if (allocation.next !== undefined) state.finishMove(allocation);
  else if (allocation.ticket === undefined || allocation.expiresAtMs <= nowMs) {
    state.release(allocation, "client-closed");
  } else state.emit({ kind: "move", allocation: allocation.id, client: undefined });
}
