/** From a decoded message to what it asks for: keys, the list of flags, and `rtpp-flags`. */
import { flagWords } from "./flag-words.ts";
import { keyWords } from "./key-words.ts";
import { type NgRequest, newRequest, quoted } from "./request.ts";
import { parseRtppFlags } from "./rtpp-flags.ts";
import type { NgDict, NgValue } from "./value.ts";
import { wordsOf } from "./value.ts";
import { type Key, normalise, noteEffect, useListWord, useWord } from "./word-table.ts";

/** `replace-` and its like, longest first, so that `sdp-attr-add-` is not taken for a shorter one. */
const flagPrefixes: readonly (readonly [string, Key])[] = keyWords.entries
  .filter((key) => key.isFlagPrefix === true)
  .flatMap((key) => key.names.map((name) => [`${normalise(name)}-`, key] as const))
  .sort((a, b) => b[0].length - a[0].length);

export function readRequest(command: string, dict: NgDict): NgRequest {
  const request = newRequest(command);
  for (const [name, value] of dict) readKey(request, name, value);
  return request;
}

function readKey(request: NgRequest, name: string, value: NgValue): void {
  const key = keyWords.find(name);
  if (key === undefined) {
    request.warnings.push(`Unknown key: ${quoted(name)}`);
    return;
  }
  switch (key.names[0]) {
    case "flags":
      for (const flag of wordsOf(value)) readFlag(request, flag);
      return;
    case "rtpp-flags":
      if (typeof value === "string") readRtppFlags(request, value);
      return;
    default:
      useKey(request, key, value);
  }
}

function useKey(request: NgRequest, key: Key, value: NgValue): void {
  if (key.words === undefined) noteEffect(request, key.effect, key.names[0] ?? "");
  if (key.read !== undefined) key.read(request, value);
  else if (key.words !== undefined) {
    const words = wordsOf(typeof value === "number" ? String(value) : value);
    for (const word of words) useListWord(request, key, word);
  }
}

function readFlag(request: NgRequest, flag: string): void {
  const word = flagWords.find(flag);
  if (word !== undefined) {
    useWord(request, word, flag);
    return;
  }
  const normal = normalise(flag);
  for (const [prefix, key] of flagPrefixes) {
    if (normal.length > prefix.length && normal.startsWith(prefix)) {
      useKey(request, key, [flag.slice(prefix.length)]);
      return;
    }
  }
  request.warnings.push(`Unknown flag: ${quoted(flag)}`);
}

function readRtppFlags(request: NgRequest, text: string): void {
  const parsed = parseRtppFlags(text);
  if (parsed.isMalformed) request.warnings.push("Part of 'rtpp-flags' is malformed and was ignored");
  for (const entry of parsed.entries) {
    if (entry.value === undefined) readFlag(request, entry.name);
    else if (keyWords.find(entry.name)?.names[0] === "rtpp-flags") continue;
    else {
      readKey(request, entry.name, entry.value);
      // A tag that a script names is one it wants used.
      if (normalise(entry.name) === "to-tag") request.usesToTag = true;
    }
  }
}
