/**
 * JSON between bytes and ng values.
 *
 * On the wire it is UTF-8, inside text is latin1, one character a byte. What comes in is kept as its UTF-8 bytes; what
 * goes out is read as UTF-8 again, so a body passes through unchanged. Bytes that are no UTF-8 (a call set up by a
 * bencode client) go out as the latin1 characters of the same number. `true` and `false` are 1 and 0 as in rtpengine,
 * members that are null are left out, a fraction is kept as text.
 */
import { Buffer, isAscii, isUtf8 } from "node:buffer";
import { controlElementsMax, controlNestingMax } from "../../core/limits.ts";
import { isDict, isList, type NgDict, type NgList, type NgValue } from "./value.ts";

/** The object in the bytes, or undefined if they are not one JSON object within the limits. */
export function decodeJson(bytes: Uint8Array): NgDict | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isPlain = isAscii(buffer);
  if (!isPlain && !isUtf8(buffer)) return undefined;
  const text = buffer.toString(isPlain ? "latin1" : "utf8");
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined;
  }
  // Only an escape can bring another character into a document of ASCII.
  const value = new Converter(isPlain && !text.includes("\\u")).value(document, 0);
  return value !== absent && isDict(value) ? value : undefined;
}

/** Stands for a JSON null, which has no ng value. */
const absent = Symbol("null");

class Converter {
  /** All texts are ASCII, which is UTF-8 and latin1 alike. */
  readonly #isAscii: boolean;
  #elements = 0;

  constructor(isAscii: boolean) {
    this.#isAscii = isAscii;
  }

  value(json: unknown, depth: number): NgValue | typeof absent | undefined {
    this.#elements++;
    if (depth > controlNestingMax || this.#elements > controlElementsMax) return undefined;
    switch (typeof json) {
      case "string":
        return this.#text(json);
      case "number":
        return Number.isSafeInteger(json) ? json : String(json);
      case "boolean":
        return json ? 1 : 0;
      default:
        if (json === null) return absent;
        return Array.isArray(json) ? this.#list(json, depth) : this.#dict(json as object, depth);
    }
  }

  #list(json: readonly unknown[], depth: number): NgValue[] | undefined {
    const list: NgValue[] = [];
    for (const element of json) {
      const value = this.value(element, depth + 1);
      if (value === undefined) return undefined;
      if (value !== absent) list.push(value);
    }
    return list;
  }

  #dict(json: object, depth: number): NgDict | undefined {
    const dict = new Map<string, NgValue>();
    for (const key of Object.keys(json)) {
      const value = this.value((json as Readonly<Record<string, unknown>>)[key], depth + 1);
      if (value === undefined) return undefined;
      if (value !== absent) dict.set(this.#text(key), value);
    }
    return dict;
  }

  #text(text: string): string {
    return this.#isAscii ? text : latin1OfText(text);
  }
}

/** JSON as latin1 text: the UTF-8 bytes one character each. */
export function encodeJson(value: NgValue): string {
  if (typeof value === "string") return encodeText(value);
  if (typeof value === "number") return String(value);
  if (isList(value)) return encodeList(value);
  let text = "{";
  for (const [key, member] of value) {
    if (text.length > 1) text += ",";
    text += `${encodeText(key)}:`;
    text += typeof member === "string" ? encodeText(member) : encodeJson(member);
  }
  return `${text}}`;
}

function encodeList(list: NgList): string {
  let text = "[";
  for (const element of list) {
    if (text.length > 1) text += ",";
    text += encodeJson(element);
  }
  return `${text}]`;
}

/** Texts up to this length are looked through here; a call into the engine's own code would cost more. */
const shortText = 32;

const beyondAscii = /[^\0-\x7f]/;

function encodeText(latin1: string): string {
  if (latin1.length <= shortText && isPlain(latin1)) return `"${latin1}"`;
  if (!beyondAscii.test(latin1)) return JSON.stringify(latin1);
  const bytes = Buffer.from(latin1, "latin1");
  return latin1OfText(JSON.stringify(isUtf8(bytes) ? bytes.toString("utf8") : latin1));
}

/** Printable ASCII but for quote and backslash: stands in JSON as it is. Keys and most values are that. */
function isPlain(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code > 0x7e || code === quote || code === backslash) return false;
  }
  return true;
}

const quote = 0x22;
const backslash = 0x5c;

function latin1OfText(text: string): string {
  return beyondAscii.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}
