/** Sending again over SRTP and in bundles: the finished bytes, and none of another key's or carrier's. */
import assert from "node:assert/strict";
import type { Endpoint, IpAddress } from "../../../src/core/address.ts";
import type { BundleSettings } from "../../../src/core/plan/security.ts";
import { readWorker } from "../../../src/relay/counter-view.ts";
import { encodeEndpoint } from "../../../src/relay/slot-settings.ts";
import { rtpPacket } from "../../support/relay-rig.ts";
import {
  facing,
  fromA,
  fromB,
  keyOf,
  keys,
  localA,
  localB,
  Party,
  phoneA,
  phoneB,
  sdes,
  settings,
  toA,
  toB,
} from "../../support/secure-rig.ts";
import { suite } from "../../support/suite.ts";
import { WorkerRig } from "../../support/worker-rig.ts";

const cellular: Endpoint = { ip: "203.0.113.7" as IpAddress, port: 9_000 };

function move(rig: WorkerRig, slot: number): void {
  encodeEndpoint(rig.policy.settings.get(slot)!.target, 0, cellular);
  rig.policy.sink.targetChanged(slot);
  rig.policy.sink.replay(slot, 0);
}

function finish(rig: WorkerRig): Buffer[] {
  for (let turn = 0; turn < 40; turn++) {
    rig.nowMs += 1;
    rig.core.tick(rig.nowMs);
  }
  return rig.sent.splice(0).map(({ bytes }) => bytes);
}

function speak(rig: WorkerRig, packets: readonly Buffer[]): Buffer[] {
  for (const packet of packets) {
    rig.nowMs += 20;
    rig.receive(0, packet, phoneA);
  }
  return rig.sent.splice(0).map(({ bytes }) => bytes);
}

suite("relay/replay over SRTP", (test) => {
  test("the same ciphertext goes out: nothing is protected twice", () => {
    const rig = facing({}, { security: sdes }, new WorkerRig());
    keys(rig, 2, [fromB], toB);
    const first = speak(
      rig,
      [1, 2, 3, 4, 5, 6].map((each) => rtpPacket(7, each)),
    );
    assert.equal(first.length, 6);
    move(rig, 2);
    assert.deepEqual(finish(rig), first);
    const b = new Party(fromB, toB);
    for (const [index, bytes] of first.entries()) assert.deepEqual(b.open(bytes), rtpPacket(7, index + 1));
    // The next packet has the next index, as if nothing had been sent again.
    const [next] = speak(rig, [rtpPacket(7, 7)]);
    assert.deepEqual(b.open(next!), rtpPacket(7, 7));
  });

  test("what passes as it came is sent again as it came", () => {
    const rig = facing({ security: sdes }, { security: sdes }, new WorkerRig());
    keys(rig, 0, [fromA], toA);
    keys(rig, 2, [fromB], fromA);
    const a = new Party(fromA, toA);
    const sealed = [1, 2, 3].map((each) => a.protect(rtpPacket(7, each)));
    assert.deepEqual(speak(rig, sealed), sealed);
    move(rig, 2);
    assert.deepEqual(finish(rig), sealed);
  });

  test("a new send key forgets what the old one protected, the same key does not", () => {
    for (const [send, count] of [
      [keyOf(9), 0],
      [keyOf(4), 3],
    ] as const) {
      const rig = facing({}, { security: sdes }, new WorkerRig());
      keys(rig, 2, [fromB], toB);
      speak(
        rig,
        [1, 2, 3].map((each) => rtpPacket(7, each)),
      );
      keys(rig, 2, [fromB, keyOf(5)], send);
      move(rig, 2);
      assert.equal(finish(rig).length, count);
      assert.equal(readWorker(rig.counters.worker).replay.forgotten, count === 0 ? 1 : 0);
    }
  });

  test("in a bundle the carrier's socket sends again what it sent, and another carrier nothing", () => {
    const bundle: BundleSettings = { carrier: 1 as never, mid: "1", midExtension: 1, ssrcs: [] };
    const rig = new WorkerRig();
    const ports = [localA, localB, { ...localB, port: 30_010 }, { ...localA, port: 30_020 }];
    for (const [index, local] of ports.entries()) rig.open(2 * index, local);
    // A's two m-lines in slots 0 and 6, B's in 2 and 4, where 2 carries both.
    rig.configure(0, settings(phoneA), 2);
    rig.configure(6, settings({ ...phoneA, port: 5_000 }), 4);
    const configureB = (carrier: number): void => {
      rig.configure(2, settings(phoneB, { bundle }), 0, 1, carrier);
      rig.configure(4, settings(phoneB, { bundle: { ...bundle, mid: "2" } }), 6, 1, carrier);
    };
    configureB(2);
    rig.receive(0, rtpPacket(7, 1), phoneA);
    rig.receive(6, rtpPacket(8, 2), phoneA);
    assert.deepEqual(
      rig.sent.splice(0).map(({ slot }) => slot),
      [2, 2],
    );
    move(rig, 2);
    assert.deepEqual(
      finish(rig).map((bytes) => bytes.readUInt16BE(2)),
      [1, 2],
    );
    rig.nowMs += 3_000;
    rig.receive(0, rtpPacket(7, 3), phoneA);
    rig.receive(6, rtpPacket(8, 4), phoneA);
    rig.sent.length = 0;
    configureB(4);
    move(rig, 2);
    move(rig, 4);
    assert.deepEqual(finish(rig), []);
  });
});
