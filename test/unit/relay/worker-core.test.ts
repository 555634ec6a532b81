import assert from "node:assert/strict";
import fc from "fast-check";
import type { Endpoint, IpAddress } from "../../../src/core/address.ts";
import {
  heldAgeMsMax,
  heldPacketsPerEgressMax,
  ownTargetBurstPacketsMax,
  ownTargetPacketsPerSecMax,
} from "../../../src/core/limits.ts";
import type { PairSettings } from "../../../src/core/plan/plan.ts";
import { handoverNote, verdict } from "../../../src/handover/contract.ts";
import { Handover } from "../../../src/handover/handover.ts";
import { portRangeWords } from "../../../src/io/relay-driver.ts";
import { readPair, readWorker } from "../../../src/relay/counter-view.ts";
import { sendCode } from "../../../src/relay/driver.ts";
import { eventKind } from "../../../src/relay/events.ts";
import { encodeEndpoint } from "../../../src/relay/slot-settings.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { assertNoGrowth } from "../../support/heap-growth.ts";
import { receiverReport, rtpPacket, settingsAt } from "../../support/relay-rig.ts";
import { suite } from "../../support/suite.ts";
import { WorkerRig } from "../../support/worker-rig.ts";

const at = (ip: string, port: number): Endpoint => ({ ip: ip as IpAddress, port });
const localA = at("192.0.2.1", 30_000);
const localB = at("192.0.2.1", 30_002);
const phoneA = at("198.51.100.1", 4_000);
const phoneB = at("198.51.100.2", 4_000);

function settings(party: Endpoint, own: Partial<PairSettings> = {}): PairSettings {
  return settingsAt(party, at(party.ip, party.port + 1), own);
}

/** Two pairs facing each other: A in slots 0 and 1, B in slots 2 and 3. */
function facing(
  a: Partial<PairSettings> = {},
  b: Partial<PairSettings> = {},
  rig = new WorkerRig(),
): WorkerRig {
  rig.open(0, localA);
  rig.open(2, localB);
  rig.configure(0, settings(phoneA, a), 2);
  rig.configure(2, settings(phoneB, b), 0);
  return rig;
}

/** Call A in slots 0 to 3, call B in slots 4 to 7; each sends to the other's first pair. */
function looped(): WorkerRig {
  const own = { ownMedia: portRangeWords([localA.ip], 30_000, 30_099) };
  const rig = facing({}, { rtpTarget: at(localA.ip, 30_004) }, new WorkerRig(16, own));
  rig.open(4, at(localA.ip, 30_004));
  rig.open(6, at(localA.ip, 30_006));
  rig.configure(4, settings(phoneA), 6);
  rig.configure(6, settings(localA), 4);
  return rig;
}

function reasons(rig: WorkerRig): Record<string, number> {
  const all = readWorker(rig.counters.worker).reasons;
  return Object.fromEntries(Object.entries(all).filter(([, count]) => count > 0));
}

