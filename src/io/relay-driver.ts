/** Chooses the relay's driver: epoll where it works, node:dgram elsewhere. */
import { type Endpoint, type IpAddress, ipToWords } from "../core/address.ts";
import { messageOf } from "../core/thrown.ts";
import type { RelayDriver } from "../relay/driver.ts";
import { encodeEndpoint } from "../relay/slot-settings.ts";
import { DgramDriver } from "./dgram/dgram-driver.ts";
import type { DriverOptions } from "./driver-options.ts";

/** Those whose structures and constants `linux/libc.ts` knows; elsewhere they would be read in the wrong places. */
const epollArchitectures: ReadonlySet<string> = new Set(["x64", "arm64"]);

/** The wanted driver, and why it is another one than asked for. */
export interface ChosenDriver {
  readonly driver: RelayDriver;
  readonly fallbackReason: string | undefined;
}

export async function openRelayDriver(
  wanted: "epoll" | "dgram",
  options: DriverOptions,
): Promise<ChosenDriver> {
  if (wanted === "dgram") return { driver: await DgramDriver.open(options), fallbackReason: undefined };
  if (process.platform !== "linux") {
    return { driver: await DgramDriver.open(options), fallbackReason: `no epoll on ${process.platform}` };
  }
  if (!epollArchitectures.has(process.arch)) {
    return { driver: await DgramDriver.open(options), fallbackReason: `no epoll on ${process.arch}` };
  }
  try {
    const { EpollDriver } = await import("./linux/epoll-driver.ts");
    return { driver: new EpollDriver(options), fallbackReason: undefined };
  } catch (error) {
    const fallbackReason = messageOf(error);
    return { driver: await DgramDriver.open(options), fallbackReason };
  }
}

/** Endpoints as the words a worker compares. */
export function endpointWords(endpoints: readonly Endpoint[]): Int32Array {
  const words = new Int32Array(5 * endpoints.length);
  for (const [index, endpoint] of endpoints.entries()) encodeEndpoint(words, 5 * index, endpoint);
  return words;
}

/** A range of ports on each of these addresses, as the words a worker compares. */
export function portRangeWords(ips: Iterable<IpAddress>, portMin: number, portMax: number): Int32Array {
  return Int32Array.from([...new Set(ips)].flatMap((ip) => [...ipToWords(ip), portMin, portMax]));
}
