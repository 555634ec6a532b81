import assert from "node:assert/strict";
import { checkedSourcesPerSlotMax } from "../../../src/core/limits.ts";
import {
  authResult,
  PacketFacts,
  packetKind,
  type Verdict,
  verdict,
} from "../../../src/handover/contract.ts";
import { suite } from "../../support/suite.ts";
import { endpointWords, Leg, type Packet, Phone, rtcp, type Wanted } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };
const withIce: Wanted = { ...usable, hasIce: true };
const moved = "192.0.2.30:5500";
const other = "203.0.113.5:7000";

function factsFrom(from: string, slot = 0): PacketFacts {
  const [ip0 = 0, ip1 = 0, ip2 = 0, ip3 = 0, port = 0] = endpointWords(from);
  return Object.assign(new PacketFacts(), { slot, ip0, ip1, ip2, ip3, port });
}

function keepalive(place: string): Packet {
  return { ...new Phone(place).next(), kind: packetKind.keepalive };
}

interface Tag {
  readonly isNewest?: boolean;
  readonly tagBits?: number;
}

/** A packet whose tag was verified. */
function verified(leg: Leg, packet: Packet, { isNewest = true, tagBits = 80 }: Tag = {}): Verdict {
  const facts = Object.assign(factsFrom(packet.from), packet, {
    sizeBytes: 172,
    auth: authResult.verified,
    isNewest,
    tagBits,
  });
  return leg.policy.packet(facts, leg.nowMs);
}

/** A packet that verified, once more. */
function repeated(leg: Leg, packet: Packet, tagBits = 80): Verdict {
  const facts = Object.assign(factsFrom(packet.from), packet, { auth: authResult.repeated, tagBits });
  return leg.policy.packet(facts, leg.nowMs);
}

function from(phone: Phone, place: string): Packet {
  return { ...phone.next(), from: place };
}

function state(leg: Leg, slot = 0): string[] {
  return [leg.proven(slot), leg.evidence(slot), leg.target(slot)];
}

/** A leg whose proven source has just sent its fifth verified packet, 20 ms apart. */
function speaking(wanted: Wanted = usable): { readonly leg: Leg; readonly phone: Phone } {
  const leg = new Leg().open(wanted);
  const phone = new Phone(sdp);
  for (let sent = 0; sent < 5; sent++) {
    leg.wait(20);
    assert.equal(verified(leg, phone.next()), verdict.relay);
  }
  return { leg, phone };
}

