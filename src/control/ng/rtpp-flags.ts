/**
 * `rtpp-flags`: the flag text of a Kamailio script as it stands, for the relay to parse.
 *
 *   text  = *( SP / word / name "=" value )      value = bare / "[" list-or-dict "]"
 *   list  = *( SP / bare / "[" ... "]" )         dict  = *( SP / name "=" value )
 *
 * A bracket holds a dictionary if its first element is `name=value`, else a list. Words for transports (`RTP`, `SRTP`,
 * `AVP`, `AVPF`, `DTLS` or a whole profile) add up to one `transport-protocol`; `internal`, `external` and each
 * `direction=` name first our side, then the peer's. What makes no sense is left out and the rest is used.
 */
import { controlElementsMax, controlNestingMax } from "../../core/limits.ts";
import type { NgDict, NgValue } from "./value.ts";

export interface RtppEntry {
  readonly name: string;
  /** undefined: a flag, not a key. */
  readonly value: NgValue | undefined;
}

export interface RtppFlags {
  readonly entries: readonly RtppEntry[];
  /** Something was left out: a bracket out of place, or beyond the limits. */
  readonly isMalformed: boolean;
}

/** Bits of a transport: 1 SRTP, 2 feedback, 4 DTLS; `set` says one was named at all. */
const transportBit = { srtp: 1, feedback: 2, dtls: 4, set: 0x100 } as const;
const transportNames: readonly (string | undefined)[] = [
  "RTP/AVP",
  "RTP/SAVP",
  "RTP/AVPF",
  "RTP/SAVPF",
  "UDP/TLS/RTP/SAVP",
  undefined,
  "UDP/TLS/RTP/SAVPF",
];

/** How a word changes the bits; undefined: no transport word. */
function transportAfter(word: string, bits: number): number | undefined {
  switch (word) {
    case "RTP":
      return (bits | transportBit.set) & ~transportBit.srtp;
    case "AVP":
      return (bits | transportBit.set) & ~transportBit.feedback;
    case "SRTP":
      return bits | transportBit.set | transportBit.srtp;
    case "AVPF":
      return bits | transportBit.set | transportBit.feedback;
    case "DTLS":
      return bits | transportBit.set | transportBit.dtls;
    default: {
      const profile = transportNames.indexOf(word);
      return profile < 0 ? undefined : transportBit.set | profile;
    }
  }
}

export function parseRtppFlags(text: string): RtppFlags {
  const scanner = new Scanner(text);
  const entries: RtppEntry[] = [];
  let transport = 0;
  let directions = 0;
  for (let raw = scanner.next(); raw !== undefined; raw = scanner.next()) {
    const bits = raw.value === undefined ? transportAfter(raw.name, transport) : undefined;
    const side = directionOf(raw);
    if (bits !== undefined) transport = bits;
    else if (side !== undefined) {
      const name = ["from-interface", "to-interface"][directions++];
      if (name !== undefined) entries.push({ name, value: side });
    } else entries.push(raw);
  }
  if (transport !== 0) {
    // DTLS with SRTP's bit, as in `SRTP AVPF DTLS`, is DTLS all the same.
    const index = (transport & transportBit.dtls) === 0 ? transport & 7 : transport & 6;
    const value = transportNames[index];
    if (value !== undefined) entries.push({ name: "transport-protocol", value });
  }
  return { entries, isMalformed: scanner.isMalformed };
}

/** `internal`, `external` or `direction=name`. */
function directionOf(entry: RtppEntry): string | undefined {
  if (entry.value === undefined) {
    return entry.name === "internal" || entry.name === "external" ? entry.name : undefined;
  }
  return entry.name === "direction" && typeof entry.value === "string" ? entry.value : undefined;
}

class Scanner {
  readonly #text: string;
  #at = 0;
  #elements = 0;
  #isMalformed = false;

  constructor(text: string) {
    this.#text = text;
  }

  get isMalformed(): boolean {
    return this.#isMalformed;
  }

  /** The next word or `name=value` outside brackets. */
  next(): RtppEntry | undefined {
    for (;;) {
      this.#skipSpace();
      if (this.#at >= this.#text.length || !this.#mayGoOn(0)) return undefined;
      if (this.#text[this.#at] === "[") {
        this.#isMalformed = true;
        this.#bracket(1);
        continue;
      }
      const name = this.#until(" =");
      if (this.#text[this.#at] !== "=") return { name, value: undefined };
      this.#at++;
      const value = this.#text[this.#at] === "[" ? this.#bracket(1) : this.#until(" ");
      return { name, value: value === "" ? undefined : value };
    }
  }

  /** Counts an element; false beyond the limits, and then the rest of the text is given up. */
  #mayGoOn(depth: number): boolean {
    this.#elements++;
    if (this.#elements <= controlElementsMax && depth <= controlNestingMax) return true;
    this.#isMalformed = true;
    this.#at = this.#text.length;
    return false;
  }

  #skipSpace(): void {
    while (this.#text[this.#at] === " ") this.#at++;
  }

  #until(stops: string): string {
    const start = this.#at;
    while (this.#at < this.#text.length && !stops.includes(this.#text[this.#at] ?? "")) this.#at++;
    return this.#text.slice(start, this.#at);
  }

  /** From `[` to behind its `]`. */
  #bracket(depth: number): NgValue {
    this.#at++;
    this.#skipSpace();
    if (!this.#mayGoOn(depth)) return [];
    return this.#startsDict() ? this.#dict(depth) : this.#list(depth);
  }

  /** Looks ahead: `name=` and something behind it. */
  #startsDict(): boolean {
    return /^[^\s[\]=]+=[^\s\]]/.test(this.#text.slice(this.#at, this.#at + 256));
  }

  #list(depth: number): NgValue[] {
    const list: NgValue[] = [];
    while (!this.#closes() && this.#mayGoOn(depth)) {
      list.push(this.#text[this.#at] === "[" ? this.#bracket(depth + 1) : this.#until(" ]"));
    }
    return list;
  }

  #dict(depth: number): NgDict {
    const dict = new Map<string, NgValue>();
    while (!this.#closes() && this.#mayGoOn(depth)) {
      const name = this.#until(" =]");
      if (name === "" || this.#text[this.#at] !== "=") {
        this.#isMalformed = true;
        // Step over what cannot be a name, so that the scan always moves on.
        if (this.#text[this.#at] === "=") this.#at++;
        this.#skipSpace();
        if (this.#text[this.#at] === "[") this.#bracket(depth + 1);
        continue;
      }
      this.#at++;
      dict.set(name, this.#text[this.#at] === "[" ? this.#bracket(depth + 1) : this.#until(" ]"));
    }
    return dict;
  }

  /** True behind the closing bracket, or at the end of a text that lacks it. */
  #closes(): boolean {
    this.#skipSpace();
    if (this.#at >= this.#text.length) {
      this.#isMalformed = true;
      return true;
    }
    if (this.#text[this.#at] !== "]") return false;
    this.#at++;
    return true;
  }
}
