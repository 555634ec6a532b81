/** Allocate: from the request through the opening of sockets to the answer (RFC 8656 sections 7.2 and 7.3). */
import { Buffer } from "node:buffer";
import { type Endpoint, familyOf, type IpFamily } from "../core/address.ts";
import { turnReservationMs, turnReservationsMax, turnReservationsPerUserMax } from "../core/limits.ts";
import { addMs, type MonotonicMs } from "../core/time.ts";
import {
  encodeAddress,
  encodeErrorCode,
  encodeNumber,
  encodeText,
  encodeXorAddress,
} from "../stun/values.ts";
import { type StunErrorCode, stunAttribute } from "../stun/wire.ts";
import type { AllocationId, RelayId, TurnClient } from "./actions.ts";
import type { Allocation, Relay } from "./allocation.ts";
import { type AllocateDemand, readDemand } from "./demand.ts";
import {
  type Attribute,
  type Caller,
  type ReplyAddress,
  replyAddressOf,
  type TurnRequest,
} from "./request.ts";
import type { Refusal, TurnState } from "./state.ts";
import { codeOfFamily, turnAttribute, turnError } from "./wire.ts";

/** A socket that was opened, or the upper one of two. */
export interface OpenedSocket {
  readonly local: Endpoint;
  /** What clients and peers are told instead, behind a static NAT. */
  readonly advertised: Endpoint;
}

export interface OpenedRelay extends OpenedSocket {
  /** There if a pair was asked for. */
  readonly next?: OpenedSocket | undefined;
}

/** No free port, or the system said no. */
export type RelayFailure = "no-port" | "failed";

/** An allocation whose sockets are being opened. */
interface Pending {
  readonly id: AllocationId;
  readonly request: ReplyAddress;
  readonly caller: Caller;
  readonly demand: AllocateDemand;
  readonly waiting: Map<RelayId, { readonly family: IpFamily; readonly next: RelayId | undefined }>;
  readonly relays: Relay[];
  /** Families that could not be had, and why. */
  readonly missing: Map<IpFamily, StunErrorCode>;
  reserved: Relay | undefined;
  /** The client went while its sockets were being opened. */
  isAbandoned: boolean;
}

export class Allocating {
  readonly #state: TurnState;
  readonly #byRelay = new Map<RelayId, Pending>();
  readonly #byClient = new Map<string, Pending>();

  constructor(state: TurnState) {
    this.#state = state;
  }

  handle(request: TurnRequest, caller: Caller): void {
    const state = this.#state;
    const pending = this.#byClient.get(request.clientKey);
    if (pending !== undefined) {
      const isRepeated = Buffer.from(pending.request.transactionId).equals(request.transactionId);
      // Its answer comes when the sockets are there.
      if (isRepeated) state.counts.repeated++;
      else state.refuse(request, { error: turnError.allocationMismatch }, caller.seal);
      return;
    }
    if (this.#isTaken(request)) {
      state.refuse(request, { error: turnError.allocationMismatch }, caller.seal);
      return;
    }
    const demand = readDemand(request.message, request.client, state.settings);
    if ("error" in demand) {
      state.refuse(request, demand, caller.seal);
      return;
    }
    if (demand.token === undefined) this.#admit(request, caller, demand);
    else this.#claim(request, caller, demand);
  }

  /** Told for each relay of an `open`, once, whatever has become of its client. */
  handleOpened(nowMs: MonotonicMs, relay: RelayId, opened: OpenedRelay): void {
    const pending = this.#byRelay.get(relay);
    const wanted = pending?.waiting.get(relay);
    if (pending === undefined || wanted === undefined) return;
    const { local, advertised } = opened;
    pending.relays.push({ id: relay, family: wanted.family, local, advertised });
    if (wanted.next !== undefined && opened.next !== undefined) {
      pending.reserved = { id: wanted.next, family: wanted.family, ...opened.next };
    }
    this.#settle(nowMs, pending, relay);
  }

  handleFailed(nowMs: MonotonicMs, relay: RelayId, failure: RelayFailure): void {
    const pending = this.#byRelay.get(relay);
    const wanted = pending?.waiting.get(relay);
    if (pending === undefined || wanted === undefined) return;
    const error = failure === "no-port" ? turnError.insufficientCapacity : turnError.serverError;
    pending.missing.set(wanted.family, error);
    this.#settle(nowMs, pending, relay);
  }

