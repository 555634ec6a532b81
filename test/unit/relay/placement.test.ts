import assert from "node:assert/strict";
import type { GroupId } from "../../../src/core/plan/plan.ts";
import { Placement } from "../../../src/relay/placement.ts";
import { suite } from "../../support/suite.ts";

const group = (id: number): GroupId => id as GroupId;

suite("relay placement", (test) => {
  test("a group stays on one worker, groups spread", () => {
    const placement = new Placement(2, 100);
    const places = [1, 1, 2, 2, 3].map((id) => placement.take(group(id))!);
    assert.deepEqual(
      places.map(({ worker }) => worker),
      [0, 0, 1, 1, 0],
    );
    assert.deepEqual(
      places.map(({ slot }) => slot),
      [0, 2, 0, 2, 4],
    );
  });

  test("a slot's next user has another generation", () => {
    const placement = new Placement(1, 4);
    const before = placement.take(group(1))!;
    placement.giveBack(group(1), before);
    const after = placement.take(group(2))!;
    assert.equal(after.slot, before.slot);
    assert.notEqual(after.generation, before.generation);
    assert.notEqual(after.generation, 0);
  });

  test("a full worker refuses, and nothing is left of groups that are gone", () => {
    const placement = new Placement(1, 4);
    const places = [placement.take(group(1))!, placement.take(group(1))!];
    assert.equal(placement.take(group(1)), undefined);
    assert.equal(placement.take(group(2)), undefined);
    for (const place of places) placement.giveBack(group(1), place);
    assert.equal(placement.groupCount, 0);
    assert.equal(placement.usedPairs(0), 0);
  });
});
