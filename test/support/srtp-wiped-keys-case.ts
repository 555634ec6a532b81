/** What is left of keys in the packets' memory. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { deriveKey } from "../../src/srtp/derivation.ts";
import { type EngineMaker, keyOf, protect, rtpPacket, SrtpRig } from "./srtp-rig.ts";

/** The first round keys of AES are the key itself, so a schedule is found by it. */
export function keysWiped(maker: EngineMaker): void {
  for (const suite of ["AES_CM_128_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_80", "AEAD_AES_256_GCM"] as const) {
    const rig = new SrtpRig(maker);
    const { arena, crypto, engine } = rig;
    const { masterKey, masterSalt } = keyOf(suite);
    const master = engine.open({ cipher: "ctr", cipherKey: masterKey, macKey: undefined });
    const session = deriveKey(engine, arena, master, {
      salt: masterSalt,
      label: 0,
      sizeBytes: masterKey.length,
    });
    engine.close(master);
    const isLeft = (key: Uint8Array): boolean => Buffer.from(arena.buffer).includes(Buffer.from(key));
    for (const key of [masterKey, session]) assert.equal(isLeft(key), false);
    crypto.setKeys(0, [], keyOf(suite));
    assert.equal(isLeft(masterKey), false);
    protect(rig, "rtp", rtpPacket({ sequence: 1 }));
    crypto.clear(0);
    for (const key of [masterKey, session]) assert.equal(isLeft(key), false);
  }
}
