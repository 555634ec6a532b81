/** What a stranger may not make of the policy's memory: to keep the party out, or to have the leg in its name. */
import assert from "node:assert/strict";
import {
  authResult,
  PacketFacts,
  packetKind,
  type Verdict,
  verdict,
} from "../../../src/handover/contract.ts";
import { suite } from "../../support/suite.ts";
import { endpointWords, Leg, other, type Packet, Phone, run, tally, type Wanted } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };
const unusable: Wanted = { hints: [["10.0.0.5:4000", "exact"]], target: "10.0.0.5:4000" };
const moved = "192.0.2.30:5500";

/** One packet from an address that nobody has. */
function forged(count: number): Packet {
  const from = `${11 + (count % 80)}.${count % 251}.0.9:${1_024 + (count % 60_000)}`;
  return new Phone(from, 0x10000 + count, 0, (977 * count) & 0xffff).next();
}

/** A phone that spoke where SDP said, and goes on elsewhere. */
function afterMove(speaksMs: number): { readonly leg: Leg; readonly phone: Phone } {
  const leg = new Leg().open(usable);
  const phone = new Phone(sdp);
  leg.talk(phone, 200);
  phone.from = moved;
  leg.talk(phone, speaksMs / 20);
  assert.equal(leg.proven(), moved);
  return { leg, phone };
}

function factsOf(from: string, packet: Partial<Packet> = {}): PacketFacts {
  const [ip0 = 0, ip1 = 0, ip2 = 0, ip3 = 0, port = 0] = endpointWords(from);
  return Object.assign(new PacketFacts(), packet, { slot: 0, ip0, ip1, ip2, ip3, port });
}

suite("handover: no table is a lever", (test) => {
  test("single packets from forged addresses fill the table, and the phone finds room", () => {
    for (const wanted of [unusable, { ...unusable, isSignalled: false }]) {
      const leg = new Leg().open(wanted);
      const phone = new Phone(moved);
      let count = 0;
      const flood = (packets: number): void => {
        for (let sent = 0; sent < packets; sent++) leg.send(forged(++count));
      };
      flood(50);
      const outcomes: Verdict[] = [];
      for (let sent = 0; sent < 40; sent++) {
        outcomes.push(leg.send(phone.next()));
        leg.wait(7);
        flood(2);
        leg.wait(13);
      }
      const { tableFull = 0 } = tally(outcomes);
      assert.ok(tableFull <= 5, `${tableFull} packets of the phone found no room`);
      assert.equal(leg.proven(), wanted.isSignalled === false ? "-" : moved);
    }
  });

  test("whoever goes on does not give way to one as likely", () => {
    const leg = new Leg().open({ ...unusable, isSignalled: false });
    const phones = Array.from(
      { length: 8 },
      (_, index) => new Phone(`192.0.${index}.1:4000`, 0x2000 + index),
    );
    for (let sent = 0; sent < 20; sent++) {
      for (const phone of phones) assert.equal(leg.send(phone.next()), verdict.hold);
      assert.equal(leg.send(forged(sent)), verdict.tableFull);
      leg.wait(60);
    }
  });
});

suite("handover: the place that the phone has left", (test) => {
  test("forged from there with another stream while the phone is mute: the phone goes on where it is", () => {
    for (const speaksMs of [1_000, 5_000]) {
      for (const muteMs of [300, 900, 4_000]) {
        const { leg, phone } = afterMove(speaksMs);
        leg.wait(250);
        leg.send(new Phone(sdp, 0x666).next());
        leg.wait(muteMs - 250);
        const first = phone.sequence;
        leg.talk(phone, 50);
        assert.deepEqual([leg.proven(), leg.target()], [moved, moved]);
        assert.deepEqual(leg.heard(moved).slice(-50), run(first, 50));
      }
    }
  });

  test("the stream that was forged from there does not take the leg while the phone speaks", () => {
    const { leg, phone } = afterMove(5_000);
    leg.wait(250);
    const thief = new Phone(sdp, 0x666);
    leg.send(thief.next());
    leg.wait(4_000);
    leg.talk(phone, 200);
    for (let sent = 0; sent < 50; sent++) {
      assert.notEqual(leg.send(thief.next()), verdict.relay);
      leg.wait(5);
      assert.equal(leg.send(phone.next()), verdict.relay);
      leg.wait(15);
    }
    assert.equal(leg.target(), moved);
  });

  test("its queue is sent late: the phone is not kept out by numbers of its own", () => {
    for (const [speaksMs, paceMs] of [
      [700, 20],
      [2_500, 20],
      [1_000, 2],
      [5_000, 2],
    ] as const) {
      const leg = new Leg().open(usable);
      const phone = new Phone(sdp);
      leg.talk(phone, 4_000 / paceMs, 0, paceMs);
      const queue = [phone.next(), phone.next(), phone.next()];
      phone.from = moved;
      leg.talk(phone, speaksMs / paceMs, 0, paceMs);
      for (const packet of queue) leg.send(packet);
      const first = phone.sequence;
      const packets = 1_000 / paceMs;
      leg.talk(phone, packets, 0, paceMs);
      assert.deepEqual([leg.proven(), leg.target()], [moved, moved]);
      assert.deepEqual(leg.heard(moved).slice(-packets), run(first, packets));
    }
  });

  test("a stranger's stream that had the leg is not carried on once the phone is back", () => {
    const leg = new Leg().open(unusable);
    const phone = new Phone(moved);
    leg.talk(phone, 250);
    leg.configure({ ...unusable, generation: 2 });
    leg.wait(300);
    const stranger = new Phone("203.0.113.66:6666", 0x666);
    leg.talk(stranger, 10);
    assert.equal(leg.proven(), stranger.from);
    leg.talk(phone, 300);
    assert.equal(leg.proven(), moved);
    leg.wait(400);
    leg.talk(stranger, 100);
    stranger.from = "203.0.113.67:6666";
    leg.talk(stranger, 100);
    assert.equal(leg.proven(), moved);
  });
});

