import assert from "node:assert/strict";
import fc from "fast-check";
import { replayWindowPackets } from "../../../src/core/limits.ts";
import { srtpCode } from "../../../src/srtp/codes.ts";
import { StreamTable } from "../../../src/srtp/stream-table.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

const ssrc = 7;
const received = { rowsMax: 64, forgets: true };

function take(table: StreamTable, sequence: number, of = ssrc): number {
  const code = table.locateRtp(of, sequence, true);
  if (code === 0) table.commit();
  return code;
}

/** Indices by the book (RFC 3711 section 3.3.1 and appendix A), in numbers that hold 48 bits. */
class Model {
  readonly #seen = new Set<number>();
  #highest = -1;

  take(sequence: number): number {
    let index = sequence;
    if (this.#highest >= 0) {
      const rollover = Math.floor(this.#highest / 65_536);
      const last = this.#highest % 65_536;
      let guess = rollover;
      if (last < 32_768) {
        if (sequence - last > 32_768) guess = rollover - 1;
      } else if (last - 32_768 > sequence) guess = rollover + 1;
      index = guess * 65_536 + sequence;
      if (index < 0) return srtpCode.tooOld;
      if (index <= this.#highest - replayWindowPackets) return srtpCode.tooOld;
      if (this.#seen.has(index)) return srtpCode.replayed;
    }
    this.#seen.add(index);
    this.#highest = Math.max(this.#highest, index);
    return 0;
  }

  get rollover(): number {
    return Math.floor(this.#highest / 65_536);
  }
}

suite("srtp streams", (test) => {
  test("what is only located leaves no trace", () => {
    const table = new StreamTable(received);
    for (let other = 1; other < 100; other++) assert.equal(table.locateRtp(other, 5, true), 0);
    assert.equal(table.count, 0);
    assert.equal(take(table, 5), 0);
    assert.equal(table.locateRtp(ssrc, 5 + 0x7000, true), 0);
    assert.equal(take(table, 5), srtpCode.replayed);
    assert.equal(table.rolloverOf(ssrc), 0);
    assert.equal(table.count, 1);
  });

  test("no more SSRCs than there may be", () => {
    const table = new StreamTable(received);
    for (let other = 0; other < 100; other++) assert.equal(take(table, 1, other), 0);
    assert.equal(table.count, received.rowsMax);
    assert.equal(table.rolloverOf(99), 0);
    assert.equal(table.rolloverOf(100 - received.rowsMax), 0);
    assert.equal(table.rolloverOf(99 - received.rowsMax), -1);
  });

  test("of what is sent no SSRC is forgotten: further ones are refused, those there go on", () => {
    const table = new StreamTable({ rowsMax: 20, forgets: false });
    for (let other = 0; other < 20; other++) assert.equal(take(table, 7, other), 0);
    assert.equal(take(table, 7, 20), srtpCode.exhausted);
    assert.equal(table.count, 20);
    for (let other = 0; other < 20; other++) {
      assert.equal(take(table, 7, other), srtpCode.replayed);
      assert.equal(take(table, 8, other), 0);
    }
  });

  test("SSRCs above 2^31 are found whichever way they are written", () => {
    const table = new StreamTable(received);
    assert.equal(take(table, 1, 0xcafebabe | 0), 0);
    assert.equal(table.rolloverOf(0xcafebabe), 0);
    assert.equal(table.rolloverOf(0xcafebabe | 0), 0);
  });

  test("index 2^48 - 1 is the last", () => {
    const table = new StreamTable(received);
    assert.equal(take(table, 0), 0);
    enterAt(table, 1, -1);
    assert.equal(take(table, 0x7fff), 0);
    assert.equal(take(table, 0xfffe), 0);
    assert.equal(table.rolloverOf(ssrc), 0xffff_ffff);
    assert.equal(take(table, 0), srtpCode.exhausted);
    assert.equal(take(table, 0xffff), 0);
    assert.equal(take(table, 5), srtpCode.exhausted);
    assert.equal(take(table, 0xffff), srtpCode.replayed);
  });

  test("a counter above 2^31 goes on", () => {
    const table = new StreamTable(received);
    assert.equal(take(table, 0xfff0), 0);
    enterAt(table, 0xfff2, 0x7fff_ffff);
    assert.equal(take(table, 3), 0);
    assert.equal(table.rolloverOf(ssrc), 0x8000_0000);
    assert.equal(take(table, 0xfff1), 0);
    assert.equal(table.rolloverOf(ssrc), 0x8000_0000);
  });

  test("SRTCP indices up to 2^31 - 1", () => {
    const table = new StreamTable(received);
    const report = (index: number): number => {
      const code = table.locateRtcp(ssrc, index);
      if (code === 0) table.commit();
      return code;
    };
    assert.equal(report(0), 0);
    assert.equal(report(0x7fff_ffff), 0);
    assert.equal(report(0), srtpCode.tooOld);
    assert.equal(report(0x7fff_ffff), srtpCode.replayed);
    assert.equal(report(0x7fff_ff80), 0);
    assert.equal(report(0x7fff_ff7f), srtpCode.tooOld);
  });

  test("agrees with a model on any walk", () => {
    const step = fc.oneof(
      fc.integer({ min: -10, max: 10 }),
      fc.integer({ min: -140, max: 140 }),
      fc.integer({ min: -33_000, max: 33_000 }),
      fc.constantFrom(32_767, 32_768, 32_769, -32_767, -32_768, -32_769),
    );
    fc.assert(
      fc.property(fc.nat(65_535), fc.array(step, { maxLength: 300 }), (start, walk) => {
        const table = new StreamTable(received);
        const model = new Model();
        let sequence = start;
        for (const by of [0, ...walk]) {
          sequence = (sequence + by) & 0xffff;
          assert.equal(take(table, sequence), model.take(sequence));
          assert.equal(table.rolloverOf(ssrc), model.rollover);
        }
      }),
      { numRuns: fuzzRuns(500) },
    );
  });
});

/** Enters a packet as if so many rounds had been walked through: 2^32 are too many for a test. */
function enterAt(table: StreamTable, sequence: number, rollover: number): void {
  assert.equal(table.locateRtp(ssrc, sequence, true), 0);
  table.rollover = rollover;
  assert.equal(table.commit(), true);
}
