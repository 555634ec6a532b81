/**
 * A wildcard as the addresses it stands for at that moment: a reply must leave from the address that was asked, or a
 * connected client never sees it.
 */
import { networkInterfaces } from "node:os";
import { type Endpoint, familyOf, type IpAddress, isUnspecified, parseIp } from "../core/address.ts";
import { classifyIp } from "../core/address-class.ts";

/** Addresses of this machine, as it has them now; fe80:: means nothing without its link and is left out. */
export function hostAddresses(): readonly IpAddress[] {
  const found = new Set<IpAddress>();
  for (const { address } of Object.values(networkInterfaces()).flatMap((list) => list ?? [])) {
    const ip = parseIp(address);
    if (ip !== undefined && (familyOf(ip) === 4 || classifyIp(ip) !== "link-local")) found.add(ip);
  }
  return [...found];
}

/** One endpoint for each address; none if the machine has no address of that family. */
export function wildcardEndpoints(endpoint: Endpoint): readonly Endpoint[] {
  const { ip, port } = endpoint;
  if (!isUnspecified(ip)) return [endpoint];
  return hostAddresses()
    .filter((each) => familyOf(each) === familyOf(ip))
    .map((each) => ({ ip: each, port }));
}

/** Listens at each in turn, and says where: port 0 is chosen once, for all of them. Rejects as `open` does. */
export async function listenAtEach(
  endpoints: readonly Endpoint[],
  open: (endpoint: Endpoint) => Endpoint | Promise<Endpoint>,
): Promise<readonly Endpoint[]> {
  const opened: Endpoint[] = [];
  for (const { ip, port } of endpoints) {
    opened.push(await open({ ip, port: port === 0 ? (opened[0]?.port ?? 0) : port }));
  }
  return opened;
}
