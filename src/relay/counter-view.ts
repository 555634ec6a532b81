/** Main's reading side of the counters: plain values of one moment out of shared doubles. */
import { ssrcsPerSlotMax } from "../core/limits.ts";
import type { PairCounters, SocketCounters, StreamCounters } from "../core/plan/counters.ts";
import type { MonotonicMs } from "../core/time.ts";
import { handoverNote } from "../handover/contract.ts";
import { reception } from "../rtp/reception.ts";
import { type CounterMemory, socketAt, socketField, streamAt, workerField } from "./counters.ts";
import { evidenceName, readEndpoint } from "./events.ts";
import { type ReasonName, reason, reasonNames } from "./reasons.ts";

/** A writer is inside for well under a microsecond; beyond this the last try is as good as any. */
const attemptsMax = 100;

/** Whether the record is of this pair already, or still a predecessor's. */
export function isCurrent(memory: CounterMemory, slot: number, generation: number): boolean {
  return memory.sockets[socketAt(slot + 1) + socketField.generation] === generation;
}

const noteNames = Object.keys(handoverNote) as readonly (keyof typeof handoverNote)[];

const silentSocket: SocketCounters = {
  packetsIn: 0,
  bytesIn: 0,
  packetsOut: 0,
  bytesOut: 0,
  errorsIn: 0,
  errorsOut: 0,
  lastPacketAt: undefined,
  provenSource: undefined,
  evidence: undefined,
  sendTarget: undefined,
};

/** The counters of a pair whose worker has not taken it over yet. */
export const silentPair: PairCounters = { rtp: silentSocket, rtcp: silentSocket, streams: [] };

export function readPair(memory: CounterMemory, slot: number, capacitySlots: number): PairCounters {
  return consistently(memory.sockets, socketAt(slot), () => ({
    rtp: readSocket(memory.sockets, slot),
    rtcp: readSocket(memory.sockets, slot + 1),
    streams: readStreams(memory, slot, capacitySlots),
  }));
}

/** Arrival of the last accepted packet on either socket. */
export function readLastPacketAt(memory: CounterMemory, slot: number): MonotonicMs | undefined {
  const at = socketAt(slot) + socketField.lastPacketAt;
  const latest = Math.max(memory.sockets[at]!, memory.sockets[at + socketField.size]!);
  return latest === 0 ? undefined : (latest as MonotonicMs);
}

/** Repeats a read until no writer was inside while it ran. */
function consistently<Value>(table: Float64Array, at: number, read: () => Value): Value {
  for (let attempt = 1; ; attempt++) {
    const before = table[at + socketField.version]!;
    const value = read();
    const isClean = before % 2 === 0 && table[at + socketField.version] === before;
    if (isClean || attempt === attemptsMax) return value;
  }
}

function readSocket(table: Float64Array, slot: number): SocketCounters {
  const at = socketAt(slot);
  const lastPacketAt = table[at + socketField.lastPacketAt]!;
  return {
    packetsIn: table[at + socketField.packetsIn]!,
    bytesIn: table[at + socketField.bytesIn]!,
    packetsOut: table[at + socketField.packetsOut]!,
    bytesOut: table[at + socketField.bytesOut]!,
    errorsIn: table[at + socketField.errorsIn]!,
    errorsOut: table[at + socketField.errorsOut]!,
    lastPacketAt: lastPacketAt === 0 ? undefined : (lastPacketAt as MonotonicMs),
    provenSource: readEndpoint(table, at + socketField.proven),
    evidence: evidenceName(table[at + socketField.evidence]!),
    sendTarget: readEndpoint(table, at + socketField.target),
  };
}

function readStreams(memory: CounterMemory, slot: number, capacitySlots: number): StreamCounters[] {
  const used = Math.min(memory.sockets[socketAt(slot) + socketField.streams]!, ssrcsPerSlotMax);
  const streams: StreamCounters[] = [];
  for (let rank = 0; rank < used; rank++) {
    streams.push(readStream(memory.streams, streamAt(slot, rank, capacitySlots)));
  }
  return streams.sort((a, b) => b.lastPacketAt - a.lastPacketAt);
}

