/** The TURN server for a terminal. */
import type { TurnAllocationRow, TurnDetail, TurnTelemetry } from "../telemetry/turn-view.ts";
import { duration, printable, size } from "./table.ts";

/** What `turn drain` answers. */
export interface TurnDrain {
  readonly draining: true;
  readonly allocations: number;
}

export function renderTurn(answer: TurnDetail | TurnDrain): string {
  if ("draining" in answer) return `draining; ${answer.allocations} allocations go on`;
  const state = answer.isDraining ? ["draining: no new allocations"] : [];
  if (answer.allocations.length === 0) return [...state, "no allocations"].join("\n");
  return [...state, ...answer.allocations.flatMap(renderAllocation)].join("\n");
}

function renderAllocation(row: TurnAllocationRow): readonly string[] {
  const { user, client, relay, relayed, expiresInMs, permissions, channels, connections, traffic } = row;
  const who = user === "" ? "anonymous" : printable(user);
  const lines = [
    `allocation ${row.allocation}: ${who} at ${client ?? "no place (its stream has ended)"}`,
    `  relayed ${relay} ${relayed.join(", ")}; expires in ${duration(expiresInMs)}`,
    `  up ${traffic.packetsUp} packets, ${size(traffic.bytesUp)}; down ${traffic.packetsDown} packets, ${size(traffic.bytesDown)}`,
  ];
  if (permissions.length > 0) lines.push(`  may reach ${permissions.join(", ")}`);
  if (channels.length > 0) lines.push(`  channels ${channels.join(", ")}`);
  if (connections > 0) lines.push(`  ${connections} TCP connections with peers`);
  return lines;
}

export function renderTurnStats(turn: TurnTelemetry): string {
  const { allocations, allocationsLimit, created, traffic, errors } = turn;
  const streams = Object.entries(turn.streams).map(([name, count]) => `${count} ${name}`);
  const refusals = Object.entries(errors).map(([code, count]) => `${count} x ${code}`);
  const refused = Object.entries(turn.refused).filter(([, count]) => count > 0);
  const lines = [
    `turn: allocations ${allocations} of ${allocationsLimit}; created ${created}; streams ${streams.join(", ")}${turn.isDraining ? "; draining" : ""}`,
    `  up ${traffic.packetsUp} packets, ${size(traffic.bytesUp)}; down ${traffic.packetsDown} packets, ${size(traffic.bytesDown)}`,
    `  errors ${refusals.join(", ") || "none"}; ${turn.limited} replies kept back`,
  ];
  if (refused.length > 0) {
    lines.push(`  dropped ${refused.map(([reason, count]) => `${count} ${reason}`).join(", ")}`);
  }
  return lines.join("\n");
}
