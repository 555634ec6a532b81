/** c= lines (RFC 8866 section 5.7) and the address part of a=rtcp (RFC 3605). */
import { familyOf, type IpAddress, type IpFamily, parseIp } from "../core/address.ts";
import { lastLine } from "./attribute.ts";
import type { SdpLine } from "./description.ts";

/** `IN IP4 192.0.2.1`; undefined for anything but an address of the family it claims: no host names, no TTL. */
export function parseConnection(value: string): IpAddress | undefined {
  const [network, type, address, ...rest] = value.trimEnd().split(" ", 4);
  if (network === undefined || type === undefined || address === undefined || rest.length > 0)
    return undefined;
  if (network !== "IN" && network !== "in") return undefined;
  const ip = parseIp(address);
  return ip !== undefined && addressType(familyOf(ip)) === type.toUpperCase() ? ip : undefined;
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
