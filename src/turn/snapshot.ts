/** What operators and metrics see of the TURN server. No key, password or ticket is in it. */
import type { Endpoint, IpAddress } from "../core/address.ts";
import type { MonotonicMs } from "../core/time.ts";
import type { AllocationId, TurnClient } from "./actions.ts";
import type { Allocation } from "./allocation.ts";
import type { TurnCounts } from "./counts.ts";

export interface TurnSnapshot {
  readonly allocations: number;
  /** Allocations whose sockets are being opened. */
  readonly opening: number;
  readonly reservations: number;
  readonly permissions: number;
  /** Those in their five minutes of rest included. */
  readonly channels: number;
  /** With peers, over TCP. */
  readonly connections: number;
  /** Remembered for retransmissions. */
  readonly replies: number;
  readonly counts: TurnCounts;
}

export interface AllocationView {
  readonly allocation: AllocationId;
  readonly username: string;
  readonly transport: "udp" | "tcp";
  readonly client: TurnClient | undefined;
  readonly relayed: readonly Endpoint[];
  readonly expiresAtMs: MonotonicMs;
  readonly permissions: readonly IpAddress[];
  readonly channels: readonly { readonly channel: number; readonly peer: Endpoint }[];
  readonly connections: number;
}

export function viewOf(allocation: Allocation): AllocationView {
  const { id, caller, transport, place, relays, expiresAtMs, permissions, channels, connections } =
    allocation;
  return {
    allocation: id,
    username: caller.username,
    transport,
    client: place?.client,
    relayed: relays.map(({ advertised }) => advertised),
    expiresAtMs,
    permissions: [...permissions.keys()],
    channels: [...channels]
      .filter(([, { isBound }]) => isBound)
      .map(([channel, { peer }]) => ({ channel, peer })),
    connections: connections.size,
  };
}
