import assert from "node:assert/strict";
import { TargetTrail } from "../../../src/relay/target-trail.ts";
import { suite } from "../../support/suite.ts";

const targets = Int32Array.of(0, 0, 0xffff, 1, 4_000, 0, 0, 0xffff, 2, 4_000, 0, 0, 0xffff, 3, 4_000);
const at = { a: 0, b: 5, c: 10 } as const;

function trail(...turns: readonly (readonly [serial: number, target: keyof typeof at])[]): TargetTrail {
  const made = new TargetTrail(4);
  for (const [serial, target] of turns) made.turn(2, serial, targets, at[target]);
  return made;
}

suite("relay: where a slot's packets went", (test) => {
  test("before the turn to the old place, from it on to the present one", () => {
    const made = trail([1, "a"], [10, "b"]);
    assert.equal(made.wentToTarget(2, 9), false);
    assert.equal(made.wentToTarget(2, 10), true);
    assert.equal(made.wentToTarget(2, 500), true);
  });

  test("what went to the same place before an excursion counts", () => {
    const made = trail([1, "a"], [10, "b"], [20, "a"]);
    assert.deepEqual(
      [5, 15, 25].map((serial) => made.wentToTarget(2, serial)),
      [true, false, true],
    );
  });

  test("the same target again is no turn, and serials come round", () => {
    const made = trail([0x7fff_fffe, "a"], [0x7fff_ffff, "a"], [-0x8000_0000, "b"]);
    assert.equal(made.wentToTarget(2, 0x7fff_ffff), false);
    assert.equal(made.wentToTarget(2, -0x7fff_ffff), true);
  });

  test("older than what is remembered, of another slot or cleared: unknown, so it is sent again", () => {
    const made = trail([1, "a"], [10, "b"], [20, "c"], [30, "a"], [40, "b"], [50, "a"]);
    assert.equal(made.wentToTarget(2, 5), false);
    assert.equal(made.wentToTarget(1, 60), false);
    made.clear(2);
    assert.equal(made.wentToTarget(2, 60), false);
  });
});
