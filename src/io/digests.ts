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
