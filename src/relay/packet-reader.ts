/**
 * Reads a datagram's facts: what kind it is, and what the policy wants to know of it. One reader serves all slots of a
 * worker; nothing is allocated.
 */
import { noPayloadType, PacketFacts, packetKind } from "../handover/contract.ts";
import { rtcpPacketType, rtcpSenderSsrc } from "../rtp/rtcp.ts";
import { read16, read32, rtpPayloadType, rtpSequence, rtpSsrc, rtpTimestamp } from "../rtp/rtp.ts";
import { classifyDataLeg, classifyRtpLeg, malformedKind } from "./classify.ts";
import { reason } from "./reasons.ts";
import { pairFlag, type Slots } from "./slots.ts";

/** Bytes of a source as `writeSource` writes it. */
export const sourceBytes = 20;

/** Sequence number, a primary of length zero, and no recovery (ITU-T T.38 section 9.1). */
const udptlBytesMin = 5;

export class PacketReader {
  /** The driver fills in the source; the rest is filled in by `read`. */
  readonly facts = new PacketFacts();
  readonly #arena: Uint8Array;
  readonly #slots: Slots;

  constructor(arena: Uint8Array, slots: Slots) {
    this.#arena = arena;
    this.#slots = slots;
  }

  /** Fills in the facts; the kind, or, negative, the reason why the datagram is refused. */
  read(slot: number, offset: number, sizeBytes: number): number {
    const isRtp = (this.#slots.flags[slot >>> 1]! & pairFlag.isRtp) !== 0;
    return isRtp ? this.#readRtpLeg(slot, offset, sizeBytes) : this.#readDataLeg(slot, offset, sizeBytes);
  }

  /** The source that stands in the facts, as bytes of the arena. */
  writeSource(offset: number): void {
    const { ip0, ip1, ip2, ip3, port } = this.facts;
    this.#writeWord(offset, ip0);
    this.#writeWord(offset + 4, ip1);
    this.#writeWord(offset + 8, ip2);
    this.#writeWord(offset + 12, ip3);
    this.#writeWord(offset + 16, port);
  }

  /** Takes what `writeSource` wrote into the facts. */
  readSource(offset: number): void {
    const facts = this.facts;
    facts.ip0 = read32(this.#arena, offset);
    facts.ip1 = read32(this.#arena, offset + 4);
    facts.ip2 = read32(this.#arena, offset + 8);
    facts.ip3 = read32(this.#arena, offset + 12);
    facts.port = read32(this.#arena, offset + 16);
  }

  #readRtpLeg(slot: number, offset: number, sizeBytes: number): number {
    const bytes = this.#arena;
    const kind = classifyRtpLeg(bytes, offset, sizeBytes);
    const facts = this.facts;
    if (kind === packetKind.rtp) {
      if ((slot & 1) !== 0) return -reason.rtpOnRtcpPort;
      facts.ssrc = rtpSsrc(bytes, offset);
      facts.sequence = rtpSequence(bytes, offset);
      facts.timestamp = rtpTimestamp(bytes, offset);
      facts.payloadType = rtpPayloadType(bytes, offset);
    } else if (kind === malformedKind) {
      return -reason.malformed;
    } else {
      const isRtcp = kind === packetKind.rtcp;
      facts.ssrc = isRtcp ? rtcpSenderSsrc(bytes, offset) : 0;
      facts.sequence = 0;
      facts.timestamp = 0;
      facts.payloadType = isRtcp ? rtcpPacketType(bytes, offset) : noPayloadType;
    }
    facts.slot = slot;
    facts.kind = kind;
    facts.sizeBytes = sizeBytes;
    return kind;
  }

  #readDataLeg(slot: number, offset: number, sizeBytes: number): number {
    const kind = classifyDataLeg(this.#arena, offset, sizeBytes);
    const isUdptl = (this.#slots.flags[slot >>> 1]! & pairFlag.isUdptl) !== 0;
    if (isUdptl && kind === packetKind.data && sizeBytes < udptlBytesMin) return -reason.malformed;
    const facts = this.facts;
    facts.ssrc = 0;
    facts.timestamp = 0;
    facts.payloadType = 0;
    facts.sequence = isUdptl && kind === packetKind.data ? read16(this.#arena, offset) : 0;
    facts.slot = slot;
    facts.kind = kind;
    facts.sizeBytes = sizeBytes;
    return kind;
  }

  #writeWord(offset: number, value: number): void {
    const bytes = this.#arena;
    bytes[offset] = value >>> 24;
    bytes[offset + 1] = value >>> 16;
    bytes[offset + 2] = value >>> 8;
    bytes[offset + 3] = value;
  }
}
