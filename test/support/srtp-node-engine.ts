/** An SRTP engine of node:crypto objects: slow, simple, and written apart from the real one, to compare with. */
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { macSpoilBytes, type SessionKeys, type SrtpEngine, scratchAt } from "../../src/srtp/engine.ts";

export class NodeCryptoEngine implements SrtpEngine {
  readonly name = "node:crypto";
  readonly scratchOffset: number;
  readonly #arena: Uint8Array;
  readonly #handlesMax: number;
  readonly #open = new Map<number, SessionKeys>();

  constructor(arena: Uint8Array, scratchOffset: number, handlesMax: number) {
    this.#arena = arena;
    this.scratchOffset = scratchOffset;
    this.#handlesMax = handlesMax;
  }

  get handlesOpen(): number {
    return this.#open.size;
  }

  open(keys: SessionKeys): number {
    if (this.#open.size >= this.#handlesMax) return -1;
    let handle = 0;
    while (this.#open.has(handle)) handle++;
    this.#open.set(handle, {
      cipher: keys.cipher,
      cipherKey: keys.cipherKey.slice(),
      macKey: keys.macKey?.slice(),
    });
    return handle;
  }

  close(handle: number): void {
    if (!this.#open.delete(handle)) throw new Error(`handle ${handle} is not open`);
  }

  ctr(handle: number, offset: number, sizeBytes: number): boolean {
    const { cipherKey } = this.#keys(handle);
    const cipher = createCipheriv(
      `aes-${cipherKey.length * 8}-ctr`,
      cipherKey,
      this.#scratch(scratchAt.iv, 16),
    );
    this.#arena.set(cipher.update(this.#range(offset, sizeBytes)), offset);
    return true;
  }

  hmac(handle: number, offset: number, sizeBytes: number): boolean {
    const { macKey } = this.#keys(handle);
    if (macKey === undefined) throw new Error("no HMAC key");
    const mac = createHmac("sha1", macKey).update(this.#range(offset, sizeBytes)).digest();
    this.#arena.set(mac, this.scratchOffset + scratchAt.mac);
    // Whoever asks must have room behind the range, and must not count on what is there.
    this.#range(offset + sizeBytes, macSpoilBytes).fill(0xdb);
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
    const { cipherKey } = this.#keys(handle);
    const name = cipherKey.length === 16 ? "aes-128-gcm" : "aes-256-gcm";
    const cipher = createCipheriv(name, cipherKey, this.#scratch(scratchAt.iv, 12));
    cipher.setAAD(this.#range(aadOffset, aadBytes));
    const sealed = cipher.update(this.#range(offset, sizeBytes));
    cipher.final();
    this.#arena.set(sealed, offset);
    this.#arena.set(cipher.getAuthTag(), tagOffset);
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
    const { cipherKey } = this.#keys(handle);
    const name = cipherKey.length === 16 ? "aes-128-gcm" : "aes-256-gcm";
    const decipher = createDecipheriv(name, cipherKey, this.#scratch(scratchAt.iv, 12));
    decipher.setAAD(this.#range(aadOffset, aadBytes));
    decipher.setAuthTag(this.#range(tagOffset, 16));
    const clear = decipher.update(this.#range(offset, sizeBytes));
    try {
      decipher.final();
    } catch {
      return false;
    }
    this.#arena.set(clear, outOffset);
    return true;
  }

  #keys(handle: number): SessionKeys {
    const keys = this.#open.get(handle);
    if (keys === undefined) throw new Error(`handle ${handle} is not open`);
    return keys;
  }

  #scratch(at: number, sizeBytes: number): Uint8Array {
    return this.#range(this.scratchOffset + at, sizeBytes);
  }

  #range(offset: number, sizeBytes: number): Uint8Array {
    if (offset < 0 || offset + sizeBytes > this.#arena.length)
      throw new Error(`${offset} is outside the arena`);
    return this.#arena.subarray(offset, offset + sizeBytes);
  }
}
