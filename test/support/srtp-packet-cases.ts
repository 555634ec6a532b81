/** How packets fare that are good, bad, late, or from nowhere; through whatever engine is handed in. */
import assert from "node:assert/strict";
import {
  packetTailroomBytes,
  sendKeysParkedPerPairMax,
  srtpSsrcsReceivedMax,
  srtpSsrcsSentMax,
  ssrcsPerSlotMax,
} from "../../src/core/limits.ts";
import type { SrtpKey } from "../../src/core/plan/security.ts";
import { srtpCode } from "../../src/srtp/codes.ts";
import { srtpSuites, suiteFacts } from "../../src/srtp/suites.ts";
import { keysWithoutEnd, leapsAfterTheClear, receiveKeysThatReturn } from "./srtp-returning-key-case.ts";
import {
  type EngineMaker,
  fromHex,
  type Kind,
  keyOf,
  pairOf,
  protect,
  rigSlots,
  rtcpPacket,
  rtpPacket,
  SrtpRig,
  toHex,
} from "./srtp-rig.ts";
import { unsigned } from "./srtp-unsigned-case.ts";
import { keysWiped } from "./srtp-wiped-keys-case.ts";
import type { Test } from "./suite.ts";

const kinds: readonly Kind[] = ["rtp", "rtcp"];

const flags: readonly Partial<SrtpKey>[] = [
  {},
  { mki: Uint8Array.of(9) },
  { mki: new Uint8Array(128).fill(0x5c) },
  { encryptsRtp: false },
  { encryptsRtcp: false },
  { authenticatesRtp: false },
  { encryptsRtp: false, encryptsRtcp: false, authenticatesRtp: false, mki: Uint8Array.of(1, 2, 3, 4) },
];

export function definePacketCases(test: Test, maker: EngineMaker): void {
  const define = (title: string, body: () => void): void => test(`${maker.name}: ${title}`, body);
  define("what is protected comes back, and verifying changes no byte", () => comesBack(maker));
  define("no clear text is left in what is enciphered, and all of it in what is not", () => isHidden(maker));
  define("any changed bit is refused, and the bytes stay as they came", () => refusesForgeries(maker));
  define("any shorter packet is refused", () => refusesTruncated(maker));
  define("a key of another suite, key, salt or MKI accepts nothing", () => refusesOtherKeys(maker));
  define("replays are refused, late packets are not until the window ends", () => guardsReplays(maker));
  define("the rollover counter follows the sequence number both ways", () => rollsOver(maker));
  define("an SSRC nobody vouches for leaves no trace", () => forgetsForgeries(maker));
  define("of too many SSRCs received the one unheard for longest goes, of those sent none", () =>
    evictsOldest(maker),
  );
  define("what goes out as it came uses up its index", () => notesSealed(maker));
  define("without a tag there is no replay protection, and the counter still rolls over", () =>
    unsigned(maker),
  );
  define("several receive keys", () => triesKeys(maker));
  define("keys that stay keep what they know", () => keepsContexts(maker));
  define("a receive key that comes back goes on where it stopped", () => receiveKeysThatReturn(maker));
  define("a party goes on anywhere in the first round after a time in the clear", () =>
    leapsAfterTheClear(maker),
  );
  define("as many keys as there may be, again and again", () => keysWithoutEnd(maker));
  define("of a master key nothing is left in the arena, nor of session keys once they are closed", () =>
    keysWiped(maker),
  );
  define("a pair without keys, and packets out of bounds", () => knowsBounds(maker));
}

