/** HMAC-SHA1 (RFC 2104) by OpenSSL, in two ways: fast, and by the book. */
import { macBytes } from "../../srtp/engine.ts";
import type { BoxedNumbers } from "./libc.ts";
import { type ArenaAddresses, bindOpenSsl } from "./openssl.ts";
import { type KeyRecords, keyRecord } from "./srtp-key-records.ts";

export interface MacPlace {
  readonly arena: Uint8Array;
  readonly addresses: ArenaAddresses;
  /** Offset of `macStateBytes` bytes for whoever makes MACs, aligned to 64. */
  readonly stateOffset: number;
  /** Offset of the 20 bytes of a MAC, aligned to 4. */
  readonly macOffset: number;
}

/** By handle: keys are set and wiped, and a MAC is made of a range. */
export interface MacMaker {
  open(handle: number, key: Uint8Array): void;
  close(handle: number): void;
  /** False: not done. */
  make(handle: number, offset: number, sizeBytes: number): boolean;
}

const blockBytes = 64;
const stateWords = 5;
/** SHA_CTX has 96 bytes. */
const contextBytes = 128;
/** SHA_CTX, and a block. */
export const macStateBytes = contextBytes + blockBytes;

/**
 * Two calls a MAC: what SHA-1 makes of the key's blocks is kept for each handle, and OpenSSL's block function goes on
 * from there over the packet, which is padded where it lies, and over one outer block.
 *
 * This relies on SHA_CTX beginning with five words of state in the machine's order, and on whole blocks being hashed
 * at once. The self test at start tells whether that holds.
 */
export class ShaStates implements MacMaker {
  readonly #calls = bindOpenSsl({
    init: "int SHA1_Init(uintptr_t)",
    update: "int SHA1_Update(uintptr_t, uintptr_t, size_t)",
  });
  readonly #arena: Uint8Array;
  readonly #words: Int32Array;
  readonly #addresses: ArenaAddresses;
  readonly #blockOffset: number;
  /** Addresses of context and block. */
  readonly #boxed: BoxedNumbers;
  /** Word indices. */
  readonly #context: number;
  readonly #block: number;
  readonly #mac: number;
  readonly #records: KeyRecords;

  constructor(place: MacPlace, records: KeyRecords) {
    const { arena, addresses, stateOffset } = place;
    this.#records = records;
    this.#arena = arena;
    this.#words = new Int32Array(arena.buffer, arena.byteOffset, arena.length >>> 2);
    this.#addresses = addresses;
    this.#blockOffset = stateOffset + contextBytes;
    this.#boxed = [null, addresses.of(stateOffset), addresses.of(this.#blockOffset)];
    this.#context = stateOffset >>> 2;
    this.#block = this.#blockOffset >>> 2;
    this.#mac = place.macOffset >>> 2;
  }

  open(handle: number, key: Uint8Array): void {
    const record = handle * keyRecord.words;
    this.#hashKey(key, 0x36, record + keyRecord.inner);
    this.#hashKey(key, 0x5c, record + keyRecord.outer);
    // The outer block: an inner digest of 20 bytes, which comes with each MAC, and SHA-1's padding of 64 + 20 bytes.
    const block = this.#blockOffset;
    this.#arena.fill(0, block, block + blockBytes);
    this.#arena[block + macBytes] = 0x80;
    writeBitCount(this.#arena, block + blockBytes, blockBytes + macBytes);
  }

  close(): void {
    // The record is wiped as a whole.
  }

  make(handle: number, offset: number, sizeBytes: number): boolean {
    const arena = this.#arena;
    const end = offset + sizeBytes;
    const paddedBytes = (sizeBytes + 9 + blockBytes - 1) & -blockBytes;
    const paddedEnd = offset + paddedBytes;
    arena[end] = 0x80;
    for (let at = end + 1; at < paddedEnd - 4; at++) arena[at] = 0;
    writeBitCount(arena, paddedEnd, blockBytes + sizeBytes);
    const record = handle * keyRecord.words;
    this.#load(record + keyRecord.inner);
    let done = this.#calls.update(this.#boxed[1]!, this.#addresses.of(offset), paddedBytes);
    this.#store(this.#block);
    this.#load(record + keyRecord.outer);
    done &= this.#calls.update(this.#boxed[1]!, this.#boxed[2]!, blockBytes);
    this.#store(this.#mac);
    return done === 1;
  }

  /** Continues from a kept state. Written out, as is `#store`: a loop costs a twelfth of a packet more. */
  #load(state: number): void {
    const words = this.#words;
    const states = this.#records.words;
    const context = this.#context;
    words[context] = states[state]!;
    words[context + 1] = states[state + 1]!;
    words[context + 2] = states[state + 2]!;
    words[context + 3] = states[state + 3]!;
    words[context + 4] = states[state + 4]!;
  }

  /** The digest so far, in network order. */
  #store(at: number): void {
    const words = this.#words;
    const context = this.#context;
    words[at] = swapBytes(words[context]!);
    words[at + 1] = swapBytes(words[context + 1]!);
    words[at + 2] = swapBytes(words[context + 2]!);
    words[at + 3] = swapBytes(words[context + 3]!);
    words[at + 4] = swapBytes(words[context + 4]!);
  }

  #hashKey(key: Uint8Array, pad: number, state: number): void {
    const block = this.#blockOffset;
    this.#arena.fill(pad, block, block + blockBytes);
    for (let index = 0; index < key.length; index++) this.#arena[block + index]! ^= key[index]!;
    this.#calls.init(this.#boxed[1]!);
    this.#calls.update(this.#boxed[1]!, this.#boxed[2]!, blockBytes);
    const states = this.#records.words;
    for (let word = 0; word < stateWords; word++) {
      states[state + word] = this.#words[this.#context + word]!;
    }
    this.#arena.fill(0, block, block + blockBytes);
  }
}

