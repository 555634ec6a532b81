/**
 * The vocabulary of ng: every key and flag has one entry, which says what becomes of it and carries it out. The tables
 * built of these entries are the only place that knows a word, and docs/ng.md shows them.
 */

import { type NgRequest, quoted } from "./request.ts";
import type { NgValue } from "./value.ts";

/**
 * - applied: does what it says
 * - accepted: nothing to be done: obsolete, for another command, or it asks for less than we do anyway
 * - warned: an extra we do not have; the call goes on, the reply and the log say so
 * - refused: going on would give the peer what it cannot use, or let media pass that shall not: an error reply
 */
export type Effect = "applied" | "accepted" | "warned" | "refused";

export interface Word {
  /** Documented spelling first, then other names; `-`, `_` and space are one, and so are capitals and small letters. */
  readonly names: readonly string[];
  readonly effect: Effect;
  readonly about: string;
  readonly apply?: (request: NgRequest) => void;
}

export interface Key {
  readonly names: readonly string[];
  /** For keys with `words` each word has its own. */
  readonly effect: Effect;
  readonly about: string;
  /** The key takes one or several of these words. */
  readonly words?: WordTable<Word>;
  /** Its words are flags too: `replace-origin` is `replace=[origin]`. */
  readonly isFlagPrefix?: boolean;
  readonly read?: (request: NgRequest, value: NgValue) => void;
}

/** One spelling for a word: small letters and hyphens. As long as the word was, so that a rest can be cut off both. */
export function normalise(word: string): string {
  return word.toLowerCase().replace(/[ _]/g, "-");
}

export class WordTable<Entry extends { readonly names: readonly string[] }> {
  readonly entries: readonly Entry[];
  readonly #byName = new Map<string, Entry>();

  constructor(entries: readonly Entry[]) {
    this.entries = entries;
    for (const entry of entries) {
      for (const name of entry.names) {
        const key = normalise(name);
        if (this.#byName.has(key)) throw new Error(`word-table: ${name} stands twice`);
        this.#byName.set(key, entry);
      }
    }
    // The documented spelling is what most proxies send; it is found as it is.
    for (const entry of entries) for (const name of entry.names) this.#byName.set(name, entry);
  }

  find(word: string): Entry | undefined {
    return this.#byName.get(word) ?? this.#byName.get(normalise(word));
  }
}

export function useWord(request: NgRequest, word: Word, shown: string): void {
  noteEffect(request, word.effect, shown);
  word.apply?.(request);
}

export function noteEffect(request: NgRequest, effect: Effect, shown: string): void {
  if (effect === "warned") request.lacks.push(`${quoted(shown)} is not supported and has no effect`);
  else if (effect === "refused") request.refusal ??= `${quoted(shown)} is not supported`;
}

/** The words of a list key, or of a flag with its prefix. */
export function useListWord(request: NgRequest, key: Key, text: string): void {
  const word = key.words?.find(text);
  const name = key.names[0] ?? "";
  if (word === undefined) request.warnings.push(`Unknown '${name}' value: ${quoted(text)}`);
  else useWord(request, word, `${name}=${text}`);
}

/** A word that sets something. */
export function applied(names: string, about: string, apply: (request: NgRequest) => void): Word {
  return { names: names.split("|"), effect: "applied", about, apply };
}

export function accepted(names: string, about: string): Word {
  return { names: names.split("|"), effect: "accepted", about };
}

export function warned(names: string, about: string): Word {
  return { names: names.split("|"), effect: "warned", about };
}

export function refused(names: string, about: string): Word {
  return { names: names.split("|"), effect: "refused", about };
}