function comesBack(maker: EngineMaker): void {
  const withExtension = fromHex("9260000100000000cafebabe1111111111111111bede000110550000aabbccddee");
  const empty = rtpPacket({ sequence: 3, payload: new Uint8Array(0) });
  const long = rtpPacket({ sequence: 2, payload: new Uint8Array(1_400).fill(0x55) });
  for (const suite of srtpSuites) {
    const { tagBytes, rtcpTagBytes, isAead } = suiteFacts(suite);
    for (const flag of flags) {
      const rig = pairOf(maker, keyOf(suite, 3, flag));
      const { crypto } = rig;
      const mkiBytes = flag.mki?.length ?? 0;
      const rtpTagBytes = flag.authenticatesRtp === false && !isAead ? 0 : tagBytes;
      for (const packet of [withExtension, long, empty]) {
        const sealed = protect(rig, "rtp", packet);
        assert.equal(sealed.length, packet.length + rtpTagBytes + mkiBytes);
        // With the same key on both sides packets go through as they are.
        if (rtpTagBytes > 0) {
          const verifier = pairOf(maker, keyOf(suite, 3, flag));
          assert.equal(toHex(verifier.run("verify", "rtp", sealed, 2)), toHex(sealed));
          assert.equal(verifier.run("verify", "rtp", sealed, 2), srtpCode.replayed);
        }
        assert.equal(toHex(rig.run("unprotect", "rtp", sealed, 2)), toHex(packet));
        assert.equal(crypto.tagBits, rtpTagBytes * 8);
        assert.equal(crypto.isNewest, true);
      }
      for (const packet of [rtcpPacket(), rtcpPacket().subarray(0, 8)]) {
        const sealed = protect(rig, "rtcp", packet);
        assert.equal(sealed.length, packet.length + 4 + rtcpTagBytes + mkiBytes);
        const verifier = pairOf(maker, keyOf(suite, 3, flag));
        assert.equal(toHex(verifier.run("verify", "rtcp", sealed, 2)), toHex(sealed));
        assert.equal(verifier.run("verify", "rtcp", sealed, 3), srtpCode.replayed);
        assert.equal(toHex(rig.run("unprotect", "rtcp", sealed, 3)), toHex(packet));
        assert.equal(crypto.tagBits, rtcpTagBytes * 8);
      }
    }
  }
}

function isHidden(maker: EngineMaker): void {
  const payload = Buffer.from("spoken words that are nobody else's business");
  const rtp = rtpPacket({ sequence: 1, payload });
  const rtcp = rtcpPacket();
  rtcp.set(payload.subarray(0, 20), 8);
  for (const suite of srtpSuites) {
    for (const flag of flags) {
      const rig = pairOf(maker, keyOf(suite, 3, flag));
      const isEnciphering = suiteFacts(suite).cipher !== "none";
      const sealedRtp = Buffer.from(protect(rig, "rtp", rtp));
      const hidesRtp = isEnciphering && flag.encryptsRtp !== false;
      assert.equal(sealedRtp.includes("spoken"), !hidesRtp);
      assert.equal(sealedRtp.includes("business"), !hidesRtp);
      assert.equal(Buffer.from(rtp.subarray(0, 12)).equals(sealedRtp.subarray(0, 12)), true);
      const sealedRtcp = Buffer.from(protect(rig, "rtcp", rtcp));
      const hidesRtcp = isEnciphering && flag.encryptsRtcp !== false;
      assert.equal(sealedRtcp.includes("spoken"), !hidesRtcp);
      const wordAt = rtcp.length + (suiteFacts(suite).isAead ? 16 : 0);
      assert.equal(sealedRtcp.readUInt32BE(wordAt), hidesRtcp ? 0x8000_0000 : 0);
    }
  }
}

function refusesForgeries(maker: EngineMaker): void {
  for (const suite of srtpSuites) {
    for (const flag of [{}, { encryptsRtcp: false, mki: Uint8Array.of(7, 8) }]) {
      const rig = pairOf(maker, keyOf(suite, 3, flag));
      for (const kind of kinds) {
        const packet = kind === "rtp" ? rtpPacket({ sequence: 9 }) : rtcpPacket();
        const sealed = protect(rig, kind, packet);
        for (let at = 0; at < sealed.length; at++) {
          const forged = sealed.slice();
          forged[at]! ^= 1 << (at & 7);
          const code = rig.run("unprotect", kind, forged, 2);
          assert.equal(
            code === srtpCode.failed || code === srtpCode.malformed,
            true,
            `${suite} ${kind} ${at}`,
          );
          assert.equal(toHex(rig.left(forged.length)), toHex(forged));
          assert.equal(typeof rig.run("verify", kind, forged, 2), "number");
          assert.equal(toHex(rig.left(forged.length)), toHex(forged));
        }
        assert.equal(rig.crypto.rolloverOf(2, 0xcafebabe), kind === "rtp" ? -1 : 0);
        assert.equal(toHex(rig.run("unprotect", kind, sealed, 2)), toHex(packet));
      }
    }
  }
}

