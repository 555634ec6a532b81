/** What the relay answers when the policy asks, and what it makes of the policy's notes. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Endpoint, IpAddress } from "../../../src/core/address.ts";
import {
  notesPerSlotBurstMax,
  notesPerSlotPerSecMax,
  notesPerWorkerBurstMax,
} from "../../../src/core/limits.ts";
import type { PairSettings } from "../../../src/core/plan/plan.ts";
import {
  type HandoverSink,
  handoverNote,
  noDigest,
  type PacketFacts,
  type Verdict,
  verdict,
} from "../../../src/handover/contract.ts";
import { readWorker } from "../../../src/relay/counter-view.ts";
import { eventKind } from "../../../src/relay/events.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { assertNoGrowth } from "../../support/heap-growth.ts";
import { receiverReport, rtpPacket, settingsAt } from "../../support/relay-rig.ts";
import { fromA, keys, localA, localB, Party, phoneA, phoneB, sdes, toA } from "../../support/secure-rig.ts";
import { suite } from "../../support/suite.ts";
import { PlainPolicy, WorkerRig } from "../../support/worker-rig.ts";

function settings(party: Endpoint, own: Partial<PairSettings> = {}): PairSettings {
  return settingsAt(party, { ip: party.ip, port: party.port + 1 }, own);
}

/** Asks the relay about each packet while it is judged. */
class AskingPolicy extends PlainPolicy {
  digests: number[] = [];
  receipts: boolean[] = [];

  override packet(facts: PacketFacts): Verdict {
    this.digests.push(this.sink.digest());
    this.receipts.push(this.sink.isReceipt(facts.slot));
    return super.packet(facts);
  }
}

/** A in slots 0 and 1, B in 2 and 3. */
function lab(a: Partial<PairSettings> = {}, b: Partial<PairSettings> = {}, eventRecords = 4) {
  let policy: AskingPolicy | undefined;
  const makePolicy = (_capacity: number, sink: HandoverSink): AskingPolicy => {
    policy = new AskingPolicy(sink);
    return policy;
  };
  const rig = new WorkerRig(16, {}, makePolicy, eventRecords);
  rig.open(0, localA);
  rig.open(2, localB);
  rig.configure(0, settings(phoneA, a), 2);
  rig.configure(2, settings(phoneB, b), 0);
  return { rig, policy: policy ?? assert.fail() };
}

/** A report by somebody on this SSRC. */
function report(
  on: number,
  sequence: number,
  own: { type?: number; blocks?: number; cycles?: number } = {},
): Buffer {
  const isSr = own.type === 200;
  const head = Buffer.alloc(isSr ? 28 : 8);
  const blocks = own.blocks ?? 1;
  head[0] = 0x80 | blocks;
  head[1] = own.type ?? 201;
  head.writeUInt32BE(99, 4);
  const block = Buffer.alloc(24);
  block.writeUInt32BE(on >>> 0, 0);
  block.writeUInt16BE(own.cycles ?? 0, 8);
  block.writeUInt16BE(sequence & 0xffff, 10);
  const packet = Buffer.concat([head, ...Array.from({ length: blocks }, () => block)]);
  packet.writeUInt16BE(packet.length / 4 - 1, 2);
  return packet;
}

