/**
 * The relay in miniature, in which thousands of histories are played, does to a call what the relay's own worker does:
 * the same histories come to the same in both.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Books } from "../../support/attackers/books.ts";
import { Coverage } from "../../support/attackers/coverage.ts";
import { choices, type History, miniatureMaker, run } from "../../support/attackers/history.ts";
import { cells } from "../../support/attackers/matrix.ts";
import { WholeWorker } from "../../support/attackers/whole.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

/** SRTP has tests of its own, with real keys. */
const played = cells.filter(({ protection }) => protection !== "srtp");

function outcome({ calm, attacked }: History): unknown {
  const sorted = (values: Iterable<number>): number[] => [...values].sort((a, b) => a - b);
  return [calm, attacked].map((books: Books) => ({
    relayed: sorted(books.relayedAtMs.keys()),
    reached: sorted(books.reached),
    leaked: books.leaks.length,
    injected: books.injections.length,
    repeated: books.repeats.length,
  }));
}

suite("attackers: the miniature", (test) => {
  test("comes to what the relay's worker comes to", () => {
    const worker = new WholeWorker();
    const small = miniatureMaker(new Coverage());
    fc.assert(
      fc.property(fc.constantFrom(...played), choices, (cell, chosen) => {
        const whole = run(cell, chosen, (_cell, { stays }) => worker.call(stays));
        assert.deepEqual(outcome(whole), outcome(run(cell, chosen, small)));
      }),
      { numRuns: fuzzRuns(500) },
    );
  });
});
