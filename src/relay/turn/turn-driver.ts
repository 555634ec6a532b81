/** What TURN in a relay worker needs of a driver: sockets of its own beside those of media, and three rings. */
import type { Endpoint, IpAddress } from "../../core/address.ts";
import type { RecordReader, RecordWriter } from "../driver.ts";

/** The producer's end of a ring that also tells how much of it waits to be read. */
export interface GaugedWriter extends RecordWriter {
  readonly used: number;
}

/** A worker as the main side of TURN sees it. */
export interface TurnLink {
  /** Plan, replies and packets of streams, in one order (`turn-records.ts`). */
  readonly commands: RecordWriter;
  /** What only the server can answer, and packets for streams (`packet-records.ts`). */
  readonly requests: RecordReader;
  readonly events: RecordReader;
  /** See `turn-counters.ts`. */
  readonly counters: Float64Array;
  /** Makes the worker look at its commands soon. */
  wake(): void;
}

export type TurnBindFailure = "port-taken" | "no-descriptors" | "no-address";

export type TurnBindResult =
  | { readonly ok: true; readonly handle: number }
  | { readonly ok: false; readonly reason: TurnBindFailure };

/** One socket for each worker, all on one port. `reason`: the system's name of the error. */
export type TurnListenResult =
  | { readonly ok: true; readonly handles: readonly number[]; readonly port: number }
  | { readonly ok: false; readonly reason: string };

export interface TurnDriver {
  readonly links: readonly TurnLink[];
  /** From now on `onWake` is called when a worker has written requests or events. */
  attach(onWake: (worker: number) => void): void;
  /** Port 0: any. A port that another socket has is refused, though the workers share it among themselves. */
  bindListener(local: Endpoint): TurnListenResult;
  bindRelay(ip: IpAddress, port: number): TurnBindResult;
  /** Another handle of the same socket, for another worker; undefined: no descriptors. */
  duplicate(handle: number): number | undefined;
  /** Closes what no worker was given. */
  discard(handle: number): void;
}

/** A worker's TURN sockets, by numbers of their own: listeners first, relays from `turnListenersMax` on. */
export interface TurnSocketPort {
  /** False: nothing will ever be read from it, but it can send. Unwatched: another worker reads it for now. */
  adopt(socket: number, handle: number, isV6: boolean, isWatched: boolean): boolean;
  /** False as above. */
  watch(socket: number): boolean;
  /** Nobody is to be told of it any more: its descriptor is closed, though others may have a duplicate. */
  release(socket: number): void;
  /**
   * Sends bytes of the arena to four words of address and a port: a `sendCode`. `isUnfragmented`: in one piece or not
   * at all. No allocation.
   */
  send(
    socket: number,
    offset: number,
    sizeBytes: number,
    target: Int32Array,
    port: number,
    isUnfragmented: boolean,
  ): number;
  /**
   * As `send`, but together with others when `sendPosted` is called; `index` counts them. Until then the bytes must stay
   * where they are. False: it would have failed. No allocation.
   */
  post(
    index: number,
    socket: number,
    offset: number,
    sizeBytes: number,
    target: Int32Array,
    port: number,
  ): boolean;
  /** Sends what was posted, so many; writes a `sendCode` for each. No allocation. */
  sendPosted(count: number, codes: Uint8Array): void;
}
