/** A phone whose leg was taken while it paused speaks again where it is: it has the leg again, and keeps it. */
import assert from "node:assert/strict";
import { packetKind, verdict } from "../../../src/handover/contract.ts";
import { suite } from "../../support/suite.ts";
import { Leg, other, Phone, run, tally, type Wanted } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const nat = "198.51.100.7:61000";
const neighbour = "198.51.100.7:50500";
const elsewhere = "192.0.2.30:5500";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };

function answered(wanted: Wanted = usable, from = nat, packets = 50): { leg: Leg; phone: Phone } {
  const leg = new Leg().open(wanted);
  const phone = new Phone(from);
  leg.talk(phone, packets);
  return { leg, phone };
}

/** Both speak at their own pace for so long; where media for the phone went meanwhile. */
function together(
  leg: Leg,
  phone: Phone,
  thief: Phone,
  thiefPaceMs: number,
  durationMs: number,
): Set<string> {
  const targets = new Set<string>();
  for (let elapsedMs = 0; elapsedMs < durationMs; elapsedMs++) {
    if (elapsedMs % 20 === 0) leg.send(phone.next());
    if (elapsedMs % thiefPaceMs === 1) leg.send(thief.next());
    targets.add(leg.target());
    leg.wait(1);
  }
  return targets;
}

suite("handover: the source before speaks on", (test) => {
  test("after a pause the phone is back with its first packet, and the pace of who spoke meanwhile gives him nothing", () => {
    for (const thiefPaceMs of [2, 5, 10, 50]) {
      const { leg, phone } = answered();
      leg.wait(1_700);
      const thief = phone.forge(elsewhere);
      leg.talk(thief, 60, 0, thiefPaceMs);
      assert.equal(leg.proven(), elsewhere);
      const from = phone.sequence;
      assert.deepEqual(together(leg, phone, thief, thiefPaceMs, 2_000), new Set([nat]));
      assert.deepEqual(leg.heard(nat).slice(-100), run(from, 100));
    }
  });

  test("minutes later too: its own pace is remembered with it", () => {
    const { leg, phone } = answered();
    leg.wait(500);
    const thief = phone.forge(elsewhere);
    leg.talk(thief, 2_000, 0, 5);
    assert.equal(leg.proven(), elsewhere);
    assert.deepEqual(together(leg, phone, thief, 5, 1_000), new Set([nat]));
  });

  test("numbers that do not fit the time were skipped: nothing of the phone was on its way", () => {
    for (const [silenceMs, ahead] of [
      [60, 14],
      [1_000, 14],
      [2_000, 3],
    ] as const) {
      const { leg, phone } = answered();
      leg.wait(silenceMs);
      const thief = phone.forge(elsewhere, ahead);
      leg.talk(thief, 8);
      assert.equal(leg.proven(), elsewhere);
      assert.equal(leg.send(phone.next()), verdict.relay);
      assert.deepEqual([leg.proven(), leg.target()], [nat, nat], `${silenceMs} ms, ${ahead} ahead`);
    }
  });

  test("numbers that do fit: what comes at the phone's pace is the phone, within a hold time and a packet", () => {
    const { leg, phone } = answered();
    leg.wait(100);
    const thief = phone.forge(elsewhere, 5);
    leg.talk(thief, 3);
    const from = phone.sequence;
    assert.equal(leg.send(phone.next()), verdict.relay);
    assert.equal(leg.proven(), elsewhere, "it may have been on its way");
    leg.wait(20);
    leg.talk(phone, 2);
    assert.deepEqual([leg.proven(), leg.target()], [nat, nat]);
    assert.deepEqual(together(leg, phone, thief, 10, 1_000), new Set([nat]));
    assert.deepEqual(leg.heard(nat).slice(-53), run(from, 53));
  });

  test("what was on its way comes together: the phone stays where it is now", () => {
    const { leg, phone } = answered();
    const late = Array.from({ length: 8 }, () => phone.next());
    leg.wait(150);
    phone.from = elsewhere;
    leg.talk(phone, 8);
    for (const packet of late) {
      assert.equal(leg.send(packet), verdict.relay);
      leg.wait(3);
    }
    assert.deepEqual(tally(leg.talk(phone, 30)), { relay: 30 });
    assert.deepEqual([leg.proven(), leg.target()], [elsewhere, elsewhere]);
    assert.equal(leg.notes.includes("0 rolledBack continuity"), false);
  });

  test("behind one NAT: a packet of a neighbour after a re-INVITE has the leg until the phone speaks, under strict as well", () => {
    for (const isStrict of [false, true]) {
      for (const from of [nat, sdp]) {
        for (const muteMs of [200, 2_000]) {
          const { leg, phone } = answered({ ...usable, isStrict }, from);
          leg.configure({ ...usable, isStrict, generation: 2 }).wait(200);
          const robber = new Phone(neighbour, 0x2000);
          assert.equal(leg.send(robber.next()), verdict.relay);
          assert.equal(leg.proven(), neighbour);
          leg.wait(muteMs);
          const first = phone.sequence;
          assert.deepEqual(together(leg, phone, robber, 10, 1_000), new Set([from]));
          assert.deepEqual(leg.heard(from).slice(-50), run(first, 50));
        }
      }
    }
  });

  test("strict: what signalling does not name does not come back", () => {
    const { leg, phone } = answered();
    for (const place of [elsewhere, "192.0.2.99:9000"]) {
      phone.from = place;
      leg.talk(phone, 200);
    }
    leg.configure({ ...usable, isStrict: true });
    phone.from = elsewhere;
    assert.deepEqual(tally(leg.talk(phone, 20)), { unprovenSource: 20 });
    assert.equal(leg.proven(), "192.0.2.99:9000");
  });

  test("once it is back, a packet ahead of the phone's has to wait for the phone's own silence", () => {
    const { leg, phone } = answered();
    leg.wait(500);
    leg.talk(phone.forge(elsewhere), 100, 0, 5);
    for (let count = 0; count < 20; count++) {
      assert.equal(leg.send(phone.next()), verdict.relay);
      leg.send(phone.forge(`192.0.2.${100 + count}:7`, 5).next());
      leg.wait(22);
      assert.deepEqual([leg.proven(), leg.target()], [nat, nat]);
    }
  });

  test("robbed in one pause after the other: its own numbers count, not those that were claimed for it", () => {
    const { leg, phone } = answered();
    for (const lair of [elsewhere, "192.0.2.77:7"]) {
      leg.wait(100);
      leg.talk(phone.forge(lair, 5), 60);
      leg.talk(phone, 3);
      assert.equal(leg.proven(), nat);
      leg.talk(phone, 10);
      leg.wait(100);
      leg.talk(phone.forge("192.0.2.88:8", 5), 3);
      leg.talk(phone, 4);
      assert.equal(leg.proven(), nat);
    }
  });

  test("the exact place has the leg at once from one that signalling names by its address, with another stream too", () => {
    const { leg } = answered(usable, sdp);
    leg.configure({ ...usable, generation: 2 }).wait(200);
    leg.talk(new Phone(neighbour, 0x2000), 3);
    assert.equal(leg.proven(), neighbour);
    assert.equal(leg.send(new Phone(sdp, 0x3000).next()), verdict.relay);
    assert.deepEqual([leg.proven(), leg.target()], [sdp, sdp]);
  });

  test("who had the leg in the pause, through how many places ever, has no claim to it once the phone is back", () => {
    const { leg, phone } = answered();
    leg.wait(500);
    const thief = phone.forge(elsewhere);
    const lairs = [elsewhere, "192.0.2.31:6000", "192.0.2.32:7000"];
    for (const lair of lairs) {
      thief.from = lair;
      leg.talk(thief, 200);
    }
    leg.talk(phone, 1);
    for (const lair of lairs) {
      thief.from = lair;
      assert.deepEqual(together(leg, phone, thief, 10, 300), new Set([nat]), lair);
    }
  });

  test("copies of what the phone said, minutes after he had the leg, make nobody its other path", () => {
    const { leg, phone } = answered();
    leg.wait(500);
    leg.talk(phone.forge(elsewhere), 200);
    leg.talk(phone, 250);
    for (let count = 0; count < 50; count++) {
      const packet = phone.next();
      leg.send(packet);
      leg.wait(10);
      assert.equal(leg.send({ ...packet, from: elsewhere }), verdict.outsideWindow);
      leg.wait(10);
    }
    assert.equal(leg.notes.includes("0 twin continuity"), false);
  });

  test("a stray from the new address does not take the leg: it has to speak after the source it replaces", () => {
    const moved = "203.0.113.40:5000";
    for (const stray of ["203.0.113.40:46586", moved]) {
      const both: Wanted = {
        hints: [
          [sdp, "ip"],
          [moved, "ip"],
        ],
        target: sdp,
        generation: 2,
      };
      const { leg, phone } = answered(usable, sdp);
      leg.configure(both);
      assert.equal(leg.send(new Phone(stray, 0x2000).next()), verdict.hold);
      leg.talk(phone, 20);
      leg.wait(400);
      assert.deepEqual([leg.proven(), leg.target()], [sdp, sdp]);
    }
  });
});

