/** What the relay counts per socket, as read by control, timeouts and metrics. Plain values, one moment in time. */
import type { Endpoint } from "../address.ts";
import type { MonotonicMs } from "../time.ts";
import type { Evidence, PairId } from "./plan.ts";

/** Traffic of one socket. "in" arrives from the party, "out" is sent to it. */
export interface SocketCounters {
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly bytesOut: number;
  /** Packets that arrived and were refused: unproven source, malformed, no way on. */
  readonly errorsIn: number;
  /** Sends the kernel refused. */
  readonly errorsOut: number;
  /** Arrival of the last relayed packet; undefined before the first. */
  readonly lastPacketAt: MonotonicMs | undefined;
  readonly provenSource: Endpoint | undefined;
  readonly evidence: Evidence | undefined;
  readonly sendTarget: Endpoint | undefined;
}

/** Reception quality of one SSRC (RFC 3550 section 6.4.1 and appendix A). */
export interface StreamCounters {
  readonly ssrc: number;
  readonly packets: number;
  readonly bytes: number;
  readonly payloadType: number;
  readonly lastSequence: number;
  readonly lastTimestamp: number;
  /** Expected minus received since the first packet; duplicates make it negative. */
  readonly packetsLost: number;
  readonly jitterMs: number;
  readonly lastPacketAt: MonotonicMs;
}

export interface PairCounters {
  readonly rtp: SocketCounters;
  readonly rtcp: SocketCounters;
  /** Streams received from this party, latest first. */
  readonly streams: readonly StreamCounters[];
}

export interface CounterReader {
  /** Undefined once the pair is closed and its slot reused. */
  read(pair: PairId): PairCounters | undefined;
  /** Arrival of the last relayed packet of either socket; cheap, for timeout scans. */
  lastPacketAt(pair: PairId): MonotonicMs | undefined;
}
