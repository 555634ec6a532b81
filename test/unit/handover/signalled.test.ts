import assert from "node:assert/strict";
import { packetKind, verdict } from "../../../src/handover/contract.ts";
import { suite } from "../../support/suite.ts";
import { Leg, other, Phone, run, tally } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const nat = "198.51.100.7:61000";
const usable = { hints: [[sdp, "ip"]], target: sdp } as const;
const exactOnly = { hints: [[sdp, "exact"]], target: sdp } as const;

suite("handover: signalled", (test) => {
  test("ip:port of a hint is proven with its first packet", () => {
    for (const wanted of [usable, exactOnly, { ...exactOnly, isStrict: true }]) {
      const leg = new Leg().open(wanted).wait(0);
      assert.deepEqual(tally(leg.talk(new Phone(sdp), 3)), { relay: 3 });
      assert.equal(leg.proven(), sdp);
      assert.deepEqual(leg.notes, ["0 proven signalled"]);
    }
  });

  test("a usable IP is proven from any port, also under strict", () => {
    for (const isStrict of [false, true]) {
      const leg = new Leg().open({ ...usable, isStrict });
      assert.equal(leg.send(new Phone(nat).next()), verdict.relay);
      assert.deepEqual([leg.proven(), leg.target(), leg.evidence()], [nat, nat, "signalled"]);
    }
  });

  test("an unusable IP counts only with its exact port", () => {
    const leg = new Leg().open({ ...exactOnly, isStrict: true });
    assert.equal(leg.send(new Phone(nat).next()), verdict.unprovenSource);
    assert.equal(leg.proven(), "-");
  });

  test("the exact port takes the leg from another port of its IP", () => {
    const leg = new Leg().open(usable);
    leg.talk(new Phone(nat), 2);
    assert.equal(leg.send(new Phone(sdp, 0x2000).next()), verdict.relay);
    assert.equal(leg.proven(), sdp);
    assert.deepEqual(leg.notes, ["0 proven signalled", "0 switched signalled"]);
  });

  test("a second IP of a hint opens nothing once a source is proven", () => {
    const leg = new Leg().open(usable);
    leg.talk(new Phone(nat), 155);
    const stranger = new Phone("198.51.100.7:62000", 0x2000);
    assert.equal(leg.send(stranger.next()), verdict.stranger);
  });

  test("two exact hints do not take turns while one of them speaks", () => {
    const second = "203.0.113.9:4000";
    const leg = new Leg().open({
      hints: [
        [sdp, "ip"],
        [second, "ip"],
      ],
      target: sdp,
    });
    const [a, b] = [new Phone(sdp, 1), new Phone(second, 2)];
    leg.talk(a, 1);
    assert.equal(leg.send(b.next()), verdict.hold);
    leg.talk(a, 5);
    assert.equal(leg.proven(), sdp);
    const from = b.sequence;
    leg.talk(b, 15);
    assert.equal(leg.proven(), second);
    assert.deepEqual(leg.heard(second).slice(-15), run(from, 15));
  });

  test("early packets of several ports of one IP: SDP's port", () => {
    const leg = new Leg().open({ isSignalled: false });
    const [a, b] = [new Phone(nat, 1), new Phone(sdp, 2)];
    for (let count = 0; count < 3; count++) {
      leg.send(a.next());
      leg.send(b.next());
      leg.wait(20);
    }
    leg.configure(usable).wait(0);
    assert.equal(leg.proven(), sdp);
    assert.deepEqual([leg.heard(sdp).length, leg.heard(nat).length], [3, 0]);
  });

  test("early packets of several ports of one IP: the one with RTCP beside it", () => {
    const leg = new Leg().open({ isSignalled: false });
    const [a, b] = [new Phone("198.51.100.7:60000", 1), new Phone(nat, 2)];
    for (let count = 0; count < 6; count++) {
      leg.send(a.next());
      leg.send(b.next());
      leg.wait(20);
    }
    leg.send({ ...other("198.51.100.7:61001", packetKind.rtcp, 1), payloadType: 200, ssrc: 2 });
    leg.configure(usable).wait(0);
    assert.equal(leg.proven(), nat);
    assert.deepEqual(leg.heard(nat), run(65_530, 6));
  });

  test("early packets of several ports of one IP: the first one with a run of five, nothing held lost", () => {
    const leg = new Leg().open({ isSignalled: false });
    const [a, b] = [new Phone("198.51.100.7:60000", 1), new Phone(nat, 2)];
    leg.send(a.next());
    leg.send(b.next());
    leg.configure(usable).wait(0);
    assert.equal(leg.proven(), "-");
    for (let count = 0; count < 30; count++) {
      leg.send(a.next());
      leg.send(b.next());
      leg.wait(20);
    }
    assert.equal(leg.proven(), "198.51.100.7:60000");
    assert.deepEqual(leg.heard("198.51.100.7:60000"), run(65_530, 31));
    assert.deepEqual(leg.heard(nat), []);
  });

  test("several ports that stay alike are decided after half a second", () => {
    const leg = new Leg().open({ isSignalled: false });
    const [a, b] = [new Phone("198.51.100.7:60000", 1), new Phone(nat, 2)];
    leg.configure({ ...usable, isSignalled: false });
    for (let count = 0; count < 4; count++) {
      leg.send(a.next());
      leg.send(b.next());
      if (count === 0) leg.configure(usable);
      leg.wait(count < 3 ? 150 : 49);
    }
    assert.equal(leg.proven(), "-");
    leg.wait(1);
    assert.deepEqual(leg.heard("198.51.100.7:60000"), run(65_530, 4));
  });

  test("early packets go out in order when the answer names their source", () => {
    for (const from of [sdp, nat]) {
      const leg = new Leg().open({ isSignalled: false });
      const phone = new Phone(from);
      assert.deepEqual(tally(leg.talk(phone, 15)), { hold: 15 });
      leg.configure(usable).wait(0);
      leg.talk(phone, 5);
      assert.deepEqual(leg.heard(from), run(65_530, 20));
      assert.deepEqual(leg.dropped, []);
    }
  });

  test("a packet in the same wake-up as the answer goes out after the held ones", () => {
    const leg = new Leg().open({ isSignalled: false });
    const phone = new Phone(nat);
    leg.talk(phone, 5);
    leg.configure(usable);
    assert.equal(leg.send(phone.next()), verdict.relay);
    assert.deepEqual(leg.heard(nat), run(65_530, 6));
  });

  test("early packets of others are dropped with the proof", () => {
    const leg = new Leg().open({ isSignalled: false });
    const stranger = new Phone("203.0.113.66:5000", 9);
    leg.talk(stranger, 10);
    leg.configure(usable).wait(0);
    leg.talk(new Phone(sdp), 3);
    assert.deepEqual(leg.heard(stranger.from), []);
    assert.equal(leg.heldCount(), 0);
  });

  test("an unknown payload type of the signalled source is a keepalive, a stream of it is media", () => {
    const leg = new Leg().open(usable);
    const phone = new Phone(nat, 1, 99);
    assert.deepEqual(tally(leg.talk(phone, 4)), { consumed: 4 });
    assert.equal(leg.target(), nat);
    assert.equal(leg.proven(), "-");
    assert.deepEqual(tally(leg.talk(phone, 4)), { relay: 4 });
  });

  test("comfort noise needs no SDP, and without any SDP every type may be meant", () => {
    for (const payloadType of [13, 19]) {
      assert.equal(new Leg().open(usable).send(new Phone(sdp, 1, payloadType).next()), verdict.relay);
    }
    assert.equal(
      new Leg().open({ ...usable, payloadTypes: [] }).send(new Phone(sdp, 1, 99).next()),
      verdict.relay,
    );
  });

  test("0.0.0.0 and port 0 name nothing", () => {
    const leg = new Leg().open({
      hints: [
        ["0.0.0.0:4000", "ip"],
        ["198.51.100.7:0", "ip"],
      ],
      isStrict: true,
    });
    assert.equal(leg.send(new Phone(sdp).next()), verdict.unprovenSource);
  });
});