suite("handover: what is spoofed before the phone is known", (test) => {
  test("a flood of strays does not fill the table: whoever goes on has a place", () => {
    for (const strayPaceMs of [1_000, 100, 10, 5]) {
      const leg = new Leg().open({ isSignalled: false });
      const phone = new Phone(nat);
      let strays = 0;
      const flood = (durationMs: number): void => {
        for (let elapsedMs = 0; elapsedMs < durationMs; elapsedMs++) {
          if (elapsedMs % Math.min(strayPaceMs, durationMs) === 0) {
            leg.send(new Phone(`${20 + (strays % 200)}.${strays >> 8}.0.1:5000`, strays++).next());
          }
          leg.wait(1);
        }
      };
      for (let count = 0; count < 8; count++) leg.send(new Phone(`10.${count}.0.1:5000`, 7).next());
      flood(100);
      const first = phone.sequence;
      for (let count = 0; count < 25; count++) {
        assert.equal(leg.send(phone.next()), verdict.hold, `${strayPaceMs} ms`);
        flood(20);
      }
      leg.configure(usable).wait(0);
      assert.deepEqual(leg.heard(nat), run(first, 25));
    }
  });

  test("RTCP's keepalives from where RTP is no more say nothing: it follows RTP", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone(nat);
    const keepalive = other(`198.51.100.7:61001`, packetKind.keepalive, 1);
    leg.talk(phone, 50);
    assert.equal(leg.send(keepalive), verdict.consumed);
    phone.from = elsewhere;
    leg.talk(phone, 20);
    assert.equal(leg.target(1), "192.0.2.30:5501");
    leg.send(keepalive);
    assert.equal(leg.target(1), "192.0.2.30:5501");
  });
});
