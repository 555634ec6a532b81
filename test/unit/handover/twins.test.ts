/** One party over two paths, and those who only pretend: twins and strikes. */
import assert from "node:assert/strict";
import { verdict } from "../../../src/handover/contract.ts";
import { suite } from "../../support/suite.ts";
import { Leg, type Packet, Phone, run, tally, type Wanted } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };
const second = "192.0.2.30:5500";

function answered(): { leg: Leg; phone: Phone } {
  const leg = new Leg().open(usable);
  const phone = new Phone(sdp);
  leg.talk(phone, 200);
  return { leg, phone };
}

function over(path: string, packet: Packet): Packet {
  return { ...packet, from: path };
}

/** Numbers that went out, by whichever path. */
function sentOn(leg: Leg, from: number): number[] {
  return leg.relayed.slice(from).map((packet) => packet.sequence);
}

/** Both paths at once, the second first by `leadMs`. */
function bicast(leg: Leg, phone: Phone, packets: number, leadMs: number): Packet[] {
  const sent: Packet[] = [];
  for (let count = 0; count < packets; count++) {
    const packet = phone.next();
    sent.push(packet);
    leg.send(over(second, packet));
    leg.wait(leadMs);
    leg.send(packet);
    leg.wait(20 - leadMs);
  }
  return sent;
}

