import assert from "node:assert/strict";
import { PacketFacts } from "../../../src/handover/contract.ts";
import { SettingsTable } from "../../../src/handover/settings-table.ts";
import { SlotTable, slotBytes, slotWords, stream, word } from "../../../src/handover/slot-table.ts";
import { findStream, holdTimeMs, isContinuous, noteStream } from "../../../src/handover/streams.ts";
import { suite } from "../../support/suite.ts";
import { Leg, Phone, settings } from "./leg.ts";

const audio = new SettingsTable(1).set(0, settings({}));

function facts(changes: Partial<PacketFacts>): PacketFacts {
  return Object.assign(new PacketFacts(), { slot: 1, ssrc: 7, payloadType: 0 }, changes);
}

/** Packets at 20 ms pace up to sequence 99 at 2,000 ms; the stream's record. */
function spoken(table: SlotTable, paceMs = 20): number {
  for (let sequence = 0; sequence < 100; sequence++) {
    noteStream(table, facts({ sequence, timestamp: sequence * 160 }), 2_000 - (99 - sequence) * paceMs);
  }
  return findStream(table, 1, 7);
}

suite("handover/streams", (test) => {
  test("hold time: 1.5 inter-arrivals and four times the jitter, 20 to 120 ms", () => {
    for (const [paceMs, expected] of [
      [20, 30],
      [5, 20],
      [60, 90],
      [100, 120],
    ] as const) {
      const table = new SlotTable(2);
      const held = holdTimeMs(table, spoken(table, paceMs));
      assert.ok(Math.abs(held - expected) < 2.5, `${paceMs}: ${held}`);
    }
    const table = new SlotTable(2);
    for (let sequence = 0; sequence < 200; sequence++) {
      noteStream(table, facts({ sequence, timestamp: sequence * 160 }), sequence * 20 + (sequence % 2) * 10);
    }
    const held = holdTimeMs(table, findStream(table, 1, 7));
    assert.ok(held > 60 && held < 80, `${held}`);
  });

  test("continuity: sequence, timestamp and type in their bounds", () => {
    const table = new SlotTable(2);
    const at = spoken(table);
    const timestamp = 99 * 160;
    const cases: readonly (readonly [Partial<PacketFacts>, number, boolean])[] = [
      [{ sequence: 100, timestamp: timestamp + 160 }, 2_020, true],
      [{ sequence: 99, timestamp }, 2_020, false],
      [{ sequence: 98, timestamp }, 2_020, false],
      [{ sequence: 99 + 16 + 10, timestamp }, 2_100, true],
      [{ sequence: 99 + 16 + 12, timestamp }, 2_100, false],
      [{ sequence: 99 + 3_000, timestamp }, 60_000, true],
      [{ sequence: 99 + 3_001, timestamp }, 60_000, false],
      [{ sequence: 100, timestamp: timestamp + 8_000 + 1.5 * 160 }, 2_020, true],
      [{ sequence: 100, timestamp: timestamp + 8_000 + 1.5 * 160 + 1 }, 2_020, false],
      [{ sequence: 100, timestamp: timestamp - 1 }, 2_020, false],
      [{ sequence: 100, timestamp: timestamp - 1, payloadType: 8 }, 2_020, true],
      [{ sequence: 100, timestamp, payloadType: 13 }, 2_020, true],
      [{ sequence: 100, timestamp, payloadType: 50 }, 2_020, false],
    ];
    for (const [changes, nowMs, expected] of cases) {
      const outcome = isContinuous(table, at, facts(changes), audio, nowMs);
      assert.equal(outcome, expected, JSON.stringify(changes));
    }
  });

  test("late and repeated packets do not move the highest; a new count does", () => {
    const table = new SlotTable(2);
    const at = spoken(table);
    noteStream(table, facts({ sequence: 80, timestamp: 1 }), 2_001);
    noteStream(table, facts({ sequence: 99, timestamp: 1 }), 2_001);
    assert.equal(table.words[at + stream.sequence], 99);
    noteStream(table, facts({ sequence: 60_000, timestamp: 1 }), 2_001);
    assert.equal(table.words[at + stream.sequence], 60_000);
  });

  test("eight SSRCs, then the one unheard for longest gives way", () => {
    const table = new SlotTable(2);
    for (let ssrc = 1; ssrc <= 8; ssrc++) noteStream(table, facts({ ssrc }), ssrc);
    noteStream(table, facts({ ssrc: 1, sequence: 1 }), 9);
    noteStream(table, facts({ ssrc: 9 }), 10);
    assert.equal(table.words[slotWords + word.streamCount], 8);
    assert.equal(findStream(table, 1, 2), -1);
    for (const ssrc of [1, 3, 8, 9]) assert.ok(findStream(table, 1, ssrc) >= 0);
  });

  test("a slot's state fits in 1.6 KB and goes through bytes", () => {
    assert.ok(slotBytes <= 1_584);
    const wanted = { hints: [["198.51.100.7:4000", "ip"]], target: "198.51.100.7:4000" } as const;
    const [leg, copy] = [new Leg().open(wanted), new Leg().open(wanted)];
    const phone = new Phone("198.51.100.7:61000");
    leg.talk(phone, 30);
    copy.nowMs = leg.nowMs;
    for (const slot of [0, 1]) copy.policy.copyIn(slot, leg.policy.copyOut(slot), copy.nowMs);
    assert.deepEqual(
      [copy.proven(), copy.target(0), copy.target(1)],
      [leg.proven(), leg.target(0), leg.target(1)],
    );
    phone.from = "192.0.2.30:5500";
    copy.talk(phone, 10);
    assert.deepEqual([copy.evidence(), copy.relayed.length], ["continuity", 10]);
    assert.throws(() => copy.policy.copyIn(0, new Uint8Array(4), 0), /another size/);
  });
});
