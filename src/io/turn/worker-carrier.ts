/**
 * The data of allocations in the relay workers: each has listeners of its own on the ports that clients speak to, and
 * the relays of those clients whom the kernel gives to it. Only requests come up here, and packets of stream clients.
 *
 * An allocation has its home in one worker. A client that moves may reach another one: that one becomes its guest, with
 * all it needs to carry the client's packets, and its home once the client is there.
 */
import assert from "node:assert/strict";
import { type Endpoint, formatEndpoint } from "../../core/address.ts";
import {
  packetSizeBytesMax,
  turnListenersMax,
  turnRepliesWaitingMax,
  turnRequestsPerTurnMax,
} from "../../core/limits.ts";
import { RecordQueue } from "../../relay/command-queue.ts";
import { type CarriedPacket, readPacket } from "../../relay/packet-records.ts";
import {
  trafficField,
  turnReason,
  turnReasonNames,
  turnWorkerField,
} from "../../relay/turn/turn-counters.ts";
import type { TurnDriver } from "../../relay/turn/turn-driver.ts";
import {
  encodeTurnCommand,
  type TurnCommand,
  turnEventField,
  turnEventKind,
} from "../../relay/turn/turn-records.ts";
import { firstStream } from "../../relay/turn/turn-worker.ts";
import type { ActionOf, AllocationId, RelayId, TurnClient } from "../../turn/actions.ts";
import { dataVerdict } from "../../turn/data-facts.ts";
import type { DataPlace } from "../../turn/data-plan.ts";
import { isSendIndication } from "../../turn/indication.ts";
import { listenAtEach, wildcardEndpoints } from "../host-addresses.ts";
import {
  type BindOutcome,
  type CarrierCounts,
  type CarrierListener,
  noTraffic,
  type PlanAction,
  type RelayBinding,
  type StreamSeat,
  type Traffic,
  type TurnHome,
} from "./contract.ts";
import { StreamSeats } from "./stream-seats.ts";
import { WorkerRelays } from "./worker-relays.ts";

/** A client over UDP, and the worker that the kernel gives its packets to. */
class DatagramClient implements TurnClient {
  readonly transport = "udp";
  readonly remote: Endpoint;
  readonly local: Endpoint;
  /** The listener's number. */
  readonly socket: number;
  readonly worker: number;

  constructor(remote: Endpoint, local: Endpoint, socket: number, worker: number) {
    this.remote = remote;
    this.local = local;
    this.socket = socket;
    this.worker = worker;
  }
}

function datagramClient(client: TurnClient): DatagramClient {
  assert.ok(client instanceof DatagramClient, "turn: a client that came by no listener of ours");
  return client;
}

interface Owner {
  readonly attached: ActionOf<"attach">;
  client: TurnClient | undefined;
  home: number;
  guest: number | undefined;
}

export interface WorkerCarrierParts {
  readonly driver: TurnDriver;
  /** Allocations at once. */
  readonly allocationsMax: number;
  readonly listener: CarrierListener;
}

export class WorkerCarrier implements TurnHome {
  readonly #parts: WorkerCarrierParts;
  readonly #queues: readonly RecordQueue<TurnCommand>[];
  readonly #relays: WorkerRelays;
  readonly #seats = new StreamSeats();
  readonly #listeners: Endpoint[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #owners = new Map<AllocationId, Owner>();
  /** Workers whose requests were more than a turn's worth. */
  readonly #backlog = new Set<number>();
  #queueFull = 0;
  #tooLarge = 0;
  #isClosed = false;

  constructor(parts: WorkerCarrierParts) {
    const { driver, allocationsMax } = parts;
    this.#parts = parts;
    this.#queues = driver.links.map(
      (link) => new RecordQueue({ ring: link.commands, encode: encodeTurnCommand, wake: () => link.wake() }),
    );
    this.#relays = new WorkerRelays(driver, this.#queues, allocationsMax);
    driver.attach((worker) => this.#handleWake(worker));
  }

