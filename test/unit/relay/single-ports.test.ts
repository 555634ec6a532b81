import assert from "node:assert/strict";
import fc from "fast-check";
import { turnSparePortsMin } from "../../../src/core/limits.ts";
import type { Random } from "../../../src/core/random.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import { PortPool } from "../../../src/relay/port-pool.ts";
import { type PortWish, SinglePorts } from "../../../src/relay/single-ports.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

const now = 0 as MonotonicMs;

/** Draws the first of what there is. */
const first: Random = { bytes: (size) => new Uint8Array(size), below: () => 0 };

function make(portMin: number, portMax: number): { readonly pool: PortPool; readonly ports: SinglePorts } {
  const pool = new PortPool(portMin, portMax, first);
  return { pool, ports: new SinglePorts(pool, first) };
}

suite("relay/single-ports", (test) => {
  test("singles take pairs of their own until there are many spares, and then those", () => {
    const { pool, ports } = make(30_000, 30_199);
    for (let count = 0; count < turnSparePortsMin; count++) assert.equal(ports.take(now, "any")! % 2, 0);
    assert.equal(pool.stats().used, turnSparePortsMin);
    assert.equal(ports.take(now, "any")! % 2, 1);
    assert.equal(pool.stats().used, turnSparePortsMin);
  });

  test("where nothing else is left, spares serve; two neighbours do not come of them", () => {
    const { ports } = make(30_000, 30_003);
    const [one, two] = [ports.take(now, "even"), ports.take(now, "any")];
    assert.deepEqual([one! % 2, two! % 2], [0, 0]);
    assert.equal(ports.take(now, "pair"), undefined);
    assert.equal(ports.take(now, "even"), undefined);
    assert.deepEqual(new Set([ports.take(now, "any"), ports.take(now, "any")]), new Set([30_001, 30_003]));
    assert.equal(ports.take(now, "any"), undefined);
    ports.giveBack(one!);
    assert.equal(ports.take(now, "even"), one);
  });

  test("a pair goes back when both of its ports are back", () => {
    const { pool, ports } = make(30_000, 30_001);
    assert.equal(ports.take(now, "pair"), 30_000);
    ports.giveBack(30_001);
    assert.equal(pool.stats().free, 0);
    ports.giveBack(30_000);
    assert.equal(pool.stats().free, 1);
    assert.throws(() => ports.giveBack(30_000), /was not taken/);
  });

  test("a port that somebody else holds is left alone, with its pair if nobody needs that", () => {
    const { pool, ports } = make(30_000, 30_003);
    const alone = ports.take(now, "any")!;
    ports.avoid(alone, now);
    assert.deepEqual([pool.stats().avoided, pool.stats().used], [1, 0]);
    const lower = ports.take(now, "any")!;
    const upper = ports.take(now, "any")!;
    assert.equal(upper, lower + 1);
    ports.avoid(upper, now);
    assert.equal(ports.take(now, "any"), undefined);
    ports.giveBack(lower);
    assert.deepEqual([pool.stats().avoided, pool.stats().used], [1, 0]);
  });

  test("whatever is asked: no port twice, and all come back", () => {
    const wish = fc.constantFrom<PortWish>("any", "even", "pair");
    const step = fc.oneof(wish, fc.nat());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const pool = new PortPool(30_000, 30_039, first);
        const ports = new SinglePorts(pool, first);
        const held: number[] = [];
        const give = (at: number): void => {
          const [port] = held.splice(at % Math.max(1, held.length), 1);
          if (port !== undefined) ports.giveBack(port);
        };
        const take = (wanted: PortWish): void => {
          const port = ports.take(now, wanted);
          if (port === undefined) return;
          assert.ok(wanted === "any" || port % 2 === 0);
          held.push(port, ...(wanted === "pair" ? [port + 1] : []));
          assert.equal(new Set(held).size, held.length);
        };
        for (const each of steps) {
          if (typeof each === "number") give(each);
          else take(each);
        }
        for (const port of held) ports.giveBack(port);
        assert.equal(pool.stats().used, 0);
      }),
      { numRuns: fuzzRuns(300) },
    );
  });
});
