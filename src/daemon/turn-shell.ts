/**
 * The TURN server in action: what clients send goes in, what the server wants done is carried out, and its deadlines
 * are kept. Who carries the data is somebody else's business (`TurnCarrier`).
 */
import type { Endpoint } from "../core/address.ts";
import { formatEndpoint } from "../core/address.ts";
import type { Digests } from "../core/digests.ts";
import type { Logger } from "../core/log.ts";
import type { RelayEvent } from "../core/plan/plan.ts";
import type { Random } from "../core/random.ts";
import type { Clock, MonotonicMs } from "../core/time.ts";
import type { CarrierListener, PlanAction, Traffic, TurnCarrier, TurnHome } from "../io/turn/contract.ts";
import { MainCarrier } from "../io/turn/main-carrier.ts";
import { type TcpBinder, type TcpRelayListener, TcpRelays } from "../io/turn/tcp-relays.ts";
import { WorkerCarrier } from "../io/turn/worker-carrier.ts";
import type { Interfaces, RelayInterface } from "../relay/interfaces.ts";
import type { TurnDriver } from "../relay/turn/turn-driver.ts";
import type { EventName } from "../telemetry/events.ts";
import type {
  ActionOf,
  AllocationId,
  ConnectionId,
  RelayId,
  ReleaseReason,
  TurnAction,
  TurnClient,
} from "../turn/actions.ts";
import { dataCapacityDefault } from "../turn/data-plan.ts";
import { OwnPlaces } from "../turn/own-places.ts";
import { TurnServer } from "../turn/server.ts";
import type { TurnSettings } from "../turn/settings.ts";
import type { AllocationView, TurnSnapshot } from "../turn/snapshot.ts";
import { DeadlineTimer } from "./deadline-timer.ts";
import { type RelayOwner, TurnRelays } from "./turn-relays.ts";

/** The relay workers, where they carry TURN. */
export interface TurnWorkers {
  readonly driver: TurnDriver;
  /** The memory of `OwnPlaces` that they read. */
  readonly places: SharedArrayBuffer;
}

export interface TurnShellParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly digests: Digests;
  readonly log: Logger;
  readonly settings: TurnSettings;
  readonly interfaces: Interfaces;
  readonly addresses: readonly RelayInterface[];
  readonly interfaceName: string | undefined;
  /** Undefined: no relays over TCP here. */
  readonly tcpBinder: TcpBinder | undefined;
  /** Undefined: the main thread carries the data. */
  readonly workers: TurnWorkers | undefined;
}

const nobody: RelayOwner = {
  bindRelay: (_binding, done) => done("failed"),
  closeRelay: (_relay, done) => done(),
};

export class TurnShell implements CarrierListener, TcpRelayListener {
  /** Carries the data. */
  readonly home: TurnHome;
  readonly tcp: TcpRelays | undefined;
  /** Allocations ended, by what ended them. */
  readonly ended: Record<ReleaseReason, number> = {
    "refreshed-away": 0,
    expired: 0,
    "client-closed": 0,
    dropped: 0,
    drained: 0,
  };
  readonly #parts: TurnShellParts;
  readonly #own: OwnPlaces;
  readonly #server: TurnServer;
  readonly #relays: TurnRelays;
  readonly #timer: DeadlineTimer;
  /** Who carries the data of each allocation. */
  readonly #carriers = new Map<AllocationId, TurnCarrier>();
  readonly #queue: TurnAction[] = [];
  #isPerforming = false;
  #isDraining = false;
  #isClosed = false;

