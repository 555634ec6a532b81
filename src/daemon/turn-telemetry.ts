/** Reads the TURN server for metrics and operators. */
import { formatEndpoint } from "../core/address.ts";
import { systemClock } from "../io/clock.ts";
import { noTraffic } from "../io/turn/contract.ts";
import { stunMethod } from "../stun/wire.ts";
import type { TurnAllocationRow, TurnControl, TurnTelemetry } from "../telemetry/turn-view.ts";
import type { AllocationView } from "../turn/snapshot.ts";
import { turnMethod } from "../turn/wire.ts";
import type { Turn } from "./turn.ts";

const methodNames = new Map<number, string>(
  Object.entries({ ...stunMethod, ...turnMethod }).map(([name, number]) => [number, name]),
);

export function turnTelemetry(turn: Turn | undefined): TurnTelemetry | undefined {
  if (turn === undefined) return undefined;
  const { shell, streams, associations } = turn;
  const { allocations, reservations, connections, counts } = shell.snapshot();
  const { traffic, refused } = shell.home.counts();
  const sum = (name: "accepted" | "refused" | "failed"): number =>
    streams.counts[name] + (associations?.counts[name] ?? 0);
  return {
    allocations,
    allocationsLimit: turn.allocationsLimit,
    reservations,
    connections,
    relays: shell.relayCount,
    streams: { ...streams.open, dtls: associations?.openCount ?? 0 },
    streamsTotal: { accepted: sum("accepted"), refused: sum("refused"), failed: sum("failed") },
    isDraining: shell.isDraining,
    requests: Object.fromEntries(
      [...counts.requests].map(([method, count]) => [methodNames.get(method) ?? String(method), count]),
    ),
    successes: counts.successes,
    errors: Object.fromEntries([...counts.errors].map(([code, count]) => [String(code), count])),
    repeated: counts.repeated,
    limited: counts.limited,
    ignored: counts.ignored,
    created: counts.allocations,
    ended: { ...shell.ended },
    moves: counts.moves,
    revoked: counts.revoked,
    traffic,
    tcpBytes: { up: 0, down: 0, ...shell.tcp?.bytes },
    refused,
  };
}

export function turnControl(turn: Turn): TurnControl {
  const { shell } = turn;
  return {
    view: () => ({
      isDraining: shell.isDraining,
      allocations: [...shell.views()].map((view) => rowOf(turn, view)),
    }),
    drain: () => shell.drain(),
  };
}

function rowOf({ shell }: Turn, view: AllocationView): TurnAllocationRow {
  const { allocation, username, transport, client, relayed, expiresAtMs, permissions, channels } = view;
  return {
    allocation,
    user: username,
    relay: transport,
    client: client === undefined ? null : `${client.transport} ${formatEndpoint(client.remote)}`,
    relayed: relayed.map(formatEndpoint),
    expiresInMs: Math.max(0, Math.round(expiresAtMs - systemClock.monotonicMs())),
    permissions,
    channels: channels.map(({ channel, peer }) => `0x${channel.toString(16)} ${formatEndpoint(peer)}`),
    connections: view.connections,
    traffic: { ...(shell.traffic(allocation) ?? noTraffic()) },
  };
}
