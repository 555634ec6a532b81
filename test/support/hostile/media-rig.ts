/**
 * A relay whose one worker is the real core with the real handover policy, run by hand in this thread; its sockets
 * are stubs that say no now and then.
 */
import assert from "node:assert/strict";
import { type IpAddress, ipToWords } from "../../../src/core/address.ts";
import { jumboSizeBytesMax, packetHeadroomBytes, packetTailroomBytes } from "../../../src/core/limits.ts";
import type { GroupId, PairId, PairSettings, RelayEvent } from "../../../src/core/plan/plan.ts";
import { Handover } from "../../../src/handover/handover.ts";
import { RingReader, RingWriter } from "../../../src/io/ring.ts";
import { makeWorkerSetup } from "../../../src/io/worker-setup.ts";
import { workerField } from "../../../src/relay/counters.ts";
import {
  type BindRequest,
  type BindResult,
  commandWords,
  type DriverListener,
  eventWords,
  type RelayDriver,
  type SocketPort,
  sendCode,
  type WorkerLink,
} from "../../../src/relay/driver.ts";
import { holdStoreBytes } from "../../../src/relay/hold-store.ts";
import { type ReasonName, reason, reasonNames } from "../../../src/relay/reasons.ts";
import { Relay } from "../../../src/relay/relay.ts";
import { WorkerCore } from "../../../src/relay/worker-core.ts";
import { Chance } from "../simulation/chance.ts";
import { World } from "../simulation/world.ts";

const capacitySlots = 32;
const bufferBytes = packetHeadroomBytes + jumboSizeBytesMax + packetTailroomBytes;

/** Reasons that are no end of a datagram that came in: notes beside one, or of something else. */
const besides: ReadonlySet<ReasonName> = new Set(["hold", "heldReleased", "sendRetried", "forbiddenTarget"]);

class StubSockets implements SocketPort {
  readonly open = new Map<number, { readonly isV6: boolean }>();
  sentCount = 0;
  readonly #arenaBytes: number;
  #turn = 0;

  constructor(arenaBytes: number) {
    this.#arenaBytes = arenaBytes;
  }

  adopt(slot: number, _generation: number, _handle: number, isV6: boolean): boolean {
    assert.ok(!this.open.has(slot), `socket ${slot} is adopted once`);
    this.open.set(slot, { isV6 });
    return true;
  }

  release(slot: number): void {
    assert.ok(this.open.delete(slot), `socket ${slot} is released once`);
  }

  setTarget(slot: number, ip0: number, ip1: number, ip2: number): boolean {
    const isV4 = ip0 === 0 && ip1 === 0 && ip2 === 0xffff;
    return this.open.get(slot)?.isV6 !== isV4;
  }

