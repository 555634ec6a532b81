/** Every metric, once: the registry and docs/metrics.md come from this table. Names are a contract with dashboards. */

import { endReasons, evidences, type TelemetrySnapshot, type WorkerSnapshot } from "./snapshot.ts";
import { turnMetrics } from "./turn-metrics.ts";

export interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly labels: readonly string[];
  readonly help: string;
  readonly read: (snapshot: TelemetrySnapshot) => readonly Sample[];
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export const metricTable: readonly Metric[] = [
  {
    name: "rtpferry_info",
    type: "gauge",
    labels: ["version"],
    help: "Always 1; carries the version.",
    read: (now) => [{ labels: { version: now.version }, value: 1 }],
  },
  {
    name: "rtpferry_start_time_seconds",
    type: "gauge",
    labels: [],
    help: "Unix time at which the daemon started.",
    read: (now) => one(now.startedAt / 1_000),
  },
  {
    name: "rtpferry_calls",
    type: "gauge",
    labels: [],
    help: "Calls that hold ports, deleted ones within delete-delay included.",
    read: (now) => one(now.calls.current),
  },
  {
    name: "rtpferry_calls_limit",
    type: "gauge",
    labels: [],
    help: "Calls that are accepted at once (max-sessions).",
    read: (now) => one(now.calls.maximum),
  },
  {
    name: "rtpferry_calls_created_total",
    type: "counter",
    labels: [],
    help: "Calls created.",
    read: (now) => one(now.calls.created),
  },
  {
    name: "rtpferry_calls_ended_total",
    type: "counter",
    labels: ["reason"],
    help: "Calls ended, by what ended them.",
    read: (now) => endReasons.map((reason) => ({ labels: { reason }, value: now.calls.ended[reason] })),
  },
  {
    name: "rtpferry_port_pairs_free",
    type: "gauge",
    labels: ["interface", "address"],
    help: "Pairs of media ports that a call can still take.",
    read: (now) => perInterface(now, (each) => each.pairsFree),
  },
  {
    name: "rtpferry_port_pairs_used",
    type: "gauge",
    labels: ["interface", "address"],
    help: "Pairs of media ports in use.",
    read: (now) => perInterface(now, (each) => each.pairsUsed),
  },
  {
    name: "rtpferry_port_open_failures_total",
    type: "counter",
    labels: ["reason"],
    help: "Port pairs that could not be opened.",
    read: (now) => byName("reason", now.openFailures),
  },
  {
    name: "rtpferry_packets_relayed_total",
    type: "counter",
    labels: ["worker"],
    help: "Datagrams relayed, RTP and RTCP.",
    read: (now) => perWorker(now, (worker) => worker.packetsRelayed),
  },
  {
    name: "rtpferry_bytes_relayed_total",
    type: "counter",
    labels: ["worker"],
    help: "Bytes of their payloads, without IP and UDP headers.",
    read: (now) => perWorker(now, (worker) => worker.bytesRelayed),
  },
  {
    name: "rtpferry_packets_dropped_total",
    type: "counter",
    labels: ["worker", "reason"],
    help: "Datagrams that arrived and were not relayed, by the reason of the refusal.",
    read: (now) => perWorkerAndName(now, "reason", (worker) => worker.packetsDropped),
  },
  {
    name: "rtpferry_handovers_total",
    type: "counter",
    labels: ["worker", "event"],
    help: "What became of media sources: proven, switched, rolledBack, struck, refused, held, twin.",
    read: (now) => perWorkerAndName(now, "event", (worker) => worker.handovers),
  },
  {
    name: "rtpferry_handovers_untold_total",
    type: "counter",
    labels: ["worker"],
    help: "Of these, neither logged nor kept for ctl show, because there were too many at once.",
    read: (now) => perWorker(now, (worker) => worker.handoversUntold),
  },
  {
    name: "rtpferry_sources_believed_total",
    type: "counter",
    labels: ["event", "evidence"],
    help: "Proofs and switches by the rule that made them, those left untold excepted.",
    read: ({ believed }) =>
      (["proven", "switched"] as const).flatMap((event) =>
        evidences.map((evidence) => ({ labels: { event, evidence }, value: believed[event][evidence] })),
      ),
  },
  {
    name: "rtpferry_replays_total",
    type: "counter",
    labels: ["worker"],
    help: "Times that a party which had moved was sent again what went to its old address.",
    read: (now) => perWorker(now, (worker) => worker.replays),
  },
  {
    name: "rtpferry_packets_replayed_total",
    type: "counter",
    labels: ["worker"],
    help: "Packets sent again then; not among those relayed.",
    read: (now) => perWorker(now, (worker) => worker.packetsReplayed),
  },
  {
    name: "rtpferry_replay_bytes",
    type: "gauge",
    labels: ["worker"],
    help: "Packets kept in case they have to be sent again (replay-memory).",
    read: (now) => perWorker(now, (worker) => worker.replayBytes),
  },
  {
    name: "rtpferry_dtls_handshakes_total",
    type: "counter",
    labels: ["result"],
    help: "DTLS associations connected with the certificate that SDP named, or why a handshake failed.",
    read: ({ transports }) =>
      byName("result", { connected: transports.handshakes, ...transports.handshakesFailed }),
  },
  {
    name: "rtpferry_dtls_datagrams_total",
    type: "counter",
    labels: ["event"],
    help: "Stateless cookies sent, and DTLS datagrams refused without keeping state for them.",
    read: ({ dtls: { cookies, ignored, fragments, limited } }) =>
      byName("event", { cookies, ignored, fragments, limited }),
  },
  {
    name: "rtpferry_ice_total",
    type: "counter",
    labels: ["event"],
    help: "Remote addresses chosen by ICE, agents that found no way, consents lost.",
    read: ({ transports }) => byName("event", { selected: transports.iceSelected, ...transports.iceFailed }),
  },
  {
    name: "rtpferry_handshake_packets_unsent_total",
    type: "counter",
    labels: [],
    help: "Packets of ICE and DTLS that found no room on their way to a worker; they are sent again later.",
    read: ({ transports }) => one(transports.unsent),
  },
  {
    name: "rtpferry_sockets_open",
    type: "gauge",
    labels: ["worker"],
    help: "Media sockets that the worker serves.",
    read: (now) => perWorker(now, (worker) => worker.socketsOpen),
  },
  {
    name: "rtpferry_held_bytes",
    type: "gauge",
    labels: ["worker"],
    help: "Early packets kept until signalling says who may speak.",
    read: (now) => perWorker(now, (worker) => worker.heldBytes),
  },
  {
    name: "rtpferry_worker_wakeups_total",
    type: "counter",
    labels: ["worker"],
    help: "Times the worker woke up to read packets.",
    read: (now) => perWorker(now, (worker) => worker.wakeups),
  },
  {
    name: "rtpferry_worker_send_batches_total",
    type: "counter",
    labels: ["worker"],
    help: "Times that packets of many ports left in one call (batch-send).",
    read: (now) => perWorker(now, (worker) => worker.batches),
  },
  {
    name: "rtpferry_worker_send_batch_refusals_total",
    type: "counter",
    labels: ["worker"],
    help: "Packets that the kernel did not take so, and that were sent by their own sockets.",
    read: (now) => perWorker(now, (worker) => worker.batchRefusals),
  },
  {
    name: "rtpferry_worker_receive_batches_total",
    type: "counter",
    labels: ["worker"],
    help: "Times that packets of many ports were read in one call (batch-receive).",
    read: (now) => perWorker(now, (worker) => worker.receiveBatches),
  },
  {
    name: "rtpferry_worker_receive_drops_total",
    type: "counter",
    labels: ["worker"],
    help: "Packets that the kernel dropped at the queue that such ports share: it was full because the worker is overloaded, or a program of this machine sent them to the queue itself.",
    read: (now) => perWorker(now, (worker) => worker.receiveDrops),
  },
  {
    name: "rtpferry_worker_collections_total",
    type: "counter",
    labels: ["worker"],
    help: "Garbage collections in the worker.",
    read: (now) => perWorker(now, (worker) => worker.collections),
  },
  {
    name: "rtpferry_worker_collection_seconds_total",
    type: "counter",
    labels: ["worker"],
    help: "Time the worker spent in them.",
    read: (now) => perWorker(now, (worker) => worker.collectionMsTotal / 1_000),
  },
  {
    name: "rtpferry_worker_collection_seconds_max",
    type: "gauge",
    labels: ["worker"],
    help: "The longest of them.",
    read: (now) => perWorker(now, (worker) => worker.collectionMsMax / 1_000),
  },
  {
    name: "rtpferry_worker_heartbeat_age_seconds",
    type: "gauge",
    labels: ["worker"],
    help: "Time since the worker last showed that it lives.",
    read: (now) => perWorker(now, (worker) => worker.heartbeatAgeMs / 1_000),
  },
  {
    name: "rtpferry_control_requests_total",
    type: "counter",
    labels: ["protocol", "command", "result"],
    help: "Control requests answered.",
    read: (now) =>
      now.control.requests.map(({ protocol, command, result, count }) => ({
        labels: { protocol, command, result },
        value: count,
      })),
  },
  {
    name: "rtpferry_control_dropped_total",
    type: "counter",
    labels: ["protocol", "reason"],
    help: "Control messages dropped without an answer.",
    read: (now) =>
      now.control.drops.map(({ protocol, reason, count }) => ({
        labels: { protocol, reason },
        value: count,
      })),
  },
  {
    name: "rtpferry_control_replies_remembered",
    type: "gauge",
    labels: [],
    help: "Replies kept for retransmitted requests.",
    read: (now) => one(now.control.repliesRemembered),
  },
  {
    name: "rtpferry_control_replies_remembered_bytes",
    type: "gauge",
    labels: [],
    help: "Their size.",
    read: (now) => one(now.control.repliesRememberedBytes),
  },
  ...turnMetrics,
  {
    name: "rtpferry_memory_bytes",
    type: "gauge",
    labels: ["kind"],
    help: "Memory of the process: resident as a whole, JavaScript heaps, and outside them (packet arenas).",
    read: ({ process: self }) =>
      byName("kind", { resident: self.residentBytes, heap: self.heapBytes, external: self.externalBytes }),
  },
  {
    name: "rtpferry_cpu_seconds_total",
    type: "counter",
    labels: ["mode"],
    help: "Processor time of all threads.",
    read: ({ process: self }) =>
      byName("mode", { user: self.cpuUserMs / 1_000, system: self.cpuSystemMs / 1_000 }),
  },
  {
    name: "rtpferry_event_loop_delay_seconds",
    type: "gauge",
    labels: ["quantile"],
    help: "Lateness of the main thread since the last reading; control requests wait so long.",
    read: ({ process: { loopDelayMs: delay } }) =>
      byName("quantile", { "0.5": delay.p50 / 1_000, "0.99": delay.p99 / 1_000, "1": delay.max / 1_000 }),
  },
];

function one(value: number): readonly Sample[] {
  return [{ labels: {}, value }];
}

function byName(label: string, values: Readonly<Record<string, number>>): readonly Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

function perInterface(
  now: TelemetrySnapshot,
  value: (each: TelemetrySnapshot["interfaces"][number]) => number,
): readonly Sample[] {
  return now.interfaces.map((each) => ({
    labels: { interface: each.name, address: each.ip },
    value: value(each),
  }));
}

function perWorker(now: TelemetrySnapshot, value: (worker: WorkerSnapshot) => number): readonly Sample[] {
  return now.workers.map((worker) => ({ labels: { worker: String(worker.index) }, value: value(worker) }));
}

function perWorkerAndName(
  now: TelemetrySnapshot,
  label: string,
  values: (worker: WorkerSnapshot) => Readonly<Record<string, number>>,
): readonly Sample[] {
  return now.workers.flatMap((worker) =>
    Object.entries(values(worker)).map(([name, value]) => ({
      labels: { worker: String(worker.index), [label]: name },
      value,
    })),
  );
}
