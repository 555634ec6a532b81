/** The metrics of the TURN server, part of the one table. Without a server they have no samples. */
import type { Metric, Sample } from "./metric-table.ts";
import type { TurnTelemetry } from "./turn-view.ts";

type Read = (turn: TurnTelemetry) => readonly Sample[];

function metric(row: Omit<Metric, "read">, read: Read): Metric {
  return { ...row, read: ({ turn }) => (turn === undefined ? [] : read(turn)) };
}

function one(value: number): readonly Sample[] {
  return [{ labels: {}, value }];
}

function byName(label: string, values: Readonly<Record<string, number>>): readonly Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

export const turnMetrics: readonly Metric[] = [
  metric(
    {
      name: "rtpferry_turn_allocations",
      type: "gauge",
      labels: [],
      help: "TURN allocations.",
    },
    ({ allocations }) => one(allocations),
  ),
  metric(
    {
      name: "rtpferry_turn_allocations_limit",
      type: "gauge",
      labels: [],
      help: "Allocations that there may be at once (turn-max-allocations).",
    },
    ({ allocationsLimit }) => one(allocationsLimit),
  ),
  metric(
    {
      name: "rtpferry_turn_allocations_created_total",
      type: "counter",
      labels: [],
      help: "Allocations made.",
    },
    ({ created }) => one(created),
  ),
  metric(
    {
      name: "rtpferry_turn_allocations_ended_total",
      type: "counter",
      labels: ["reason"],
      help: "Allocations ended, by what ended them.",
    },
    ({ ended }) => byName("reason", ended),
  ),
  metric(
    {
      name: "rtpferry_turn_moves_total",
      type: "counter",
      labels: [],
      help: "Clients that came back from another network with their mobility ticket.",
    },
    ({ moves }) => one(moves),
  ),
  metric(
    {
      name: "rtpferry_turn_relays",
      type: "gauge",
      labels: [],
      help: "Relay sockets, those kept for a reservation included.",
    },
    ({ relays }) => one(relays),
  ),
  metric(
    {
      name: "rtpferry_turn_requests_total",
      type: "counter",
      labels: ["method"],
      help: "STUN and TURN requests.",
    },
    ({ requests }) => byName("method", requests),
  ),
  metric(
    {
      name: "rtpferry_turn_replies_total",
      type: "counter",
      labels: ["result"],
      help: "Replies: success, repeated to who asked once more, limited (not sent, as the source had proved nothing and had enough), and errors by their codes.",
    },
    ({ successes, repeated, limited, errors }) =>
      byName("result", { success: successes, repeated, limited, ...errors }),
  ),
  metric(
    {
      name: "rtpferry_turn_ignored_total",
      type: "counter",
      labels: [],
      help: "Messages that were neither data nor a request.",
    },
    ({ ignored }) => one(ignored),
  ),
  metric(
    {
      name: "rtpferry_turn_revoked_total",
      type: "counter",
      labels: [],
      help: "Permissions, channels and connections that a reload took away.",
    },
    ({ revoked }) => one(revoked),
  ),
  metric(
    {
      name: "rtpferry_turn_packets_relayed_total",
      type: "counter",
      labels: ["direction"],
      help: "Payloads carried: up to peers, down to clients.",
    },
    ({ traffic }) => byName("direction", { up: traffic.packetsUp, down: traffic.packetsDown }),
  ),
  metric(
    {
      name: "rtpferry_turn_bytes_relayed_total",
      type: "counter",
      labels: ["direction"],
      help: "Their bytes, without any headers.",
    },
    ({ traffic }) => byName("direction", { up: traffic.bytesUp, down: traffic.bytesDown }),
  ),
  metric(
    {
      name: "rtpferry_turn_tcp_bytes_relayed_total",
      type: "counter",
      labels: ["direction"],
      help: "Bytes carried by TCP relays.",
    },
    ({ tcpBytes: { up, down } }) => byName("direction", { up, down }),
  ),
  metric(
    {
      name: "rtpferry_turn_packets_dropped_total",
      type: "counter",
      labels: ["reason"],
      help: "Packets of clients and peers that went no further.",
    },
    ({ refused }) => byName("reason", refused),
  ),
  metric(
    {
      name: "rtpferry_turn_streams",
      type: "gauge",
      labels: ["transport"],
      help: "Clients' connections over TCP and TLS, and DTLS associations.",
    },
    ({ streams }) => byName("transport", streams),
  ),
  metric(
    {
      name: "rtpferry_turn_streams_total",
      type: "counter",
      labels: ["result"],
      help: "Of these: accepted, refused because there were too many, failed in their handshake.",
    },
    ({ streamsTotal }) => byName("result", streamsTotal),
  ),
  metric(
    {
      name: "rtpferry_turn_peer_connections",
      type: "gauge",
      labels: [],
      help: "TCP connections with peers.",
    },
    ({ connections }) => one(connections),
  ),
];
