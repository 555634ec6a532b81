/** Hashes that pure rooms need; the edge hands in an implementation. */
export interface Digests {
  hmacSha1(key: Uint8Array, message: Uint8Array): Uint8Array;
  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array;
  md5(message: Uint8Array): Uint8Array;
  sha256(message: Uint8Array): Uint8Array;
  /** Takes the same time wherever the two differ; false when their lengths do. */
  isEqual(a: Uint8Array, b: Uint8Array): boolean;
}
