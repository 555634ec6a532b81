/** Where chance comes from. The simulator hands in a seeded one; keys and tags always use the real one. */
export interface Random {
  /** Fresh bytes, `sizeBytes` of them. */
  bytes(sizeBytes: number): Uint8Array;
  /** A whole number in [0, limit), limit at most 2^32. */
  below(limit: number): number;
}
