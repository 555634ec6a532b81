/** What comes to media ports: RTP, RTCP, STUN, DTLS, fax, keepalives and noise, whole and broken. */
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { jumboSizeBytesMax } from "../../../src/core/limits.ts";
import { hostile } from "./mutations.ts";

/** Header words from numbers, then zeros. */
function packet(sizeBytes: number, ...head: readonly number[]): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  Buffer.from(head).copy(bytes);
  return bytes;
}

/** A STUN binding request with this USERNAME, of a multiple of four bytes. */
function check(name: string): Buffer {
  const head = packet(24, 0, 1, 0, 4 + name.length, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4);
  head.writeUInt16BE(6, 20);
  head.writeUInt16BE(name.length, 22);
  return Buffer.concat([head, Buffer.from(name)]);
}

const valid: readonly Buffer[] = [
  // RTP: PCMU, PCMA with extension and CSRC, an event, padding.
  packet(172, 0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7),
  packet(200, 0x91, 8, 0xff, 0xff, 0, 0, 1, 64, 0, 0, 0, 8, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 0x10, 1, 2, 3),
  packet(16, 0x80, 101 | 0x80, 0, 2, 0, 0, 1, 64, 0, 0, 0, 7, 5, 0x8a, 0, 160),
  packet(176, 0xa0, 0, 0, 3, 0, 0, 2, 128, 0, 0, 0, 7),
  // RTCP: SR, RR, BYE, a compound of RR and SDES.
  packet(28, 0x80, 200, 0, 6, 0, 0, 0, 7),
  packet(32, 0x81, 201, 0, 7, 0, 0, 0, 7, 0, 0, 0, 8),
  packet(8, 0x81, 203, 0, 1, 0, 0, 0, 7),
  packet(24, 0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 202, 0, 3, 0, 0, 0, 7, 1, 2, 0x61, 0x62),
  // STUN binding request, DTLS client hello, UDPTL with an empty primary.
  packet(20, 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4),
  check("ufrag:theirs"),
  packet(20, 1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4),
  // A mid in a one-byte header extension; ZRTP.
  packet(180, 0x90, 96, 0, 9, 0, 0, 1, 0, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 0x10, 0x32, 0, 0),
  packet(40, 0x10, 0, 0, 1, 0x5a, 0x52, 0x54, 0x50, 0, 0, 0, 7),
  packet(120, 22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 107, 1),
  packet(5, 0, 1, 0, 0, 0),
  // Keepalives.
  packet(0),
  packet(1),
  packet(4, 13, 10, 13, 10),
  // As large as it gets, and larger.
  packet(1_600, 0x80, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 7),
  packet(jumboSizeBytesMax, 0x80, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 7),
  packet(jumboSizeBytesMax + 1, 0x80, 0, 0, 6, 0, 0, 0, 3, 0, 0, 0, 7),
  packet(65_507, 0x80, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0, 7),
];

/** A stream that is almost in order, so that proof, duplicates and windows come into play. */
const streamed = fc
  .tuple(fc.constantFrom(1, 7, 0xffff_ffff), fc.nat(40), fc.constantFrom(0, 0, 0, 8, 101, 96))
  .map(([ssrc, sequence, payloadType]) => {
    const bytes = packet(172, 0x80, payloadType, 0, 0);
    bytes.writeUInt16BE((65_520 + sequence) & 0xffff, 2);
    bytes.writeUInt32BE((sequence * 160) >>> 0, 4);
    bytes.writeUInt32BE(ssrc, 8);
    return bytes;
  });

export const packets: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 3, arbitrary: hostile(valid) },
  { weight: 2, arbitrary: streamed },
);
