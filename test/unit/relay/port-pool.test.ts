import assert from "node:assert/strict";
import fc from "fast-check";
import type { Random } from "../../../src/core/random.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import { PortPool } from "../../../src/relay/port-pool.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

const first: Random = { bytes: () => new Uint8Array(), below: () => 0 };
const at = (ms: number): MonotonicMs => ms as MonotonicMs;

suite("relay port pool", (test) => {
  test("RTP is even, and both ports lie in the range", () => {
    const table: readonly [number, number, number[]][] = [
      [30_000, 30_003, [30_000, 30_002]],
      [30_001, 30_005, [30_002, 30_004]],
      [30_000, 30_002, [30_000]],
      [30_001, 30_002, []],
      [65_534, 65_535, [65_534]],
    ];
    for (const [min, max, expected] of table) {
      const pool = new PortPool(min, max, first);
      const taken: number[] = [];
      for (let port = pool.take(at(0)); port !== undefined; port = pool.take(at(0))) taken.push(port);
      assert.deepEqual(
        taken.sort((a, b) => a - b),
        expected,
      );
      assert.equal(pool.stats().total, expected.length);
    }
  });

  test("a port that somebody else holds comes back after a while", () => {
    const pool = new PortPool(30_000, 30_003, first);
    const port = pool.take(at(0))!;
    pool.avoid(port, at(0));
    assert.deepEqual(pool.stats(), { free: 1, used: 0, avoided: 1, total: 2 });
    assert.notEqual(pool.take(at(10)), port);
    assert.equal(pool.take(at(29_999)), undefined);
    assert.equal(pool.take(at(30_000)), port);
  });

  test("giving back what was not taken is our fault", () => {
    const pool = new PortPool(30_000, 30_003, first);
    assert.throws(() => pool.giveBack(30_000));
    const port = pool.take(at(0))!;
    assert.throws(() => pool.giveBack(port + 1));
    pool.giveBack(port);
    assert.throws(() => pool.giveBack(port));
  });

  test("no history leaks a port or gives one out twice", () => {
    const step = fc.record({
      what: fc.constantFrom("take", "give", "avoid"),
      pick: fc.nat(1000),
      waitMs: fc.nat(20_000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        let picked = 0;
        const random: Random = { bytes: () => new Uint8Array(), below: (limit) => picked % limit };
        const pool = new PortPool(30_000, 30_019, random);
        const held = new Set<number>();
        let nowMs = 0;
        const take = (): void => {
          const port = pool.take(at(nowMs));
          if (port === undefined) {
            assert.equal(pool.stats().free, 0);
            return;
          }
          assert.equal(held.has(port), false);
          held.add(port);
        };
        const release = (port: number | undefined, what: string): void => {
          if (port === undefined) return;
          held.delete(port);
          if (what === "give") pool.giveBack(port);
          else pool.avoid(port, at(nowMs));
        };
        for (const { what, pick, waitMs } of steps) {
          picked = pick;
          nowMs += waitMs;
          if (what === "take") take();
          else release([...held][pick % Math.max(1, held.size)], what);
          const { free, used, avoided, total } = pool.stats();
          assert.equal(used, held.size);
          assert.equal(free + used + avoided, total);
        }
      }),
      { numRuns: fuzzRuns(500) },
    );
  });
});
