import assert from "node:assert/strict";
import { packetKind, verdict } from "../../../src/handover/contract.ts";
import { suite } from "../../support/suite.ts";
import { Leg, other, Phone, rtcp, tally, type Wanted } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const nat = "198.51.100.7:61000";
/** Behind a NAT. */
const home = "192.168.1.20:4000";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };

suite("handover: send target", (test) => {
  test("until proof: the signalled address, also before the party's answer", () => {
    const leg = new Leg().open(usable);
    assert.deepEqual([leg.target(0), leg.target(1)], [sdp, "198.51.100.7:4001"]);
    assert.equal(new Leg().open({ isSignalled: false }).target(), "-");
  });

  test("proof moves it to the source, and RTCP's one port above until RTCP is heard", () => {
    const leg = new Leg().open(usable);
    leg.talk(new Phone(nat), 1);
    assert.deepEqual([leg.target(0), leg.target(1)], [nat, "198.51.100.7:61001"]);
    assert.deepEqual(leg.targetChanges.includes(1), true);
    leg.send(rtcp("198.51.100.7:61005"));
    assert.equal(leg.target(1), "198.51.100.7:61005");
  });

  test("a source that is where SDP said leaves RTCP where SDP said", () => {
    const leg = new Leg()
      .open()
      .configure(usable, 0, { hints: [["198.51.100.8:9", "ip"]], target: "198.51.100.8:9" });
    leg.talk(new Phone(sdp), 1);
    assert.equal(leg.target(1), "198.51.100.8:9");
  });

  test("asymmetric: never moved by what is received, the source is proven all the same", () => {
    for (const wanted of [
      { ...usable, isAsymmetric: true },
      { ...usable, learningMode: 1 },
    ]) {
      const leg = new Leg().open(wanted);
      leg.send(other(nat, packetKind.keepalive));
      leg.talk(new Phone(nat), 2);
      leg.send(rtcp("198.51.100.7:61001"));
      assert.deepEqual([leg.proven(0), leg.proven(1)], [nat, "198.51.100.7:61001"]);
      assert.deepEqual([leg.target(0), leg.target(1)], [sdp, "198.51.100.7:4001"]);
      leg.configure({ ...wanted, target: "198.51.100.7:4010", generation: 2 });
      assert.equal(leg.target(), "198.51.100.7:4010");
    }
  });

  test("presence from a signalled IP sets it for a party that has sent no media, and is never relayed", () => {
    const packets = [
      other(nat, packetKind.keepalive),
      other(nat, packetKind.stun),
      rtcp(nat, 1, 201, 0),
      { ...new Phone(nat).next(), payloadType: 99 },
    ];
    for (const packet of packets) {
      const leg = new Leg().open(usable);
      assert.equal(leg.send(packet), verdict.consumed);
      assert.deepEqual([leg.target(0), leg.target(1)], [nat, "198.51.100.7:61001"]);
      assert.deepEqual([leg.proven(), leg.relayed.length], ["-", 0]);
      leg.configure(usable);
      assert.equal(leg.target(), nat, "an unchanged refresh keeps it");
      leg.configure({ ...usable, target: "198.51.100.7:4008", generation: 2 });
      assert.equal(leg.target(), "198.51.100.7:4008");
    }
  });

  test("presence from elsewhere, or after proof, sets nothing", () => {
    const leg = new Leg().open(usable);
    assert.equal(leg.send(other("203.0.113.5:1", packetKind.keepalive)), verdict.unprovenSource);
    assert.equal(leg.target(), sdp);
    leg.talk(new Phone(sdp), 1);
    leg.send(other(nat, packetKind.keepalive));
    assert.equal(leg.target(), sdp);
  });

  test("a keepalive from the proven source is consumed", () => {
    const leg = new Leg().open(usable);
    leg.talk(new Phone(sdp), 1);
    assert.equal(leg.send(other(sdp, packetKind.keepalive)), verdict.consumed);
  });

  test("hold keeps proof and target", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone(nat);
    leg.talk(phone, 10);
    leg.configure({ hints: [["0.0.0.0:4000", "exact"]], generation: 2 });
    leg.wait(20_000);
    assert.deepEqual([leg.proven(), leg.target()], [nat, nat]);
    leg.configure({ ...usable, generation: 3 });
    assert.deepEqual(tally(leg.talk(phone, 10)), { relay: 10 });
    assert.equal(leg.target(), nat);
  });

  test("a re-INVITE with a new port moves the target of a phone without NAT at once", () => {
    for (const use of ["ip", "exact"] as const) {
      const leg = new Leg().open({ ...usable, hints: [[sdp, use]] });
      leg.talk(new Phone(sdp), 3);
      leg.send(rtcp("198.51.100.7:4001"));
      const moved = "198.51.100.7:4020";
      leg.configure({ hints: [[moved, use]], target: moved, generation: 2 });
      assert.deepEqual([leg.target(0), leg.target(1), leg.proven()], [moved, "198.51.100.7:4021", sdp]);
    }
  });

  const moved = "203.0.113.40:5000";
  const again: Wanted = { hints: [[moved, "ip"]], target: moved, generation: 2 };

  test("a re-INVITE with a new usable address moves the target of a silent leg at once", () => {
    for (const source of [sdp, nat]) {
      const leg = new Leg().open(usable);
      leg.talk(new Phone(source), 3);
      leg.wait(200).configure(again);
      assert.deepEqual([leg.target(0), leg.target(1)], [moved, "203.0.113.40:5001"]);
    }
  });

  test("while the old place speaks on, the target stays; the new one has it with its first packet", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone(nat);
    leg.talk(phone, 100);
    leg.configure(again);
    leg.talk(phone, 25);
    assert.deepEqual([leg.target(0), leg.target(1)], [nat, "198.51.100.7:61001"]);
    phone.from = "203.0.113.40:61000";
    assert.equal(leg.send(phone.next()), verdict.relay);
    assert.deepEqual([leg.target(0), leg.target(1)], ["203.0.113.40:61000", "203.0.113.40:61001"]);
    assert.deepEqual(leg.replays, [`0 203.0.113.40:61000 ${leg.nowMs - 60}`]);
  });

  test("who was exactly where SDP said is believed within 200 ms, and has everything since then", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone(sdp);
    leg.talk(phone, 100);
    leg.send(rtcp("198.51.100.7:4001"));
    leg.configure(again);
    const since = leg.nowMs;
    leg.talk(phone, 9);
    assert.deepEqual([leg.target(0), leg.target(1)], [sdp, "198.51.100.7:4001"]);
    leg.talk(phone, 50);
    assert.deepEqual([leg.target(0), leg.target(1)], [moved, "203.0.113.40:5001"]);
    assert.deepEqual([leg.proven(), leg.replays], [sdp, [`0 ${moved} ${since}`]]);
  });

  test("or with the hold time, when the old place falls silent before", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone(sdp);
    leg.talk(phone, 100);
    leg.configure(again);
    leg.talk(phone, 2);
    leg.wait(40);
    assert.deepEqual([leg.target(), leg.replays.length], [moved, 1]);
  });

  test("or when the new place is heard by a keepalive or a report", () => {
    for (const packet of [other(moved, packetKind.keepalive), rtcp("203.0.113.40:5001", 0x7000, 201)]) {
      const leg = new Leg().open(usable);
      const phone = new Phone(sdp);
      leg.talk(phone, 100);
      leg.configure(again);
      leg.send(packet);
      assert.equal(leg.target(), moved);
      leg.talk(phone, 50);
      assert.equal(leg.target(), moved);
    }
  });

  test("a guess behind a NAT waits for 200 ms of silence, and 3 s at the longest for a place that never speaks", () => {
    const behind: Wanted = {
      hints: [
        [home, "exact"],
        [moved, "ip"],
      ],
      target: moved,
      generation: 2,
    };
    for (const [source, wanted] of [
      [sdp, behind],
      [nat, behind],
      [nat, again],
    ] as const) {
      const leg = new Leg().open(usable);
      const phone = new Phone(source);
      leg.talk(phone, 100);
      leg.configure(wanted);
      leg.talk(phone, 100);
      assert.equal(leg.target(), source);
      leg.wait(179);
      assert.equal(leg.target(), source);
      leg.wait(1);
      assert.deepEqual([leg.target(), leg.replays], [moved, []]);
      const endless = new Leg().open(usable);
      const voice = new Phone(source);
      endless.talk(voice, 100);
      endless.configure(wanted);
      endless.talk(voice, 300);
      assert.equal(endless.target(), source);
    }
  });

  test("SDP that names the old place again, or none, ends the wait", () => {
    for (const back of [
      { ...usable, generation: 3 },
      { hints: [["0.0.0.0:4000", "exact"]], generation: 3 },
    ] as const) {
      const leg = new Leg().open(usable);
      const phone = new Phone(sdp);
      leg.talk(phone, 100);
      leg.configure(again).configure(back);
      leg.talk(phone, 50);
      assert.equal(leg.target(), sdp);
    }
  });

  test("a re-INVITE from behind NAT, port or private address new, leaves the proven target", () => {
    for (const again of [
      { hints: [["198.51.100.7:4008", "ip"]], target: "198.51.100.7:4008" },
      { hints: [["10.0.0.5:4000", "exact"]], target: "10.0.0.5:4000" },
    ] as const) {
      const leg = new Leg().open(usable);
      const phone = new Phone(nat);
      leg.talk(phone, 3);
      leg.configure({ ...again, generation: 2 });
      leg.talk(phone, 400);
      assert.deepEqual([leg.target(), leg.proven(), leg.heard(nat).length], [nat, nat, 403]);
    }
  });

  test("a trunk's re-INVITE does not unlearn the place its media comes from", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone("198.51.100.9:8000");
    leg.talk(phone, 200);
    leg.configure({ ...usable, generation: 2 });
    leg.wait(0);
    assert.deepEqual(tally(leg.talk(phone, 300)), { relay: 300 });
    assert.equal(leg.target(), phone.from);
  });

  // Media for the party waits in the relay while it has no target (heldPacketsPerEgressMax).
  test("a private address that is none of ours has 300 ms to speak before it is sent to", () => {
    for (const hints of [
      [[home, "exact"]],
      [
        [home, "exact"],
        ["198.51.100.7:4000", "ip"],
      ],
    ] as const) {
      const leg = new Leg().open({ hints, target: hints.length === 1 ? home : sdp });
      assert.equal(leg.target(), "-");
      leg.wait(299);
      assert.equal(leg.target(), "-");
      leg.wait(1);
      assert.equal(leg.target(), hints.length === 1 ? home : sdp);
    }
  });

  test("again with each SDP of either party, until it has spoken", () => {
    const behindNat: Wanted = { hints: [[home, "exact"]], target: home };
    const leg = new Leg().open(behindNat).wait(5_000);
    assert.equal(leg.target(), home);
    leg.configure(behindNat);
    assert.equal(leg.target(), "-");
    leg.talk(new Phone(nat), 6);
    assert.deepEqual([leg.target(), leg.proven()], [nat, nat]);
    leg.configure({ ...behindNat, generation: 2 }).wait(5_000);
    assert.equal(leg.target(), nat);
  });

  test("a phone that is where its private SDP says is sent to with its first packet", () => {
    const leg = new Leg().open({ hints: [[home, "exact"]], target: home });
    leg.talk(new Phone(home), 1);
    assert.equal(leg.target(), home);
  });

  test("a keepalive ends the wait, and asymmetric legs do not have it", () => {
    const leg = new Leg().open({
      hints: [
        [home, "exact"],
        [sdp, "ip"],
      ],
      target: sdp,
    });
    leg.send(other(nat, packetKind.keepalive));
    leg.wait(1_000);
    assert.equal(leg.target(), nat);
    assert.equal(
      new Leg().open({ hints: [[home, "exact"]], target: home, isAsymmetric: true }).target(),
      home,
    );
  });

  test("private addresses of our networks, public ones and this machine's are sent to at once", () => {
    for (const [at, use] of [
      [home, "ip"],
      [home, "expected"],
      [sdp, "exact"],
      ["127.0.0.1:4000", "exact"],
    ] as const) {
      assert.equal(new Leg().open({ hints: [[at, use]], target: at }).target(), at);
    }
  });
});
