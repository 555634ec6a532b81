import assert from "node:assert/strict";
import { parseCidr } from "../../../src/core/address-class.ts";
import { packetKind, verdict } from "../../../src/handover/contract.ts";
import { suite } from "../../support/suite.ts";
import { Leg, other, Phone, rtcp, run, tally, type Wanted } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const unknown = "203.0.113.9:7000";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };
/** A phone behind NAT whose SIP came through another proxy: its SDP is private. */
const unusable: Wanted = { hints: [["10.0.0.5:4000", "exact"]], target: "10.0.0.5:4000" };

suite("handover: ranked first speaker", (test) => {
  test("without a usable hint: after five packets, nothing lost, in order", () => {
    const leg = new Leg().open(unusable);
    const phone = new Phone(unknown);
    assert.deepEqual(tally(leg.talk(phone, 750)), { hold: 4, relay: 746 });
    assert.deepEqual(leg.heard(unknown), run(65_530, 750));
    assert.deepEqual([leg.evidence(), leg.target()], ["firstSpeaker", unknown]);
    assert.deepEqual(leg.notes, ["0 proven firstSpeaker"]);
  });

  test("without a usable hint: after 100 ms, by the timer, with two packets of one stream", () => {
    const leg = new Leg().open(unusable);
    const phone = new Phone(unknown);
    leg.talk(phone, 2, 0, 40);
    leg.wait(19);
    assert.equal(leg.proven(), "-");
    leg.wait(1);
    assert.deepEqual(leg.heard(unknown), run(65_530, 2));
  });

  test("no address at all, port 0, is not the source that is not proven yet", () => {
    const leg = new Leg().open(unusable);
    assert.equal(leg.send(new Phone("[::]:0").next()), verdict.unprovenSource);
    assert.equal(leg.send(rtcp("[::]:0")), verdict.unprovenSource);
    const early = new Leg().open();
    assert.equal(early.send(new Phone("[::]:0").next()), verdict.unprovenSource);
  });

  test("one stray packet takes nothing", () => {
    const leg = new Leg().open(unusable);
    assert.equal(leg.send(new Phone("192.0.2.66:9", 9).next()), verdict.hold);
    leg.wait(1_500);
    assert.equal(leg.proven(), "-");
    assert.equal(leg.heldCount(), 0);
    assert.equal(leg.policy.nextDeadlineMs(), Number.POSITIVE_INFINITY);
  });

  test("early packets 300 ms before the answer are all relayed when it comes", () => {
    const leg = new Leg().open({ isSignalled: false });
    const phone = new Phone(unknown);
    leg.talk(phone, 15);
    leg.configure(unusable).wait(0);
    assert.deepEqual(leg.heard(unknown), run(65_530, 15));
    assert.deepEqual(tally(leg.talk(phone, 735)), { relay: 735 });
    assert.deepEqual(leg.heard(unknown), run(65_530, 750));
  });

  test("an inconsistent stream is none: jumping sequence, running clock, changing SSRC, unknown type", () => {
    const breaks: readonly ((phone: Phone) => void)[] = [
      (phone) => (phone.sequence = (phone.sequence + 5_000) & 0xffff),
      (phone) => (phone.timestamp = (phone.timestamp + 80_000) | 0),
      (phone) => phone.ssrc++,
      (phone) => (phone.payloadType = 77),
    ];
    for (const [index, spoil] of breaks.entries()) {
      const leg = new Leg().open(unusable);
      const phone = new Phone(unknown);
      for (let count = 0; count < 30; count++) {
        spoil(phone);
        leg.talk(phone, 1);
      }
      assert.equal(leg.proven(), "-", `case ${index}`);
      assert.deepEqual(leg.relayed, []);
    }
  });

  test("two alike: neither, until one of them has been quiet for half a second", () => {
    const leg = new Leg().open(unusable);
    const [a, b] = [new Phone(unknown, 1), new Phone("192.0.2.66:5000", 2)];
    for (let count = 0; count < 20; count++) {
      leg.send(a.next());
      leg.send(b.next());
      leg.wait(20);
    }
    assert.equal(leg.proven(), "-");
    leg.talk(a, 26);
    assert.equal(leg.proven(), unknown);
    assert.deepEqual(leg.heard(unknown), run(65_530, 46));
    assert.deepEqual(leg.heard("192.0.2.66:5000"), []);
  });

  test("the higher rank wins: signalled IP, its network, sibling, trusted media, anything", () => {
    const trusted = parseCidr("203.0.113.0/24")!;
    const sources = [
      "10.0.0.5:9000",
      "10.0.0.6:9000",
      "192.0.2.50:9000",
      "203.0.113.77:9000",
      "192.0.2.99:9000",
    ];
    for (let best = 0; best < 4; best++) {
      const leg = new Leg({ trustedMedia: [trusted] });
      leg.open({ hints: [["192.0.2.50:6000", "ip"]], target: "192.0.2.50:6000" }, 2);
      leg.send(new Phone("192.0.2.50:6000", 77).next(2));
      leg.open({ ...unusable, siblings: [2], isSignalled: false });
      const phones = [sources[best]!, sources[best + 1]!].map((from, index) => new Phone(from, index + 1));
      for (let count = 0; count < 5; count++) {
        for (const phone of [...phones].reverse()) leg.send(phone.next());
        leg.wait(20);
      }
      leg.configure({ ...unusable, siblings: [2] }).wait(0);
      assert.equal(leg.proven(), sources[best], `rank ${4 - best}`);
    }
  });

  test("a sibling's slot that another call opened vouches for nobody", () => {
    const leg = new Leg().open({ hints: [["192.0.2.50:6000", "ip"]] }, 2);
    leg.send(new Phone("192.0.2.50:6000", 77).next(2));
    leg.open({ ...usable, siblings: [2] });
    leg.policy.close(2);
    leg.open({ hints: [["192.0.2.50:6000", "ip"]] }, 2);
    leg.send(new Phone("192.0.2.50:6000", 77).next(2));
    leg.talk(new Phone("192.0.2.50:9000", 5), 20);
    assert.equal(leg.proven(), "-");
  });

  test("with a usable hint an unknown IP waits three seconds, alone", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone(unknown);
    leg.talk(phone, 149);
    assert.deepEqual(leg.relayed, []);
    assert.equal(leg.target(), sdp);
    leg.talk(phone, 51);
    assert.equal(leg.evidence(), "firstSpeaker");
    // What the relay still held, the last second, goes out first.
    assert.deepEqual(leg.heard(unknown), run((65_530 + 100) & 0xffff, 100));
  });

  test("a place that other calls use too is only exact evidence, and a stranger still waits three seconds", () => {
    const leg = new Leg().open({ hints: [[sdp, "expected"]], target: sdp });
    assert.deepEqual(tally(leg.talk(new Phone(unknown), 100)), { hold: 100 });
    assert.equal(leg.send(new Phone("198.51.100.7:9999", 2).next()), verdict.hold);
    assert.equal(leg.send(new Phone(sdp, 3).next()), verdict.relay);
  });

  test("with a usable hint the network, a sibling and trusted media are no unknown IPs", () => {
    for (const from of ["198.51.100.200:7000", "203.0.113.77:7000", "192.0.2.50:9000"]) {
      const leg = new Leg({ trustedMedia: [parseCidr("203.0.113.0/24")!] });
      leg.open({ hints: [["192.0.2.50:6000", "ip"]] }, 2);
      leg.send(new Phone("192.0.2.50:6000", 77).next(2));
      leg.open({ ...usable, siblings: [2] });
      const phone = new Phone(from);
      leg.talk(phone, 750);
      assert.deepEqual(leg.heard(from), run(65_530, 750));
    }
  });

  test("with a usable hint that is heard by RTCP an unknown IP waits on", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone(unknown);
    for (let second = 0; second < 8; second++) {
      leg.send(rtcp("198.51.100.7:4001", 5, 201));
      leg.talk(phone, 50);
    }
    assert.deepEqual(leg.heard(unknown), []);
    assert.equal(leg.proven(), "-");
  });

  test("with a usable hint that is heard by keepalives an unknown IP waits on", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone(unknown);
    for (let second = 0; second < 8; second++) {
      leg.send(other("198.51.100.7:61000", packetKind.keepalive));
      leg.talk(phone, 50);
    }
    assert.equal(leg.proven(), "-");
  });

  test("early packets of an unknown type are no stream", () => {
    const leg = new Leg().open({ isSignalled: false });
    leg.talk(new Phone(unknown, 1, 77), 20);
    leg.configure(unusable).wait(500);
    assert.deepEqual([leg.proven(), leg.relayed.length], ["-", 0]);
  });

  test("the three seconds count from the answer, not from early packets", () => {
    const leg = new Leg().open({ isSignalled: false });
    const phone = new Phone(unknown);
    leg.talk(phone, 200);
    leg.configure(usable);
    leg.talk(phone, 140);
    assert.equal(leg.proven(), "-");
    leg.talk(phone, 15);
    assert.equal(leg.proven(), unknown);
  });

  test("strict: never", () => {
    for (const wanted of [unusable, usable]) {
      const leg = new Leg().open({ isSignalled: false });
      const phone = new Phone(unknown);
      leg.talk(phone, 10);
      leg.configure({ ...wanted, isStrict: true }).wait(0);
      assert.deepEqual(tally(leg.talk(phone, 300)), { unprovenSource: 300 });
      assert.deepEqual([leg.relayed.length, leg.heldCount()], [0, 0]);
    }
  });

  test("a provisional proof yields at once to the signalled source, which keeps the leg", () => {
    const leg = new Leg().open(usable);
    const thief = new Phone(unknown, 9);
    leg.talk(thief, 160);
    assert.equal(leg.proven(), unknown);
    const phone = new Phone(sdp);
    assert.equal(leg.send(phone.next()), verdict.relay);
    assert.deepEqual([leg.proven(), leg.target()], [sdp, sdp]);
    assert.deepEqual(tally(leg.talk(thief, 3)), { stranger: 3 });
  });

  test("and to another port of the signalled address with its first packet", () => {
    const leg = new Leg().open({ hints: [[sdp, "ip"]], target: sdp });
    leg.talk(new Phone("203.0.113.9:7000"), 200);
    assert.equal(leg.evidence(), "firstSpeaker");
    const phone = new Phone("198.51.100.7:61000", 0x2000);
    assert.equal(leg.send(phone.next()), verdict.relay);
    assert.deepEqual([leg.proven(), leg.target()], [phone.from, phone.from]);
  });

  test("a provisional proof yields to a nearer stream, and to its like only when silent", () => {
    const leg = new Leg().open(unusable);
    leg.talk(new Phone(unknown, 9), 6);
    leg.talk(new Phone("10.0.0.9:9000", 1), 5);
    assert.equal(leg.proven(), "10.0.0.9:9000");
    const like = new Phone("10.0.0.8:9000", 2);
    assert.equal(leg.send(like.next()), verdict.hold);
    leg.wait(1_100);
    leg.talk(like, 5);
    assert.equal(leg.proven(), "10.0.0.8:9000");
  });

  test("after three seconds of use a first speaker is no longer provisional", () => {
    const leg = new Leg().open(unusable);
    leg.talk(new Phone(unknown, 9), 160);
    const nearer = new Phone("10.0.0.9:9000", 1);
    assert.deepEqual(tally(leg.talk(nearer, 10)), { stranger: 10 });
    leg.wait(1_500);
    assert.deepEqual(tally(leg.talk(nearer, 10)), { stranger: 10 });
  });

  test("eight candidates, two of one network, the lowest rank gives way", () => {
    const leg = new Leg().open({ isSignalled: false });
    for (let host = 1; host <= 3; host++) {
      const outcome = leg.send(new Phone(`192.0.2.${host}:1000`, host).next());
      assert.equal(outcome, host <= 2 ? verdict.hold : verdict.tableFull);
    }
    for (let net = 1; net <= 8; net++) {
      const outcome = leg.send(new Phone(`203.0.${net}.1:1000`, net).next());
      assert.equal(outcome, net <= 6 ? verdict.hold : verdict.tableFull);
    }
    assert.equal(leg.held.size, 8);
    leg.configure(unusable);
    assert.equal(leg.send(new Phone("10.0.0.5:9000", 1).next()), verdict.hold);
    assert.equal(leg.held.size, 8);
    leg.wait(1_000);
    assert.equal(leg.heldCount(), 0);
    assert.equal(leg.send(new Phone("203.0.99.1:1000", 3).next()), verdict.hold);
  });

  test("IPv6: two of one /64", () => {
    const leg = new Leg().open({ isSignalled: false });
    const outcomes = [1, 2, 3].map((host) => leg.send(new Phone(`[2001:db8::${host}]:1000`, host).next()));
    assert.deepEqual(tally(outcomes), { hold: 2, tableFull: 1 });
    assert.equal(leg.send(new Phone("[2001:db8:0:1::1]:1000", 9).next()), verdict.hold);
  });
});
