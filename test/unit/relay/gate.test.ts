import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  packetSizeBytesMax,
  packetsUpPerSlotBurstMax,
  packetsUpPerWorkerBurstMax,
} from "../../../src/core/limits.ts";
import type { PairSettings } from "../../../src/core/plan/plan.ts";
import { Handover } from "../../../src/handover/handover.ts";
import { readPair } from "../../../src/relay/counter-view.ts";
import { cryptoPlaces } from "../../../src/relay/protection.ts";
import { rtpPacket } from "../../support/relay-rig.ts";
import {
  at,
  check,
  dtls,
  facing,
  fromA,
  ice,
  localA,
  localB,
  phoneA,
  realRig,
  reasons,
  settings,
  stranger,
  stun,
  toA,
} from "../../support/secure-rig.ts";
import { suite } from "../../support/suite.ts";
import { WorkerRig } from "../../support/worker-rig.ts";

/** The same message under this transaction id. */
function numbered(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUIntBE(id, 8, 6);
  return copy;
}

suite("relay: datagrams for main", (test) => {
  test("checks for our fragment and answers go up, everything else of STUN ends here", () => {
    const rig = facing({ ice }, {});
    const own = numbered(check("theirs:ourUfrag"), 0xcafe);
    assert.ok(rig.handDown(1, phoneA, own));
    rig.command();
    const meant = [
      check("ourUfrag:theirs"),
      numbered(stun(0x0101, []), 0xcafe),
      numbered(stun(0x0111, []), 0xcafe),
    ];
    const notMeant = [
      check("ourUfra:theirs"),
      check("ourUfrag"),
      check("ourUfrag1:theirs"),
      check("OURUFRAG:theirs"),
      stun(0x0001, []),
      stun(0x0011, []),
      // Answers to what was never asked, be the id the table's own zeros.
      stun(0x0101, []),
      numbered(stun(0x0101, []), 0xcaff),
      numbered(stun(0x0111, []), 0x1cafe),
      // The attribute runs out of the message.
      Buffer.concat([stun(0x0001, []), Buffer.from([0, 6, 0, 200, 0x6f])]),
    ];
    for (const bytes of [...meant, ...notMeant]) rig.receive(1, bytes, stranger);
    const passed = rig.passedUp();
    assert.deepEqual(
      passed.map(({ bytes }) => Buffer.from(bytes)),
      meant,
    );
    assert.deepEqual(passed[0]?.at, { slot: 1, generation: 1 });
    assert.deepEqual(passed[0]?.remote, stranger);
    assert.deepEqual(reasons(rig), { passedUp: 3, stunRefused: 10 });
    assert.equal(rig.sent.length, 0);
    assert.equal(rig.core.flushEvents(), true);
    assert.equal(rig.core.flushEvents(), false);
  });

  test("after a restart checks for the fragment before still go up, until ICE ends", () => {
    const rig = facing({ ice }, {});
    const again = { ...ice, localUfrag: "newUfrag", restart: 2 };
    const hears = (own: Partial<PairSettings>): number[] => {
      rig.configure(0, settings(phoneA, own), 2);
      return ["ourUfrag", "newUfrag", "thirdUfrag"].map((name) => {
        rig.receive(0, check(`${name}:x`), stranger);
        return rig.passedUp().length;
      });
    };
    assert.deepEqual(hears({ ice: again }), [1, 1, 0]);
    assert.deepEqual(hears({ ice: again }), [1, 1, 0]);
    assert.deepEqual(hears({ ice: { ...ice, localUfrag: "thirdUfrag" } }), [0, 1, 1]);
    assert.deepEqual(hears({}), [0, 0, 0]);
    assert.deepEqual(hears({ ice }), [1, 0, 0]);
    // Too long to be told to a worker: nothing is for us, rather than anything.
    assert.deepEqual(hears({ ice: { ...ice, localUfrag: "u".repeat(40) } }), [0, 0, 0]);
  });

  test("a fragment that begins as the one before, in either order, is another one", () => {
    const rig = facing({ ice }, {});
    for (const localUfrag of ["ourUfragAndMore", "ourUfrag"]) {
      rig.configure(0, settings(phoneA, { ice: { ...ice, localUfrag } }), 2);
      rig.receive(0, check(`${localUfrag}:x`), stranger);
      assert.equal(rig.passedUp().length, 1);
    }
    rig.configure(0, settings(phoneA, { ice: { ...ice, localUfrag: "third" } }), 2);
    rig.receive(0, check("ourUfragAndMore:x"), stranger);
    assert.equal(rig.passedUp().length, 0);
  });

  test("a pair in the place of another knows no fragment of that one, and has its own allowance", () => {
    const rig = facing({ ice }, {}, realRig(256));
    rig.configure(0, settings(phoneA, { ice: { ...ice, localUfrag: "later" } }), 2);
    for (let count = 0; count <= packetsUpPerSlotBurstMax; count++)
      rig.receive(0, check("later:x"), stranger);
    assert.equal(reasons(rig)["packetsUpLimit"], 1);
    rig.passedUp();
    rig.command({ kind: "close", at: { slot: 0, generation: 1 } });
    rig.open(0, localA, 2);
    const own = { ...ice, localUfrag: "own" };
    rig.configure(0, settings(phoneA, { ice: own }), 2, 2);
    for (const name of ["ourUfrag", "later", "own"]) rig.receive(0, check(`${name}:x`), stranger);
    assert.deepEqual(
      rig.passedUp().map(({ at: place, bytes }) => [place.generation, Buffer.from(bytes)]),
      [[2, check("own:x")]],
    );
  });

  test("handshakes go up where DTLS is to be had", () => {
    const hello = Buffer.alloc(1_200, 7);
    hello[0] = 22;
    const rig = facing({ security: dtls }, {});
    rig.receive(0, hello, stranger);
    rig.receive(2, hello, stranger);
    assert.deepEqual(rig.passedUp(), [
      { at: { slot: 0, generation: 1 }, remote: stranger, bytes: new Uint8Array(hello) },
    ]);
    const large = Buffer.alloc(packetSizeBytesMax + 1, 7);
    large[0] = 22;
    rig.receive(0, large, stranger);
    assert.deepEqual(reasons(rig), { passedUp: 1, dtls: 1, tooLarge: 1 });
  });

  test("STUN on a leg without ICE is a keepalive", () => {
    const rig = facing({}, {});
    rig.receive(0, check("ourUfrag:theirs"), phoneA);
    assert.deepEqual(reasons(rig), { stun: 1 });
    assert.equal(rig.passedUp().length, 0);
  });

  test("a flood is bounded by socket, and fills no more than the ring", () => {
    const rig = facing({ ice }, {}, realRig(8));
    const flood = packetsUpPerSlotBurstMax + 50;
    for (let sent = 0; sent < flood; sent++)
      rig.receive(0, check("ourUfrag:x"), at("203.0.113.66", sent + 1));
    assert.deepEqual(reasons(rig), {
      passedUp: 8,
      packetsUpFull: packetsUpPerSlotBurstMax - 8,
      packetsUpLimit: 50,
    });
    assert.equal(rig.passedUp().length, 8);
    rig.receive(1, check("ourUfrag:x"), stranger);
    assert.equal(rig.passedUp().length, 1);
  });

  test("a flood of handshakes leaves room for checks, and both for a source that passed one", () => {
    const rig = facing({ ice, security: dtls }, {}, realRig(256));
    const hello = Buffer.alloc(60, 7);
    hello[0] = 22;
    rig.command({ kind: "prove", at: { slot: 0, generation: 1 }, source: phoneA, isNominated: false });
    for (let sent = 0; sent < packetsUpPerSlotBurstMax + 50; sent++) rig.receive(0, hello, stranger);
    assert.equal(rig.passedUp().length, packetsUpPerSlotBurstMax);
    rig.receive(0, check("ourUfrag:x"), stranger);
    rig.receive(0, hello, phoneA);
    assert.deepEqual(
      rig.passedUp().map(({ remote }) => remote),
      [stranger, phoneA],
    );
  });

  test("a worker flooded with handshakes hears checks still, and parties where signalling says", () => {
    const rig = new WorkerRig(64, { packetRecords: 64 }, (capacity, sink) => new Handover(capacity, sink));
    const hello = Buffer.alloc(60, 7);
    hello[0] = 22;
    for (let slot = 0; slot < 64; slot += 2) {
      rig.open(slot, at(localA.ip, 30_000 + slot));
      const hints = [{ origin: "sdp", endpoint: phoneA, isIpUsable: false, isIpShared: false }] as const;
      rig.configure(slot, settings(phoneA, { ice, security: dtls, hints }));
    }
    for (let sent = 0; sent < 2 * packetsUpPerWorkerBurstMax; sent++) {
      rig.receive(2 * (sent % 32), hello, stranger);
      rig.passedUp();
    }
    rig.receive(0, hello, stranger);
    assert.equal(rig.passedUp().length, 0);
    rig.receive(0, check("ourUfrag:x"), stranger);
    rig.receive(0, hello, phoneA);
    assert.deepEqual(
      rig.passedUp().map(({ remote }) => remote),
      [stranger, phoneA],
    );
  });

  test("what main hands down leaves from the socket it names, and the target stays", () => {
    const rig = facing({}, {});
    assert.ok(rig.handDown(1, stranger, Buffer.from("answer")));
    rig.command();
    assert.deepEqual(rig.sentTo, [{ slot: 1, to: "203.0.113.66:666", bytes: Buffer.from("answer") }]);
    assert.deepEqual(readPair(rig.counters, 0, rig.capacitySlots).rtcp.sendTarget, at(phoneA.ip, 4_001));
    assert.equal(rig.handDown(1, stranger, Buffer.alloc(packetSizeBytesMax + 1)), false);
  });

  test("nor is it lost where its socket opens behind the keys of another", () => {
    const rig = facing({}, { security: dtls });
    assert.ok(rig.handDown(4, phoneA, Buffer.from("check")));
    const local = at("192.0.2.1", 30_004);
    rig.command(
      { kind: "keys", at: { slot: 2, generation: 1 }, receive: [fromA], send: toA, provenBy: stranger },
      { kind: "open", at: { slot: 4, generation: 1 }, rtpHandle: 52, rtcpHandle: 53, local },
    );
    assert.deepEqual(rig.sentTo, [{ slot: 4, to: "198.51.100.1:4000", bytes: Buffer.from("check") }]);
    assert.deepEqual(reasons(rig), {});
  });

  test("one for a pair that has closed holds back nothing that media must not overtake", () => {
    const rig = facing({}, { security: dtls });
    rig.open(4, at("192.0.2.1", 30_004));
    rig.receive(0, rtpPacket(7, 1), phoneA);
    assert.ok(rig.handDown(4, phoneA, Buffer.from("check")));
    assert.ok(rig.handDown(2, stranger, Buffer.from("Finished")));
    rig.command(
      { kind: "close", at: { slot: 4, generation: 1 } },
      { kind: "keys", at: { slot: 2, generation: 1 }, receive: [fromA], send: toA, provenBy: stranger },
    );
    assert.deepEqual(rig.sendOrder, ["sendTo", "send"]);
    assert.equal(reasons(rig)["packetsDownStale"], 1);
  });

  test("nothing goes to where nothing may, nor from a socket that is gone", () => {
    const control = at("192.0.2.1", 2_223);
    const forbiddenTargets = Int32Array.of(0, 0, 0xffff, 0xc0000201 | 0, 2_223);
    const rig = facing({}, {}, new WorkerRig(16, { forbiddenTargets }));
    const refused = [
      control,
      localA,
      at(localA.ip, 30_001),
      localB,
      at("0.0.0.0", 9),
      at("224.0.0.1", 9),
      at("192.0.2.9", 0),
    ];
    for (const to of refused) rig.handDown(0, to, Buffer.from("no"));
    rig.handDown(0, stranger, Buffer.from("no"), 2);
    rig.command();
    rig.command({ kind: "close", at: { slot: 2, generation: 1 } });
    rig.handDown(2, stranger, Buffer.from("no"));
    rig.command();
    assert.deepEqual(rig.sentTo, []);
    assert.deepEqual(reasons(rig), { forbiddenTarget: refused.length, packetsDownStale: 2 });
  });

  test("proof of main's reaches the policy for the socket it names", () => {
    const rig = new WorkerRig();
    facing({ ice, security: dtls }, {}, rig);
    rig.policy.calls.length = 0;
    const place = { slot: 1, generation: 1 };
    rig.command(
      { kind: "prove", at: place, source: stranger, isNominated: true },
      { kind: "prove", at: { slot: 0, generation: 1 }, source: phoneA, isNominated: false },
      { kind: "revoke", at: place },
      { kind: "supersede", at: place },
      { kind: "keys", at: place, receive: [fromA], send: toA, provenBy: stranger },
      { kind: "keys", at: place, receive: [fromA], send: toA, provenBy: undefined },
    );
    assert.deepEqual(rig.policy.calls, [
      "ice 1 666 true",
      "ice 0 4000 false",
      "revoke 1",
      "supersede 1",
      "dtls 1 666",
    ]);
  });

  test("a checked source is let in before anything is nominated, and a nominated one is sent to", () => {
    const rig = facing({ ice }, {});
    rig.command({ kind: "prove", at: { slot: 0, generation: 1 }, source: stranger, isNominated: false });
    rig.receive(0, rtpPacket(7, 1), stranger);
    assert.equal(rig.sent.length, 1);
    rig.command({ kind: "prove", at: { slot: 0, generation: 1 }, source: phoneA, isNominated: true });
    assert.deepEqual(readPair(rig.counters, 0, rig.capacitySlots).rtp.sendTarget, phoneA);
    rig.command({ kind: "revoke", at: { slot: 0, generation: 1 } });
    assert.equal(readPair(rig.counters, 0, rig.capacitySlots).rtp.sendTarget, undefined);
  });

  test("crypto is asked for as many places as there are sockets with keys of their own", () => {
    assert.equal(cryptoPlaces(16), 32);
  });
});
