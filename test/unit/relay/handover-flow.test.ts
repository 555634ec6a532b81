/** The relay's core with the real policy: a party changes its network in the middle of a call, or somebody says it did. */
import assert from "node:assert/strict";
import { type Endpoint, formatEndpoint, type IpAddress } from "../../../src/core/address.ts";
import type { PairSettings } from "../../../src/core/plan/plan.ts";
import { handoverNote } from "../../../src/handover/contract.ts";
import { Handover } from "../../../src/handover/handover.ts";
import { readPair, readWorker } from "../../../src/relay/counter-view.ts";
import { rtpPacket, settingsAt } from "../../support/relay-rig.ts";
import { suite } from "../../support/suite.ts";
import { WorkerRig } from "../../support/worker-rig.ts";

const at = (ip: string, port: number): Endpoint => ({ ip: ip as IpAddress, port });
const desk = at("198.51.100.1", 4_000);
const wifi = at("198.51.100.2", 4_000);
const cellular = at("203.0.113.7", 9_000);
const stepMs = 20;

function settings(party: Endpoint, own: Partial<PairSettings> = {}): PairSettings {
  return settingsAt(party, at(party.ip, party.port + 1), own);
}

/** A desk phone in slots 0 and 1, a mobile in slots 2 and 3, both speaking since a second. */
class Call {
  readonly rig = new WorkerRig(16, {}, (capacity, sink) => new Handover(capacity, sink), 64);
  deskSequence = 0;
  mobileSequence = 500;
  place = wifi;

  constructor() {
    this.rig.open(0, at("192.0.2.1", 30_000));
    this.rig.open(2, at("192.0.2.1", 30_002));
    this.rig.configure(0, settings(desk), 2);
    this.rig.configure(2, settings(wifi), 0);
    for (let n = 0; n < 50; n++) this.step();
  }

  /** 20 ms of the call, with the timers in between. */
  step(isMobileHeard = true): void {
    const { rig } = this;
    rig.receive(0, rtpPacket(7, ++this.deskSequence), desk);
    rig.core.tick(rig.nowMs);
    this.mobileSequence++;
    if (isMobileHeard) rig.receive(2, rtpPacket(9, this.mobileSequence), this.place);
    for (let ms = 0; ms < stepMs; ms++) {
      rig.nowMs++;
      rig.core.tick(rig.nowMs);
    }
  }

  /** Sequence numbers that left this slot for that place, without the repeated. */
  heard(slot: number, to: Endpoint): number[] {
    const sent = this.rig.sent.filter((each) => each.slot === slot && each.to === formatEndpoint(to));
    return [...new Set(sent.map(({ bytes }) => bytes.readUInt16BE(2)))];
  }
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

suite("relay: change of network", (test) => {
  test("a silent switch loses nothing either way, and nothing comes out of order", () => {
    const call = new Call();
    const { rig } = call;
    rig.sent.length = 0;
    const first = call.deskSequence + 1;
    const firstUp = call.mobileSequence + 1;
    for (let n = 0; n < 10; n++) call.step();
    // The old path is dead from here on; three packets up are never seen, what goes down goes nowhere.
    const lostFrom = call.deskSequence + 1;
    for (let n = 0; n < 3; n++) call.step(false);
    call.place = cellular;
    for (let n = 0; n < 30; n++) call.step();
    const down = call.heard(2, cellular);
    assert.ok(down[0]! <= lostFrom, `${down[0]} is after ${lostFrom}`);
    assert.deepEqual(down, range(down[0]!, call.deskSequence));
    assert.deepEqual(call.heard(2, wifi).slice(0, 10), range(first, first + 9));
    const missed = range(firstUp + 10, firstUp + 12);
    assert.deepEqual(
      call.heard(0, desk),
      range(firstUp, call.mobileSequence).filter((each) => !missed.includes(each)),
    );
    const { replay, handoverNotes } = readWorker(rig.counters.worker);
    assert.equal(replay.replays, 1);
    assert.ok(replay.packets >= 3 && replay.packets <= 12, `${replay.packets}`);
    assert.equal(handoverNotes.switched, 1);
    assert.deepEqual(readPair(rig.counters, 2, 16).rtp.sendTarget, cellular);
    assert.equal(readPair(rig.counters, 2, 16).rtp.packetsOut, call.deskSequence);
  });

  test("a copy of the stream from elsewhere while the phone speaks gets no packet", () => {
    const call = new Call();
    const { rig } = call;
    rig.sent.length = 0;
    for (let n = 0; n < 100; n++) {
      const forged = rtpPacket(9, call.mobileSequence + 2);
      forged.fill(0xee, 12);
      rig.receive(2, forged, cellular);
      call.step();
    }
    assert.deepEqual(
      rig.sent.filter(({ to, bytes }) => to === formatEndpoint(cellular) || bytes[20] === 0xee),
      [],
    );
    assert.equal(call.heard(0, desk).length, 100);
    assert.equal(readWorker(rig.counters.worker).replay.replays, 0);
  });

  test("a switch that is rolled back gives the target back as well", () => {
    const call = new Call();
    const { rig } = call;
    for (let n = 0; n < 4; n++) call.step(false);
    for (let n = 0; n < 8; n++) {
      rig.receive(2, rtpPacket(9, call.mobileSequence + 1), cellular);
      call.step(false);
    }
    assert.deepEqual(readPair(rig.counters, 2, 16).rtp.sendTarget, cellular);
    for (let n = 0; n < 3; n++) call.step();
    rig.sent.length = 0;
    call.step();
    assert.deepEqual(
      rig.sent.filter(({ slot }) => slot === 2).map(({ to }) => to),
      [formatEndpoint(wifi)],
    );
    assert.deepEqual(readPair(rig.counters, 2, 16).rtp.sendTarget, wifi);
    assert.ok(
      rig.notes().some(([slot, note]) => slot === 2 && note === handoverNote.rolledBack),
      "told to main",
    );
  });

  test("BYE, APP and feedback of a source that is not proven go nowhere", () => {
    const call = new Call();
    const { rig } = call;
    rig.sent.length = 0;
    for (const type of [203, 204, 205, 206]) {
      for (const slot of [2, 3]) {
        for (const source of [cellular, at(cellular.ip, 9_001), at("198.51.100.77", 4_001)]) {
          const packet = Buffer.from([0x81, type, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0]);
          rig.receive(slot, packet, source);
          rig.core.tick(rig.nowMs);
        }
      }
    }
    assert.deepEqual(
      rig.sent.map(({ slot, bytes }) => [slot, bytes[1]]),
      [],
    );
  });
});
