/** Readers for the values of the TURN server's settings. A refusal says what would be right, never what was found. */
import {
  type Endpoint,
  familyOf,
  type IpAddress,
  isUnspecified,
  parseEndpoint,
  parseIp,
} from "../core/address.ts";
import { classifyIp } from "../core/address-class.ts";
import { turnUsernameSizeBytesMax } from "../core/limits.ts";
import { ok, type Result, refused } from "../core/result.ts";

export type TurnTransport = "udp" | "tcp" | "tls" | "dtls";

/** Where clients come in. */
export interface TurnListenSpec {
  readonly transport: TurnTransport;
  /** Port 0 takes a free one. A wildcard address stands for every address of this machine. */
  readonly endpoint: Endpoint;
}

/** Something secret: as it was written, or in a file that is read at start and at each reload. */
export type SecretSource =
  | { readonly kind: "text"; readonly text: string }
  /** Of a list each line is one; otherwise the first line counts. */
  | { readonly kind: "file"; readonly path: string };

export type TurnUserSpec =
  | { readonly kind: "user"; readonly name: string; readonly password: SecretSource }
  /** A line for each user, as on the command line. */
  | { readonly kind: "file"; readonly path: string };

/** The second address and port of behaviour discovery (RFC 5780 section 3). */
export interface DiscoverySpec {
  readonly ip: IpAddress;
  readonly advertisedIp: IpAddress;
  readonly port: number;
}

/** A quoted string of SIP and STUN has at most 127 characters (RFC 8489 section 14.9). */
const realmSizeMax = 127;
const secretSizeMax = 1_024;

export function parseTurnListen(text: string): Result<TurnListenSpec, string> {
  const [, transport, rest = ""] = /^(udp|tcp|tls|dtls):(.*)$/.exec(text) ?? [];
  const endpoint = parseEndpoint(rest);
  if (transport === undefined || endpoint === undefined || classifyIp(endpoint.ip) === "multicast") {
    return refused(
      "udp:HOST:PORT, tcp:HOST:PORT, tls:HOST:PORT or dtls:HOST:PORT with an IP address, such as udp:192.0.2.10:3478",
    );
  }
  return ok({ transport: transport as TurnTransport, endpoint });
}

export function formatTurnListen({ transport, endpoint: { ip, port } }: TurnListenSpec): string {
  return `${transport}:${familyOf(ip) === 6 ? `[${ip}]` : ip}:${port}`;
}

export function parseRealm(text: string): Result<string, string> {
  const isRight = text !== "" && text.length <= realmSizeMax && isPrintable(text) && !/["\\]/.test(text);
  return isRight ? ok(text) : refused(`a name of at most ${realmSizeMax} characters, such as example.org`);
}

/** `NAME:PASSWORD`, `NAME:@FILE`, `NAME:0xKEY`, or `@FILE` for a list of them. */
export function parseTurnUser(text: string): Result<TurnUserSpec, string> {
  if (text.startsWith("@")) {
    const file = parseFileSource(text);
    return file.ok ? ok({ kind: "file", path: file.value.path }) : file;
  }
  const colon = text.indexOf(":");
  const name = text.slice(0, Math.max(colon, 0));
  const rest = text.slice(colon + 1);
  const sizeBytes = new TextEncoder().encode(name).length;
  const isName = name !== "" && sizeBytes <= turnUsernameSizeBytesMax && isPrintable(name);
  if (!isName) return refused("NAME:PASSWORD, NAME:@FILE, NAME:0xKEY or @FILE");
  if (rest.startsWith("@")) {
    const file = parseFileSource(rest);
    return file.ok ? ok({ kind: "user", name, password: file.value }) : file;
  }
  if (rest === "" || rest.length > secretSizeMax || !isPrintable(rest)) {
    return refused("NAME:PASSWORD with a password without control characters");
  }
  return ok({ kind: "user", name, password: { kind: "text", text: rest } });
}

/** `TEXT`, or `@FILE` with one a line. */
export function parseTurnSecret(text: string): Result<SecretSource, string> {
  if (text.startsWith("@")) return parseFileSource(text);
  const isRight = text !== "" && text.length <= secretSizeMax && isPrintable(text);
  return isRight ? ok({ kind: "text", text }) : refused("a text without control characters, or @FILE");
}

/** A path, also with the `@` in front that a credential of systemd has. */
export function parsePemPath(text: string): Result<string, string> {
  const path = text.startsWith("@") ? parseFileSource(text) : ok({ path: text });
  if (!path.ok) return path;
  const isRight = path.value.path !== "" && !path.value.path.includes("\0");
  return isRight ? ok(path.value.path) : refused("the path of a file in PEM format");
}

function parseFileSource(text: string): Result<{ readonly kind: "file"; readonly path: string }, string> {
  const path = text.slice(1);
  if (path.startsWith("credential:")) {
    return refused("@FILE; @credential:NAME works in a service to which systemd hands credentials");
  }
  return path === "" || path.includes("\0")
    ? refused("@FILE with the path of a file")
    : ok({ kind: "file", path });
}

/** `ADDR[!ADVERTISED]:PORT`; IPv6 in brackets. */
export function parseDiscovery(text: string): Result<DiscoverySpec, string> {
  const wanted = "ADDR[!ADVERTISED]:PORT, such as 192.0.2.11:3479, with another address of this machine";
  const split = text.lastIndexOf(":");
  const port = /^[1-9][0-9]{0,4}$/.test(text.slice(split + 1)) ? Number(text.slice(split + 1)) : 0;
  const [first = "", advertised = first, ...more] = text.slice(0, Math.max(split, 0)).split("!");
  const ip = parseBracketed(first);
  const advertisedIp = parseBracketed(advertised);
  if (ip === undefined || advertisedIp === undefined || more.length > 0) return refused(wanted);
  const isRight = port > 0 && port <= 65_535 && !isUnspecified(ip) && familyOf(ip) === familyOf(advertisedIp);
  return isRight ? ok({ ip, advertisedIp, port }) : refused(wanted);
}

function parseBracketed(text: string): IpAddress | undefined {
  const isBracketed = text.startsWith("[") && text.endsWith("]");
  const ip = parseIp(isBracketed ? text.slice(1, -1) : text);
  return ip === undefined || (familyOf(ip) === 6) !== isBracketed ? undefined : ip;
}

/** Another server, as clients are told: an address and a port that is one. */
export function parseAlternate(text: string): Result<Endpoint, string> {
  const endpoint = parseEndpoint(text);
  const isRight = endpoint !== undefined && endpoint.port > 0 && !isUnspecified(endpoint.ip);
  return isRight ? ok(endpoint) : refused("ADDRESS:PORT such as 192.0.2.20:3478");
}

function isPrintable(text: string): boolean {
  return !/\p{Cc}/u.test(text);
}
