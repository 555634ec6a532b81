/** The plan of the data path, in the words of its owner: socket numbers instead of addresses of ours. */
import type { Endpoint } from "../core/address.ts";
import { turnAllocationsMax, turnChannelsPerWorkerMax, turnPermissionsPerWorkerMax } from "../core/limits.ts";
import type { MonotonicMs } from "../core/time.ts";
import type { AllocationId, PeerReach } from "./actions.ts";

/** How many of each one data path can hold. */
export interface DataCapacity {
  readonly allocations: number;
  readonly permissions: number;
  readonly channels: number;
}

export const dataCapacityDefault: DataCapacity = {
  allocations: turnAllocationsMax,
  permissions: turnPermissionsPerWorkerMax,
  channels: turnChannelsPerWorkerMax,
};

/** A client's place. A stream's socket number is its own, and `remote` is left out. */
export interface DataPlace {
  readonly socket: number;
  readonly remote: Endpoint | undefined;
}

export interface DataAllocation {
  readonly allocation: AllocationId;
  readonly client: DataPlace;
  /** Socket numbers of the relays; undefined: none of that family. */
  readonly relayV4: number | undefined;
  readonly relayV6: number | undefined;
  readonly account: number;
  readonly allocationBytesPerSec: number;
  readonly userBytesPerSec: number;
}

export interface DataGrant {
  readonly reach: PeerReach;
  readonly untilMs: MonotonicMs;
}

export interface DataChannel {
  readonly channel: number;
  readonly peer: Endpoint;
  readonly untilMs: MonotonicMs;
}
