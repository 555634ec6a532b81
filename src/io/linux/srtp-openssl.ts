/**
 * SRTP's ciphers by OpenSSL. What keys come to is kept for each handle, so a packet costs its initialisation vector and
 * its bytes; all memory OpenSSL reads and writes is the packets' arena, and no call allocates there or here.
 */
import { type SessionKeys, type SrtpEngine, scratchAt, scratchBytes } from "../../srtp/engine.ts";
import { addressOf, type BoxedNumbers } from "./libc.ts";
import { ArenaAddresses } from "./openssl.ts";
import { CounterContexts, type CounterMode, counterStateBytes, KeptSchedules } from "./srtp-counter.ts";
import { EvpCiphers, evpStateBytes } from "./srtp-evp.ts";
import { HmacContexts, type MacMaker, macStateBytes, ShaStates } from "./srtp-hmac.ts";
import { KeyRecords } from "./srtp-key-records.ts";

export interface OpenSslEngineParts {
  /** The packets' memory; it may neither move nor be freed while the engine lives. */
  readonly arena: Uint8Array;
  /** Offset of `openSslEngineBytes` bytes of it for the engine, aligned to 64. */
  readonly offset: number;
  readonly handlesMax: number;
  readonly way: OpenSslWay;
}

/**
 * `kept`: AES goes on from kept round keys and SHA-1 from kept states, by functions and layouts that OpenSSL does not
 * document. `contexts`: AES by EVP contexts. `documented`: HMAC by OpenSSL's own as well.
 */
export type OpenSslWay = "kept" | "contexts" | "documented";

/** Behind the scratch: what MACs and counter mode need, a length OpenSSL writes, a last block it never writes, a key. */
const macAt = Math.ceil(scratchBytes / 64) * 64;
const counterAt = macAt + macStateBytes;
const lengthAt = counterAt + counterStateBytes;
const lastAt = lengthAt + 16;
const keyAt = lastAt + 48;

export const openSslEngineBytes = keyAt + evpStateBytes;

/** Numbers of openssl/evp.h. */
const control = { getTag: 0x10, setTag: 0x11 } as const;
const gcmTagBytes = 16;

/** Entries of the numbers given to calls. */
const boxed = { iv: 1, length: 2, last: 3 } as const;

const names: Readonly<Record<OpenSslWay, string>> = {
  kept: "OpenSSL",
  contexts: "OpenSSL with EVP contexts",
  documented: "OpenSSL with EVP contexts and HMAC_CTX",
};

export class OpenSslEngine implements SrtpEngine {
  readonly name: string;
  readonly scratchOffset: number;
  readonly #handlesMax: number;
  readonly #ciphers: EvpCiphers;
  readonly #records = new KeyRecords();
  readonly #counter: CounterMode;
  readonly #mac: MacMaker;
  readonly #addresses: ArenaAddresses;
  readonly #boxed: BoxedNumbers;
  /** By handle + 1: EVP context of AES-GCM, or 0. */
  readonly #contexts: BoxedNumbers = [null];
  /** Handles that were closed. */
  readonly #free: number[] = [];