suite("relay worker core", (test) => {
  test("RTCP takes the way the receiving party asked for", () => {
    const table: readonly [boolean, boolean, number, number][] = [
      [false, false, 1, 3],
      [true, false, 0, 3],
      [false, true, 1, 2],
      [true, true, 0, 2],
    ];
    for (const [aMux, bMux, from, to] of table) {
      const rig = facing({ rtcpMux: aMux }, { rtcpMux: bMux });
      rig.receive(from, receiverReport(7), phoneA);
      assert.deepEqual(
        rig.sent.map(({ slot }) => slot),
        [to],
      );
    }
  });

  test("data goes from port to port", () => {
    const rig = facing({ transport: "raw" }, { transport: "raw" });
    rig.receive(0, Buffer.from("anything"), phoneA);
    rig.receive(1, Buffer.from("at all"), phoneA);
    assert.deepEqual(
      rig.sent.map(({ slot, bytes }) => [slot, bytes.toString()]),
      [
        [2, "anything"],
        [3, "at all"],
      ],
    );
  });

  test("a refusal is a counter of its name and an error of the socket", () => {
    const rig = facing();
    for (const name of ["stranger", "struck", "blocked"] as const) {
      rig.policy.next = verdict[name];
      rig.receive(0, rtpPacket(1, 1), phoneA);
    }
    assert.deepEqual(reasons(rig), { stranger: 1, struck: 1, blocked: 1 });
    assert.equal(readPair(rig.counters, 0, rig.capacitySlots).rtp.errorsIn, 3);
    assert.equal(readPair(rig.counters, 0, rig.capacitySlots).rtp.packetsIn, 0);
  });

  test("accepted packets with no way on", () => {
    const table: readonly [string, Partial<PairSettings>, Partial<PairSettings>, number][] = [
      ["peerOnHold", {}, { mayReceive: false }, 0],
      ["noTarget", {}, { rtpTarget: at("2001:db8::1", 4000) }, 1],
      ["mediaBlocked", { maySend: false }, {}, 1],
    ];
    for (const [name, a, b, errorsIn] of table) {
      const rig = facing(a, b);
      rig.receive(0, rtpPacket(1, 1), phoneA);
      assert.deepEqual(reasons(rig), { [name]: 1 });
      assert.equal(readPair(rig.counters, 0, rig.capacitySlots).rtp.errorsIn, errorsIn, name);
      assert.equal(rig.sent.length, 0);
    }
  });

  test("media for a party nobody can reach yet waits, bounded, and goes out first when its address is known", () => {
    const rig = facing({}, { rtpTarget: undefined });
    const count = heldPacketsPerEgressMax + 3;
    for (let sequence = 1; sequence <= count; sequence++) rig.receive(0, rtpPacket(1, sequence), phoneA);
    assert.equal(rig.sent.length, 0);
    assert.deepEqual(reasons(rig), { hold: count, heldDropped: 3 });
    rig.configure(2, settings(phoneB), 0);
    rig.receive(0, rtpPacket(1, count + 1), phoneA);
    const sequences = rig.sent.map(({ bytes }) => (bytes[2]! << 8) | bytes[3]!);
    assert.deepEqual(
      sequences,
      [...Array(heldPacketsPerEgressMax + 1).keys()].map((index) => index + 4),
    );
    const out = readPair(rig.counters, 2, rig.capacitySlots).rtp;
    assert.equal(out.packetsOut, heldPacketsPerEgressMax + 1);
  });

  test("media that waits for an address in vain is counted as unsent", () => {
    const rig = facing({}, { rtpTarget: undefined });
    rig.receive(0, rtpPacket(1, 1), phoneA);
    rig.core.tick(rig.nowMs + 2 * heldAgeMsMax);
    assert.deepEqual(reasons(rig), { hold: 1, heldExpired: 1 });
    assert.equal(readPair(rig.counters, 2, rig.capacitySlots).rtp.errorsOut, 1);
    assert.equal(readPair(rig.counters, 2, rig.capacitySlots).rtp.errorsIn, 0);
  });

  test("a peer that closed, or whose slot serves another call, gets nothing", () => {
    const rig = facing();
    rig.command({ kind: "close", at: { slot: 2, generation: 1 } });
    rig.receive(0, rtpPacket(1, 1), phoneA);
    rig.open(2, localB, 2);
    rig.configure(2, settings(phoneB), 0, 2);
    rig.receive(0, rtpPacket(1, 2), phoneA);
    assert.deepEqual(reasons(rig), { noPeer: 2 });
    assert.equal(rig.core.isOpen(2, 1), false);
    assert.equal(rig.core.isOpen(2, 2), true);
  });

  test("outcomes of a send are counted where they belong", () => {
    const rig = facing();
    rig.sendOutcome = sendCode.sentOnRetry;
    rig.receive(0, rtpPacket(1, 1), phoneA);
    rig.sendOutcome = sendCode.queueFull;
    rig.receive(0, rtpPacket(1, 2), phoneA);
    rig.sendOutcome = sendCode.failed;
    rig.receive(0, rtpPacket(1, 3), phoneA);
    assert.deepEqual(reasons(rig), { relay: 1, sendRetried: 1, sendQueueFull: 1, sendFailed: 1 });
    const out = readPair(rig.counters, 2, rig.capacitySlots).rtp;
    assert.deepEqual([out.packetsOut, out.errorsOut], [1, 2]);
    assert.equal(readPair(rig.counters, 0, rig.capacitySlots).rtp.packetsIn, 3);
  });

  test("a send that turns out to have failed later keeps its reason", () => {
    const rig = facing();
    rig.core.forwarder.countLateFailure(2, sendCode.queueFull);
    rig.core.forwarder.countLateFailure(2, sendCode.failed);
    assert.deepEqual(reasons(rig), { sendQueueFull: 1, sendFailed: 1 });
    assert.equal(readPair(rig.counters, 2, rig.capacitySlots).rtp.errorsOut, 2);
  });

  test("held packets go out in order with the time they came", () => {
    const rig = facing();
    rig.policy.next = verdict.hold;
    rig.policy.heldFor = 3;
    for (const [index, sizeBytes] of [160, 1_200, 20].entries()) {
      rig.nowMs = 1_000 + index;
      rig.receive(0, rtpPacket(9, index, sizeBytes), phoneA);
    }
    rig.policy.heldFor = 4;
    rig.receive(0, rtpPacket(8, 0), phoneA);
    assert.equal(rig.sent.length, 0);
    assert.equal(readWorker(rig.counters.worker).heldBytes, 3 * 256 + 1_600);
    rig.nowMs = 1_500;
    rig.policy.sink.releaseHeld(0, 3);
    assert.deepEqual(
      rig.sent.map(({ bytes }) => [bytes.readUInt16BE(2), bytes.length]),
      [
        [0, 172],
        [1, 1_212],
        [2, 32],
      ],
    );
    assert.equal(readPair(rig.counters, 0, rig.capacitySlots).rtp.lastPacketAt, 1_002);
    rig.policy.sink.dropHeld(0, 4);
    assert.deepEqual(reasons(rig), { hold: 4, relay: 3, heldReleased: 3, heldDropped: 1 });
    assert.equal(readWorker(rig.counters.worker).heldBytes, 0);
  });

  test("a stream holds its last fifty packets, for a second", () => {
    const rig = facing();
    rig.policy.next = verdict.hold;
    for (let sequence = 0; sequence < 60; sequence++) rig.receive(0, rtpPacket(9, sequence), phoneA);
    rig.policy.heldFor = 1;
    rig.receive(0, rtpPacket(8, 0), phoneA);
    assert.equal(reasons(rig)["heldDropped"], 10);
    assert.equal(rig.core.nextDeadlineMs(), 2_000);
    rig.nowMs = 1_500;
    rig.receive(0, rtpPacket(8, 1), phoneA);
    rig.core.tick(2_000);
    assert.equal(reasons(rig)["heldExpired"], 51);
    rig.policy.sink.releaseHeld(0, 0);
    rig.policy.sink.releaseHeld(0, 1);
    assert.deepEqual(
      rig.sent.map(({ bytes }) => bytes.readUInt16BE(2)),
      [1],
    );
  });

  test("a flood of held packets fills the store and no more", () => {
    const rig = facing({}, {}, new WorkerRig(64));
    for (let slot = 4; slot < 64; slot += 2) rig.open(slot, at("192.0.2.1", 30_000 + slot));
    rig.policy.next = verdict.hold;
    for (let candidate = 0; candidate < 8; candidate++) {
      rig.policy.heldFor = candidate;
      for (let slot = 0; slot < 64; slot += 2) {
        for (let n = 0; n < 50; n++) rig.receive(slot, rtpPacket(9, n, 1_500), phoneA);
      }
    }
    const { heldBytes } = readWorker(rig.counters.worker);
    assert.ok(heldBytes <= 8 * 1024 * 1024 && heldBytes > 4_000_000, `${heldBytes}`);
    assert.ok(reasons(rig)["heldStoreFull"]! > 0);
    rig.receive(0, rtpPacket(9, 1, 1_800), phoneA);
    assert.equal(reasons(rig)["heldTooLarge"], 1);
    for (let slot = 0; slot < 64; slot += 2) rig.command({ kind: "close", at: { slot, generation: 1 } });
    assert.equal(readWorker(rig.counters.worker).heldBytes, 0);
  });

  test("held packets of a full store can be let go to a peer that cannot be reached yet", () => {
    const rig = facing({}, { rtpTarget: undefined }, new WorkerRig(64));
    for (let slot = 4; slot < 64; slot += 2) rig.open(slot, at("192.0.2.1", 30_000 + slot));
    rig.policy.next = verdict.hold;
    const hold = (slot: number, candidate: number, packets: number): void => {
      rig.policy.heldFor = candidate;
      for (let n = 0; n < packets; n++) rig.receive(slot, rtpPacket(9, n, 1_500), phoneA);
    };
    for (let slot = 4; slot < 64; slot += 2) {
      hold(slot, 0, 40);
      hold(slot, 1, 40);
    }
    // Comes to hold more than any other slot until nothing is free, so it is the one to give way.
    hold(0, 0, heldPacketsPerEgressMax);
    for (let candidate = 1; candidate < 8; candidate++) hold(0, candidate, 50);
    rig.policy.sink.releaseHeld(0, 0);
    rig.configure(2, settings(phoneB), 0);
    const sequences = rig.sent.map(({ bytes }) => bytes.readUInt16BE(2));
    assert.deepEqual(
      sequences,
      Array.from({ length: heldPacketsPerEgressMax }, (_, n) => n),
    );
    for (let slot = 0; slot < 64; slot += 2) rig.command({ kind: "close", at: { slot, generation: 1 } });
    const all = readWorker(rig.counters.worker).reasons;
    assert.equal(all.hold, all.heldReleased + all.heldExpired + all.heldDropped);
    assert.equal(readWorker(rig.counters.worker).heldBytes, 0);
  });

  test("nothing is sent to our listeners, to the pair itself or to its peer", () => {
    const listener = at("192.0.2.1", 2_223);
    const forbidden = new Int32Array(5);
    encodeEndpoint(forbidden, 0, listener);
    for (const target of [listener, localA, at("192.0.2.1", 30_001), localB, at("192.0.2.1", 30_003)]) {
      const rig = facing({}, { rtpTarget: target }, new WorkerRig(16, { forbiddenTargets: forbidden }));
      rig.receive(0, rtpPacket(1, 1), phoneA);
      assert.deepEqual(reasons(rig), { noTarget: 1, forbiddenTarget: 1 });
    }
    const other = at("192.0.2.1", 30_004);
    const rig = facing({}, { rtpTarget: other });
    rig.receive(0, rtpPacket(1, 1), phoneA);
    assert.deepEqual(reasons(rig), { relay: 1 }, "another leg of ours is as good as any");
  });

  test("packets of two calls that name each other's ports go round at a bounded rate, and end", () => {
    const rig = looped();
    const startMs = rig.nowMs;
    let circling = 6;
    let sends = 0;
    for (let turn = 0; circling > 0 && turn < 20_000; turn++) {
      rig.sent.length = 0;
      for (let n = 0; n < circling; n++) rig.receive(4 * (turn & 1), rtpPacket(1, sends + n), phoneA);
      circling = rig.sent.length;
      sends += circling;
      rig.nowMs += 0.05;
    }
    assert.equal(circling, 0);
    assert.equal(reasons(rig)["ownTargetLimit"], 6);
    const elapsedSec = (rig.nowMs - startMs) / 1_000;
    const mostPerSlot = ownTargetBurstPacketsMax + ownTargetPacketsPerSecMax * elapsedSec;
    assert.ok(sends <= 2 * mostPerSlot, `${sends} packets sent in ${elapsedSec} s`);
  });

  test("a leg of ours gets so many packets a second, everybody else all there are", () => {
    for (const [rtpTarget, refuses] of [
      [at(localA.ip, 30_004), true],
      [at(localA.ip, 40_000), false],
      [phoneB, false],
    ] as const) {
      const rig = looped();
      rig.configure(2, settings(phoneB, { rtpTarget }), 0);
      rig.keepsSent = false;
      for (let n = 0; n < 5_000; n++) {
        rig.nowMs += 1;
        rig.receive(0, rtpPacket(1, n), phoneA);
      }
      assert.deepEqual(reasons(rig), { relay: 5_000 }, "video of 1,000 packets a second");
      for (let n = 0; n < 40_000; n++) {
        rig.nowMs += 0.1;
        rig.receive(0, rtpPacket(1, 5_000 + n), phoneA);
      }
      const refused = reasons(rig)["ownTargetLimit"] ?? 0;
      const mayPass = ownTargetBurstPacketsMax + 4 * ownTargetPacketsPerSecMax;
      if (refuses) assert.ok(Math.abs(40_000 - refused - mayPass) <= 2, `${refused}`);
      else assert.equal(refused, 0);
      assert.equal(readPair(rig.counters, 2, rig.capacitySlots).rtp.errorsOut, refused);
    }
  });

  test("a pair whose sockets the kernel will not watch is counted, and closes like any other", () => {
    const rig = new WorkerRig();
    rig.watches = false;
    rig.open(0, localA);
    assert.deepEqual(reasons(rig), { unwatched: 2 });
    rig.configure(0, settings(phoneA));
    rig.command({ kind: "close", at: { slot: 0, generation: 1 } });
    rig.core.flushEvents();
    assert.deepEqual(rig.events(), [[eventKind.closed, 0, 1]]);
  });

  test("nothing is sent to this machine by another name, nor to a group", () => {
    const groups = ["224.0.0.1", "239.255.0.1", "255.255.255.255", "ff02::1"].map((ip) => at(ip, 2_223));
    for (const rtpTarget of [at("0.0.0.0", 2_223), at("::", 2_223), ...groups]) {
      const rig = facing({}, { rtpTarget });
      rig.receive(0, rtpPacket(1, 1), phoneA);
      assert.equal(rig.sent.length, 0, rtpTarget.ip);
      const isGroup = groups.includes(rtpTarget);
      assert.deepEqual(
        reasons(rig),
        { noTarget: 1, ...(isGroup ? { forbiddenTarget: 1 } : {}) },
        rtpTarget.ip,
      );
    }
  });

  test("events wait for room and none is lost or told twice", () => {
    const rig = facing();
    for (let slot = 4; slot < 16; slot += 2) rig.open(slot, at("192.0.2.1", 30_000 + slot));
    rig.policy.evidence = 2;
    for (let slot = 0; slot < 8; slot++) {
      rig.policy.sink.note(slot, handoverNote.proven, 2, new Int32Array(5), 0);
      rig.policy.sink.note(slot, handoverNote.switched, 3, new Int32Array(5), 0);
    }
    for (let slot = 8; slot < 16; slot += 2) rig.command({ kind: "close", at: { slot, generation: 1 } });
    const told: number[][] = [];
    for (let turn = 0; turn < 10; turn++) {
      rig.core.flushEvents();
      told.push(...rig.events());
    }
    assert.equal(rig.core.owesEvents, false);
    assert.deepEqual(
      told.map(([kind, slot]) => [kind, slot]),
      [
        ...[8, 10, 12, 14].map((slot) => [eventKind.closed, slot]),
        ...[0, 1, 2, 3, 4, 5, 6, 7].map((slot) => [eventKind.proven, slot]),
      ],
    );
    assert.equal(readWorker(rig.counters.worker).handoverNotes.switched, 8);
  });

  test("stop closes every socket and says so last", () => {
    const rig = facing();
    assert.equal(rig.command({ kind: "stop", at: { slot: 0, generation: 0 } }), true);
    assert.deepEqual(rig.sockets.slice(-4), ["release 0", "release 1", "release 2", "release 3"]);
    rig.core.flushEvents();
    assert.deepEqual(rig.events(), [
      [eventKind.closed, 0, 1],
      [eventKind.closed, 2, 1],
      [eventKind.stopped, 0, 0],
    ]);
    assert.equal(readWorker(rig.counters.worker).openSlots, 0);
  });

  test("a command for a slot that is not open is our fault", () => {
    const rig = facing();
    assert.throws(() => rig.command({ kind: "close", at: { slot: 4, generation: 1 } }));
    assert.throws(() => facing().configure(0, settings(phoneA), 2, 9));
    assert.throws(() => facing().open(0, localA, 2));
  });

  test("the policy runs when it is due", () => {
    const rig = facing();
    rig.policy.deadlineMs = 1_010;
    assert.equal(rig.core.nextDeadlineMs(), 1_010);
    rig.core.tick(1_009);
    assert.equal(rig.policy.calls.includes("advance"), false);
    rig.core.tick(1_010);
    assert.equal(rig.policy.calls.includes("advance"), true);
  });

  test("a new SSRC has a record of its own, and the ninth takes the stalest", () => {
    const rig = facing();
    for (let ssrc = 1; ssrc <= 9; ssrc++) {
      rig.nowMs = 1_000 + ssrc;
      rig.receive(0, rtpPacket(ssrc, 1), phoneA);
    }
    const { streams } = readPair(rig.counters, 0, rig.capacitySlots);
    assert.deepEqual(
      streams.map(({ ssrc }) => ssrc),
      [9, 8, 7, 6, 5, 4, 3, 2],
    );
  });

  test("100,000 packets allocate nothing", () => {
    const rig = facing({}, {}, new WorkerRig(16, {}, (capacity, sink) => new Handover(capacity, sink)));
    rig.keepsSent = false;
    const { forwarder } = rig.core;
    const packet = rtpPacket(5, 0);
    rig.receive(0, packet, phoneA);
    // Boxed once, as the loop does.
    const times: unknown[] = [null, 2_000.5];
    const run = (packets: number): void => {
      for (let index = 0; index < packets; index++) {
        packet.writeUInt16BE(index & 0xffff, 2);
        rig.arena.set(packet, 64);
        forwarder.receive(0, 64, packet.length, times[1] as number);
      }
    };
    for (let round = 0; round < 4; round++) run(50_000);
    assertNoGrowth(() => run(100_000), 200_000);
  });

  test("no datagram and no order of them breaks the core; each one is counted once", () => {
    const datagram = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.nat(9_999).map((sequence) => new Uint8Array(rtpPacket(sequence % 3, sequence, sequence % 400))),
      fc.constantFrom(new Uint8Array(receiverReport(1)), new Uint8Array(9_300)),
    );
    const step = fc.record({ slot: fc.nat(3), data: datagram, port: fc.nat(3), waitMs: fc.nat(300) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, isSignalled) => {
        const rig = facing(
          {},
          { isSignalled },
          new WorkerRig(16, {}, (capacity, sink) => new Handover(capacity, sink)),
        );
        for (const { slot, data, port, waitMs } of steps) {
          rig.nowMs += waitMs;
          rig.receive(slot, data, at("198.51.100.1", 4_000 + port));
          rig.core.tick(rig.nowMs);
        }
        rig.command({ kind: "stop", at: { slot: 0, generation: 0 } });
        const all = readWorker(rig.counters.worker).reasons;
        const { hold, heldReleased, heldExpired, heldDropped, forbiddenTarget, sendRetried, ...ends } = all;
        const ended = Object.values(ends).reduce((sum, count) => sum + count, 0);
        assert.equal(hold, heldReleased + heldExpired + heldDropped);
        assert.equal(ended + heldExpired + heldDropped, steps.length);
        assert.equal(forbiddenTarget + sendRetried, 0);
      }),
      { numRuns: fuzzRuns(300) },
    );
  });
});
