import assert from "node:assert/strict";
import { authResult, PacketFacts, packetKind, verdict } from "../../../src/handover/contract.ts";
import { suite } from "../../support/suite.ts";
import { endpointWords, Leg, Phone, type Wanted } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };
const moved = "192.0.2.30:5500";

function factsFrom(from: string, auth: number): PacketFacts {
  const [ip0 = 0, ip1 = 0, ip2 = 0, ip3 = 0, port = 0] = endpointWords(from);
  return Object.assign(new PacketFacts(), { kind: packetKind.rtp, ip0, ip1, ip2, ip3, port, auth, ssrc: 3 });
}

suite("handover: cryptographic", (test) => {
  test("a verified packet, a nominated check and a DTLS handshake prove their source", () => {
    const proofs: readonly ((leg: Leg) => void)[] = [
      (leg) =>
        assert.equal(leg.policy.packet(factsFrom(moved, authResult.verified), leg.nowMs), verdict.relay),
      (leg) => leg.policy.iceCheck(factsFrom(moved, authResult.none), true, leg.nowMs),
      (leg) => leg.policy.dtlsVerified(factsFrom(moved, authResult.none), leg.nowMs),
    ];
    for (const proof of proofs) {
      const leg = new Leg().open(usable);
      leg.talk(new Phone(sdp), 3);
      proof(leg);
      assert.deepEqual([leg.proven(), leg.evidence(), leg.target()], [moved, "cryptographic", moved]);
      assert.notEqual(leg.send(new Phone(sdp, 8).next()), verdict.relay);
      leg.wait(10_000);
      assert.equal(leg.send(new Phone("203.0.113.5:1", 3).next()), verdict.stranger);
    }
  });

  test("a check that is not nominated admits only where nothing is proven; a proven source keeps its place", () => {
    const leg = new Leg().open(usable);
    leg.policy.iceCheck(factsFrom(moved, authResult.none), false, leg.nowMs);
    assert.equal(leg.proven(), moved);
    leg.policy.iceCheck(factsFrom(sdp, authResult.none), false, leg.nowMs);
    assert.equal(leg.proven(), moved);
    leg.policy.dtlsVerified(factsFrom(moved, authResult.none), leg.nowMs);
    assert.deepEqual(leg.notes, ["0 proven cryptographic"]);
  });

  test("a closed slot, and port 0, relay nothing", () => {
    const leg = new Leg().open(usable);
    leg.talk(new Phone(sdp), 3);
    leg.policy.close(0);
    assert.equal(leg.send(new Phone(sdp).next()), verdict.unprovenSource);
    assert.deepEqual(
      [leg.proven(), leg.target(), leg.policy.nextDeadlineMs()],
      ["-", "-", Number.POSITIVE_INFINITY],
    );
    assert.equal(new Leg().open(usable).send(new Phone("198.51.100.7:0").next()), verdict.unprovenSource);
  });
});