  listen(endpoint: Endpoint): Promise<readonly Endpoint[]> {
    return listenAtEach(wildcardEndpoints(endpoint), (wanted) => {
      if (this.#listeners.length === turnListenersMax) throw listenError("EMFILE");
      const bound = this.#parts.driver.bindListener(wanted);
      if (!bound.ok) throw listenError(bound.reason);
      const local = { ip: wanted.ip, port: bound.port };
      const socket = this.#listeners.push(local) - 1;
      this.#numbers.set(formatEndpoint(local), socket);
      const isV6 = local.ip.includes(":");
      for (const [worker, handle] of bound.handles.entries()) {
        this.#submit(worker, { kind: "adopt", socket, handle, isV6, isWatched: true });
      }
      return local;
    });
  }

  bindRelay({ relay, ip, port, client }: RelayBinding, done: (outcome: BindOutcome) => void): void {
    done(this.#isClosed ? "failed" : this.#relays.bind(relay, this.#workerOf(client), ip, port));
  }

  closeRelay(relay: RelayId, done: () => void): void {
    this.#relays.close(relay, done);
  }

  plan(action: PlanAction): void {
    if (action.kind === "attach") {
      this.#attach(action);
      return;
    }
    const owner = this.#owners.get(action.allocation);
    if (owner === undefined) return;
    switch (action.kind) {
      case "expect":
        this.#expect(owner, action.client);
        break;
      case "move":
        this.#move(owner, action.client);
        break;
      case "detach":
        this.#serve(owner.client, false);
        this.#owners.delete(action.allocation);
        this.#submitBoth(owner, action);
        break;
      default:
        this.#submitBoth(owner, action);
    }
  }

  reply({ client, bytes, from, to }: ActionOf<"reply">): void {
    if (client.transport !== "udp") {
      this.#seats.of(client)?.seat.send(bytes, false);
      return;
    }
    const { socket: own, worker } = datagramClient(client);
    const socket = from === undefined ? own : this.#numbers.get(formatEndpoint(from));
    const queue = this.#queues[worker];
    const hasRoom = queue !== undefined && queue.waitingCount < turnRepliesWaitingMax;
    if (socket === undefined || !hasRoom || bytes.length > packetSizeBytesMax) {
      this.#queueFull++;
      return;
    }
    queue.submit({ kind: "reply", socket, to: to ?? client.remote, bytes });
  }

  /** The stream of a client, for those who end it or use it otherwise. */
  seatOf(client: TurnClient): StreamSeat | undefined {
    return this.#seats.of(client)?.seat;
  }

  get seatCount(): number {
    return this.#seats.size;
  }

  setControlPorts(ports: readonly number[]): void {
    for (const queue of this.#queues) queue.submit({ kind: "control-ports", ports });
  }

  traffic(allocation: AllocationId): Readonly<Traffic> | undefined {
    const owner = this.#owners.get(allocation);
    if (owner === undefined) return undefined;
    const sum = noTraffic();
    for (const { relay } of owner.attached.relays) this.#relays.count(relay, sum);
    return sum;
  }

  counts(): CarrierCounts {
    const traffic = noTraffic();
    const refused: Record<string, number> = {};
    for (const name of turnReasonNames) if (turnReason[name] > dataVerdict.toMain) refused[name] = 0;
    for (const { counters } of this.#parts.driver.links) {
      const at = turnWorkerField.traffic;
      traffic.packetsUp += counters[at + trafficField.packetsUp] ?? 0;
      traffic.bytesUp += counters[at + trafficField.bytesUp] ?? 0;
      traffic.packetsDown += counters[at + trafficField.packetsDown] ?? 0;
      traffic.bytesDown += counters[at + trafficField.bytesDown] ?? 0;
      for (const name of Object.keys(refused)) {
        const code = turnReason[name as keyof typeof turnReason];
        refused[name] = (refused[name] ?? 0) + (counters[turnWorkerField.reasons + code] ?? 0);
      }
    }
    refused["queueFull"] = (refused["queueFull"] ?? 0) + this.#queueFull;
    refused["tooLarge"] = (refused["tooLarge"] ?? 0) + this.#tooLarge;
    return { traffic, refused };
  }

  /** Streams end now, and the sockets with their workers. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#seats.closeAll();
  }

  enter(seat: StreamSeat): boolean {
    return this.#seats.enter(seat);
  }

  leave(seat: StreamSeat): void {
    this.#seats.leave(seat);
  }

  receive(seat: StreamSeat, message: Uint8Array): void {
    const isStun = (message[0] ?? 0xff) < 0x40;
    if (isStun && !isSendIndication(message, 0, message.length)) {
      this.#parts.listener.handleMessage(seat.client, message);
      return;
    }
    const seated = this.#seats.of(seat.client);
    if (seated?.seat !== seat || seated.worker === undefined) return;
    const queue = this.#queues[seated.worker];
    if (message.length > packetSizeBytesMax) this.#tooLarge++;
    else if (queue === undefined || queue.waitingCount >= turnRepliesWaitingMax) this.#queueFull++;
    else {
      const bytes = queue.waitingCount > 0 ? message.slice() : message;
      queue.submit({ kind: "feed", socket: firstStream + seated.number, bytes });
    }
  }

  #attach(attached: ActionOf<"attach">): void {
    const { allocation, client } = attached;
    const owner: Owner = { attached, client, home: this.#workerOf(client), guest: undefined };
    this.#owners.set(allocation, owner);
    this.#serve(client, true);
    this.#introduce(owner, owner.home);
    // A reserved relay was bound where the client was that asked for it.
    for (const { relay } of attached.relays) this.#relays.settle(relay, owner.home);
  }

  /** Tells a worker of the allocation, as it is now. */
  #introduce({ attached, client }: Owner, worker: number): void {
    const { allocation, relays, account, allocationBytesPerSec, userBytesPerSec } = attached;
    const numberOf = (family: 4 | 6): number | undefined => {
      const relay = relays.find((each) => each.family === family)?.relay;
      return relay === undefined ? undefined : this.#relays.numberIn(relay, worker);
    };
    const place = client === undefined ? undefined : this.#placeOf(client);
    this.#submit(worker, {
      kind: "attach",
      allocation,
      client: place ?? nowhere,
      relayV4: numberOf(4),
      relayV6: numberOf(6),
      account,
      allocationBytesPerSec,
      userBytesPerSec,
    });
    if (place === undefined) this.#submit(worker, { kind: "move", allocation, client: undefined });
  }

