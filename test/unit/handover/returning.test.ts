/** After a switch by continuity: late packets, roll-back, sources that had the leg before. */
import assert from "node:assert/strict";
import { packetKind, verdict } from "../../../src/handover/contract.ts";
import { suite } from "../../support/suite.ts";
import { Leg, other, type Packet, Phone, run, tally, type Wanted } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const nat = "198.51.100.7:61000";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };
const unusable: Wanted = { hints: [["10.0.0.5:4000", "exact"]], target: "10.0.0.5:4000" };
const elsewhere = "192.0.2.30:5500";

function answered(wanted: Wanted, from: string, packets = 200): { leg: Leg; phone: Phone } {
  const leg = new Leg().open(wanted);
  const phone = new Phone(from);
  leg.talk(phone, packets);
  return { leg, phone };
}

/** A relay that cannot tell packets apart by their bytes. */
function bare(packet: Packet): Packet {
  const { body: _, ...rest } = packet;
  return rest;
}

suite("handover: the source before", (test) => {
  test("what was on its way when the phone moved is relayed for half a second and proves nothing", () => {
    for (const from of [sdp, nat]) {
      const { leg, phone } = answered(usable, from);
      const late = [phone.next(), phone.next(), phone.next()];
      phone.from = elsewhere;
      leg.talk(phone, 10);
      assert.equal(leg.proven(), elsewhere);
      for (const packet of late.slice(0, 2)) assert.equal(leg.send(packet), verdict.relay);
      assert.deepEqual([leg.proven(), leg.target()], [elsewhere, elsewhere]);
      leg.talk(phone, 30);
      assert.deepEqual(leg.notes.slice(1), ["0 held continuity", "0 switched continuity"]);
    }
  });

  test("an old path that goes on with new numbers rolls the switch back; nothing of it is lost", () => {
    for (const strip of [(packet: Packet) => packet, bare]) {
      for (const [wanted, from] of [
        [usable, sdp],
        [usable, nat],
        [unusable, "203.0.113.9:7000"],
      ] as const) {
        const { leg, phone } = answered(wanted, from);
        const sent = phone.sequence;
        const thief = phone.forge(elsewhere);
        for (let count = 0; count < 4; count++) {
          leg.send(strip(thief.next()));
          leg.wait(20);
        }
        assert.deepEqual([leg.proven(), leg.target()], [elsewhere, elsewhere]);
        for (let count = 0; count < 50; count++) {
          assert.equal(leg.send(strip(phone.next())), verdict.relay);
          assert.notEqual(leg.send(strip(thief.next())), verdict.relay);
          leg.wait(20);
        }
        assert.deepEqual([leg.proven(), leg.target()], [from, from]);
        assert.deepEqual(leg.heard(from).slice(-50), run(sent, 50));
        assert.ok(leg.notes.includes("0 rolledBack continuity"));
      }
    }
  });

  test("roll-back finds the streams as they were: the phone moves on at once afterwards", () => {
    const { leg, phone } = answered(usable, sdp);
    leg.talk(phone.forge(elsewhere), 4);
    leg.talk(phone, 60);
    phone.from = "192.0.2.99:9000";
    const from = phone.sequence;
    leg.talk(phone, 20);
    assert.deepEqual(leg.heard(phone.from), run(from, 20));
  });

  test("numbers far ahead do not keep the phone out: its own count is what it goes on with", () => {
    for (const silenceMs of [100, 400, 2_000, 20_000]) {
      const { leg, phone } = answered(usable, sdp);
      leg.wait(silenceMs);
      const ahead = Math.min(2_900, silenceMs / 20);
      const thief = phone.forge(elsewhere, ahead);
      leg.talk(thief, 4);
      assert.equal(leg.proven(), elsewhere);
      const from = phone.sequence;
      assert.deepEqual(tally(leg.talk(phone, 60)), { relay: 60 });
      assert.deepEqual([leg.proven(), leg.target()], [sdp, sdp], `${silenceMs} ms`);
      assert.deepEqual(leg.heard(sdp).slice(-60), run(from, 60));
    }
  });

  test("a source proven before takes the leg back with its first packet, minutes later too", () => {
    const { leg, phone } = answered(unusable, "203.0.113.9:7000");
    for (const waitMs of [600, 60_000]) {
      phone.from = elsewhere;
      leg.talk(phone, 200);
      leg.wait(waitMs);
      phone.from = "203.0.113.9:7000";
      assert.equal(leg.send(phone.next()), verdict.relay);
      assert.deepEqual([leg.proven(), leg.target()], [phone.from, phone.from]);
      leg.talk(phone, 200);
    }
    assert.equal(leg.notes.includes("0 rolledBack continuity"), false);
  });

  test("of the places a phone came by, the first and the latest are remembered", () => {
    const { leg, phone } = answered(unusable, "203.0.113.9:7000");
    for (let place = 1; place <= 6; place++) {
      phone.from = `192.0.2.${place}:5000`;
      leg.talk(phone, 600);
      assert.equal(leg.proven(), phone.from);
    }
    phone.from = "192.0.2.1:5000";
    assert.equal(leg.send(phone.next()), verdict.hold);
    phone.from = "203.0.113.9:7000";
    assert.equal(leg.send(phone.next()), verdict.relay);
  });

  test("only with its old SSRC, numbers that follow, and a type of the call", () => {
    const spoils: readonly ((phone: Phone) => void)[] = [
      (phone) => phone.ssrc++,
      (phone) => (phone.sequence = (phone.sequence + 0x4000) & 0xffff),
      (phone) => (phone.payloadType = 55),
    ];
    for (const spoil of spoils) {
      const { leg, phone } = answered(unusable, "203.0.113.9:7000");
      phone.from = elsewhere;
      leg.talk(phone, 50);
      phone.from = "203.0.113.9:7000";
      spoil(phone);
      assert.notEqual(leg.send(phone.next()), verdict.relay);
      assert.equal(leg.proven(), elsewhere);
    }
  });

  test("a key or signalling is final: who had the leg before has no claim", () => {
    const { leg, phone } = answered(usable, nat);
    phone.from = elsewhere;
    leg.talk(phone, 50);
    const moved = "203.0.113.40:5000";
    leg.configure({ hints: [[moved, "ip"]], target: moved, generation: 2 });
    phone.from = moved;
    leg.talk(phone, 50);
    phone.from = nat;
    assert.notEqual(leg.send(phone.next()), verdict.relay);
    assert.equal(leg.proven(), moved);
  });

  test("who forges packets of the SDP's address with another stream does not take the leg of a phone that moved", () => {
    const { leg, phone } = answered(usable, sdp);
    phone.from = elsewhere;
    leg.talk(phone, 50);
    for (let count = 0; count < 100; count++) {
      assert.notEqual(leg.send(new Phone(sdp, 0x7777).next()), verdict.relay);
      assert.equal(leg.send(phone.next()), verdict.relay);
      leg.wait(20);
    }
    assert.deepEqual([leg.proven(), leg.target()], [elsewhere, elsewhere]);
    leg.talk(phone, 1, 0, 250);
    assert.deepEqual(tally(leg.talk(phone, 50)), { relay: 50 });
  });

  test("who forges a place the phone has left, numbers and all, has the leg for a hold time", () => {
    const { leg, phone } = answered(unusable, "203.0.113.9:7000");
    phone.from = elsewhere;
    leg.talk(phone, 300);
    const from = phone.sequence;
    for (let turn = 0; turn < 10; turn++) {
      assert.equal(leg.send(phone.forge("203.0.113.9:7000", 2).next()), verdict.relay);
      leg.talk(phone, 10);
      assert.deepEqual([leg.proven(), leg.target()], [elsewhere, elsewhere]);
    }
    assert.deepEqual(leg.heard(elsewhere).slice(-100), run(from, 100));
  });

  test("the limit of switches is no lever: usurpers that are rolled back do not lock the phone out", () => {
    const { leg, phone } = answered(usable, sdp);
    for (let turn = 1; turn <= 7; turn++) {
      leg.wait(600);
      leg.talk(phone.forge(`192.0.2.${turn}:5000`), 3);
      leg.talk(phone, 3);
      assert.equal(leg.proven(), sdp);
    }
    phone.from = elsewhere;
    const from = phone.sequence;
    leg.wait(500);
    leg.talk(phone, 40);
    assert.deepEqual(leg.heard(elsewhere), run(from, 40));
  });

  test("a muted phone that moved is back with its first packet, whether its clock stood still or ran", () => {
    for (const isRunning of [false, true]) {
      for (const wanted of [usable, unusable]) {
        const { leg, phone } = answered(wanted, wanted === usable ? sdp : "203.0.113.9:7000");
        leg.wait(1_500);
        if (isRunning) phone.timestamp = (phone.timestamp + 12_000) | 0;
        phone.from = elsewhere;
        assert.equal(leg.send(phone.next()), verdict.relay);
        assert.deepEqual([leg.proven(), leg.target()], [elsewhere, elsewhere]);
      }
    }
  });

  test("eight seconds between networks, digits across the switch, another ptime", () => {
    const { leg, phone } = answered({ ...usable, payloadTypes: [0, 101] }, sdp);
    phone.payloadType = 101;
    leg.talk(phone, 3);
    for (let lost = 0; lost < 400; lost++) phone.next();
    leg.wait(8_000);
    phone.from = elsewhere;
    phone.payloadType = 0;
    phone.timestamp = (phone.timestamp - 64_000) | 0;
    assert.equal(leg.send(phone.next()), verdict.relay);
    phone.from = "192.0.2.31:5500";
    const from = phone.sequence;
    leg.talk(phone, 20, 0, 60);
    assert.deepEqual(leg.heard(phone.from), run(from, 20));
    assert.equal(leg.send(other(phone.from, packetKind.keepalive)), verdict.consumed);
  });
});