suite("handover: verified packets", (test) => {
  test("the first proves its source, wherever it comes from, and the SDP does not matter", () => {
    for (const wanted of [usable, { ...usable, isStrict: true }, { ...usable, isSignalled: false }]) {
      const leg = new Leg().open(wanted);
      assert.equal(verified(leg, new Phone(moved).next()), verdict.relay);
      assert.deepEqual(state(leg), [moved, "cryptographic", moved]);
      assert.deepEqual(leg.notes, ["0 proven cryptographic"]);
    }
  });

  test("a proven source is confirmed once, and a stranger in clear has no say from then on", () => {
    const leg = new Leg().open(usable);
    leg.talk(new Phone(sdp), 3);
    const phone = new Phone(sdp);
    verified(leg, phone.next());
    verified(leg, phone.next());
    assert.deepEqual(leg.notes, ["0 proven signalled", "0 proven cryptographic"]);
    leg.wait(10_000);
    assert.equal(leg.send(from(phone, other)), verdict.stranger);
  });

  test("while the source speaks, a copy from elsewhere is relayed once and moves nothing", () => {
    const { leg, phone } = speaking();
    leg.wait(10);
    assert.equal(verified(leg, from(phone, moved)), verdict.relay);
    assert.deepEqual(state(leg), [sdp, "cryptographic", sdp]);
  });

  test("after one hold time of silence the newest index moves the leg with its first packet", () => {
    const { leg, phone } = speaking();
    leg.wait(120);
    assert.equal(verified(leg, from(phone, moved), { isNewest: false }), verdict.relay);
    assert.equal(leg.proven(), sdp);
    assert.equal(verified(leg, from(phone, moved)), verdict.relay);
    assert.deepEqual(state(leg), [moved, "cryptographic", moved]);
  });

  test("a tag of 32 bits has to be met twice by one source", () => {
    const { leg, phone } = speaking();
    leg.wait(200);
    const weak = { tagBits: 32 };
    assert.equal(verified(leg, from(phone, moved), weak), verdict.relay);
    assert.equal(verified(leg, from(phone, other), weak), verdict.relay);
    assert.equal(verified(leg, from(phone, moved), weak), verdict.relay);
    assert.equal(leg.proven(), sdp);
    verified(leg, from(phone, moved), weak);
    assert.equal(leg.proven(), moved);
  });

  test("before any proof a short tag is relayed and proves nothing yet", () => {
    const leg = new Leg().open({ ...usable, isSignalled: false });
    const phone = new Phone(moved);
    assert.equal(verified(leg, phone.next(), { tagBits: 32 }), verdict.relay);
    assert.equal(leg.proven(), "-");
    verified(leg, phone.next(), { tagBits: 32 });
    assert.equal(leg.proven(), moved);
  });

  test("after a short tag nobody's keepalive says where the party is", () => {
    const leg = new Leg().open(usable);
    verified(leg, new Phone(sdp).next(), { tagBits: 32 });
    assert.equal(leg.send(keepalive("198.51.100.7:9999")), verdict.consumed);
    assert.equal(leg.target(), sdp);
    assert.equal(leg.send(keepalive(sdp)), verdict.consumed);
    assert.equal(leg.target(), sdp);
  });

  test("verified RTCP proves RTCP's source, and under asymmetric nothing moves the target", () => {
    const leg = new Leg().open({ ...usable, isAsymmetric: true });
    verified(leg, rtcp("192.0.2.30:5501"));
    assert.deepEqual(state(leg, 1), ["192.0.2.30:5501", "cryptographic", "198.51.100.7:4001"]);
  });

  test("who brings the phone's packets first has nothing of it: repetitions show that the phone is there", () => {
    const { leg, phone } = speaking();
    for (let count = 0; count < 50; count++) {
      leg.wait(10);
      const packet = phone.next();
      assert.equal(verified(leg, { ...packet, from: moved }), verdict.relay);
      assert.equal(leg.target(), sdp);
      leg.wait(10);
      assert.equal(repeated(leg, packet), verdict.duplicate);
      assert.deepEqual(state(leg), [sdp, "cryptographic", sdp]);
    }
  });

  test("in a pause he has the leg, until the phone's own copy comes; his repetitions do not bring it back to him", () => {
    const { leg, phone } = speaking();
    leg.wait(500);
    const packet = phone.next();
    verified(leg, { ...packet, from: moved });
    assert.equal(leg.proven(), moved);
    leg.wait(10);
    assert.equal(repeated(leg, packet, 32), verdict.duplicate);
    assert.equal(leg.proven(), moved, "a short tag may be hit by chance");
    assert.equal(repeated(leg, packet), verdict.duplicate);
    assert.deepEqual(state(leg), [sdp, "cryptographic", sdp]);
    repeated(leg, { ...packet, from: moved });
    assert.deepEqual(state(leg), [sdp, "cryptographic", sdp]);
  });

  test("who brings the phone's first packet first has the leg until the phone's own comes, if signalling names its place", () => {
    for (const place of [sdp, "198.51.100.7:61000"]) {
      const leg = new Leg().open(usable);
      const packet = new Phone(place).next();
      verified(leg, { ...packet, from: moved });
      leg.wait(10);
      repeated(leg, { ...packet, from: other });
      assert.equal(leg.proven(), moved);
      repeated(leg, packet);
      assert.deepEqual(state(leg), [place, "cryptographic", place]);
      assert.equal(leg.notes.at(-1), "0 switched cryptographic");
    }
    const late = new Leg().open(usable);
    const packet = new Phone(sdp).next();
    verified(late, { ...packet, from: moved });
    late.wait(600);
    repeated(late, packet);
    assert.equal(late.proven(), moved);
  });

  test("a repetition proves nobody else: not of what the phone sent before it moved, nor later, nor from elsewhere", () => {
    const { leg, phone } = speaking();
    const old = { ...phone.next(), sequence: (phone.sequence - 3) & 0xffff };
    leg.wait(500);
    const packet = from(phone, moved);
    verified(leg, packet);
    assert.equal(repeated(leg, old), verdict.duplicate);
    assert.equal(repeated(leg, { ...packet, from: other }), verdict.duplicate);
    assert.equal(leg.proven(), moved);
    leg.wait(600);
    assert.equal(repeated(leg, { ...packet, from: sdp }), verdict.duplicate);
    assert.equal(leg.proven(), moved);
    assert.equal(repeated(new Leg().open(usable), packet), verdict.duplicate);
  });

  test("switches by key are not counted against the limit", () => {
    const { leg, phone } = speaking();
    for (let turn = 0; turn < 10; turn++) {
      leg.wait(200);
      const place = `192.0.2.${turn + 1}:5000`;
      verified(leg, from(phone, place));
      assert.equal(leg.target(), place);
    }
  });
});

