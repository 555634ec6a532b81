/** Randomness of the operating system: for tags, keys and ports alike. */
import { randomBytes, randomInt } from "node:crypto";
import type { Random } from "../core/random.ts";

export const systemRandom: Random = {
  bytes: (sizeBytes) => randomBytes(sizeBytes),
  below: (limit) => (limit <= 1 ? 0 : randomInt(limit)),
};
