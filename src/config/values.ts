/** Readers for the values of the schema. A refusal says what would be right, never what was found. */
import {
  type Endpoint,
  familyOf,
  type IpAddress,
  isUnspecified,
  parseEndpoint,
  parseIp,
} from "../core/address.ts";
import { type Cidr, classifyIp, parseCidr } from "../core/address-class.ts";
import { ok, type Result, refused } from "../core/result.ts";

/** A local address that carries media. */
export interface InterfaceSpec {
  /** What `direction` names in ng and rtpproxy; several addresses may share a name. */
  readonly name: string;
  readonly ip: IpAddress;
  /** The address SDP shows; differs from `ip` behind a static NAT. */
  readonly advertisedIp: IpAddress;
}

/** Name of an interface that was given without one. */
export const interfaceNameDefault = "default";

/** sun_path of Linux has 108 bytes, the last of them zero (unix(7)). */
const unixPathSizeBytesMax = 107;

/** `[NAME/]ADDR[!ADVERTISED]`; IPv6 with or without brackets. */
export function parseInterface(text: string): Result<InterfaceSpec, string> {
  const match = /^(?:([^/!]*)\/)?([^/!]+)(?:!([^/!]+))?$/.exec(text);
  const [, name = interfaceNameDefault, ipText = "", advertisedText] = match ?? [];
  if (!isInterfaceName(name)) {
    return refused("[NAME/]ADDR[!ADVERTISED] with a name of letters, digits, '_', '.' and '-'");
  }
  const ip = parseHost(ipText);
  if (ip === undefined) {
    return refused("[NAME/]ADDR[!ADVERTISED] with an IP address of this machine, such as 192.0.2.10");
  }
  const why = mediaAddressProblem(ip);
  if (why !== undefined) return refused(why);
  if (advertisedText === undefined) return ok({ name, ip, advertisedIp: ip });
  const advertisedIp = parseHost(advertisedText);
  if (advertisedIp === undefined || mediaAddressProblem(advertisedIp) !== undefined) {
    return refused("an IP address that others can send to after the '!'");
  }
  if (familyOf(advertisedIp) !== familyOf(ip)) {
    return refused(`an advertised address of the same family as ${ip}`);
  }
  return ok({ name, ip, advertisedIp });
}

/** The NAME of an interface. */
export function parseInterfaceName(text: string): Result<string, string> {
  return isInterfaceName(text) ? ok(text) : refused("the NAME of an interface");
}

function isInterfaceName(text: string): boolean {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(text);
}

/** The way back from `parseInterface`. */
export function formatInterface(spec: InterfaceSpec): string {
  const name = spec.name === interfaceNameDefault ? "" : `${spec.name}/`;
  return `${name}${spec.ip}${spec.advertisedIp === spec.ip ? "" : `!${spec.advertisedIp}`}`;
}

function parseHost(text: string): IpAddress | undefined {
  return parseIp(text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text);
}

/** A media socket binds one address, and others send to it: some addresses can be neither. */
function mediaAddressProblem(ip: IpAddress): string | undefined {
  if (isUnspecified(ip))
    return "one address of this machine; repeat the option for more, a wildcard is not enough";
  const kind = classifyIp(ip);
  if (kind === "multicast" || kind === "reserved") return "a unicast address";
  if (kind === "link-local" && familyOf(ip) === 6)
    return "an address beyond the link: fe80:: needs a zone, which SDP cannot carry";
  return undefined;
}

/** `HOST:PORT`, `[V6]:PORT`; names are not looked up. Port 0 takes a free one. */
export function parseListen(text: string): Result<Endpoint, string> {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) {
    return refused("ADDRESS:PORT such as 127.0.0.1:2223 or [::1]:2223 (host names are not looked up)");
  }
  if (classifyIp(endpoint.ip) === "multicast") return refused("a unicast address");
  return ok(endpoint);
}

/** An address range with the text it came from. */
export interface AddressRange {
  readonly text: string;
  readonly cidr: Cidr;
}

export function parseRange(text: string): Result<AddressRange, string> {
  const cidr = parseCidr(text);
  return cidr === undefined
    ? refused("an address or a range such as 192.0.2.0/24 or 2001:db8::/32")
    : ok({ text, cidr });
}

/** A file's path; relative ones count from the working directory. */
export function parsePath(text: string): Result<string, string> {
  return text === "" || text.includes("\0") ? refused("a path") : ok(text);
}

/** A path that a unix socket can have. */
export function parseUnixPath(text: string): Result<string, string> {
  const isShort = new TextEncoder().encode(text).length <= unixPathSizeBytesMax;
  if (parsePath(text).ok && isShort) return ok(text);
  return refused(`a path of at most ${unixPathSizeBytesMax} bytes`);
}

/** `unix:PATH` or `tcp:HOST:PORT`; rtpproxy's `%%CC_SELF%%` as HOST stands for the address a command came from. */
export function parseNotifySocket(text: string): Result<string, string> {
  const [, scheme, rest = ""] = /^(unix|tcp):(.*)$/.exec(text) ?? [];
  const isRight =
    scheme === "unix"
      ? parseUnixPath(rest).ok
      : scheme === "tcp" && parseEndpoint(rest.replace("%%CC_SELF%%", "127.0.0.1")) !== undefined;
  return isRight ? ok(text) : refused("unix:PATH or tcp:HOST:PORT");
}
