/**
 * HMACs by OpenSSL's SHA functions, through koffi: a third of what node's Hmac objects take, and no garbage that only
 * a finalizer gets rid of. A TURN allocation with a channel takes seven.
 */
import type { Digests } from "../../core/digests.ts";
import { Arena } from "./arena.ts";
import type { BoxedNumbers } from "./libc.ts";
import { bindOpenSsl, type OpenSslCall } from "./openssl.ts";

/** A hash with blocks of 64 bytes. */
interface Sha {
  readonly init: OpenSslCall;
  readonly update: OpenSslCall;
  readonly final: OpenSslCall;
  readonly sizeBytes: number;
}

const blockBytes = 64;
/** SHA_CTX has 96 bytes, SHA256_CTX 112. */
const contextBytes = 128;
const digestBytesMax = 32;
/** Longer messages are rare, and node's to hash. */
const messageBytesMax = 2_048;

const boxed = { context: 1, inner: 2, outer: 3, digest: 4 } as const;

/** HMAC (RFC 2104 section 2) in memory of its own. The key is wiped from there after each. */
class NativeHmac {
  readonly #arena = new Arena(contextBytes + messageBytesMax + 3 * blockBytes);
  readonly #inner: number;
  readonly #outer: number;
  readonly #boxed: BoxedNumbers;

  constructor() {
    const { address } = this.#arena;
    const context = this.#arena.reserve(contextBytes);
    this.#inner = this.#arena.reserve(blockBytes + messageBytesMax);
    this.#outer = this.#arena.reserve(blockBytes + digestBytesMax);
    const digest = this.#outer + blockBytes;
    this.#boxed = [null, ...[context, this.#inner, this.#outer, digest].map((offset) => address + offset)];
  }

  /** Undefined: key or message is longer than there is room for. */
  make(sha: Sha, key: Uint8Array, message: Uint8Array): Uint8Array | undefined {
    if (key.length > blockBytes || message.length > messageBytesMax) return undefined;
    const { bytes } = this.#arena;
    this.#writePads(key);
    bytes.set(message, this.#inner + blockBytes);
    // What the inner hash comes to is the outer one's message.
    this.#hash(sha, this.#boxed[boxed.inner]!, blockBytes + message.length);
    this.#hash(sha, this.#boxed[boxed.outer]!, blockBytes + sha.sizeBytes);
    bytes.fill(0, this.#inner, this.#inner + blockBytes);
    bytes.fill(0, this.#outer, this.#outer + blockBytes);
    return bytes.slice(this.#outer + blockBytes, this.#outer + blockBytes + sha.sizeBytes);
  }

  #writePads(key: Uint8Array): void {
    const { bytes } = this.#arena;
    for (let index = 0; index < blockBytes; index++) {
      const byte = index < key.length ? key[index]! : 0;
      bytes[this.#inner + index] = byte ^ 0x36;
      bytes[this.#outer + index] = byte ^ 0x5c;
    }
  }

  #hash({ init, update, final }: Sha, from: number, sizeBytes: number): void {
    const context = this.#boxed[boxed.context]!;
    init(context);
    update(context, from, sizeBytes);
    final(this.#boxed[boxed.digest]!, context);
  }
}

/** `others`: for what is too long, and for what is not asked for often. Throws where this node cannot do it. */
export function openNativeDigests(others: Digests): Digests {
  const hmac = new NativeHmac();
  const sha1: Sha = {
    ...bindOpenSsl({
      init: "int SHA1_Init(uintptr_t)",
      update: "int SHA1_Update(uintptr_t, uintptr_t, size_t)",
      final: "int SHA1_Final(uintptr_t, uintptr_t)",
    }),
    sizeBytes: 20,
  };
  const sha256: Sha = {
    ...bindOpenSsl({
      init: "int SHA256_Init(uintptr_t)",
      update: "int SHA256_Update(uintptr_t, uintptr_t, size_t)",
      final: "int SHA256_Final(uintptr_t, uintptr_t)",
    }),
    sizeBytes: 32,
  };
  return {
    ...others,
    hmacSha1: (key, message) => hmac.make(sha1, key, message) ?? others.hmacSha1(key, message),
    hmacSha256: (key, message) => hmac.make(sha256, key, message) ?? others.hmacSha256(key, message),
  };
}
