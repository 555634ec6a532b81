/**
 * Which peers may be reached through us. A relay stands inside somebody's network: left to itself it would be a door
 * to loopback, to a cloud's metadata and to every neighbour.
 */
import { type Endpoint, familyOf, type IpAddress, ipFromWords, ipToWords } from "../core/address.ts";
import { type Cidr, cidrContainsWords, classifyIp, parseCidr } from "../core/address-class.ts";
import { readXorAddress } from "../stun/values.ts";
import type { PeerReach } from "./actions.ts";

export interface PeerRules {
  readonly allowPeers: readonly Cidr[];
  readonly denyPeers: readonly Cidr[];
  readonly ownIps: readonly IpAddress[];
  readonly controlPorts: readonly number[];
}

/** A peer as a message names it. */
export interface NamedPeer {
  readonly endpoint: Endpoint;
  /** It came as an IPv6 address that holds an IPv4 one (RFC 4291 section 2.5.5.2): nobody who means well does that. */
  readonly isMapped: boolean;
}

/** XOR-PEER-ADDRESS; undefined: malformed. */
export function readPeer(value: Uint8Array, transactionId: Uint8Array): NamedPeer | undefined {
  const endpoint = readXorAddress(value, transactionId);
  if (endpoint === undefined) return undefined;
  return { endpoint, isMapped: value.length === 20 && familyOf(endpoint.ip) === 4 };
}

function blocks(...texts: readonly string[]): readonly Cidr[] {
  return texts.map((text) => {
    const cidr = parseCidr(text);
    if (cidr === undefined) throw new Error(`peers: bad block ${text}`);
    return cidr;
  });
}

/**
 * Not public either, beside the classes of core: IETF protocol assignments, benchmarking and discard blocks of IANA's
 * special-purpose registries (RFC 6890 section 2.2.2), site-local addresses (RFC 3879 section 4), NAT64 of a local
 * network (RFC 8215 section 4), IPv4-compatible and IPv4-translated addresses (RFC 4291 section 2.5.5.1, RFC 2765
 * section 2.1), and the metadata of one cloud. Of IPv6 nothing is global unicast but 2000::/3 (IANA's registry of it)
 * and NAT64's prefix: overlay networks use the rest.
 */
const closed = blocks(
  "192.0.0.0/24",
  "198.18.0.0/15",
  "168.63.129.16/32",
  "64:ff9b:1::/48",
  "::/96",
  "::ffff:0:0:0/96",
  "100::/8",
  "200::/7",
  "400::/6",
  "800::/5",
  "1000::/4",
  "4000::/2",
  "8000::/1",
);

/** IPv4 addresses are kept as IPv6 ones, and `::/0` is not meant to hold them. */
function isIn(cidr: Cidr, ip: IpAddress): boolean {
  return (cidr.prefixBits >= ipv4PrefixBits || familyOf(ip) === 6) && cidrContainsWords(cidr, ipToWords(ip));
}

const ipv4PrefixBits = 96;

const [nat64, sixToFour, teredo] = blocks("64:ff9b::/96", "2002::/16", "2001::/32") as [Cidr, Cidr, Cidr];

/**
 * The IPv4 addresses that a packet to this IPv6 address may end at: NAT64 (RFC 6052 section 2.1), 6to4 (RFC 3056
 * section 2), Teredo, where server and client both stand in it (RFC 4380 section 4), ISATAP (RFC 5214 section 6.1).
 */
export function hiddenIps(ip: IpAddress): readonly IpAddress[] {
  if (familyOf(ip) === 4) return [];
  const words = ipToWords(ip);
  const v4 = (word: number): IpAddress => ipFromWords(0, 0, 0xffff, word >>> 0);
  if (cidrContainsWords(nat64, words)) return [v4(words[3])];
  if (cidrContainsWords(sixToFour, words)) {
    return [v4(((words[0] & 0xffff) << 16) | (words[1] >>> 16))];
  }
  if (cidrContainsWords(teredo, words)) return [v4(words[1]), v4(~words[3])];
  return (words[2] & 0xfdffffff) === 0x5efe ? [v4(words[3])] : [];
}

export class PeerPolicy {
  readonly #rules: PeerRules;
  readonly #ownIps: ReadonlySet<IpAddress>;

  constructor(rules: PeerRules) {
    this.#rules = rules;
    this.#ownIps = new Set(rules.ownIps);
  }

  /** What of this address may be reached; undefined: nothing. */
  reachOf(ip: IpAddress): PeerReach | undefined {
    if (classifyIp(ip) === "unspecified") return undefined;
    // What an address hides is judged by itself: an allowed prefix does not open what lies behind it.
    if (!hiddenIps(ip).every((hidden) => !this.#ownIps.has(hidden) && this.#isOpen(hidden))) return undefined;
    if (this.#ownIps.has(ip)) return this.#isAllowed(ip) ? "not-control" : "own-ports";
    if (!this.#isOpen(ip)) return undefined;
    return classifyIp(ip) === "loopback" ? "not-control" : "any";
  }

  /**
   * True for an operator's or a proxy's door: whatever else is allowed, never this. It is shut on every address of
   * ours, since the host has more names than the socket was given.
   */
  isControl({ ip, port }: Endpoint): boolean {
    if (!this.#rules.controlPorts.includes(port)) return false;
    return this.#ownIps.has(ip) || classifyIp(ip) === "loopback";
  }

  #isAllowed(ip: IpAddress): boolean {
    return this.#rules.allowPeers.some((cidr) => isIn(cidr, ip));
  }

  #isOpen(ip: IpAddress): boolean {
    if (this.#isAllowed(ip)) return classifyIp(ip) !== "unspecified";
    if (this.#rules.denyPeers.some((cidr) => isIn(cidr, ip))) return false;
    return classifyIp(ip) === "public" && !closed.some((cidr) => isIn(cidr, ip));
  }
}
