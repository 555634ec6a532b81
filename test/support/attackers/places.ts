/** Who is where in the simulated network. IPv4 throughout: the policy's rules for IPv6 differ in the prefix alone. */
import { ipToWords, parseEndpoint } from "../../../src/core/address.ts";

export type Owner = "victim" | "attacker" | "far" | "nobody";

export interface Place {
  readonly owner: Owner;
  /** Last word of the mapped address; the others are those of ::ffff:0:0. */
  readonly ip3: number;
  readonly port: number;
}

export function place(text: string, owner: Owner): Place {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) throw new Error(`no endpoint: ${text}`);
  return { owner, ip3: (ipToWords(endpoint.ip)[3] ?? 0) | 0, port: endpoint.port };
}

/** Of an IPv4 host. */
export type Address = Pick<Place, "ip3" | "port">;

export function isSameAddress(a: Address, b: Address): boolean {
  return a.ip3 === b.ip3 && a.port === b.port;
}

/** The same host at another port. */
export function beside(at: Place, portOffset: number): Place {
  return { ...at, port: at.port + portOffset };
}

/** One number for an endpoint, to find its owner by. */
export function keyOf(ip3: number, port: number): number {
  return (ip3 >>> 0) * 65_536 + port;
}

/** The phone behind its home's NAT, and after it moved, behind its mobile operator's. */
export const wifi = place("198.51.100.7:61000", "victim");
export const cellular = place("203.0.113.9:7000", "victim");
/** What its SDP says, inside the NAT and without one. */
export const inside = place("10.0.0.5:4000", "nobody");
export const plainPhone = place("198.51.100.7:4000", "victim");

/** Addresses of the attacker's own, in networks of their own. */
export const lairs: readonly Place[] = [
  place("192.0.2.30:5500", "attacker"),
  place("192.0.2.31:6000", "attacker"),
  place("198.18.40.7:7000", "attacker"),
];

/** Another host behind the victim's NAT, here and there. */
export const neighbours: readonly Place[] = [
  place("198.51.100.7:50500", "attacker"),
  place("203.0.113.9:50500", "attacker"),
];

/** The other party of the call. Its media has reached it anyway; here it wants what is meant for the phone. */
export const farParty = place("192.88.99.5:9000", "attacker");
