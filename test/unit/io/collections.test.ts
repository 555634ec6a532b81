/** When a worker's first collections happen. */
import assert from "node:assert/strict";
import { EarlyCollections } from "../../../src/io/collections.ts";
import { suite } from "../../support/suite.ts";

/** A heap of which a collection leaves what it is told to. */
class Heap {
  readonly collections: string[] = [];
  usedBytes = 5_000_000;
  #keptBytes = 5_000_000;
  leavesBytes = 50_000;

  early(): EarlyCollections {
    const collect = (options?: { readonly type: "minor" }): void => {
      this.collections.push(options?.type ?? "full");
      if (options !== undefined) this.#keptBytes += this.leavesBytes;
      this.usedBytes = this.#keptBytes;
    };
    return new EarlyCollections(collect, () => this.usedBytes);
  }
}

suite("early collections", (test) => {
  test("one of all at once, and none while little has come", () => {
    const heap = new Heap();
    const early = heap.early();
    heap.usedBytes += 100_000;
    early.run();
    assert.deepEqual(heap.collections, ["full"]);
    heap.usedBytes += 50_000;
    early.run();
    assert.deepEqual(heap.collections, ["full", "minor"]);
    early.run();
    assert.equal(heap.collections.length, 2);
  });

  test("no more after one that left next to nothing", () => {
    const heap = new Heap();
    const early = heap.early();
    for (const leavesBytes of [50_000, 20_000, 1_000, 50_000]) {
      heap.leavesBytes = leavesBytes;
      heap.usedBytes += 200_000;
      early.run();
    }
    assert.deepEqual(heap.collections, ["full", "minor", "minor", "minor"]);
  });

  test("a few, whatever they leave", () => {
    const heap = new Heap();
    const early = heap.early();
    for (let second = 0; second < 100; second++) {
      heap.usedBytes += 200_000;
      early.run();
    }
    assert.equal(heap.collections.length, 9);
  });

  test("V8 has what it takes", () => {
    let usedBytes = 0;
    let asked = 0;
    const early = new EarlyCollections(undefined, () => {
      asked++;
      return usedBytes;
    });
    usedBytes = 1_000_000;
    early.run();
    assert.ok(asked > 1, "no collections without a function for them");
  });
});
