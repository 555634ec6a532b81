/** The o= line (RFC 8866 section 5.2), and what it becomes on its way through. */
import { familyOf, type IpAddress } from "../core/address.ts";
import { lastLine } from "./attribute.ts";
import { addressType } from "./connection.ts";
import type { SessionDescription } from "./description.ts";
import type { ReplaceItem } from "./edits.ts";
import { numberOf, wordsOf } from "./words.ts";

export interface Origin {
  readonly username: string;
  readonly sessionId: string;
  /** Decimal digits. */
  readonly version: string;
  /** `IP4` or `IP6` and the address, as written; may be a host name. */
  readonly addressType: string;
  readonly address: string;
}

/** What a party was told before; plain data, kept by the caller for each party it writes to. */
export interface OriginMemory {
  readonly origin: Origin;
  /** s= as it was first told. */
  readonly sessionName: string;
  /** The last body, where versions are ours to count; else undefined. */
  readonly lastText: string | undefined;
}

/** What stands in where neither the source nor the memory has anything. */
export interface OwnOrigin {
  readonly ip: IpAddress;
  /** Decimal digits. */
  readonly sessionId: string;
  /** Decimal digits. */
  readonly version: string;
}

/** undefined when it has fewer than six words. A user name with spaces, which SDP forbids, stays as it is. */
export function parseOrigin(value: string): Origin | undefined {
  const words = wordsOf(value);
  if (words.length < 6) return undefined;
  const [sessionId, version, network, type, address] = words.length === 6 ? words.slice(1) : words.slice(-5);
  if (sessionId === undefined || version === undefined) return undefined;
  if (network === undefined || type === undefined || address === undefined) return undefined;
  const username = words.length === 6 ? words[0] : words.slice(0, -5).join(" ");
  return { username: username ?? "-", sessionId, version: digitsOf(version), addressType: type, address };
}

export function originOf(description: SessionDescription): Origin | undefined {
  const value = lastLine(description.session, "o");
  return value === undefined ? undefined : parseOrigin(value);
}

export function printOrigin(origin: Origin): string {
  const { username, sessionId, version, addressType: type, address } = origin;
  return `${username} ${sessionId} ${version} IN ${type} ${address}`;
}

/** The digits a number starts with; a version is 64 bits, and 0 when there are none. */
function digitsOf(text: string): string {
  if (numberOf(text, 15) !== undefined && !text.startsWith("0")) return text;
  return /^0*(\d{1,20})/.exec(text)?.[1] ?? "0";
}

export function nextVersion(version: string): string {
  return String(BigInt.asUintN(64, BigInt(version) + 1n));
}

/** Where the next o= comes from. */
export interface OriginSources {
  /** The other party's. */
  readonly source: Origin | undefined;
  /** What this party was told last. */
  readonly previous: Origin | undefined;
  readonly own: OwnOrigin;
  readonly replace: ReadonlySet<ReplaceItem>;
}

/**
 * The other party's origin, but for the parts that are to be replaced: those keep what this party was told first.
 * `origin` is the address alone, `username` the user name, `sdp-version` the version, `origin-full` all of them.
 */
export function chooseOrigin(sources: OriginSources): Origin {
  const { source, previous, own, replace } = sources;
  const isFull = replace.has("origin-full");
  const name = isFull || replace.has("username") ? previous : source;
  const identity = isFull ? previous : source;
  const place = isFull || replace.has("origin") ? previous : (source ?? previous);
  return {
    username: name?.username ?? previous?.username ?? source?.username ?? "-",
    sessionId: identity?.sessionId ?? previous?.sessionId ?? source?.sessionId ?? own.sessionId,
    version: chooseVersion(sources),
    addressType: place?.addressType ?? addressType(familyOf(own.ip)),
    address: place?.address ?? own.ip,
  };
}

function chooseVersion({ source, previous, own, replace }: OriginSources): string {
  if (previous !== undefined) {
    if (replace.has("force-increment-sdp-ver")) return nextVersion(previous.version);
    if (countsVersions(replace) || source === undefined) return previous.version;
  }
  return source?.version ?? own.version;
}

/** The version is ours: it grows by one whenever the body differs from the last one. */
export function countsVersions(replace: ReadonlySet<ReplaceItem>): boolean {
  return replace.has("sdp-version") || replace.has("origin-full");
}
