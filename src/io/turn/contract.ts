/**
 * What the TURN shell and those who carry data for it say to each other.
 *
 * A carrier owns sockets of clients, the relay sockets of their allocations, and a `DataPath` that runs over both.
 * What only the server can answer is handed up; the plan of the server comes down, one call for each action.
 */
import type { Socket } from "node:net";
import type { Endpoint, IpAddress } from "../../core/address.ts";
import type { ActionOf, AllocationId, RelayId, TurnClient } from "../../turn/actions.ts";

/** What makes up the plan of a data path. */
export type PlanAction = ActionOf<
  "attach" | "expect" | "move" | "detach" | "permit" | "forbid" | "bind" | "unbind"
>;

/** Payload that was carried: up to peers, down to the client. */
export interface Traffic {
  packetsUp: number;
  bytesUp: number;
  packetsDown: number;
  bytesDown: number;
}

export function noTraffic(): Traffic {
  return { packetsUp: 0, bytesUp: 0, packetsDown: 0, bytesDown: 0 };
}

export interface CarrierCounts {
  readonly traffic: Readonly<Traffic>;
  /** Packets that went no further, by the name of a `dataVerdict` or of what kept them: `queueFull`, `sendFailed`. */
  readonly refused: Readonly<Record<string, number>>;
}

export interface RelayBinding {
  readonly relay: RelayId;
  readonly ip: IpAddress;
  readonly port: number;
  /** Whose relay it will be, and so on whose thread it is wanted. */
  readonly client: TurnClient;
}

export type BindOutcome = "bound" | "port-taken" | "failed";

/** What a carrier tells; it may be told from inside a call to the carrier. */
export interface CarrierListener {
  /** A request, or what only the server can judge. The bytes are good until this returns. */
  handleMessage(client: TurnClient, bytes: Uint8Array): void;
  /** A client was heard from the place where it was awaited. */
  handleMoved(allocation: AllocationId): void;
  /**
   * What the allocation's data path has to be told of permissions and channels now (`TurnServer.grantsOf`): a client
   * that moves may take it to another thread.
   */
  grantsOf(allocation: AllocationId): readonly ActionOf<"permit" | "bind">[];
}

export interface TurnCarrier {
  /** Opens the sockets that datagram clients speak to, one for each address of a wildcard, and says which they are. */
  listen(endpoint: Endpoint): Promise<readonly Endpoint[]>;
  /** `done` may run before this returns. */
  bindRelay(binding: RelayBinding, done: (outcome: BindOutcome) => void): void;
  /** `done`: the port is free again. */
  closeRelay(relay: RelayId, done: () => void): void;
  plan(action: PlanAction): void;
  /** To a datagram client; behaviour discovery names another socket of ours, or another port of the client's. */
  reply(action: ActionOf<"reply">): void;
  traffic(allocation: AllocationId): Readonly<Traffic> | undefined;
  counts(): CarrierCounts;
  /** Closes every socket. */
  close(): Promise<void>;
}

export interface GivenStream {
  readonly socket: Socket;
  readonly rest: Uint8Array;
}

/** A client's stream or DTLS association, as the carrier of its data sees it. */
export interface StreamSeat {
  readonly client: TurnClient;
  /** An allocation is served here: silence is no reason to close it. */
  isServing: boolean;
  /** A message for the client. False: it was not taken, as media is not once too much waits. */
  send(bytes: Uint8Array, isMedia: boolean): boolean;
  /** Its socket, paused, and what came behind the last message; undefined where there are no bytes to carry on with. */
  giveAway(): GivenStream | undefined;
  /** Ends it, and tells its owner of it as if the client had. */
  close(): void;
}

/** Where streams report what they bring. */
export interface StreamHub {
  /** False: the place is taken or there is no room. */
  enter(seat: StreamSeat): boolean;
  /** A whole message. */
  receive(seat: StreamSeat, message: Uint8Array): void;
  /** The stream has ended. */
  leave(seat: StreamSeat): void;
}

/** A carrier for every client, whatever it speaks: one that moves may come by TCP first and by UDP then. */
export interface TurnHome extends TurnCarrier, StreamHub {
  /** The stream of a client, for those who end it or use it otherwise. */
  seatOf(client: TurnClient): StreamSeat | undefined;
  readonly seatCount: number;
  /** Ports that no packet reaches on an address of ours, from now on. */
  setControlPorts(ports: readonly number[]): void;
}
