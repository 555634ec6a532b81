/** Randomness of the operating system: for tags, keys and ports alike. */
import { randomBytes, randomInt } from "node:crypto";
import type { Random } from "../core/random.ts";

/** So many 32-bit words. */
export function randomWords(count: number): Int32Array {
  return crypto.getRandomValues(new Int32Array(count));
}

export const systemRandom: Random = {
  bytes: (sizeBytes) => randomBytes(sizeBytes),
  below: (limit) => (limit <= 1 ? 0 : randomInt(limit)),
};