  handleClientClosed(clientKey: string): void {
    const pending = this.#byClient.get(clientKey);
    if (pending === undefined) return;
    pending.isAbandoned = true;
    this.#byClient.delete(clientKey);
  }

  /** The 5-tuple has an allocation, or is the data connection of one. */
  #isTaken({ clientKey }: ReplyAddress): boolean {
    return this.#state.byClient.has(clientKey) || this.#state.dataConnections.has(clientKey);
  }

  #fullness(
    request: TurnRequest,
    caller: Caller,
    { hasRoom, isClaim }: { readonly hasRoom: boolean; readonly isClaim: boolean },
  ): Refusal | undefined {
    const { settings, isDraining, load } = this.#state;
    const quota = settings.allocationsPerUserMax;
    if (quota > 0 && this.#holdingsOf(caller.account) - (isClaim ? 1 : 0) >= quota) {
      return { error: turnError.quotaReached };
    }
    if (!isDraining && hasRoom && load < settings.allocationsMax) return undefined;
    return redirect(request.client, settings.alternateServers) ?? { error: turnError.insufficientCapacity };
  }

  /** A reserved port is held as an allocation is; one that is claimed becomes the allocation. */
  #holdingsOf(account: string): number {
    return this.#state.allocationsOf(account) + this.#state.reservationsOf(account);
  }

  #admit(request: TurnRequest, caller: Caller, demand: AllocateDemand): void {
    const state = this.#state;
    const families = demand.families.filter((family) => state.settings.families.includes(family));
    // A port is kept back only as long as there is room for it.
    const hasRoom =
      demand.port !== "pair" ||
      (state.reservations.size < turnReservationsMax &&
        state.reservationsOf(caller.account) < turnReservationsPerUserMax);
    const refusal =
      families.length === 0
        ? { error: turnError.familyUnsupported }
        : this.#fullness(request, caller, { hasRoom, isClaim: false });
    if (refusal !== undefined) {
      state.refuse(request, refusal, caller.seal);
      return;
    }
    const pending = this.#begin(request, caller, demand);
    for (const family of demand.families) {
      if (!families.includes(family)) pending.missing.set(family, turnError.familyUnsupported);
    }
    for (const family of families) {
      const relay = state.mintId() as RelayId;
      const next = demand.port === "pair" ? (state.mintId() as RelayId) : undefined;
      pending.waiting.set(relay, { family, next });
      this.#byRelay.set(relay, pending);
    }
    for (const [relay, { family, next }] of pending.waiting) {
      const { transport, port } = demand;
      const { client } = request;
      state.emit({ kind: "open", relay, allocation: pending.id, family, transport, port, next, client });
    }
  }

  /** The upper port of a pair, by its token; no socket has to be opened. */
  #claim(request: TurnRequest, caller: Caller, demand: AllocateDemand): void {
    const state = this.#state;
    const reservation = state.reservations.get(demand.token ?? "");
    const isTheirs = reservation !== undefined && reservation.account === caller.account;
    const refusal = isTheirs
      ? this.#fullness(request, caller, { hasRoom: true, isClaim: true })
      : { error: turnError.insufficientCapacity };
    if (refusal !== undefined || reservation === undefined) {
      state.refuse(request, refusal ?? { error: turnError.insufficientCapacity }, caller.seal);
      return;
    }
    state.endReservation(reservation);
    const pending = this.#begin(request, caller, demand);
    pending.relays.push(reservation.relay);
    this.#conclude(request.moment.nowMs, pending);
  }

  #begin(request: TurnRequest, caller: Caller, demand: AllocateDemand): Pending {
    const pending: Pending = {
      id: this.#state.mintId() as AllocationId,
      request: replyAddressOf(request),
      caller,
      demand,
      waiting: new Map(),
      relays: [],
      missing: new Map(),
      reserved: undefined,
      isAbandoned: false,
    };
    this.#state.enter(caller.account);
    this.#byClient.set(request.clientKey, pending);
    return pending;
  }

  #settle(nowMs: MonotonicMs, pending: Pending, relay: RelayId): void {
    pending.waiting.delete(relay);
    this.#byRelay.delete(relay);
    if (pending.waiting.size === 0) this.#conclude(nowMs, pending);
  }

  #end(pending: Pending): void {
    if (!pending.isAbandoned) this.#byClient.delete(pending.request.clientKey);
  }

  #conclude(nowMs: MonotonicMs, pending: Pending): void {
    const state = this.#state;
    const { request, caller, relays, reserved } = pending;
    this.#end(pending);
    // While the sockets were being opened the client may have taken an allocation over, with a ticket.
    const isTaken = this.#isTaken(request);
    if (relays.length > 0 && !pending.isAbandoned && !isTaken) {
      this.#grant(nowMs, pending);
      return;
    }
    for (const relay of relays) state.emit({ kind: "close", relay: relay.id });
    if (reserved !== undefined) state.emit({ kind: "close", relay: reserved.id });
    state.leave(caller.account);
    if (pending.isAbandoned) return;
    // Of two families the one that might have been had says more than the one we do not have at all.
    const errors = [...pending.missing.values()];
    const failure = errors.find(({ code }) => code !== turnError.familyUnsupported.code) ?? errors[0];
    const error = isTaken ? turnError.allocationMismatch : (failure ?? turnError.serverError);
    state.refuse(request, { error }, caller.seal);
  }

  #grant(nowMs: MonotonicMs, pending: Pending): void {
    const state = this.#state;
    const { request, caller, demand, reserved } = pending;
    const lifetimeSec = state.lifetimeSec(demand.lifetimeSec);
    const relays = pending.relays.sort((a, b) => a.family - b.family);
    const allocation: Allocation = {
      kind: "allocation",
      id: pending.id,
      transport: demand.transport,
      caller,
      place: { client: request.client, key: request.clientKey },
      next: undefined,
      relays,
      expiresAtMs: state.untilMs(nowMs, lifetimeSec),
      permissions: new Map(),
      channels: new Map(),
      ticket: demand.isMobile ? mintTicket(state) : undefined,
      formerTicket: undefined,
      connections: new Set(),
    };
    const token = reserved === undefined ? undefined : this.#reserve(nowMs, reserved, caller);
    state.admit(allocation);
    const attributes = grantAttributes(pending, lifetimeSec);
    if (token !== undefined) attributes.push([turnAttribute.reservationToken, token]);
    if (allocation.ticket !== undefined) {
      attributes.push([turnAttribute.mobilityTicket, encodeText(allocation.ticket)]);
    }
    state.replies.keep(nowMs, request, state.succeed(request, attributes, caller.seal));
  }

  #reserve(nowMs: MonotonicMs, relay: Relay, caller: Caller): Uint8Array {
    const token = this.#state.parts.random.bytes(8);
    this.#state.keepReservation({
      kind: "reservation",
      token: Buffer.from(token).toString("hex"),
      account: caller.account,
      relay,
      untilMs: addMs(nowMs, turnReservationMs),
    });
    return token;
  }
}

