/** What RTP and RTCP transforms share: the engine, the arena, counter blocks, and tags outside their packets. */
import { read32 } from "../rtp/rtp.ts";
import { type SrtpEngine, scratchAt } from "./engine.ts";
import { type SessionTable, sessionField } from "./session-table.ts";
import { mkiBytesMax } from "./suites.ts";

/** The longest that follows what is hashed: MKI and tag, and the index of SRTCP. */
const trailerBytesMax = mkiBytesMax + 16 + 4;

export class Workbench {
  readonly engine: SrtpEngine;
  readonly bytes: Uint8Array;
  readonly sessions: SessionTable;
  /** Word index of the counter block. */
  readonly iv: number;
  readonly mac: number;
  readonly tag: number;
  readonly aad: number;
  readonly discard: number;
  readonly #saved = new Uint8Array(trailerBytesMax);

  readonly #words: Int32Array;

  constructor(engine: SrtpEngine, arena: Uint8Array, sessions: SessionTable) {
    this.engine = engine;
    this.bytes = arena;
    this.sessions = sessions;
    this.#words = new Int32Array(arena.buffer, arena.byteOffset, arena.length >>> 2);
    this.iv = (engine.scratchOffset + scratchAt.iv) >>> 2;
    this.mac = engine.scratchOffset + scratchAt.mac;
    this.tag = engine.scratchOffset + scratchAt.tag;
    this.aad = engine.scratchOffset + scratchAt.aad;
    this.discard = engine.scratchOffset + scratchAt.discard;
  }

  /**
   * Counter block, or nonce of three words: words in network order, salted. SSRC and index stand in them as each says
   * (RFC 3711 section 4.1.1, RFC 7714 sections 8.1 and 9.1); a salt ends before the words that are to stay.
   */
  writeIv(session: number, first: number, second: number, third: number, fourth: number): void {
    const { words } = this.sessions;
    const salt = session + sessionField.salt;
    const { iv } = this;
    // Both lie as the machine has its words: low byte first.
    this.#words[iv] = words[salt]! ^ swapBytes(first);
    this.#words[iv + 1] = words[salt + 1]! ^ swapBytes(second);
    this.#words[iv + 2] = words[salt + 2]! ^ swapBytes(third);
    this.#words[iv + 3] = words[salt + 3]! ^ swapBytes(fourth);
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

  /** The session's, where its settings name one. */
  writeMki(offset: number, session: number): void {
    const mki = this.sessions.mkiOf(session);
    for (let index = 0; index < mki.length; index++) this.bytes[offset + index] = mki[index]!;
  }

  isMki(offset: number, session: number): boolean {
    const mki = this.sessions.mkiOf(session);
    for (let index = 0; index < mki.length; index++) {
      if (this.bytes[offset + index] !== mki[index]) return false;
    }
    return true;
  }
}

function swapBytes(word: number): number {
  return (word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff_0000) | (word << 24);
}
