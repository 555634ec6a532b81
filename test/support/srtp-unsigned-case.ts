/** How packets fare whose keys ask for no tag. */
import assert from "node:assert/strict";
import { srtpCode } from "../../src/srtp/codes.ts";
import { type EngineMaker, keyOf, pairOf, protect, rtcpPacket, rtpPacket, toHex } from "./srtp-rig.ts";

export function unsigned(maker: EngineMaker): void {
  const rig = pairOf(maker, keyOf("AES_256_CM_HMAC_SHA1_80", 3, { authenticatesRtp: false }));
  const first = protect(rig, "rtp", rtpPacket({ sequence: 0xffff }));
  const second = protect(rig, "rtp", rtpPacket({ sequence: 0 }));
  for (const sealed of [first, second, second]) {
    const sequence = sealed === first ? 0xffff : 0;
    assert.equal(toHex(rig.run("unprotect", "rtp", sealed, 2)), toHex(rtpPacket({ sequence })));
  }
  assert.equal(rig.crypto.isNewest, false);
  assert.equal(rig.crypto.tagBits, 0);
  assert.equal(rig.crypto.rolloverOf(2, 0xcafebabe), 1);
  // Whoever sends with sequence numbers of his choice moves nothing, unless his source is trusted.
  const forged = rtpPacket({ sequence: 0x7000 });
  for (const [sequence, isTrusted] of [
    [0x7000, false],
    [0xe000, false],
    [0x7000, true],
  ] as const) {
    forged[2] = sequence >>> 8;
    rig.arena.set(forged, rig.offset);
    assert.equal(rig.crypto.unprotectRtp(2, rig.offset, forged.length, isTrusted), forged.length);
    assert.equal(rig.crypto.isNewest, sequence === 0x7000);
  }
  rig.arena.set(forged, rig.offset);
  rig.crypto.unprotectRtp(2, rig.offset, forged.length, true);
  assert.equal(rig.crypto.isNewest, false);
  // SRTCP has its tag all the same.
  const report = protect(rig, "rtcp", rtcpPacket());
  report[9]! ^= 1;
  assert.equal(rig.run("unprotect", "rtcp", report, 2), srtpCode.failed);
}
