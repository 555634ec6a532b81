/** What main gives a relay worker to start with: shared memory and numbers, nothing that lives. */

import { turnRequestRecords, turnSpareRelaysMax } from "../core/limits.ts";
import { handoverBytes } from "../handover/slot-table.ts";
import { type CounterMemory, counterSizes } from "../relay/counters.ts";
import { commandWords, eventWords } from "../relay/driver.ts";
import { packetWords } from "../relay/packet-records.ts";
import { turnCounterSize } from "../relay/turn/turn-counters.ts";
import { turnCommandWords } from "../relay/turn/turn-records.ts";
import type { SourceOptions, TurnOptions } from "./driver-options.ts";
import type { SteeringShare } from "./linux/steering.ts";
import { allocateRing } from "./ring.ts";

/** Records of each ring; beyond them main queues commands, and a worker keeps its events. */
const commandRecords = 1_024;
const eventRecords = 1_024;
/** Datagrams between worker and main, each way: 400 KB. What does not fit is lost; who sent it sends it again. */
const packetRecords = 256;
const turnCommandRecords = 512;

/** For TURN in a worker. */
export interface TurnSetup extends Omit<TurnOptions, "tos"> {
  readonly relaysMax: number;
  readonly commands: SharedArrayBuffer;
  readonly requests: SharedArrayBuffer;
  readonly events: SharedArrayBuffer;
  readonly counters: Float64Array;
}

export interface WorkerSetup extends SourceOptions {
  readonly capacitySlots: number;
  readonly commands: SharedArrayBuffer;
  readonly events: SharedArrayBuffer;
  readonly packetsUp: SharedArrayBuffer;
  readonly packetsDown: SharedArrayBuffer;
  readonly counters: CounterMemory;
  /** The handover policy's memory, for main to look at (`readSlot`). */
  readonly handover: SharedArrayBuffer;
  /** Endpoints never to send to, five words each. */
  readonly forbiddenTargets: Int32Array;
  /** Where pairs of ours may be: four IP words, first and last port each (`portRangeWords`). */
  readonly ownMedia: Int32Array;
  /** eventfd that main writes to; 0 for a worker that has no thread. */
  readonly wakeDescriptor: number;
  /** For packets that may be sent again; 0: none are. */
  readonly replayMemoryBytes: number;
  /** Pause under load so that packets gather. */
  readonly coalesces: boolean;
  /** Packets of busy ports leave together; only where the process may open raw sockets. */
  readonly batches: boolean;
  /** Packets of busy ports are read together; undefined: where the process may not have the kernel do so. */
  readonly steering?: SteeringShare | undefined;
  /** For busy ports; none where there is no epoll. */
  readonly secondSocketsMax: number;
  readonly turn: TurnSetup | undefined;
}

/** What is not memory that main and worker share. */
export type OwnSetup = SourceOptions &
  Pick<
    WorkerSetup,
    | "forbiddenTargets"
    | "ownMedia"
    | "replayMemoryBytes"
    | "wakeDescriptor"
    | "coalesces"
    | "batches"
    | "steering"
    | "secondSocketsMax"
  > & {
    readonly turn?: TurnOptions | undefined;
  };

/** The operator's words for the worker's policy. */
export function sourceOptions({
  trustedMedia,
  settleMs,
  relearnAfterSilenceMs,
}: SourceOptions): SourceOptions {
  return { trustedMedia, settleMs, relearnAfterSilenceMs };
}

export function makeWorkerSetup(capacitySlots: number, own: OwnSetup): WorkerSetup {
  const sizes = counterSizes(capacitySlots);
  const table = (doubles: number): Float64Array => new Float64Array(new SharedArrayBuffer(8 * doubles));
  return {
    capacitySlots,
    commands: allocateRing(commandRecords, commandWords),
    events: allocateRing(eventRecords, eventWords),
    packetsUp: allocateRing(packetRecords, packetWords),
    packetsDown: allocateRing(packetRecords, packetWords),
    counters: {
      worker: table(sizes.worker),
      sockets: table(sizes.sockets),
      streams: table(sizes.streams),
    },
    handover: new SharedArrayBuffer(handoverBytes(capacitySlots)),
    ...own,
    turn: own.turn === undefined ? undefined : makeTurnSetup(own.turn),
  };
}

function makeTurnSetup({ addresses, places, capacity }: TurnOptions): TurnSetup {
  const relaysMax = 2 * capacity.allocations + turnSpareRelaysMax;
  return {
    addresses,
    places,
    capacity,
    relaysMax,
    commands: allocateRing(turnCommandRecords, turnCommandWords),
    requests: allocateRing(turnRequestRecords, packetWords),
    events: allocateRing(eventRecords, eventWords),
    counters: new Float64Array(new SharedArrayBuffer(8 * turnCounterSize(relaysMax))),
  };
}
