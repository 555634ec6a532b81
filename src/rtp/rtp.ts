/**
 * Views on an RTP packet (RFC 3550 section 5.1) lying at an offset of a larger buffer. Nothing is copied or allocated.
 *
 *     0                   1                   2                   3
 *     |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *     |                           timestamp                           |
 *     |                             SSRC                              |
 *     |                    CSRCs (CC words), extension                |
 *
 * The readers of single fields expect `isRtpPacket` to have said yes.
 */

export const rtpHeaderBytes = 12;

/**
 * Version, CSRC list and extension fit the datagram (RFC 3550 appendix A.1). Padding is not looked at: under SRTP
 * its count is encrypted.
 */
export function isRtpPacket(bytes: Uint8Array, offset: number, sizeBytes: number): boolean {
  if (sizeBytes < rtpHeaderBytes) return false;
  const first = bytes[offset]!;
  if (first >>> 6 !== 2) return false;
  let headerBytes = rtpHeaderBytes + 4 * (first & 15);
  if ((first & 0x10) !== 0) {
    if (headerBytes + 4 > sizeBytes) return false;
    headerBytes += 4 + 4 * read16(bytes, offset + headerBytes + 2);
  }
  return headerBytes <= sizeBytes;
}

/** 0 to 127. */
export function rtpPayloadType(bytes: Uint8Array, offset: number): number {
  return bytes[offset + 1]! & 0x7f;
}

export function rtpSequence(bytes: Uint8Array, offset: number): number {
  return read16(bytes, offset + 2);
}

/** The timestamp as int32. */
export function rtpTimestamp(bytes: Uint8Array, offset: number): number {
  return read32(bytes, offset + 4);
}

/** The SSRC as int32. */
export function rtpSsrc(bytes: Uint8Array, offset: number): number {
  return read32(bytes, offset + 8);
}

export function read16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!;
}

/** Network order, as int32, so the value stays a small integer on every path. */
export function read32(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
}
