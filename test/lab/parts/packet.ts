/** How the lab's packets say who sent them and when. */

/** `packet`: RTP or RTCP of this party, the index-th of its kind. */
export interface Identity {
  readonly party: number;
  readonly index: number;
  /** When it was made, by the machine's monotonic clock in milliseconds. */
  readonly sentAtMs: number;
}

export interface RtpHead {
  readonly payloadType: number;
  readonly marker: boolean;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
}

const magic = 0x6c61624e;
const identityBytes = 20;
const rtpHeadBytes = 12;
export const rtpBytesMin = rtpHeadBytes + identityBytes;

export function rtpPacket(head: RtpHead, identity: Identity, payloadBytes: number): Buffer {
  const size = Math.max(payloadBytes, identityBytes);
  const packet = Buffer.alloc(rtpHeadBytes + size, identity.index & 0xff);
  packet[0] = 0x80;
  packet[1] = head.payloadType | (head.marker ? 0x80 : 0);
  packet.writeUInt16BE(head.sequence & 0xffff, 2);
  packet.writeUInt32BE(head.timestamp >>> 0, 4);
  packet.writeUInt32BE(head.ssrc >>> 0, 8);
  writeIdentity(packet, rtpHeadBytes, identity);
  return packet;
}

export function isRtcp(packet: Buffer): boolean {
  const type = packet[1] ?? 0;
  return type >= 192 && type < 224;
}

/** Undefined for what is no packet of the lab, or was altered. */
export function readRtp(packet: Buffer): Identity | undefined {
  const identity = packet.length < rtpBytesMin ? undefined : readIdentity(packet, rtpHeadBytes);
  if (identity === undefined) return undefined;
  const isIntact = packet.length === rtpBytesMin || packet.at(-1) === (identity.index & 0xff);
  return isIntact ? identity : undefined;
}

export interface Report {
  readonly ssrc: number;
  readonly timestamp: number;
  readonly packetsSent: number;
  /** What this party hears: SSRC and extended highest sequence number. */
  readonly hears?: { readonly ssrc: number; readonly highest: number } | undefined;
  readonly isBye?: boolean | undefined;
  /** A receiver report, of a party that sends nothing. */
  readonly isReceiver?: boolean | undefined;
}

/** A report, an SDES packet with the identity in a private item, and perhaps BYE (RFC 3550 section 6). */
export function rtcpPacket(report: Report, identity: Identity): Buffer {
  const { hears } = report;
  const headBytes = report.isReceiver === true ? 8 : 28;
  const first = Buffer.alloc(headBytes + (hears === undefined ? 0 : 24));
  first[0] = 0x80 | (hears === undefined ? 0 : 1);
  first[1] = report.isReceiver === true ? 201 : 200;
  first.writeUInt16BE(first.length / 4 - 1, 2);
  first.writeUInt32BE(report.ssrc >>> 0, 4);
  if (report.isReceiver !== true) {
    first.writeUInt32BE(Math.floor(identity.sentAtMs / 1_000) >>> 0, 8);
    first.writeUInt32BE(report.timestamp >>> 0, 16);
    first.writeUInt32BE(report.packetsSent >>> 0, 20);
  }
  if (hears !== undefined) {
    first.writeUInt32BE(hears.ssrc >>> 0, headBytes);
    first.writeUInt32BE(hears.highest >>> 0, headBytes + 8);
  }
  // CNAME, then a private item (RFC 3550 section 6.5.8) with the identity: "lab", and 20 bytes.
  const item = Buffer.alloc(2 + 1 + 3 + identityBytes);
  item.set([8, item.length - 2, 3, ...Buffer.from("lab")]);
  writeIdentity(item, 6, identity);
  const chunk = Buffer.concat([Buffer.from([1, 5, ...Buffer.from("phone")]), item]);
  const padded = Buffer.alloc(Math.ceil((chunk.length + 1) / 4) * 4);
  chunk.copy(padded);
  const sdes = Buffer.alloc(8);
  sdes[0] = 0x81;
  sdes[1] = 202;
  sdes.writeUInt16BE(1 + padded.length / 4, 2);
  sdes.writeUInt32BE(report.ssrc >>> 0, 4);
  const bye = Buffer.alloc(8);
  bye.set([0x81, 203, 0, 1]);
  bye.writeUInt32BE(report.ssrc >>> 0, 4);
  return Buffer.concat([first, sdes, padded, ...(report.isBye === true ? [bye] : [])]);
}

export function readRtcp(packet: Buffer): Identity | undefined {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(magic);
  const at = packet.indexOf(head);
  return at < 0 || at + identityBytes > packet.length ? undefined : readIdentity(packet, at);
}

function writeIdentity(packet: Buffer, at: number, { party, index, sentAtMs }: Identity): void {
  packet.writeUInt32BE(magic, at);
  packet.writeUInt32BE(party, at + 4);
  packet.writeUInt32BE(index, at + 8);
  packet.writeDoubleBE(sentAtMs, at + 12);
}

function readIdentity(packet: Buffer, at: number): Identity | undefined {
  if (packet.readUInt32BE(at) !== magic) return undefined;
  return {
    party: packet.readUInt32BE(at + 4),
    index: packet.readUInt32BE(at + 8),
    sentAtMs: packet.readDoubleBE(at + 12),
  };
}