suite("handover: ICE and DTLS", (test) => {
  test("a nominated check and a DTLS handshake prove their source, whoever speaks", () => {
    const proofs: readonly (readonly [boolean, (leg: Leg) => void])[] = [
      [true, (leg) => leg.policy.iceCheck(factsFrom(moved), true, leg.nowMs)],
      [false, (leg) => leg.policy.dtlsVerified(factsFrom(moved), leg.nowMs)],
    ];
    for (const [hasIce, proof] of proofs) {
      const leg = new Leg().open({ ...withIce, hasIce });
      leg.talk(new Phone(sdp), 3);
      proof(leg);
      assert.deepEqual(state(leg), [moved, "cryptographic", moved]);
      assert.notEqual(leg.send(new Phone(sdp, 8).next()), verdict.relay);
      leg.wait(10_000);
      assert.equal(leg.send(new Phone("203.0.113.5:1", 3).next()), verdict.stranger);
    }
  });

  test("a check that is not nominated admits its source, and proves it only where nothing is proven", () => {
    const leg = new Leg().open(withIce);
    leg.policy.iceCheck(factsFrom(moved), false, leg.nowMs);
    assert.equal(leg.proven(), moved);
    leg.policy.iceCheck(factsFrom(sdp), false, leg.nowMs);
    assert.equal(leg.proven(), moved);
    leg.policy.dtlsVerified(factsFrom(moved), leg.nowMs);
    assert.deepEqual(leg.notes, ["0 proven cryptographic"]);
    // What it sends is relayed beside the proven source, which it does not push aside while that one speaks.
    leg.send(new Phone(moved).next());
    assert.equal(leg.send(new Phone(sdp, 8).next()), verdict.relay);
    assert.equal(leg.proven(), moved);
    leg.wait(200);
    assert.equal(leg.send(new Phone(sdp, 8).next()), verdict.relay);
    assert.equal(leg.proven(), sdp);
  });

  test("under ICE nothing but its selection moves the target: whoever is to be sent media must want it", () => {
    const leg = new Leg().open(withIce);
    const before = leg.target();
    leg.policy.iceCheck(factsFrom(moved), false, leg.nowMs);
    leg.send(new Phone(moved).next());
    leg.policy.dtlsVerified(factsFrom(moved), leg.nowMs);
    assert.deepEqual([leg.proven(), leg.target()], [moved, before]);
    leg.policy.iceCheck(factsFrom(moved), true, leg.nowMs);
    assert.equal(leg.target(), moved);
  });

  test("a provisional source yields at once to one with a valid check", () => {
    const leg = new Leg().open({ hasIce: true, hints: [], target: "10.0.0.1:4000" });
    leg.talk(new Phone(other), 6);
    assert.deepEqual([leg.proven(), leg.evidence()], [other, "firstSpeaker"]);
    leg.policy.iceCheck(factsFrom(moved), false, leg.nowMs);
    assert.equal(leg.send(new Phone(moved, 8).next()), verdict.relay);
    assert.equal(leg.proven(), moved);
  });

  test("only so many checked sources are kept: the one checked longest ago goes", () => {
    const leg = new Leg().open(withIce);
    const place = (index: number): string => `192.0.2.${index + 1}:5000`;
    for (let index = 0; index < checkedSourcesPerSlotMax; index++) {
      leg.policy.iceCheck(factsFrom(place(index)), false, leg.nowMs);
    }
    leg.policy.iceCheck(factsFrom(place(0)), false, leg.nowMs);
    leg.policy.iceCheck(factsFrom(moved), true, leg.nowMs);
    const isKnown = (at: string): boolean => leg.policy.isKnownSource(factsFrom(at));
    assert.deepEqual([place(0), place(1), place(2), moved, other].map(isKnown), [
      true,
      false,
      true,
      true,
      false,
    ]);
  });

  test("once ICE has chosen, neither SDP nor packets nor keepalives move the target", () => {
    const leg = new Leg().open(withIce);
    leg.policy.iceCheck(factsFrom(moved), true, leg.nowMs);
    leg.configure({ ...withIce, hints: [[other, "ip"]], target: other, generation: 2 });
    assert.equal(leg.target(), moved);
    leg.wait(1_000);
    assert.equal(verified(leg, new Phone(other, 9).next()), verdict.relay);
    assert.deepEqual([leg.proven(), leg.target()], [other, moved]);
    leg.policy.dtlsVerified(factsFrom(sdp), leg.nowMs);
    assert.deepEqual([leg.proven(), leg.target()], [sdp, moved]);
    leg.policy.iceCheck(factsFrom(other), true, leg.nowMs);
    assert.equal(leg.target(), other);
  });

  test("RTCP without a choice of its own follows, one with a choice stays", () => {
    const leg = new Leg().open(withIce);
    leg.policy.iceCheck(factsFrom(moved), true, leg.nowMs);
    assert.equal(leg.target(1), "192.0.2.30:5501");
    leg.policy.iceCheck(factsFrom("192.0.2.99:9", 1), true, leg.nowMs);
    leg.policy.iceCheck(factsFrom(other), true, leg.nowMs);
    assert.equal(leg.target(1), "192.0.2.99:9");
  });

  test("without consent nothing is sent until ICE chooses anew", () => {
    const leg = new Leg().open(withIce);
    leg.policy.iceCheck(factsFrom(moved), true, leg.nowMs);
    leg.policy.iceRevoked(0);
    assert.equal(leg.target(), "-");
    leg.configure({ ...withIce, target: other, generation: 2 });
    verified(leg, new Phone(other).next());
    assert.equal(leg.target(), "-");
    leg.policy.iceCheck(factsFrom(moved), true, leg.nowMs);
    assert.equal(leg.target(), moved);
  });

  test("after a restart who passed checks before it may not send any more, once another is chosen", () => {
    const leg = new Leg().open(withIce);
    const chosen = "192.0.2.60:6000";
    leg.policy.iceCheck(factsFrom(moved), false, leg.nowMs);
    leg.policy.iceCheck(factsFrom(chosen), true, leg.nowMs);
    const late = new Phone(moved, 8);
    assert.equal(leg.send(late.next()), verdict.relay);
    leg.policy.iceSuperseded(0);
    leg.policy.iceCheck(factsFrom(other), true, leg.nowMs);
    assert.deepEqual(
      [moved, chosen, other].map((at) => leg.policy.isKnownSource(factsFrom(at))),
      [false, false, true],
    );
    leg.talk(new Phone(other, 9), 20);
    for (let index = 0; index < 20; index++) assert.notEqual(leg.send(late.next()), verdict.relay);
    // Nor when the one that was chosen is silent.
    leg.wait(5_000);
    for (let index = 0; index < 20; index++) assert.notEqual(leg.send(late.next()), verdict.relay);
    assert.equal(leg.proven(), other);
  });

  test("when ICE is given up, the other rules aim again, and its checks admit nobody", () => {
    const leg = new Leg().open(withIce);
    leg.policy.iceCheck(factsFrom(moved), true, leg.nowMs);
    leg.policy.iceCheck(factsFrom(other), false, leg.nowMs);
    leg.policy.iceRevoked(0);
    leg.configure(usable);
    assert.equal(leg.target(), moved);
    assert.equal(leg.policy.isKnownSource(factsFrom(other)), false);
    leg.policy.iceCheck(factsFrom(other), true, leg.nowMs);
    assert.deepEqual([leg.proven(), leg.target()], [moved, moved]);
  });

  test("a closed slot, port 0, and a slot that was closed and opened relay and prove nothing", () => {
    const leg = new Leg().open(withIce);
    leg.policy.iceCheck(factsFrom(moved), true, leg.nowMs);
    leg.wait(1);
    leg.policy.close(0);
    assert.equal(leg.send(new Phone(moved).next()), verdict.unprovenSource);
    leg.policy.iceCheck(factsFrom(moved), true, leg.nowMs);
    leg.policy.dtlsVerified(factsFrom(moved), leg.nowMs);
    leg.policy.iceRevoked(0);
    assert.deepEqual(
      [leg.proven(), leg.target(), leg.policy.nextDeadlineMs()],
      ["-", "-", Number.POSITIVE_INFINITY],
    );
    leg.open(withIce);
    assert.equal(leg.policy.isKnownSource(factsFrom(moved)), false);
    assert.equal(leg.policy.isKnownSource(factsFrom("0.0.0.0:0")), false);
    for (const nowhere of ["198.51.100.7:0", "[::]:0"]) {
      leg.policy.iceCheck(factsFrom(nowhere), true, leg.nowMs);
      leg.policy.dtlsVerified(factsFrom(nowhere), leg.nowMs);
      assert.equal(verified(leg, new Phone(nowhere).next()), verdict.unprovenSource);
    }
    assert.deepEqual([leg.proven(), leg.notes.length], ["-", 1]);
  });
});

