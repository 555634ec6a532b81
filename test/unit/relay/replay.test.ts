import assert from "node:assert/strict";
import { type Endpoint, formatEndpoint, type IpAddress } from "../../../src/core/address.ts";
import {
  replayAgeMsMax,
  replayBurstPacketsMax,
  replayIntervalMsMin,
  replayPacketsMax,
  replaySizeBytesMax,
  replaysAtOnceMax,
} from "../../../src/core/limits.ts";
import { defaultLearning, type PairSettings } from "../../../src/core/plan/plan.ts";
import { handoverNote, verdict } from "../../../src/handover/contract.ts";
import { portRangeWords } from "../../../src/io/relay-driver.ts";
import { readPair, readWorker } from "../../../src/relay/counter-view.ts";
import { sendCode } from "../../../src/relay/driver.ts";
import { encodeEndpoint } from "../../../src/relay/slot-settings.ts";
import { receiverReport, rtpPacket, settingsAt } from "../../support/relay-rig.ts";
import { suite } from "../../support/suite.ts";
import { WorkerRig } from "../../support/worker-rig.ts";

const at = (ip: string, port: number): Endpoint => ({ ip: ip as IpAddress, port });
const phoneA = at("198.51.100.1", 4_000);
const wifi = at("198.51.100.2", 4_000);
const cellular = at("203.0.113.7", 9_000);
const withUdptl = { transport: "udptl", payloadTypes: [] } as const;

function settings(party: Endpoint, own: Partial<PairSettings> = {}): PairSettings {
  return settingsAt(party, at(party.ip, party.port + 1), own);
}

/** A in slots 0 and 1 speaks to B in slots 2 and 3, who is on Wi-Fi. */
class Lab {
  readonly rig: WorkerRig;
  sequence = 0;

  constructor(b: Partial<PairSettings> = {}, rig = new WorkerRig(), a: Partial<PairSettings> = {}) {
    this.rig = rig;
    rig.open(0, at("192.0.2.1", 30_000));
    rig.open(2, at("192.0.2.1", 30_002));
    rig.configure(0, settings(phoneA, a), 2);
    rig.configure(2, settings(wifi, b), 0);
  }

  /** A sends packets 20 ms apart; the last one now. */
  speak(packets: number, sizeBytes = 160): void {
    for (let n = 0; n < packets; n++) {
      this.rig.nowMs += 20;
      this.rig.receive(0, rtpPacket(7, ++this.sequence, sizeBytes), phoneA);
    }
  }

  /** B is somewhere else now, as the policy says while it judges a packet. */
  move(to: Endpoint, sinceMs: number, slot = 2): void {
    const { policy } = this.rig;
    encodeEndpoint(policy.settings.get(slot)!.target, 0, to);
    policy.sink.targetChanged(slot);
    policy.sink.replay(slot, sinceMs);
  }

  tick(waitMs = 0): void {
    this.rig.nowMs += waitMs;
    this.rig.core.tick(this.rig.nowMs);
  }

  /** Sequence numbers that went to that place since last asked. */
  heard(to: Endpoint): number[] {
    const { sent } = this.rig;
    const heard = sent
      .filter((each) => each.to === formatEndpoint(to))
      .map(({ bytes }) => bytes.readUInt16BE(2));
    sent.length = 0;
    return heard;
  }

  /** Everything that is still to be sent again is. */
  finish(): void {
    for (let turn = 0; turn < 60; turn++) this.tick(1);
  }

  get replay() {
    return readWorker(this.rig.counters.worker).replay;
  }
}

