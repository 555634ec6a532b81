/**
 * JSON between bytes and ng values.
 *
 * On the wire it is UTF-8, inside text is latin1, one character a byte. What comes in is kept as its UTF-8 bytes; what
 * goes out is read as UTF-8 again, so a body passes through unchanged. Bytes that are no UTF-8 (a call set up by a
 * bencode client) go out as the latin1 characters of the same number. `true` and `false` are 1 and 0 as in rtpengine,
 * members that are null are left out, a fraction is kept as text.
 */
import { Buffer, isUtf8 } from "node:buffer";
import { controlElementsMax, controlNestingMax } from "../../core/limits.ts";
import { isDict, isList, type NgDict, type NgValue } from "./value.ts";

/** The object in the bytes, or undefined if they are not one JSON object within the limits. */
export function decodeJson(bytes: Uint8Array): NgDict | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isUtf8(buffer)) return undefined;
  let document: unknown;
  try {
    document = JSON.parse(buffer.toString("utf8"));
  } catch {
    return undefined;
  }
  const value = new Converter().value(document, 0);
  return value !== absent && isDict(value) ? value : undefined;
}

/** Stands for a JSON null, which has no ng value. */
const absent = Symbol("null");

class Converter {
  #elements = 0;

  value(json: unknown, depth: number): NgValue | typeof absent | undefined {
    this.#elements++;
    if (depth > controlNestingMax || this.#elements > controlElementsMax) return undefined;
    switch (typeof json) {
      case "string":
        return latin1OfText(json);
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
    for (const [key, member] of Object.entries(json)) {
      const value = this.value(member, depth + 1);
      if (value === undefined) return undefined;
      if (value !== absent) dict.set(latin1OfText(key), value);
    }
    return dict;
  }
}

/** JSON as latin1 text: the UTF-8 bytes one character each. */
export function encodeJson(value: NgValue): string {
  if (typeof value === "string") return encodeText(value);
  if (typeof value === "number") return String(value);
  if (isList(value)) return `[${value.map(encodeJson).join(",")}]`;
  let members = "";
  for (const [key, member] of value) {
    if (members !== "") members += ",";
    members += `${encodeText(key)}:${encodeJson(member)}`;
  }
  return `{${members}}`;
}

/** Printable ASCII but for quote and backslash: stands in JSON as it is. Keys and most values are that. */
const plainText = /^[ !#-[\]-~]*$/;

function encodeText(latin1: string): string {
  if (plainText.test(latin1)) return `"${latin1}"`;
  if (isAscii(latin1)) return JSON.stringify(latin1);
  const bytes = Buffer.from(latin1, "latin1");
  return latin1OfText(JSON.stringify(isUtf8(bytes) ? bytes.toString("utf8") : latin1));
}

function latin1OfText(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}
