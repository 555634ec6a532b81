/** What RTP and RTCP transforms share: the engine, the arena, counter blocks, and tags outside their packets. */
import { read32 } from "../rtp/rtp.ts";
import { type SrtpEngine, scratchAt } from "./engine.ts";
import { mkiBytesMax } from "./suites.ts";

/** The longest that follows what is hashed: MKI and tag, and the index of SRTCP. */
const trailerBytesMax = mkiBytesMax + 16 + 4;

export class Workbench {
  readonly engine: SrtpEngine;
  readonly bytes: Uint8Array;
  readonly iv: number;
  readonly mac: number;
  readonly tag: number;
  readonly aad: number;
  readonly discard: number;
  readonly #saved = new Uint8Array(trailerBytesMax);

  constructor(engine: SrtpEngine, arena: Uint8Array) {
    this.engine = engine;
    this.bytes = arena;
    this.iv = engine.scratchOffset + scratchAt.iv;
    this.mac = engine.scratchOffset + scratchAt.mac;
    this.tag = engine.scratchOffset + scratchAt.tag;
    this.aad = engine.scratchOffset + scratchAt.aad;
    this.discard = engine.scratchOffset + scratchAt.discard;
  }

  /**
   * Counter block: salt, SSRC and 48-bit index shifted and added without carry (RFC 3711 section 4.1.1). An SRTCP
   * index has `high` 0 and is in `low`; an RTP index has the rollover counter in `high` and the sequence number below.
   */
  writeCounter(salt: Uint8Array, ssrcOffset: number, high: number, low: number): void {
    const { bytes, iv } = this;
    bytes[iv] = salt[0]!;
    bytes[iv + 1] = salt[1]!;
    bytes[iv + 2] = salt[2]!;
    bytes[iv + 3] = salt[3]!;
    bytes[iv + 4] = salt[4]! ^ bytes[ssrcOffset]!;
    bytes[iv + 5] = salt[5]! ^ bytes[ssrcOffset + 1]!;
    bytes[iv + 6] = salt[6]! ^ bytes[ssrcOffset + 2]!;
    bytes[iv + 7] = salt[7]! ^ bytes[ssrcOffset + 3]!;
    this.#writeIndex(salt, 8, high, low);
    bytes[iv + 14] = 0;
    bytes[iv + 15] = 0;
  }

  /** Nonce of AES-GCM: two zero bytes, SSRC and the same index, salted (RFC 7714 sections 8.1 and 9.1). */
  writeNonce(salt: Uint8Array, ssrcOffset: number, high: number, low: number): void {
    const { bytes, iv } = this;
    bytes[iv] = salt[0]!;
    bytes[iv + 1] = salt[1]!;
    bytes[iv + 2] = salt[2]! ^ bytes[ssrcOffset]!;
    bytes[iv + 3] = salt[3]! ^ bytes[ssrcOffset + 1]!;
    bytes[iv + 4] = salt[4]! ^ bytes[ssrcOffset + 2]!;
    bytes[iv + 5] = salt[5]! ^ bytes[ssrcOffset + 3]!;
    this.#writeIndex(salt, 6, high, low);
  }

  /** `high` are the index's upper 16 bits of 48, `low` its lower 32. */
  #writeIndex(salt: Uint8Array, at: number, high: number, low: number): void {
    const { bytes, iv } = this;
    bytes[iv + at] = salt[at]! ^ (high >>> 8);
    bytes[iv + at + 1] = salt[at + 1]! ^ high;
    bytes[iv + at + 2] = salt[at + 2]! ^ (low >>> 24);
    bytes[iv + at + 3] = salt[at + 3]! ^ (low >>> 16);
    bytes[iv + at + 4] = salt[at + 4]! ^ (low >>> 8);
    bytes[iv + at + 5] = salt[at + 5]! ^ low;
  }

  write32(offset: number, value: number): void {
    const { bytes } = this;
    bytes[offset] = value >>> 24;
    bytes[offset + 1] = value >>> 16;
    bytes[offset + 2] = value >>> 8;
    bytes[offset + 3] = value;
  }

  read32(offset: number): number {
    return read32(this.bytes, offset);
  }

  /** Keeps the end of a packet, which hashing overwrites. */
  save(offset: number, sizeBytes: number): void {
    for (let index = 0; index < sizeBytes; index++) this.#saved[index] = this.bytes[offset + index]!;
  }

  restore(offset: number, sizeBytes: number): void {
    for (let index = 0; index < sizeBytes; index++) this.bytes[offset + index] = this.#saved[index]!;
  }

  /** The MAC just made begins with the saved tag; takes the same time wherever the two differ. */
  isSavedTag(at: number, tagBytes: number): boolean {
    let difference = 0;
    for (let index = 0; index < tagBytes; index++) {
      difference |= this.bytes[this.mac + index]! ^ this.#saved[at + index]!;
    }
    return difference === 0;
  }

  copy(from: number, to: number, sizeBytes: number): void {
    for (let index = 0; index < sizeBytes; index++) this.bytes[to + index] = this.bytes[from + index]!;
  }

  writeMki(offset: number, mki: Uint8Array): void {
    for (let index = 0; index < mki.length; index++) this.bytes[offset + index] = mki[index]!;
  }

  isMki(offset: number, mki: Uint8Array): boolean {
    for (let index = 0; index < mki.length; index++) {
      if (this.bytes[offset + index] !== mki[index]) return false;
    }
    return true;
  }
}
