/** The frames the generator sends: Ethernet, IPv4, UDP and RTP, by default 172 bytes of it (20 ms of G.711). */
import type { SrtpSuite } from "../src/core/plan/security.ts";

/** A key as SDES writes it: master key and salt in base64 (RFC 4568 section 6.1). */
export interface InlineKey {
  readonly suite: SrtpSuite;
  readonly inline: string;
}

export interface Stream {
  /** Party that sends. */
  readonly fromIp: string;
  readonly fromPort: number;
  /** Relay's port towards that party. */
  readonly relayPort: number;
  /** Where the relay must deliver it, and from which of its ports. */
  readonly toIp: string;
  readonly toPort: number;
  readonly leavesFromPort: number;
  /** What the sending party protects with, and what the relay protects with towards the other; undefined: plain RTP. */
  readonly fromKey?: InlineKey | undefined;
  readonly toKey?: InlineKey | undefined;
}

export const rtpHeaderBytes = 12;

export const frame = {
  rtpOffset: 14 + 20 + 8,
  sequenceOffset: 44,
  timestampOffset: 46,
  ssrcOffset: 50,
  /** In the RTP payload: the run, the stream and the time of sending. */
  runOffset: 56,
  streamOffset: 60,
  sentNsOffset: 64,
} as const;

const samplesPerPacket = 160;

function macBytes(mac: string): number[] {
  return mac.split(":").map((part) => Number.parseInt(part, 16));
}

export function ipWord(ip: string): number {
  return ip.split(".").reduce((word, part) => ((word << 8) | Number(part)) >>> 0, 0);
}

function ipChecksum(view: DataView, offset: number): number {
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += view.getUint16(offset + at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export function writeFrame(
  view: DataView,
  at: number,
  stream: Stream,
  way: {
    readonly fromMac: string;
    readonly toMac: string;
    readonly relayIp: string;
    readonly rtpBytes: number;
  },
): void {
  for (const [index, byte] of [...macBytes(way.toMac), ...macBytes(way.fromMac), 0x08, 0x00].entries())
    view.setUint8(at + index, byte);
  const ip = at + 14;
  view.setUint16(ip, 0x4500);
  view.setUint16(ip + 2, 20 + 8 + way.rtpBytes);
  view.setUint32(ip + 4, 0x0000_4000);
  view.setUint16(ip + 8, 0x4011);
  view.setUint32(ip + 12, ipWord(stream.fromIp));
  view.setUint32(ip + 16, ipWord(way.relayIp));
  view.setUint16(ip + 10, ipChecksum(view, ip));
  view.setUint16(ip + 20, stream.fromPort);
  view.setUint16(ip + 22, stream.relayPort);
  view.setUint16(ip + 24, 8 + way.rtpBytes);
  view.setUint8(at + frame.rtpOffset, 0x80);
}

/** Stamps what changes from packet to packet. */
export function stampFrame(view: DataView, at: number, sequence: number, sentNs: number): void {
  view.setUint16(at + frame.sequenceOffset, sequence & 0xffff);
  view.setUint32(at + frame.timestampOffset, (sequence * samplesPerPacket) >>> 0);
  view.setFloat64(at + frame.sentNsOffset, sentNs);
}
