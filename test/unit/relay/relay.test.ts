import assert from "node:assert/strict";
import type { IpAddress } from "../../../src/core/address.ts";
import type { GroupId, PairId, PairSettings, RelayEvent } from "../../../src/core/plan/plan.ts";
import type { MonotonicMs, UnixMs } from "../../../src/core/time.ts";
import { allocateRing, RingReader, RingWriter } from "../../../src/io/ring.ts";
import { commandField, commandKind } from "../../../src/relay/commands.ts";
import { counterSizes, socketAt, socketField } from "../../../src/relay/counters.ts";
import {
  type BindRequest,
  type BindResult,
  commandWords,
  eventWords,
  type RelayDriver,
} from "../../../src/relay/driver.ts";
import { eventField, eventKind } from "../../../src/relay/events.ts";
import type { RelayInterface } from "../../../src/relay/interfaces.ts";
import { Relay } from "../../../src/relay/relay.ts";
import { SettingsDecoder } from "../../../src/relay/slot-settings.ts";
import { plainSettings } from "../../support/relay-rig.ts";
import { suite } from "../../support/suite.ts";

const inside: RelayInterface = {
  name: "in",
  ip: "10.0.0.1" as IpAddress,
  advertisedIp: "10.0.0.1" as IpAddress,
};
const outside: RelayInterface = {
  name: "out",
  ip: "10.0.0.2" as IpAddress,
  advertisedIp: "203.0.113.9" as IpAddress,
};
const capacitySlots = 64;

/** A driver whose sockets are numbers and whose worker is the test itself. */
class FakeDriver implements RelayDriver {
  readonly name = "dgram";
  readonly capacitySlots = capacitySlots;
  readonly binds: BindRequest[] = [];
  readonly discarded: number[] = [];
  wakes = 0;
  outcome: (request: BindRequest) => BindResult = () => this.#bound();
  isAsynchronous = false;
  readonly waiting: (() => void)[] = [];
  readonly commands: RingReader;
  readonly links;
  readonly #events: RingWriter;
  #lastHandle = 100;