function readStream(table: Float64Array, at: number): StreamCounters {
  const clockRateHz = table[at + reception.clockRateHz]!;
  return {
    ssrc: table[at + reception.ssrc]!,
    packets: table[at + reception.packets]!,
    bytes: table[at + reception.bytes]!,
    payloadType: table[at + reception.payloadType]!,
    lastSequence: table[at + reception.lastSequence]!,
    lastTimestamp: table[at + reception.lastTimestamp]!,
    packetsLost: table[at + reception.packetsLost]!,
    jitterMs: clockRateHz === 0 ? 0 : (1000 * table[at + reception.jitter]!) / clockRateHz,
    lastPacketAt: table[at + reception.lastPacketAt]! as MonotonicMs,
  };
}

/** What one worker has done since it started. Sums grow for ever; `heldBytes` and `openSlots` are now. */
export interface WorkerStats {
  /** Grows with every wake-up, at least five times a second; a standstill is a hung worker. */
  readonly heartbeat: number;
  /** Accepted packets and their bytes. */
  readonly packets: number;
  readonly bytes: number;
  readonly wakeups: number;
  readonly pauses: number;
  /** Times that packets of many ports left together, and packets that had to leave alone after all. */
  readonly batches: number;
  readonly batchRefusals: number;
  readonly receiveBatches: number;
  readonly receiveDrops: number;
  readonly heldBytes: number;
  readonly openSlots: number;
  readonly collections: number;
  readonly collectionMsTotal: number;
  readonly collectionMsMax: number;
  /** Ends of datagrams by name; `relay` are those that left. */
  readonly reasons: Readonly<Record<ReasonName, number>>;
  /** By `handoverNote` name, told to main or not. */
  readonly handoverNotes: Readonly<Record<keyof typeof handoverNote, number>>;
  /** Notes that main was not told of: there were too many. */
  readonly notesUntold: number;
  readonly replay: ReplayStats;
}

/** What was sent again to parties that changed their network; none of it is among a pair's packets out. */
export interface ReplayStats {
  readonly replays: number;
  readonly packets: number;
  readonly bytes: number;
  /** Packets that the kernel did not take. */
  readonly errors: number;
  /** Too many were under way. */
  readonly refused: number;
  /** Slots whose packets ceased to be theirs to have again: another party, peer, key or list of codecs. */
  readonly forgotten: number;
  /** Memory in use right now. */
  readonly usedBytes: number;
}

export function readWorker(record: Float64Array): WorkerStats {
  const reasons = {} as Record<ReasonName, number>;
  for (const name of reasonNames) reasons[name] = record[workerField.reasons + reason[name]]!;
  const notes = {} as Record<keyof typeof handoverNote, number>;
  for (const name of noteNames) notes[name] = record[workerField.notes + handoverNote[name]]!;
  return {
    heartbeat: record[workerField.heartbeat]!,
    packets: record[workerField.packets]!,
    bytes: record[workerField.bytes]!,
    wakeups: record[workerField.wakeups]!,
    pauses: record[workerField.pauses]!,
    batches: record[workerField.batches]!,
    batchRefusals: record[workerField.batchRefusals]!,
    receiveBatches: record[workerField.receiveBatches]!,
    receiveDrops: record[workerField.receiveDrops]!,
    heldBytes: record[workerField.heldBytes]!,
    openSlots: record[workerField.openSlots]!,
    collections: record[workerField.collections]!,
    collectionMsTotal: record[workerField.collectionMsTotal]!,
    collectionMsMax: record[workerField.collectionMsMax]!,
    reasons,
    handoverNotes: notes,
    notesUntold: record[workerField.notesUntold]!,
    replay: {
      replays: record[workerField.replays]!,
      packets: record[workerField.replayedPackets]!,
      bytes: record[workerField.replayedBytes]!,
      errors: record[workerField.replayErrors]!,
      refused: record[workerField.replaysRefused]!,
      forgotten: record[workerField.replaysForgotten]!,
      usedBytes: record[workerField.replayBytes]!,
    },
  };
}
