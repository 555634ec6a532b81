/**
 * What a worker counts of TURN, as doubles in shared memory: the worker's own record, then one for each relay socket.
 * Only upwards and with one writer; who wants one allocation's share subtracts what stood there when its socket came.
 */
import { dataVerdict } from "../../turn/data-facts.ts";

/** Payload without headers: up to peers, down to the client. */
export const trafficField = { packetsUp: 0, bytesUp: 1, packetsDown: 2, bytesDown: 3, size: 4 } as const;

/** Ends of packets: the verdicts under their own codes, then what keeps a packet otherwise. */
export const turnReason = {
  ...dataVerdict,
  /** Longer than any datagram carried. */
  tooLarge: 11,
  /** A request beyond what its source may have waiting for main. */
  requestLimit: 12,
  /** The ring up to main, or the kernel's queue, was full. */
  queueFull: 13,
  sendFailed: 14,
  receiveFailed: 15,
  /** A socket the kernel would not watch; not an end of a packet. */
  unwatched: 16,
  /** The data path's tables were full; not an end of a packet. */
  tablesFull: 17,
} as const;

export type TurnReason = keyof typeof turnReason;
export const turnReasonNames = Object.keys(turnReason) as readonly TurnReason[];

export const turnWorkerField = {
  traffic: 0,
  reasons: trafficField.size,
  size: trafficField.size + 32,
} as const;

/** Doubles for so many relay sockets. */
export function turnCounterSize(relays: number): number {
  return turnWorkerField.size + relays * trafficField.size;
}

/** Where the record of a relay begins; `relay` counts from the first relay socket. */
export function relayRecordAt(relay: number): number {
  return turnWorkerField.size + relay * trafficField.size;
}