suite("handover: twins", (test) => {
  test("bicasting: every number goes out once, whichever copy comes first", () => {
    for (const leadMs of [0, 1, 5]) {
      const { leg, phone } = answered();
      const before = leg.relayed.length;
      const from = phone.sequence;
      bicast(leg, phone, 100, leadMs);
      assert.deepEqual(sentOn(leg, before), run(from, 100));
      assert.deepEqual([leg.proven(), leg.target()], [sdp, sdp]);
      assert.deepEqual(leg.notes.slice(1), ["0 held continuity", "0 twin continuity"]);
    }
  });

  test("a faster path that is several packets ahead, and one that overtakes itself", () => {
    const { leg, phone } = answered();
    const before = leg.relayed.length;
    const from = phone.sequence;
    const packets = Array.from({ length: 60 }, () => phone.next());
    for (let index = 0; index < packets.length + 2; index++) {
      const swapped = packets[index ^ 1];
      if (swapped !== undefined) leg.send(over(second, swapped));
      leg.wait(8);
      const delayed = packets[index - 2];
      if (delayed !== undefined) leg.send(delayed);
      leg.wait(12);
    }
    const sent = sentOn(leg, before).filter((sequence) => ((sequence - from) & 0xffff) < 60);
    assert.deepEqual(
      sent.toSorted((a, b) => ((a - from) & 0xffff) - ((b - from) & 0xffff)),
      run(from, 60),
    );
  });

  test("across the wrap of the sequence number", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone(sdp, 0x1000, 0, 65_400);
    leg.talk(phone, 60);
    const before = leg.relayed.length;
    const from = phone.sequence;
    bicast(leg, phone, 300, 5);
    assert.deepEqual(sentOn(leg, before), run(from, 300));
  });

  test("two signalled places that speak at once with one stream are one party", () => {
    for (const isStrict of [false, true]) {
      const leg = new Leg().open({
        hints: [
          [sdp, "ip"],
          [second, "ip"],
        ],
        target: sdp,
        isStrict,
      });
      const phone = new Phone(sdp);
      leg.talk(phone, 50);
      const before = leg.relayed.length;
      const from = phone.sequence;
      bicast(leg, phone, 20, 5);
      for (let count = 0; count < 20; count++) {
        leg.send(over(second, phone.next()));
        leg.wait(20);
      }
      assert.deepEqual(sentOn(leg, before), run(from, 40));
      assert.equal(leg.proven(), second);
    }
  });

  test("losses of one path are made up by the other", () => {
    const { leg, phone } = answered();
    const before = leg.relayed.length;
    const from = phone.sequence;
    bicast(leg, phone, 5, 5);
    for (let count = 0; count < 60; count++) {
      const packet = phone.next();
      if (count % 3 !== 0) leg.send(over(second, packet));
      leg.wait(5);
      if (count % 3 !== 1) leg.send(packet);
      leg.wait(15);
    }
    assert.deepEqual(sentOn(leg, before), run(from, 65));
  });

  test("the twin has the leg with its next packet once the old path is silent, and back again", () => {
    const { leg, phone } = answered();
    const before = leg.relayed.length;
    const from = phone.sequence;
    bicast(leg, phone, 20, 5);
    for (let count = 0; count < 10; count++) {
      assert.equal(leg.send(over(second, phone.next())), verdict.relay);
      leg.wait(20);
    }
    assert.deepEqual([leg.proven(), leg.target()], [second, second]);
    assert.equal(leg.replays.length, 1);
    bicast(leg, phone, 20, 5);
    assert.equal(leg.proven(), second);
    leg.talk(phone, 10);
    assert.deepEqual([leg.proven(), leg.target()], [sdp, sdp]);
    assert.deepEqual(sentOn(leg, before), run(from, 60));
  });

  test("make before break with a slower second path: its late copies are ignored without a strike", () => {
    const { leg, phone } = answered();
    const before = leg.relayed.length;
    const from = phone.sequence;
    for (let count = 0; count < 20; count++) {
      const packet = phone.next();
      leg.send(packet);
      leg.wait(15);
      assert.equal(leg.send(over(second, packet)), verdict.outsideWindow);
      leg.wait(5);
    }
    leg.wait(15);
    phone.from = second;
    leg.talk(phone, 20);
    assert.deepEqual(sentOn(leg, before), run(from, 40));
    assert.equal(leg.notes.includes("0 struck continuity"), false);
  });

  test("an old path that only stalled: what the new one brought already does not go out twice", () => {
    const { leg, phone } = answered();
    const before = leg.relayed.length;
    const from = phone.sequence;
    const stalled: Packet[] = [];
    for (let count = 0; count < 10; count++) {
      const packet = phone.next();
      if (count > 0) leg.send(over(second, packet));
      stalled.push(packet);
      leg.wait(20);
    }
    assert.equal(leg.proven(), second);
    for (const packet of stalled) leg.send(packet);
    bicast(leg, phone, 20, 5);
    const sent = sentOn(leg, before);
    assert.equal(new Set(sent).size, sent.length);
    assert.deepEqual(
      sent.toSorted((a, b) => ((a - from) & 0xffff) - ((b - from) & 0xffff)),
      run(from, 30),
    );
    assert.equal(leg.notes.at(-1), "0 twin continuity");
  });

  test("other bytes under one number end the twin with a strike; the proven source loses nothing", () => {
    const { leg, phone } = answered();
    const from = phone.sequence;
    bicast(leg, phone, 10, 5);
    const packet = phone.next();
    assert.equal(leg.send({ ...over(second, packet), body: 4_711 }), verdict.relay);
    assert.equal(leg.send(packet), verdict.relay);
    leg.wait(20);
    assert.equal(leg.send(over(second, phone.next())), verdict.struck);
    assert.equal(leg.notes.at(-1), "0 struck continuity");
    phone.sequence = (phone.sequence - 1) & 0xffff;
    leg.talk(phone, 20);
    assert.deepEqual(leg.heard(sdp).slice(-21), run((from + 10) & 0xffff, 21));
    assert.equal(leg.proven(), sdp);
  });

  test("a twin cannot run ahead, speak of other streams, nor be more than one", () => {
    const { leg, phone } = answered();
    bicast(leg, phone, 10, 5);
    const copy = phone.forge(second, 200);
    assert.equal(leg.send(copy.next()), verdict.outsideWindow);
    assert.equal(leg.send(new Phone(second, 0x9999).next()), verdict.unprovenSource);
    const packet = phone.next();
    assert.equal(leg.send(over("192.0.2.77:1", packet)), verdict.hold);
    assert.equal(leg.send(packet), verdict.relay);
    assert.equal(leg.heldCount(), 0);
    assert.equal(leg.notes.at(-1), "0 refused continuity");
  });

  test("several streams of one party, each with its own window", () => {
    const { leg, phone } = answered();
    const video = new Phone(sdp, 0x2222);
    leg.talk(video, 3);
    const before = leg.relayed.length;
    bicast(leg, phone, 10, 5);
    bicast(leg, video, 10, 5);
    const both = [phone, video];
    for (const each of both) bicast(leg, each, 10, 5);
    const sent = leg.relayed.slice(before).map(({ ssrc, sequence }) => `${ssrc} ${sequence}`);
    assert.equal(new Set(sent).size, sent.length);
    assert.equal(sent.length, 40);
  });

  test("a twin that went is forgotten after ten seconds, and the table of twins is given back", () => {
    const leg = new Leg({}, 1_024);
    for (let round = 0; round < 3; round++) {
      for (let slot = 0; slot < 600; slot += 2) {
        leg.open(usable, slot);
        const phone = new Phone(sdp);
        for (let count = 0; count < 3; count++) leg.send(phone.next(slot));
        leg.wait(1);
        const packet = phone.next(slot);
        leg.send(over(second, packet));
        leg.send(packet);
      }
      const twins = leg.notes.filter((note) => note.includes("twin")).length;
      assert.equal(twins, 256 * (round + 1));
      if (round === 0) leg.wait(10_100);
      else for (let slot = 0; slot < 600; slot++) leg.policy.close(slot);
    }
  });
});

