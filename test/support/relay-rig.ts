/** A relay on loopback for tests: real driver, real sockets, and parties that speak UDP. */
import { createSocket, type Socket } from "node:dgram";
import { type Endpoint, familyOf, type IpAddress } from "../../src/core/address.ts";
import {
  defaultLearning,
  type GroupId,
  type LocalPair,
  type PairId,
  type PairSettings,
  type RelayAction,
  type RelayEvent,
} from "../../src/core/plan/plan.ts";
import { noSecurity } from "../../src/core/plan/security.ts";
import { DeadlineTimer } from "../../src/daemon/deadline-timer.ts";
import { systemClock } from "../../src/io/clock.ts";
import type { SourceOptions } from "../../src/io/driver-options.ts";
import { systemRandom } from "../../src/io/random.ts";
import { endpointWords, openRelayDriver, portRangeWords } from "../../src/io/relay-driver.ts";
import type { WorkerLink } from "../../src/relay/driver.ts";
import type { RelayInterface } from "../../src/relay/interfaces.ts";
import { Relay } from "../../src/relay/relay.ts";
import type { TransportMakers } from "../../src/relay/transports/transport-parts.ts";

export const loopback4: RelayInterface = {
  name: "v4",
  ip: "127.0.0.1" as IpAddress,
  advertisedIp: "203.0.113.1" as IpAddress,
};
export const loopback6: RelayInterface = {
  name: "v6",
  ip: "::1" as IpAddress,
  advertisedIp: "::1" as IpAddress,
};

export interface RigOptions {
  readonly driver: "epoll" | "dgram";
  readonly interfaces?: readonly RelayInterface[];
  readonly portMin?: number;
  readonly portMax?: number;
  readonly forbiddenTargets?: readonly Endpoint[];
  readonly coalesces?: boolean;
  /** Send in batches, if not told otherwise; takes CAP_NET_RAW. */
  readonly batches?: boolean;
  /** Read in batches too, if not told otherwise; takes CAP_BPF and CAP_NET_ADMIN. */
  readonly receivesBatches?: boolean;
  readonly workers?: number;
  /** What an operator says about sources. */
  readonly sources?: Partial<SourceOptions>;
  /** Of ICE agents and DTLS associations; absent: tests of plain media, which must ask for none. */
  readonly makers?: TransportMakers;
}

/** For a relay whose pairs have neither ICE nor DTLS. */
export const noMakers: TransportMakers = {
  ice: () => {
    throw new Error("a test of plain media asked for ICE");
  },
  dtls: () => undefined,
};

export class RelayRig {
  readonly events: RelayEvent[] = [];
  readonly faults: string[] = [];
  relay!: Relay;
  links: readonly WorkerLink[] = [];
  #lastPair = 0;

  static async start(options: RigOptions): Promise<RelayRig> {
    const rig = new RelayRig();
    const portMin = options.portMin ?? 42_000;
    const portMax = options.portMax ?? 42_199;
    const interfaces = options.interfaces ?? [loopback4, loopback6];
    const { driver } = await openRelayDriver(options.driver, {
      workers: options.workers ?? 1,
      capacitySlots: 2 * (portMax - portMin + 1),
      forbiddenTargets: endpointWords(options.forbiddenTargets ?? []),
      ownMedia: portRangeWords(
        interfaces.map(({ ip }) => ip),
        portMin,
        portMax,
      ),
      coalesces: options.coalesces ?? false,
      batches: options.batches ?? true,
      receivesBatches: options.receivesBatches ?? true,
      secondSocketsMax: 100,
      trustedMedia: [],
      settleMs: 3_000,
      relearnAfterSilenceMs: undefined,
      ...options.sources,
      replayMemoryBytes: 1024 * 1024,
    });
    rig.links = driver.links;
    let timer: DeadlineTimer | undefined;
    rig.relay = new Relay({
      driver,
      interfaces,
      portMin,
      portMax,
      tos: 184,
      random: systemRandom,
      clock: systemClock,
      makers: options.makers ?? noMakers,
      onEvent: (event) => rig.events.push(event),
      onDeadline: () => timer?.schedule(),
      onFault: (message) => rig.faults.push(message),
    });
    timer = new DeadlineTimer(systemClock, [rig.relay]);
    await rig.relay.ready;
    return rig;
  }

  perform(action: RelayAction): void {
    this.relay.perform(action);
  }

  newPair(): PairId {
    return ++this.#lastPair as PairId;
  }

  /** Asks for a pair and waits for its ports. */
  async open(family: 4 | 6 = 4, group = 1): Promise<{ readonly pair: PairId; readonly local: LocalPair }> {
    const pair = this.newPair();
    const interfaceName = undefined;
    this.perform({ kind: "open", pair, group: group as GroupId, interfaceName, family, tos: undefined });
    const event = await this.waitFor((each) => each.kind !== "source-proven" && each.pair === pair);
    if (event.kind !== "opened") throw new Error(`pair ${pair}: ${JSON.stringify(event)}`);
    return { pair, local: event.local };
  }