  #expect(owner: Owner, client: TurnClient): void {
    const { allocation } = owner.attached;
    const worker = client.transport === "udp" ? this.#workerOf(client) : owner.home;
    if (worker === owner.home) this.#dismiss(owner);
    else this.#invite(owner, worker);
    this.#seat(client, worker);
    this.#submit(worker, { kind: "expect", allocation, client: this.#placeOf(client) });
  }

  #move(owner: Owner, client: TurnClient | undefined): void {
    const { attached } = owner;
    const { allocation } = attached;
    const isThere = client?.transport === "udp";
    const worker = isThere ? this.#workerOf(client) : owner.home;
    this.#serve(owner.client, false);
    owner.client = client;
    this.#serve(client, true);
    if (worker === owner.home) this.#dismiss(owner);
    else this.#invite(owner, worker);
    if (client !== undefined) this.#seat(client, worker);
    const place = client === undefined ? undefined : this.#placeOf(client);
    this.#submit(worker, { kind: "move", allocation, client: place });
    if (worker === owner.home) return;
    const left = (family: 4 | 6): number | undefined => {
      const relay = attached.relays.find((each) => each.family === family)?.relay;
      return relay === undefined ? undefined : this.#relays.settleLater(relay, worker);
    };
    this.#submit(owner.home, { kind: "retire", allocation, relayV4: left(4), relayV6: left(6) });
    owner.home = worker;
    owner.guest = undefined;
  }

  /** Another worker than the home is to carry the client's packets as well. */
  #invite(owner: Owner, worker: number): void {
    if (owner.guest === worker) return;
    this.#dismiss(owner);
    owner.guest = worker;
    this.#introduce(owner, worker);
    for (const grant of this.#parts.listener.grantsOf(owner.attached.allocation)) this.#submit(worker, grant);
  }

  #dismiss(owner: Owner): void {
    const { attached, guest, home } = owner;
    if (guest === undefined) return;
    owner.guest = undefined;
    this.#submit(guest, { kind: "detach", allocation: attached.allocation });
    for (const { relay } of attached.relays) this.#relays.settle(relay, home);
  }

  /** A stream's packets go to the worker that has its allocation. */
  #seat(client: TurnClient, worker: number): void {
    const seated = client.transport === "udp" ? undefined : this.#seats.of(client);
    if (seated !== undefined) seated.worker = worker;
  }

  #serve(client: TurnClient | undefined, isServing: boolean): void {
    const seat =
      client === undefined || client.transport === "udp" ? undefined : this.#seats.of(client)?.seat;
    if (seat !== undefined) seat.isServing = isServing;
  }

  /** A stream that has ended meanwhile is nowhere: its close follows. */
  #placeOf(client: TurnClient): DataPlace {
    if (client.transport !== "udp") {
      const seated = this.#seats.of(client);
      return seated === undefined ? nowhere : { socket: firstStream + seated.number, remote: undefined };
    }
    return { socket: datagramClient(client).socket, remote: client.remote };
  }

  #workerOf(client: TurnClient): number {
    if (client.transport === "udp") return datagramClient(client).worker;
    const seated = this.#seats.of(client);
    const worker = seated?.worker ?? this.#relays.leastUsedWorker();
    if (seated !== undefined) seated.worker = worker;
    return worker;
  }

  #submit(worker: number, command: TurnCommand): void {
    this.#queues[worker]?.submit(command);
  }

  #submitBoth({ home, guest }: Owner, command: TurnCommand): void {
    this.#submit(home, command);
    if (guest !== undefined) this.#submit(guest, command);
  }

  #handleWake(worker: number): void {
    const link = this.#parts.driver.links[worker];
    if (link === undefined) return;
    const { events } = link;
    for (let at = events.begin(); at >= 0; at = events.begin()) {
      const kind = events.words[at + turnEventField.kind];
      const subject = events.words[at + turnEventField.subject] ?? 0;
      events.release();
      if (kind === turnEventKind.released) this.#relays.handleReleased(worker, subject);
      else if (!this.#isClosed) this.#parts.listener.handleMoved((subject >>> 0) as AllocationId);
    }
    this.#queues[worker]?.flush();
    if (!this.#backlog.has(worker)) this.#takeRequests(worker);
  }

  #takeRequests(worker: number): void {
    const link = this.#parts.driver.links[worker];
    this.#backlog.delete(worker);
    if (link === undefined) return;
    for (let count = 0; count < turnRequestsPerTurnMax; count++) {
      const packet = readPacket(link.requests);
      if (packet === undefined) return;
      if (!this.#isClosed) this.#takeRequest(worker, packet);
    }
    this.#backlog.add(worker);
    // Others get their turn first.
    setImmediate(() => this.#takeRequests(worker));
  }

  #takeRequest(worker: number, { at: { slot: socket }, remote, bytes }: CarriedPacket): void {
    if (socket >= firstStream) {
      if (this.#seats.at(socket - firstStream)?.send(bytes, true) === false) this.#queueFull++;
      return;
    }
    const local = this.#listeners[socket];
    if (local === undefined || remote.port === 0) return;
    this.#parts.listener.handleMessage(new DatagramClient(remote, local, socket, worker), bytes);
  }
}

/** A place that nobody has. */
const nowhere: DataPlace = { socket: 2 ** 30, remote: undefined };

function listenError(code: string): Error {
  return Object.assign(new Error(`cannot listen: ${code}`), { code });
}
