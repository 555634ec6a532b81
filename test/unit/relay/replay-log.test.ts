import assert from "node:assert/strict";
import fc from "fast-check";
import { packetSizeBytesMax, replayAgeMsMax } from "../../../src/core/limits.ts";
import { counterSizes, workerField } from "../../../src/relay/counters.ts";
import { ReplayLog, replayLogBytes } from "../../../src/relay/replay-log.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

const base = 4_096;
const slots = 8;

interface Kept {
  readonly serial: number;
  readonly bytes: Buffer;
  readonly atMs: number;
}

/** A log, and a list of everything that was ever put into it. */
class Lab {
  readonly worker = new Float64Array(counterSizes(slots).worker);
  readonly arena: Uint8Array;
  readonly log: ReplayLog;
  readonly kept: Kept[][] = Array.from({ length: slots }, () => []);
  #count = 0;

  constructor(memoryBytes: number) {
    this.arena = new Uint8Array(base + replayLogBytes(memoryBytes));
    this.log = new ReplayLog(this.arena, base, memoryBytes, slots, this.worker);
  }

  append(slot: number, sizeBytes: number, atMs: number): void {
    const bytes = Buffer.alloc(sizeBytes);
    for (let index = 0; index < sizeBytes; index++) bytes[index] = this.#count * 7 + index;
    this.#count++;
    this.arena.set(bytes.subarray(0, base - 64), 64);
    this.log.append(slot, 64, sizeBytes, atMs | 0);
    this.kept[slot]!.push({ serial: this.log.newestOf(slot), bytes, atMs });
  }

  /** What the log still has of a slot, newest first, each checked against what went in; how many. */
  check(slot: number, nowMs: number): number {
    const { log } = this;
    let count = 0;
    for (let serial = log.newestOf(slot); serial !== 0; serial = log.previousOf(serial, slot)) {
      const kept = this.kept[slot]!.at(-1 - count);
      assert.ok(kept !== undefined && kept.serial === serial);
      const from = log.offsetOf(serial);
      assert.ok(from >= base && from + kept.bytes.length <= this.arena.length);
      assert.deepEqual(Buffer.from(this.arena.subarray(from, from + log.sizeOf(serial))), kept.bytes);
      assert.equal(log.msSince(serial, nowMs), kept.atMs - nowMs);
      count++;
    }
    return count;
  }

  get chunksInUse(): number {
    return this.worker[workerField.replayBytes]! / 65_536;
  }
}

