/** A TURN server with everything around it made up: sockets, ports, a clock, and clients that know the protocol. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  type Endpoint,
  formatEndpoint,
  type IpFamily,
  ipToWords,
  parseEndpoint,
  parseIp,
} from "../../../src/core/address.ts";
import type { Random } from "../../../src/core/random.ts";
import type { MonotonicMs, UnixMs } from "../../../src/core/time.ts";
import { systemDigests } from "../../../src/io/digests.ts";
import { parseStun, type StunMessage } from "../../../src/stun/message.ts";
import type {
  ActionOf,
  AllocationId,
  ConnectionId,
  RelayId,
  TurnAction,
  TurnClient,
  TurnMoment,
} from "../../../src/turn/actions.ts";
import { dataVerdict } from "../../../src/turn/data-facts.ts";
import { DataPath } from "../../../src/turn/data-path.ts";
import { OwnPlaces } from "../../../src/turn/own-places.ts";
import { clientKeyOf } from "../../../src/turn/request.ts";
import { type RelayFailure, TurnServer } from "../../../src/turn/server.ts";
import { type TurnSettings, turnDefaults } from "../../../src/turn/settings.ts";

export const digests = systemDigests;

export function at(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  assert.ok(endpoint !== undefined, text);
  return endpoint;
}

export function ip(text: string): Endpoint["ip"] {
  const value = parseIp(text);
  assert.ok(value !== undefined, text);
  return value;
}

/** Repeats itself, so that a failure does. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const word = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    bytes: (sizeBytes) => Uint8Array.from({ length: sizeBytes }, () => word() & 0xff),
    below: (limit) => Math.floor((word() / 0x1_0000_0000) * limit),
  };
}

export const serverAt = at("198.51.100.1:3478");
/** What the relays' host is called inside and outside. */
export const relayIp = { 4: ip("10.1.1.1"), 6: ip("2001:db8:1::1") } as const;
export const advertisedIp = { 4: ip("203.0.113.1"), 6: ip("2001:db8:1::1") } as const;

export function udpClient(text: string): TurnClient {
  return { transport: "udp", remote: at(text), local: serverAt };
}

export function tcpClient(text: string): TurnClient {
  return { transport: "tcp", remote: at(text), local: serverAt };
}

export interface Answer {
  readonly client: TurnClient;
  readonly message: StunMessage;
  readonly from: Endpoint | undefined;
  readonly to: Endpoint | undefined;
}

export interface FakeRelay {
  readonly allocation: AllocationId;
  readonly family: IpFamily;
  readonly local: Endpoint;
  readonly socket: number;
  isOpen: boolean;
}

const arenaOffset = 128;
const listenerSocket = 1;

export class TurnRig {
  nowMs = 1_000_000;
  readonly unixOffsetMs = 1_700_000_000_000;
  readonly server: TurnServer;
  readonly settings: TurnSettings;
  readonly own = new OwnPlaces([
    { ip: relayIp[4], advertisedIp: advertisedIp[4] },
    { ip: relayIp[6], advertisedIp: advertisedIp[6] },
  ]);
  readonly arena = new Uint8Array(16_384);
  readonly data: DataPath;
  readonly relays = new Map<RelayId, FakeRelay>();
  readonly connections = new Map<ConnectionId, Endpoint>();
  readonly actions: TurnAction[] = [];
  readonly answers: Answer[] = [];
  /** What the next relays meet with, in this order; then they open. */
  failures: (RelayFailure | undefined)[] = [];
  /** Relays wait for `openAll` where false. */
  opensAtOnce = true;
  #waiting: ActionOf<"open">[] = [];
  #nextPort = 50_000;
  #nextSocket = 100;
  readonly #streams = new Map<string, number>();

  constructor(settings: Partial<TurnSettings> = {}, seed = 1) {
    this.settings = {
      ...turnDefaults,
      realm: "example.org",
      users: [
        { name: "ann", password: "secret" },
        { name: "bob", password: "hidden" },
      ],
      ownIps: [serverAt.ip, relayIp[4], relayIp[6], advertisedIp[4]],
      ...settings,
    };
    this.server = new TurnServer({
      digests,
      random: seededRandom(seed),
      settings: this.settings,
      isOwnPort: (endpoint) => this.own.isOpen(endpoint),
    });
    this.own.setControlPorts(this.settings.controlPorts);
    const capacity = { allocations: 64, permissions: 512, channels: 512 };
    this.data = new DataPath({ arena: this.arena, own: this.own, capacity, seed: 12_345 });
  }

