/**
 * The data of allocations in the main thread: UDP listeners and relay sockets of node:dgram, and clients that come by
 * streams. Slower than the relay workers, and all that streams need.
 */
import { Buffer } from "node:buffer";
import type { RemoteInfo, Socket } from "node:dgram";
import {
  type Endpoint,
  formatEndpoint,
  type IpAddress,
  ipFromWords,
  ipToWords,
  parseIp,
} from "../../core/address.ts";
import { turnPendingSendsMax, turnStreamsMax } from "../../core/limits.ts";
import type { Clock } from "../../core/time.ts";
import type { ActionOf, AllocationId, RelayId, TurnClient } from "../../turn/actions.ts";
import { dataVerdict } from "../../turn/data-facts.ts";
import { DataPath } from "../../turn/data-path.ts";
import type { DataCapacity, DataPlace } from "../../turn/data-plan.ts";
import { dataHeaderSizeBytesMax } from "../../turn/indication.ts";
import type { OwnPlaces } from "../../turn/own-places.ts";
import { clientKeyOf } from "../../turn/request.ts";
import { listenAtEach, wildcardEndpoints } from "../host-addresses.ts";
import { randomWords } from "../random.ts";
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
import { bindMedia, listenerBufferBytes, relayBufferBytes } from "./media-socket.ts";
import { Numbers } from "./numbers.ts";

/** Room for headers in front of the largest datagram, and for padding behind it. */
const arenaStart = Math.ceil(dataHeaderSizeBytesMax / 8) * 8;
const datagramSizeBytesMax = 65_535;
const arenaBytes = arenaStart + datagramSizeBytesMax + 9;
/** A payload that fits no Ethernet frame beside IP and UDP headers: DONT-FRAGMENT drops it (RFC 8656 section 14). */
const unfragmentedSizeBytesMax = { v4: 1_472, v6: 1_452 } as const;

interface UdpSocket {
  readonly number: number;
  readonly socket: Socket;
  readonly isV6: boolean;
  readonly local: Endpoint;
  pendingSends: number;
}

interface Seat {
  readonly number: number;
  readonly seat: StreamSeat;
}

export interface MainCarrierParts {
  readonly clock: Clock;
  readonly own: OwnPlaces;
  readonly capacity: DataCapacity;
  readonly listener: CarrierListener;
}

const verdictNames = Object.entries(dataVerdict);

export class MainCarrier implements TurnHome {
  readonly #parts: MainCarrierParts;
  readonly #arena = new Uint8Array(arenaBytes);
  readonly #path: DataPath;
  readonly #numbers = new Numbers();
  readonly #listeners = new Map<string, UdpSocket>();
  readonly #relays = new Map<RelayId, UdpSocket>();
  /** Relay sockets by their numbers. */
  readonly #sockets = new Map<number, UdpSocket>();
  readonly #seats = new Map<string, Seat>();
  readonly #seatsByNumber = new Map<number, StreamSeat>();
  readonly #owners = new Map<AllocationId, { traffic: Traffic; key: string | undefined }>();
  readonly #traffic = noTraffic();
  readonly #refused = new Float64Array(verdictNames.length);
  #queueFull = 0;
  #sendFailed = 0;

  constructor(parts: MainCarrierParts) {
    this.#parts = parts;
    const { own, capacity } = parts;
    this.#path = new DataPath({ arena: this.#arena, own, capacity, seed: randomWords(1)[0] ?? 0 });
  }

