/**
 * A relay whose one worker is the real core with the real handover policy, run by hand in this thread; its sockets
 * are stubs that say no now and then.
 */
import assert from "node:assert/strict";
import { type Endpoint, type IpAddress, ipToWords } from "../../../src/core/address.ts";
import { jumboSizeBytesMax, packetHeadroomBytes, packetRoomBytes } from "../../../src/core/limits.ts";
import type { GroupId, PairId, PairSettings, RelayEvent } from "../../../src/core/plan/plan.ts";
import type { SrtpKey } from "../../../src/core/plan/security.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import { Handover } from "../../../src/handover/handover.ts";
import type { IceAction } from "../../../src/ice/agent.ts";
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
import { packetWords } from "../../../src/relay/packet-records.ts";
import { cryptoPlaces } from "../../../src/relay/protection.ts";
import { type ReasonName, reason, reasonNames } from "../../../src/relay/reasons.ts";
import { Relay } from "../../../src/relay/relay.ts";
import { replayLogBytes } from "../../../src/relay/replay-log.ts";
import type { DtlsPart, IcePart } from "../../../src/relay/transports/transport-parts.ts";
import { WorkerCore } from "../../../src/relay/worker-core.ts";
import type { DtlsAction } from "../../../src/srtp/dtls/association.ts";
import { scratchBytes } from "../../../src/srtp/engine.ts";
import { PacketCrypto, srtpHandlesMax } from "../../../src/srtp/packet-crypto.ts";
import { Chance } from "../simulation/chance.ts";
import { World } from "../simulation/world.ts";
import { NodeCryptoEngine } from "../srtp-node-engine.ts";

const capacitySlots = 32;

/** Reasons that are no end of a datagram that came in: notes beside one, or of something else. */
const besides: ReadonlySet<ReasonName> = new Set([
  "hold",
  "heldReleased",
  "sendRetried",
  "forbiddenTarget",
  "packetsDownStale",
]);

/** Keys that main's side of a handshake comes to. */
export const handshakeKeys = [mediaKey(71), mediaKey(72)] as const;

export function mediaKey(seed: number): SrtpKey {
  return {
    suite: seed % 2 === 0 ? "AEAD_AES_128_GCM" : "AES_CM_128_HMAC_SHA1_32",
    masterKey: new Uint8Array(16).fill(seed),
    masterSalt: new Uint8Array(seed % 2 === 0 ? 12 : 14).fill(seed),
    mki: undefined,
    encryptsRtp: true,
    encryptsRtcp: true,
    authenticatesRtp: true,
  };
}

/** An ICE agent that answers everything, finds every source valid and every third one best. */
class CredulousIce implements IcePart {
  #turn = 0;

  configure(): readonly IceAction[] {
    return [];
  }

  handlePacket(_nowMs: MonotonicMs, component: 1 | 2, source: Endpoint): readonly IceAction[] {
    this.#turn++;
    const actions: IceAction[] = [
      { kind: "send", component, to: source, bytes: Uint8Array.of(1, 1, 0, 0) },
      { kind: "valid", component, source, isNominated: false },
    ];
    if (this.#turn % 3 === 0) actions.push({ kind: "selected", component, remote: source });
    if (this.#turn % 7 === 0) actions.push({ kind: "failed", component, reason: "consent-lost" });
    return actions;
  }

  handleTimeout(): readonly IceAction[] {
    return [];
  }

  nextDeadlineMs(): undefined {}
}

/** A handshake that is over after its second packet, whoever sends it. */
class CredulousDtls implements DtlsPart {
  #turn = 0;

  handlePacket(_nowMs: MonotonicMs, source: Endpoint): readonly DtlsAction[] {
    this.#turn++;
    const [receive, send] = handshakeKeys;
    const answer: DtlsAction = { kind: "send", to: source, bytes: new Uint8Array(100) };
    return this.#turn % 2 === 0 ? [answer, { kind: "connected", source, receive, send }] : [answer];
  }

  aim(_nowMs: MonotonicMs, to: Endpoint): readonly DtlsAction[] {
    return [{ kind: "send", to, bytes: new Uint8Array(100) }];
  }

  handleTimeout(): readonly DtlsAction[] {
    return [];
  }

  nextDeadlineMs(): undefined {}

  close(): void {}
}

class StubSockets implements SocketPort {
  readonly open = new Map<number, { readonly isV6: boolean }>();
  sentCount = 0;
  sentToCount = 0;
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

  sendTo(
    slot: number,
    offset: number,
    sizeBytes: number,
    _ip0: number,
    _ip1: number,
    _ip2: number,
    _ip3: number,
    port: number,
  ): number {
    assert.ok(this.open.has(slot), "sent from an open socket");
    assert.ok(offset >= packetHeadroomBytes && offset + sizeBytes <= this.#arenaBytes, "sent from the arena");
    assert.ok(port > 0);
    this.sentToCount++;
    return sendCode.sent;
  }
}

const engineBase = packetRoomBytes + holdStoreBytes;
const replayMemoryBytes = 1024 * 1024;
const replayBase = Math.ceil((engineBase + scratchBytes) / 64) * 64;

export class MediaRig implements RelayDriver {
  readonly name = "dgram";
  readonly sendsBatches = false;
  readonly receivesBatches = false;
  readonly srtp = { engine: undefined, faults: [] };
  readonly capacitySlots = capacitySlots;
  readonly links: readonly WorkerLink[];
  readonly world = new World();
  readonly relay: Relay;
  readonly sockets: StubSockets;
  readonly #arena = new Uint8Array(replayBase + replayLogBytes(replayMemoryBytes));
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
      settleMs: 3_000,
      relearnAfterSilenceMs: undefined,
      replayMemoryBytes,
      coalesces: false,
      batches: false,
      secondSocketsMax: 0,
    };
    const setup = makeWorkerSetup(capacitySlots, own);
    this.#commands = new RingReader(setup.commands, commandWords);
    this.#link = {
      commands: new RingWriter(setup.commands, commandWords),
      events: new RingReader(setup.events, eventWords),
      packetsUp: new RingReader(setup.packetsUp, packetWords),
      packetsDown: new RingWriter(setup.packetsDown, packetWords),
      counters: setup.counters,
      handover: setup.handover,
      wake: () => undefined,
    };
    this.links = [this.#link];
    this.sockets = new StubSockets(this.#arena.length);
    const places = cryptoPlaces(capacitySlots);
    const engine = new NodeCryptoEngine(this.#arena, engineBase, srtpHandlesMax(places));
    this.#core = new WorkerCore({
      capacitySlots,
      arena: this.#arena,
      holdBase: packetRoomBytes,
      replayBase,
      replayMemoryBytes,
      digestKey: Int32Array.of(3, 4),
      counters: setup.counters,
      sockets: this.sockets,
      events: new RingWriter(setup.events, eventWords),
      packetsUp: new RingWriter(setup.packetsUp, packetWords),
      packetsDown: new RingReader(setup.packetsDown, packetWords),
      crypto: new PacketCrypto(engine, this.#arena, places),
      forbiddenTargets: own.forbiddenTargets,
      ownMedia: own.ownMedia,
      makePolicy: (slots, sink) => new Handover(slots, sink, { memory: setup.handover }),
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
      makers: { ice: () => new CredulousIce(), dtls: () => new CredulousDtls() },
      onEvent: (event) => this.#events.push(event),
      onDeadline: () => undefined,
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
    const again = this.#worker(workerField.replayedPackets) + this.#worker(workerField.replayErrors);
    assert.equal(sent + again, this.sockets.sentCount);
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
