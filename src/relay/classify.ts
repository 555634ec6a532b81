/**
 * What kind of datagram this is: first-byte ranges of RFC 7983 section 7, RTCP told from RTP by RFC 5761 section 4.
 *
 * Looks at a few bytes of a packet lying in a larger buffer; allocates nothing and reads nothing outside it.
 */
import { packetKind } from "../handover/contract.ts";
import { isRtcpPacket } from "../rtp/rtcp.ts";
import { isRtpPacket } from "../rtp/rtp.ts";

/** A datagram that is nothing we know; beside the codes of `packetKind`. */
export const malformedKind = -1;

/** STUN's magic cookie (RFC 8489 section 5), as int32. */
const stunCookie = 0x2112a442;
const stunHeaderBytes = 20;
/** DTLS record header (RFC 6347 section 4.1). */
const dtlsHeaderBytes = 13;
/** Keepalives seen in the field: nothing, CRLF once or twice, one to four zero bytes. */
const keepaliveBytesMax = 4;

/** The kind of the datagram on an RTP leg: a code of `packetKind`, or `malformedKind`. */
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
  if (first < 4) return isStun(bytes, offset, sizeBytes) ? packetKind.stun : malformedKind;
  if (first >= 20 && first < 64 && sizeBytes >= dtlsHeaderBytes) return packetKind.dtls;
  return malformedKind;
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

function isStun(bytes: Uint8Array, offset: number, sizeBytes: number): boolean {
  if (sizeBytes < stunHeaderBytes) return false;
  const lengthBytes = (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
  const cookie =
    (bytes[offset + 4]! << 24) | (bytes[offset + 5]! << 16) | (bytes[offset + 6]! << 8) | bytes[offset + 7]!;
  return cookie === stunCookie && (lengthBytes & 3) === 0 && stunHeaderBytes + lengthBytes <= sizeBytes;
}