function refusesTruncated(maker: EngineMaker): void {
  for (const suite of srtpSuites) {
    const rig = pairOf(maker, keyOf(suite, 3, { mki: Uint8Array.of(1, 2) }));
    for (const kind of kinds) {
      const sealed = protect(rig, kind, kind === "rtp" ? rtpPacket({ sequence: 9 }) : rtcpPacket());
      for (let size = 0; size < sealed.length; size++) {
        assert.equal(
          typeof rig.run("unprotect", kind, sealed.subarray(0, size), 2),
          "number",
          `${suite} ${size}`,
        );
      }
      assert.equal(rig.run("unprotect", kind, sealed.subarray(0, 8), 2), srtpCode.malformed);
      const longer = new Uint8Array(sealed.length + 1);
      longer.set(sealed);
      assert.equal(rig.run("unprotect", kind, longer, 2), srtpCode.failed);
      assert.notEqual(typeof rig.run("unprotect", kind, sealed, 2), "number");
    }
  }
}

function refusesOtherKeys(maker: EngineMaker): void {
  const key = keyOf("AES_CM_128_HMAC_SHA1_80");
  const others: readonly SrtpKey[] = [
    keyOf("AES_CM_128_HMAC_SHA1_32"),
    keyOf("AEAD_AES_128_GCM"),
    { ...key, masterKey: key.masterKey.map((byte, index) => (index === 15 ? byte ^ 1 : byte)) },
    { ...key, masterSalt: key.masterSalt.map((byte, index) => (index === 13 ? byte ^ 1 : byte)) },
    { ...key, mki: Uint8Array.of(1) },
  ];
  for (const other of others) {
    const rig = pairOf(maker, key);
    rig.crypto.setKeys(2, [other], undefined);
    for (const kind of kinds) {
      // SRTCP is the same in both, its tag has 80 bits.
      if (kind === "rtcp" && other.suite === "AES_CM_128_HMAC_SHA1_32") continue;
      const sealed = protect(rig, kind, kind === "rtp" ? rtpPacket({ sequence: 9 }) : rtcpPacket());
      assert.equal(rig.run("unprotect", kind, sealed, 2), srtpCode.failed);
    }
  }
}

function guardsReplays(maker: EngineMaker): void {
  for (const suite of ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"] as const) {
    const rig = pairOf(maker, keyOf(suite));
    const sent = Array.from({ length: 200 }, (_, index) =>
      protect(rig, "rtp", rtpPacket({ sequence: index })),
    );
    const take = (index: number): number => {
      const outcome = rig.run("unprotect", "rtp", sent[index]!, 2);
      return typeof outcome === "number" ? outcome : 0;
    };
    assert.equal(take(60), 0);
    assert.equal(take(60), srtpCode.replayed);
    assert.equal(take(20), 0);
    assert.equal(rig.crypto.isNewest, false);
    assert.equal(take(20), srtpCode.replayed);
    assert.equal(take(150), 0);
    assert.equal(rig.crypto.isNewest, true);
    assert.equal(take(22), srtpCode.tooOld);
    assert.equal(take(23), 0);
    assert.equal(take(23), srtpCode.replayed);
    assert.equal(take(60), srtpCode.replayed);
    assert.equal(take(151), 0);
    assert.equal(take(24), 0);
    assert.equal(take(23), srtpCode.tooOld);

    const reports = Array.from({ length: 140 }, () => protect(rig, "rtcp", rtcpPacket()));
    const report = (index: number): unknown => {
      const outcome = rig.run("unprotect", "rtcp", reports[index]!, 2);
      return typeof outcome === "number" ? outcome : 0;
    };
    assert.equal(report(1), 0);
    assert.equal(report(0), 0);
    assert.equal(rig.crypto.isNewest, false);
    assert.equal(report(1), srtpCode.replayed);
    assert.equal(report(139), 0);
    assert.equal(report(11), srtpCode.tooOld);
    assert.equal(report(12), 0);
  }
  // A sender keeps to it too: an index is never used for two packets.
  const rig = pairOf(maker, keyOf("AEAD_AES_128_GCM"));
  protect(rig, "rtp", rtpPacket({ sequence: 500 }));
  assert.equal(rig.run("protect", "rtp", rtpPacket({ sequence: 500 })), srtpCode.replayed);
  protect(rig, "rtp", rtpPacket({ sequence: 499 }));
  assert.equal(rig.run("protect", "rtp", rtpPacket({ sequence: 372 })), srtpCode.tooOld);
}

