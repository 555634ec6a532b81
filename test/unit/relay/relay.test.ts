import assert from "node:assert/strict";
import type { IpAddress } from "../../../src/core/address.ts";
import type { PairId } from "../../../src/core/plan/plan.ts";
import { type HandoverSink, noDigest, PacketFacts } from "../../../src/handover/contract.ts";
import { Handover } from "../../../src/handover/handover.ts";
import { commandField, commandKind } from "../../../src/relay/commands.ts";
import { socketAt, socketField } from "../../../src/relay/counters.ts";
import type { BindResult } from "../../../src/relay/driver.ts";
import { eventKind } from "../../../src/relay/events.ts";
import { SettingsDecoder } from "../../../src/relay/slot-settings.ts";
import { suite } from "../../support/suite.ts";
import { FakeDriver, inside, rig } from "./relay-lab.ts";

const silentSink: HandoverSink = {
  releaseHeld: () => undefined,
  dropHeld: () => undefined,
  targetChanged: () => undefined,
  replay: () => undefined,
  note: () => undefined,
  digest: () => noDigest,
  heldDigest: () => noDigest,
  isReceipt: () => false,
};

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
    assert.deepEqual([decoded.rtp.siblingCount, decoded.rtp.siblings[0]], [1, 4]);
    assert.deepEqual([decoded.rtcp.siblingCount, decoded.rtcp.siblings[0]], [1, 5]);
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
    assert.equal(decoded.rtp.siblingCount, 0);
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

  test("notes about sources are told by name, and none that there is no name for", () => {
    const { driver, relay, events, open } = rig();
    open(1);
    const { generation } = driver.taken()[0]!;
    events.length = 0;
    for (let note = 0; note <= 8; note++) driver.tell(eventKind.noted, 0, generation, note);
    relay.handleWake(0);
    const names = ["proven", "switched", "rolled-back", "struck", "refused", "held", "twin"];
    assert.deepEqual(
      events,
      names.map((note) => ({
        kind: "source-noted",
        pair: 1,
        component: "rtp",
        note,
        source: { ip: "10.0.0.9", port: 4_000 },
        evidence: "signalled",
      })),
    );
  });

  test("what the policy keeps of a pair's sources is that pair's, once its worker has it", () => {
    const { driver, relay, open } = rig();
    open(1);
    const { slot, generation } = driver.taken()[0]!;
    const policy = new Handover(driver.capacitySlots, silentSink, { memory: driver.handover });
    const facts = Object.assign(new PacketFacts(), { slot, ip2: 0xffff, ip3: 0x0a000001, port: 5_000 });
    policy.open(slot, 0);
    policy.packet(facts, 1_000);
    assert.equal(relay.sources(7 as PairId), undefined);
    assert.deepEqual(
      relay.sources(1 as PairId)?.rtp.candidates,
      [],
      "another pair's, for all that main knows",
    );
    driver.links[0]!.counters.sockets[socketAt(slot + 1) + socketField.generation] = generation;
    const { rtp, rtcp } = relay.sources(1 as PairId)!;
    assert.deepEqual(
      rtp.candidates.map(({ source, ageMs }) => [source, ageMs]),
      [[{ ip: "10.0.0.1", port: 5_000 }, 4_000]],
    );
    assert.deepEqual(rtcp.candidates, []);
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
