/** Two paths that lose packets, and those who only repeat what they saw: who becomes a twin by copies that come late. */
import assert from "node:assert/strict";
import { verdict } from "../../../src/handover/contract.ts";
import { suite } from "../../support/suite.ts";
import { Leg, type Packet, Phone, run, type Wanted } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };
const second = "192.0.2.30:5500";

function answered(packets = 200): { leg: Leg; phone: Phone } {
  const leg = new Leg().open(usable);
  const phone = new Phone(sdp);
  leg.talk(phone, packets);
  return { leg, phone };
}

function over(path: string, packet: Packet): Packet {
  return { ...packet, from: path };
}

/** Both paths; the second always later. What a path loses is said by the packet's place in the run. */
function bicast(
  leg: Leg,
  phone: Phone,
  packets: number,
  { lagMs, losesFirst, losesSecond }: { lagMs: number; losesFirst: Lottery; losesSecond: Lottery },
): void {
  for (let count = 0; count < packets; count++) {
    const packet = phone.next();
    if (!losesFirst(count)) leg.send(packet);
    leg.wait(lagMs);
    if (!losesSecond(count)) leg.send(over(second, packet));
    leg.wait(20 - lagMs);
  }
}

type Lottery = (count: number) => boolean;

const inTurn =
  (rest: number): Lottery =>
  (count) =>
    count % 4 === rest;
const never: Lottery = () => false;

function drawn(seed: number): Lottery {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 30 === 0;
  };
}

function numbersFrom(leg: Leg, before: number): number[] {
  return leg.relayed.slice(before).map((packet) => packet.sequence);
}

suite("handover: two paths that lose packets", (test) => {
  test("each loses every fourth packet: nothing is lost, from the first gap on", () => {
    for (const lagMs of [2, 10, 15]) {
      for (const [rest, jitteredPackets] of [
        [0, 200],
        [1, 200],
        [2, 40],
        [3, 40],
      ] as const) {
        const { leg, phone } = answered(jitteredPackets);
        const before = leg.relayed.length;
        const from = phone.sequence;
        bicast(leg, phone, 48, { lagMs, losesFirst: inTurn(rest), losesSecond: inTurn((rest + 2) % 4) });
        phone.from = second;
        leg.talk(phone, 50);
        const sent = numbersFrom(leg, before).toSorted(
          (a, b) => ((a - from) & 0xffff) - ((b - from) & 0xffff),
        );
        assert.deepEqual(sent, run(from, 98), `${lagMs} ms, ${rest}, ${leg.notes}`);
        assert.equal(leg.proven(), second);
        assert.ok(leg.notes.includes("0 twin continuity"));
      }
    }
  });

  test("each loses a quarter by chance: once they are twins, what both lost is all that is missing", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const { leg, phone } = answered(100);
      const from = phone.sequence;
      const before = leg.relayed.length;
      const [first, other] = [drawn(seed), drawn(seed + 7_777)];
      const lost: number[] = [];
      const isLost = Array.from({ length: 200 }, () => [first(0), other(0)] as const);
      for (const [count, [a, b]] of isLost.entries()) if (a && b) lost.push((from + count) & 0xffff);
      bicast(leg, phone, 200, {
        lagMs: 10,
        losesFirst: (count) => isLost[count]?.[0] === true,
        losesSecond: (count) => isLost[count]?.[1] === true,
      });
      const sent = numbersFrom(leg, before);
      assert.equal(new Set(sent).size, sent.length, "nothing twice");
      const missing = run(from, 200).filter((each) => !sent.includes(each) && !lost.includes(each));
      assert.ok(missing.length <= 1, `seed ${seed}: ${missing.map((each) => (each - from) & 0xffff)}`);
      assert.ok(
        missing.every((each) => ((each - from) & 0xffff) < 30),
        `seed ${seed}`,
      );
    }
  });

  test("copies alone, and without a gap filled first, prove nothing", () => {
    const { leg, phone } = answered();
    bicast(leg, phone, 100, { lagMs: 10, losesFirst: never, losesSecond: never });
    assert.deepEqual([leg.notes.slice(1), leg.heard(second)], [[], []]);
  });

  test("nor while somebody else is compared", () => {
    const { leg, phone } = answered();
    leg.send(phone.forge("203.0.113.66:6666").next());
    phone.next();
    bicast(leg, phone, 40, { lagMs: 10, losesFirst: never, losesSecond: never });
    assert.deepEqual([leg.notes.includes("0 twin continuity"), leg.heard(second)], [false, []]);
  });

  test("who makes a number up and cannot copy the next one is struck, or refused after half a second", () => {
    const { leg, phone } = answered();
    const thief = phone.forge(second);
    assert.equal(leg.send(thief.next()), verdict.hold);
    phone.next();
    leg.talk(phone, 1);
    assert.equal(leg.send(thief.next()), verdict.struck);
    assert.equal(leg.notes.at(-1), "0 struck continuity");
    const silent = answered();
    silent.leg.send(silent.phone.forge(second).next());
    silent.phone.next();
    silent.leg.talk(silent.phone, 24);
    assert.equal(silent.leg.heldCount(), 1);
    silent.leg.talk(silent.phone, 2);
    assert.deepEqual([silent.leg.heldCount(), silent.leg.notes.at(-1)], [0, "0 refused continuity"]);
    for (const each of [leg, silent.leg]) assert.deepEqual(each.heard(second), []);
  });

  test("what was made up does not go out when the phone falls silent while it is in doubt", () => {
    const { leg, phone } = answered();
    leg.send(phone.forge(second).next());
    phone.next();
    leg.talk(phone, 1);
    leg.wait(200);
    assert.deepEqual(leg.heard(second), []);
  });

  test("the phone's path is compared though another pretends to be one", () => {
    const { leg, phone } = answered(10);
    const before = leg.relayed.length;
    const from = phone.sequence;
    const thief = phone.forge("203.0.113.66:6666");
    leg.send(thief.next());
    bicast(leg, phone, 4, { lagMs: 10, losesFirst: inTurn(0), losesSecond: never });
    assert.ok(leg.notes.includes("0 twin continuity"));
    assert.deepEqual(
      numbersFrom(leg, before).toSorted((a, b) => ((a - from) & 0xffff) - ((b - from) & 0xffff)),
      run(from, 4),
    );
    assert.deepEqual(leg.heard("203.0.113.66:6666"), []);
  });

  test("a switch in a gap that is rolled back: the other path is a twin with its next copy", () => {
    const { leg, phone } = answered();
    const before = leg.relayed.length;
    const from = phone.sequence;
    leg.wait(60);
    leg.send(over(second, phone.next()));
    leg.wait(20);
    assert.equal(leg.proven(), second);
    const next = phone.next();
    assert.equal(leg.send(next), verdict.relay);
    assert.equal(leg.proven(), sdp);
    leg.wait(10);
    assert.equal(leg.send(over(second, next)), verdict.duplicate);
    assert.equal(leg.notes.at(-1), "0 twin continuity");
    leg.wait(10);
    assert.equal(leg.send(over(second, phone.next())), verdict.relay);
    assert.deepEqual(numbersFrom(leg, before), run(from, 3));
  });
});
