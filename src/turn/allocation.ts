/** What is kept of an allocation and of what belongs to it: plain data, reached by names. */
import type { Endpoint, IpAddress, IpFamily } from "../core/address.ts";
import type { MonotonicMs } from "../core/time.ts";
import type { AllocationId, ConnectionId, PeerReach, RelayId, TurnClient } from "./actions.ts";
import type { Caller, ReplyAddress } from "./request.ts";

/** A relayed transport address with its socket. */
export interface Relay {
  readonly id: RelayId;
  readonly family: IpFamily;
  readonly local: Endpoint;
  /** What clients and peers are told. */
  readonly advertised: Endpoint;
}

export interface Permission {
  reach: PeerReach;
  untilMs: MonotonicMs;
}

/** RFC 8656 section 12: a number and a peer belong to each other, and for five minutes more to nobody else. */
export interface Channel {
  readonly peer: Endpoint;
  isBound: boolean;
  untilMs: MonotonicMs;
}

/** Where a client that moved is awaited (RFC 8016 section 3.2.2). */
export interface NextPlace {
  readonly client: TurnClient;
  readonly key: string;
  readonly untilMs: MonotonicMs;
}

export interface Allocation {
  readonly kind: "allocation";
  readonly id: AllocationId;
  readonly transport: "udp" | "tcp";
  readonly caller: Caller;
  /** Undefined: its stream has ended, and a ticket may bring it back. */
  place: { readonly client: TurnClient; readonly key: string } | undefined;
  next: NextPlace | undefined;
  relays: Relay[];
  expiresAtMs: MonotonicMs;
  readonly permissions: Map<IpAddress, Permission>;
  readonly channels: Map<number, Channel>;
  /** Undefined: not mobile. The former one is good until the client is seen at its new place. */
  ticket: string | undefined;
  formerTicket: string | undefined;
  readonly connections: Set<PeerConnection>;
}

/** A port above an even one, kept for another allocation (RFC 8656 section 7.2). */
export interface Reservation {
  readonly kind: "reservation";
  readonly token: string;
  readonly account: string;
  readonly relay: Relay;
  readonly untilMs: MonotonicMs;
}

/** A TCP connection with a peer (RFC 6062 section 3). */
export interface PeerConnection {
  readonly kind: "connection";
  readonly id: ConnectionId;
  readonly allocation: Allocation;
  readonly peer: Endpoint;
  /** Asked for by Connect; waiting for the client's data connection; both joined. */
  state: "connecting" | "waiting" | "joined";
  untilMs: MonotonicMs;
  /** Who waits for the answer of Connect. */
  readonly request: ReplyAddress | undefined;
  /** The client's data connection, once joined. */
  clientKey: string | undefined;
}

export type Timed = Allocation | Reservation | PeerConnection;

/** The first moment at which something of it ends. */
export function deadlineOf(allocation: Allocation): number {
  let first: number = Math.min(allocation.expiresAtMs, allocation.next?.untilMs ?? Number.POSITIVE_INFINITY);
  for (const { untilMs } of allocation.permissions.values()) first = Math.min(first, untilMs);
  for (const { untilMs } of allocation.channels.values()) first = Math.min(first, untilMs);
  return first;
}

/** How long a channel rests before its number or its peer may be bound otherwise (RFC 8656 section 12). */
export const channelRestMs = 300_000;
