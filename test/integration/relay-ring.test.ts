/** The ring between two real threads, and the pause that gathers packets. */
import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { Coalescer } from "../../src/io/linux/coalescer.ts";
import { allocateRing, RingReader, RingWriter } from "../../src/io/ring.ts";
import { suite } from "../support/suite.ts";

const recordWords = 4;
/** Who has nothing to do leaves the core: where both threads share one, spinning would take 4 ms for each 64 records. */
const idleMs = 0.05;
const idle = new Int32Array(new SharedArrayBuffer(4));
const ringModule = new URL("../../src/io/ring.js", import.meta.url).href;

/** Writes 0, 1, 2, ... as fast as the ring takes them. */
const producer = `
const { workerData } = require("node:worker_threads");
import(workerData.ringModule).then(({ RingWriter }) => {
  const ring = new RingWriter(workerData.memory, ${recordWords});
  const idle = new Int32Array(new SharedArrayBuffer(4));
  for (let n = 0; n < workerData.records; ) {
    const at = ring.begin();
    if (at < 0) {
      Atomics.wait(idle, 0, 0, ${idleMs});
      continue;
    }
    for (let word = 0; word < ${recordWords}; word++) ring.words[at + word] = n + word;
    ring.commit();
    n++;
  }
});`;

suite("relay ring", (test) => {
  test("a full ring refuses, an empty one has nothing", () => {
    const memory = allocateRing(4, recordWords);
    const writer = new RingWriter(memory, recordWords);
    const reader = new RingReader(memory, recordWords);
    assert.equal(reader.begin(), -1);
    for (let turn = 0; turn < 10; turn++) {
      for (let n = 0; n < 4; n++) {
        writer.words[writer.begin()] = n;
        writer.commit();
      }
      assert.equal(writer.begin(), -1);
      for (let n = 0; n < 4; n++) {
        assert.equal(reader.words[reader.begin()], n);
        reader.release();
      }
      assert.equal(reader.begin(), -1);
    }
  });

  test("head and tail may pass 2^31", () => {
    const memory = allocateRing(4, recordWords);
    new Int32Array(memory).fill(0x7ffffffe, 0, 2);
    const writer = new RingWriter(memory, recordWords);
    const reader = new RingReader(memory, recordWords);
    for (let n = 0; n < 12; n++) {
      writer.words[writer.begin()] = n;
      writer.commit();
      assert.equal(reader.words[reader.begin()], n);
      reader.release();
    }
  });

  test("one wake-up until the reader has looked", () => {
    const memory = allocateRing(4, recordWords);
    const writer = new RingWriter(memory, recordWords);
    assert.deepEqual([writer.requestWake(), writer.requestWake()], [true, false]);
    new RingReader(memory, recordWords).acknowledgeWake();
    assert.equal(writer.requestWake(), true);
  });

  test("records pass between threads whole and in order", async () => {
    const records = 200_000;
    const memory = allocateRing(64, recordWords);
    const worker = new Worker(producer, { eval: true, workerData: { memory, records, ringModule } });
    const ended = new Promise((resolve) => worker.on("exit", resolve));
    const reader = new RingReader(memory, recordWords);
    for (let n = 0; n < records; ) {
      const at = reader.begin();
      if (at < 0) {
        if (n === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        else Atomics.wait(idle, 0, 0, idleMs);
        continue;
      }
      for (let word = 0; word < recordWords; word++) assert.equal(reader.words[at + word], n + word);
      reader.release();
      n++;
    }
    await ended;
  });
});

suite("relay coalescer", (test) => {
  const pauses = (coalescer: Coalescer, perWakeup: number, gapMs: number): number => {
    let count = 0;
    for (let wakeup = 0; wakeup < 200; wakeup++) {
      if (coalescer.pauseUs(perWakeup, 1_000 + wakeup * gapMs) > 0) count++;
    }
    return count;
  };

  test("no pause while traffic is light, or when switched off", () => {
    assert.equal(pauses(new Coalescer(true), 1, 0.2), 0);
    assert.equal(pauses(new Coalescer(false), 1, 0.01), 0);
  });

  test("a pause of at most 300 us once it is busy, none after a full batch", () => {
    const coalescer = new Coalescer(true);
    assert.ok(pauses(coalescer, 2, 0.1) > 0);
    const pause = coalescer.pauseUs(2, 1_020.1);
    assert.ok(pause > 0 && pause <= 300);
    assert.equal(coalescer.pauseUs(200, 1_020.2), 0);
    assert.equal(coalescer.pauseUs(0, 1_020.3), 0);
  });

  test("the pause shortens with the work there is, ends before the idle time does, and comes back with it", () => {
    const coalescer = new Coalescer(true);
    let nowMs = 1_000;
    /** The pause after 30 ms in which so much of the time was work. */
    const pauseAt = (workShare: number): number => {
      let pause = 0;
      for (const endMs = nowMs + 30; nowMs < endMs; nowMs += 0.25) {
        if (coalescer.isBusy) coalescer.noteWork(0.25 * workShare);
        pause = coalescer.pauseUs(12, nowMs);
      }
      return pause;
    };
    assert.equal(pauseAt(0.5), 250);
    assert.equal(pauseAt(0.7), 100);
    assert.equal(pauseAt(0.9), 0);
    assert.equal(pauseAt(1), 0);
    assert.equal(pauseAt(0.7), 100);
    assert.equal(pauseAt(0.2), 250);
  });
});