/**
 * Says nothing and cannot be guessed: what it stands for is looked up here, so there is nothing in it to encrypt
 * (RFC 8016 section 4 leaves its form to us). Text of 32 characters, which is what coturn's clients keep.
 */
export function mintTicket(state: TurnState): string {
  return Buffer.from(state.parts.random.bytes(24)).toString("base64url");
}

function grantAttributes(pending: Pending, lifetimeSec: number): Attribute[] {
  const { request } = pending;
  const xor = (endpoint: Endpoint): Uint8Array => encodeXorAddress(endpoint, request.transactionId);
  const attributes: Attribute[] = pending.relays.map(({ advertised }) => [
    turnAttribute.xorRelayedAddress,
    xor(advertised),
  ]);
  for (const [family, error] of pending.missing) {
    // RFC 8656 section 18.12: as ERROR-CODE, with the family in front.
    const value = encodeErrorCode(error);
    value[0] = codeOfFamily(family);
    attributes.push([turnAttribute.addressErrorCode, value]);
  }
  attributes.push([turnAttribute.lifetime, encodeNumber(lifetimeSec)]);
  attributes.push([stunAttribute.xorMappedAddress, xor(request.client.remote)]);
  return attributes;
}

/** 300, where there is another server of the client's family (RFC 8489 section 10). */
function redirect(client: TurnClient, servers: readonly Endpoint[]): Refusal | undefined {
  const family = familyOf(client.remote.ip);
  const server = servers.find(({ ip }) => familyOf(ip) === family);
  if (server === undefined) return undefined;
  return {
    error: turnError.tryAlternate,
    attributes: [[stunAttribute.alternateServer, encodeAddress(server)]],
  };
}
