/**
 * Attackers of every class against phones in every state, 10,000 generated histories in simulated time: what may be
 * lost, and to whom, is what docs/handover.md says and no more.
 */
import assert from "node:assert/strict";
import { cells, coverage, measure, overrideCells } from "../../support/attackers/matrix.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

/** Codes that no history of one leg can meet: the first is the relay's own, the second stands for no proof. */
const unreachable: ReadonlySet<string> = new Set(["verdict blocked", "evidence none"]);

suite("attackers: every class by every state", (test) => {
  for (const cell of [...cells, ...overrideCells]) {
    test(`${cell.attacker}, phone ${cell.state}, ${cell.protection}`, () => void measure(cell));
  }

  test("the histories meet every verdict, note, evidence and claim", () => {
    // A smaller run, as mutations get, misses what is rare.
    if (fuzzRuns(100) < 100) return;
    assert.deepEqual(coverage.missing(unreachable), []);
    assert.ok(coverage.replays > 0);
  });
});