/** Four calls' worth of OpenSSL's HMAC a MAC: slower, and nothing but documented functions. */
export class HmacContexts implements MacMaker {
  readonly #calls = bindOpenSsl({
    newContext: "uintptr_t HMAC_CTX_new()",
    freeContext: "void HMAC_CTX_free(uintptr_t)",
    /** (context, key, keyBytes, digest, engine) */
    init: "int HMAC_Init_ex(uintptr_t, uintptr_t, int, uintptr_t, uintptr_t)",
    update: "int HMAC_Update(uintptr_t, uintptr_t, size_t)",
    final: "int HMAC_Final(uintptr_t, uintptr_t, uintptr_t)",
    sha1: "uintptr_t EVP_sha1()",
  });
  readonly #place: MacPlace;
  readonly #boxed: BoxedNumbers;
  /** By handle + 1. */
  readonly #contexts: BoxedNumbers = [null];

  constructor(place: MacPlace) {
    this.#place = place;
    this.#boxed = [null, place.addresses.of(place.macOffset)];
  }

  open(handle: number, key: Uint8Array): void {
    const { arena, addresses, stateOffset } = this.#place;
    while (this.#contexts.length <= handle + 1) this.#contexts.push(0);
    const context = this.#calls.newContext();
    if (context === 0) throw new Error("OpenSSL: no memory");
    this.#contexts[handle + 1] = context;
    arena.set(key, stateOffset);
    const done = this.#calls.init(context, addresses.of(stateOffset), key.length, this.#calls.sha1(), 0);
    arena.fill(0, stateOffset, stateOffset + key.length);
    if (done !== 1) throw new Error("OpenSSL refuses an HMAC key");
  }

  close(handle: number): void {
    const context = this.#contexts[handle + 1] ?? 0;
    if (context === 0) return;
    this.#calls.freeContext(context);
    this.#contexts[handle + 1] = 0;
  }

  make(handle: number, offset: number, sizeBytes: number): boolean {
    const { init, update, final } = this.#calls;
    const context = this.#contexts[handle + 1]!;
    return (
      init(context, 0, 0, 0, 0) === 1 &&
      update(context, this.#place.addresses.of(offset), sizeBytes) === 1 &&
      final(context, this.#boxed[1]!, 0) === 1
    );
  }
}

/** The number of hashed bits, which ends SHA-1's padding. Ranges are far below the 2^29 bytes this has room for. */
function writeBitCount(bytes: Uint8Array, end: number, hashedBytes: number): void {
  const bits = hashedBytes * 8;
  bytes[end - 4] = bits >>> 24;
  bytes[end - 3] = bits >>> 16;
  bytes[end - 2] = bits >>> 8;
  bytes[end - 1] = bits;
}

function swapBytes(word: number): number {
  return (word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff_0000) | (word << 24);
}