suite("handover: strikes", (test) => {
  function struck(): { leg: Leg; phone: Phone; thief: Phone } {
    const { leg, phone } = answered();
    const thief = phone.forge(second);
    assert.equal(leg.send(thief.next()), verdict.hold);
    leg.talk(phone, 1);
    assert.equal(leg.notes.at(-1), "0 struck continuity");
    return { leg, phone, thief };
  }

  test("who contradicts the proven source is refused for ten seconds, and the rest of the world is not", () => {
    const { leg, phone } = struck();
    for (let count = 0; count < 490; count++) {
      assert.equal(leg.send(phone.forge(second).next()), verdict.struck);
      leg.talk(phone, 1);
    }
    leg.wait(0);
    phone.from = "192.0.2.31:7";
    leg.talk(phone, 20);
    assert.equal(leg.proven(), phone.from);
    const again = struck();
    again.leg.talk(again.phone, 501);
    assert.equal(again.leg.send(again.phone.forge(second).next()), verdict.hold);
  });

  test("a refuted claim without a packet to compare is no strike", () => {
    const { leg, phone } = answered();
    assert.equal(leg.send(phone.forge(second).next()), verdict.hold);
    phone.next();
    leg.talk(phone, 26);
    assert.equal(leg.notes.at(-1), "0 refused continuity");
    assert.equal(leg.send(phone.forge(second).next()), verdict.hold);
  });

  test("the far party that sends back what it hears is late, and not struck", () => {
    const { leg, phone } = answered();
    for (let count = 0; count < 20; count++) {
      const packet = phone.next();
      leg.send(packet);
      leg.wait(5);
      assert.equal(leg.send(over("192.0.2.200:1", packet)), verdict.outsideWindow);
      leg.wait(15);
    }
    assert.equal(leg.notes.length, 1);
  });

  test("forging the place a phone moves to delays it by half a second, once, and loses what was held for nobody", () => {
    const { leg, phone } = struck();
    phone.from = second;
    leg.wait(30);
    const from = phone.sequence;
    leg.talk(phone, 40);
    assert.deepEqual([leg.proven(), leg.target()], [second, second]);
    const heard = leg.heard(second);
    assert.deepEqual(heard, run((from + 40 - heard.length) & 0xffff, heard.length));
    assert.ok(heard.length >= 38);
  });

  test("a struck source needs half a second of silence, not a pause between two words", () => {
    const { leg, thief } = struck();
    leg.talk(thief, 15);
    assert.equal(leg.proven(), sdp);
    leg.talk(thief, 15);
    assert.equal(leg.proven(), second);
  });

  test("never a source that had the leg before", () => {
    const { leg, phone } = answered();
    phone.from = second;
    leg.talk(phone, 200);
    const forged = phone.forge(sdp);
    leg.send(forged.next());
    assert.equal(leg.proven(), sdp);
    leg.talk(phone, 3);
    leg.wait(100);
    leg.talk(phone, 5);
    assert.equal(leg.proven(), second);
    assert.equal(
      leg.notes.some((note) => note.includes("struck")),
      false,
    );
  });

  test("a strike is not freed by others: only its own network's replace it", () => {
    const { leg, phone } = struck();
    for (let host = 1; host <= 12; host++) {
      leg.send(phone.forge(`203.0.${host}.1:99`).next());
      leg.talk(phone, 1);
    }
    assert.equal(leg.send(phone.forge(second).next()), verdict.struck);
    for (let host = 1; host <= 3; host++) {
      assert.equal(leg.send(phone.forge(`203.0.${host}.1:99`).next()), verdict.struck);
    }
    assert.equal(leg.send(phone.forge("203.0.4.1:99").next()), verdict.hold);
    leg.talk(phone, 1);
    leg.send(phone.forge("203.0.1.2:99").next());
    leg.talk(phone, 1);
    assert.equal(leg.send(phone.forge("203.0.1.2:99").next()), verdict.struck);
    assert.deepEqual(tally(leg.talk(phone, 5)), { relay: 5 });
  });

  test("no flood of forged claims costs the phone a packet or the leg", () => {
    const { leg, phone } = answered();
    const from = phone.sequence;
    for (let count = 0; count < 100; count++) {
      for (let network = 0; network < 20; network++) {
        leg.send(phone.forge(`203.${network}.${count}.1:99`, network % 16).next());
      }
      assert.equal(leg.send(phone.next()), verdict.relay);
      leg.wait(20);
    }
    assert.deepEqual(leg.heard(sdp).slice(-100), run(from, 100));
    assert.equal(leg.relayed.length, 300);
  });
});