suite("relay: the policy's questions", (test) => {
  test("equal packets have equal digests, and held ones theirs", () => {
    const { rig, policy } = lab();
    policy.next = verdict.hold;
    policy.heldFor = 2;
    for (const sequence of [5, 6, 6, 7]) rig.receive(0, rtpPacket(1, sequence), phoneA);
    const [five, six, again, seven] = policy.digests;
    assert.equal(six, again);
    assert.equal(new Set(policy.digests).size, 3);
    assert.deepEqual(
      [5, 6, 7].map((sequence) => policy.sink.heldDigest(0, 2, sequence)),
      [five, six, seven],
    );
    assert.equal(policy.sink.heldDigest(0, 2, 8), noDigest);
    assert.equal(policy.sink.heldDigest(0, 3, 5), noDigest);
    assert.equal(policy.sink.heldDigest(2, 2, 5), noDigest);
    policy.sink.dropHeld(0, 2);
    assert.equal(policy.sink.heldDigest(0, 2, 5), noDigest);
  });

  test("one bit more or less, and a byte that is cut, make another digest", () => {
    const { rig, policy } = lab();
    const packet = rtpPacket(1, 5);
    const bent = Buffer.from(packet);
    bent[171]! ^= 1;
    for (const bytes of [packet, bent, packet.subarray(0, 171), packet]) rig.receive(0, bytes, phoneA);
    const [whole, other, cut, again] = policy.digests;
    assert.equal(whole, again);
    assert.equal(new Set([whole, other, cut]).size, 3);
  });

  test("held RTCP and packets under another number are not taken for RTP", () => {
    const { rig, policy } = lab();
    policy.next = verdict.hold;
    const rtcp = receiverReport(1);
    rig.receive(0, rtcp, phoneA);
    assert.equal(policy.sink.heldDigest(0, 0, rtcp.readUInt16BE(2)), noDigest);
  });

  test("a report on what we sent within 10 s is a receipt", () => {
    for (const type of [200, 201]) {
      const { rig, policy } = lab();
      for (let sequence = 1; sequence <= 100; sequence++) {
        rig.nowMs += 20;
        rig.receive(0, rtpPacket(7, sequence), phoneA);
      }
      const asked = (bytes: Buffer, slot = 3): boolean => {
        rig.receive(slot, bytes, phoneB);
        return policy.receipts.at(-1)!;
      };
      assert.equal(asked(report(7, 100, { type })), true);
      assert.equal(asked(report(7, 1, { type })), true);
      assert.equal(asked(report(7, 100, { type, cycles: 3 })), true, "cycles are the receiver's own");
      assert.equal(asked(report(7, 101, { type })), false, "not sent yet");
      assert.equal(asked(report(7, 0, { type })), false, "never sent");
      assert.equal(asked(report(8, 100, { type })), false, "not our stream");
      assert.equal(asked(report(7, 100, { type }), 1), false, "not sent to A");
      assert.equal(asked(receiverReport(7)), false, "no report in it");
    }
  });

  test("receipts are looked for in all blocks and packets of a compound, and nowhere else", () => {
    const { rig, policy } = lab();
    for (let sequence = 1; sequence <= 50; sequence++) rig.receive(0, rtpPacket(7, sequence), phoneA);
    const asked = (bytes: Buffer): boolean | undefined => {
      policy.receipts.length = 0;
      rig.receive(3, bytes, phoneB);
      return policy.receipts[0];
    };
    const second = report(8, 1, { blocks: 3 });
    second.writeUInt32BE(7, 8 + 2 * 24);
    second.writeUInt16BE(50, 8 + 2 * 24 + 10);
    assert.equal(asked(second), true);
    assert.equal(asked(Buffer.concat([receiverReport(9), report(7, 50)])), true);
    const cut = report(7, 50, { blocks: 2 });
    assert.equal(asked(cut.subarray(0, 32)), undefined, "longer than its datagram: never judged");
    cut.writeUInt16BE(7, 2);
    assert.equal(asked(cut.subarray(0, 32)), false, "fewer blocks than it says");
    const other = report(7, 50, { type: 204 });
    assert.equal(asked(other), false, "APP");
    assert.equal(
      asked(Buffer.concat([...Array.from({ length: 16 }, () => receiverReport(9)), report(7, 50)])),
      false,
    );
  });

  test("what was sent more than 10 s ago is no receipt; of a stream that goes on, what was sent within 5 s is", () => {
    const { rig, policy } = lab();
    const sentAt: number[] = [];
    const checkAll = (goesOn: boolean): void => {
      for (let sequence = 1; sequence < sentAt.length; sequence++) {
        rig.receive(3, report(7, sequence), phoneB);
        const ageMs = rig.nowMs - sentAt[sequence]!;
        if (ageMs > 10_000) assert.equal(policy.receipts.at(-1), false, `${sequence} of ${ageMs} ms`);
        if (ageMs <= 4_900 && goesOn)
          assert.equal(policy.receipts.at(-1), true, `${sequence} of ${ageMs} ms`);
      }
    };
    // Talk, a pause, talk, a long pause, a word.
    for (const [packets, pauseMs] of [
      [1, 0],
      [400, 0],
      [300, 3_000],
      [100, 4_000],
      [300, 8_000],
      [300, 11_000],
      [1, 25_000],
      [300, 100],
    ] as const) {
      rig.nowMs += pauseMs;
      checkAll(false);
      for (let n = 0; n < packets; n++) {
        rig.nowMs += 20;
        sentAt[Math.max(1, sentAt.length)] = rig.nowMs;
        rig.receive(0, rtpPacket(7, sentAt.length - 1), phoneA);
      }
      checkAll(packets >= 300 || sentAt.length === 2);
    }
  });

  test("a stream that began anew under its SSRC vouches for what it sent, not for what it might", () => {
    const { rig, policy } = lab();
    const speak = (from: number, count: number): void => {
      for (let n = 0; n < count; n++) {
        rig.nowMs += 20;
        rig.receive(0, rtpPacket(7, from + n), phoneA);
      }
    };
    const asked = (sequence: number): boolean => {
      rig.receive(3, report(7, sequence), phoneB);
      return policy.receipts.at(-1)!;
    };
    speak(1_000, 100);
    speak(40_000, 20);
    assert.equal(asked(20_000), false);
    speak(40_020, 700);
    assert.deepEqual([asked(40_719), asked(40_600), asked(39_000), asked(1_050)], [true, true, false, false]);
  });

  test("who gets nothing cannot vouch: on hold, and with nowhere to send", () => {
    for (const b of [{ mayReceive: false }, { rtpTarget: undefined }]) {
      const { rig, policy } = lab({}, b);
      rig.receive(0, rtpPacket(7, 1), phoneA);
      rig.receive(3, report(7, 1), phoneB);
      assert.equal(policy.receipts.at(-1), false);
    }
  });

  test("no report breaks the search, whatever its bytes", () => {
    const { rig, policy } = lab();
    rig.receive(0, rtpPacket(7, 1), phoneA);
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 8, maxLength: 120 }),
      fc
        .tuple(fc.nat(31), fc.constantFrom(200, 201), fc.uint8Array({ minLength: 6, maxLength: 200 }))
        .map(([blocks, type, rest]) => Uint8Array.of(0x80 | blocks, type, ...rest)),
    );
    fc.assert(
      fc.property(bytes, (data) => {
        rig.receive(3, data, phoneB);
        assert.equal(policy.receipts.at(-1) === true, false);
      }),
      { numRuns: fuzzRuns(1_000) },
    );
  });

  test("under SRTP the report is read in clear, and one that passes as it came is not read", () => {
    const { rig, policy } = lab({}, { security: sdes });
    keys(rig, 2, [fromA], toA);
    rig.receive(0, rtpPacket(7, 1), phoneA);
    rig.receive(3, new Party(fromA, toA).protect(report(7, 1), "rtcp"), phoneB);
    assert.equal(policy.receipts.at(-1), true);

    const passing = lab({ security: sdes }, { security: sdes });
    keys(passing.rig, 0, [toA], fromA);
    keys(passing.rig, 2, [fromA], toA);
    passing.rig.receive(0, new Party(toA, fromA).protect(rtpPacket(7, 1)), phoneA);
    passing.rig.receive(3, new Party(fromA, toA).protect(report(7, 1), "rtcp"), phoneB);
    assert.deepEqual(passing.policy.receipts, [false, false]);
  });
});

