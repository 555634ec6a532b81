/** After how many packets a port is busy, and what it gets for it. */
import assert from "node:assert/strict";
import { mayBatch } from "../../src/io/linux/send-batch.ts";
import { oneTo } from "../support/relay-call.ts";
import { until } from "../support/relay-rig.ts";
import { SlotRig } from "../support/slot-rig.ts";
import { suite } from "../support/suite.ts";

function send(rig: SlotRig, packets: number, sizeBytes?: number): void {
  for (const each of oneTo(packets)) rig.send(each, sizeBytes);
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
});