  send(slot: number, offset: number, sizeBytes: number): number {
    assert.ok(this.open.has(slot), "sent from an open socket");
    assert.ok(offset >= packetHeadroomBytes && offset + sizeBytes <= this.#arenaBytes, "sent from the arena");
    this.sentCount++;
    this.#turn = (this.#turn + 1) % 16;
    if (this.#turn === 3) return sendCode.queueFull;
    if (this.#turn === 7) return sendCode.failed;
    return this.#turn === 11 ? sendCode.sentOnRetry : sendCode.sent;
  }
}

export class MediaRig implements RelayDriver {
  readonly name = "dgram";
  readonly capacitySlots = capacitySlots;
  readonly links: readonly WorkerLink[];
  readonly world = new World();
  readonly relay: Relay;
  readonly sockets: StubSockets;
  readonly #arena = new Uint8Array(bufferBytes + holdStoreBytes);
  readonly #core: WorkerCore;
  readonly #commands: RingReader;
  readonly #link: WorkerLink;
  readonly #events: RelayEvent[] = [];
  #listener: DriverListener | undefined;
  #handle = 0;
  #lastPair = 0;
  /** Datagrams handed to the worker. */
  givenCount = 0;

  constructor() {
    const own = {
      forbiddenTargets: new Int32Array(0),
      ownMedia: new Int32Array(0),
      wakeDescriptor: 0,
      trustedMedia: [],
      coalesces: false,
    };
    const setup = makeWorkerSetup(capacitySlots, own);
    this.#commands = new RingReader(setup.commands, commandWords);
    this.#link = {
      commands: new RingWriter(setup.commands, commandWords),
      events: new RingReader(setup.events, eventWords),
      counters: setup.counters,
      wake: () => undefined,
    };
    this.links = [this.#link];
    this.sockets = new StubSockets(this.#arena.length);
    this.#core = new WorkerCore({
      capacitySlots,
      arena: this.#arena,
      holdBase: bufferBytes,
      counters: setup.counters,
      sockets: this.sockets,
      events: new RingWriter(setup.events, eventWords),
      forbiddenTargets: own.forbiddenTargets,
      ownMedia: own.ownMedia,
      makePolicy: (slots, sink) => new Handover(slots, sink),
    });
    const ip = "198.51.100.1" as IpAddress;
    this.relay = new Relay({
      driver: this,
      interfaces: [{ name: "one", ip, advertisedIp: ip }],
      portMin: 30_000,
      portMax: 30_000 + capacitySlots - 1,
      tos: 0,
      random: new Chance(1),
      clock: this.world.clock,
      onEvent: (event) => this.#events.push(event),
      onFault: (message) => assert.fail(message),
    });
  }

  start(listener: DriverListener): Promise<void> {
    this.#listener = listener;
    return Promise.resolve();
  }

  bindPair(_request: BindRequest, done: (result: BindResult) => void): void {
    this.#handle += 2;
    done({ ok: true, rtpHandle: this.#handle, rtcpHandle: this.#handle + 1 });
  }

  discard(): void {
    assert.fail("every socket has a worker");
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  open(group: number): PairId {
    const pair = ++this.#lastPair as PairId;
    const wish = { interfaceName: undefined, family: 4, tos: undefined } as const;
    this.relay.perform({ kind: "open", pair, group: group as GroupId, ...wish });
    this.turn();
    assert.ok(this.#events.splice(0).some((event) => event.kind === "opened" && event.pair === pair));
    return pair;
  }

  configure(pair: PairId, settings: PairSettings): void {
    this.relay.perform({ kind: "configure", pair, settings });
    this.turn();
  }

  close(pair: PairId): void {
    this.relay.perform({ kind: "close", pair });
    this.turn();
    const closed = this.#events.splice(0).filter((event) => event.kind === "closed");
    assert.deepEqual(closed, [{ kind: "closed", pair }]);
    assert.equal(this.relay.read(pair), undefined);
  }

  /** One datagram, as the drivers hand it over: what exceeds the buffer is told by its size alone. */
  receive(slot: number, source: { readonly ip: IpAddress; readonly port: number }, bytes: Uint8Array): void {
    const { facts } = this.#core.forwarder;
    const [ip0, ip1, ip2, ip3] = ipToWords(source.ip);
    facts.ip0 = ip0 | 0;
    facts.ip1 = ip1 | 0;
    facts.ip2 = ip2 | 0;
    facts.ip3 = ip3 | 0;
    facts.port = source.port;
    this.#arena.set(bytes.subarray(0, jumboSizeBytesMax), packetHeadroomBytes);
    this.givenCount++;
    this.#core.forwarder.receive(slot, packetHeadroomBytes, bytes.length, this.world.nowMs);
    this.turn();
  }

  /** Time passes, deadline by deadline. */
  pass(durationMs: number): void {
    const endMs = this.world.nowMs + durationMs;
    for (let turns = 0; this.#core.nextDeadlineMs() <= endMs; turns++) {
      assert.ok(turns < 10_000, "time goes on");
      this.world.pass(Math.max(0, this.#core.nextDeadlineMs() - this.world.nowMs));
      this.turn();
    }
    this.world.pass(endMs - this.world.nowMs);
    this.turn();
  }

  turn(): void {
    const nowMs = this.world.nowMs;
    this.#core.drainCommands(this.#commands, nowMs);
    this.#core.tick(nowMs);
    while (this.#core.flushEvents()) this.#listener?.handleWake(0);
  }

  count(name: ReasonName): number {
    return this.#worker(workerField.reasons + reason[name]);
  }

  get heldBytes(): number {
    return this.#worker(workerField.heldBytes);
  }

  /** Every datagram given has come to one end, or is held. */
  checkCounts(): void {
    const held =
      this.count("hold") - this.count("heldReleased") - this.count("heldExpired") - this.count("heldDropped");
    assert.ok(held >= 0, "nothing leaves the store that was not put there");
    assert.equal(held === 0, this.heldBytes === 0);
    let ends = held;
    for (const name of reasonNames) if (!besides.has(name)) ends += this.count(name);
    assert.equal(ends, this.givenCount, "every datagram is counted once");
    const sent = this.count("relay") + this.count("sendQueueFull") + this.count("sendFailed");
    assert.equal(sent, this.sockets.sentCount);
    assert.equal(this.#worker(workerField.openSlots), this.sockets.open.size);
  }

  /** What must hold with all pairs closed. */
  checkEmpty(): void {
    this.checkCounts();
    assert.equal(this.heldBytes, 0, "nothing is held");
    assert.equal(this.sockets.open.size, 0);
    const { interfaces, workers } = this.relay.stats();
    assert.equal(interfaces[0]?.used, 0);
    assert.equal(workers[0]?.usedPairs, 0);
    assert.equal(this.#core.nextDeadlineMs(), Number.POSITIVE_INFINITY, "nothing is due");
  }

  #worker(field: number): number {
    return this.#link.counters.worker[field] ?? Number.NaN;
  }
}
