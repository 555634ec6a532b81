/** Every attacker against every state of a victim: what is promised, and the worst that a run of histories measured. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzzRuns } from "../fuzz-runs.ts";
import { attackerClasses } from "./attacks.ts";
import { bounds, type Promised, promisedOf, unexcused } from "./bounds.ts";
import { Coverage } from "./coverage.ts";
import { type Cell, type Choices, choices, type Harm, miniatureMaker, protections, run } from "./history.ts";
import { type Override, overrides } from "./settings.ts";
import { victimStates } from "./states.ts";

/** Histories of a normal run, all cells together. */
const historiesPerRun = 10_000;

export const cells: readonly Cell[] = protections.flatMap((protection) =>
  attackerClasses.flatMap((attacker) => victimStates.map((state) => ({ attacker, state, protection }))),
);

/** Legs whose owner asked for another relay's behaviour by name. */
export const overrideCells: readonly Cell[] = (Object.keys(overrides) as Override[]).flatMap((protection) =>
  (["not-yet-speaking", "moving"] as const).map((state) => ({ attacker: "blind", state, protection })),
);

export const harmKinds = ["leaked", "injected", "lost"] as const;

export interface Row {
  readonly cell: Cell;
  readonly promised: Promised;
  /** Most packets of any one history. */
  readonly worst: Readonly<Record<keyof Harm, number>>;
}

/** Of all cells measured so far. */
export const coverage = new Coverage();
const makeRelay = miniatureMaker(coverage);
const rows = new Map<Cell, Row>();

/** Runs the cell's histories, once; throws at one that breaks the promise. */
export function measure(cell: Cell): Row {
  const known = rows.get(cell);
  if (known !== undefined) return known;
  const promised = promisedOf(cell);
  const worst = { leaked: 0, injected: 0, lost: 0 };
  const check = (chosen: Choices): void => {
    const { harm, victim } = run(cell, chosen, makeRelay);
    coverage.histories++;
    for (const kind of harmKinds) {
      worst[kind] = Math.max(worst[kind], harm[kind].length);
      const [first] = unexcused(promised[kind], victim, harm[kind]);
      const what = first === undefined ? "" : `${kind} on slot ${first.slot} at ${first.atMs} ms`;
      assert.equal(first, undefined, `${what}; promised: ${bounds[promised[kind]].text}`);
    }
  };
  fc.assert(fc.property(choices, check), { numRuns: fuzzRuns(Math.ceil(historiesPerRun / cells.length)) });
  const row = { cell, promised, worst };
  rows.set(cell, row);
  return row;
}
