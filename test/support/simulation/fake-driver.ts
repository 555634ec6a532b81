/**
 * A relay driver without sockets: the relay's own rings and counters, workers that keep books instead of packets, and
 * answers that come when the weather lets them.
 */
import assert from "node:assert/strict";
import { ipFromWords } from "../../../src/core/address.ts";
import { handoverBytes } from "../../../src/handover/slot-table.ts";
import { allocateRing, RingReader, RingWriter } from "../../../src/io/ring.ts";
import { commandField, commandKind } from "../../../src/relay/commands.ts";
import { counterSizes, socketAt, socketField } from "../../../src/relay/counters.ts";
import {
  type BindRequest,
  type BindResult,
  commandWords,
  type DriverListener,
  eventWords,
  type RelayDriver,
  type WorkerLink,
} from "../../../src/relay/driver.ts";
import { eventField, eventKind } from "../../../src/relay/events.ts";
import { packetWords } from "../../../src/relay/packet-records.ts";
import type { Chance } from "./chance.ts";
import type { Weather } from "./weather.ts";
import type { World } from "./world.ts";

/** Small rings, so that they are full now and then. */
const ringRecords = 16;

interface OpenSlot {
  readonly generation: number;
  readonly handles: readonly [number, number];
}

export class FakeDriver implements RelayDriver {
  readonly name = "dgram";
  readonly sendsBatches = false;
  readonly receivesBatches = false;
  readonly srtp = { engine: undefined, faults: [] };
  readonly capacitySlots: number;
  readonly links: readonly WorkerLink[];
  /** `ip:port` of the RTP socket by its handle; RTCP is one above in both. */
  readonly #bound = new Map<number, string>();
  readonly #names = new Set<string>();
  readonly #workers: readonly FakeWorker[];
  readonly #world: World;
  readonly #chance: Chance;
  readonly #weather: Weather;
  #lastHandle = 0;

  constructor(world: World, chance: Chance, weather: Weather, capacitySlots: number) {
    this.#world = world;
    this.#chance = chance;
    this.#weather = weather;
    this.capacitySlots = capacitySlots;
    const context = {
      world,
      chance,
      weather,
      capacitySlots,
      release: (handle: number) => this.#release(handle),
    };
    this.#workers = [0, 1].map((index) => new FakeWorker(index, context));
    this.links = this.#workers.map((worker) => worker.link);
  }

  /** Pairs of sockets that exist. */
  get boundCount(): number {
    return this.#bound.size;
  }

  get openSlots(): number {
    return this.#workers.reduce((sum, worker) => sum + worker.slots.size, 0);
  }

