/** One datagram of a history, as far as the policy and the bookkeeping see it. */
import type { Place } from "./places.ts";

/**
 * Times are multiples of 1/1,024 ms. Sums and differences of those are exact, so that a call comes to the same whenever it
 * begins, also where a packet comes at the very moment of a deadline.
 */
export function exactMs(ms: number): number {
  return Math.round(ms * 1_024) / 1_024;
}

export interface Packet {
  /** When it reaches the relay; see `exactMs`. */
  readonly atMs: number;
  /** 0: the RTP socket that faces the victim, 1: its RTCP socket. */
  readonly slot: number;
  readonly kind: number;
  readonly from: Place;
  readonly isAttack: boolean;
  readonly ssrc: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly payloadType: number;
  /** Two packets with one content are the same bytes. */
  readonly content: number;
  /** Under SRTP its tag verifies: the victim made it, whoever sent it. */
  readonly isSealed: boolean;
  /** RTCP that reports on what the relay sent lately. */
  readonly isReceipt: boolean;
}

/** Contents from here on are the attacker's own. */
export const forgedContent = 1_000_000;

export function isForged(packet: Pick<Packet, "content">): boolean {
  return packet.content >= forgedContent;
}
