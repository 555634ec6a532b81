/** After proof: re-INVITEs, NAT rebinding, continuity, strangers. */
import assert from "node:assert/strict";
import { verdict } from "../../../src/handover/contract.ts";
import { suite } from "../../support/suite.ts";
import { Leg, Phone, rtcp, run, tally, type Wanted } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };
const unusable: Wanted = { hints: [["10.0.0.5:4000", "exact"]], target: "10.0.0.5:4000" };
const phoneAt = "203.0.113.9:7000";
const elsewhere = "192.0.2.30:5500";

function answered(wanted: Wanted, from: string, packets = 50): { leg: Leg; phone: Phone } {
  const leg = new Leg().open(wanted);
  const phone = new Phone(from);
  leg.talk(phone, packets);
  return { leg, phone };
}

suite("handover: moving", (test) => {
  test("signalled: a re-INVITE with a new address moves the leg with its first packet, late packets still count", () => {
    for (const ssrc of [0x1000, 0x2000]) {
      const { leg, phone } = answered(usable, sdp);
      const moved = "203.0.113.40:5000";
      leg.configure({ hints: [[moved, "ip"]], target: moved, generation: 2 }).wait(0);
      leg.talk(phone, 10);
      const late = phone.next();
      phone.from = moved;
      phone.ssrc = ssrc;
      assert.equal(leg.send(phone.next()), verdict.relay);
      assert.equal(leg.send(late), verdict.relay);
      assert.deepEqual([leg.proven(), leg.target()], [moved, moved]);
      leg.wait(600);
      assert.equal(leg.send(late) === verdict.relay, false);
      assert.equal(leg.proven(), moved);
      assert.equal(leg.notes[1], "0 switched signalled");
    }
  });

  test("signalled: what the old place sends on after the new one spoke does not come through", () => {
    const { leg, phone } = answered(usable, sdp);
    const moved = "203.0.113.40:5000";
    leg.configure({ hints: [[moved, "ip"]], target: moved, generation: 2 });
    const now = new Phone(moved, phone.ssrc, 0, phone.sequence);
    now.timestamp = phone.timestamp;
    leg.talk(now, 1);
    assert.notEqual(leg.send(phone.next()), verdict.relay);
    assert.equal(leg.proven(), moved);
  });

  test("signalled: a new generation opens the leg for another port of the signalled IP, once", () => {
    const { leg, phone } = answered(usable, "198.51.100.7:61000");
    leg.configure({ ...usable, generation: 2 });
    const before = phone.sequence;
    phone.from = "198.51.100.7:62000";
    phone.ssrc = 0x2000;
    leg.talk(phone, 20);
    assert.deepEqual(leg.heard(phone.from), run(before, 20));
    assert.equal(leg.proven(), phone.from);
    const third = new Phone("198.51.100.7:63000", 0x3000);
    assert.notEqual(leg.send(third.next()), verdict.relay);
    leg.wait(400);
    assert.equal(leg.proven(), phone.from);
  });

  test("signalled: another port and SSRC of the signalled IP waits for the hold time of the old one, no longer", () => {
    const { leg, phone } = answered(usable, "198.51.100.7:61000", 200);
    leg.configure({ ...usable, generation: 2 });
    leg.wait(40);
    phone.from = "198.51.100.7:62000";
    phone.ssrc = 0x2000;
    assert.equal(leg.send(phone.next()), verdict.relay);
  });

  test("signalled: an old port that goes on has the leg again, and the new one once it is silent", () => {
    const { leg, phone } = answered(usable, "198.51.100.7:61000", 200);
    leg.configure({ ...usable, generation: 2 });
    leg.wait(60);
    const neighbour = new Phone("198.51.100.7:62000", 0x2000);
    leg.talk(neighbour, 2);
    assert.equal(leg.proven(), neighbour.from);
    const from = phone.sequence;
    for (let count = 0; count < 50; count++) {
      assert.equal(leg.send(phone.next()), verdict.relay);
      assert.notEqual(leg.send(neighbour.next()), verdict.relay);
      leg.wait(20);
    }
    assert.deepEqual([leg.proven(), leg.heard(phone.from).slice(-50)], [phone.from, run(from, 50)]);
    leg.talk(neighbour, 10);
    assert.equal(leg.proven(), neighbour.from);
  });

  test("continuity: what came long before the old path's last packet, with a gap between, does not go out", () => {
    const { leg, phone } = answered(usable, sdp, 200);
    leg.talk(phone, 5);
    const ahead = phone.forge(elsewhere, 16);
    for (let count = 0; count < 14; count++) {
      leg.send(phone.next());
      leg.send(ahead.next());
      leg.wait(20);
    }
    const last = ahead.sequence;
    leg.talk(ahead, 10);
    assert.deepEqual([leg.proven(), leg.heard(elsewhere)[0]], [elsewhere, (last - 11) & 0xffff]);
    const laggard = answered(usable, sdp, 200);
    const [leg2, phone2] = [laggard.leg, laggard.phone];
    const late = Array.from({ length: 15 }, () => phone2.next());
    const first = phone2.sequence;
    phone2.from = elsewhere;
    for (const packet of late) {
      leg2.send(packet);
      leg2.send(phone2.next());
      leg2.wait(20);
    }
    leg2.talk(phone2, 10);
    assert.deepEqual(leg2.heard(elsewhere), run(first, 25), "nothing between: the old path was slow");
  });

  test("continuity: a late packet of the old path says nothing of the new one, even if packets cannot be compared", () => {
    const { leg, phone } = answered(usable, sdp, 200);
    const { body: _, ...late } = phone.next();
    const from = phone.sequence;
    phone.from = elsewhere;
    for (let count = 0; count < 10; count++) {
      const { body: __, ...packet } = phone.next();
      leg.send(packet);
      leg.wait(5);
      if (count === 0) assert.equal(leg.send(late), verdict.relay);
      leg.wait(15);
    }
    assert.deepEqual(leg.heard(elsewhere), run(from, 10));
  });

  test("an unchanged refresh opens nothing", () => {
    const { leg, phone } = answered(usable, "198.51.100.7:61000", 200);
    leg.configure(usable);
    leg.talk(phone, 1);
    assert.equal(leg.send(new Phone("198.51.100.7:62000", 0x2000).next()), verdict.stranger);
  });

  test("superseded: a source only old hints proved goes after three seconds, unless it alone speaks", () => {
    const moved = "203.0.113.40:5000";
    const again: Wanted = { hints: [[moved, "ip"]], target: moved, generation: 2 };
    const silent = answered(usable, sdp).leg;
    silent.configure(again).wait(2_999);
    assert.equal(silent.proven(), sdp);
    silent.wait(1);
    assert.deepEqual([silent.proven(), silent.target(), silent.evidence()], ["-", moved, "none"]);
    const { leg, phone } = answered(usable, sdp);
    leg.configure(again);
    assert.deepEqual(tally(leg.talk(phone, 100)), { relay: 100 });
    assert.equal(leg.target(), moved);
    assert.deepEqual(tally(leg.talk(phone, 100)), { relay: 100 });
    assert.deepEqual([leg.proven(), leg.target(), leg.evidence()], [sdp, sdp, "firstSpeaker"]);
    leg.talk(new Phone(moved, 0x2000), 1);
    assert.equal(leg.proven(), moved);
    const strict = answered({ ...usable, isStrict: true }, sdp);
    strict.leg.configure({ ...again, isStrict: true });
    strict.leg.talk(strict.phone, 160);
    assert.equal(strict.leg.proven(), "-");
  });

  test("superseded: not even one that alone still speaks, if the new place is heard by reports or keepalives", () => {
    const moved = "203.0.113.40:5000";
    const { leg, phone } = answered(usable, sdp);
    leg.configure({ hints: [[moved, "ip"]], target: moved, generation: 2 });
    leg.talk(phone, 50);
    leg.send(rtcp("203.0.113.40:5001", 0x7000, 201));
    leg.talk(phone, 110);
    assert.deepEqual([leg.proven(), leg.target()], ["-", moved]);
  });

  test("video: frames that are sent in another order than they are shown move with their stream", () => {
    for (const [backMs, isSame] of [
      [120, true],
      [800, false],
    ] as const) {
      const leg = new Leg().open({ ...usable, clockRateHz: 90_000 });
      const phone = new Phone(sdp);
      leg.talk(phone, 200);
      phone.from = elsewhere;
      phone.timestamp = (phone.timestamp - 90 * backMs) | 0;
      assert.equal(leg.send(phone.next()), isSame ? verdict.hold : verdict.outsideWindow);
    }
  });

  test("same place: a NAT that rebinds costs nothing", () => {
    const { leg, phone } = answered(unusable, phoneAt);
    const from = phone.sequence;
    phone.from = "203.0.113.9:7777";
    leg.talk(phone, 50);
    leg.wait(50);
    assert.deepEqual(leg.heard(phone.from), run(from, 50));
    assert.deepEqual([leg.evidence(), leg.target()], ["samePlace", phone.from]);
  });

  test("same place: another address of the IPv6 /64", () => {
    const { leg, phone } = answered({ hints: [["[fd00::5]:4000", "exact"]] }, "[2001:db8::9]:7000");
    const from = phone.sequence;
    phone.from = "[2001:db8::abcd]:7000";
    leg.talk(phone, 50);
    assert.deepEqual(leg.heard(phone.from), run(from, 50));
    assert.equal(leg.evidence(), "samePlace");
  });

  test("same place: a new SSRC only after two seconds of silence, or shortly after signalling", () => {
    const { leg, phone } = answered(unusable, phoneAt, 200);
    const renewed = new Phone("203.0.113.9:7777", 0x2000);
    assert.equal(leg.send(renewed.next()), verdict.stranger);
    leg.wait(1_900);
    assert.equal(leg.send(renewed.next()), verdict.stranger);
    leg.wait(100);
    const first = renewed.sequence;
    leg.talk(renewed, 10);
    assert.deepEqual(leg.heard(renewed.from), run(first, 10));
    leg.configure({ ...unusable, generation: 2 });
    phone.from = "203.0.113.9:7888";
    phone.ssrc = 0x3000;
    const next = phone.sequence;
    leg.talk(phone, 20);
    assert.deepEqual(leg.heard(phone.from), run(next, 20));
  });

  test("continuity: the same stream from another network, held until the old source is silent", () => {
    const { leg, phone } = answered(usable, sdp);
    const from = phone.sequence;
    phone.from = elsewhere;
    leg.talk(phone, 50);
    assert.deepEqual(leg.heard(elsewhere), run(from, 50));
    assert.deepEqual([leg.evidence(), leg.target()], ["continuity", elsewhere]);
    assert.deepEqual(leg.notes.slice(1), ["0 held continuity", "0 switched continuity"]);
  });

  test("continuity: an old source that goes on refutes the newcomer, whatever it knows", () => {
    const { leg, phone } = answered(usable, sdp);
    const thief = new Phone(elsewhere, phone.ssrc, 0, (phone.sequence + 3) & 0xffff);
    thief.timestamp = phone.timestamp;
    for (let count = 0; count < 100; count++) {
      assert.equal(leg.send(phone.next()), verdict.relay);
      leg.wait(5);
      leg.send(thief.next());
      leg.wait(15);
    }
    leg.wait(0);
    assert.deepEqual([leg.proven(), leg.heard(elsewhere)], [sdp, []]);
  });

  test("continuity: what was held for a refuted newcomer is gone", () => {
    const { leg, phone } = answered(usable, sdp);
    const thief = new Phone(elsewhere, phone.ssrc, 0, phone.sequence);
    thief.timestamp = phone.timestamp;
    assert.equal(leg.send(thief.next()), verdict.hold);
    leg.talk(phone, 1);
    leg.wait(500);
    assert.deepEqual([leg.proven(), leg.heldCount(), leg.heard(elsewhere)], [sdp, 0, []]);
  });

  test("continuity: outside of sequence, time or type it is nobody", () => {
    const spoils: readonly ((phone: Phone) => void)[] = [
      (phone) => (phone.sequence = (phone.sequence - 2) & 0xffff),
      (phone) => (phone.sequence = (phone.sequence + 200) & 0xffff),
      (phone) => (phone.timestamp = (phone.timestamp + 80_000) | 0),
      (phone) => (phone.timestamp = (phone.timestamp - 8_000) | 0),
    ];
    for (const spoil of spoils) {
      const { leg, phone } = answered(usable, sdp);
      phone.from = elsewhere;
      spoil(phone);
      assert.equal(leg.send(phone.next()), verdict.outsideWindow);
      assert.equal(leg.held.size, 0);
    }
    const { leg, phone } = answered(usable, sdp);
    phone.from = elsewhere;
    phone.payloadType = 55;
    assert.equal(leg.send(phone.next()), verdict.unknownPayloadType);
  });

  test("the source before takes the leg back with its first packet, and the usurper starts anew", () => {
    const { leg, phone } = answered(unusable, phoneAt);
    leg.wait(200);
    assert.equal(leg.evidence(), "firstSpeaker");
    const thief = new Phone(elsewhere, phone.ssrc, 0, phone.sequence);
    thief.timestamp = phone.timestamp;
    leg.talk(thief, 3);
    assert.equal(leg.proven(), elsewhere);
    phone.sequence = thief.sequence;
    phone.timestamp = thief.timestamp;
    assert.equal(leg.send(phone.next()), verdict.relay);
    assert.deepEqual([leg.proven(), leg.target()], [phoneAt, phoneAt]);
    thief.sequence = phone.sequence;
    thief.timestamp = phone.timestamp;
    assert.equal(leg.send(thief.next()), verdict.hold);
    leg.talk(phone, 5);
    assert.deepEqual([leg.proven(), leg.heard(elsewhere).length], [phoneAt, 3]);
  });

  test("continuity does not end a probation", () => {
    const { leg, phone } = answered(unusable, phoneAt, 10);
    phone.from = elsewhere;
    leg.talk(phone, 10);
    assert.equal(leg.evidence(), "continuity");
    leg.talk(new Phone("10.0.0.9:9000", 1), 5);
    assert.equal(leg.proven(), "10.0.0.9:9000");
  });

  test("five switches in ten seconds; the sixth waits for half a second of silence, and loses nothing", () => {
    const { leg, phone } = answered(usable, sdp);
    for (let turn = 1; turn <= 5; turn++) {
      phone.from = `192.0.2.${turn}:5000`;
      leg.wait(130);
      leg.talk(phone, 3);
      assert.equal(leg.proven(), phone.from);
    }
    phone.from = "192.0.2.6:5000";
    const from = phone.sequence;
    leg.talk(phone, 23);
    assert.equal(leg.proven(), "192.0.2.5:5000");
    leg.talk(phone, 10);
    assert.deepEqual([leg.proven(), leg.heard(phone.from)], [phone.from, run(from, 33)]);
    leg.wait(10_000);
    phone.from = "192.0.2.7:5000";
    leg.talk(phone, 5);
    assert.equal(leg.proven(), phone.from);
  });

  test("a stranger after proof: never, and strict knows no continuity", () => {
    const { leg } = answered(usable, sdp, 160);
    leg.wait(60_000);
    assert.deepEqual(tally(leg.talk(new Phone(elsewhere, 7), 500)), { stranger: 500 });
    const strict = answered({ ...usable, isStrict: true }, sdp);
    strict.phone.from = elsewhere;
    strict.leg.wait(1_000);
    assert.deepEqual(tally(strict.leg.talk(strict.phone, 5)), { unprovenSource: 5 });
  });

  test("new generation: an unknown IP with a new SSRC, as a first speaker once the old source is silent", () => {
    const { leg, phone } = answered(unusable, phoneAt, 200);
    leg.configure({ ...unusable, generation: 2 });
    const next = new Phone(elsewhere, 0x2000);
    for (let count = 0; count < 20; count++) {
      leg.send(next.next());
      assert.equal(leg.send(phone.next()), verdict.relay);
      leg.wait(20);
    }
    assert.equal(leg.proven(), phoneAt);
    leg.talk(next, 20);
    assert.deepEqual([leg.evidence(), leg.proven()], ["newGeneration", elsewhere]);
    assert.deepEqual(leg.heard(elsewhere), run(65_530, 40));
    const late = answered(unusable, phoneAt, 200).leg;
    late.configure({ ...unusable, generation: 2 }).wait(5_000);
    assert.equal(late.send(new Phone(elsewhere, 0x2000).next()), verdict.stranger);
    const lapsing = answered(unusable, phoneAt, 200).leg;
    lapsing.configure({ ...unusable, generation: 2 }).wait(4_950);
    lapsing.talk(new Phone(elsewhere, 0x2000), 2);
    lapsing.wait(200);
    assert.equal(lapsing.proven(), phoneAt);
  });

  test("new generation: a source that still fits is not displaced while it speaks; one that no longer fits is", () => {
    const moved: Wanted = {
      hints: [
        ["10.0.0.9:4000", "exact"],
        ["203.0.113.60:4000", "ip"],
      ],
      generation: 2,
    };
    const { leg, phone } = answered(usable, sdp, 200);
    leg.configure({ ...moved, target: "203.0.113.60:4000" });
    const next = new Phone("203.0.113.61:9000", 0x2000);
    for (let count = 0; count < 6; count++) {
      leg.send(phone.next());
      leg.send(next.next());
      leg.wait(20);
    }
    assert.deepEqual([leg.proven(), leg.evidence()], [next.from, "newGeneration"]);
  });

  test("new generation: an unknown IP waits for three seconds without the signalled source, not just beside it", () => {
    const { leg, phone } = answered(usable, sdp, 200);
    leg.configure({ ...usable, generation: 2 });
    const stranger = new Phone(elsewhere, 0x2000);
    for (let count = 0; count < 200; count++) {
      leg.send(stranger.next());
      assert.equal(leg.send(phone.next()), verdict.relay);
      leg.wait(20);
    }
    // A pause between two words.
    leg.talk(stranger, 30);
    assert.deepEqual([leg.proven(), leg.target(), leg.heard(elsewhere)], [sdp, sdp, []]);
  });

  test("new generation: who sprays cannot keep the moved stream out of the table", () => {
    const { leg, phone } = answered(unusable, phoneAt, 200);
    leg.configure({ ...unusable, generation: 2 });
    for (let network = 0; network < 8; network++)
      leg.send(new Phone(`198.18.${network}.1:9`, network).next());
    phone.from = elsewhere;
    const from = phone.sequence;
    leg.talk(phone, 20);
    assert.deepEqual(leg.heard(elsewhere), run(from, 20));
    assert.equal(leg.evidence(), "continuity");
  });

  test("new generation: one packet that carries the stream on is no rank for another stream", () => {
    const { leg, phone } = answered(usable, sdp, 200);
    leg.configure({ ...usable, generation: 2 });
    const thief = new Phone(elsewhere, phone.ssrc, 0, (phone.sequence + 10) & 0xffff);
    thief.timestamp = phone.timestamp;
    assert.equal(leg.send(thief.next()), verdict.hold);
    thief.ssrc = 0x2000;
    leg.talk(thief, 30);
    assert.deepEqual([leg.proven(), leg.heard(elsewhere)], [sdp, []]);
  });
});
