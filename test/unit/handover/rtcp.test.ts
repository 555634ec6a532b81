import assert from "node:assert/strict";
import { verdict } from "../../../src/handover/contract.ts";
import { suite } from "../../support/suite.ts";
import { Leg, Phone, rtcp, rtcpOf, tally, type Wanted } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };
const unusable: Wanted = { hints: [["10.0.0.5:4000", "exact"]], target: "10.0.0.5:4000" };
const phoneAt = "203.0.113.9:7000";
const nat = "198.51.100.7:61000";

suite("handover: RTCP", (test) => {
  test("from the signalled address, exact or by its IP, at once", () => {
    for (const from of ["198.51.100.7:4001", "198.51.100.7:9999"]) {
      const leg = new Leg().open(usable);
      assert.equal(leg.send(rtcp(from)), verdict.relay);
      assert.deepEqual([leg.proven(1), leg.evidence(1), leg.target(1)], [from, "signalled", from]);
      assert.equal(leg.proven(0), "-");
    }
  });

  test("from the IP that RTP is proven for: a known SSRC, or the port above", () => {
    for (const [from, ssrc, outcome] of [
      ["203.0.113.9:7001", 0x9999, verdict.relay],
      ["203.0.113.9:8888", 0x1000, verdict.relay],
      ["203.0.113.9:8888", 0x9999, verdict.unprovenSource],
      ["203.0.113.10:7001", 0x1000, verdict.unprovenSource],
    ] as const) {
      const leg = new Leg().open(unusable);
      leg.talk(new Phone(phoneAt), 6);
      assert.equal(leg.send(rtcp(from, ssrc)), outcome, `${from} ${ssrc}`);
      assert.equal(leg.evidence(1), outcome === verdict.relay ? "firstSpeaker" : "none");
    }
  });

  test("from the usable IP a report is asked for; from the exact place anything will do", () => {
    for (const type of [203, 204, 205, 206]) {
      const leg = new Leg().open(usable);
      assert.equal(leg.send(rtcp("198.51.100.7:9999", 0x1000, type)), verdict.unprovenSource);
      assert.equal(leg.proven(1), "-");
      assert.equal(leg.send(rtcp("198.51.100.7:4001", 0x1000, type)), verdict.relay);
      assert.equal(leg.proven(1), "198.51.100.7:4001");
    }
  });

  test("the exact place yields once RTP has gone on from another IP, and comes back with RTP", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone(sdp);
    leg.talk(phone, 100);
    assert.equal(leg.send(rtcp("198.51.100.7:4001")), verdict.relay);
    phone.from = phoneAt;
    leg.talk(phone, 10);
    assert.equal(leg.target(1), "203.0.113.9:7001");
    assert.equal(leg.send(rtcp("203.0.113.9:7009")), verdict.relay);
    assert.deepEqual([leg.proven(1), leg.target(1)], ["203.0.113.9:7009", "203.0.113.9:7009"]);
    assert.equal(leg.send(rtcp("198.51.100.7:4001")), verdict.unprovenSource);
    assert.equal(leg.target(1), "203.0.113.9:7009");
    phone.from = sdp;
    leg.talk(phone, 2);
    assert.equal(leg.send(rtcp("198.51.100.7:4001")), verdict.relay);
    assert.equal(leg.target(1), "198.51.100.7:4001");
  });

  test("the exact place of a party whose RTP never came from there does not yield", () => {
    const leg = new Leg()
      .open()
      .configure(usable, 0, { hints: [["198.51.100.8:9", "exact"]], target: "198.51.100.8:9" });
    const phone = new Phone(sdp);
    leg.talk(phone, 100);
    leg.send(rtcp("198.51.100.8:9"));
    phone.from = phoneAt;
    leg.talk(phone, 10);
    assert.deepEqual([leg.proven(0), leg.proven(1)], [phoneAt, "198.51.100.8:9"]);
  });

  test("reports that came before RTP was proven go out with its proof", () => {
    const leg = new Leg().open(unusable);
    const phone = new Phone(phoneAt);
    assert.equal(leg.send(rtcp("203.0.113.9:7001")), verdict.hold);
    assert.equal(leg.send(rtcp("192.0.2.66:7001")), verdict.hold);
    leg.talk(phone, 6);
    assert.deepEqual(leg.heard("203.0.113.9:7001").length, 1);
    assert.deepEqual(leg.heard("192.0.2.66:7001"), []);
    assert.equal(leg.heldCount(), 0);
  });

  test("early reports wait for the answer", () => {
    const leg = new Leg().open({ isSignalled: false });
    assert.equal(leg.send(rtcp("198.51.100.7:4001")), verdict.hold);
    leg.configure(usable).wait(0);
    assert.equal(leg.heard("198.51.100.7:4001").length, 1);
  });

  test("BYE, APP and feedback of unproven sources are dropped, before and after the answer", () => {
    for (const type of [203, 204, 205, 206]) {
      const leg = new Leg().open({ isSignalled: false });
      assert.equal(leg.send(rtcp("203.0.113.9:7001", 0x1000, type)), verdict.unprovenSource);
      leg.configure(unusable);
      leg.talk(new Phone(phoneAt), 6);
      assert.equal(leg.send(rtcp("203.0.113.9:7001", 0x1000, type)), verdict.unprovenSource);
    }
  });

  test("it never moves RTP, and alone never its own path to a new IP", () => {
    const leg = new Leg().open(unusable);
    leg.talk(new Phone(phoneAt), 6);
    leg.send(rtcp("203.0.113.9:7001"));
    for (let count = 0; count < 20; count++) {
      assert.equal(leg.send(rtcp("192.0.2.66:7001")), verdict.unprovenSource);
      assert.equal(leg.send(rtcp("192.0.2.66:7000", 0x1000, 200, 0)), verdict.unprovenSource);
      leg.wait(1_000);
    }
    assert.deepEqual([leg.proven(0), leg.proven(1), leg.target(0)], [phoneAt, "203.0.113.9:7001", phoneAt]);
  });

  /** A party that is heard by its reports only; its last one came just now. */
  function listening(isMux = false, place = phoneAt): Leg {
    const leg = new Leg().open({ ...unusable, isMux });
    leg.talk(new Phone(place), 200);
    for (let count = 0; count < 5; count++) {
      leg.wait(5_000);
      leg.send(isMux ? rtcp(place, 0x1000, 201, 0) : rtcp("203.0.113.9:7001", 0x1000, 201));
    }
    leg.hasReceipts = true;
    return leg;
  }

  test("receipts: a listener that moved is sent to at its new place once the old one was silent for eight seconds", () => {
    const leg = listening();
    leg.wait(3_000);
    assert.equal(leg.send(rtcp("192.0.2.30:5501", 0x1000, 201)), verdict.consumed);
    leg.wait(4_999);
    assert.deepEqual([leg.target(0), leg.target(1)], [phoneAt, "203.0.113.9:7001"]);
    leg.wait(1);
    assert.deepEqual([leg.target(0), leg.target(1)], ["192.0.2.30:5500", "192.0.2.30:5501"]);
    assert.deepEqual([leg.proven(0), leg.proven(1)], [phoneAt, "192.0.2.30:5501"]);
    assert.equal(leg.send(rtcp("192.0.2.30:5501", 0x1000, 201)), verdict.relay);
  });

  test("receipts: the old place brings everything back with its next packet, RTP or report", () => {
    for (const packet of [new Phone(phoneAt).next(), rtcp("203.0.113.9:7001", 0x1000, 201)]) {
      const leg = listening();
      leg.wait(3_000);
      leg.send(rtcp("192.0.2.30:5501", 0x1000, 201));
      leg.wait(6_000);
      assert.equal(leg.target(0), "192.0.2.30:5500");
      assert.equal(leg.send(packet), verdict.relay);
      assert.equal(leg.target(0), phoneAt);
    }
  });

  test("receipts: under rtcp-mux the new place is where the report came from", () => {
    const leg = listening(true);
    leg.wait(3_000);
    assert.equal(leg.send(rtcp("192.0.2.30:5500", 0x1000, 201, 0)), verdict.consumed);
    leg.wait(5_000);
    assert.deepEqual([leg.target(0), leg.proven(0)], ["192.0.2.30:5500", phoneAt]);
    leg.send(rtcp(phoneAt, 0x1000, 201, 0));
    assert.equal(leg.target(0), phoneAt);
  });

  test("receipts: no gain while the listener reports, whoever forges them", () => {
    const leg = listening();
    for (let second = 0; second < 60; second++) {
      if (second % 6 === 5) leg.send(rtcp("203.0.113.9:7001", 0x1000, 201));
      assert.notEqual(leg.send(rtcp("192.0.2.30:5501", 0x1000, 201)), verdict.relay);
      leg.wait(1_000);
    }
    assert.deepEqual(
      [leg.target(0), leg.target(1), leg.proven(1)],
      [phoneAt, "203.0.113.9:7001", "203.0.113.9:7001"],
    );
  });

  test("receipts: nothing without one, from a party that speaks or never reported, under strict, ICE or asymmetric", () => {
    const report = rtcp("192.0.2.30:5501", 0x1000, 201);
    const silent = listening();
    silent.hasReceipts = false;
    const speaking = listening();
    const phone = new Phone(phoneAt);
    const unheard = new Leg().open(unusable);
    unheard.hasReceipts = true;
    unheard.talk(new Phone(phoneAt), 200);
    for (const leg of [silent, speaking, unheard]) {
      for (let second = 0; second < 10; second++) {
        leg.send(report);
        if (leg === speaking) leg.talk(phone, 50);
        else leg.wait(1_000);
      }
      assert.deepEqual([leg.target(0), leg.proven(0)], [phoneAt, phoneAt]);
    }
    for (const wanted of [{ isStrict: true }, { hasIce: true }, { isAsymmetric: true }]) {
      const leg = new Leg().open({ ...usable, ...wanted });
      leg.talk(new Phone(sdp), 10);
      leg.send(rtcp("198.51.100.7:4001", 0x1000, 201));
      leg.hasReceipts = true;
      const before = leg.target();
      leg.wait(3_000);
      leg.send(report);
      leg.wait(10_000);
      assert.equal(leg.target(), before);
    }
  });

  test("a NAT that gives it another port is followed", () => {
    const leg = new Leg().open(unusable);
    leg.talk(new Phone(phoneAt), 6);
    leg.send(rtcp("203.0.113.9:7001"));
    assert.equal(leg.send(rtcp("203.0.113.9:7099")), verdict.relay);
    assert.equal(leg.target(1), "203.0.113.9:7099");
  });

  test("when RTP moves to another IP, RTCP's old source goes and its target follows", () => {
    const leg = new Leg().open(unusable);
    const phone = new Phone(phoneAt);
    leg.talk(phone, 20);
    leg.send(rtcp("203.0.113.9:7001"));
    phone.from = "192.0.2.30:5500";
    leg.talk(phone, 20);
    assert.deepEqual([leg.proven(0), leg.proven(1), leg.target(1)], [phone.from, "-", "192.0.2.30:5501"]);
    assert.equal(leg.send(rtcp("192.0.2.30:5777")), verdict.relay);
    assert.equal(leg.send(rtcp("203.0.113.9:7001")), verdict.unprovenSource);
  });

  test("under rtcp-mux the signalled place is proven by RTCP alone, and the proven source's goes through", () => {
    const leg = new Leg().open({ ...usable, isMux: true });
    assert.equal(leg.send(rtcp(sdp, 1, 201, 0)), verdict.relay);
    assert.equal(leg.proven(), sdp);
    const other = new Leg().open({ ...unusable, isMux: true });
    const phone = new Phone(phoneAt);
    other.send(phone.next());
    assert.equal(other.send(rtcp(phoneAt, 0x1000, 200, 0)), verdict.hold);
    other.talk(phone, 5);
    assert.equal(other.send(rtcp(phoneAt, 0x1000, 200, 0)), verdict.relay);
    assert.equal(other.relayed.length, 8);
  });

  test("a re-INVITE that moves the party moves RTCP with the next report", () => {
    const leg = new Leg().open(usable);
    leg.talk(new Phone(sdp), 3);
    leg.send(rtcp("198.51.100.7:4001"));
    const moved = "203.0.113.40:5000";
    leg.configure({ hints: [[moved, "ip"]], target: moved, generation: 2 });
    assert.equal(leg.target(1), "198.51.100.7:4001", "while RTP's target waits");
    leg.wait(200);
    assert.equal(leg.target(1), "203.0.113.40:5001");
    assert.equal(leg.send(rtcp("203.0.113.40:5099")), verdict.relay);
    assert.deepEqual(tally(leg.talk(new Phone(moved), 3)), { relay: 3 });
  });

  // Two phones ring behind one leg: the first plays early media, the second answers.
  for (const [what, first, second] of [
    ["of one address", "198.51.100.7:5000", sdp],
    ["of different addresses", phoneAt, sdp],
  ] as const) {
    const ringing: Wanted = { hints: [[first, "ip"]], target: first };
    const answering: Wanted = { hints: [[second, "ip"]], target: second, generation: 2 };
    const [firstRtcp, secondRtcp] = [rtcpOf(ringing).target ?? "", rtcpOf(answering).target ?? ""];

    test(`a branch that lost the call does not take the target back: phones ${what}`, () => {
      const leg = new Leg().open(ringing);
      const loser = new Phone(first, 0x2000);
      leg.talk(loser, 5);
      leg.configure(answering).wait(200);
      assert.deepEqual([leg.target(0), leg.target(1)], [second, secondRtcp]);
      leg.send(loser.next());
      assert.equal(leg.send(rtcp(firstRtcp, 0x2000)), verdict.relay);
      assert.deepEqual([leg.target(0), leg.target(1)], [second, secondRtcp]);
      leg.talk(new Phone(second, 0x3000), 5);
      leg.send(rtcp(firstRtcp, 0x2000));
      assert.deepEqual([leg.target(0), leg.target(1)], [second, secondRtcp]);
      assert.equal(leg.send(rtcp(secondRtcp, 0x3000)), verdict.relay);
      assert.deepEqual([leg.proven(0), leg.proven(1)], [second, secondRtcp]);
    });

    test(`nor with its first packets after the answer: phones ${what}`, () => {
      const leg = new Leg().open(ringing).configure(answering);
      leg.send(rtcp(firstRtcp, 0x2000));
      leg.talk(new Phone(first, 0x2000), 5);
      assert.deepEqual([leg.target(0), leg.target(1)], [second, secondRtcp]);
      assert.deepEqual(tally(leg.talk(new Phone(second, 0x3000), 5)), { relay: 5 });
      leg.send(rtcp(firstRtcp, 0x2000));
      assert.deepEqual([leg.target(0), leg.target(1)], [second, secondRtcp]);
    });
  }

  test("a branch behind NAT that lost the call does not take the target back either", () => {
    const leg = new Leg().open({ hints: [["203.0.113.9:5555", "ip"]], target: "203.0.113.9:5555" });
    leg.talk(new Phone(phoneAt, 0x2000), 10);
    leg.configure({ ...usable, generation: 2 }).wait(200);
    assert.equal(leg.send(rtcp("203.0.113.9:7001", 0x2000)), verdict.relay);
    assert.deepEqual([leg.target(0), leg.target(1)], [sdp, "198.51.100.7:4001"]);
  });

  test("a party that never moved to its new SDP is sent to where it is after three seconds", () => {
    const leg = new Leg().open({ hints: [[nat, "ip"]], target: nat });
    leg.configure({ ...usable, generation: 2 });
    const phone = new Phone(nat);
    leg.talk(phone, 140);
    assert.deepEqual([leg.target(0), leg.proven(0)], [sdp, nat]);
    leg.talk(phone, 15);
    assert.deepEqual([leg.target(0), leg.proven(0)], [nat, nat]);
    leg.send(rtcp("198.51.100.7:61001"));
    assert.equal(leg.target(1), "198.51.100.7:61001");
  });
});
