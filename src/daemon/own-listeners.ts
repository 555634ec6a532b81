/** Where our control listeners can be reached: places that no media is ever sent to, whatever a party says in SDP. */
import type { Config } from "../config/schema.ts";
import type { Endpoint } from "../core/address.ts";
import { socketsFor } from "../io/control/datagram-listener.ts";

/** Those over UDP, as media is. A wildcard is one endpoint for each address of this machine, since targets are compared as they stand. */
export function ownListeners({
  listenNg,
  listenRtpproxy,
}: Pick<Config, "listenNg" | "listenRtpproxy">): readonly Endpoint[] {
  const ofRtpproxy = listenRtpproxy.flatMap((spec) => (spec.kind === "udp" ? [spec.endpoint] : []));
  return [...listenNg, ...ofRtpproxy].flatMap(socketsFor);
}
