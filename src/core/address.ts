/**
 * IP addresses and transport endpoints as plain values.
 *
 * An `IpAddress` is canonical text (dotted quad, or RFC 5952 for IPv6), so two addresses are equal exactly when
 * their strings are. Text that is not an address, host names included, is refused, never resolved.
 */

export type IpAddress = string & { readonly __kind: "ip-address" };
export type IpFamily = 4 | 6;

/** An address as four 32-bit words, see `ipToWords`. */
export type IpWords = readonly [number, number, number, number];

export interface Endpoint {
  readonly ip: IpAddress;
  readonly port: number;
}

/** Canonical form of an address, or undefined. Accepts no zone, no brackets, no leading zeros in a quad. */
export function parseIp(text: string): IpAddress | undefined {
  if (text.length > 45) return undefined;
  if (!text.includes(":")) {
    const word = parseQuad(text);
    return word === undefined ? undefined : formatQuad(word);
  }
  const words = parseIpWords(text);
  return words === undefined ? undefined : (compressGroups(words) as IpAddress);
}

export function familyOf(ip: IpAddress): IpFamily {
  return ip.includes(":") ? 6 : 4;
}

/** `192.0.2.1:5004` or `[2001:db8::1]:5004`. */
export function formatEndpoint(endpoint: Endpoint): string {
  return familyOf(endpoint.ip) === 6
    ? `[${endpoint.ip}]:${endpoint.port}`
    : `${endpoint.ip}:${endpoint.port}`;
}

/** Reads `HOST:PORT` and `[V6]:PORT`. Port 0 is allowed. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const split = text.lastIndexOf(":");
  if (split <= 0) return undefined;
  const portText = text.slice(split + 1);
  if (!/^[0-9]{1,5}$/.test(portText)) return undefined;
  const port = Number(portText);
  let host = text.slice(0, split);
  const isBracketed = host.startsWith("[") && host.endsWith("]");
  if (isBracketed) host = host.slice(1, -1);
  const ip = parseIp(host);
  if (ip === undefined || port > 65535 || (familyOf(ip) === 6) !== isBracketed) return undefined;
  return { ip, port };
}

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.ip === b.ip;
}

/** 0.0.0.0 and ::, which SDP uses to say "do not send" (RFC 3264 section 8.4). */
export function isUnspecified(ip: IpAddress): boolean {
  return ip === "0.0.0.0" || ip === "::";
}

/**
 * The address as four 32-bit words in network order; IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), so both
 * families share one comparison on packet paths.
 */
export function ipToWords(ip: IpAddress): IpWords {
  if (!ip.includes(":")) return [0, 0, 0xffff, quadToWord(ip)];
  const groups = parseIpWords(ip);
  if (groups === undefined) throw new Error("ipToWords: not a canonical address");
  const word = (index: number): number => (((groups[index] ?? 0) << 16) | (groups[index + 1] ?? 0)) >>> 0;
  return [word(0), word(2), word(4), word(6)];
}

/**
 * The last of an IPv4 address's words. It is canonical, so digits and three dots; read without making anything, as
 * every hint and target comes through here.
 */
export function quadToWord(ip: IpAddress): number {
  let word = 0;
  let byte = 0;
  for (let at = 0; at < ip.length; at++) {
    const code = ip.charCodeAt(at);
    if (code === dot) {
      word = (word << 8) | byte;
      byte = 0;
    } else {
      byte = byte * 10 + code - digitZero;
    }
  }
  return ((word << 8) | byte) >>> 0;
}

const dot = 0x2e;
const digitZero = 0x30;

/** The inverse of `ipToWords`; an IPv4-mapped address comes back as IPv4. */
export function ipFromWords(w0: number, w1: number, w2: number, w3: number): IpAddress {
  if (w0 === 0 && w1 === 0 && w2 >>> 0 === 0xffff) return formatQuad(w3);
  const groups = [w0, w1, w2, w3].flatMap((word) => [(word >>> 16) & 0xffff, word & 0xffff]);
  return compressGroups(groups) as IpAddress;
}

/** Eight 16-bit groups of an IPv6 address, or undefined. */
function parseIpWords(text: string): readonly number[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? "", true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

function parseGroups(text: string, mayEndInQuad: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (mayEndInQuad && index === parts.length - 1 && part.includes(".")) {
      const quad = parseQuad(part);
      if (quad === undefined) return undefined;
      groups.push(quad >>> 16, quad & 0xffff);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

/** Of a dotted quad, without leading zeros; undefined for anything else. */
function parseQuad(text: string): number | undefined {
  let word = 0;
  let byte = 0;
  let digits = 0;
  let dots = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === dot) {
      if (digits === 0) return undefined;
      word = (word << 8) | byte;
      byte = 0;
      digits = 0;
      dots++;
    } else {
      const digit = code - digitZero;
      if (digit < 0 || digit > 9 || (digits > 0 && byte === 0)) return undefined;
      byte = byte * 10 + digit;
      digits++;
      if (byte > 255) return undefined;
    }
  }
  return dots === 3 && digits > 0 ? ((word << 8) | byte) >>> 0 : undefined;
}

function formatQuad(word: number): IpAddress {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}` as IpAddress;
}

/** RFC 5952 section 4: lower case, no leading zeros, the first longest run of two or more zero groups as `::`. */
function compressGroups(groups: readonly number[]): string {
  let bestStart = -1;
  let bestCount = 1;
  for (let start = 0; start < 8; start++) {
    let count = 0;
    while (start + count < 8 && groups[start + count] === 0) count++;
    if (count > bestCount) {
      bestStart = start;
      bestCount = count;
    }
  }
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  if (bestStart < 0) return hex(groups);
  return `${hex(groups.slice(0, bestStart))}::${hex(groups.slice(bestStart + bestCount))}`;
}