  constructor(commandRecords = 64) {
    const sizes = counterSizes(capacitySlots);
    const commands = allocateRing(commandRecords, commandWords);
    const events = allocateRing(64, eventWords);
    this.commands = new RingReader(commands, commandWords);
    this.#events = new RingWriter(events, eventWords);
    this.links = [
      {
        commands: new RingWriter(commands, commandWords),
        events: new RingReader(events, eventWords),
        counters: {
          worker: new Float64Array(sizes.worker),
          sockets: new Float64Array(sizes.sockets),
          streams: new Float64Array(sizes.streams),
        },
        wake: () => void this.wakes++,
      },
    ];
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  bindPair(request: BindRequest, done: (result: BindResult) => void): void {
    this.binds.push(request);
    const result = this.outcome(request);
    if (this.isAsynchronous) this.waiting.push(() => done(result));
    else done(result);
  }

  discard(_worker: number, rtpHandle: number, rtcpHandle: number): void {
    this.discarded.push(rtpHandle, rtcpHandle);
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  /** What main has asked for: kind, slot and generation. */
  taken(): {
    readonly kind: number;
    readonly slot: number;
    readonly generation: number;
    readonly at: number;
  }[] {
    const taken = [];
    for (let at = this.commands.begin(); at >= 0; at = this.commands.begin()) {
      const { words } = this.commands;
      taken.push({
        kind: words[at + commandField.kind]!,
        slot: words[at + commandField.slot]!,
        generation: words[at + commandField.generation]!,
        at,
      });
      this.commands.release();
    }
    return taken;
  }

  tell(kind: number, slot: number, generation: number): void {
    const at = this.#events.begin();
    const { words } = this.#events;
    words[at + eventField.kind] = kind;
    words[at + eventField.slot] = slot;
    words[at + eventField.generation] = generation;
    words[at + eventField.evidence] = 2;
    words.set([0, 0, 0xffff, 0x0a000009, 4_000], at + eventField.source);
    this.#events.commit();
  }

  #bound(): BindResult {
    this.#lastHandle += 2;
    return { ok: true, rtpHandle: this.#lastHandle, rtcpHandle: this.#lastHandle + 1 };
  }
}

function rig(driver = new FakeDriver(), interfaces = [inside, outside], portMax = 30_007) {
  const events: RelayEvent[] = [];
  let onEvent = (event: RelayEvent): void => void events.push(event);
  const relay = new Relay({
    driver,
    interfaces,
    portMin: 30_000,
    portMax,
    tos: 184,
    random: { bytes: () => new Uint8Array(), below: () => 0 },
    clock: { monotonicMs: () => 5_000 as MonotonicMs, unixMs: () => 0 as UnixMs },
    onEvent: (event) => onEvent(event),
    onFault: () => undefined,
  });
  const open = (
    pair: number,
    own: { group?: number; name?: string; family?: 4 | 6; tos?: number; localIp?: IpAddress } = {},
  ): void =>
    relay.perform({
      kind: "open",
      pair: pair as PairId,
      group: (own.group ?? 1) as GroupId,
      interfaceName: own.name,
      family: own.family ?? 4,
      localIp: own.localIp,
      tos: own.tos,
    });
  const configure = (pair: number, own: Partial<PairSettings>): void =>
    relay.perform({ kind: "configure", pair: pair as PairId, settings: { ...plainSettings, ...own } });
  const close = (pair: number): void => relay.perform({ kind: "close", pair: pair as PairId });
  const used = (): number[] => relay.stats().interfaces.map((each) => each.used);
  const whenEvent = (handler: (event: RelayEvent) => void): void => {
    onEvent = handler;
  };
  return { driver, relay, events, open, configure, close, used, whenEvent };
}

suite("relay", (test) => {
  test("a pair is opened on the interface asked for, with the address SDP shows", () => {
    const { driver, events, open } = rig();
    open(1, { name: "out" });
    open(2, { name: "nobody", tos: 32 });
    assert.deepEqual(events[0], {
      kind: "opened",
      pair: 1,
      local: { rtp: { ip: "10.0.0.2", port: 30_000 }, advertisedIp: "203.0.113.9", interfaceName: "out" },
    });
    assert.equal(events[1]?.kind === "opened" && events[1].local.interfaceName, "in");
    assert.deepEqual(
      driver.binds.map(({ ip, tos }) => [ip, tos]),
      [
        ["10.0.0.2", 184],
        ["10.0.0.1", 32],
      ],
    );
  });

  test("every failure path gives everything back", () => {
    const table: readonly [string, BindResult][] = [
      ["no-descriptors", { ok: false, reason: "no-descriptors" }],
      ["no-interface", { ok: false, reason: "no-address" }],
      ["no-ports", { ok: false, reason: "port-taken" }],
    ];
    for (const [reason, outcome] of table) {
      const { driver, relay, events, open, used } = rig();
      driver.outcome = () => outcome;
      open(1);
      assert.deepEqual(events, [{ kind: "open-failed", pair: 1, reason }]);
      assert.deepEqual(used(), [0, 0]);
      assert.equal(relay.stats().workers[0]!.usedPairs, 0);
      assert.equal(relay.read(1 as PairId), undefined);
    }
    const { events, open } = rig();
    open(1, { family: 6 });
    assert.deepEqual(events, [{ kind: "open-failed", pair: 1, reason: "no-interface" }]);
  });

  test("a name with several addresses uses the next when one is full", () => {
    const second = { ...inside, ip: "10.0.0.3" as IpAddress };
    const { events, open } = rig(new FakeDriver(), [inside, second], 30_001);
    for (const pair of [1, 2, 3]) open(pair, { name: "in" });
    assert.deepEqual(
      events.map((event) => (event.kind === "opened" ? event.local.rtp.ip : event.kind)),
      ["10.0.0.1", "10.0.0.3", "open-failed"],
    );
  });

  test("an address that is named serves alone", () => {
    const second = { ...inside, ip: "10.0.0.3" as IpAddress };
    const { events, open } = rig(new FakeDriver(), [inside, second], 30_001);
    const localIp = second.ip;
    open(1, { localIp });
    open(2, { localIp });
    open(3, { localIp: "10.9.9.9" as IpAddress });
    assert.deepEqual(
      events.map((event) =>
        event.kind === "opened" ? event.local.rtp.ip : "reason" in event && event.reason,
      ),
      ["10.0.0.3", "no-ports", "no-interface"],
    );
  });

  test("settings name peers and siblings by slot, also before their sockets are bound", () => {
    const { driver, open, configure } = rig();
    driver.isAsynchronous = true;
    open(1);
    open(2);
    open(3, { group: 9 });
    configure(1, { peer: 2 as PairId, siblings: [3 as PairId, 7 as PairId] });
    assert.deepEqual(driver.taken(), []);
    for (const finish of driver.waiting.splice(0)) finish();
    const taken = driver.taken();
    assert.deepEqual(
      taken.map(({ kind, slot }) => [kind, slot]),
      [
        [commandKind.open, 0],
        [commandKind.configure, 0],
        [commandKind.open, 2],
        [commandKind.open, 4],
      ],
    );
    const decoded = new SettingsDecoder().decode(driver.commands.words, taken[1]!.at + commandField.settings);
    assert.equal(decoded.peerSlot, 2);
    assert.equal(decoded.peerGeneration, taken[2]!.generation);
    assert.deepEqual([...decoded.rtp.siblings], [4]);
    assert.deepEqual([...decoded.rtcp.siblings], [5]);
  });

  test("port and slot are free when the worker has said closed, and counters can be read until then", () => {
    const { driver, relay, open, close, used, whenEvent } = rig();
    open(1);
    const { generation } = driver.taken()[0]!;
    const table = driver.links[0]!.counters.sockets;
    table[socketAt(0) + socketField.generation] = generation;
    table[socketAt(1) + socketField.generation] = generation;
    table[socketAt(0) + socketField.packetsIn] = 42;
    close(1);
    close(1);
    assert.deepEqual(
      driver.taken().map(({ kind }) => kind),
      [commandKind.close],
    );
    assert.deepEqual(used(), [1, 0]);
    let seen: number | undefined;
    whenEvent((event) => {
      if (event.kind === "closed") seen = relay.read(event.pair)?.rtp.packetsIn;
    });
    driver.tell(eventKind.closed, 0, generation + 1);
    relay.handleWake(0);
    assert.equal(seen, undefined, "a predecessor's event");
    driver.tell(eventKind.closed, 0, generation);
    relay.handleWake(0);
    assert.equal(seen, 42);
    assert.deepEqual(used(), [0, 0]);
    assert.equal(relay.read(1 as PairId), undefined);
  });

  test("a predecessor's counters are not the pair's", () => {
    const { driver, relay, open } = rig();
    const table = driver.links[0]!.counters.sockets;
    table[socketAt(0) + socketField.packetsIn] = 42;
    table[socketAt(0) + socketField.lastPacketAt] = 42;
    open(1);
    assert.equal(relay.read(1 as PairId)?.rtp.packetsIn, 0);
    assert.equal(relay.lastPacketAt(1 as PairId), undefined);
  });

  test("a pair closed while it is being bound ends with closed and no socket", () => {
    const { driver, events, open, close, used } = rig();
    driver.isAsynchronous = true;
    open(1);
    close(1);
    for (const finish of driver.waiting.splice(0)) finish();
    assert.deepEqual(events, [{ kind: "closed", pair: 1 }]);
    assert.equal(driver.discarded.length, 2);
    assert.deepEqual(used(), [0, 0]);
    assert.deepEqual(driver.taken(), []);
  });

  test("closing one media makes the others forget it as a sibling", () => {
    const { driver, open, configure, close } = rig();
    open(1);
    open(2);
    configure(1, { siblings: [2 as PairId] });
    driver.taken();
    close(2);
    const taken = driver.taken();
    assert.deepEqual(
      taken.map(({ kind, slot }) => [kind, slot]),
      [
        [commandKind.close, 2],
        [commandKind.configure, 0],
      ],
    );
    const decoded = new SettingsDecoder().decode(driver.commands.words, taken[1]!.at + commandField.settings);
    assert.equal(decoded.rtp.siblings.length, 0);
  });

  test("commands wait in order while the ring is full, and too many refuse new pairs", () => {
    const { driver, relay, events, open, configure } = rig(new FakeDriver(2));
    open(1);
    for (let generation = 1; generation <= 8_200; generation++) configure(1, { generation });
    open(2);
    assert.deepEqual(events.at(-1), { kind: "open-failed", pair: 2, reason: "overloaded" });
    assert.equal(relay.stats().workers[0]!.waitingCommands, 8_199);
    let configured = 0;
    for (let turn = 0; turn < 5_000; turn++) {
      configured += driver.taken().filter(({ kind }) => kind === commandKind.configure).length;
      relay.handleWake(0);
    }
    assert.equal(configured, 8_200);
    assert.equal(relay.stats().workers[0]!.waitingCommands, 0);
    open(3);
    assert.equal(events.at(-1)?.kind, "opened");
  });

  test("proof is told with its evidence", () => {
    const { driver, relay, events, open } = rig();
    open(1);
    const { generation } = driver.taken()[0]!;
    driver.tell(eventKind.proven, 1, generation);
    relay.handleWake(0);
    assert.deepEqual(events.at(-1), {
      kind: "source-proven",
      pair: 1,
      component: "rtcp",
      source: { ip: "10.0.0.9", port: 4_000 },
      evidence: "signalled",
    });
  });

  test("after stop nothing opens", async () => {
    const { driver, relay, events, open } = rig();
    await relay.stop();
    open(1);
    assert.deepEqual(events, [{ kind: "open-failed", pair: 1, reason: "overloaded" }]);
    assert.deepEqual(
      driver.taken().map(({ kind }) => kind),
      [commandKind.stop],
    );
  });
});
