import assert from "node:assert/strict";
import fc from "fast-check";
import { replayWindowPackets, srtpSsrcsReceivedMax, srtpSsrcsSentMax } from "../../../src/core/limits.ts";
import { srtpCode } from "../../../src/srtp/codes.ts";
import { SessionTable } from "../../../src/srtp/session-table.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

const ssrc = 7;

/** One session in a table, between two others. */
class Session {
  readonly table = new SessionTable();
  readonly place: number;

  constructor(sends = false) {
    this.table.open(1, new Uint8Array(14), false);
    this.place = this.table.open(2, new Uint8Array(14), sends);
    this.table.open(3, new Uint8Array(14), true);
  }

  locate(sequence: number, of = ssrc): number {
    return this.table.locateRtp(this.place, of, sequence, true);
  }

  take(sequence: number, of = ssrc): number {
    const code = this.locate(sequence, of);
    if (code === 0) this.table.commit();
    return code;
  }

  rolloverOf(of: number): number {
    return this.table.rolloverOf(this.place, of);
  }

  get count(): number {
    return this.table.countOf(this.place);
  }
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
      // Below the first round there is none: what came is far ahead.
      if (index < 0) index = sequence;
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

suite("srtp sessions", (test) => {
  test("what is only located leaves no trace", () => {
    const session = new Session();
    for (let other = 1; other < 100; other++) assert.equal(session.locate(5, other), 0);
    assert.equal(session.count, 0);
    assert.equal(session.take(5), 0);
    assert.equal(session.locate(5 + 0x7000, ssrc), 0);
    assert.equal(session.take(5), srtpCode.replayed);
    assert.equal(session.rolloverOf(ssrc), 0);
    assert.equal(session.count, 1);
  });

  test("no more SSRCs than there may be", () => {
    const session = new Session();
    for (let other = 0; other < 100; other++) assert.equal(session.take(1, other), 0);
    assert.equal(session.count, srtpSsrcsReceivedMax);
    assert.equal(session.rolloverOf(99), 0);
    assert.equal(session.rolloverOf(100 - srtpSsrcsReceivedMax), 0);
    assert.equal(session.rolloverOf(99 - srtpSsrcsReceivedMax), -1);
  });

  test("of what is sent no SSRC is forgotten: further ones are refused, those there go on", () => {
    const session = new Session(true);
    for (let other = 0; other < srtpSsrcsSentMax; other++) assert.equal(session.take(7, other), 0);
    assert.equal(session.take(7, srtpSsrcsSentMax), srtpCode.exhausted);
    assert.equal(session.count, srtpSsrcsSentMax);
    for (let other = 0; other < srtpSsrcsSentMax; other++) {
      assert.equal(session.take(7, other), srtpCode.replayed);
      assert.equal(session.take(8, other), 0);
    }
  });

  test("where no new SSRC is taken those there go on, and others leave no trace", () => {
    const session = new Session(true);
    const send = (sequence: number, of: number, takesNew: boolean): number => {
      const code = session.table.locateRtp(session.place, of, sequence, true, takesNew);
      if (code === 0) session.table.commit();
      return code;
    };
    assert.equal(send(1, 7, false), srtpCode.newSsrc);
    assert.equal(send(1, 7, true), 0);
    assert.equal(send(1, 8, false), srtpCode.newSsrc);
    assert.equal(send(2, 7, false), 0);
    assert.equal(send(2, 7, false), srtpCode.replayed);
    assert.equal(session.count, 1);
  });

  test("SSRCs above 2^31 are found whichever way they are written", () => {
    const session = new Session();
    assert.equal(session.take(1, 0xcafebabe | 0), 0);
    assert.equal(session.rolloverOf(0xcafebabe), 0);
    assert.equal(session.rolloverOf(0xcafebabe | 0), 0);
  });

  test("a leap by more than half a round in the first one: received with a tag, not without, and not sent", () => {
    const session = new Session();
    assert.deepEqual([session.take(10), session.take(45_000), session.rolloverOf(ssrc)], [0, 0, 0]);
    assert.deepEqual([session.take(45_000), session.take(44_990)], [srtpCode.replayed, 0]);
    assert.deepEqual([session.take(3), session.rolloverOf(ssrc)], [0, 1]);
    const bare = new Session();
    assert.equal(bare.take(10), 0);
    assert.equal(bare.table.locateRtp(bare.place, ssrc, 45_000, false), srtpCode.tooOld);
    const sender = new Session(true);
    assert.deepEqual([sender.take(10), sender.take(45_000)], [0, srtpCode.tooOld]);
  });

  test("index 2^48 - 1 is the last", () => {
    const session = new Session();
    assert.equal(session.take(0), 0);
    enterAt(session, 1, -1);
    assert.equal(session.take(0x7fff), 0);
    assert.equal(session.take(0xfffe), 0);
    assert.equal(session.rolloverOf(ssrc), 0xffff_ffff);
    assert.equal(session.take(0), srtpCode.exhausted);
    assert.equal(session.take(0xffff), 0);
    assert.equal(session.take(5), srtpCode.exhausted);
    assert.equal(session.take(0xffff), srtpCode.replayed);
  });

  test("a counter above 2^31 goes on", () => {
    const session = new Session();
    assert.equal(session.take(0xfff0), 0);
    enterAt(session, 0xfff2, 0x7fff_ffff);
    assert.equal(session.take(3), 0);
    assert.equal(session.rolloverOf(ssrc), 0x8000_0000);
    assert.equal(session.take(0xfff1), 0);
    assert.equal(session.rolloverOf(ssrc), 0x8000_0000);
  });

  test("SRTCP indices up to 2^31 - 1", () => {
    const session = new Session();
    const report = (index: number): number => {
      const code = session.table.locateRtcp(session.place, ssrc, index);
      if (code === 0) session.table.commit();
      return code;
    };
    assert.equal(report(0), 0);
    assert.equal(report(0x7fff_ffff), 0);
    assert.equal(report(0), srtpCode.tooOld);
    assert.equal(report(0x7fff_ffff), srtpCode.replayed);
    assert.equal(report(0x7fff_ff80), 0);
    assert.equal(report(0x7fff_ff7f), srtpCode.tooOld);
  });

  test("a session's records are free once it is closed, and begin anew", () => {
    const { table, place } = new Session();
    const sessions = [place, table.open(4, new Uint8Array(14).fill(9), false)];
    for (let round = 0; round < 3; round++) {
      for (let of = 1; of < 50; of++) {
        for (const [index, session] of sessions.entries()) {
          assert.equal(table.locateRtp(session, of, 7 + of + index, true), 0);
          table.commit();
        }
      }
      for (const [index, session] of sessions.entries()) {
        for (let of = 1; of < 50; of++) {
          assert.equal(table.locateRtp(session, of, 7 + of + index, true), srtpCode.replayed);
        }
      }
      const size = table.words.length;
      for (const session of sessions) table.close(session);
      sessions[1] = table.open(5, new Uint8Array(14), false);
      sessions[0] = table.open(6, new Uint8Array(14), false);
      assert.deepEqual(
        sessions.map((session) => [table.countOf(session), table.handleOf(session)]),
        [
          [0, 6],
          [0, 5],
        ],
      );
      assert.equal(table.words.length, size);
    }
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
        const session = new Session();
        const model = new Model();
        let sequence = start;
        for (const by of [0, ...walk]) {
          sequence = (sequence + by) & 0xffff;
          assert.equal(session.take(sequence), model.take(sequence));
          assert.equal(session.rolloverOf(ssrc), model.rollover);
        }
      }),
      { numRuns: fuzzRuns(500) },
    );
  });
});

/** Enters a packet as if so many rounds had been walked through: 2^32 are too many for a test. */
function enterAt(session: Session, sequence: number, rollover: number): void {
  assert.equal(session.locate(sequence), 0);
  session.table.rollover = rollover;
  assert.equal(session.table.commit(), true);
}
