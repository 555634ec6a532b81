/** c= lines (RFC 8866 section 5.7) and the address part of a=rtcp (RFC 3605). */
import { familyOf, type IpAddress, type IpFamily, parseIp } from "../core/address.ts";
import { lastLine } from "./attribute.ts";
import type { SdpLine } from "./description.ts";

const space = 0x20;

/** `IN IP4 192.0.2.1`; undefined for anything but an address of the family it claims: no host names, no TTL. */
export function parseConnection(value: string): IpAddress | undefined {
  // `IN`, a space, the type of three characters, a space, and the rest, which has no space if it is an address.
  if (value.charCodeAt(2) !== space || value.charCodeAt(6) !== space) return undefined;
  const network = value.slice(0, 2);
  if (network !== "IN" && network !== "in") return undefined;
  const ip = parseIp(value.slice(7).trimEnd());
  return ip !== undefined && addressType(familyOf(ip)) === value.slice(3, 6).toUpperCase() ? ip : undefined;
}

/** The c= line among these; undefined when there is none. */
export function connectionOf(lines: readonly SdpLine[]): IpAddress | undefined {
  const value = lastLine(lines, "c");
  return value === undefined ? undefined : parseConnection(value);
}

export function addressType(family: IpFamily): "IP4" | "IP6" {
  return family === 6 ? "IP6" : "IP4";
}

/** `IN IP4 192.0.2.1` */
export function printConnection(ip: IpAddress): string {
  return `IN ${addressType(familyOf(ip))} ${ip}`;
}

/** What says "send nothing here" in that family (RFC 3264 section 8.4). */
export function unspecifiedIp(family: IpFamily): IpAddress {
  return (family === 6 ? "::" : "0.0.0.0") as IpAddress;
}
