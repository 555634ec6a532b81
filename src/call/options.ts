/** The slice of the configuration that the call model reads. */

import type { IpAddress, IpFamily } from "../core/address.ts";
import type { Cidr } from "../core/address-class.ts";
import type { CertificateSource } from "./dtls-role.ts";

export interface CallOptions {
  /** No media on any stream that should have some: the call ends. 0 switches a timeout off, here and below. */
  readonly timeoutMs: number;
  /** All streams on hold or muted. */
  readonly silentTimeoutMs: number;
  /** Never answered. */
  readonly offerTimeoutMs: number;
  /** Absolute cap on a call's age. */
  readonly finalTimeoutMs: number;
  /** How long a deleted call stays, unless `delete` says otherwise. */
  readonly deleteDelayMs: number;
  /** Calls at once; 0: no limit but memory. */
  readonly maxSessions: number;
  /** `strict-source` for every leg, whatever the proxy asks. */
  readonly isStrict: boolean;
  /** Local interfaces in the order of the configuration; the first is the default. */
  readonly interfaces: readonly InterfaceOption[];
  /** Networks we are attached to: their addresses are reachable although they may be private. */
  readonly onLink: readonly Cidr[];
  /** Undefined: no DTLS here, SDES alone. */
  readonly certificates?: CertificateSource | undefined;
}

export interface InterfaceOption {
  /** Logical name; several entries may share it (one a family or address). */
  readonly name: string;
  readonly family: IpFamily;
  readonly localIp: IpAddress;
  readonly advertisedIp: IpAddress;
}