  listen(endpoint: Endpoint): Promise<readonly Endpoint[]> {
    return listenAtEach(wildcardEndpoints(endpoint), async (wanted) => {
      const socket = await bindMedia(wanted, listenerBufferBytes);
      const local = { ip: wanted.ip, port: socket.address().port };
      const listener = this.#makeSocket(socket, local);
      this.#listeners.set(formatEndpoint(local), listener);
      socket.on("message", (bytes, source) => this.#fromListener(listener, bytes, source));
      return local;
    });
  }

  bindRelay({ relay, ip, port }: RelayBinding, done: (outcome: BindOutcome) => void): void {
    bindMedia({ ip, port }, relayBufferBytes).then(
      (socket) => {
        const bound = this.#makeSocket(socket, { ip, port });
        this.#relays.set(relay, bound);
        this.#sockets.set(bound.number, bound);
        socket.on("message", (bytes, source) => this.#fromPeer(bound, bytes, source));
        done("bound");
      },
      (error: NodeJS.ErrnoException) => done(outcomeOf(error.code)),
    );
  }

  closeRelay(relay: RelayId, done: () => void): void {
    const bound = this.#relays.get(relay);
    if (bound !== undefined) {
      this.#relays.delete(relay);
      this.#sockets.delete(bound.number);
      this.#path.closeRelay(bound.number);
      bound.socket.close();
      this.#numbers.giveBack(bound.number);
    }
    done();
  }

  plan(action: PlanAction): void {
    const path = this.#path;
    switch (action.kind) {
      case "attach":
        this.#attach(action);
        break;
      case "expect":
        path.expect(action.allocation, this.#placeOf(action.client));
        break;
      case "move":
        this.#move(action);
        break;
      case "detach":
        this.#serve(this.#owners.get(action.allocation)?.key, false);
        this.#owners.delete(action.allocation);
        path.detach(action.allocation);
        break;
      case "permit":
        this.#admit(path.permit(action.allocation, action.ip, action));
        break;
      case "forbid":
        path.forbid(action.allocation, action.ip);
        break;
      case "bind":
        this.#admit(path.bind(action.allocation, action));
        break;
      case "unbind":
        path.unbind(action.allocation, action.channel);
        break;
    }
  }

  reply({ client, bytes, from, to }: ActionOf<"reply">): void {
    if (client.transport !== "udp") {
      this.#seats.get(clientKeyOf(client))?.seat.send(bytes, false);
      return;
    }
    const listener = this.#listeners.get(formatEndpoint(from ?? client.local));
    if (listener === undefined) return;
    const { ip, port } = to ?? client.remote;
    this.#send(listener, bytes, ip, port);
  }

  /** The stream of a client, for those who end it or use it otherwise. */
  seatOf(client: TurnClient): StreamSeat | undefined {
    return this.#seats.get(clientKeyOf(client))?.seat;
  }

  traffic(allocation: AllocationId): Readonly<Traffic> | undefined {
    return this.#owners.get(allocation)?.traffic;
  }

  counts(): CarrierCounts {
    const refused: Record<string, number> = { queueFull: this.#queueFull, sendFailed: this.#sendFailed };
    for (const [name, code] of verdictNames) {
      if (code > dataVerdict.toMain) refused[name] = this.#refused[code] ?? 0;
    }
    return { traffic: { ...this.#traffic }, refused };
  }

  setControlPorts(ports: readonly number[]): void {
    this.#parts.own.setControlPorts(ports);
  }

  get seatCount(): number {
    return this.#seats.size;
  }

  async close(): Promise<void> {
    for (const { seat } of [...this.#seats.values()]) seat.close();
    for (const { socket } of [...this.#listeners.values(), ...this.#relays.values()]) socket.close();
    this.#listeners.clear();
    this.#relays.clear();
    this.#sockets.clear();
  }

  enter(seat: StreamSeat): boolean {
    const key = clientKeyOf(seat.client);
    // The kernel lets nobody have the place of a living connection: the former one has died without a word.
    this.#seats.get(key)?.seat.close();
    if (this.#seats.size >= 2 * turnStreamsMax) return false;
    const number = this.#numbers.take();
    this.#seats.set(key, { number, seat });
    this.#seatsByNumber.set(number, seat);
    return true;
  }

  leave(seat: StreamSeat): void {
    const key = clientKeyOf(seat.client);
    const known = this.#seats.get(key);
    if (known?.seat !== seat) return;
    this.#seats.delete(key);
    this.#seatsByNumber.delete(known.number);
    this.#numbers.giveBack(known.number);
  }

  receive(seat: StreamSeat, message: Uint8Array): void {
    const number = this.#seats.get(clientKeyOf(seat.client))?.number;
    if (number === undefined || message.length > datagramSizeBytesMax) return;
    const { facts } = this.#path;
    facts.socket = number;
    facts.source.fill(0);
    facts.sourcePort = 0;
    this.#fromClient(seat.client, message);
  }

  #attach(action: ActionOf<"attach">): void {
    const { allocation, client, relays, account, allocationBytesPerSec, userBytesPerSec } = action;
    const numberOf = (family: 4 | 6): number | undefined => {
      const facts = relays.find((relay) => relay.family === family);
      return facts === undefined ? undefined : this.#relays.get(facts.relay)?.number;
    };
    const key = clientKeyOf(client);
    this.#owners.set(allocation, { traffic: noTraffic(), key });
    this.#serve(key, true);
    this.#admit(
      this.#path.attach({
        allocation,
        client: this.#placeOf(client),
        relayV4: numberOf(4),
        relayV6: numberOf(6),
        account,
        allocationBytesPerSec,
        userBytesPerSec,
      }),
    );
  }

  #move({ allocation, client }: ActionOf<"move">): void {
    const owner = this.#owners.get(allocation);
    if (owner !== undefined) {
      this.#serve(owner.key, false);
      owner.key = client === undefined ? undefined : clientKeyOf(client);
      this.#serve(owner.key, true);
    }
    this.#path.move(allocation, client === undefined ? undefined : this.#placeOf(client));
  }

  #serve(key: string | undefined, isServing: boolean): void {
    const seat = key === undefined ? undefined : this.#seats.get(key)?.seat;
    if (seat !== undefined) seat.isServing = isServing;
  }

  /** A stream that has ended meanwhile gets a number that nobody has: its close follows. */
  #placeOf(client: TurnClient): DataPlace {
    if (client.transport !== "udp") {
      return { socket: this.#seats.get(clientKeyOf(client))?.number ?? -1, remote: undefined };
    }
    const listener = this.#listeners.get(formatEndpoint(client.local));
    return { socket: listener?.number ?? -1, remote: client.remote };
  }

  /** Full tables lose packets; the server's own limits are lower. */
  #admit(isThere: boolean): void {
    if (!isThere) this.#queueFull++;
  }

  #fromListener(listener: UdpSocket, bytes: Uint8Array, source: RemoteInfo): void {
    const ip = parseIp(source.address);
    if (ip === undefined || source.port === 0) return;
    const { facts } = this.#path;
    facts.socket = listener.number;
    facts.source.set(ipToWords(ip));
    facts.sourcePort = source.port;
    const remote = { ip, port: source.port };
    this.#fromClient({ transport: "udp", remote, local: listener.local }, bytes);
  }

  #fromClient(client: TurnClient, bytes: Uint8Array): void {
    const path = this.#path;
    this.#arena.set(bytes, arenaStart);
    const verdict = path.fromClient(this.#parts.clock.monotonicMs(), arenaStart, bytes.length);
    if (verdict === dataVerdict.toMain) {
      this.#parts.listener.handleMessage(client, bytes);
      return;
    }
    const { facts } = path;
    const { hasMoved, allocation } = facts;
    if (verdict === dataVerdict.toPeer) this.#toPeer();
    else this.#refused[verdict] = (this.#refused[verdict] ?? 0) + 1;
    if (hasMoved) this.#parts.listener.handleMoved(allocation as AllocationId);
  }

  #toPeer(): void {
    const { facts } = this.#path;
    const { target, targetPort, sizeBytes, offset } = facts;
    const relay = this.#sockets.get(facts.toSocket);
    if (relay === undefined) return;
    const most = relay.isV6 ? unfragmentedSizeBytesMax.v6 : unfragmentedSizeBytesMax.v4;
    if (facts.isUnfragmented && sizeBytes > most) {
      this.#sendFailed++;
      return;
    }
    const [word0 = 0, word1 = 0, word2 = 0, word3 = 0] = target;
    const ip = ipFromWords(word0 >>> 0, word1 >>> 0, word2 >>> 0, word3 >>> 0);
    const copy = Buffer.from(this.#arena.subarray(offset, offset + sizeBytes));
    if (!this.#send(relay, copy, ip, targetPort)) return;
    this.#traffic.packetsUp++;
    this.#traffic.bytesUp += sizeBytes;
    const own = this.#owners.get(facts.allocation as AllocationId)?.traffic;
    if (own === undefined) return;
    own.packetsUp++;
    own.bytesUp += sizeBytes;
  }

  #fromPeer(relay: UdpSocket, bytes: Uint8Array, source: RemoteInfo): void {
    const ip = parseIp(source.address);
    if (ip === undefined) return;
    const path = this.#path;
    const { facts } = path;
    facts.socket = relay.number;
    facts.source.set(ipToWords(ip));
    facts.sourcePort = source.port;
    this.#arena.set(bytes, arenaStart);
    const verdict = path.fromPeer(this.#parts.clock.monotonicMs(), arenaStart, bytes.length);
    if (verdict === dataVerdict.toClient) this.#toClient(bytes.length);
    else this.#refused[verdict] = (this.#refused[verdict] ?? 0) + 1;
  }

  #toClient(payloadSizeBytes: number): void {
    const { facts } = this.#path;
    const message = Buffer.from(this.#arena.subarray(facts.offset, facts.offset + facts.sizeBytes));
    const seat = this.#seatsByNumber.get(facts.toSocket);
    if (seat === undefined ? !this.#toDatagramClient(message) : !seat.send(message, true)) {
      if (seat !== undefined) this.#queueFull++;
      return;
    }
    this.#traffic.packetsDown++;
    this.#traffic.bytesDown += payloadSizeBytes;
    const own = this.#owners.get(facts.allocation as AllocationId)?.traffic;
    if (own === undefined) return;
    own.packetsDown++;
    own.bytesDown += payloadSizeBytes;
  }

  #toDatagramClient(message: Uint8Array): boolean {
    const { facts } = this.#path;
    for (const listener of this.#listeners.values()) {
      if (listener.number !== facts.toSocket) continue;
      const [word0 = 0, word1 = 0, word2 = 0, word3 = 0] = facts.target;
      const ip = ipFromWords(word0 >>> 0, word1 >>> 0, word2 >>> 0, word3 >>> 0);
      return this.#send(listener, message, ip, facts.targetPort);
    }
    return false;
  }

  #send(from: UdpSocket, bytes: Uint8Array, ip: IpAddress, port: number): boolean {
    if (from.pendingSends >= turnPendingSendsMax) {
      this.#queueFull++;
      return false;
    }
    from.pendingSends++;
    from.socket.send(bytes, port, ip, (error) => {
      from.pendingSends--;
      if (error !== null) this.#sendFailed++;
    });
    return true;
  }

  #makeSocket(socket: Socket, local: Endpoint): UdpSocket {
    const isV6 = local.ip.includes(":");
    return { number: this.#numbers.take(), socket, isV6, local, pendingSends: 0 };
  }
}

function outcomeOf(code: string | undefined): BindOutcome {
  const isOurs = code === "EMFILE" || code === "ENFILE" || code === "ENOBUFS" || code === "EADDRNOTAVAIL";
  return isOurs ? "failed" : "port-taken";
}
