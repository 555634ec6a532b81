/**
 * SRTP's ciphers as WebAssembly, where OpenSSL cannot be called: our own C (`wasm/`), in constant time. It works on
 * the packets' arena itself, which therefore must be a WebAssembly memory, and on nothing else: the module has neither
 * data nor a stack there, and is told all places.
 *
 * A key's context has to lie in the arena while it is used, and the arena cannot grow. So contexts are kept outside,
 * and the arena has places for many of them, each handle having one; where two share a place, the one that is used is
 * copied there: 768 bytes at most, every packet if need be.
 */
import { Buffer } from "node:buffer";
import { macBytes, type SessionKeys, type SrtpEngine, scratchAt, scratchBytes } from "./engine.ts";
import { wasmModule } from "./wasm/module.ts";

/** A WebAssembly.Memory, as far as it matters here. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

/** The part of the JavaScript API of WebAssembly used here; it comes with the browser's types otherwise. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: WasmMemory } },
  ) => { readonly exports: unknown };
};

/** What wasm/*.c exports. All arguments are offsets of the memory, or sizes in bytes. */
interface Ciphers {
  prepare(workspace: number): void;
  set_cipher_key(context: number, key: number, keyBytes: number): void;
  set_hash_key(context: number, workspace: number): void;
  set_mac_key(context: number, workspace: number, key: number): void;
  ctr(context: number, workspace: number, counter: number, data: number, size: number): void;
  hmac(context: number, workspace: number, data: number, size: number, mac: number): void;
  seal(
    context: number,
    workspace: number,
    nonce: number,
    aad: number,
    aadBytes: number,
    data: number,
    size: number,
    tag: number,
  ): void;
  unseal(
    context: number,
    workspace: number,
    nonce: number,
    aad: number,
    aadBytes: number,
    data: number,
    size: number,
    tag: number,
    out: number,
  ): number;
}

/** Sizes of wasm/layout.h. */
const contextBytes = 768;
const workspaceBytes = 224;
/** Of a context, what is used without AES-GCM: round keys and both states of the HMAC. */
const counterContextBytes = 304;
const keyBytesMax = 32;
/** Places for contexts. Handles are given from 0 on, so this many are in use before any two share a place. */
export const placesCount = 4_096;

/** Behind the scratch. */
const workspaceAt = Math.ceil(scratchBytes / 64) * 64;
const keyAt = workspaceAt + workspaceBytes;
const placesAt = keyAt + keyBytesMax;

export const wasmEngineBytes = placesAt + placesCount * contextBytes;

export interface WasmEngineParts {
  /** The packets' memory; it may not grow. */
  readonly memory: WasmMemory;
  /** Offset of `wasmEngineBytes` bytes of it for the engine, aligned to 64. */
  readonly offset: number;
  readonly handlesMax: number;
}

export class WasmEngine implements SrtpEngine {
  readonly name = "WebAssembly";
  readonly scratchOffset: number;
  readonly #ciphers: Ciphers;
  readonly #arena: Uint8Array;
  readonly #handlesMax: number;
  readonly #iv: number;
  readonly #mac: number;
  readonly #workspace: number;
  readonly #key: number;
  readonly #places: number;
  /** By handle. */
  readonly #contexts: Uint8Array[] = [];
  /** By place: the handle whose context lies there, or -1. */
  readonly #held = new Int32Array(placesCount).fill(-1);
  /** Handles that were closed. */
  readonly #free: number[] = [];

  /** Throws where the processor lacks what the module's vectors need. */
  constructor(parts: WasmEngineParts) {
    const { memory, offset } = parts;
    const module = new WebAssembly.Module(Buffer.from(wasmModule, "base64"));
    this.#ciphers = new WebAssembly.Instance(module, { env: { memory } }).exports as Ciphers;
    this.#arena = new Uint8Array(memory.buffer);
    this.#handlesMax = parts.handlesMax;
    this.scratchOffset = offset;
    this.#iv = offset + scratchAt.iv;
    this.#mac = offset + scratchAt.mac;
    this.#workspace = offset + workspaceAt;
    this.#key = offset + keyAt;
    this.#places = offset + placesAt;
    this.#ciphers.prepare(this.#workspace);
  }

  open(keys: SessionKeys): number {
    const handle = this.#free.pop() ?? this.#contexts.length;
    if (handle >= this.#handlesMax) return -1;
    const place = this.#placeOf(handle);
    this.#held[handle % placesCount] = handle;
    this.#arena.fill(0, place, place + contextBytes);
    if (keys.cipher !== "none") this.#setCipherKey(place, keys.cipherKey);
    if (keys.cipher === "gcm") this.#ciphers.set_hash_key(place, this.#workspace);
    if (keys.macKey !== undefined) this.#setMacKey(place, keys.macKey);
    const sizeBytes = keys.cipher === "gcm" ? contextBytes : counterContextBytes;
    this.#contexts[handle] = this.#arena.slice(place, place + sizeBytes);
    return handle;
  }

  close(handle: number): void {
    this.#contexts[handle]!.fill(0);
    if (this.#held[handle % placesCount] === handle) {
      const place = this.#placeOf(handle);
      this.#arena.fill(0, place, place + contextBytes);
      this.#held[handle % placesCount] = -1;
    }
    this.#free.push(handle);
  }

  ctr(handle: number, offset: number, sizeBytes: number): boolean {
    this.#ciphers.ctr(this.#hold(handle), this.#workspace, this.#iv, offset, sizeBytes);
    return true;
  }

  hmac(handle: number, offset: number, sizeBytes: number): boolean {
    this.#ciphers.hmac(this.#hold(handle), this.#workspace, offset, sizeBytes, this.#mac);
    return true;
  }

  seal(
    handle: number,
    aadOffset: number,
    aadBytes: number,
    offset: number,
    sizeBytes: number,
    tagOffset: number,
  ): boolean {
    const context = this.#hold(handle);
    this.#ciphers.seal(context, this.#workspace, this.#iv, aadOffset, aadBytes, offset, sizeBytes, tagOffset);
    return true;
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
    const isGenuine = this.#ciphers.unseal(
      this.#hold(handle),
      this.#workspace,
      this.#iv,
      aadOffset,
      aadBytes,
      offset,
      sizeBytes,
      tagOffset,
      outOffset,
    );
    return isGenuine === 1;
  }

  #placeOf(handle: number): number {
    return this.#places + (handle % placesCount) * contextBytes;
  }

  /** Offset of the handle's context, which is there from now on. */
  #hold(handle: number): number {
    const place = this.#placeOf(handle);
    if (this.#held[handle % placesCount] !== handle) {
      // What is longer may have been there, of a handle that is closed by now.
      this.#arena.fill(0, place + counterContextBytes, place + contextBytes);
      this.#arena.set(this.#contexts[handle]!, place);
      this.#held[handle % placesCount] = handle;
    }
    return place;
  }

  #setCipherKey(place: number, key: Uint8Array): void {
    this.#arena.set(key, this.#key);
    this.#ciphers.set_cipher_key(place, this.#key, key.length);
    this.#arena.fill(0, this.#key, this.#key + keyBytesMax);
  }

  #setMacKey(place: number, key: Uint8Array): void {
    if (key.length !== macBytes) throw new Error("srtp: an HMAC key has 20 bytes");
    this.#arena.set(key, this.#key);
    this.#ciphers.set_mac_key(place, this.#workspace, this.#key);
    this.#arena.fill(0, this.#key, this.#key + keyBytesMax);
  }
}
