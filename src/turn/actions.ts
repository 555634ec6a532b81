/**
 * What the TURN server wants done, in this order.
 *
 * `attach` to `unbind` are a plan: together they are what the owner of the data path has to know, and each is small
 * enough for a command of fixed size. Times in them are deadlines that the data path holds by itself; the action that
 * takes a thing away follows, and only tidies up.
 */
import type { Endpoint, IpAddress, IpFamily } from "../core/address.ts";
import type { MonotonicMs, UnixMs } from "../core/time.ts";

/** Names, minted here and never used twice. */
export type AllocationId = number & { readonly __kind: "turn-allocation" };
export type RelayId = number & { readonly __kind: "turn-relay" };
export type ConnectionId = number & { readonly __kind: "turn-connection" };

/** Both clocks: deadlines go by the first, credentials by the second. */
export interface TurnMoment {
  readonly nowMs: MonotonicMs;
  readonly unixMs: UnixMs;
}

export type ClientTransport = "udp" | "tcp" | "tls" | "dtls";

/** The 5-tuple that names a client (RFC 8656 section 3). While a stream is open no other has the same. */
export interface TurnClient {
  readonly transport: ClientTransport;
  readonly remote: Endpoint;
  /** Where it speaks to: the address of a socket of ours, not the advertised one. */
  readonly local: Endpoint;
}

/** Which ports of an allowed address may be reached; the data path looks at each packet. */
export type PeerReach =
  /** All of them. */
  | "any"
  /** An address of ours: the ports that media or relays have at that moment. */
  | "own-ports"
  /** An address of ours that the operator allowed: all but the control sockets. */
  | "not-control";

export interface RelayFacts {
  readonly relay: RelayId;
  readonly family: IpFamily;
}

export type ReleaseReason = "refreshed-away" | "expired" | "client-closed" | "dropped" | "drained";

export type TurnAction =
  /** To the client, from the socket it spoke to; behaviour discovery may want another socket or port. */
  | {
      readonly kind: "reply";
      readonly client: TurnClient;
      readonly bytes: Uint8Array;
      readonly from?: Endpoint;
      readonly to?: Endpoint;
    }
  /** `handleRelayOpened` or `handleRelayFailed` follows. */
  | {
      readonly kind: "open";
      readonly relay: RelayId;
      readonly allocation: AllocationId;
      readonly family: IpFamily;
      readonly transport: "udp" | "tcp";
      /** `pair`: an even port for `relay`, and the one above it for `next`; both or none. */
      readonly port: "any" | "even" | "pair";
      readonly next: RelayId | undefined;
      readonly client: TurnClient;
    }
  /** The socket goes, and the port back to the pool. Said once for each relay opened. */
  | { readonly kind: "close"; readonly relay: RelayId }
  | {
      readonly kind: "attach";
      readonly allocation: AllocationId;
      readonly client: TurnClient;
      /** With a TCP relay there is nothing for the data path: streams are joined whole. */
      readonly transport: "udp" | "tcp";
      readonly relays: readonly RelayFacts[];
      readonly username: string;
      /** Numbers the user for the caps; users without an allocation have none. */
      readonly account: number;
      readonly allocationBytesPerSec: number;
      readonly userBytesPerSec: number;
    }
  /** The client will come from there: take packets from both places, and send to the new one from its first packet on. */
  | { readonly kind: "expect"; readonly allocation: AllocationId; readonly client: TurnClient }
  /** Only there from now on; undefined: its stream has ended, and it may come back with a ticket. */
  | { readonly kind: "move"; readonly allocation: AllocationId; readonly client: TurnClient | undefined }
  | { readonly kind: "detach"; readonly allocation: AllocationId; readonly reason: ReleaseReason }
  | {
      readonly kind: "permit";
      readonly allocation: AllocationId;
      readonly ip: IpAddress;
      readonly reach: PeerReach;
      readonly untilMs: MonotonicMs;
    }
  | { readonly kind: "forbid"; readonly allocation: AllocationId; readonly ip: IpAddress }
  | {
      readonly kind: "bind";
      readonly allocation: AllocationId;
      readonly channel: number;
      readonly peer: Endpoint;
      readonly untilMs: MonotonicMs;
    }
  | { readonly kind: "unbind"; readonly allocation: AllocationId; readonly channel: number }
  /** A TCP connection from the relayed address; `handleConnected` or `handleConnectionClosed` follows. */
  | {
      readonly kind: "connect";
      readonly connection: ConnectionId;
      readonly relay: RelayId;
      readonly peer: Endpoint;
    }
  /** From here on the stream of `client` and the peer's carry each other's bytes. */
  | { readonly kind: "join"; readonly connection: ConnectionId; readonly client: TurnClient }
  /** The peer's stream goes; with it the client's, if they are joined. */
  | { readonly kind: "disconnect"; readonly connection: ConnectionId }
  /** The client's stream goes: its network place has changed, or we are done with it. */
  | { readonly kind: "hang-up"; readonly client: TurnClient };

export type ActionOf<Kind extends TurnAction["kind"]> = Extract<TurnAction, { readonly kind: Kind }>;