suite("relay/replay", (test) => {
  test("what went to the dead address goes to the new one, four at once and then one a millisecond", () => {
    const lab = new Lab();
    lab.speak(20);
    assert.equal(lab.heard(wifi).length, 20);
    const startMs = lab.rig.nowMs;
    // Packets 11 to 20 left since then.
    lab.move(cellular, startMs - 9 * 20);
    const timeline: [number, number[]][] = [];
    for (let ms = 0; ms < 10; ms++) {
      lab.tick(ms === 0 ? 0 : 1);
      timeline.push([lab.rig.nowMs - startMs, lab.heard(cellular)]);
      assert.ok(ms >= 6 || lab.rig.core.nextDeadlineMs() <= lab.rig.nowMs + 1);
    }
    assert.deepEqual(timeline, [
      [0, [11, 12, 13, 14]],
      [1, [15]],
      [2, [16]],
      [3, [17]],
      [4, [18]],
      [5, [19]],
      [6, [20]],
      [7, []],
      [8, []],
      [9, []],
    ]);
    assert.equal(lab.rig.core.nextDeadlineMs(), Number.POSITIVE_INFINITY);
    assert.deepEqual([lab.replay.replays, lab.replay.packets, lab.replay.bytes], [1, 10, 1_720]);
  });

  test("what is sent again is no packet out: what a party's statistics say does not jump", () => {
    const lab = new Lab();
    lab.speak(10);
    lab.move(cellular, 0);
    lab.finish();
    const { rtp } = readPair(lab.rig.counters, 2, lab.rig.capacitySlots);
    assert.deepEqual([rtp.packetsOut, rtp.bytesOut], [10, 1_720]);
    assert.equal(readWorker(lab.rig.counters.worker).reasons.relay, 10);
    assert.equal(lab.replay.packets, 10);
  });

  test("a replay whose pair closes leaves nothing to be done", () => {
    const lab = new Lab();
    lab.speak(20);
    lab.move(cellular, 0);
    lab.tick();
    assert.ok(lab.rig.core.nextDeadlineMs() <= lab.rig.nowMs + 1);
    lab.rig.command({ kind: "close", at: { slot: 2, generation: 1 } });
    assert.equal(lab.rig.core.nextDeadlineMs(), Number.POSITIVE_INFINITY);
  });

  test("a late tick catches up, four at most", () => {
    const lab = new Lab();
    lab.speak(10);
    lab.move(cellular, 0);
    lab.tick();
    lab.heard(cellular);
    lab.tick(2.5);
    assert.deepEqual(lab.heard(cellular), [5, 6]);
    lab.tick(40);
    assert.deepEqual(lab.heard(cellular), [7, 8, 9, 10]);
  });

  test("what remains goes before the next live packet", () => {
    const lab = new Lab();
    lab.speak(10);
    lab.move(cellular, 0);
    lab.tick();
    lab.speak(1);
    assert.deepEqual(lab.heard(cellular), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    lab.finish();
    assert.deepEqual(lab.heard(cellular), []);
  });

  test("a live packet in the same turn waits for none, but comes after what was missed", () => {
    const lab = new Lab();
    lab.speak(5);
    lab.heard(wifi);
    // The policy switches with a packet of B's; A's next packet is read before any tick.
    lab.move(cellular, 0);
    lab.rig.receive(2, rtpPacket(9, 1), cellular);
    lab.speak(1);
    assert.deepEqual(lab.heard(cellular), [1, 2, 3, 4, 5, 6]);
  });

  test("a packet that still went to the old address, the policy being busy, is sent again too", () => {
    const lab = new Lab();
    lab.speak(3);
    lab.rig.policy.next = verdict.hold;
    lab.speak(2);
    lab.rig.policy.next = verdict.relay;
    lab.heard(wifi);
    lab.move(cellular, 0);
    // Within the same call of the policy: targets are read when it has returned.
    lab.rig.policy.sink.releaseHeld(0, 0);
    assert.deepEqual(lab.heard(wifi), [4, 5]);
    lab.finish();
    assert.deepEqual(lab.heard(cellular), [1, 2, 3, 4, 5]);
  });

  test("only what left since the given time, and no more than 200 ms of it", () => {
    for (const [sinceMs, first] of [
      [-60, 17],
      [-61, 17],
      [-59, 18],
      // The first tick is a millisecond later.
      [-10_000, 11],
      [0, 20],
    ] as const) {
      const lab = new Lab();
      lab.speak(20);
      lab.heard(wifi);
      lab.move(cellular, lab.rig.nowMs + sinceMs);
      lab.finish();
      assert.equal(lab.heard(cellular)[0], first, `${sinceMs}`);
    }
    const silent = new Lab();
    silent.speak(5);
    silent.rig.nowMs += replayAgeMsMax + 1;
    silent.heard(wifi);
    silent.move(cellular, 0);
    silent.finish();
    assert.deepEqual(silent.heard(cellular), []);
    assert.equal(silent.replay.replays, 0);
  });

  test("at most so many packets, and so many bytes", () => {
    const many = new Lab();
    for (let n = 1; n <= 100; n++) many.rig.receive(0, rtpPacket(7, n), phoneA);
    many.heard(wifi);
    many.move(cellular, 0);
    many.finish();
    const heard = many.heard(cellular);
    assert.equal(heard.length, replayPacketsMax);
    assert.deepEqual([heard[0], heard.at(-1)], [101 - replayPacketsMax, 100]);

    const large = new Lab();
    for (let n = 1; n <= 100; n++) large.rig.receive(0, rtpPacket(7, n, 1_488), phoneA);
    large.heard(wifi);
    large.move(cellular, 0);
    large.finish();
    assert.equal(large.heard(cellular).length, Math.floor(replaySizeBytesMax / 1_500));
  });

  test("once in two seconds for each slot", () => {
    const lab = new Lab();
    lab.speak(5);
    lab.move(cellular, 0);
    lab.finish();
    lab.speak(5);
    lab.heard(cellular);
    lab.move(wifi, 0);
    lab.finish();
    assert.deepEqual(lab.heard(wifi), []);
    lab.rig.nowMs += replayIntervalMsMin;
    lab.speak(5);
    lab.heard(wifi);
    lab.move(cellular, 0);
    lab.finish();
    assert.equal(lab.heard(cellular).length, 5);
    assert.equal(lab.replay.replays, 2);
  });

  test("asking twice changes nothing about what is under way", () => {
    const lab = new Lab();
    lab.speak(10);
    lab.heard(wifi);
    lab.move(cellular, 0);
    lab.tick();
    lab.move(cellular, 0);
    lab.finish();
    assert.deepEqual(lab.heard(cellular), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test("RTCP is neither kept nor sent again", () => {
    const lab = new Lab({ rtcpMux: true }, undefined, { rtcpMux: true });
    lab.rig.receive(0, receiverReport(7), phoneA);
    lab.speak(1);
    lab.rig.receive(0, receiverReport(7), phoneA);
    lab.rig.receive(0, Buffer.from([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...Buffer.alloc(12)]), phoneA);
    lab.heard(wifi);
    lab.move(cellular, 0);
    lab.finish();
    assert.equal(lab.replay.packets, 1);
  });

  test("UDPTL is, raw media is not", () => {
    for (const [b, count] of [
      [withUdptl, 3],
      [{ transport: "raw", payloadTypes: [] }, 0],
    ] as const) {
      const lab = new Lab(b, undefined, b);
      for (let n = 0; n < 3; n++) lab.rig.receive(0, Buffer.from([0, n, 1, 2, 3, 4]), phoneA);
      lab.move(cellular, 0);
      lab.finish();
      assert.equal(lab.replay.packets, count, b.transport);
    }
  });

  test("a leg that never follows its party keeps nothing, but one with ICE does", () => {
    const ice = { localUfrag: "abcd" } as NonNullable<PairSettings["ice"]>;
    const table: readonly [Partial<PairSettings>, boolean][] = [
      [{ learning: { ...defaultLearning, isAsymmetric: true } }, false],
      [{ learning: { ...defaultLearning, mode: "off" } }, false],
      [{ learning: { ...defaultLearning, isAsymmetric: true }, ice }, true],
      [{ learning: { ...defaultLearning, isStrict: true } }, true],
      [{}, true],
    ];
    for (const [b, keeps] of table) {
      const lab = new Lab(b);
      lab.speak(2);
      assert.equal(lab.replay.usedBytes > 0, keeps, JSON.stringify(b));
    }
  });

  test("without memory there is no replay", () => {
    const lab = new Lab({}, new WorkerRig(16, { replayMemoryBytes: 0 }));
    lab.speak(5);
    lab.move(cellular, 0);
    lab.finish();
    assert.deepEqual(lab.heard(cellular), []);
    assert.deepEqual(lab.replay, {
      replays: 0,
      packets: 0,
      bytes: 0,
      errors: 0,
      refused: 0,
      forgotten: 0,
      usedBytes: 0,
    });
  });

  test("what is another leg of ours, or nowhere, gets nothing", () => {
    const own = { ownMedia: portRangeWords(["192.0.2.1" as IpAddress], 30_000, 30_099) };
    for (const to of [at("192.0.2.1", 30_010), at("2001:db8::1", 4_000), at("0.0.0.0", 0)]) {
      const lab = new Lab({}, new WorkerRig(16, own));
      lab.speak(5);
      lab.heard(wifi);
      lab.move(to, 0);
      lab.finish();
      assert.equal(lab.rig.sent.length, 0, to.ip);
    }
  });

  test("goes to where the slot sends when it is sent", () => {
    const lab = new Lab();
    lab.speak(10);
    lab.heard(wifi);
    lab.move(cellular, 0);
    lab.tick();
    assert.equal(lab.heard(cellular).length, 4);
    const third = at("203.0.113.8", 9_000);
    encodeEndpoint(lab.rig.policy.settings.get(2)!.target, 0, third);
    lab.rig.policy.sink.targetChanged(2);
    lab.finish();
    assert.deepEqual(lab.heard(third), [5, 6, 7, 8, 9, 10]);
  });

  test("a roll-back ends it, and the next packet goes where the leg was", () => {
    const lab = new Lab();
    lab.speak(10);
    lab.heard(wifi);
    lab.move(cellular, 0);
    lab.tick();
    lab.heard(cellular);
    encodeEndpoint(lab.rig.policy.settings.get(2)!.target, 0, wifi);
    lab.rig.policy.sink.targetChanged(2);
    lab.rig.policy.sink.note(2, handoverNote.rolledBack, 3, new Int32Array(5), 0);
    lab.tick();
    lab.speak(1);
    assert.deepEqual(lab.heard(wifi), [11]);
  });

  test("a packet that could not be sent to the dead address is sent again", () => {
    const lab = new Lab();
    lab.rig.sendOutcome = sendCode.failed;
    lab.speak(3);
    lab.rig.sendOutcome = sendCode.sent;
    lab.heard(wifi);
    lab.move(cellular, 0);
    lab.finish();
    assert.deepEqual(lab.heard(cellular), [1, 2, 3]);
  });

  test("failed sends of a replay end nothing and are no errors of the pair", () => {
    const lab = new Lab();
    lab.speak(6);
    lab.rig.sendOutcome = sendCode.queueFull;
    lab.move(cellular, 0);
    lab.finish();
    assert.deepEqual([lab.replay.replays, lab.replay.packets, lab.replay.errors], [1, 0, 6]);
    assert.equal(readPair(lab.rig.counters, 2, 16).rtp.errorsOut, 0);
  });

  test("nothing is sent again after its meaning or its party changed", () => {
    const changes: Readonly<Record<string, (rig: WorkerRig) => void>> = {
      "another peer": (rig) => {
        rig.open(4, at("192.0.2.1", 30_004));
        rig.configure(2, settings(wifi), 4);
      },
      "no peer": (rig) => rig.configure(2, settings(wifi)),
      "other payload types": (rig) =>
        rig.configure(2, settings(wifi, { payloadTypes: [{ payloadType: 8, clockRateHz: 8_000 }] }), 0),
      "another security": (rig) =>
        rig.configure(2, settings(wifi, { security: { kind: "passed" } as PairSettings["security"] }), 0),
      "another transport": (rig) => rig.configure(2, settings(wifi, withUdptl), 0),
      hold: (rig) => {
        rig.configure(2, settings(wifi, { mayReceive: false }), 0);
        rig.configure(2, settings(wifi), 0);
      },
      "another call": (rig) => {
        rig.command({ kind: "close", at: { slot: 2, generation: 1 } });
        rig.open(2, at("192.0.2.1", 30_002), 2);
        rig.configure(2, settings(wifi), undefined, 2);
      },
    };
    for (const [name, change] of Object.entries(changes)) {
      for (const isUnderWay of [false, true]) {
        const lab = new Lab();
        lab.speak(8);
        if (isUnderWay) {
          lab.move(cellular, 0);
          lab.tick();
        }
        change(lab.rig);
        lab.heard(cellular);
        if (!isUnderWay) lab.move(cellular, 0);
        lab.finish();
        assert.deepEqual(lab.heard(cellular), [], `${name}, ${isUnderWay}`);
        assert.equal(lab.replay.forgotten, 1, name);
      }
    }
  });

  test("a refresh with the same codecs, in any order, forgets nothing", () => {
    const lab = new Lab({
      payloadTypes: [
        { payloadType: 0, clockRateHz: 8_000 },
        { payloadType: 8, clockRateHz: 8_000 },
      ],
    });
    lab.speak(5);
    lab.heard(wifi);
    lab.rig.configure(0, settings(phoneA), 2);
    const payloadTypes = [
      { payloadType: 8, clockRateHz: 8_000 },
      { payloadType: 0, clockRateHz: 8_000 },
    ];
    lab.rig.configure(2, settings(at("10.0.0.1", 4_000), { generation: 2, payloadTypes }), 0);
    lab.move(cellular, 0);
    lab.finish();
    assert.equal(lab.heard(cellular).length, 5);
    assert.equal(lab.replay.forgotten, 0);
  });

  test("so many at once, further ones are counted", () => {
    const slots = 4 * (replaysAtOnceMax + 3);
    const rig = new WorkerRig(slots, { replayMemoryBytes: 8 * 1024 * 1024 });
    const parties: number[] = [];
    for (let slot = 0; slot < slots; slot += 4) {
      rig.open(slot, at("192.0.2.1", 10_000 + slot));
      rig.open(slot + 2, at("192.0.2.1", 10_002 + slot));
      rig.configure(slot, settings(phoneA), slot + 2);
      rig.configure(slot + 2, settings(at(wifi.ip, 2_000 + slot)), slot);
      for (let n = 0; n < 10; n++) rig.receive(slot, rtpPacket(slot, n), phoneA);
      parties.push(slot + 2);
    }
    rig.sent.length = 0;
    for (const slot of parties) {
      encodeEndpoint(rig.policy.settings.get(slot)!.target, 0, at(cellular.ip, 3_000 + slot));
      rig.policy.sink.targetChanged(slot);
      rig.policy.sink.replay(slot, 0);
    }
    const { worker } = rig.counters;
    assert.equal(readWorker(worker).replay.refused, 3);
    rig.core.tick(rig.nowMs);
    assert.equal(readWorker(worker).replay.packets, replaysAtOnceMax * replayBurstPacketsMax);
    for (let ms = 1; ms <= 6; ms++) rig.core.tick(rig.nowMs + ms);
    assert.equal(readWorker(worker).replay.packets, replaysAtOnceMax * 10);
    for (const slot of parties.slice(0, replaysAtOnceMax)) {
      const heard = rig.sent.filter((each) => each.slot === slot);
      assert.deepEqual(
        heard.map(({ to, bytes }) => [to, bytes.readUInt16BE(2), bytes.readUInt32BE(8)]),
        Array.from({ length: 10 }, (_, n) => [`${cellular.ip}:${3_000 + slot}`, n, slot - 2]),
      );
    }
  });
});
