/** One datagram of a history, as far as the policy and the bookkeeping see it. */
import type { Place } from "./places.ts";

export interface Packet {
  /** When it reaches the relay. */
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
