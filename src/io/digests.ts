/** Hashes by node's own OpenSSL. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Digests } from "../core/digests.ts";

export const systemDigests: Digests = {
  hmacSha1: (key, message) => createHmac("sha1", key).update(message).digest(),
  hmacSha256: (key, message) => createHmac("sha256", key).update(message).digest(),
  md5: (message) => createHash("md5").update(message).digest(),
  sha256: (message) => createHash("sha256").update(message).digest(),
  isEqual: (a, b) => a.length === b.length && timingSafeEqual(a, b),
};

/** The fastest that is right here: for who hashes with every request. */
export async function openDigests(): Promise<Digests> {
  try {
    // Loaded late: where there is no FFI the module itself fails.
    const { openNativeDigests } = await import("./linux/digests.ts");
    const digests = openNativeDigests(systemDigests);
    return isRight(digests) ? digests : systemDigests;
  } catch {
    return systemDigests;
  }
}

/** Sizes about one and two blocks of the hash, of key and message. */
function isRight(digests: Digests): boolean {
  for (const size of [0, 1, 55, 56, 63, 64, 65, 119, 120, 2_048, 2_049]) {
    const message = Uint8Array.from({ length: size }, (_, at) => at * 7);
    const key = message.subarray(0, 65);
    for (const name of ["hmacSha1", "hmacSha256"] as const) {
      if (!digests.isEqual(digests[name](key, message), systemDigests[name](key, message))) return false;
    }
  }
  return true;
}
