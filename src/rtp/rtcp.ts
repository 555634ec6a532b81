/**
 * Views on RTCP compound packets (RFC 3550 section 6) lying at an offset of a larger buffer.
 *
 *     |V=2|P|  count  |      PT       |  length in words, minus one   |
 *     |                  SSRC of the sender                           |
 *
 * Only the first packet must be whole for `isRtcpPacket`: under SRTCP everything after its first eight bytes is
 * encrypted and an index and a tag follow.
 */
import { read16, read32 } from "./rtp.ts";

/** IANA RTCP control packet types. */
export const rtcpType = {
  sr: 200,
  rr: 201,
  sdes: 202,
  bye: 203,
  app: 204,
  rtpfb: 205,
  psfb: 206,
  xr: 207,
} as const;

export const rtcpHeaderBytes = 8;
/** Fixed part of a sender report: header, SSRC, NTP and RTP time, two counts (RFC 3550 section 6.4.1). */
const senderReportBytes = 28;
const reportBlockBytes = 24;

/** Version, type (RFC 5761 section 4) and length of the first packet fit the datagram. */
export function isRtcpPacket(bytes: Uint8Array, offset: number, sizeBytes: number): boolean {
  if (sizeBytes < rtcpHeaderBytes || bytes[offset]! >>> 6 !== 2) return false;
  const type = bytes[offset + 1]!;
  if (type < 192 || type > 223) return false;
  return rtcpPacketBytes(bytes, offset) <= sizeBytes;
}

/** Bytes of the single packet that starts at `offset`, its header included. */
export function rtcpPacketBytes(bytes: Uint8Array, offset: number): number {
  return 4 * (read16(bytes, offset + 2) + 1);
}

export function rtcpPacketType(bytes: Uint8Array, offset: number): number {
  return bytes[offset + 1]!;
}

/** SSRC of the sender of the packet at `offset`, as int32. */
export function rtcpSenderSsrc(bytes: Uint8Array, offset: number): number {
  return read32(bytes, offset + 4);
}

/**
 * Offset of the packet after the one at `offset` within a compound that ends at `end`, or -1 when that is the last
 * or what follows is no whole RTCP packet. Every step advances by at least four bytes, so a walk is bounded.
 */
export function nextRtcpPacket(bytes: Uint8Array, offset: number, end: number): number {
  const next = offset + rtcpPacketBytes(bytes, offset);
  if (next + 4 > end || bytes[next]! >>> 6 !== 2) return -1;
  return next + rtcpPacketBytes(bytes, next) <= end ? next : -1;
}

/** Offset of the first report block of the SR or RR at `offset`, or -1 when it carries none or is cut. */
export function firstReportBlock(bytes: Uint8Array, offset: number, end: number): number {
  const type = bytes[offset + 1]!;
  const blocks = bytes[offset]! & 31;
  if (blocks === 0 || (type !== rtcpType.sr && type !== rtcpType.rr)) return -1;
  const start = offset + (type === rtcpType.sr ? senderReportBytes : rtcpHeaderBytes);
  const packetEnd = Math.min(end, offset + rtcpPacketBytes(bytes, offset));
  return start + reportBlockBytes * blocks <= packetEnd ? start : -1;
}

/** SSRC a report block is about, as int32. */
export function reportSsrc(bytes: Uint8Array, block: number): number {
  return read32(bytes, block);
}

/** Share of packets lost since the last report, in 1/256. */
export function reportFractionLost(bytes: Uint8Array, block: number): number {
  return bytes[block + 4]!;
}

/** Packets lost since the start; signed 24 bits. */
export function reportPacketsLost(bytes: Uint8Array, block: number): number {
  return (read32(bytes, block + 4) << 8) >> 8;
}

/** Extended highest sequence number received, as int32. */
export function reportHighestSequence(bytes: Uint8Array, block: number): number {
  return read32(bytes, block + 8);
}

/** Interarrival jitter in timestamp units, as int32. */
export function reportJitter(bytes: Uint8Array, block: number): number {
  return read32(bytes, block + 12);
}
