/** What a receive key knows once it has been away. */
import assert from "node:assert/strict";
import { receiveKeysParkedPerPairMax, receiveKeysPerPairMax } from "../../src/core/limits.ts";
import { srtpCode } from "../../src/srtp/codes.ts";
import {
  type EngineMaker,
  keyOf,
  pairOf,
  protect,
  rigSlots,
  rtcpPacket,
  rtpPacket,
  SrtpRig,
  toHex,
} from "./srtp-rig.ts";

const suiteName = "AES_CM_128_HMAC_SHA1_80";

export function receiveKeysThatReturn(maker: EngineMaker): void {
  const key = keyOf(suiteName, 1);
  const rig = pairOf(maker, key);
  const { crypto } = rig;
  const recorded = [0xffff, 0].map((sequence) => protect(rig, "rtp", rtpPacket({ sequence })));
  const report = protect(rig, "rtcp", rtcpPacket());
  for (const sealed of recorded) assert.notEqual(typeof rig.run("unprotect", "rtp", sealed, 2), "number");
  assert.notEqual(typeof rig.run("unprotect", "rtcp", report, 2), "number");

  const others = Array.from({ length: receiveKeysParkedPerPairMax }, (_, index) =>
    keyOf(suiteName, 90 + index),
  );
  const last = others[others.length - 1] ?? assert.fail();
  let sequence = 1;
  for (const away of [[[]], [others], others.map((other) => [other]), [[], others.slice(1), []]]) {
    for (const receive of away) {
      crypto.setKeys(2, receive, undefined);
      assert.equal(crypto.rolloverOf(2, 0xcafebabe), -1);
      const refusal = receive.length === 0 ? srtpCode.noKey : srtpCode.failed;
      for (const sealed of recorded) assert.equal(rig.run("unprotect", "rtp", sealed, 2), refusal);
    }
    const again = { ...key, masterKey: key.masterKey.slice(), masterSalt: key.masterSalt.slice() };
    crypto.setKeys(2, [again], undefined);
    for (const sealed of recorded) assert.equal(rig.run("unprotect", "rtp", sealed, 2), srtpCode.replayed);
    assert.equal(rig.run("unprotect", "rtcp", report, 2), srtpCode.replayed);
    assert.equal(crypto.rolloverOf(2, 0xcafebabe), 1);
    const packet = rtpPacket({ sequence: sequence++ });
    assert.equal(toHex(rig.run("unprotect", "rtp", protect(rig, "rtp", packet), 2)), toHex(packet));
  }

  // One key more than are kept, and it is forgotten like any that never was there.
  for (const receive of [...others.map((other) => [other]), [keyOf(suiteName, 80)], [keyOf(suiteName, 81)]]) {
    crypto.setKeys(2, receive, undefined);
  }
  crypto.setKeys(2, [last, key], undefined);
  assert.equal(crypto.rolloverOf(2, 0xcafebabe), -1);
}

/** A party that spoke in the clear for minutes, or made its keys' state anew, goes on anywhere in the first round. */
export function leapsAfterTheClear(maker: EngineMaker): void {
  const key = keyOf(suiteName, 1);
  const rig = pairOf(maker, key);
  const early = protect(rig, "rtp", rtpPacket({ sequence: 10 }));
  assert.notEqual(typeof rig.run("unprotect", "rtp", early, 2), "number");
  rig.crypto.setKeys(2, [], undefined);
  rig.crypto.setKeys(2, [key], undefined);
  const anew = pairOf(maker, key);
  const leap = rtpPacket({ sequence: 45_000 });
  const sealed = protect(anew, "rtp", leap);
  const forged = Uint8Array.from(sealed);
  forged[forged.length - 1]! ^= 1;
  assert.equal(rig.run("unprotect", "rtp", forged, 2), srtpCode.failed);
  assert.equal(toHex(rig.run("unprotect", "rtp", sealed, 2)), toHex(leap));
  assert.equal(rig.crypto.isNewest, true);
  assert.equal(rig.run("unprotect", "rtp", sealed, 2), srtpCode.replayed);
  assert.equal(typeof rig.run("unprotect", "rtp", early, 2), "number");
}

/** All handles are there for every pair that has had as many keys as it may, and come back with the pair. */
export function keysWithoutEnd(maker: EngineMaker): void {
  const { crypto, engine } = new SrtpRig(maker);
  const open = engine.open.bind(engine);
  engine.open = (keys) => {
    const handle = open(keys);
    assert.ok(handle >= 0);
    return handle;
  };
  for (let round = 0; round < 3; round++) {
    for (let slot = 0; slot < rigSlots; slot += 2) {
      for (let change = 0; change < 3; change++) {
        const keys = Array.from({ length: receiveKeysPerPairMax }, (_, index) =>
          keyOf(suiteName, 16 * change + 4 * index + slot),
        );
        crypto.setKeys(slot, keys, keyOf("AEAD_AES_256_GCM", slot + change));
        for (const each of keys) crypto.setKeys(slot, [], each);
      }
    }
    for (let slot = 0; slot < rigSlots; slot += 2) crypto.clear(slot);
  }
}
