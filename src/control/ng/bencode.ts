/**
 * Bencode (BEP 3) between bytes and ng values.
 *
 * Keys may come in any order, as Kamailio and OpenSIPS send them; of a repeated key the last value counts. Refused are
 * leading zeros, `-0`, integers beyond 2^53, truncation, anything but white space after the end, and documents beyond
 * the limits on nesting and elements. Dictionaries are written in the order of the map, as rtpengine does.
 */
import { Buffer } from "node:buffer";
import { controlElementsMax, controlNestingMax } from "../../core/limits.ts";
import { isDict, isList, type NgDict, type NgValue } from "./value.ts";

const code = {
  space: 0x20,
  minus: 0x2d,
  zero: 0x30,
  nine: 0x39,
  colon: 0x3a,
  d: 0x64,
  e: 0x65,
  i: 0x69,
  l: 0x6c,
};
const digitsMax = 16;

/** The dictionary in the bytes, or undefined if they are not one whole bencode dictionary. */
export function decodeBencode(bytes: Uint8Array): NgDict | undefined {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  return isDict(value) && reader.isAtEnd() ? value : undefined;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  #elements = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** True when only white space is left: people type messages into `nc`, which adds a line end. */
  isAtEnd(): boolean {
    for (let at = this.#at; at < this.#bytes.length; at++) {
      const byte = this.#bytes[at] ?? 0;
      if (byte !== code.space && (byte < 0x09 || byte > 0x0d)) return false;
    }
    return true;
  }

  value(depth: number): NgValue | undefined {
    this.#elements++;
    if (depth > controlNestingMax || this.#elements > controlElementsMax) return undefined;
    switch (this.#bytes[this.#at]) {
      case code.d:
        this.#at++;
        return this.#dict(depth);
      case code.l:
        this.#at++;
        return this.#list(depth);
      case code.i:
        this.#at++;
        return this.#integer();
      default:
        return this.#text();
    }
  }

  #dict(depth: number): NgDict | undefined {
    const dict = new Map<string, NgValue>();
    while (this.#bytes[this.#at] !== code.e) {
      const key = this.#text();
      if (key === undefined) return undefined;
      const value = this.value(depth + 1);
      if (value === undefined) return undefined;
      dict.set(key, value);
    }
    this.#at++;
    return dict;
  }

  #list(depth: number): NgValue[] | undefined {
    const list: NgValue[] = [];
    while (this.#bytes[this.#at] !== code.e) {
      const value = this.value(depth + 1);
      if (value === undefined) return undefined;
      list.push(value);
    }
    this.#at++;
    return list;
  }

  #integer(): number | undefined {
    const isNegative = this.#bytes[this.#at] === code.minus;
    if (isNegative) this.#at++;
    const magnitude = this.#digits(code.e);
    if (magnitude === undefined || (isNegative && magnitude === 0)) return undefined;
    return isNegative ? -magnitude : magnitude;
  }

  #text(): string | undefined {
    const sizeBytes = this.#digits(code.colon);
    if (sizeBytes === undefined || sizeBytes > this.#bytes.length - this.#at) return undefined;
    const start = this.#at;
    this.#at += sizeBytes;
    // Copied, not sliced off one big string: a call keeps its call-id for hours and must not keep the message with it.
    return this.#bytes.toString("latin1", start, this.#at);
  }

  /** A number without leading zeros, and the byte that ends it. */
  #digits(end: number): number | undefined {
    const start = this.#at;
    let value = 0;
    for (; ; this.#at++) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || byte < code.zero || byte > code.nine) break;
      value = value * 10 + (byte - code.zero);
    }
    const count = this.#at - start;
    if (count === 0 || count > digitsMax || !Number.isSafeInteger(value)) return undefined;
    if (count > 1 && this.#bytes[start] === code.zero) return undefined;
    if (this.#bytes[this.#at] !== end) return undefined;
    this.#at++;
    return value;
  }
}

/** Bencode as latin1 text. Numbers must be safe integers, characters at most 0xff. */
export function encodeBencode(value: NgValue): string {
  if (typeof value === "string") return `${value.length}:${value}`;
  if (typeof value === "number") return `i${value}e`;
  if (isList(value)) {
    let text = "l";
    for (const element of value) text += encodeBencode(element);
    return `${text}e`;
  }
  let text = "d";
  for (const [key, element] of value) text += `${key.length}:${key}${encodeBencode(element)}`;
  return `${text}e`;
}
