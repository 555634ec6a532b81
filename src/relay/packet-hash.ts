/**
 * A keyed hash of packets: HalfSipHash-2-4 with 32 bits of output (J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast
 * short-input PRF", 2012; the variant on 32-bit words). Who does not know the key cannot make two packets with one hash.
 */

/** Words of a key, to be drawn at random. */
export const packetHashKeyWords = 2;

export class PacketHash {
  readonly #key: Int32Array;
  #v0 = 0;
  #v1 = 0;
  #v2 = 0;
  #v3 = 0;

  /** `key`: `packetHashKeyWords` words. */
  constructor(key: Int32Array) {
    this.#key = key.slice(0, packetHashKeyWords);
  }

  /** A whole number from 0 to 2^32 - 1. */
  of(bytes: Uint8Array, offset: number, sizeBytes: number): number {
    const key0 = this.#key[0]!;
    const key1 = this.#key[1]!;
    this.#v0 = key0;
    this.#v1 = key1;
    this.#v2 = 0x6c796765 ^ key0;
    this.#v3 = 0x74656462 ^ key1;
    const end = offset + sizeBytes;
    const wordsEnd = end - (sizeBytes & 3);
    for (let at = offset; at < wordsEnd; at += 4) this.#take(word(bytes, at, at + 4));
    this.#take((sizeBytes << 24) | word(bytes, wordsEnd, end));
    this.#v2 ^= 0xff;
    for (let round = 0; round < 4; round++) this.#round();
    return (this.#v1 ^ this.#v3) >>> 0;
  }

  #take(value: number): void {
    this.#v3 ^= value;
    this.#round();
    this.#round();
    this.#v0 ^= value;
  }

  #round(): void {
    let v0 = this.#v0;
    let v1 = this.#v1;
    let v2 = this.#v2;
    let v3 = this.#v3;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }
}

/** Up to four bytes as a little-endian word. */
function word(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let index = at, shift = 0; index < end; index++, shift += 8) value |= bytes[index]! << shift;
  return value;
}