function rollsOver(maker: EngineMaker): void {
  for (const suite of ["AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM"] as const) {
    const rig = pairOf(maker, keyOf(suite));
    const passes = (sequence: number, rollover: number): void => {
      const packet = rtpPacket({ sequence });
      const sealed = protect(rig, "rtp", packet);
      assert.equal(toHex(rig.run("unprotect", "rtp", sealed, 2)), toHex(packet), `${sequence}`);
      assert.equal(rig.crypto.sendRolloverOf(0, 0xcafebabe), rollover);
      assert.equal(rig.crypto.rolloverOf(2, 0xcafebabe), rollover);
    };
    passes(0xfff0, 0);
    passes(2, 1);
    passes(0xffff, 1);
    passes(1, 1);
    passes(0x7000, 1);
    passes(0xe000, 1);
    passes(0x5000, 2);
    // Five rounds in steps as large as can be told from steps back.
    let sequence = 0x5000;
    for (let step = 0; step < 10; step++) {
      sequence += 0x7fff;
      passes(sequence & 0xffff, 2 + (sequence >>> 16));
    }
  }
  const rig = pairOf(maker, keyOf("AES_CM_128_HMAC_SHA1_80"));
  protect(rig, "rtp", rtpPacket({ sequence: 0 }));
  // Below the first index there is none.
  assert.equal(rig.run("protect", "rtp", rtpPacket({ sequence: 0xffff })), srtpCode.tooOld);
}

function forgetsForgeries(maker: EngineMaker): void {
  for (const suite of srtpSuites) {
    const rig = pairOf(maker, keyOf(suite));
    for (const sequence of [0xfffe, 1]) {
      rig.run("unprotect", "rtp", protect(rig, "rtp", rtpPacket({ sequence })), 2);
    }
    const template = protect(rig, "rtp", rtpPacket({ sequence: 2 }));
    const report = protect(rig, "rtcp", rtcpPacket());
    for (let ssrc = 1; ssrc <= 4 * ssrcsPerSlotMax; ssrc++) {
      const forged = template.slice();
      new DataView(forged.buffer).setUint32(8, ssrc);
      assert.equal(rig.run("unprotect", "rtp", forged, 2), srtpCode.failed);
      assert.equal(rig.run("verify", "rtp", forged, 2), srtpCode.failed);
      assert.equal(rig.crypto.rolloverOf(2, ssrc), -1);
      const forgedReport = report.slice();
      new DataView(forgedReport.buffer).setUint32(4, ssrc);
      assert.equal(rig.run("unprotect", "rtcp", forgedReport, 2), srtpCode.failed);
    }
    assert.equal(rig.crypto.rolloverOf(2, 0xcafebabe), 1);
    assert.notEqual(typeof rig.run("unprotect", "rtp", template, 2), "number");
    assert.notEqual(typeof rig.run("unprotect", "rtcp", report, 2), "number");
    assert.equal(rig.run("unprotect", "rtcp", report, 2), srtpCode.replayed);
  }
}

/** What is sent forgets no SSRC: it would come back at indices that have been used. */
function evictsOldest(maker: EngineMaker): void {
  const rig = pairOf(maker, keyOf("AES_CM_128_HMAC_SHA1_80"));
  const pass = (ssrc: number, sequence: number): void => {
    const sealed = protect(rig, "rtp", rtpPacket({ sequence, ssrc }));
    assert.notEqual(typeof rig.run("unprotect", "rtp", sealed, 2), "number");
  };
  for (let ssrc = 1; ssrc <= srtpSsrcsReceivedMax; ssrc++) {
    pass(ssrc, 0xffff);
    pass(ssrc, 0);
  }
  pass(1, 1);
  pass(100, 7);
  assert.equal(rig.crypto.rolloverOf(2, 1), 1);
  assert.equal(rig.crypto.rolloverOf(2, 2), -1);
  assert.equal(rig.crypto.rolloverOf(2, 3), 1);
  assert.equal(rig.crypto.rolloverOf(2, 100), 0);
  assert.equal(rig.crypto.sendRolloverOf(0, 2), 1);
  assert.equal(rig.run("protect", "rtp", rtpPacket({ sequence: 0xffff, ssrc: 2 })), srtpCode.replayed);
  for (let ssrc = 101; ssrc < 101 + srtpSsrcsSentMax - srtpSsrcsReceivedMax - 1; ssrc++) pass(ssrc, 1);
  assert.equal(rig.run("protect", "rtp", rtpPacket({ sequence: 1, ssrc: 7_000 })), srtpCode.exhausted);
  pass(101, 2);
}

