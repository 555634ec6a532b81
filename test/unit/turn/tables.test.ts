/** The small parts: the hash table, the lists, our own places, and the cutter of streams. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { ipToWords } from "../../../src/core/address.ts";
import { EntryLists } from "../../../src/turn/entry-lists.ts";
import { OwnPlaces } from "../../../src/turn/own-places.ts";
import { StreamFramer } from "../../../src/turn/stream-framer.ts";
import { WordTable } from "../../../src/turn/word-table.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { bindingRequest, channelData } from "./phone.ts";
import { at, ip } from "./rig.ts";

suite("turn: word table", (test) => {
  test("does as a map would, and its entries keep their numbers", () => {
    const step = fc.record({
      isAdd: fc.boolean(),
      a: fc.integer({ min: -2, max: 3 }),
      b: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), fc.integer(), (steps, seed) => {
        const table = new WordTable(10, 2, seed);
        const model = new Map<string, number>();
        for (const { isAdd, a, b } of steps) {
          const name = `${a} ${b}`;
          table.key.set([a, b]);
          assert.equal(table.find(), model.get(name) ?? -1);
          if (isAdd) {
            const entry = table.add();
            if (entry >= 0) model.set(name, entry);
            else assert.equal(model.size, 10);
          } else if (model.has(name)) {
            table.remove(model.get(name)!);
            model.delete(name);
          }
          assert.equal(table.size, model.size);
          assert.equal(new Set(model.values()).size, model.size);
          for (const [key, entry] of model)
            assert.equal(`${table.wordAt(entry, 0)} ${table.wordAt(entry, 1)}`, key);
        }
      }),
      { numRuns: fuzzRuns(300) },
    );
  });

  test("numbers of our own need no seed, and may be any", () => {
    const table = new WordTable(5, 1, undefined);
    const numbers = [64, 65, 72, -1, 0x7fff_ffff];
    for (const number of numbers) {
      table.key[0] = number;
      table.add();
    }
    for (const [entry, number] of numbers.entries()) {
      table.key[0] = number;
      assert.equal(table.find(), entry);
    }
    table.key[0] = 80;
    assert.equal(table.find(), -1);
    assert.throws(() => new WordTable(5, 2, undefined));
  });

  test("an entry is removed once", () => {
    const table = new WordTable(2, 1, 0);
    const entry = table.add();
    table.remove(entry);
    assert.throws(() => table.remove(entry));
  });
});

suite("turn: lists", (test) => {
  test("every entry is in its owner's, until it is taken out", () => {
    const lists = new EntryLists(2, 6);
    for (const entry of [0, 1, 2]) lists.add(0, entry);
    for (const entry of [3, 4]) lists.add(1, entry);
    for (const entry of [1, 2, 0]) lists.remove(0, entry);
    assert.deepEqual([lists.firstOf(0), lists.firstOf(1)], [-1, 4]);
    lists.remove(1, 4);
    assert.equal(lists.firstOf(1), 3);
  });
});

suite("turn: our own places", (test) => {
  const own = new OwnPlaces([
    { ip: ip("10.1.1.1"), advertisedIp: ip("203.0.113.1") },
    { ip: ip("10.1.1.2"), advertisedIp: ip("10.1.1.2") },
  ]);
  const words = (text: string): Int32Array => Int32Array.from(ipToWords(ip(text)));

  test("ports by either address, one row each", () => {
    for (const port of [0, 31, 32, 40_000, 65_535]) {
      own.setPort({ ip: ip("10.1.1.1"), port }, true);
      assert.ok(own.isOpen({ ip: ip("10.1.1.1"), port }) && own.isOpen({ ip: ip("203.0.113.1"), port }));
      assert.ok(!own.isOpen({ ip: ip("10.1.1.2"), port }) && !own.isOpen({ ip: ip("192.0.2.1"), port }));
      own.setPort({ ip: ip("10.1.1.1"), port }, false);
      assert.ok(!own.isOpen({ ip: ip("10.1.1.1"), port }));
    }
    own.setPort(at("192.0.2.1:5"), true);
    assert.ok(!own.isOpen(at("192.0.2.1:5")));
  });

  test("from one address to the other", () => {
    const target = words("203.0.113.1");
    own.toLocal(target, 9);
    assert.deepEqual([...target], [...words("10.1.1.1")]);
    assert.ok(own.toAdvertised(target));
    assert.deepEqual([...target], [...words("203.0.113.1")]);
    assert.ok(!own.toAdvertised(words("10.1.1.2")));
    assert.ok(!own.toAdvertised(words("192.0.2.1")));
  });

  test("of several addresses behind one the one that has the port", () => {
    const advertisedIp = ip("203.0.113.1");
    const own = new OwnPlaces(["10.1.1.1", "10.1.1.2"].map((local) => ({ ip: ip(local), advertisedIp })));
    own.setPort(at("10.1.1.2:5000"), true);
    for (const [port, local] of [
      [5000, "10.1.1.2"],
      [5001, "10.1.1.1"],
    ] as const) {
      const target = words("203.0.113.1");
      own.toLocal(target, port);
      assert.deepEqual([...target], [...words(local)]);
    }
  });

  test("two threads see one memory", () => {
    const memory = new Uint32Array(new SharedArrayBuffer(4 * OwnPlaces.sizeWords(1)));
    const addresses = [{ ip: ip("10.1.1.1"), advertisedIp: ip("203.0.113.1") }];
    const [writer, reader] = [new OwnPlaces(addresses, memory), new OwnPlaces(addresses, memory)];
    writer.setPort(at("10.1.1.1:5000"), true);
    assert.ok(reader.isOpen(at("203.0.113.1:5000")));
  });
});

suite("turn: streams", (test) => {
  const pad = (bytes: Uint8Array): Uint8Array =>
    Uint8Array.from([...bytes, ...new Array((4 - (bytes.length % 4)) % 4).fill(0)]);

  test("messages come out whole, however the stream was cut", () => {
    const part = fc.oneof(
      fc.constant(null).map(() => bindingRequest()),
      fc.string({ maxLength: 9, unit: "binary-ascii" }).map((payload) => pad(channelData(0x4001, payload))),
    );
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 6 }),
        fc.array(fc.nat(40), { maxLength: 20 }),
        (parts, cuts) => {
          const stream = Buffer.concat(parts);
          const framer = new StreamFramer();
          const found: number[][] = [];
          const feed = (bytes: Uint8Array): void => {
            const lent = Buffer.from(bytes);
            framer.push(lent);
            for (let message = framer.next(); message !== undefined; message = framer.next())
              found.push([...message]);
            lent.fill(0xff);
          };
          let start = 0;
          for (const cut of cuts) {
            feed(stream.subarray(start, start + cut));
            start = Math.min(stream.length, start + cut);
          }
          feed(stream.subarray(start));
          assert.deepEqual(
            found,
            parts.map((bytes) => [...bytes]),
          );
          assert.ok(!framer.isBroken && !framer.hasPart);
        },
      ),
      { numRuns: fuzzRuns(300) },
    );
  });

  test("what is no message breaks it, and is not kept growing", () => {
    const wrong: number[][] = [
      [0x80, 0, 0, 0],
      [22, 3, 1, 2],
      [0x47, 0x45, 0x54, 0x20],
      [0, 1, 0, 3, 0x21, 0x12, 0xa4, 0x42],
      [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x43],
    ];
    for (const [index, bytes] of wrong.entries()) {
      const framer = new StreamFramer();
      framer.push(Uint8Array.from(bytes));
      const message = framer.next();
      if (index === 2)
        assert.deepEqual([message, framer.isBroken], [undefined, false], "GET is ChannelData's beginning");
      else assert.deepEqual([message, framer.isBroken], [undefined, true], `${index}`);
    }
  });

  test("a message that is longer than it may be breaks it by its header", () => {
    for (const [bytes, sizeBytes] of [
      [[0x40, 0, 0xff, 0xff], 65_540],
      [[0, 1, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42], 65_552],
    ] as const) {
      for (const mostBytes of [sizeBytes - 1, sizeBytes]) {
        const framer = new StreamFramer();
        framer.messageSizeBytesMax = mostBytes;
        framer.push(Uint8Array.from(bytes));
        assert.deepEqual([framer.next(), framer.isBroken], [undefined, mostBytes < sizeBytes]);
      }
    }
  });

  test("what is behind the last message belongs to the peer", () => {
    const framer = new StreamFramer();
    framer.push(Uint8Array.from([...bindingRequest(), 1, 2, 3]));
    assert.equal(framer.next()?.length, 20);
    assert.deepEqual([...framer.takeRest()], [1, 2, 3]);
    assert.ok(!framer.hasPart);
  });
});
