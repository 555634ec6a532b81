/** SRTP of the generator's streams, by the relay's own transforms: each stream is a pair of slots with the keys of its two ends. */
import type { SrtpKey } from "../src/core/plan/security.ts";
import type { Arena } from "../src/io/linux/arena.ts";
import { OpenSslEngine, openSslEngineBytes } from "../src/io/linux/srtp-openssl.ts";
import { PacketCrypto, srtpHandlesMax } from "../src/srtp/packet-crypto.ts";
import { suiteFacts } from "../src/srtp/suites.ts";
import type { InlineKey, Stream } from "./frames.ts";

export const streamCryptoBytes = openSslEngineBytes;

export class StreamCrypto {
  readonly #crypto: PacketCrypto;

  constructor(arena: Arena, streams: readonly Stream[]) {
    const engine = new OpenSslEngine({
      arena: arena.bytes,
      offset: arena.reserve(streamCryptoBytes),
      handlesMax: srtpHandlesMax(2 * streams.length),
      way: "kept",
    });
    this.#crypto = new PacketCrypto(engine, arena.bytes, 2 * streams.length);
    for (const [index, { fromKey, toKey }] of streams.entries()) {
      const receive = toKey === undefined ? [] : [srtpKey(toKey)];
      this.#crypto.setKeys(2 * index, receive, fromKey === undefined ? undefined : srtpKey(fromKey));
    }
  }

  /** In place; the size on the wire. */
  protect(stream: number, offset: number, sizeBytes: number): number {
    return this.#crypto.hasSendKey(2 * stream)
      ? this.#crypto.protectRtp(2 * stream, offset, sizeBytes)
      : sizeBytes;
  }

  /** In place; false for what the relay did not protect as agreed. */
  unprotect(stream: number, offset: number, sizeBytes: number): boolean {
    if (!this.#crypto.hasReceiveKeys(2 * stream)) return true;
    return this.#crypto.unprotectRtp(2 * stream, offset, sizeBytes) > 0;
  }
}

/** Bytes that the sending party's tag adds. */
export function tagBytesOf(stream: Stream): number {
  return stream.fromKey === undefined ? 0 : suiteFacts(stream.fromKey.suite).tagBytes;
}

function srtpKey({ suite, inline }: InlineKey): SrtpKey {
  const bytes = Buffer.from(inline, "base64");
  const { keyBytes } = suiteFacts(suite);
  return {
    suite,
    masterKey: bytes.subarray(0, keyBytes),
    masterSalt: bytes.subarray(keyBytes),
    mki: undefined,
    encryptsRtp: true,
    encryptsRtcp: true,
    authenticatesRtp: true,
  };
}
