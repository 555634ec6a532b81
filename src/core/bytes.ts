/** Small pieces of memory that soon go again. */
import { Buffer } from "node:buffer";

/**
 * Bytes of the caller's own out of node's pool, not zeroed. An array of more than 64 bytes is otherwise an allocation
 * outside of V8's heap, which costs six times as much. Whoever keeps a piece copies it: it keeps 8 KiB from being freed.
 */
export function pooledBytes(sizeBytes: number): Uint8Array {
  const { buffer, byteOffset } = Buffer.allocUnsafe(sizeBytes);
  // No Buffer: its `slice` gives a view, that of everything else a copy.
  return new Uint8Array(buffer, byteOffset, sizeBytes);
}

/** The same with the bytes of another in it. */
export function pooledCopy(bytes: Uint8Array): Uint8Array {
  const copy = pooledBytes(bytes.length);
  copy.set(bytes);
  return copy;
}
