/** The binary records a worker sends to main. */
import { type Endpoint, ipFromWords } from "../core/address.ts";
import type { Evidence, SourceNote } from "../core/plan/plan.ts";

export const eventKind = { closed: 1, proven: 2, stopped: 3, noted: 4 } as const;

/** `source`: five words. `note`: a code of `handoverNote`, of noted events. */
export const eventField = { kind: 0, slot: 1, generation: 2, evidence: 3, source: 4, note: 9 } as const;

/** By `evidenceCode`; 0 is no evidence. */
const evidenceNames: readonly (Evidence | undefined)[] = [
  undefined,
  "cryptographic",
  "signalled",
  "continuity",
  "same-place",
  "first-speaker",
  "new-generation",
  "override",
];

export function evidenceName(code: number): Evidence | undefined {
  return evidenceNames[code];
}

/** By `handoverNote`. */
const noteNames: readonly (SourceNote | undefined)[] = [
  undefined,
  "proven",
  "switched",
  "rolled-back",
  "struck",
  "refused",
  "held",
  "twin",
];

export function noteName(code: number): SourceNote | undefined {
  return noteNames[code];
}

/** Reads five words, or doubles, as an endpoint; undefined for port 0. */
export function readEndpoint(words: Int32Array | Float64Array, at: number): Endpoint | undefined {
  // A double in one endpoint would make V8 convert every endpoint there is, one by one.
  const port = words[at + 4]! | 0;
  if (port === 0) return undefined;
  return { ip: ipFromWords(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!), port };
}
