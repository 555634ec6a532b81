/** a=rtcp (RFC 3605 section 2.1): `53020` or `53020 IN IP4 192.0.2.7`. */
import type { IpAddress } from "../core/address.ts";
import { parseConnection } from "./connection.ts";

export interface RtcpAttribute {
  readonly port: number;
  /** undefined: the address of c=. */
  readonly ip: IpAddress | undefined;
}

/** undefined for port 0, for anything malformed and for host names: as if the attribute were not there. */
export function parseRtcpAttribute(value: string): RtcpAttribute | undefined {
  const match = /^(\d{1,5})(?: (.*))?$/.exec(value.trimEnd());
  if (match === null) return undefined;
  const port = Number(match[1]);
  if (port < 1 || port > 65535) return undefined;
  if (match[2] === undefined) return { port, ip: undefined };
  const ip = parseConnection(match[2]);
  return ip === undefined ? undefined : { port, ip };
}
