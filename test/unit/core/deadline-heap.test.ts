import assert from "node:assert/strict";
import fc from "fast-check";
import { DeadlineHeap } from "../../../src/core/deadline-heap.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

suite("core: deadline heap", (test) => {
  test("first is the least of what was set last", () => {
    const change = fc.tuple(fc.constantFrom("a", "b", "c", "d", "e", "f"), fc.option(fc.nat(50)));
    fc.assert(
      fc.property(fc.array(change), (changes) => {
        const heap = new DeadlineHeap<string>();
        const model = new Map<string, number>();
        for (const [name, at] of changes) {
          if (at === null) {
            heap.delete(name);
            model.delete(name);
          } else {
            heap.set(name, at);
            model.set(name, at);
          }
          const least = Math.min(Number.POSITIVE_INFINITY, ...model.values());
          assert.equal(heap.size, model.size);
          assert.equal(heap.firstAtMs(), least);
          assert.equal(model.get(heap.firstName() ?? ""), model.size === 0 ? undefined : least);
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    );
  });

  test("a name may be any value, also 0", () => {
    const heap = new DeadlineHeap<number>();
    for (const [name, at] of [
      [0, 3],
      [1, 2],
      [2, 1],
    ] as const)
      heap.set(name, at);
    heap.delete(2);
    heap.delete(1);
    assert.equal(heap.firstName(), 0);
  });

  test("Infinity takes a deadline away", () => {
    const heap = new DeadlineHeap<string>();
    heap.set("a", 1);
    heap.set("a", Number.POSITIVE_INFINITY);
    assert.equal(heap.size, 0);
    assert.equal(heap.firstName(), undefined);
  });
});