  get moment(): TurnMoment {
    return { nowMs: this.nowMs as MonotonicMs, unixMs: (this.unixOffsetMs + this.nowMs) as UnixMs };
  }

  get now(): MonotonicMs {
    return this.nowMs as MonotonicMs;
  }

  /** A message comes in; the answer to it, if there is one at once. */
  send(client: TurnClient, bytes: Uint8Array): Answer | undefined {
    const before = this.answers.length;
    this.apply(this.server.handleMessage(this.moment, client, bytes));
    return this.answers.slice(before).find((answer) => answer.client === client);
  }

  /** Time goes by, and every deadline is met in time. */
  pass(seconds: number): void {
    const endMs = this.nowMs + seconds * 1_000;
    for (let count = 0; ; count++) {
      assert.ok(count < 10_000, "deadlines never end");
      const nextMs = this.server.nextDeadlineMs();
      if (nextMs === undefined || nextMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      this.apply(this.server.handleTimeout(this.now));
    }
    this.nowMs = endMs;
  }

  close(client: TurnClient): void {
    this.apply(this.server.handleClientClosed(this.now, client));
  }

  reload(settings: Partial<TurnSettings>): void {
    this.apply(this.server.reload(this.now, { ...this.settings, ...settings }));
  }

  openAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const action of waiting) this.#open(action);
  }

  openRelays(): FakeRelay[] {
    return [...this.relays.values()].filter(({ isOpen }) => isOpen);
  }

  actionsOf<Kind extends TurnAction["kind"]>(kind: Kind): ActionOf<Kind>[] {
    return this.actions.filter((action): action is ActionOf<Kind> => action.kind === kind);
  }

  apply(actions: readonly TurnAction[]): void {
    for (const action of actions) {
      this.actions.push(action);
      this.#carryOut(action);
    }
  }

  /** A client's data: what became of it, and the datagram that goes to the peer. */
  fromClient(
    client: TurnClient,
    bytes: Uint8Array,
  ): { verdict: number; to?: string; payload?: string; socket?: number } {
    const { facts } = this.data;
    this.arena.fill(0xee);
    this.arena.set(bytes, arenaOffset);
    facts.socket = this.#socketOf(client);
    const isDatagram = client.transport === "udp";
    facts.source.set(isDatagram ? ipToWords(client.remote.ip) : [0, 0, 0, 0]);
    facts.sourcePort = isDatagram ? client.remote.port : 0;
    const verdict = this.data.fromClient(this.nowMs, arenaOffset, bytes.length);
    if (facts.hasMoved) this.apply(this.server.handleClientMoved(facts.allocation as AllocationId));
    if (verdict !== dataVerdict.toPeer) return { verdict };
    const payload = Buffer.from(this.arena.subarray(facts.offset, facts.offset + facts.sizeBytes)).toString(
      "latin1",
    );
    return { verdict, to: textOf(facts.target, facts.targetPort), payload, socket: facts.toSocket };
  }

  /** A peer's datagram to the relay: what became of it, and the bytes that go to the client. */
  fromPeer(
    relay: FakeRelay,
    peer: string,
    payload: string,
  ): { verdict: number; to?: string; bytes?: Uint8Array; socket?: number } {
    const { facts } = this.data;
    this.arena.fill(0xee);
    this.arena.set(Buffer.from(payload, "latin1"), arenaOffset);
    facts.socket = relay.socket;
    facts.source.set(ipToWords(at(peer).ip));
    facts.sourcePort = at(peer).port;
    const verdict = this.data.fromPeer(this.nowMs, arenaOffset, payload.length);
    if (verdict !== dataVerdict.toClient) return { verdict };
    const bytes = this.arena.slice(facts.offset, facts.offset + facts.sizeBytes);
    return { verdict, to: textOf(facts.target, facts.targetPort), bytes, socket: facts.toSocket };
  }

  #carryOut(action: TurnAction): void {
    switch (action.kind) {
      case "reply": {
        const message = parseStun(action.bytes);
        assert.ok(message !== undefined, "a reply is a message");
        this.answers.push({ client: action.client, message, from: action.from, to: action.to });
        break;
      }
      case "open":
        if (this.opensAtOnce) this.#open(action);
        else this.#waiting.push(action);
        break;
      case "close":
        this.#close(action.relay);
        break;
      case "attach":
        this.#attach(action);
        break;
      case "expect":
        this.data.expect(action.allocation, this.#placeOf(action.client));
        break;
      case "move":
        this.data.move(
          action.allocation,
          action.client === undefined ? undefined : this.#placeOf(action.client),
        );
        break;
      case "detach":
        this.data.detach(action.allocation);
        break;
      case "permit":
        assert.ok(this.data.permit(action.allocation, action.ip, action));
        break;
      case "forbid":
        this.data.forbid(action.allocation, action.ip);
        break;
      case "bind":
        assert.ok(this.data.bind(action.allocation, action));
        break;
      case "unbind":
        this.data.unbind(action.allocation, action.channel);
        break;
      case "connect":
        assert.ok(!this.connections.has(action.connection));
        this.connections.set(action.connection, action.peer);
        break;
      case "disconnect":
        assert.ok(this.connections.delete(action.connection), "a connection is closed once");
        break;
      case "join":
        assert.ok(this.connections.has(action.connection));
        break;
      case "hang-up":
        this.close(action.client);
        break;
    }
  }

  #open(action: ActionOf<"open">): void {
    const failure = this.failures.shift();
    if (failure !== undefined) {
      this.apply(this.server.handleRelayFailed(this.now, action.relay, failure));
      return;
    }
    const { family, relay, next, allocation } = action;
    if (action.port !== "any" && this.#nextPort % 2 === 1) this.#nextPort++;
    const opened = this.#make(relay, allocation, family);
    const upper = next === undefined ? undefined : this.#make(next, allocation, family);
    this.apply(this.server.handleRelayOpened(this.now, relay, { ...opened, next: upper }));
  }

  #make(
    relay: RelayId,
    allocation: AllocationId,
    family: IpFamily,
  ): { local: Endpoint; advertised: Endpoint } {
    assert.ok(!this.relays.has(relay), "a relay is opened once");
    const port = this.#nextPort++;
    const local = { ip: relayIp[family], port };
    this.relays.set(relay, { allocation, family, local, socket: this.#nextSocket++, isOpen: true });
    this.own.setPort(local, true);
    return { local, advertised: { ip: advertisedIp[family], port } };
  }

  #close(relay: RelayId): void {
    const found = this.relays.get(relay);
    assert.ok(found?.isOpen, "what is closed was open");
    found.isOpen = false;
    this.data.closeRelay(found.socket);
    this.own.setPort(found.local, false);
  }

  #attach(action: ActionOf<"attach">): void {
    const socket = (family: IpFamily): number | undefined => {
      const facts = action.relays.find((relay) => relay.family === family);
      return facts === undefined || action.transport === "tcp"
        ? undefined
        : this.relays.get(facts.relay)?.socket;
    };
    const client = this.#placeOf(action.client);
    assert.ok(this.data.attach({ ...action, client, relayV4: socket(4), relayV6: socket(6) }));
  }

  #placeOf(client: TurnClient): { socket: number; remote: Endpoint | undefined } {
    const isDatagram = client.transport === "udp";
    return { socket: this.#socketOf(client), remote: isDatagram ? client.remote : undefined };
  }

  #socketOf(client: TurnClient): number {
    if (client.transport === "udp") return listenerSocket;
    const key = clientKeyOf(client);
    const socket = this.#streams.get(key) ?? this.#nextSocket++;
    this.#streams.set(key, socket);
    return socket;
  }
}

function textOf(words: Int32Array, port: number): string {
  const builder = [...words].map((word) => word >>> 0);
  const [a = 0, b = 0, c = 0, d = 0] = builder;
  const isV4 = a === 0 && b === 0 && c === 0xffff;
  const quad = [d >>> 24, (d >>> 16) & 255, (d >>> 8) & 255, d & 255].join(".");
  if (isV4) return `${quad}:${port}`;
  const hex = builder.flatMap((word) => [(word >>> 16).toString(16), (word & 0xffff).toString(16)]).join(":");
  return formatEndpoint({ ip: ip(hex), port });
}