suite("relay: the policy's notes", (test) => {
  const source = Int32Array.of(9, 0, 0, 0xffff, 0x0a000001, 5_000, 9);

  test("each is counted under its name and told with its source", () => {
    const { rig, policy } = lab({}, {}, 16);
    const names = Object.entries(handoverNote);
    for (const [index, [, code]] of names.entries()) policy.sink.note(index & 3, code, index % 4, source, 1);
    assert.equal(rig.core.flushEvents(), true);
    assert.deepEqual(
      rig.notes(),
      names.map(([, code], index) => [index & 3, code, index % 4, 5_000]),
    );
    const { handoverNotes, notesUntold, reasons } = readWorker(rig.counters.worker);
    assert.deepEqual(handoverNotes, Object.fromEntries(names.map(([name]) => [name, 1])));
    assert.equal(notesUntold, 0);
    assert.deepEqual(
      Object.values(reasons).filter((count) => count > 0),
      [],
    );
  });

  test("a slot tells so many at once and so many a second; all are counted", () => {
    const { rig, policy } = lab({}, {}, 64);
    const flood = (count: number): number => {
      for (let n = 0; n < count; n++) policy.sink.note(0, handoverNote.refused, 3, source, 1);
      rig.core.flushEvents();
      return rig.notes().length;
    };
    assert.equal(flood(500), notesPerSlotBurstMax);
    rig.nowMs += 1_000;
    rig.core.tick(rig.nowMs);
    assert.equal(flood(500), notesPerSlotPerSecMax);
    policy.sink.note(2, handoverNote.held, 3, source, 1);
    assert.equal(rig.notes().length, 1, "another slot");
    const { handoverNotes, notesUntold } = readWorker(rig.counters.worker);
    assert.equal(handoverNotes.refused, 1_000);
    assert.equal(notesUntold, 1_000 - notesPerSlotBurstMax - notesPerSlotPerSecMax);
  });

  test("suspicions about a slot leave room for what is decided there", () => {
    const { rig, policy } = lab({}, {}, 64);
    for (let n = 0; n < 500; n++) policy.sink.note(0, handoverNote.held, 3, source, 1);
    policy.sink.note(0, handoverNote.switched, 3, source, 1);
    assert.deepEqual(rig.notes().at(-1), [0, handoverNote.switched, 3, 5_000]);
  });

  test("suspicions of all slots together leave room for decisions", () => {
    const slots = 4_096;
    const rig = new WorkerRig(slots, {}, undefined, 4_096);
    for (let slot = 0; slot < slots; slot++) {
      for (let n = 0; n < 4; n++) rig.policy.sink.note(slot, handoverNote.struck, 3, source, 1);
    }
    rig.policy.sink.note(7, handoverNote.switched, 3, source, 1);
    const notes = rig.notes();
    assert.equal(notes.length, notesPerWorkerBurstMax + 1);
    assert.deepEqual(notes.at(-1), [7, handoverNote.switched, 3, 5_000]);
  });

  test("a full ring loses notes, counts them, and loses no proof", () => {
    const { rig, policy } = lab({}, {}, 4);
    policy.evidence = 2;
    for (let slot = 0; slot < 4; slot++) {
      policy.sink.note(slot, handoverNote.proven, 2, source, 1);
      policy.sink.note(slot, handoverNote.switched, 2, source, 1);
    }
    assert.equal(readWorker(rig.counters.worker).notesUntold, 4);
    assert.equal(rig.notes().length, 4);
    rig.core.flushEvents();
    assert.deepEqual(
      rig.events().map(([kind, slot]) => [kind, slot]),
      [0, 1, 2, 3].map((slot) => [eventKind.proven, slot]),
    );
  });

  test("a slot's next owner has an allowance of its own", () => {
    const { rig, policy } = lab({}, {}, 64);
    for (let n = 0; n < 100; n++) policy.sink.note(0, handoverNote.refused, 3, source, 1);
    rig.command({ kind: "close", at: { slot: 0, generation: 1 } });
    rig.open(0, { ip: "192.0.2.1" as IpAddress, port: 30_000 }, 2);
    rig.notes();
    policy.sink.note(0, handoverNote.proven, 2, source, 1);
    assert.equal(rig.notes().length, 1);
  });

  test("a flood of notes allocates nothing", () => {
    const { policy } = lab();
    const run = (count: number): void => {
      for (let n = 0; n < count; n++) policy.sink.note(0, handoverNote.refused, 3, source, 1);
    };
    for (let round = 0; round < 4; round++) run(50_000);
    assertNoGrowth(() => run(100_000), 200_000);
  });
});
