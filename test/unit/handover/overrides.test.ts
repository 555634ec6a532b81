import assert from "node:assert/strict";
import { packetKind, verdict } from "../../../src/handover/contract.ts";
import { suite } from "../../support/suite.ts";
import { Leg, other, Phone, rtcp, tally, type Wanted } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };
const a = "203.0.113.9:7000";
const b = "192.0.2.30:5500";

suite("handover: overrides", (test) => {
  test("media-handover: every packet from another address moves the leg, RTCP too", () => {
    const leg = new Leg().open({ ...usable, followsAnySource: true });
    for (const from of [sdp, a, b, a]) {
      assert.equal(leg.send(new Phone(from).next()), verdict.relay);
      assert.deepEqual([leg.proven(), leg.target()], [from, from]);
    }
    assert.equal(leg.send(rtcp("192.0.2.99:1")), verdict.relay);
  });

  test("endpoint-learning immediate: the first packet takes the leg, then the policy protects it", () => {
    const strict = new Leg().open({ ...usable, learningMode: 2, isStrict: true });
    assert.equal(strict.send(new Phone(a).next()), verdict.relay);
    assert.equal(strict.send(new Phone(b, 2).next()), verdict.unprovenSource);
    const leg = new Leg().open({ ...usable, learningMode: 2 });
    assert.equal(leg.send(new Phone(a).next()), verdict.relay);
    assert.deepEqual([leg.evidence(), leg.target()], ["override", a]);
    assert.equal(leg.send(new Phone(b, 2).next()), verdict.stranger);
    assert.equal(leg.send(rtcp("192.0.2.99:1")), verdict.relay);
  });

  test("endpoint-learning delayed: whoever speaks last in three seconds after signalling", () => {
    const leg = new Leg().open({ ...usable, learningMode: 3 });
    leg.talk(new Phone(a, 1), 5);
    leg.talk(new Phone(b, 2), 5);
    assert.equal(leg.proven(), b);
    leg.wait(3_000);
    assert.equal(leg.send(new Phone(a, 1).next()), verdict.stranger);
  });

  test("endpoint-learning heuristic: within three seconds the nearer one, then it stays", () => {
    const order = ["203.0.113.9:7000", "203.0.113.9:4000", "10.0.0.5:9000", "10.0.0.5:4000"];
    const wanted: Wanted = { hints: [["10.0.0.5:4000", "exact"]], learningMode: 4 };
    const leg = new Leg().open(wanted);
    for (const [index, from] of order.entries()) {
      assert.equal(leg.send(new Phone(from, index).next()), verdict.relay);
      assert.equal(leg.proven(), from);
      if (index > 0) assert.notEqual(leg.send(new Phone(order[index - 1]!, 9).next()), verdict.relay);
    }
    const late = new Leg().open(wanted);
    late.talk(new Phone(order[0]!, 1), 160);
    assert.notEqual(late.send(new Phone(order[2]!, 2).next()), verdict.relay);
  });

  test("endpoint-learning takes early packets with the answer", () => {
    const leg = new Leg().open({ isSignalled: false });
    leg.talk(new Phone(a), 1);
    leg.configure({ ...usable, learningMode: 2 }).wait(0);
    assert.deepEqual([leg.evidence(), leg.heard(a).length], ["override", 1]);
  });

  test("endpoint-learning off: a first speaker is believed as ever, the target stays", () => {
    const leg = new Leg().open({
      hints: [["10.0.0.5:4000", "exact"]],
      target: "10.0.0.5:4000",
      learningMode: 1,
    });
    leg.talk(new Phone(a), 10);
    assert.deepEqual([leg.proven(), leg.target()], [a, "10.0.0.5:4000"]);
  });
});

suite("handover: non-RTP", (test) => {
  const data = (from: string, slot = 0) => other(from, packetKind.data, slot);

  test("signalled ip:port, and the signalled IP, at once", () => {
    for (const from of [sdp, "198.51.100.7:9999"]) {
      const leg = new Leg().open({ ...usable, isRtp: false });
      assert.equal(leg.send(data(from)), verdict.relay);
      assert.deepEqual([leg.proven(), leg.target()], [from, from]);
    }
  });

  test("the IP that is proven for the party's audio, with its first packet", () => {
    const leg = new Leg().open(usable, 2);
    leg.talk(new Phone("198.51.100.7:61000"), 1, 2);
    leg.open({ hints: [["10.0.0.5:4000", "exact"]], isRtp: false, siblings: [2] });
    assert.equal(leg.send(data("198.51.100.7:61002")), verdict.relay);
  });

  test("a first speaker on probation vouches for no other media of its party", () => {
    const leg = new Leg();
    const party = "10.0.0.5:4000";
    leg.open({ hints: [[party, "exact"]] }, 2);
    leg.open({ hints: [[party, "exact"]], isRtp: false, siblings: [2] });
    leg.talk(new Phone("203.0.113.66:5000", 9), 6, 2);
    assert.equal(leg.evidence(2), "firstSpeaker");
    assert.equal(leg.send(data("203.0.113.66:5002")), verdict.hold);
    assert.equal(leg.proven(), "-");
  });

  test("a party that is nowhere known is a first speaker", () => {
    const leg = new Leg().open({ hints: [["10.0.0.5:4000", "exact"]], isRtp: false });
    const outcomes: number[] = [];
    for (let count = 0; count < 10; count++) {
      outcomes.push(leg.send(data(a)));
      leg.wait(20);
    }
    assert.deepEqual(tally(outcomes as never), { hold: 4, relay: 6 });
    assert.equal(leg.relayed.length, 10);
    assert.equal(leg.send(data(b)), verdict.hold);
  });

  test("audio that becomes image on its port keeps proof and target", () => {
    const leg = new Leg().open(usable);
    leg.talk(new Phone("198.51.100.7:61000"), 5);
    leg.configure({ ...usable, isRtp: false, generation: 2 });
    assert.equal(leg.send(data("198.51.100.7:61000")), verdict.relay);
    assert.equal(leg.target(), "198.51.100.7:61000");
    leg.configure({ ...usable, generation: 3 });
    assert.deepEqual(tally(leg.talk(new Phone("198.51.100.7:61000", 9), 3)), { relay: 3 });
  });

  test("audio that becomes image drops what was known of RTP streams", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone(sdp);
    leg.talk(phone, 5);
    leg.configure({ ...usable, isRtp: false, generation: 2 });
    leg.configure({ ...usable, generation: 3 });
    leg.wait(6_000);
    phone.from = b;
    assert.equal(leg.send(phone.next()), verdict.stranger);
  });

  test("a NAT that rebinds is followed after two seconds of silence", () => {
    const leg = new Leg().open({ ...usable, isRtp: false });
    leg.send(data("198.51.100.7:61000"));
    leg.wait(4_000);
    for (let count = 0; count < 5; count++) {
      leg.send(data("198.51.100.7:62000"));
      leg.wait(20);
    }
    assert.equal(leg.proven(), "198.51.100.7:62000");
    assert.equal(leg.relayed.length, 6);
  });
});
