/** What both relay drivers are started with. */
import type { Cidr } from "../core/address-class.ts";

export interface DriverOptions {
  /** Threads; the dgram driver has none and takes everything into main. */
  readonly workers: number;
  /** Slots of each worker: two for every pair it may ever have open at once. */
  readonly capacitySlots: number;
  /** Endpoints never to send to, five words each (`endpointWords`). */
  readonly forbiddenTargets: Int32Array;
  /** Where pairs of ours may be: four IP words, first and last port each (`portRangeWords`). */
  readonly ownMedia: Int32Array;
  /** Networks whose first speakers are believed before strangers. */
  readonly trustedMedia: readonly Cidr[];
  /** Pause under load, at most 300 microseconds, so that packets share the cost of a wake-up. */
  readonly coalesces: boolean;
}
