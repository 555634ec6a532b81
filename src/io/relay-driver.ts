/** Chooses the relay's driver: epoll where it works, node:dgram elsewhere. */
import type { Endpoint } from "../core/address.ts";
import type { Cidr } from "../core/address-class.ts";
import type { RelayDriver } from "../relay/driver.ts";
import { encodeEndpoint } from "../relay/slot-settings.ts";
import { DgramDriver } from "./dgram/dgram-driver.ts";

export interface DriverOptions {
  /** Threads; the dgram driver has none and takes everything into main. */
  readonly workers: number;
  /** Slots of each worker: two for every pair it may ever have open at once. */
  readonly capacitySlots: number;
  /** Endpoints never to send to, five words each (`endpointWords`). */
  readonly forbiddenTargets: Int32Array;
  /** Networks whose first speakers are believed before strangers. */
  readonly trustedMedia: readonly Cidr[];
  /** Pause under load, at most 300 microseconds, so that packets share the cost of a wake-up. */
  readonly coalesces: boolean;
}

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
  if (wanted === "dgram") return { driver: new DgramDriver(options), fallbackReason: undefined };
  if (process.platform !== "linux") {
    return { driver: new DgramDriver(options), fallbackReason: `no epoll on ${process.platform}` };
  }
  if (!epollArchitectures.has(process.arch)) {
    return { driver: new DgramDriver(options), fallbackReason: `no epoll on ${process.arch}` };
  }
  try {
    const { EpollDriver } = await import("./linux/epoll-driver.ts");
    return { driver: new EpollDriver(options), fallbackReason: undefined };
  } catch (error) {
    const fallbackReason = error instanceof Error ? error.message : String(error);
    return { driver: new DgramDriver(options), fallbackReason };
  }
}

/** Endpoints as the words a worker compares. */
export function endpointWords(endpoints: readonly Endpoint[]): Int32Array {
  const words = new Int32Array(5 * endpoints.length);
  for (const [index, endpoint] of endpoints.entries()) encodeEndpoint(words, 5 * index, endpoint);
  return words;
}
