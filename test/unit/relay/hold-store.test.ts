import assert from "node:assert/strict";
import fc from "fast-check";
import {
  candidatesPerSlotMax,
  heldPacketsPerEgressMax,
  heldPacketsPerStreamMax,
} from "../../../src/core/limits.ts";
import { counterSizes, workerField } from "../../../src/relay/counters.ts";
import { egressCandidate, HoldStore, holdStoreBytes } from "../../../src/relay/hold-store.ts";
import { reason } from "../../../src/relay/reasons.ts";
import { SlotRanking } from "../../../src/relay/slot-ranking.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

const capacitySlots = 256;
const newcomer = 200;

interface Rig {
  readonly store: HoldStore;
  readonly heldBytes: () => number;
  /** Lets go of all the slot holds; how many packets that was. */
  readonly drain: (slot: number) => number;
  /** Offers so many packets; how many were kept. */
  readonly add: (slot: number, candidate: number, packets: number, sizeBytes: number) => number;
}

function makeRig(): Rig {
  const worker = new Float64Array(counterSizes(capacitySlots).worker);
  const store = new HoldStore(new Uint8Array(holdStoreBytes + 1_600), 1_600, capacitySlots, worker);
  return {
    store,
    drain: (slot) => {
      let packets = 0;
      for (let link = store.firstOf(slot); link !== 0; link = store.firstOf(slot)) {
        store.remove(link);
        packets++;
      }
      return packets;
    },
    heldBytes: () => worker[workerField.heldBytes] ?? 0,
    add: (slot, candidate, packets, sizeBytes) => {
      let kept = 0;
      for (let n = 0; n < packets; n++) {
        if (store.add(slot, candidate, 0, 0, sizeBytes, 0) === reason.hold) kept++;
      }
      return kept;
    },
  };
}

function flood({ add }: Rig, slots: number, sizeBytes: number): void {
  for (let slot = 0; slot < slots; slot++) {
    for (let candidate = 0; candidate < candidatesPerSlotMax; candidate++) {
      add(slot, candidate, heldPacketsPerStreamMax, sizeBytes);
    }
  }
}

suite("relay hold store", (test) => {
  test("a slot may hold all its streams while the store is mostly empty", () => {
    const rig = makeRig();
    for (let candidate = 0; candidate < candidatesPerSlotMax; candidate++) {
      assert.equal(rig.add(0, candidate, heldPacketsPerStreamMax, 1_500), heldPacketsPerStreamMax);
    }
    assert.equal(rig.add(0, egressCandidate, heldPacketsPerEgressMax, 172), heldPacketsPerEgressMax);
  });

  for (const [sizeBytes, floodedSlots] of [
    [1_500, 7],
    [1_500, 50],
    [172, 40],
  ] as const) {
    test(`floods of ${sizeBytes} bytes to ${floodedSlots} ports leave room for another's stream`, () => {
      const rig = makeRig();
      flood(rig, floodedSlots, sizeBytes);
      assert.equal(rig.add(newcomer, 0, heldPacketsPerStreamMax, sizeBytes), heldPacketsPerStreamMax);
    });
  }

  test("a slot that holds most of a full class gains nothing, and loses its oldest to the others", () => {
    const rig = makeRig();
    flood(rig, 7, 1_500);
    const before = rig.heldBytes();
    assert.equal(rig.add(newcomer, egressCandidate, heldPacketsPerEgressMax, 1_500), heldPacketsPerEgressMax);
    assert.equal(rig.heldBytes(), before);
    assert.equal(rig.add(newcomer, 0, 10, 172), 10, "the other class has room of its own");
    assert.equal(rig.drain(newcomer), heldPacketsPerEgressMax + 10);
    const held = Array.from({ length: 7 }, (_, slot) => rig.drain(slot));
    assert.ok(Math.max(...held) - Math.min(...held) <= 1, `${held}`);
  });

  test("what is let go of is free again, and nothing is counted twice", () => {
    const rig = makeRig();
    for (let round = 0; round < 3; round++) {
      flood(rig, capacitySlots, 1_500);
      flood(rig, capacitySlots, 172);
      assert.ok(rig.heldBytes() > 4_000_000);
      for (let slot = 0; slot < capacitySlots; slot++) rig.drain(slot);
      assert.equal(rig.heldBytes(), 0);
    }
    assert.equal(rig.add(0, 0, heldPacketsPerStreamMax, 1_500), heldPacketsPerStreamMax);
  });
});

suite("relay slot ranking", (test) => {
  test("names a slot that holds most, whatever came and went", () => {
    const change = fc.record({ slot: fc.nat(5), grows: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
        const ranking = new SlotRanking(6, 200);
        const counts = [0, 0, 0, 0, 0, 0];
        for (const { slot, grows } of changes) {
          const before = counts[slot] ?? 0;
          counts[slot] = Math.max(0, before + (grows ? 1 : -1));
          if (grows) ranking.increase(slot);
          else if (before > 0) ranking.decrease(slot);
          const highest = Math.max(...counts);
          assert.equal(ranking.highest, highest);
          assert.equal(ranking.countOf(slot), counts[slot]);
          assert.equal(counts[ranking.first()] ?? 0, highest);
          assert.equal(ranking.first() < 0, highest === 0);
        }
      }),
      { numRuns: fuzzRuns(200) },
    );
  });
});
