/**
 * What can be read off the daemon at one moment. Whoever composes the parts builds it; metrics, `ctl stats` and
 * /healthz are views of it. Counts only grow, unless the comment says "now".
 */
import type { EndReason } from "../call/report.ts";
import type { Evidence, OpenFailure } from "../core/plan/plan.ts";
import type { UnixMs } from "../core/time.ts";
import type { TransportCounts } from "../relay/transports/transport-counts.ts";
import type { DtlsCounts } from "../srtp/dtls/actions.ts";
import type { TurnTelemetry } from "./turn-view.ts";

export interface TelemetrySource {
  /** Cheap enough to be called every second. */
  snapshot(): TelemetrySnapshot;
}

export interface TelemetrySnapshot {
  readonly version: string;
  readonly startedAt: UnixMs;
  readonly calls: CallCounts;
  readonly interfaces: readonly InterfaceSnapshot[];
  readonly openFailures: Readonly<Record<OpenFailure, number>>;
  readonly workers: readonly WorkerSnapshot[];
  /** Sources believed, by what became of them and by evidence; as far as workers told of them. */
  readonly believed: Readonly<Record<"proven" | "switched", Readonly<Record<Evidence, number>>>>;
  readonly transports: Readonly<TransportCounts>;
  readonly dtls: Readonly<DtlsCounts>;
  readonly control: ControlCounts;
  /** Undefined: there is no TURN server. */
  readonly turn: TurnTelemetry | undefined;
  readonly process: ProcessSnapshot;
}

export interface CallCounts {
  /** Now, deleted ones that wait for delete-delay included. */
  readonly current: number;
  /** The limit, max-sessions. */
  readonly maximum: number;
  readonly created: number;
  readonly ended: Readonly<Record<EndReason, number>>;
}

/** Port pairs of one local address, now. */
export interface InterfaceSnapshot {
  readonly name: string;
  readonly ip: string;
  readonly pairsFree: number;
  readonly pairsUsed: number;
}

export interface WorkerSnapshot {
  readonly index: number;
  readonly packetsRelayed: number;
  readonly bytesRelayed: number;
  /** By the name of the refusal, as the relay's and the handover policy's codes call it. */
  readonly packetsDropped: Readonly<Record<string, number>>;
  /** Changes of proof, by the name of the handover note. */
  readonly handovers: Readonly<Record<string, number>>;
  /** Of these, main was not told: there were too many at once. */
  readonly handoversUntold: number;
  /** Times that a party which had moved was sent again what it missed, and the packets. */
  readonly replays: number;
  readonly packetsReplayed: number;
  /** Of packets kept for that, now. */
  readonly replayBytes: number;
  /** Now. */
  readonly socketsOpen: number;
  /** Of held packets, now. */
  readonly heldBytes: number;
  readonly wakeups: number;
  /** Times that packets of many ports left in one call, and packets that were not taken so. */
  readonly batches: number;
  readonly batchRefusals: number;
  readonly receiveBatches: number;
  readonly receiveDrops: number;
  readonly collections: number;
  readonly collectionMsTotal: number;
  readonly collectionMsMax: number;
  /** Since the worker last showed that it lives, now. */
  readonly heartbeatAgeMs: number;
}

export interface ControlCounts {
  /** `command` and `result` are words of our tables, never text from a datagram. */
  readonly requests: readonly {
    readonly protocol: "ng" | "rtpproxy";
    readonly command: string;
    readonly result: string;
    readonly count: number;
  }[];
  /** Dropped without an answer: source not allowed, no cookie, too large ... */
  readonly drops: readonly {
    /** `any` where it was dropped before its protocol mattered. */
    readonly protocol: "ng" | "rtpproxy" | "any";
    readonly reason: string;
    readonly count: number;
  }[];
  /** Replies kept for retransmissions, now. */
  readonly repliesRemembered: number;
  readonly repliesRememberedBytes: number;
}

export interface ProcessSnapshot {
  readonly residentBytes: number;
  readonly heapBytes: number;
  /** Arenas and other memory outside the heap. */
  readonly externalBytes: number;
  readonly cpuUserMs: number;
  readonly cpuSystemMs: number;
  /** Lateness of the main thread's event loop since the last reading. */
  readonly loopDelayMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

/** Every reason, so that a series exists before its first call ends. */
export const endReasons: readonly EndReason[] = [
  "deleted",
  "timeout",
  "silent-timeout",
  "offer-timeout",
  "final-timeout",
  "killed",
  "shutdown",
];

/** All of them, strongest first. */
export const evidences: readonly Evidence[] = [
  "cryptographic",
  "signalled",
  "continuity",
  "same-place",
  "first-speaker",
  "new-generation",
  "override",
];
