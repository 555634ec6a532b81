/** What both relay drivers are started with. */
import type { Cidr } from "../core/address-class.ts";
import type { DataCapacity } from "../turn/data-plan.ts";
import type { OwnAddress } from "../turn/own-places.ts";

/** What the operator says about sources, for every worker's handover policy. */
export interface SourceOptions {
  /** Networks whose first speakers are believed before strangers. */
  readonly trustedMedia: readonly Cidr[];
  /** How long an unknown address must be alone where a usable one is known, and a first speaker stays provisional. */
  readonly settleMs: number;
  /** A source silent for so long may be followed by a new one without signalling; undefined: never. */
  readonly relearnAfterSilenceMs: number | undefined;
}

/** For TURN in the workers. */
export interface TurnOptions {
  readonly addresses: readonly OwnAddress[];
  /** Which of our ports are in use, of `OwnPlaces`; main writes it. */
  readonly places: SharedArrayBuffer;
  /** Of each worker: any of them may have to hold all. */
  readonly capacity: DataCapacity;
  /** Type-of-service or traffic-class byte of relays. */
  readonly tos: number;
}

export interface DriverOptions extends SourceOptions {
  /** Threads; the dgram driver has none and takes everything into main. */
  readonly workers: number;
  /** Slots of each worker: two for every pair it may ever have open at once. */
  readonly capacitySlots: number;
  /** Endpoints never to send to, five words each (`endpointWords`). */
  readonly forbiddenTargets: Int32Array;
  /** Where pairs of ours may be: four IP words, first and last port each (`portRangeWords`). */
  readonly ownMedia: Int32Array;
  /** Of each worker, for packets that may be sent again; 0: none are. */
  readonly replayMemoryBytes: number;
  /** Pause under load, at most 300 microseconds, so that packets share the cost of a wake-up. */
  readonly coalesces: boolean;
  /** Send packets of many ports in one call, where the process may (CAP_NET_RAW). */
  readonly batches: boolean;
  /** Read them in one call too, where the process may (CAP_BPF, CAP_NET_ADMIN) and they are sent so. */
  readonly receivesBatches: boolean;
  /** Of each worker: second sockets of busy ports, at the cost of a descriptor each. */
  readonly secondSocketsMax: number;
  /** Absent: the workers carry media alone, and there is no memory for more. */
  readonly turn?: TurnOptions | undefined;
}
