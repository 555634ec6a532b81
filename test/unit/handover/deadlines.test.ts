import assert from "node:assert/strict";
import fc from "fast-check";
import { Deadlines } from "../../../src/handover/deadlines.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

suite("handover/deadlines", (test) => {
  test("the earliest stands on top, whatever is set, moved and taken away", () => {
    const change = fc.record({
      slot: fc.nat(9),
      at: fc.oneof(fc.nat(50), fc.constant(Number.POSITIVE_INFINITY)),
      onlyLower: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const deadlines = new Deadlines(10);
        const model = new Array<number>(10).fill(Number.POSITIVE_INFINITY);
        for (const { slot, at, onlyLower } of changes) {
          if (onlyLower) deadlines.lower(slot, at);
          else deadlines.set(slot, at);
          if (!onlyLower || at < model[slot]!) model[slot] = at;
          const next = Math.min(...model);
          assert.equal(deadlines.nextMs(), next);
          if (next !== Number.POSITIVE_INFINITY) assert.equal(model[deadlines.nextSlot()], next);
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    );
  });
});
