/**
 * SRTP of a lab phone (RFC 3711, AES_CM_128_HMAC_SHA1_80) on node:crypto. One direction of one SSRC; the lab's sequence
 * numbers advance by less than half their range between two packets.
 */
import { createCipheriv, createHmac } from "node:crypto";

const tagBytes = 10;
const headerBytes = 12;

/** `inline` is the base64 of a 16-byte master key and a 14-byte salt, as in SDP (RFC 4568 section 6.1). */
export class SrtpStream {
  private readonly cipherKey: Buffer;
  private readonly authKey: Buffer;
  private readonly salt: Buffer;
  private highest = -1;

  constructor(inline: string) {
    const master = Buffer.from(inline, "base64");
    this.cipherKey = derive(master, 0, 16);
    this.authKey = derive(master, 1, 20);
    this.salt = derive(master, 2, 14);
  }

  protect(packet: Buffer): Buffer {
    const index = this.indexOf(packet.readUInt16BE(2));
    const body = Buffer.concat([packet.subarray(0, headerBytes), this.crypt(packet, index)]);
    return Buffer.concat([body, this.tag(body, index)]);
  }

  /** The plain packet; undefined if the tag is wrong. */
  unprotect(packet: Buffer): Buffer | undefined {
    if (packet.length < headerBytes + tagBytes) return undefined;
    const body = packet.subarray(0, packet.length - tagBytes);
    const before = this.highest;
    const index = this.indexOf(packet.readUInt16BE(2));
    if (!this.tag(body, index).equals(packet.subarray(body.length))) {
      this.highest = before;
      return undefined;
    }
    return Buffer.concat([body.subarray(0, headerBytes), this.crypt(body, index)]);
  }

  /** RFC 3711 section 3.3.1, for a stream whose first packet has a roll-over count of 0. */
  private indexOf(sequence: number): number {
    if (this.highest < 0) this.highest = sequence;
    const ahead = (sequence - this.highest) & 0xffff;
    const index = this.highest + (ahead < 0x8000 ? ahead : ahead - 0x10000);
    this.highest = Math.max(this.highest, index);
    return index;
  }

  private crypt(packet: Buffer, index: number): Buffer {
    const iv = Buffer.alloc(16);
    this.salt.copy(iv);
    for (let at = 0; at < 4; at++) xorAt(iv, 4 + at, packet[8 + at] ?? 0);
    const indexBytes = Buffer.alloc(6);
    indexBytes.writeUIntBE(index, 0, 6);
    for (let at = 0; at < 6; at++) xorAt(iv, 8 + at, indexBytes[at] ?? 0);
    return createCipheriv("aes-128-ctr", this.cipherKey, iv).update(packet.subarray(headerBytes));
  }

  private tag(body: Buffer, index: number): Buffer {
    const rollOver = Buffer.alloc(4);
    rollOver.writeUInt32BE(Math.floor(index / 0x10000));
    return createHmac("sha1", this.authKey).update(body).update(rollOver).digest().subarray(0, tagBytes);
  }
}

function derive(master: Buffer, label: number, sizeBytes: number): Buffer {
  const iv = Buffer.alloc(16);
  master.copy(iv, 0, 16, 30);
  xorAt(iv, 7, label);
  return createCipheriv("aes-128-ctr", master.subarray(0, 16), iv).update(Buffer.alloc(sizeBytes));
}

function xorAt(bytes: Buffer, at: number, value: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ value;
}
