/** Secure legs through the worker's core: SRTP by the real transforms over node:crypto. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  heldAgeMsMax,
  heldPacketsPerEgressMax,
  packetsDownPerTurnMax,
  srtpNewSsrcsBurstMax,
  srtpNewSsrcsPerSecMax,
  srtpSsrcsSentMax,
  strangerVerificationsBurstMax,
} from "../../../src/core/limits.ts";
import type { SrtpSuite } from "../../../src/core/plan/security.ts";
import { authResult, verdict } from "../../../src/handover/contract.ts";
import { Handover } from "../../../src/handover/handover.ts";
import { readPair } from "../../../src/relay/counter-view.ts";
import { receiverReport, rtpPacket } from "../../support/relay-rig.ts";
import {
  at,
  dtls,
  facing,
  fromA,
  fromB,
  keyOf,
  keys,
  Party,
  passed,
  phoneA,
  phoneB,
  realRig,
  reasons,
  sdes,
  sentBytes,
  settings,
  stranger,
  toA,
  toB,
} from "../../support/secure-rig.ts";
import { suite } from "../../support/suite.ts";
import { WorkerRig } from "../../support/worker-rig.ts";

suite("relay: SRTP", (test) => {
  const suites: readonly SrtpSuite[] = [
    "AES_CM_128_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
    "AEAD_AES_128_GCM",
  ];

  test("is re-keyed both ways, RTP and RTCP, in every kind of suite", () => {
    for (const name of suites) {
      const [aSends, aHears] = [keyOf(1, name), keyOf(2, name)];
      const rig = facing({ security: sdes }, { security: sdes });
      keys(rig, 0, [aSends], aHears);
      keys(rig, 2, [fromB], toB);
      const a = new Party(aSends, aHears);
      const b = new Party(fromB, toB);
      for (let sequence = 1; sequence <= 3; sequence++) {
        rig.receive(0, a.protect(rtpPacket(7, sequence)), phoneA);
        rig.receive(2, b.protect(rtpPacket(9, sequence)), phoneB);
      }
      rig.receive(1, a.protect(receiverReport(7), "rtcp"), at(phoneA.ip, 4_001));
      const toward = (slot: number) =>
        rig.sent.filter((each) => each.slot === slot).map(({ bytes }) => bytes);
      assert.deepEqual(
        toward(2).map((bytes) => b.open(bytes)),
        [1, 2, 3].map((each) => rtpPacket(7, each)),
      );
      assert.deepEqual(
        toward(0).map((bytes) => a.open(bytes)),
        [1, 2, 3].map((each) => rtpPacket(9, each)),
      );
      assert.deepEqual(
        toward(3).map((bytes) => b.open(bytes, "rtcp")),
        [receiverReport(7)],
      );
      assert.deepEqual(reasons(rig), { relay: 7 });
    }
  });

  test("is made of plain RTP and turned into it", () => {
    const rig = facing({ security: sdes }, {});
    keys(rig, 0, [fromA], toA);
    const a = new Party(fromA, toA);
    rig.receive(0, a.protect(rtpPacket(7, 1)), phoneA);
    rig.receive(2, rtpPacket(9, 1), phoneB);
    const [clear, secure] = sentBytes(rig);
    assert.deepEqual(clear, rtpPacket(7, 1));
    assert.deepEqual(a.open(secure ?? assert.fail()), rtpPacket(9, 1));
    const counters = readPair(rig.counters, 0, rig.capacitySlots);
    assert.deepEqual(
      [counters.rtp.bytesIn, counters.rtp.bytesOut, counters.streams[0]?.packets],
      [172, 172, 1],
    );
  });

  test("in clear, under a wrong key, bent and replayed: dropped, each under its name", () => {
    const rig = facing({ security: sdes }, {});
    keys(rig, 0, [fromA], toA);
    const a = new Party(fromA, toA);
    const genuine = a.protect(rtpPacket(7, 1));
    const bent = Buffer.from(genuine);
    bent[20]! ^= 1;
    for (const bytes of [rtpPacket(7, 5), new Party(fromB, toB).protect(rtpPacket(7, 1)), bent]) {
      rig.receive(0, bytes, phoneA);
    }
    assert.deepEqual(reasons(rig), { authFailed: 3 });
    rig.receive(0, genuine, phoneA);
    rig.receive(0, genuine, phoneA);
    rig.receive(0, Buffer.from(genuine.subarray(0, 14)), phoneA);
    assert.deepEqual(reasons(rig), { authFailed: 3, relay: 1, replayed: 1, malformed: 1 });
    assert.equal(readPair(rig.counters, 0, rig.capacitySlots).rtp.errorsIn, 5);
  });

  test("a copy that a stranger sends first is relayed once, and neither takes the leg nor costs the party's packet twice", () => {
    const rig = facing({ security: sdes }, {});
    keys(rig, 0, [fromA], toA);
    const a = new Party(fromA, toA);
    rig.receive(0, a.protect(rtpPacket(7, 1)), phoneA);
    const second = a.protect(rtpPacket(7, 2));
    rig.receive(0, second, stranger);
    rig.receive(0, second, phoneA);
    assert.equal(rig.sent.length, 2);
    const { provenSource, sendTarget } = readPair(rig.counters, 0, rig.capacitySlots).rtp;
    assert.deepEqual([provenSource, sendTarget], [phoneA, phoneA]);
  });

  test("a packet that comes once more goes nowhere, and the policy is told of it if its tag is right", () => {
    for (const name of ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"] as const) {
      const rig = new WorkerRig();
      facing({ security: sdes }, {}, rig);
      rig.policy.keepsSeen = true;
      keys(rig, 0, [keyOf(1, name)], toA);
      const packet = new Party(keyOf(1, name), toA).protect(rtpPacket(7, 1));
      const bent = Buffer.from(packet);
      bent[bent.length - 1]! ^= 1;
      for (const each of [packet, packet, bent, packet]) rig.receive(0, each, phoneA);
      const { verified, repeated } = authResult;
      assert.deepEqual(
        rig.policy.seen.map(({ auth }) => auth),
        [verified, repeated, repeated],
      );
      assert.deepEqual(reasons(rig), { relay: 1, replayed: 3 });
      assert.deepEqual(sentBytes(rig), [rtpPacket(7, 1)]);
    }
  });

  test("the party's packets take the leg to another network, with one command of signalling less", () => {
    const rig = facing({ security: sdes }, {});
    keys(rig, 0, [fromA], toA);
    const a = new Party(fromA, toA);
    rig.receive(0, a.protect(rtpPacket(7, 1)), phoneA);
    rig.nowMs += 200;
    rig.receive(0, a.protect(rtpPacket(7, 2)), stranger);
    assert.deepEqual(readPair(rig.counters, 0, rig.capacitySlots).rtp.sendTarget, stranger);
    assert.deepEqual(readPair(rig.counters, 0, rig.capacitySlots).rtp.evidence, "cryptographic");
  });

  test("the loser of a fork is heard while his key counts, and takes nothing from the winner", () => {
    const [loses, wins] = [keyOf(5), keyOf(6)];
    const rig = facing({}, { security: sdes });
    const [loser, winner] = [new Party(loses, toB), new Party(wins, toB)];
    const place = (): unknown[] => {
      const { provenSource, sendTarget } = readPair(rig.counters, 2, rig.capacitySlots).rtp;
      return [provenSource, sendTarget];
    };
    keys(rig, 2, [loses], toB);
    rig.receive(2, loser.protect(rtpPacket(5, 1)), stranger);
    assert.deepEqual(place(), [stranger, stranger]);
    keys(rig, 2, [wins, loses], toB);
    rig.nowMs += 200;
    rig.receive(2, winner.protect(rtpPacket(9, 1)), phoneB);
    assert.deepEqual(place(), [phoneB, phoneB]);
    sentBytes(rig);
    for (let sequence = 2; sequence < 5; sequence++) {
      rig.nowMs += 200;
      const packet = loser.protect(rtpPacket(5, sequence));
      // Nor by what shows that a party is still where it was: a packet that comes twice.
      for (const each of [packet, packet]) rig.receive(2, each, stranger);
      rig.receive(3, loser.protect(receiverReport(5), "rtcp"), at(stranger.ip, stranger.port + 1));
    }
    assert.equal(sentBytes(rig).length, 6);
    assert.deepEqual(place(), [phoneB, phoneB]);
    assert.equal(readPair(rig.counters, 2, rig.capacitySlots).rtcp.provenSource, undefined);
    keys(rig, 2, [wins], toB);
    rig.receive(2, loser.protect(rtpPacket(5, 5)), stranger);
    assert.equal(reasons(rig)["authFailed"], 1);
    rig.receive(2, winner.protect(rtpPacket(9, 2)), at(phoneB.ip, 7_000));
    assert.deepEqual(place(), [at(phoneB.ip, 7_000), at(phoneB.ip, 7_000)]);
  });

  test("strangers have a bounded number of tags checked, and the party is not kept waiting by them", () => {
    const rig = facing({ security: sdes }, {});
    keys(rig, 0, [fromA], toA);
    const a = new Party(fromA, toA);
    rig.receive(0, a.protect(rtpPacket(7, 1)), phoneA);
    const flood = 3 * strangerVerificationsBurstMax;
    for (let sent = 0; sent < flood; sent++)
      rig.receive(0, rtpPacket(8, sent), at("203.0.113.66", 1_000 + sent));
    rig.receive(0, a.protect(rtpPacket(7, 2)), phoneA);
    const counts = reasons(rig);
    assert.equal(counts["relay"], 2);
    assert.ok(counts["authFailed"]! <= strangerVerificationsBurstMax);
    assert.equal(counts["authFailed"]! + counts["verificationLimit"]!, flood);
    rig.nowMs += 1_000;
    rig.receive(0, a.protect(rtpPacket(7, 3)), stranger);
    assert.equal(reasons(rig)["relay"], 3);
  });

  test("whoever spoofs a plain leg's source bars no new SSRC from a secure one before he has done it for minutes", () => {
    const rig = facing({}, { security: sdes });
    keys(rig, 2, [fromB], toB);
    const passes = (ssrc: number, sequence: number): boolean => {
      rig.receive(0, rtpPacket(ssrc, sequence), phoneA);
      return sentBytes(rig).length === 1;
    };
    assert.equal(passes(7, 1), true);
    let spoofed = 1_000;
    const flood = (count: number): number => {
      let passed = 0;
      for (const end = spoofed + count; spoofed < end; spoofed++) if (passes(spoofed, 1)) passed++;
      return passed;
    };
    assert.equal(flood(2 * srtpSsrcsSentMax), srtpNewSsrcsBurstMax - 1);
    assert.equal(reasons(rig)["newSsrcLimit"], 2 * srtpSsrcsSentMax - srtpNewSsrcsBurstMax + 1);
    assert.deepEqual([passes(7, 2), passes(8, 1)], [true, false]);
    rig.nowMs += 1_000 / srtpNewSsrcsPerSecMax;
    assert.deepEqual([passes(8, 2), passes(9, 1)], [true, false]);
    let seconds = 1;
    for (; reasons(rig)["keyExhausted"] === undefined; seconds++) {
      flood(10);
      rig.nowMs += 1_000;
    }
    assert.ok(seconds >= 15 * 60 - 4 && seconds < 15 * 60 + 4);
    assert.deepEqual([passes(7, 3), passes(10, 1)], [true, false]);
    // Another key begins anew.
    keys(rig, 2, [fromB], keyOf(5));
    assert.deepEqual([passes(7, 4), passes(10, 2)], [true, true]);
  });

  test("a source with port 0 is refused before its packet's index counts as used", () => {
    const rig = facing({ security: sdes }, {});
    keys(rig, 0, [fromA], toA);
    const packet = new Party(fromA, toA).protect(rtpPacket(7, 1));
    rig.receive(0, packet, at(phoneA.ip, 0));
    rig.receive(0, packet, phoneA);
    assert.deepEqual(reasons(rig), { unprovenSource: 1, relay: 1 });
  });

  test("what is no RTP comes neither in nor out", () => {
    const zrtp = Buffer.alloc(40);
    zrtp[0] = 0x10;
    zrtp.write("ZRTP", 4);
    const rig = facing({ security: sdes }, {});
    keys(rig, 0, [fromA], toA);
    rig.receive(0, zrtp, phoneA);
    rig.receive(2, zrtp, phoneB);
    assert.deepEqual(reasons(rig), { unsecured: 2 });
    const plain = facing({}, {});
    plain.receive(0, zrtp, phoneA);
    assert.deepEqual(sentBytes(plain), [zrtp]);
  });

  test("what came secure does not leave in clear on a leg whose parties have keys of their own", () => {
    const rig = facing({ security: sdes }, { security: passed });
    keys(rig, 0, [fromA], toA);
    rig.receive(0, new Party(fromA, toA).protect(rtpPacket(7, 1)), phoneA);
    assert.deepEqual(reasons(rig), { unsecured: 1 });
  });

  test("a suite without tag is judged by the plain rules", () => {
    const own = { authenticatesRtp: false };
    const rig = new WorkerRig();
    facing({ security: sdes }, {}, rig);
    rig.policy.keepsSeen = true;
    keys(rig, 0, [keyOf(1, "AES_CM_128_HMAC_SHA1_80", own)], toA);
    const a = new Party(keyOf(1, "AES_CM_128_HMAC_SHA1_80", own), toA);
    rig.receive(0, a.protect(rtpPacket(7, 1)), phoneA);
    keys(rig, 0, [fromA], toA);
    rig.receive(0, new Party(fromA, toA).protect(rtpPacket(7, 2)), phoneA);
    assert.deepEqual(
      rig.policy.seen.map(({ auth, tagBits, sequence }) => [auth, tagBits, sequence]),
      [
        [authResult.none, 0, 1],
        [authResult.verified, 80, 2],
      ],
    );
    assert.deepEqual(sentBytes(rig), [rtpPacket(7, 1), rtpPacket(7, 2)]);
  });
});

suite("relay: keys that are still to come", (test) => {
  test("what came before them waits and is judged by them", () => {
    const rig = facing({ security: dtls }, {});
    const a = new Party(fromA, toA);
    for (let sequence = 1; sequence <= 3; sequence++)
      rig.receive(0, a.protect(rtpPacket(7, sequence)), phoneA);
    rig.receive(0, rtpPacket(8, 1), stranger);
    assert.deepEqual(reasons(rig), { hold: 4 });
    keys(rig, 0, [fromA], toA, phoneA);
    assert.deepEqual(
      sentBytes(rig),
      [1, 2, 3].map((each) => rtpPacket(7, each)),
    );
    assert.deepEqual(reasons(rig), { hold: 4, heldReleased: 4, relay: 3, authFailed: 1 });
    assert.equal(readPair(rig.counters, 0, rig.capacitySlots).rtp.evidence, "cryptographic");
  });

  test("they wait for a second at most, and not for keys of another kind", () => {
    const rig = facing({ security: sdes }, {});
    rig.receive(0, rtpPacket(7, 1), phoneA);
    rig.core.tick(rig.nowMs + heldAgeMsMax);
    assert.deepEqual(reasons(rig), { hold: 1, heldExpired: 1 });
    rig.receive(0, rtpPacket(7, 2), phoneA);
    rig.configure(0, settings(phoneA), 2);
    assert.deepEqual(reasons(rig), { hold: 2, heldExpired: 1, heldDropped: 1 });
    assert.equal(rig.sent.length, 0);
  });

  test("a party without a send key is sent nothing; the last packets wait for it", () => {
    const rig = facing({}, { security: dtls });
    const count = heldPacketsPerEgressMax + 2;
    for (let sequence = 1; sequence <= count; sequence++) rig.receive(0, rtpPacket(7, sequence), phoneA);
    assert.equal(rig.sent.length, 0);
    assert.deepEqual(reasons(rig), { hold: count, heldDropped: 2 });
    keys(rig, 2, [fromB], toB);
    const b = new Party(fromB, toB);
    const heard = sentBytes(rig).map((bytes) => b.open(bytes));
    assert.deepEqual(
      heard,
      [...Array(heldPacketsPerEgressMax).keys()].map((each) => rtpPacket(7, each + 3)),
    );
    assert.equal(readPair(rig.counters, 2, rig.capacitySlots).rtp.packetsOut, heldPacketsPerEgressMax);
  });

  test("what waited for the keys of a handshake leaves behind its last flight", () => {
    const rig = facing({}, { security: dtls }, realRig(2 * packetsDownPerTurnMax));
    rig.receive(0, rtpPacket(7, 1), phoneA);
    // More than a turn's worth, for whichever socket.
    const flights = packetsDownPerTurnMax + 8;
    for (let each = 0; each < flights; each++) assert(rig.handDown(2, phoneB, Buffer.from("Finished")));
    keys(rig, 2, [fromB], toB, phoneB);
    assert.deepEqual(rig.sendOrder, [...Array<string>(flights).fill("sendTo"), "send"]);
  });

  test("large packets that waited are protected where there is room for the tag", () => {
    const rig = facing({}, { security: dtls });
    const packets = [244, 1_500, 240].map((sizeBytes, index) => rtpPacket(7, index + 1, sizeBytes));
    for (const packet of packets) rig.receive(0, packet, phoneA);
    keys(rig, 2, [fromB], toB);
    const b = new Party(fromB, toB);
    assert.deepEqual(
      sentBytes(rig).map((bytes) => b.open(bytes)),
      packets,
    );
  });

  test("a key that is taken away silences the leg", () => {
    const rig = facing({}, { security: sdes });
    keys(rig, 2, [fromB], toB);
    rig.receive(0, rtpPacket(7, 1), phoneA);
    assert.equal(sentBytes(rig).length, 1);
    keys(rig, 2, [fromB], undefined);
    rig.receive(0, rtpPacket(7, 2), phoneA);
    rig.core.tick(rig.nowMs + heldAgeMsMax);
    assert.equal(rig.sent.length, 0);
    assert.deepEqual(reasons(rig), { relay: 1, hold: 1, heldExpired: 1 });
  });

  test("keys of a leg that is secured otherwise now serve no more", () => {
    const rig = facing({ security: sdes }, {});
    keys(rig, 0, [fromA], toA);
    rig.configure(0, settings(phoneA, { security: dtls }), 2);
    rig.receive(0, new Party(fromA, toA).protect(rtpPacket(7, 1)), phoneA);
    rig.receive(2, rtpPacket(9, 1), phoneB);
    assert.deepEqual(reasons(rig), { hold: 2 });
  });

  test("a send key that comes back after a time in the clear goes on where it stopped", () => {
    const rig = facing({}, { security: sdes });
    keys(rig, 2, [fromB], toB);
    const b = new Party(fromB, toB);
    rig.receive(0, rtpPacket(7, 1), phoneA);
    rig.receive(1, receiverReport(7), at(phoneA.ip, 4_001));
    const [first, report] = sentBytes(rig);
    assert.deepEqual(b.open(first ?? assert.fail()), rtpPacket(7, 1));
    assert.deepEqual(b.open(report ?? assert.fail(), "rtcp"), receiverReport(7));
    rig.configure(2, settings(phoneB), 0);
    rig.receive(0, rtpPacket(7, 2), phoneA);
    assert.deepEqual(sentBytes(rig), [rtpPacket(7, 2)]);
    rig.configure(2, settings(phoneB, { security: sdes }), 0);
    keys(rig, 2, [fromB], toB);
    rig.receive(0, rtpPacket(7, 1, 0x55), phoneA);
    assert.deepEqual(sentBytes(rig), [], "that index protects another packet already");
    rig.receive(0, rtpPacket(7, 3), phoneA);
    rig.receive(1, receiverReport(7), at(phoneA.ip, 4_001));
    const [third, second] = sentBytes(rig);
    assert.deepEqual(b.open(third ?? assert.fail()), rtpPacket(7, 3));
    assert.deepEqual(b.open(second ?? assert.fail(), "rtcp"), receiverReport(7));
  });

  test("a receive key that comes back after a time in the clear takes nothing recorded, from nobody", () => {
    const rig = facing({ security: sdes }, {});
    keys(rig, 0, [fromA], toA);
    const a = new Party(fromA, toA);
    const recorded = [1, 2, 3].map((sequence) => a.protect(rtpPacket(7, sequence)));
    for (const packet of recorded) rig.receive(0, packet, phoneA);
    rig.configure(0, settings(phoneA, { transport: "udptl" }), 2);
    rig.configure(0, settings(phoneA, { security: sdes }), 2);
    keys(rig, 0, [fromA], toA);
    sentBytes(rig);
    rig.nowMs += 1_000;
    for (const packet of recorded) rig.receive(0, packet, stranger);
    assert.deepEqual(sentBytes(rig), []);
    assert.deepEqual(reasons(rig), { relay: 3, replayed: 3 });
    rig.receive(0, a.protect(rtpPacket(7, 4)), phoneA);
    assert.deepEqual(sentBytes(rig), [rtpPacket(7, 4)]);
    assert.deepEqual(readPair(rig.counters, 0, rig.capacitySlots).rtp.provenSource, phoneA);
  });

  test("a party whose sequence numbers ran over is heard after a time in the clear as well", () => {
    const rig = facing({ security: sdes }, {});
    keys(rig, 0, [fromA], toA);
    const a = new Party(fromA, toA);
    for (const sequence of [65_534, 65_535, 0, 1]) rig.receive(0, a.protect(rtpPacket(7, sequence)), phoneA);
    rig.configure(0, settings(phoneA, { transport: "udptl" }), 2);
    rig.configure(0, settings(phoneA, { security: sdes }), 2);
    keys(rig, 0, [fromA], toA);
    sentBytes(rig);
    rig.receive(0, a.protect(rtpPacket(7, 2)), phoneA);
    assert.deepEqual(sentBytes(rig), [rtpPacket(7, 2)]);
  });

  test("SDES keys are the pair's, those of DTLS the socket's", () => {
    const a = new Party(fromA, toA);
    for (const [security, count] of [
      [sdes, 1],
      [dtls, 0],
    ] as const) {
      const rig = facing({ security }, {});
      keys(rig, 0, [fromA], toA);
      rig.receive(1, a.protect(receiverReport(7), "rtcp"), at(phoneA.ip, 4_001));
      assert.equal(rig.sent.length, count, security.kind);
      keys(rig, 1, [fromA], toA);
      assert.equal(rig.sent.length, 1, security.kind);
    }
  });

  test("without crypto nothing comes in and nothing goes out", () => {
    const rig = new WorkerRig(
      16,
      { makeCrypto: () => undefined },
      (slots, sink) => new Handover(slots, sink),
    );
    facing({ security: sdes }, { security: sdes }, rig);
    keys(rig, 0, [fromA], toA);
    keys(rig, 2, [fromB], toB);
    rig.receive(0, new Party(fromA, toA).protect(rtpPacket(7, 1)), phoneA);
    rig.core.tick(rig.nowMs + heldAgeMsMax);
    assert.deepEqual(reasons(rig), { hold: 1, heldExpired: 1 });
  });
});

suite("relay: secure legs and the policy", (test) => {
  test("a verified packet that is refused all the same is counted as that", () => {
    const rig = new WorkerRig();
    facing({ security: sdes }, {}, rig);
    keys(rig, 0, [fromA], toA);
    rig.policy.next = verdict.stranger;
    rig.receive(0, new Party(fromA, toA).protect(rtpPacket(7, 1)), phoneA);
    assert.deepEqual(reasons(rig), { stranger: 1 });
  });

  test("held packets are in clear by then and are protected once, when they go out", () => {
    const rig = new WorkerRig();
    facing({ security: sdes }, { security: sdes }, rig);
    keys(rig, 0, [fromA], toA);
    keys(rig, 2, [fromB], toB);
    rig.policy.next = verdict.hold;
    rig.policy.heldFor = 2;
    const a = new Party(fromA, toA);
    for (let sequence = 1; sequence <= 3; sequence++)
      rig.receive(0, a.protect(rtpPacket(7, sequence)), phoneA);
    rig.policy.sink.releaseHeld(0, 2);
    const b = new Party(fromB, toB);
    assert.deepEqual(
      sentBytes(rig).map((bytes) => b.open(bytes)),
      [1, 2, 3].map((each) => rtpPacket(7, each)),
    );
  });
});
