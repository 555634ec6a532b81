/** After how many packets a port is busy, and what it gets for it. */
import assert from "node:assert/strict";
import { mayBatch } from "../../src/io/linux/send-batch.ts";
import { oneTo } from "../support/relay-call.ts";
import { until } from "../support/relay-rig.ts";
import { loopback4, loopback4Words, SlotRig } from "../support/slot-rig.ts";
import { suite } from "../support/suite.ts";

function send(rig: SlotRig, packets: number, sizeBytes = 172, slot = 0): void {
  for (const each of oneTo(packets)) rig.send(each, sizeBytes, slot);
}

/** Each local address takes a raw socket of its own; a worker has so many. */
const routesMax = 16;

/** A slot for which there is no raw socket, after eight packets, and all those that have one. */
async function openWithout(port: number): Promise<{ readonly rig: SlotRig; readonly slot: number }> {
  const ips = oneTo(routesMax + 1).map((host) => `127.0.0.${host}`);
  const rig = await SlotRig.open(port, true, ips);
  const { sockets } = rig;
  for (const index of ips.keys()) {
    send(rig, 8, 172, 2 * index);
    assert.equal(sockets.takeBusy(), 2 * index);
    assert.equal(sockets.batchOrConnect(2 * index), false, "no second socket");
    assert.equal(sockets.batch.has(2 * index), index < routesMax);
  }
  return { rig, slot: 2 * routesMax };
}

suite("relay: busy ports", (test) => {
  test("a port is busy after eight packets where it joins batches", async () => {
    const rig = await SlotRig.open(42_572, true);
    send(rig, 7);
    assert.equal(rig.sockets.takeBusy(), -1);
    send(rig, 1);
    assert.equal(rig.sockets.takeBusy(), 0);
    assert.equal(rig.sockets.takeBusy(), -1, "once");
    rig.end();
  });

  test("and after 32 where it gets a second socket", async () => {
    const rig = await SlotRig.open(42_574, false);
    send(rig, 31);
    assert.equal(rig.sockets.takeBusy(), -1);
    send(rig, 1);
    assert.equal(rig.sockets.takeBusy(), 0);
    assert.ok(rig.sockets.batchOrConnect(0));
    assert.ok(rig.sockets.seconds[0]! > 0);
    rig.end();
  });

  if (!mayBatch()) return;

  test("what no batch takes makes no second socket", async () => {
    const rig = await SlotRig.openBusy(42_576);
    send(rig, 40, 5_000);
    assert.equal(rig.sockets.takeBusy(), -1);
    await until(() => rig.phone.heard.length === 40, "all, by the slot's own socket");
    rig.end();
  });

  test("a port that can join no batch gets a second socket after 32 packets, not after eight", async () => {
    const { rig, slot } = await openWithout(42_578);
    const { sockets } = rig;
    assert.equal(sockets.seconds[slot], 0);
    send(rig, 23, 172, slot);
    assert.equal(sockets.takeBusy(), -1);
    send(rig, 1, 172, slot);
    assert.equal(sockets.takeBusy(), slot);
    assert.ok(sockets.batchOrConnect(slot));
    assert.ok(sockets.seconds[slot]! > 0);
    send(rig, 40, 172, slot);
    assert.equal(sockets.takeBusy(), -1);
    rig.end();
  });

  test("or it joins one then, if there is room by now", async () => {
    const { rig, slot } = await openWithout(42_580);
    const { sockets } = rig;
    sockets.release(0);
    send(rig, 24, 172, slot);
    assert.equal(sockets.takeBusy(), slot);
    assert.equal(sockets.batchOrConnect(slot), false, "no second socket");
    assert.ok(sockets.batch.has(slot));
    assert.equal(sockets.seconds[slot], 0);
    rig.end();
  });

  test("many packets in one turn make a port due once, whatever it gets", async () => {
    const { rig, slot } = await openWithout(42_582);
    const { sockets } = rig;
    // Elsewhere it begins anew.
    sockets.setTarget(slot, 0, 0, loopback4Words, loopback4, rig.phone.endpoint.port + 1);
    send(rig, 40, 172, slot);
    assert.equal(sockets.takeBusy(), slot);
    assert.ok(sockets.batchOrConnect(slot));
    assert.equal(sockets.takeBusy(), -1);
    rig.end();
  });
});