  start(listener: DriverListener): Promise<void> {
    for (const worker of this.#workers) worker.listener = listener;
    return Promise.resolve();
  }

  bindPair(request: BindRequest, done: (result: BindResult) => void): void {
    const name = `${request.ip}:${request.port}`;
    assert.equal(request.port % 2, 0, "RTP stands on an even port");
    assert.ok(!this.#names.has(name), `${name} is bound once`);
    const { portTakenShare, bindFailureShare, bindMsMax } = this.#weather;
    this.#names.add(name);
    const fail = (reason: "port-taken" | "no-descriptors" | "no-address"): void => {
      this.#names.delete(name);
      done({ ok: false, reason });
    };
    const finish = (): void => {
      if (this.#chance.happens(portTakenShare)) fail("port-taken");
      else if (this.#chance.happens(bindFailureShare)) {
        fail(this.#chance.pick(["no-descriptors", "no-address"] as const));
      } else {
        this.#lastHandle += 2;
        this.#bound.set(this.#lastHandle, name);
        done({ ok: true, rtpHandle: this.#lastHandle, rtcpHandle: this.#lastHandle + 1 });
      }
    };
    if (bindMsMax === 0) finish();
    else this.#world.after(this.#chance.between(0, bindMsMax), finish);
  }

  discard(_worker: number, rtpHandle: number, rtcpHandle: number): void {
    assert.equal(rtcpHandle, rtpHandle + 1);
    this.#release(rtpHandle);
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  /** A packet arrives on one of the open sockets; now and then it proves its source. */
  hearSomething(): void {
    const worker = this.#chance.pick(this.#workers);
    const slots = [...worker.slots.keys()];
    if (slots.length > 0) worker.hear(this.#chance.pick(slots));
  }

  /** A packet arrives on every open socket. */
  hearEverywhere(): void {
    for (const worker of this.#workers) for (const slot of worker.slots.keys()) worker.hear(slot);
  }

  #release(handle: number): void {
    const name = this.#bound.get(handle);
    if (name === undefined) assert.fail(`handle ${handle} is closed once`);
    this.#bound.delete(handle);
    this.#names.delete(name);
  }
}

interface WorkerContext {
  readonly world: World;
  readonly chance: Chance;
  readonly weather: Weather;
  readonly capacitySlots: number;
  readonly release: (handle: number) => void;
}

class FakeWorker {
  readonly link: WorkerLink;
  readonly slots = new Map<number, OpenSlot>();
  listener: DriverListener | undefined;
  readonly #index: number;
  readonly #context: WorkerContext;
  readonly #commands: RingReader;
  readonly #events: RingWriter;
  readonly #packetsDown: RingReader;
  /** Events that wait for room. */
  readonly #owed: { readonly kind: number; readonly slot: number; readonly generation: number }[] = [];
  #isAwake = false;

  constructor(index: number, context: WorkerContext) {
    this.#index = index;
    this.#context = context;
    const sizes = counterSizes(context.capacitySlots);
    const commands = allocateRing(ringRecords, commandWords);
    const events = allocateRing(ringRecords, eventWords);
    const packetsDown = allocateRing(ringRecords, packetWords);
    this.#commands = new RingReader(commands, commandWords);
    this.#events = new RingWriter(events, eventWords);
    this.#packetsDown = new RingReader(packetsDown, packetWords);
    this.link = {
      commands: new RingWriter(commands, commandWords),
      events: new RingReader(events, eventWords),
      packetsUp: new RingReader(allocateRing(ringRecords, packetWords), packetWords),
      packetsDown: new RingWriter(packetsDown, packetWords),
      counters: {
        worker: new Float64Array(sizes.worker),
        sockets: new Float64Array(sizes.sockets),
        streams: new Float64Array(sizes.streams),
      },
      handover: new ArrayBuffer(handoverBytes(context.capacitySlots)),
      wake: () => this.#wake(),
    };
  }

  hear(slot: number): void {
    const open = this.slots.get(slot);
    if (open === undefined) return;
    const { world, chance } = this.#context;
    this.link.counters.sockets[socketAt(slot) + socketField.lastPacketAt] = world.nowMs;
    if (chance.happens(0.3)) {
      this.#owed.push({ kind: eventKind.proven, slot: slot + chance.below(2), generation: open.generation });
      this.#wake();
    }
  }

  #wake(): void {
    if (this.#isAwake) return;
    this.#isAwake = true;
    const { world, chance, weather } = this.#context;
    world.after(chance.between(0, weather.workerMsMax), () => {
      this.#isAwake = false;
      this.#turn();
    });
  }

  #turn(): void {
    const { words } = this.#commands;
    for (let at = this.#commands.begin(); at >= 0; at = this.#commands.begin()) {
      this.#apply(words, at);
      this.#commands.release();
    }
    // Checks of ICE go nowhere here.
    while (this.#packetsDown.begin() >= 0) this.#packetsDown.release();
    while (this.#owed.length > 0 && this.#write()) this.#owed.shift();
    this.listener?.handleWake(this.#index);
    if (this.#owed.length > 0) this.#wake();
  }

  #apply(words: Int32Array, at: number): void {
    const slot = words[at + commandField.slot] ?? -1;
    const generation = words[at + commandField.generation] ?? -1;
    const kind = words[at + commandField.kind];
    const open = this.slots.get(slot & ~1);
    if (kind === commandKind.open) {
      assert.equal(open, undefined, `slot ${slot} is free`);
      const handles = [
        words[at + commandField.rtpHandle] ?? 0,
        words[at + commandField.rtcpHandle] ?? 0,
      ] as const;
      this.slots.set(slot, { generation, handles });
      this.#clear(slot, generation);
      return;
    }
    assert.equal(open?.generation, generation, `slot ${slot} is open in this generation`);
    if (kind !== commandKind.close || open === undefined) return;
    this.slots.delete(slot);
    this.#context.release(open.handles[0]);
    this.#owed.push({ kind: eventKind.closed, slot, generation });
  }

  #clear(slot: number, generation: number): void {
    const { sockets } = this.link.counters;
    sockets.fill(0, socketAt(slot), socketAt(slot + 2));
    for (const each of [slot, slot + 1]) sockets[socketAt(each) + socketField.generation] = generation;
  }

  #write(): boolean {
    const event = this.#owed[0];
    const at = this.#events.begin();
    if (event === undefined || at < 0) return false;
    const { words } = this.#events;
    words[at + eventField.kind] = event.kind;
    words[at + eventField.slot] = event.slot;
    words[at + eventField.generation] = event.generation;
    // "signalled", by 192.0.2.x:4000.
    words[at + eventField.evidence] = 2;
    words.set([0, 0, 0xffff, 0xc0000200 | this.#context.chance.below(4), 4_000], at + eventField.source);
    this.#events.commit();
    return true;
  }
}

/** Kept honest: the words above are an IPv4 address in the relay's form. */
assert.equal(ipFromWords(0, 0, 0xffff, 0xc0000201 | 0), "192.0.2.1");
