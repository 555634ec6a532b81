/** From which of our media addresses packets to some place would leave. */
import { networkInterfaces } from "node:os";
import { familyOf, type IpAddress } from "../../core/address.ts";
import { cidrContains, classifyIp, parseCidr } from "../../core/address-class.ts";

/** A subnet one of this machine's interfaces is in. */
export interface LocalSubnet {
  readonly address: string;
  /** `192.0.2.10/24`; null where the system does not tell. */
  readonly cidr: string | null;
}

/**
 * The address whose subnet holds `remote`, else the first of the family that is not loopback, as the way out leads
 * over a router. undefined when none is of the family.
 */
export function localAddressTowards(
  remote: IpAddress,
  locals: readonly IpAddress[],
  subnets: readonly LocalSubnet[] = machineSubnets(),
): IpAddress | undefined {
  const candidates = locals.filter((ip) => familyOf(ip) === familyOf(remote));
  const onLink = candidates.find((ip) =>
    subnets.some(({ address, cidr }) => {
      const block = address === ip && cidr !== null ? parseCidr(cidr) : undefined;
      return block !== undefined && cidrContains(block, remote);
    }),
  );
  return onLink ?? candidates.find((ip) => classifyIp(ip) !== "loopback") ?? candidates[0];
}

function machineSubnets(): readonly LocalSubnet[] {
  return Object.values(networkInterfaces()).flatMap((list) => list ?? []);
}
