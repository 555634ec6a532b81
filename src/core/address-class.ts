/** What kind of place an address names. Used to judge hints (handover), targets (relay) and peers (TURN). */
import { type IpAddress, type IpWords, ipToWords, parseIp } from "./address.ts";

export type AddressClass =
  | "unspecified"
  | "loopback"
  | "link-local"
  | "private"
  | "shared"
  | "multicast"
  | "reserved"
  | "public";

interface Block {
  readonly words: IpWords;
  readonly prefixBits: number;
}

/** An address range in CIDR notation, as four words and a prefix over the IPv4-mapped form. */
export type Cidr = Block;

/** `10.0.0.0/8`, `2001:db8::/32` or a single address. Bits below the prefix are ignored. */
export function parseCidr(text: string): Cidr | undefined {
  const [host = "", bitsText, ...rest] = text.split("/");
  const ip = parseIp(host);
  if (ip === undefined || rest.length > 0) return undefined;
  const isV4 = !ip.includes(":");
  const widthBits = isV4 ? 32 : 128;
  if (bitsText !== undefined && !/^[0-9]{1,3}$/.test(bitsText)) return undefined;
  const bits = bitsText === undefined ? widthBits : Number(bitsText);
  if (bits > widthBits) return undefined;
  return { words: ipToWords(ip), prefixBits: isV4 ? 96 + bits : bits };
}

export function cidrContains(cidr: Cidr, ip: IpAddress): boolean {
  return cidrContainsWords(cidr, ipToWords(ip));
}

/** For many blocks and one address. */
export function cidrContainsWords(cidr: Cidr, words: IpWords): boolean {
  for (let index = 0; index < 4; index++) {
    const bits = Math.min(32, Math.max(0, cidr.prefixBits - 32 * index));
    if (bits === 0) return true;
    const mask = bits === 32 ? 0xffffffff : ~(0xffffffff >>> bits);
    if ((((cidr.words[index] ?? 0) ^ (words[index] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

function block(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new Error(`address-class: bad block ${text}`);
  return cidr;
}

/** IANA special-purpose registries (RFC 6890 section 2.2.2 and its updates); the first match names the class. */
const classes: readonly (readonly [Cidr, AddressClass])[] = (
  [
    ["0.0.0.0/32", "unspecified"],
    ["0.0.0.0/8", "reserved"],
    ["127.0.0.0/8", "loopback"],
    ["169.254.0.0/16", "link-local"],
    ["10.0.0.0/8", "private"],
    ["172.16.0.0/12", "private"],
    ["192.168.0.0/16", "private"],
    ["100.64.0.0/10", "shared"],
    ["224.0.0.0/4", "multicast"],
    ["240.0.0.0/4", "reserved"],
    ["::/128", "unspecified"],
    ["::1/128", "loopback"],
    ["fe80::/10", "link-local"],
    ["fc00::/7", "private"],
    ["ff00::/8", "multicast"],
  ] as const
).map(([text, name]) => [block(text), name] as const);

export function classifyIp(ip: IpAddress): AddressClass {
  const words = ipToWords(ip);
  for (const [cidr, name] of classes) if (cidrContainsWords(cidr, words)) return name;
  return "public";
}
