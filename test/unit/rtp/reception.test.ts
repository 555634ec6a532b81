import assert from "node:assert/strict";
import fc from "fast-check";
import { receivePacket, reception, startStream } from "../../../src/rtp/reception.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

const size = reception.size;

/** Feeds sequence numbers 20 ms apart with matching timestamps. */
function receive(sequences: readonly number[]): Float64Array {
  const table = new Float64Array(2 * size);
  startStream(table, size, -1, sequences[0]! & 0xffff);
  for (const [index, sequence] of sequences.entries()) {
    const masked = sequence & 0xffff;
    receivePacket(table, size, masked, (sequence * 160) | 0, 0, 8000, 172, 1000 + 20 * index);
  }
  assert.deepEqual(table.slice(0, size), new Float64Array(size), "the record before is untouched");
  return table.slice(size);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

suite("rtp reception", (test) => {
  test("RFC 3550 A.3: loss is expected minus received", () => {
    const table: readonly [string, number[], number][] = [
      ["in order", range(0, 50), 0],
      ["one gap", [1, 2, 3, 5, 6], 1],
      ["a gap filled late", [1, 2, 4, 3, 5], 0],
      ["duplicates count against it", [1, 2, 2, 3], -1],
      ["over the wrap", range(65_530, 65_550), 0],
      ["a gap over the wrap", [65_534, 65_535, 2, 3], 2],
      ["late by more than a cycle boundary", [65_535, 0, 65_534, 1], -1],
    ];
    for (const [name, sequences, lost] of table) {
      const record = receive(sequences);
      assert.equal(record[reception.packetsLost], lost, name);
      assert.equal(record[reception.packets], sequences.length, name);
    }
  });

  test("RFC 3550 A.1: a jump restarts after two packets in a row, a single stray one does not", () => {
    const stray = receive([1, 2, 3, 30_000, 4, 5]);
    assert.equal(stray[reception.packetsLost], 0);
    assert.equal(stray[reception.lastSequence], 5);
    const restarted = receive([1, 2, 4, 30_000, 30_001, 30_002]);
    assert.equal(restarted[reception.packetsLost], 1);
    assert.equal(restarted[reception.lastSequence], 30_002);
    assert.equal(restarted[reception.packets], 6);
  });

  test("RFC 3550 A.8: jitter in timestamp units", () => {
    assert.equal(receive(range(0, 20))[reception.jitter], 0);
    const table = new Float64Array(size);
    startStream(table, 0, 7, 0);
    receivePacket(table, 0, 0, 0, 0, 8000, 172, 1000);
    receivePacket(table, 0, 1, 160, 0, 8000, 172, 1022);
    assert.equal(table[reception.jitter], 1);
    receivePacket(table, 0, 2, 320, 0, 8000, 172, 1042);
    assert.equal(table[reception.jitter], 1 - 1 / 16);
    // Another clock, an unknown clock or a new talkspurt say nothing about jitter.
    receivePacket(table, 0, 3, 99_999, 0, 8000, 172, 1062);
    receivePacket(table, 0, 4, 480, 9, 16_000, 172, 1200);
    receivePacket(table, 0, 5, 640, 9, 0, 172, 1400);
    assert.equal(table[reception.jitter], 1 - 1 / 16);
  });

  test("any order of a run with losses gives the loss of the run", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 65_535 }),
        fc.array(fc.boolean(), { minLength: 2, maxLength: 200 }),
        (start, present) => {
          const kept = range(start, start + present.length).filter(
            (_, index) => index === 0 || index === present.length - 1 || present[index],
          );
          const record = receive(kept);
          assert.equal(record[reception.packetsLost], present.length - kept.length);
          assert.ok(Number.isFinite(record[reception.jitter]));
        },
      ),
      { numRuns: fuzzRuns(500) },
    );
  });
});
