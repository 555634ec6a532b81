/** Reads the daemon at one moment, for metrics, `ctl stats`, ng's `statistics` and rtpproxy's `G`. */
import type { Calls } from "../call/calls.ts";
import type { Config } from "../config/schema.ts";
import { version } from "../config/version.ts";
import type { ServerStatistics } from "../control/ng/server-statistics.ts";
import type { RelayTotals } from "../control/rtpproxy/statistics.ts";
import type { Clock, MonotonicMs } from "../core/time.ts";
import { watchProcess } from "../io/process-stats.ts";
import type { WorkerStats } from "../relay/counter-view.ts";
import type { Relay } from "../relay/relay.ts";
import type { TransportCounts } from "../relay/transports/transport-counts.ts";
import type { DtlsCounts } from "../srtp/dtls/actions.ts";
import type { ControlCounts, TelemetrySnapshot, WorkerSnapshot } from "../telemetry/snapshot.ts";
import type { TurnTelemetry } from "../telemetry/turn-view.ts";
import { Rates, type Sums } from "./rates.ts";
import type { Totals } from "./totals.ts";

export interface TelemetryShellParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly relay: Relay;
  readonly calls: Calls;
  readonly totals: Totals;
  readonly dtls: DtlsCounts;
  readonly control: () => ControlCounts;
  readonly turn: () => TurnTelemetry | undefined;
}

/** A worker shows a heartbeat at least every 200 ms; one that has not for so long hangs. */
const heartbeatAgeMsMax = 5_000;
const heartbeatCheckMs = 500;
/** Ends of a datagram that mean it was carried, or was never one to be carried. */
const carried: ReadonlySet<string> = new Set([
  "relay",
  "hold",
  "consumed",
  "heldReleased",
  "sendRetried",
  "passedUp",
  "duplicate",
]);

function copyCounts(counts: Readonly<TransportCounts>): TransportCounts {
  const { handshakesFailed, iceFailed } = counts;
  return { ...counts, handshakesFailed: { ...handshakesFailed }, iceFailed: { ...iceFailed } };
}

interface Heartbeat {
  count: number;
  at: MonotonicMs;
}

export class TelemetryShell {
  readonly #parts: TelemetryShellParts;
  readonly #startedAt: ReturnType<Clock["unixMs"]>;
  readonly #startedMs: MonotonicMs;
  readonly #process = watchProcess();
  readonly #rates: Rates;
  readonly #heartbeats: Heartbeat[];
  readonly #heartbeatTimer: NodeJS.Timeout;

  constructor(parts: TelemetryShellParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock.unixMs();
    this.#startedMs = parts.clock.monotonicMs();
    this.#rates = new Rates(() => this.#sums());
    const at = this.#startedMs;
    this.#heartbeats = parts.relay.stats().workers.map(({ heartbeat }) => ({ count: heartbeat, at }));
    this.#heartbeatTimer = setInterval(() => this.#noteHeartbeats(), heartbeatCheckMs);
  }

