/** The relay's local addresses: logical interfaces, and one port pool per address. */
import { familyOf, type IpAddress } from "../core/address.ts";
import type { OpenPair } from "../core/plan/plan.ts";
import type { Random } from "../core/random.ts";
import { PortPool, type PortPoolStats } from "./port-pool.ts";

/** One address of a logical interface; names repeat for several addresses and families. */
export interface RelayInterface {
  readonly name: string;
  readonly ip: IpAddress;
  /** What SDP shows instead; equals `ip` without a static NAT. */
  readonly advertisedIp: IpAddress;
}

export interface InterfaceStats extends PortPoolStats {
  readonly name: string;
  readonly ip: IpAddress;
}

export class Interfaces {
  readonly #interfaces: readonly RelayInterface[];
  readonly #pools = new Map<IpAddress, PortPool>();

  constructor(interfaces: readonly RelayInterface[], portMin: number, portMax: number, random: Random) {
    this.#interfaces = interfaces;
    for (const { ip } of interfaces) {
      if (!this.#pools.has(ip)) this.#pools.set(ip, new PortPool(portMin, portMax, random));
    }
  }

  /** The addresses that serve the request, in the order to try; none: no interface of that family. */
  choose(request: OpenPair): readonly RelayInterface[] {
    const { localIp } = request;
    if (localIp !== undefined) return this.#interfaces.filter(({ ip }) => ip === localIp).slice(0, 1);
    const ofFamily = this.#interfaces.filter(({ ip }) => familyOf(ip) === request.family);
    const named = ofFamily.filter(({ name }) => name === request.interfaceName);
    if (named.length > 0) return named;
    const first = ofFamily[0]?.name;
    return ofFamily.filter(({ name }) => name === first);
  }

  poolOf(ip: IpAddress): PortPool {
    const pool = this.#pools.get(ip);
    if (pool === undefined) throw new Error(`relay: ${ip} is no local address`);
    return pool;
  }

  stats(): InterfaceStats[] {
    return this.#interfaces.map(({ name, ip }) => ({ name, ip, ...this.poolOf(ip).stats() }));
  }
}