  async close(pair: PairId): Promise<void> {
    this.perform({ kind: "close", pair });
    await this.waitFor((event) => event.kind === "closed" && event.pair === pair);
  }

  configure(pair: PairId, settings: Partial<PairSettings>): void {
    this.perform({ kind: "configure", pair, settings: { ...plainSettings, ...settings } });
  }

  async waitFor(matches: (event: RelayEvent) => boolean): Promise<RelayEvent> {
    await until(() => this.events.some(matches), "an event of the relay");
    return this.events.find(matches) as RelayEvent;
  }
}

/** A party that has answered, signalled nowhere, sends PCMU. */
export const plainSettings: PairSettings = {
  peer: undefined,
  transport: "rtp",
  rtcpMux: false,
  mayReceive: true,
  maySend: true,
  isSignalled: true,
  generation: 1,
  hints: [],
  rtpTarget: undefined,
  rtcpTarget: undefined,
  payloadTypes: [{ payloadType: 0, clockRateHz: 8000 }],
  learning: defaultLearning,
  siblings: [],
  security: noSecurity,
  ice: undefined,
  bundle: undefined,
};

/** Settings of a party at `rtp`, whose RTCP is one port above or on `rtcp`. */
export function settingsAt(rtp: Endpoint, rtcp: Endpoint, settings: Partial<PairSettings>): PairSettings {
  return {
    ...plainSettings,
    rtpTarget: rtp,
    rtcpTarget: rtcp,
    hints: [
      { origin: "sdp", endpoint: rtp, isIpUsable: true, isIpShared: false },
      { origin: "sdp-rtcp", endpoint: rtcp, isIpUsable: true, isIpShared: false },
    ],
    ...settings,
  };
}

export async function until(isDone: () => boolean, what: string, limitMs = 5_000): Promise<void> {
  const endMs = systemClock.monotonicMs() + limitMs;
  while (!isDone()) {
    if (systemClock.monotonicMs() > endMs) throw new Error(`waited ${limitMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** One UDP socket of a phone; keeps what it hears. */
export class Phone {
  readonly heard: Buffer[] = [];
  readonly sources: Endpoint[] = [];
  readonly endpoint: Endpoint;
  readonly #socket: Socket;

  private constructor(socket: Socket, endpoint: Endpoint) {
    this.#socket = socket;
    this.endpoint = endpoint;
    socket.on("message", (data, source) => {
      this.heard.push(data);
      this.sources.push({ ip: source.address as IpAddress, port: source.port });
    });
  }

  static open(ip: string, port = 0): Promise<Phone> {
    return new Promise((resolve, reject) => {
      const isV6 = familyOf(ip as IpAddress) === 6;
      const socket = createSocket({ type: isV6 ? "udp6" : "udp4", recvBufferSize: 1 << 20 });
      socket.once("error", reject);
      socket.bind(port, ip, () => {
        resolve(new Phone(socket, { ip: ip as IpAddress, port: socket.address().port }));
      });
    });
  }

  send(data: Uint8Array, to: Endpoint): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(data, to.port, to.ip, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  close(): void {
    this.#socket.close();
  }
}

/** Two phones on loopback, of these families, in a call; the ports they send to. */
export async function startCall(
  rig: RelayRig,
  families: readonly [4 | 6, 4 | 6],
): Promise<{ readonly phones: readonly [Phone, Phone]; readonly ports: readonly [Endpoint, Endpoint] }> {
  const loopback = { 4: "127.0.0.1", 6: "::1" };
  const phones = [await Phone.open(loopback[families[0]]), await Phone.open(loopback[families[1]])] as const;
  const pairs = [await rig.open(families[0]), await rig.open(families[1])] as const;
  for (const [side, { endpoint }] of phones.entries()) {
    const peer = pairs[1 - side]!.pair;
    rig.configure(
      pairs[side]!.pair,
      settingsAt(endpoint, { ...endpoint, port: endpoint.port + 1 }, { peer }),
    );
  }
  return { phones, ports: [pairs[0].local.rtp, pairs[1].local.rtp] };
}

/** A PCMU packet of 20 ms. */
export function rtpPacket(ssrc: number, sequence: number, payloadBytes = 160): Buffer {
  const packet = Buffer.alloc(12 + payloadBytes, 0x55);
  packet[0] = 0x80;
  packet[1] = 0;
  packet.writeUInt16BE(sequence & 0xffff, 2);
  packet.writeUInt32BE((sequence * 160) >>> 0, 4);
  packet.writeUInt32BE(ssrc >>> 0, 8);
  return packet;
}

/** An empty receiver report. */
export function receiverReport(ssrc: number): Buffer {
  const packet = Buffer.from([0x80, 201, 0, 1, 0, 0, 0, 0]);
  packet.writeUInt32BE(ssrc >>> 0, 4);
  return packet;
}