/** A packet that goes out as it came has used its index under the send key. */
function notesSealed(maker: EngineMaker): void {
  for (const suite of ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"] as const) {
    const rig = pairOf(maker, keyOf(suite));
    const passes = (kind: "rtp" | "rtcp", sealed: Uint8Array): number => {
      const { offset } = rig;
      rig.arena.set(sealed, offset);
      return kind === "rtp"
        ? rig.crypto.noteSentRtp(4, offset, sealed.length)
        : rig.crypto.noteSentRtcp(4, offset, sealed.length);
    };
    assert.equal(passes("rtp", protect(rig, "rtp", rtpPacket({ sequence: 9 }))), srtpCode.noKey);
    rig.crypto.setKeys(4, [], keyOf(suite));
    const sealed = protect(rig, "rtp", rtpPacket({ sequence: 10 }));
    assert.equal(passes("rtp", sealed), 0);
    assert.equal(passes("rtp", sealed), srtpCode.replayed);
    assert.equal(rig.run("protect", "rtp", rtpPacket({ sequence: 10 }), 4), srtpCode.replayed);
    assert.notEqual(typeof rig.run("protect", "rtp", rtpPacket({ sequence: 11 }), 4), "number");

    const reports = [0, 1, 2].map(() => protect(rig, "rtcp", rtcpPacket()));
    assert.equal(passes("rtcp", reports[2]!), 0);
    assert.equal(passes("rtcp", reports[0]!), 0, "late, but not there before");
    assert.equal(passes("rtcp", reports[2]!), srtpCode.replayed);
    // Ours goes on behind theirs, so the same party takes it.
    for (const report of reports) rig.run("unprotect", "rtcp", report, 2);
    const own = rig.run("protect", "rtcp", rtcpPacket(), 4);
    assert.ok(typeof own !== "number");
    assert.notEqual(typeof rig.run("unprotect", "rtcp", own, 2), "number");
    assert.equal(passes("rtcp", new Uint8Array(12)), srtpCode.malformed);
  }
}

function triesKeys(maker: EngineMaker): void {
  const suites = [
    "AEAD_AES_128_GCM",
    "AES_CM_128_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "AEAD_AES_256_GCM",
  ] as const;
  const rig = new SrtpRig(maker);
  const keys = suites.map((suite, index) => keyOf(suite, index + 1));
  const fifth = keyOf("AES_CM_128_HMAC_SHA1_80", 77);
  rig.crypto.setKeys(2, [...keys, fifth], undefined);
  assert.equal(rig.crypto.hasReceiveKeys(2), true);
  const senders = keys.map((key) => pairOf(maker, key));
  let sequence = 10;
  for (const index of [3, 0, 2, 1, 1, 3]) {
    for (const kind of kinds) {
      const packet = kind === "rtp" ? rtpPacket({ sequence: sequence++ }) : rtcpPacket();
      const sealed = protect(senders[index]!, kind, packet);
      assert.equal(toHex(rig.run("unprotect", kind, sealed, 2)), toHex(packet));
      assert.equal(
        rig.crypto.tagBits,
        8 * suiteFacts(suites[index]!)[kind === "rtp" ? "tagBytes" : "rtcpTagBytes"],
      );
      assert.equal(rig.run("unprotect", kind, sealed, 2), srtpCode.replayed);
      assert.equal(toHex(rig.left(sealed.length)), toHex(sealed));
    }
  }
  rig.crypto.setKeys(0, [], fifth);
  const sealed = protect(rig, "rtp", rtpPacket({ sequence: 99, ssrc: 5 }));
  assert.equal(rig.run("unprotect", "rtp", sealed, 2), srtpCode.failed);
  assert.equal(toHex(rig.left(sealed.length)), toHex(sealed));
}

