/** An arena with an SRTP engine and the packet crypto of a worker, for tests. */
import { packetHeadroomBytes, packetTailroomBytes } from "../../src/core/limits.ts";
import type { SrtpKey, SrtpSuite } from "../../src/core/plan/security.ts";
import { allocatePacketMemory, type PacketMemory } from "../../src/io/packet-memory.ts";
import { type SrtpEngine, scratchBytes } from "../../src/srtp/engine.ts";
import { PacketCrypto, srtpHandlesMax } from "../../src/srtp/packet-crypto.ts";
import { suiteFacts } from "../../src/srtp/suites.ts";
import { NodeCryptoEngine } from "./srtp-node-engine.ts";

export interface EngineMaker {
  readonly name: string;
  /** Bytes of the arena the engine wants. */
  readonly sizeBytes: number;
  make(memory: PacketMemory, offset: number, handlesMax: number): SrtpEngine;
}

/** Bytes behind an engine's scratch offset that tests give it. */
export const scratchRoom = scratchBytes + 512;

export const nodeCrypto: EngineMaker = {
  name: "node:crypto",
  sizeBytes: scratchRoom,
  make: (memory, offset, handlesMax) => new NodeCryptoEngine(memory.bytes, offset, handlesMax),
};

export type Kind = "rtp" | "rtcp";
export type Verb = "protect" | "unprotect" | "verify";

export const rigSlots = 8;
const packetsBytes = 16_384;
/** Lies around a packet. */
const noise = 0xa5;

export class SrtpRig {
  readonly arena: Uint8Array;
  readonly engine: SrtpEngine;
  readonly crypto: PacketCrypto;
  /** Where a packet lies while it is worked on. */
  readonly offset = packetHeadroomBytes;

  constructor(maker: EngineMaker, slots = rigSlots) {
    const memory = allocatePacketMemory(packetsBytes + maker.sizeBytes);
    this.arena = memory.bytes;
    this.engine = maker.make(memory, packetsBytes, srtpHandlesMax(slots));
    this.crypto = new PacketCrypto(this.engine, this.arena, slots);
  }

  /** The packet as it is afterwards, or the code. What lies around it is noise before, and untouched in front. */
  run(verb: Verb, kind: Kind, packet: Uint8Array, slot = 0): Uint8Array | number {
    const { arena, offset } = this;
    const end = offset + packet.length + packetTailroomBytes;
    arena.fill(noise, 0, end + packetHeadroomBytes);
    arena.set(packet, offset);
    const size = this.call(verb, kind, slot, packet.length);
    for (let at = 0; at < packetHeadroomBytes; at++) {
      if (arena[at] !== noise) throw new Error("bytes in front were written");
      if (arena[end + at] !== noise) throw new Error("bytes far behind were written");
    }
    return size < 0 ? size : arena.slice(offset, offset + size);
  }

  /** What lies where the packet was put. */
  left(sizeBytes: number): Uint8Array {
    return this.arena.slice(this.offset, this.offset + sizeBytes);
  }

  call(verb: Verb, kind: Kind, slot: number, sizeBytes: number): number {
    const { crypto, offset } = this;
    if (verb === "protect") {
      return kind === "rtp"
        ? crypto.protectRtp(slot, offset, sizeBytes)
        : crypto.protectRtcp(slot, offset, sizeBytes);
    }
    if (verb === "unprotect") {
      return kind === "rtp"
        ? crypto.unprotectRtp(slot, offset, sizeBytes)
        : crypto.unprotectRtcp(slot, offset, sizeBytes);
    }
    return kind === "rtp"
      ? crypto.verifyRtp(slot, offset, sizeBytes)
      : crypto.verifyRtcp(slot, offset, sizeBytes);
  }
}

/** A rig whose slot 0 sends what its slot 2 receives. */
export function pairOf(maker: EngineMaker, key: SrtpKey): SrtpRig {
  const rig = new SrtpRig(maker);
  rig.crypto.setKeys(0, [], key);
  rig.crypto.setKeys(2, [key], undefined);
  return rig;
}

export function protect(rig: SrtpRig, kind: Kind, packet: Uint8Array): Uint8Array {
  const sealed = rig.run("protect", kind, packet, 0);
  if (typeof sealed === "number") throw new Error(`not protected: ${sealed}`);
  return sealed;
}

/** A key whose bytes follow from a seed. */
export function keyOf(suite: SrtpSuite, seed = 3, more: Partial<SrtpKey> = {}): SrtpKey {
  const { keyBytes, saltBytes } = suiteFacts(suite);
  const bytes = Uint8Array.from({ length: keyBytes + saltBytes }, (_, index) => index * 11 + seed);
  return {
    suite,
    masterKey: bytes.subarray(0, keyBytes),
    masterSalt: bytes.subarray(keyBytes),
    mki: undefined,
    encryptsRtp: true,
    encryptsRtcp: true,
    authenticatesRtp: true,
    ...more,
  };
}

export interface RtpFields {
  readonly sequence: number;
  readonly ssrc?: number;
  readonly payload?: Uint8Array;
}

export function rtpPacket(fields: RtpFields): Uint8Array {
  const payload = fields.payload ?? Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const packet = new Uint8Array(12 + payload.length);
  const view = new DataView(packet.buffer);
  view.setUint16(0, 0x8000);
  view.setUint16(2, fields.sequence & 0xffff);
  view.setUint32(4, 160 * fields.sequence);
  view.setUint32(8, fields.ssrc ?? 0xcafebabe);
  packet.set(payload, 12);
  return packet;
}

/** A sender report without blocks. */
export function rtcpPacket(ssrc = 0xcafebabe, fill = 0x20): Uint8Array {
  const packet = new Uint8Array(28).fill(fill);
  const view = new DataView(packet.buffer);
  view.setUint32(0, 0x80c80006);
  view.setUint32(4, ssrc);
  return packet;
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replace(/\s/g, ""), "hex"));
}

export function toHex(bytes: Uint8Array | number): string {
  return typeof bytes === "number" ? String(bytes) : Buffer.from(bytes).toString("hex");
}
