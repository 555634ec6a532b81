/** Whom limits for one source count together: an IPv4 address, or an IPv6 /64, as one host has all of it. */
import { familyOf, type IpAddress, ipToWords } from "../../core/address.ts";

export function sourceName(ip: IpAddress): string {
  if (familyOf(ip) === 4) return ip;
  const [high, low] = ipToWords(ip);
  return `${high}:${low}`;
}
