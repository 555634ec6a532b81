/**
 * What the relay needs of a driver. Drivers live in io: epoll on Linux, node:dgram elsewhere.
 *
 * Main talks to each worker through two rings of fixed-size records and through counters in shared memory; the
 * worker's core talks to its sockets through `SocketPort`.
 */
import type { IpAddress } from "../core/address.ts";
import type { CounterMemory } from "./counters.ts";
import type { TurnDriver } from "./turn/turn-driver.ts";

/** 32-bit words of one command and of one event. */
export const commandWords = 320;
export const eventWords = 16;

/** The producer's end of a ring. Fill `words` from the returned offset on, then commit. */
export interface RecordWriter {
  readonly words: Int32Array;
  /** Offset of the next free record, or -1 when the ring is full. */
  begin(): number;
  commit(): void;
}

/** The consumer's end of a ring. */
export interface RecordReader {
  readonly words: Int32Array;
  /** Offset of the oldest record, or -1 when the ring is empty. */
  begin(): number;
  release(): void;
}

/** A worker as main sees it. */
export interface WorkerLink {
  readonly commands: RecordWriter;
  readonly events: RecordReader;
  /** STUN and DTLS the worker passed up; it wakes main for them as for events (`readPacket`). */
  readonly packetsUp: RecordReader;
  /** Datagrams to send from a socket of the worker (`writePacket`); `wake` afterwards. */
  readonly packetsDown: RecordWriter;
  readonly counters: CounterMemory;
  /** The memory of the worker's handover policy, `handoverBytes` of its slots; main may look (`readSlot`). */
  readonly handover: ArrayBufferLike;
  /** Makes the worker look at its commands and at `packetsDown` soon. */
  wake(): void;
}

export interface BindRequest {
  readonly ip: IpAddress;
  /** Even; RTCP is bound one above. */
  readonly port: number;
  /** Type-of-service or traffic-class byte. */
  readonly tos: number;
  readonly worker: number;
}

/** Both sockets or none. Handles mean something to the driver alone (a descriptor on Linux). */
export type BindResult =
  | { readonly ok: true; readonly rtpHandle: number; readonly rtcpHandle: number }
  | { readonly ok: false; readonly reason: "port-taken" | "no-descriptors" | "no-address" };

export interface DriverListener {
  /** The worker has written events. */
  handleWake(worker: number): void;
  /** The worker died; nothing of its sockets is usable any more. */
  handleFault(worker: number, message: string): void;
}

/** What there is for SRTP in the workers. */
export interface SrtpAbility {
  /** Name of the engine; undefined: no SRTP here. */
  readonly engine: string | undefined;
  /** Engines that were stepped down from, and why. */
  readonly faults: readonly { readonly name: string; readonly fault: string }[];
}

export interface RelayDriver {
  readonly name: "epoll" | "dgram";
  /** Packets of busy ports leave in one call. */
  readonly sendsBatches: boolean;
  /** They are read so too. */
  readonly receivesBatches: boolean;
  /** Known once `start` has resolved. */
  readonly srtp: SrtpAbility;
  readonly capacitySlots: number;
  readonly links: readonly WorkerLink[];
  /** Undefined: the workers carry no TURN; they were not asked to, or have no threads. */
  readonly turnDriver?: TurnDriver | undefined;
  /** Resolves when every worker reads its sockets; until then packets wait in the kernel. */
  start(listener: DriverListener): Promise<void>;
  /** `done` may run before this returns. */
  bindPair(request: BindRequest, done: (result: BindResult) => void): void;
  /** Closes sockets that were never handed to a worker. */
  discard(worker: number, rtpHandle: number, rtcpHandle: number): void;
  /** Resolves when every worker has ended; after `timeoutMs` they are ended by force. */
  stop(timeoutMs: number): Promise<void>;
}

/** Outcomes of `SocketPort.send`. */
export const sendCode = { sent: 0, sentOnRetry: 1, queueFull: 2, failed: 3 } as const;

/** A worker's sockets, as its core sees them; called once per packet. */
export interface SocketPort {
  /** False: the socket can send and be released, but nothing will ever be read from it. */
  adopt(slot: number, generation: number, handle: number, isV6: boolean): boolean;
  release(slot: number): void;
  /** Where `send` goes from now on. False: this socket cannot reach that family. */
  setTarget(slot: number, ip0: number, ip1: number, ip2: number, ip3: number, port: number): boolean;
  /** Sends bytes of the arena from the slot's socket to its target; a code of `sendCode`. No allocation. */
  send(slot: number, offset: number, sizeBytes: number): number;
  /** As `send`, to a place of its own; the slot's target stays. `failed` where the socket cannot reach that family. */
  sendTo(
    slot: number,
    offset: number,
    sizeBytes: number,
    ip0: number,
    ip1: number,
    ip2: number,
    ip3: number,
    port: number,
  ): number;
}
