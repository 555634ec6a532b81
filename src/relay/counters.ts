/**
 * The counters a worker writes and main reads, as plain doubles in shared memory.
 *
 * One writer, monotonic sums, plain stores. Each record carries a version that is odd while its writer is inside, so
 * a reader takes several fields of one moment. Streams lie rank by rank (the first stream of all pairs, then the
 * second, ...), so that pairs with one stream, nearly all, touch one small record each.
 */
import { ssrcsPerSlotMax } from "../core/limits.ts";
import { reception } from "../rtp/reception.ts";
import { reasonCount } from "./reasons.ts";

/** Fields of one socket's record. */
export const socketField = {
  version: 0,
  packetsIn: 1,
  bytesIn: 2,
  packetsOut: 3,
  bytesOut: 4,
  errorsIn: 5,
  errorsOut: 6,
  /** 0 before the first. */
  lastPacketAt: 7,
  /** Evidence code of the proven source, 0 before proof. */
  evidence: 8,
  /** Four IP words and the port. */
  proven: 9,
  target: 14,
  /** Streams in use of this RTP socket. */
  streams: 19,
  /** The pair's generation, so that a reader knows a predecessor's record. */
  generation: 20,
  size: 24,
} as const;

/** Fields of the worker's own record; the reasons follow from `reasons` on. */
export const workerField = {
  heartbeat: 0,
  packets: 1,
  bytes: 2,
  wakeups: 3,
  /** Held right now. */
  heldBytes: 4,
  openSlots: 5,
  /** Garbage collections of the worker's heap. */
  collections: 6,
  collectionMsTotal: 7,
  collectionMsMax: 8,
  /** Coalescing pauses taken. */
  pauses: 9,
  /** Counts of the handover policy's notes, by `handoverNote` code. */
  notes: 10,
  /** Notes that main was not told of, because there were too many. */
  notesUntold: 18,
  /** Times that a party was sent again what it missed, and what it got; not among what slots count as sent. */
  replays: 19,
  replayedPackets: 20,
  replayedBytes: 21,
  /** Replays that did not happen, because too many were under way. */
  replaysRefused: 22,
  /** Slots whose packets were no longer to be sent again: new party, peer, key or codecs. */
  replaysForgotten: 23,
  /** In use right now for packets that may be sent again. */
  replayBytes: 24,
  /** Packets that were to be sent again and could not be. */
  replayErrors: 25,
  /** Times that packets of many ports left together, and packets that then had to leave alone. */
  batches: 26,
  batchRefusals: 27,
  /** Times that packets of many ports were read together, and packets the kernel dropped where they are. */
  receiveBatches: 28,
  receiveDrops: 29,
  reasons: 32,
  size: 32 + reasonCount,
} as const;

export interface CounterMemory {
  readonly worker: Float64Array;
  readonly sockets: Float64Array;
  readonly streams: Float64Array;
}

/** Doubles needed for so many slots (two a pair). */
export function counterSizes(capacitySlots: number): Readonly<Record<keyof CounterMemory, number>> {
  return {
    worker: workerField.size,
    sockets: capacitySlots * socketField.size,
    streams: (capacitySlots / 2) * ssrcsPerSlotMax * reception.size,
  };
}

export function socketAt(slot: number): number {
  return slot * socketField.size;
}

/** Start of the record of the `rank`-th stream of a pair; `slot` is either of its slots. */
export function streamAt(slot: number, rank: number, capacitySlots: number): number {
  return (rank * (capacitySlots >>> 1) + (slot >>> 1)) * reception.size;
}
