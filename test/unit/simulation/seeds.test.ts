/** The control and call side in bad weather: one seed, one run; after each step everything must add up. */
import assert from "node:assert/strict";
import { messageOf } from "../../../src/core/thrown.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { runSeed } from "../../support/simulation/simulation.ts";
import { suite } from "../../support/suite.ts";

const runs = fuzzRuns(300);

/** Tells the seed, so that a failure can be seen again. */
function run(seed: number): ReturnType<typeof runSeed> {
  try {
    return runSeed(seed);
  } catch (error) {
    throw new Error(`seed ${seed}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

suite("simulation: seeds", (test) => {
  test(
    "ports and calls add up after every step, and in the end nothing is left",
    () => {
      const reasons = new Map<string, number>();
      for (let seed = 1; seed <= runs; seed++) {
        for (const [word, count] of run(seed).station.reasons)
          reasons.set(word, (reasons.get(word) ?? 0) + count);
      }
      // A simulation in which nothing goes wrong, or nothing right, shows nothing.
      for (const word of ["sdp", "endpoint", "report", "list", "deleted", "timeout", "offer-timeout"]) {
        assert.ok((reasons.get(word) ?? 0) > 0, `some runs have ${word}`);
      }
      for (const word of ["no-ports", "unknown-call", "sessions-exhausted", "load-limit", "sdp-incomplete"]) {
        assert.ok((reasons.get(word) ?? 0) > 0, `some runs have ${word}`);
      }
    },
    { timeoutMs: 600_000 },
  );

  test("one seed, one trace", () => {
    for (const seed of [1, 7, 42]) {
      const [first, second] = [run(seed), run(seed)];
      assert.ok(first.world.trace.length > 20);
      assert.deepEqual(second.world.trace, first.world.trace);
    }
  });
});
