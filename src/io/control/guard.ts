/** Who may speak to the control listeners: everybody else is dropped without a word and counted. */
import { type Endpoint, type IpAddress, parseIp } from "../../core/address.ts";
import { type Cidr, cidrContains } from "../../core/address-class.ts";

export class ControlGuard {
  readonly #allowed: readonly Cidr[];
  #refusedCount = 0;
  /** The source let in last, which most often is the next one too. */
  #lastAddress: string | undefined;
  #lastIp: IpAddress | undefined;

  constructor(allowed: readonly Cidr[]) {
    this.#allowed = allowed;
  }

  /** Datagrams and connections dropped since start, over all listeners that share the guard. */
  get refusedCount(): number {
    return this.#refusedCount;
  }

  /** The source as an endpoint, or undefined when it may not speak. */
  admit(address: string | undefined, port: number | undefined): Endpoint | undefined {
    if (
      address !== undefined &&
      port !== undefined &&
      address === this.#lastAddress &&
      this.#lastIp !== undefined
    ) {
      return { ip: this.#lastIp, port };
    }
    const ip = address === undefined ? undefined : parseIp(address);
    if (ip !== undefined && port !== undefined && this.#allowed.some((cidr) => cidrContains(cidr, ip))) {
      this.#lastAddress = address;
      this.#lastIp = ip;
      return { ip, port };
    }
    this.#refusedCount++;
    return undefined;
  }
}
