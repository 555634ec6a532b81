/** What an operator may set of the TURN server. A reload hands in the whole of it anew. */
import type { Endpoint, IpAddress, IpFamily } from "../core/address.ts";
import type { Cidr } from "../core/address-class.ts";
import { turnAllocationsMax } from "../core/limits.ts";

/** A user with a lasting password, or with keys computed beforehand (RFC 8489 section 9.2.2). */
export type TurnUser =
  | { readonly name: string; readonly password: string }
  | { readonly name: string; readonly md5Key?: Uint8Array; readonly sha256Key?: Uint8Array };

/** One of the two addresses of behaviour discovery, as we and as the world call it. */
export interface DiscoveryAddress {
  readonly ip: IpAddress;
  readonly advertisedIp: IpAddress;
}

/** RFC 5780 section 6: four sockets, two addresses with two ports each. */
export interface DiscoverySettings {
  readonly addresses: readonly [DiscoveryAddress, DiscoveryAddress];
  readonly ports: readonly [number, number];
}

export interface TurnSettings {
  readonly realm: string;
  readonly users: readonly TurnUser[];
  /** Of time-limited users; each is valid, so that one may follow another. */
  readonly secrets: readonly string[];
  /** Relays for whoever asks. Without users, secrets and this nobody gets an allocation. */
  readonly isAnonymous: boolean;
  /** Peers that are permitted whatever they are, and those that are not unless permitted by name. */
  readonly allowPeers: readonly Cidr[];
  readonly denyPeers: readonly Cidr[];
  /** Every address of this host, local and advertised. */
  readonly ownIps: readonly IpAddress[];
  /** Where our control and operator sockets listen, UDP and TCP: no peer ever, on any address of ours. */
  readonly controlPorts: readonly number[];
  /** Families relays can be opened in. */
  readonly families: readonly IpFamily[];
  readonly hasTcpRelays: boolean;
  readonly hasMobility: boolean;
  /** Whether the sockets can send unfragmented packets on demand (RFC 8656 section 14). */
  readonly hasDontFragment: boolean;
  /** Channel numbers up to 0x7FFF, as RFC 5766 had them in its section 11. */
  readonly hasLegacyChannels: boolean;
  readonly discovery: DiscoverySettings | undefined;
  /** Where clients are sent who come while we drain or are full (300); the one of their family. */
  readonly alternateServers: readonly Endpoint[];
  readonly allocationsMax: number;
  /** 0: no quota. */
  readonly allocationsPerUserMax: number;
  /** Caps in bytes a second, each direction by itself; 0: none. */
  readonly allocationBytesPerSec: number;
  readonly userBytesPerSec: number;
  readonly lifetimeDefaultSec: number;
  readonly lifetimeMaxSec: number;
  readonly permissionSec: number;
  readonly channelSec: number;
  readonly nonceSec: number;
  /** Error replies a second to one source that proved nothing; 0: as many as it asks for. */
  readonly challengesPerSec: number;
}

/** RFC 8656 sections 3.2, 9 and 12 for the lifetimes; nobody is let in and no private place reached. */
export const turnDefaults: TurnSettings = {
  realm: "rtpferry",
  users: [],
  secrets: [],
  isAnonymous: false,
  allowPeers: [],
  denyPeers: [],
  ownIps: [],
  controlPorts: [],
  families: [4, 6],
  hasTcpRelays: true,
  hasMobility: true,
  hasDontFragment: true,
  hasLegacyChannels: true,
  discovery: undefined,
  alternateServers: [],
  allocationsMax: turnAllocationsMax,
  allocationsPerUserMax: 0,
  allocationBytesPerSec: 0,
  userBytesPerSec: 0,
  lifetimeDefaultSec: 600,
  lifetimeMaxSec: 3_600,
  permissionSec: 300,
  channelSec: 600,
  nonceSec: 600,
  challengesPerSec: 10,
};