suite("relay/replay-log", (test) => {
  test("gives back each slot's packets, newest first", () => {
    const lab = new Lab(1024 * 1024);
    for (let n = 0; n < 60; n++) lab.append(n % 3, 20 + n, 1_000 + n);
    for (let slot = 0; slot < 3; slot++) assert.equal(lab.check(slot, 1_060), 20);
    assert.equal(lab.log.newestOf(5), 0);
  });

  test("without memory it is off and needs none", () => {
    for (const memoryBytes of [0, 1_000, 131_071]) {
      const { log } = new Lab(memoryBytes);
      assert.equal(log.isOn, false);
      assert.equal(replayLogBytes(memoryBytes), 0);
      assert.equal(log.newestOf(1), 0);
      assert.equal(log.forget(1), false);
    }
    assert.equal(new Lab(131_072).log.isOn, true);
  });

  test("takes no more memory than it is given", () => {
    for (const memoryBytes of [131_072, 200_000, 1_048_576, 8 * 1_048_576, 100_000_000]) {
      const entriesBytes = 16 * 2 ** Math.floor(Math.log2(memoryBytes / 128));
      assert.ok(replayLogBytes(memoryBytes) + entriesBytes <= memoryBytes, `${memoryBytes}`);
      assert.ok(replayLogBytes(memoryBytes) > memoryBytes - entriesBytes - 65_536, `${memoryBytes}`);
    }
  });

  test("the memory in use follows the load, up and down", () => {
    const lab = new Lab(8 * 1024 * 1024);
    let nowMs = 0;
    const run = (packetsPerMs: number, forMs: number): number => {
      for (const endMs = nowMs + forMs; nowMs < endMs; nowMs++) {
        for (let n = 0; n < packetsPerMs; n++) lab.append(n % slots, 172, nowMs);
      }
      return lab.chunksInUse;
    };
    const chunksFor = (packetsPerMs: number): number => Math.ceil((packetsPerMs * 176 * 200) / 65_536) + 2;
    assert.ok(run(1, 2_000) <= chunksFor(1));
    const busy = run(50, 1_000);
    assert.ok(busy <= chunksFor(50) && busy >= chunksFor(50) - 3, `${busy}`);
    assert.ok(run(1, 2_000) <= chunksFor(1));
    assert.ok(lab.log.msSince(oldestOf(lab, 0), nowMs) <= -replayAgeMsMax, "the last 200 ms are there");
  });

  test("when all memory is in use the oldest packets go", () => {
    const lab = new Lab(131_072);
    for (let n = 0; n < 5_000; n++) lab.append(n % 2, 500, 1_000);
    const left = lab.check(0, 1_000) + lab.check(1, 1_000);
    assert.ok(left > 0 && left <= 65_536 / 504);
  });

  test("many small packets do not wrap the list of them", () => {
    const lab = new Lab(131_072);
    for (let n = 0; n < 10_000; n++) lab.append(n % 2, 1, 1_000);
    assert.ok(lab.check(0, 1_000) <= 1_024);
  });

  test("what is larger than a packet may be is not kept", () => {
    const lab = new Lab(131_072);
    lab.append(1, packetSizeBytesMax, 0);
    lab.log.append(1, 64, packetSizeBytesMax + 1, 1);
    assert.equal(lab.check(1, 0), 1);
  });

  test("a forgotten slot has nothing, and what comes after is its own", () => {
    const lab = new Lab(1024 * 1024);
    for (let n = 0; n < 5; n++) lab.append(1, 100, n);
    lab.append(2, 100, 5);
    assert.equal(lab.log.forget(1), true);
    assert.equal(lab.log.forget(1), false);
    assert.equal(lab.check(1, 5), 0);
    assert.equal(lab.check(2, 5), 1);
    lab.kept[1] = [];
    lab.append(1, 100, 6);
    assert.equal(lab.check(1, 6), 1);
  });

  test("any load, any sizes: what is there is right, and recent packets are there while memory lasts", () => {
    const step = fc.record({
      slot: fc.nat(slots - 1),
      sizeBytes: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: packetSizeBytesMax })),
      repeat: fc.integer({ min: 1, max: 60 }),
      waitMs: fc.oneof(fc.constant(0), fc.nat(30), fc.nat(400)),
      forgets: fc.nat(20).map((n) => n === 0),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(2), (steps, size) => {
        const lab = new Lab([131_072, 300_000, 4_000_000][size]!);
        let nowMs = 2 ** 31 - 2_000;
        for (const { slot, sizeBytes, repeat, waitMs, forgets } of steps) {
          nowMs += waitMs;
          if (forgets) {
            lab.log.forget(slot);
            lab.kept[slot] = [];
          }
          for (let n = 0; n < repeat; n++) lab.append(slot, sizeBytes, nowMs);
        }
        for (let slot = 0; slot < slots; slot++) {
          const count = lab.check(slot, nowMs);
          const recent = lab.kept[slot]!.filter(({ atMs }) => nowMs - atMs <= replayAgeMsMax).length;
          if (size === 2) assert.ok(count >= Math.min(recent, 600), `${count} of ${recent}`);
        }
      }),
      { numRuns: fuzzRuns(200) },
    );
  });
});

function oldestOf({ log }: Lab, slot: number): number {
  let oldest = log.newestOf(slot);
  for (let serial = oldest; serial !== 0; serial = log.previousOf(serial, slot)) oldest = serial;
  return oldest;
}
