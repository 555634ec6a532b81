/**
 * What kind of datagram this is: first-byte ranges of RFC 7983 section 7, RTCP told from RTP by RFC 5761 section 4.
 *
 * Looks at a few bytes of a packet lying in a larger buffer; allocates nothing and reads nothing outside it.
 */
import { packetKind } from "../handover/contract.ts";
import { isRtcpPacket } from "../rtp/rtcp.ts";
import { isRtpPacket, read32 } from "../rtp/rtp.ts";

/** A datagram that is nothing we know; beside the codes of `packetKind`. */
export const malformedKind = -1;

/** STUN's magic cookie (RFC 8489 section 5), as int32. */
const stunCookie = 0x2112a442;
const stunHeaderBytes = 20;
/** DTLS record header (RFC 6347 section 4.1). */
const dtlsHeaderBytes = 13;
/** ZRTP: its first byte, its magic cookie, and header, shortest message and checksum (RFC 6189 section 5). */
const zrtpPreamble = 0x10;
const zrtpCookie = 0x5a525450;
const zrtpBytesMin = 28;
/** Keepalives seen in the field: nothing, CRLF once or twice, one to four zero bytes. */
const keepaliveBytesMax = 4;

/** The kind of the datagram on an RTP leg: a code of `packetKind`, `data` for ZRTP, or `malformedKind`. */
export function classifyRtpLeg(bytes: Uint8Array, offset: number, sizeBytes: number): number {
  if (sizeBytes <= keepaliveBytesMax) {
    return isKeepalive(bytes, offset, sizeBytes) ? packetKind.keepalive : malformedKind;
  }
  const first = bytes[offset]!;
  if (first >= 128 && first < 192) {
    const second = bytes[offset + 1]!;
    if (second >= 192 && second < 224) {
      return isRtcpPacket(bytes, offset, sizeBytes) ? packetKind.rtcp : malformedKind;
    }
    return isRtpPacket(bytes, offset, sizeBytes) ? packetKind.rtp : malformedKind;
  }
  return classifyOther(bytes, offset, sizeBytes, first);
}

/** What is neither RTP nor RTCP; apart, so that packets of those cost no more than their own few lines. */
function classifyOther(bytes: Uint8Array, offset: number, sizeBytes: number, first: number): number {
  if (first < 4) return isStun(bytes, offset, sizeBytes) ? packetKind.stun : malformedKind;
  if (first >= 20 && first < 64 && sizeBytes >= dtlsHeaderBytes) return packetKind.dtls;
  return first === zrtpPreamble && isZrtp(bytes, offset, sizeBytes) ? packetKind.data : malformedKind;
}

/** The kind of the datagram on a leg that carries no RTP: keepalive or data. */
export function classifyDataLeg(bytes: Uint8Array, offset: number, sizeBytes: number): number {
  return isKeepalive(bytes, offset, sizeBytes) ? packetKind.keepalive : packetKind.data;
}

/** True for a datagram that says "I am here" and nothing else. */
export function isKeepalive(bytes: Uint8Array, offset: number, sizeBytes: number): boolean {
  if (sizeBytes > keepaliveBytesMax) return false;
  for (let index = 0; index < sizeBytes; index++) {
    const byte = bytes[offset + index]!;
    if (byte !== 0 && byte !== 0x0d && byte !== 0x0a) return false;
  }
  return true;
}

function isZrtp(bytes: Uint8Array, offset: number, sizeBytes: number): boolean {
  return sizeBytes >= zrtpBytesMin && read32(bytes, offset + 4) === zrtpCookie;
}

function isStun(bytes: Uint8Array, offset: number, sizeBytes: number): boolean {
  if (sizeBytes < stunHeaderBytes) return false;
  const lengthBytes = (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
  const cookie = read32(bytes, offset + 4);
  return cookie === stunCookie && (lengthBytes & 3) === 0 && stunHeaderBytes + lengthBytes <= sizeBytes;
}