  constructor(parts: TurnShellParts) {
    const { clock, random, digests, settings, addresses, tcpBinder, workers } = parts;
    this.#parts = parts;
    this.#own = new OwnPlaces(addresses, workers === undefined ? undefined : new Uint32Array(workers.places));
    this.#own.setControlPorts(settings.controlPorts);
    const { allocationsMax } = settings;
    const capacity = { ...dataCapacityDefault, allocations: allocationsMax };
    this.home =
      workers === undefined
        ? new MainCarrier({ clock, own: this.#own, capacity, listener: this })
        : new WorkerCarrier({ driver: workers.driver, allocationsMax, listener: this });
    this.tcp = tcpBinder === undefined ? undefined : new TcpRelays(tcpBinder, this);
    this.#server = new TurnServer({
      digests,
      random,
      settings,
      isOwnPort: (endpoint) => this.#own.isOpen(endpoint),
    });
    this.#relays = new TurnRelays({
      ...parts,
      own: this.#own,
      ownerOf: (action) => this.#ownerOf(action),
      opened: (relay, opened) => {
        const nowMs = clock.monotonicMs();
        this.#perform(this.#server.handleRelayOpened(nowMs, relay, opened));
      },
      failed: (relay, failure) => {
        const nowMs = clock.monotonicMs();
        this.#perform(this.#server.handleRelayFailed(nowMs, relay, failure));
      },
    });
    this.#timer = new DeadlineTimer(clock, [this]);
  }

  handleMessage(client: TurnClient, bytes: Uint8Array): void {
    const { clock } = this.#parts;
    const moment = { nowMs: clock.monotonicMs(), unixMs: clock.unixMs() };
    this.#perform(this.#server.handleMessage(moment, client, bytes));
  }

  handleMoved(allocation: AllocationId): void {
    this.#perform(this.#server.handleClientMoved(allocation));
  }

  grantsOf(allocation: AllocationId): readonly ActionOf<"permit" | "bind">[] {
    return this.#server.grantsOf(allocation);
  }

  /** A stream or an association has ended. */
  handleClientClosed(client: TurnClient): void {
    this.#perform(this.#server.handleClientClosed(this.#parts.clock.monotonicMs(), client));
  }

  handleConnected(connection: ConnectionId): void {
    this.#perform(this.#server.handleConnected(this.#parts.clock.monotonicMs(), connection));
  }

  handleConnectionClosed(connection: ConnectionId): void {
    this.#perform(this.#server.handleConnectionClosed(this.#parts.clock.monotonicMs(), connection));
  }

  /** A peer of this host comes from its local address, and its client may know only the advertised one. */
  handlePeerConnection(relay: RelayId, peer: Endpoint): ConnectionId | undefined {
    const nowMs = this.#parts.clock.monotonicMs();
    const address = this.#parts.addresses.find(({ ip }) => ip === peer.ip);
    const names = address === undefined ? [peer] : [peer, { ip: address.advertisedIp, port: peer.port }];
    for (const name of names) {
      const { connection, actions } = this.#server.handlePeerConnection(nowMs, relay, name);
      this.#perform(actions);
      if (connection !== undefined) return connection;
    }
    return undefined;
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    return this.#server.nextDeadlineMs();
  }

  handleTimeout(nowMs: MonotonicMs): void {
    this.#perform(this.#server.handleTimeout(nowMs));
  }

  /** What media does with its ports, which are always permitted as peers. */
  noteMedia(event: RelayEvent): void {
    this.#relays.noteMedia(event);
  }

  reload(settings: TurnSettings): void {
    this.#own.setControlPorts(settings.controlPorts);
    this.home.setControlPorts(settings.controlPorts);
    this.#perform(this.#server.reload(this.#parts.clock.monotonicMs(), settings));
  }

  /** No new allocations from now on. */
  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#server.drain();
    const { allocations } = this.#server.snapshot();
    const fields = { event: "turn-draining" satisfies EventName, allocations };
    this.#parts.log.info(fields, `TURN takes no new allocations; ${allocations} go on`);
    this.#tellDrained();
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  snapshot(): TurnSnapshot {
    return this.#server.snapshot();
  }

  views(): Iterable<AllocationView> {
    return this.#server.views();
  }

  traffic(allocation: AllocationId): Readonly<Traffic> | undefined {
    return this.#carriers.get(allocation)?.traffic(allocation);
  }

  get relayCount(): number {
    return this.#relays.count;
  }

  /** Ends all allocations and closes every socket. */
  async close(): Promise<void> {
    this.#perform(this.#server.drop(undefined));
    this.#isClosed = true;
    this.#timer.close();
    await this.home.close();
    await this.tcp?.close();
  }

  /** One after the other, also where one of them brings new ones about. */
  #perform(actions: readonly TurnAction[]): void {
    this.#queue.push(...actions);
    if (this.#isPerforming) return;
    this.#isPerforming = true;
    try {
      for (let action = this.#queue.shift(); action !== undefined; action = this.#queue.shift()) {
        this.#carryOut(action);
      }
    } finally {
      this.#isPerforming = false;
    }
    if (!this.#isClosed) this.#timer.schedule();
  }

  #carryOut(action: TurnAction): void {
    switch (action.kind) {
      case "reply":
        this.#carrierOf(action.client).reply(action);
        break;
      case "open":
        this.#relays.open(action);
        break;
      case "close":
        this.#relays.close(action.relay);
        break;
      case "connect":
        this.tcp?.connect(action.connection, action.relay, this.#inside(action.peer));
        break;
      case "join":
        this.#join(action);
        break;
      case "disconnect":
        this.tcp?.disconnect(action.connection);
        break;
      case "hang-up":
        this.home.seatOf(action.client)?.close();
        break;
      default:
        this.#plan(action);
    }
  }

  #plan(action: PlanAction): void {
    if (action.kind === "attach") {
      this.#carriers.set(action.allocation, this.#carrierOf(action.client));
      this.#tellAttached(action);
    }
    this.#carriers.get(action.allocation)?.plan(action);
    if (action.kind !== "detach") return;
    this.#carriers.delete(action.allocation);
    this.ended[action.reason]++;
    const { allocation, reason } = action;
    const fields = { event: "turn-ended" satisfies EventName, allocation, reason };
    this.#parts.log.debug(fields, "TURN allocation ended");
    this.#tellDrained();
  }

  #join({ connection, client }: ActionOf<"join">): void {
    const given = this.home.seatOf(client)?.giveAway();
    if (given !== undefined) this.tcp?.join(connection, given);
  }

  #carrierOf(_client: TurnClient): TurnCarrier {
    return this.home;
  }

  #ownerOf({ transport, client }: ActionOf<"open">): RelayOwner {
    return transport === "tcp" ? (this.tcp ?? nobody) : this.#carrierOf(client);
  }

  /** An address of ours that the world calls otherwise is reached without leaving the host. */
  #inside(peer: Endpoint): Endpoint {
    const address = this.#parts.addresses.find(({ advertisedIp }) => advertisedIp === peer.ip);
    return address === undefined ? peer : { ip: address.ip, port: peer.port };
  }

  #tellAttached({ allocation, client, username }: ActionOf<"attach">): void {
    const { transport, remote, local } = client;
    const fields = {
      event: "turn-allocated" satisfies EventName,
      allocation,
      user: username,
      transport,
      client: formatEndpoint(remote),
      listener: formatEndpoint(local),
    };
    this.#parts.log.debug(fields, "TURN allocation made");
  }

  #tellDrained(): void {
    if (!this.#isDraining || !this.#server.isDrained) return;
    this.#parts.log.info({ event: "turn-drained" satisfies EventName }, "TURN has no allocations any more");
  }
}
