/** The windows of streams that are read over two paths, against a plain list of what went out. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { twinWindowPackets, twinWindowsMax, twinWindowsPerSlotMax } from "../../../src/core/limits.ts";
import { TwinTable, windowState } from "../../../src/handover/twin-table.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

/** What is to be said of a number, by all that went out since the window was opened with number 0. */
function expected(sent: ReadonlyMap<number, number>, highest: number, index: number, digest: number): number {
  if (highest - index >= twinWindowPackets) return windowState.old;
  const known = sent.get(index);
  if (known !== undefined) return known === digest ? windowState.same : windowState.different;
  return index < 0 ? windowState.old : windowState.fresh;
}

suite("handover: windows of twins", (test) => {
  test("a number that went out is known as long as it is in the window, wherever the count wraps", () => {
    const step = fc.record({ back: fc.integer({ min: -20, max: 200 }), digest: fc.nat(3) });
    fc.assert(
      fc.property(fc.nat(0xffff), fc.array(step, { maxLength: 400 }), (first, steps) => {
        const table = new TwinTable();
        const handle = table.open(0, 7, first);
        const sent = new Map<number, number>();
        let highest = -1;
        for (const { back, digest } of steps) {
          const index = highest - back;
          const sequence = (first + index) & 0xffff;
          const state = table.look(handle, sequence, digest);
          assert.equal(state, expected(sent, highest, index, digest));
          if (state === windowState.same || state === windowState.different) continue;
          table.mark(handle, sequence, digest);
          sent.set(index, digest);
          highest = Math.max(highest, index);
        }
      }),
      { numRuns: fuzzRuns(300) },
    );
  });

  test("so many windows, so many of one slot, and all come back", () => {
    const table = new TwinTable();
    for (let round = 0; round < 3; round++) {
      const chains: number[] = [];
      for (let chain = 0; chain < twinWindowsMax / twinWindowsPerSlotMax; chain++) {
        const first = table.open(0, 0, 0);
        assert.notEqual(first, 0);
        for (let ssrc = 1; ssrc < twinWindowsPerSlotMax; ssrc++)
          assert.notEqual(table.open(first, ssrc, 0), 0);
        assert.equal(table.open(first, 99, 0), 0);
        for (let ssrc = 0; ssrc < twinWindowsPerSlotMax; ssrc++) assert.notEqual(table.find(first, ssrc), 0);
        assert.equal(table.find(first, 99), 0);
        chains.push(first);
      }
      assert.equal(table.open(0, 0, 0), 0);
      for (const first of chains) table.close(first);
    }
  });
});
