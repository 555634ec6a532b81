import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { SrtpKey } from "../../../src/core/plan/security.ts";
import { readPair } from "../../../src/relay/counter-view.ts";
import { receiverReport, rtpPacket } from "../../support/relay-rig.ts";
import {
  at,
  facing,
  fromA,
  fromB,
  keyOf,
  keys,
  Party,
  passed,
  phoneA,
  phoneB,
  reasons,
  sdes,
  sentBytes,
  settings,
  stranger,
  stun,
  toA,
  toB,
} from "../../support/secure-rig.ts";
import { suite } from "../../support/suite.ts";

suite("relay: passthrough", (test) => {
  test("what the way out's own key protects goes on untouched, once its tag is checked", () => {
    const rig = facing({ security: sdes }, { security: sdes });
    keys(rig, 0, [fromA], fromB);
    keys(rig, 2, [fromB], fromA);
    const a = new Party(fromA, fromB);
    const packets = [1, 2].map((each) => a.protect(rtpPacket(7, each)));
    for (const packet of packets) rig.receive(0, packet, phoneA);
    const report = a.protect(receiverReport(7), "rtcp");
    rig.receive(1, report, at(phoneA.ip, 4_001));
    assert.deepEqual(sentBytes(rig), [...packets, report]);
    rig.receive(0, packets[0] ?? assert.fail(), phoneA);
    rig.receive(0, rtpPacket(7, 3), phoneA);
    assert.deepEqual(reasons(rig), { relay: 3, replayed: 1, authFailed: 1 });
    assert.equal(readPair(rig.counters, 0, rig.capacitySlots).streams[0]?.packets, 2);
  });

  test("of several keys only the shared one passes a packet as it came; those of the others are changed", () => {
    const rig = facing({ security: sdes }, { security: sdes });
    keys(rig, 0, [fromA, keyOf(9)], fromB);
    keys(rig, 2, [fromB], fromA);
    const shared = new Party(fromA, fromB).protect(rtpPacket(7, 1));
    const before = new Party(keyOf(9), fromB).protect(rtpPacket(8, 1));
    rig.receive(0, shared, phoneA);
    rig.receive(0, before, phoneA);
    const [first, second] = sentBytes(rig);
    assert.deepEqual(first, shared);
    assert.notDeepEqual(second, before);
    assert.deepEqual(new Party(fromB, fromA).open(second ?? assert.fail()), rtpPacket(8, 1));
  });

  test("what is protected under a key that packets passed with goes on behind them", () => {
    const rig = facing({ security: sdes }, { security: sdes });
    keys(rig, 0, [fromA], fromB);
    keys(rig, 2, [fromB], fromA);
    const a = new Party(fromA, fromB);
    rig.receive(0, a.protect(rtpPacket(7, 1)), phoneA);
    for (let sent = 0; sent < 3; sent++) {
      rig.receive(1, a.protect(receiverReport(7), "rtcp"), at(phoneA.ip, 4_001));
    }
    const b = new Party(fromB, fromA);
    const [first, ...reports] = sentBytes(rig);
    assert.deepEqual(b.open(first ?? assert.fail()), rtpPacket(7, 1));
    for (const report of reports) assert.deepEqual(b.open(report, "rtcp"), receiverReport(7));
    // A has another key, which B is not told of yet.
    keys(rig, 0, [keyOf(9)], fromB);
    const again = new Party(keyOf(9), fromB);
    rig.receive(0, again.protect(rtpPacket(7, 1)), phoneA);
    assert.deepEqual(sentBytes(rig), [], "that index protects another packet already");
    rig.receive(0, again.protect(rtpPacket(7, 2)), phoneA);
    rig.receive(1, again.protect(receiverReport(7), "rtcp"), at(phoneA.ip, 4_001));
    const [second, report] = sentBytes(rig);
    assert.deepEqual(b.open(second ?? assert.fail()), rtpPacket(7, 2));
    assert.deepEqual(b.open(report ?? assert.fail(), "rtcp"), receiverReport(7));
  });

  test("another MKI or another flag is another key, and without a tag nothing passes unread", () => {
    const variants: readonly Partial<SrtpKey>[] = [
      { mki: Uint8Array.of(1, 2) },
      { encryptsRtcp: false },
      { authenticatesRtp: false },
    ];
    for (const own of variants) {
      const variant = keyOf(1, "AES_CM_128_HMAC_SHA1_80", own);
      const send = own.authenticatesRtp === false ? variant : fromA;
      const rig = facing({ security: sdes }, { security: sdes });
      keys(rig, 0, [variant], fromB);
      keys(rig, 2, [fromB], send);
      rig.receive(0, new Party(variant, fromB).protect(rtpPacket(7, 1)), phoneA);
      const [out] = sentBytes(rig);
      assert.deepEqual(new Party(fromB, send).open(out ?? assert.fail()), rtpPacket(7, 1));
    }
  });

  test("keys that change decide anew, and what waits under an old one goes", () => {
    const rig = facing({ security: sdes }, { security: sdes, rtpTarget: undefined });
    keys(rig, 0, [fromA], fromB);
    keys(rig, 2, [fromB], fromA);
    const a = new Party(fromA, fromB);
    rig.receive(0, a.protect(rtpPacket(7, 1)), phoneA);
    keys(rig, 2, [fromB], fromA);
    assert.deepEqual(reasons(rig), { hold: 1 });
    keys(rig, 2, [fromB], toB);
    assert.deepEqual(reasons(rig), { hold: 1, heldDropped: 1 });
    rig.receive(0, a.protect(rtpPacket(7, 2)), phoneA);
    rig.configure(2, settings(phoneB, { security: sdes }), 0);
    assert.deepEqual(
      sentBytes(rig).map((bytes) => new Party(fromB, toB).open(bytes)),
      [rtpPacket(7, 2)],
    );
  });

  test("what waits as it came goes out as it came", () => {
    const rig = facing({ security: sdes }, { security: sdes, rtpTarget: undefined });
    keys(rig, 0, [fromA], fromB);
    keys(rig, 2, [fromB], fromA);
    const packet = new Party(fromA, fromB).protect(rtpPacket(7, 1));
    rig.receive(0, packet, phoneA);
    rig.configure(2, settings(phoneB, { security: sdes }), 0);
    assert.deepEqual(sentBytes(rig), [packet]);
  });

  test("SRTP, DTLS, STUN and ZRTP between parties with keys of their own go through, by the plain rules", () => {
    const rig = facing({ security: passed }, { security: passed });
    const hello = Buffer.alloc(60, 1);
    hello[0] = 22;
    const binding = stun(0x0001, []);
    const media = new Party(fromA, toA).protect(rtpPacket(7, 1));
    rig.receive(0, hello, stranger);
    for (const bytes of [hello, binding, media]) rig.receive(0, bytes, phoneA);
    assert.deepEqual(sentBytes(rig), [hello, binding, media]);
    assert.deepEqual(reasons(rig), { hold: 1, heldDropped: 1, relay: 3 });
    assert.equal(rig.passedUp().length, 0);
  });
});
