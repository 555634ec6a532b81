/** OpenSSL's EVP contexts: made of a key, and freed. */
import type { BoxedNumbers } from "./libc.ts";
import { bindOpenSsl } from "./openssl.ts";

const keyBytesMax = 32;
/** A name, or a key, on its way in. */
export const evpStateBytes = 64;

export type CipherMode = "ctr" | "ecb" | "gcm";

export class EvpCiphers {
  readonly calls = bindCiphers();
  readonly #arena: Uint8Array;
  readonly #keyOffset: number;
  readonly #key: BoxedNumbers;
  readonly #ciphers = new Map<string, number>();

  /** `keyOffset`: of `evpStateBytes` bytes of the arena; `keyAddress`: the same as an address. Throws when the node binary lacks a function. */
  constructor(arena: Uint8Array, keyOffset: number, keyAddress: number) {
    this.#arena = arena;
    this.#keyOffset = keyOffset;
    this.#key = [null, keyAddress];
  }

  /** A context that enciphers under the key. Throws where OpenSSL refuses. */
  open(mode: CipherMode, key: Uint8Array): number {
    const { calls } = this;
    const cipher = this.#cipherOf(mode, key.length);
    const context = calls.newContext();
    if (context === 0) throw new Error("OpenSSL: no memory");
    this.#arena.set(key, this.#keyOffset);
    const done = calls.encryptInit(context, cipher, 0, this.#key[1]!, 0);
    this.#arena.fill(0, this.#keyOffset, this.#keyOffset + keyBytesMax);
    if (done !== 1) throw new Error("OpenSSL refuses a cipher key");
    if (mode === "ecb") calls.setPadding(context, 0);
    return context;
  }

  close(context: number): void {
    this.calls.freeContext(context);
  }

  /** Asked of OpenSSL once: to look a cipher up costs more than to set a key. */
  #cipherOf(mode: CipherMode, keyBytes: number): number {
    const name = `AES-${keyBytes * 8}-${mode.toUpperCase()}`;
    const known = this.#ciphers.get(name);
    if (known !== undefined) return known;
    this.#arena.set(Buffer.from(`${name}\0`), this.#keyOffset);
    const cipher = this.calls.fetchCipher(0, this.#key[1]!, 0);
    if (cipher === 0) throw new Error(`OpenSSL has no ${name}`);
    this.#ciphers.set(name, cipher);
    return cipher;
  }
}

function bindCiphers() {
  return bindOpenSsl({
    /** (library context, name, properties) */
    fetchCipher: "uintptr_t EVP_CIPHER_fetch(uintptr_t, uintptr_t, uintptr_t)",
    newContext: "uintptr_t EVP_CIPHER_CTX_new()",
    freeContext: "void EVP_CIPHER_CTX_free(uintptr_t)",
    setPadding: "int EVP_CIPHER_CTX_set_padding(uintptr_t, int)",
    control: "int EVP_CIPHER_CTX_ctrl(uintptr_t, int, int, uintptr_t)",
    /** (context, cipher, engine, key, iv) */
    encryptInit: "int EVP_EncryptInit_ex(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t)",
    /** (context, out, outBytes, in, inBytes) */
    encrypt: "int EVP_EncryptUpdate(uintptr_t, uintptr_t, uintptr_t, uintptr_t, int)",
    encryptFinal: "int EVP_EncryptFinal_ex(uintptr_t, uintptr_t, uintptr_t)",
    decryptInit: "int EVP_DecryptInit_ex(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t)",
    decrypt: "int EVP_DecryptUpdate(uintptr_t, uintptr_t, uintptr_t, uintptr_t, int)",
    decryptFinal: "int EVP_DecryptFinal_ex(uintptr_t, uintptr_t, uintptr_t)",
  });
}