  /** Throws when the node binary lacks a function. */
  constructor(parts: OpenSslEngineParts) {
    const { arena, offset, way } = parts;
    this.name = names[way];
    this.scratchOffset = offset;
    this.#handlesMax = parts.handlesMax;
    const addresses = new ArenaAddresses(addressOf(arena.buffer as ArrayBuffer) + arena.byteOffset);
    this.#addresses = addresses;
    const places = [scratchAt.iv, lengthAt, lastAt];
    this.#boxed = [null, ...places.map((place) => addresses.of(offset + place))];
    this.#ciphers = new EvpCiphers(arena, offset + keyAt, addresses.of(offset + keyAt));
    const counterPlace = {
      arena,
      addresses,
      stateOffset: offset + counterAt,
      ivOffset: offset + scratchAt.iv,
    };
    this.#counter =
      way === "kept"
        ? new KeptSchedules(counterPlace, this.#records)
        : new CounterContexts(counterPlace, this.#ciphers);
    const macPlace = {
      arena,
      addresses,
      stateOffset: offset + macAt,
      macOffset: offset + scratchAt.mac,
    };
    this.#mac = way === "documented" ? new HmacContexts(macPlace) : new ShaStates(macPlace, this.#records);
  }

  open(keys: SessionKeys): number {
    const handle = this.#free.pop() ?? this.#contexts.length - 1;
    if (handle >= this.#handlesMax) return -1;
    const { cipher, cipherKey, macKey } = keys;
    this.#records.reserve(handle);
    this.#contexts[handle + 1] = cipher === "gcm" ? this.#ciphers.open("gcm", cipherKey) : 0;
    if (cipher === "ctr") this.#counter.open(handle, cipherKey);
    if (macKey !== undefined) this.#mac.open(handle, macKey);
    return handle;
  }

  close(handle: number): void {
    const context = this.#contexts[handle + 1]!;
    if (context !== 0) this.#ciphers.close(context);
    this.#contexts[handle + 1] = 0;
    this.#counter.close(handle);
    this.#mac.close(handle);
    this.#records.wipe(handle);
    this.#free.push(handle);
  }

  ctr(handle: number, offset: number, sizeBytes: number): boolean {
    return this.#counter.apply(handle, offset, sizeBytes);
  }

  hmac(handle: number, offset: number, sizeBytes: number): boolean {
    return this.#mac.make(handle, offset, sizeBytes);
  }

  seal(
    handle: number,
    aadOffset: number,
    aadBytes: number,
    offset: number,
    sizeBytes: number,
    tagOffset: number,
  ): boolean {
    const { calls } = this.#ciphers;
    const context = this.#contexts[handle + 1]!;
    const length = this.#boxed[boxed.length]!;
    const address = this.#addresses.of(offset);
    return (
      calls.encryptInit(context, 0, 0, 0, this.#boxed[boxed.iv]!) === 1 &&
      calls.encrypt(context, 0, length, this.#addresses.of(aadOffset), aadBytes) === 1 &&
      (sizeBytes === 0 || calls.encrypt(context, address, length, address, sizeBytes) === 1) &&
      calls.encryptFinal(context, this.#boxed[boxed.last]!, length) === 1 &&
      calls.control(context, control.getTag, gcmTagBytes, this.#addresses.of(tagOffset)) === 1
    );
  }

  unseal(
    handle: number,
    aadOffset: number,
    aadBytes: number,
    offset: number,
    sizeBytes: number,
    tagOffset: number,
    outOffset: number,
  ): boolean {
    const { calls } = this.#ciphers;
    const context = this.#contexts[handle + 1]!;
    const length = this.#boxed[boxed.length]!;
    const address = this.#addresses.of(offset);
    const out = this.#addresses.of(outOffset);
    const isGenuine =
      calls.decryptInit(context, 0, 0, 0, this.#boxed[boxed.iv]!) === 1 &&
      calls.decrypt(context, 0, length, this.#addresses.of(aadOffset), aadBytes) === 1 &&
      (sizeBytes === 0 || calls.decrypt(context, out, length, address, sizeBytes) === 1) &&
      calls.control(context, control.setTag, gcmTagBytes, this.#addresses.of(tagOffset)) === 1 &&
      calls.decryptFinal(context, this.#boxed[boxed.last]!, length) === 1;
    // OpenSSL deciphers before it knows. The same key stream once more brings back what was there.
    if (!isGenuine && outOffset === offset && sizeBytes > 0) {
      calls.decryptInit(context, 0, 0, 0, this.#boxed[boxed.iv]!);
      calls.decrypt(context, address, length, address, sizeBytes);
    }
    return isGenuine;
  }
}