suite("handover: the private place that SDP names", (test) => {
  const inside = "10.1.1.5:4000";
  const natted: Wanted = {
    hints: [
      [inside, "exact"],
      [sdp, "ip"],
    ],
    target: sdp,
  };

  test("forged from there, while the phone speaks or pauses: it goes on where it is", () => {
    for (const at of ["198.51.100.7:4444", moved]) {
      for (const muteMs of [0, 400, 1_000, 4_000]) {
        const leg = new Leg().open(natted);
        const phone = new Phone("198.51.100.7:4444");
        leg.talk(phone, 250);
        phone.from = at;
        leg.talk(phone, 50);
        leg.wait(muteMs / 2);
        const outcome = leg.send(new Phone(inside, 0x666).next());
        if (muteMs === 0) assert.equal(outcome, verdict.hold);
        leg.wait(muteMs / 2);
        const first = phone.sequence;
        leg.talk(phone, 50);
        assert.deepEqual([leg.proven(), leg.target()], [at, at]);
        assert.deepEqual(leg.heard(at).slice(-50), run(first, 50));
      }
    }
  });

  test("a phone that does speak from there is heard at once, as long as nobody else did", () => {
    const leg = new Leg().open(natted);
    assert.equal(leg.send(new Phone(inside).next()), verdict.relay);
    assert.deepEqual([leg.proven(), leg.evidence()], [inside, "signalled"]);
  });
});

suite("handover: keys, and what is said without one", (test) => {
  test("keepalives forged from the old place do not keep a party that shows its key from moving", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone(sdp);
    const speak = (): void => {
      const packet = phone.next();
      const facts = factsOf(packet.from, packet);
      Object.assign(facts, { auth: authResult.verified, isNewest: true, tagBits: 80 });
      assert.equal(leg.policy.packet(facts, leg.nowMs), verdict.relay);
    };
    for (let sent = 0; sent < 50; sent++) {
      speak();
      leg.wait(20);
    }
    phone.from = moved;
    for (let sent = 0; sent < 10; sent++) {
      assert.equal(leg.send(other(sdp, packetKind.keepalive)), verdict.consumed);
      speak();
      leg.wait(20);
    }
    assert.deepEqual([leg.proven(), leg.target()], [moved, moved]);
  });

  test("a check of ICE or a handshake says nothing of the packet that was judged before it", () => {
    const words = { streamCount: 14 };
    for (const prove of ["iceCheck", "dtlsVerified"] as const) {
      const leg = new Leg().open({ ...usable, hasIce: true });
      const facts = factsOf(moved, new Phone(sdp).next());
      if (prove === "iceCheck") leg.policy.iceCheck(facts, true, leg.nowMs);
      else leg.policy.dtlsVerified(facts, leg.nowMs);
      assert.equal(leg.evidence(), "cryptographic");
      assert.equal(new Int32Array(leg.policy.copyOut(0).buffer)[words.streamCount], 0);
    }
  });

  test("what waited in clear goes when the proven source shows a key", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone(sdp);
    leg.talk(phone, 100);
    const thief = phone.forge("203.0.113.66:6666", 3);
    assert.equal(leg.send(thief.next()), verdict.hold);
    const packet = phone.next();
    const facts = factsOf(sdp, packet);
    Object.assign(facts, { auth: authResult.verified, isNewest: true, tagBits: 80 });
    leg.policy.packet(facts, leg.nowMs);
    leg.wait(900);
    assert.deepEqual([leg.proven(), leg.heldCount()], [sdp, 0]);
    assert.deepEqual(leg.heard(thief.from), []);
  });
});

suite("handover: a leg that falls vacant", (test) => {
  test("who was heard while the old source still had it need not start again", () => {
    const leg = new Leg().open(usable);
    leg.talk(new Phone(sdp), 200);
    const renamed = "203.0.113.80:4000";
    leg.configure({ hints: [[renamed, "ip"]], target: renamed, generation: 2 });
    const trunk = new Phone("192.0.2.99:6000", 0x2000);
    leg.wait(200);
    const outcomes = tally(leg.talk(trunk, 200));
    assert.equal(leg.proven(), trunk.from);
    assert.deepEqual(outcomes, { hold: 150, relay: 50 });
  });
});