function keepsContexts(maker: EngineMaker): void {
  const key = keyOf("AEAD_AES_128_GCM", 1);
  const other = keyOf("AES_CM_128_HMAC_SHA1_80", 2);
  const rig = pairOf(maker, key);
  const { crypto } = rig;
  const pass = (sequence: number): void => {
    const sealed = protect(rig, "rtp", rtpPacket({ sequence }));
    assert.notEqual(typeof rig.run("unprotect", "rtp", sealed, 2), "number");
  };
  pass(0xffff);
  pass(0);
  const report = protect(rig, "rtcp", rtcpPacket());
  assert.equal(Buffer.from(report).readUInt32BE(report.length - 4), 0x8000_0000);
  const again: SrtpKey = { ...key, masterKey: key.masterKey.slice(), masterSalt: key.masterSalt.slice() };
  crypto.setKeys(0, [], again);
  crypto.setKeys(2, [other, again], undefined);
  assert.equal(crypto.rolloverOf(2, 0xcafebabe), 1);
  pass(1);
  // Flags and MKI may change under a key that goes on.
  const marked: SrtpKey = { ...key, mki: Uint8Array.of(5), encryptsRtcp: false };
  crypto.setKeys(0, [], marked);
  crypto.setKeys(2, [marked], undefined);
  pass(2);
  const clearReport = protect(rig, "rtcp", rtcpPacket());
  assert.equal(Buffer.from(clearReport).readUInt32BE(clearReport.length - 5), 1);
  // Our own key that goes and comes back does not begin anew: its indices are used up.
  const others = Array.from({ length: sendKeysParkedPerPairMax - 1 }, (_, index) =>
    keyOf(key.suite, 90 + index),
  );
  for (const between of [undefined, other, ...others]) {
    crypto.setKeys(0, [], between);
    assert.equal(crypto.hasSendKey(0), between !== undefined);
    if (between === undefined)
      assert.equal(rig.run("protect", "rtp", rtpPacket({ sequence: 3 })), srtpCode.noKey);
    crypto.setKeys(0, [], key);
    assert.equal(crypto.sendRolloverOf(0, 0xcafebabe), 1);
  }
  // Nor does it after several others in a row.
  for (const between of [other, ...others]) crypto.setKeys(0, [], between);
  crypto.setKeys(0, [], key);
  assert.equal(crypto.sendRolloverOf(0, 0xcafebabe), 1);
  crypto.setKeys(2, [key], undefined);
  pass(3);
  crypto.clear(0);
  crypto.clear(2);
  crypto.clear(2);
  assert.equal(crypto.hasReceiveKeys(2), false);
  assert.equal(crypto.rolloverOf(2, 0xcafebabe), -1);
  // All handles came back: every pair can have all the keys there may be, again and again.
  for (let round = 0; round < 5; round++) {
    for (let slot = 0; slot < rigSlots; slot += 2) {
      const keys = [1, 2, 3, 4].map((seed) => keyOf("AES_CM_128_HMAC_SHA1_80", seed + slot + round * 16));
      crypto.setKeys(slot, keys, keyOf("AEAD_AES_256_GCM", slot + round));
      assert.equal(crypto.hasReceiveKeys(slot) && crypto.hasSendKey(slot + 1), true);
    }
  }
}

function knowsBounds(maker: EngineMaker): void {
  const key = keyOf("AES_CM_128_HMAC_SHA1_80");
  const rig = new SrtpRig(maker);
  for (const kind of kinds) {
    for (const verb of ["protect", "unprotect", "verify"] as const) {
      assert.equal(rig.run(verb, kind, rtcpPacket()), srtpCode.noKey);
    }
  }
  const short: SrtpKey = { ...key, masterKey: key.masterKey.subarray(1) };
  const wordy: SrtpKey = { ...key, mki: new Uint8Array(129) };
  rig.crypto.setKeys(0, [short, wordy], short);
  assert.equal(rig.crypto.hasReceiveKeys(0) || rig.crypto.hasSendKey(0), false);
  rig.crypto.setKeys(0, [key], key);
  const { arena, crypto } = rig;
  const end = arena.length - packetTailroomBytes;
  for (const [offset, sizeBytes] of [
    [-1, 50],
    [64, -1],
    [64, 9_217],
    [end - 49, 50],
    [arena.length, 50],
  ] as const) {
    assert.equal(crypto.unprotectRtp(0, offset, sizeBytes), srtpCode.malformed);
    assert.equal(crypto.verifyRtcp(0, offset, sizeBytes), srtpCode.malformed);
    assert.equal(crypto.protectRtp(0, offset, sizeBytes), srtpCode.malformed);
    assert.equal(crypto.protectRtcp(0, offset, sizeBytes), srtpCode.malformed);
  }
  for (const bad of [
    "",
    "80",
    "0000000100000000cafebabe",
    "9000000100000000cafebabebede0001",
    "8f00000100000000cafebabe",
  ]) {
    assert.equal(rig.run("protect", "rtp", fromHex(bad)), srtpCode.malformed);
  }
  for (const bad of ["", "80c80000", "00c80001cafebabe"]) {
    assert.equal(rig.run("protect", "rtcp", fromHex(bad)), srtpCode.malformed);
  }
}