suite("handover: handshakes of the parties' own", (test) => {
  const hello = (place: string): Packet => ({
    slot: 0,
    from: place,
    kind: packetKind.data,
    ssrc: 0,
    sequence: 0,
    timestamp: 0,
    payloadType: 128,
  });

  test("the first datagram from the signalled place is relayed", () => {
    const leg = new Leg().open(usable);
    assert.equal(leg.send(hello(sdp)), verdict.relay);
    assert.deepEqual(state(leg), [sdp, "signalled", sdp]);
  });

  test("behind a NAT one datagram is enough, after a moment alone, and leaves no stream behind", () => {
    const leg = new Leg().open({ hints: [["10.0.0.7:4000", "exact"]], target: "10.0.0.7:4000" });
    assert.equal(leg.send(hello(other)), verdict.hold);
    leg.wait(150);
    assert.deepEqual(state(leg), [other, "firstSpeaker", other]);
    assert.equal(leg.relayed.length, 1);
    // A stranger cannot carry on a stream that never was.
    leg.wait(400);
    const forged = { ...new Phone(moved, 0, 0, 0).next(), sequence: 1, timestamp: 0 };
    assert.notEqual(leg.send(forged), verdict.relay);
    leg.wait(200);
    assert.equal(leg.proven(), other);
  });
});
