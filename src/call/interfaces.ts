/**
 * Which logical interface and family a party's ports are opened on.
 *
 * Nothing here refuses a call: a name or family we do not have falls back to what there is, with a warning. Where no
 * interface bears them, `internal` and `external` mean IPv4 and IPv6 in ng, as they always did there.
 */
import type { IpAddress, IpFamily } from "../core/address.ts";
import type { InterfaceOption } from "./options.ts";

export interface InterfaceWish {
  /** By `direction` or bridge letters; undefined: the first interface. */
  readonly name: string | undefined;
  readonly family: IpFamily;
  /** `address-family` asked for it; otherwise the network of a named interface decides. */
  readonly isFamilyAsked: boolean;
}

export interface InterfaceChoice {
  readonly interfaceName: string | undefined;
  readonly family: IpFamily;
  readonly warning: string | undefined;
  /** This address alone; absent: any of the interface. */
  readonly localIp?: IpAddress | undefined;
}

export function chooseInterface(
  interfaces: readonly InterfaceOption[],
  wish: InterfaceWish,
): InterfaceChoice {
  const { name, family } = wish;
  if (name !== undefined) {
    const named = interfaces.filter((one) => one.name === name);
    if (named.some((one) => one.family === family))
      return { interfaceName: name, family, warning: undefined };
    const first = named[0];
    if (first !== undefined && !wish.isFamilyAsked) {
      return { interfaceName: name, family: first.family, warning: undefined };
    }
    if (first === undefined && (name === "internal" || name === "external")) {
      return chooseDefault(interfaces, name === "internal" ? 4 : 6);
    }
    const warning =
      first === undefined
        ? `Interface '${name}' not found, using default`
        : `Interface '${name}' has no IPv${family} address, using default`;
    return { ...chooseDefault(interfaces, family), warning };
  }
  return chooseDefault(interfaces, family);
}

function chooseDefault(interfaces: readonly InterfaceOption[], family: IpFamily): InterfaceChoice {
  const found = interfaces.find((one) => one.family === family);
  if (found !== undefined) return { interfaceName: found.name, family, warning: undefined };
  const first = interfaces[0];
  const warning = `Requested address family (IPv${family}) not supported`;
  return { interfaceName: first?.name, family: first?.family ?? family, warning };
}

/**
 * rtpproxy's bridge letters: an interface of that name, else the first and the second name, else, if all bear one
 * name, the first and the second address (IPv4 and IPv6, say).
 */
export function bridgeEnd(
  interfaces: readonly InterfaceOption[],
  word: "internal" | "external",
): InterfaceOption | undefined {
  const index = word === "internal" ? 0 : 1;
  const names = [...new Set(interfaces.map((one) => one.name))];
  const name = names.includes(word) ? word : names[index];
  const named = names.length > 1 ? interfaces.find((one) => one.name === name) : undefined;
  return named ?? interfaces[index] ?? interfaces[0];
}

/** One address of ours, whatever its name and family. */
export function chooseAddress({ name, family, localIp }: InterfaceOption): InterfaceChoice {
  return { interfaceName: name, family, warning: undefined, localIp };
}

export function interfaceOfIp(
  interfaces: readonly InterfaceOption[],
  ip: IpAddress,
): InterfaceOption | undefined {
  return interfaces.find((one) => one.localIp === ip || one.advertisedIp === ip);
}