  close(): void {
    this.#rates.close();
    this.#process.close();
    clearInterval(this.#heartbeatTimer);
  }

  /** False when a relay thread stands still. */
  isAlive(): boolean {
    this.#noteHeartbeats();
    return this.#heartbeats.every((_, index) => this.#heartbeatAgeMs(index) < heartbeatAgeMsMax);
  }

  snapshot(): TelemetrySnapshot {
    const { relay, calls, totals, config, control, dtls, turn } = this.#parts;
    const stats = relay.stats();
    return {
      version,
      startedAt: this.#startedAt,
      calls: {
        current: calls.callCount,
        maximum: config.maxSessions,
        created: calls.callCount + totals.endedCount,
        ended: { ...totals.ended },
      },
      interfaces: stats.interfaces.map(({ name, ip, free, used }) => ({
        name,
        ip,
        pairsFree: free,
        pairsUsed: used,
      })),
      openFailures: { ...totals.openFailures },
      workers: stats.workers.map((worker, index) => this.#worker(worker, index)),
      believed: { proven: { ...totals.believed.proven }, switched: { ...totals.believed.switched } },
      transports: copyCounts(stats.transports),
      dtls: { ...dtls },
      control: control(),
      turn: turn(),
      process: this.#process.read(),
    };
  }

  serverStatistics(): ServerStatistics {
    const { relay, calls, totals, config, clock } = this.#parts;
    const { portMin, portMax } = config;
    return {
      uptimeSec: Math.floor((clock.monotonicMs() - this.#startedMs) / 1000),
      sessions: calls.callCount,
      rates: this.#rates.perSecond,
      endedSessions: { ...totals.ended },
      rejectedSessions: totals.rejected,
      callDurationMs: totals.durationMs,
      relayed: this.#sums(),
      interfaces: relay.stats().interfaces.map(({ name, ip, free, total }) => ({
        name,
        address: ip,
        portMin,
        portMax,
        portsFree: 2 * free,
        portsCount: 2 * total,
      })),
    };
  }

  relayTotals(): RelayTotals {
    const { relay, calls, totals, config } = this.#parts;
    const { interfaces } = relay.stats();
    const sums = this.#sums();
    const { packets: packetsInPerSec } = this.#rates.perSecond;
    return {
      sessionsCreated: calls.callCount + totals.endedCount,
      sessionsDestroyed: totals.endedCount,
      sessionsTimedOut: totals.ended.timeout + totals.ended["silent-timeout"],
      sessionsComplete: totals.complete,
      sessionsActive: calls.callCount,
      streamsActive: interfaces.reduce((sum, { used }) => sum + used, 0),
      packetsReceived: sums.packets + sums.errors,
      packetsRelayed: sums.packets,
      packetsDiscarded: sums.errors,
      totalDurationSec: totals.durationMs / 1000,
      packetsInPerSec,
      load: calls.callCount / config.maxSessions,
    };
  }

  #worker(worker: WorkerStats, index: number): WorkerSnapshot {
    const dropped = Object.entries(worker.reasons).filter(([name]) => !carried.has(name));
    return {
      index,
      packetsRelayed: worker.packets,
      bytesRelayed: worker.bytes,
      packetsDropped: Object.fromEntries(dropped),
      handovers: worker.handoverNotes,
      handoversUntold: worker.notesUntold,
      replays: worker.replay.replays,
      packetsReplayed: worker.replay.packets,
      replayBytes: worker.replay.usedBytes,
      socketsOpen: worker.openSlots,
      heldBytes: worker.heldBytes,
      wakeups: worker.wakeups,
      batches: worker.batches,
      batchRefusals: worker.batchRefusals,
      receiveBatches: worker.receiveBatches,
      receiveDrops: worker.receiveDrops,
      collections: worker.collections,
      collectionMsTotal: worker.collectionMsTotal,
      collectionMsMax: worker.collectionMsMax,
      heartbeatAgeMs: this.#heartbeatAgeMs(index),
    };
  }

  #sums(): Sums {
    const sums = { packets: 0, bytes: 0, errors: 0 };
    for (const worker of this.#parts.relay.stats().workers) {
      sums.packets += worker.packets;
      sums.bytes += worker.bytes;
      for (const [name, count] of Object.entries(worker.reasons))
        if (!carried.has(name)) sums.errors += count;
    }
    return sums;
  }

  #noteHeartbeats(): void {
    const at = this.#parts.clock.monotonicMs();
    for (const [index, { heartbeat }] of this.#parts.relay.stats().workers.entries()) {
      const known = this.#heartbeats[index];
      if (known === undefined || known.count === heartbeat) continue;
      known.count = heartbeat;
      known.at = at;
    }
  }

  #heartbeatAgeMs(index: number): number {
    const { clock } = this.#parts;
    return clock.monotonicMs() - (this.#heartbeats[index]?.at ?? this.#startedMs);
  }
}
