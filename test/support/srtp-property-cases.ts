/** What holds for any packet, through whatever engine is handed in. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { SrtpKey } from "../../src/core/plan/security.ts";
import { srtpCode } from "../../src/srtp/codes.ts";
import { srtpSuites, suiteFacts } from "../../src/srtp/suites.ts";
import { fuzzRuns } from "./fuzz-runs.ts";
import { type EngineMaker, keyOf, pairOf, protect, SrtpRig, toHex } from "./srtp-rig.ts";
import type { Test } from "./suite.ts";

export function definePropertyCases(test: Test, maker: EngineMaker): void {
  test(`${maker.name}: any RTP or RTCP packet comes back under any suite`, () => anyPacketComesBack(maker));
  test(`${maker.name}: arbitrary bytes are refused and never throw`, () => anyBytesAreRefused(maker));
}

function arbitraryKey(): fc.Arbitrary<SrtpKey> {
  return fc
    .record({
      suite: fc.constantFrom(...srtpSuites),
      seed: fc.nat(255),
      mki: fc.option(fc.uint8Array({ minLength: 1, maxLength: 128 }), { nil: undefined }),
      encryptsRtp: fc.boolean(),
      encryptsRtcp: fc.boolean(),
      authenticatesRtp: fc.boolean(),
    })
    .map(({ suite, seed, ...more }) => keyOf(suite, seed, more));
}

function arbitraryRtp(): fc.Arbitrary<Uint8Array> {
  return fc
    .record({
      first: fc.nat(0x3f),
      second: fc.nat(255),
      fixed: fc.uint8Array({ minLength: 10, maxLength: 10 }),
      csrcs: fc.uint8Array({ minLength: 60, maxLength: 60 }),
      extension: fc.uint8Array({ maxLength: 60 }),
      payload: fc.uint8Array({ maxLength: 1_300 }),
    })
    .map(({ first, second, fixed, csrcs, extension, payload }) => {
      const hasExtension = (first & 0x10) !== 0;
      const words = extension.length >>> 2;
      return Uint8Array.from([
        0x80 | first,
        second,
        ...fixed,
        ...csrcs.subarray(0, 4 * (first & 15)),
        ...(hasExtension ? [0xbe, 0xde, 0, words, ...extension.subarray(0, 4 * words)] : []),
        ...payload,
      ]);
    });
}

function anyPacketComesBack(maker: EngineMaker): void {
  fc.assert(
    fc.property(
      arbitraryKey(),
      fc.array(arbitraryRtp(), { minLength: 1, maxLength: 4 }),
      fc.uint8Array({ minLength: 7, maxLength: 400 }),
      (key, packets, report) => {
        const rig = pairOf(maker, key);
        for (const packet of packets) {
          const sealed = rig.run("protect", "rtp", packet);
          // Two packets of one stream may have the same index or be far apart.
          if (typeof sealed === "number") {
            assert.equal(sealed === srtpCode.replayed || sealed === srtpCode.tooOld, true);
          } else assert.equal(toHex(rig.run("unprotect", "rtp", sealed, 2)), toHex(packet));
        }
        const rtcp = Uint8Array.from([0x80, ...report]);
        assert.equal(toHex(rig.run("unprotect", "rtcp", protect(rig, "rtcp", rtcp), 2)), toHex(rtcp));
      },
    ),
    { numRuns: fuzzRuns(150) },
  );
}

function anyBytesAreRefused(maker: EngineMaker): void {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc
      .uint8Array({ minLength: 1, maxLength: 300 })
      .map((some) => Uint8Array.from([0x80 | (some[0]! & 0x3f), ...some])),
  );
  fc.assert(
    fc.property(
      fc.array(arbitraryKey(), { maxLength: 5 }),
      fc.array(bytes, { maxLength: 10 }),
      (keys, packets) => {
        const rig = new SrtpRig(maker);
        rig.crypto.setKeys(0, keys, keys[0]);
        const isSigned = keys.every((key) => key.authenticatesRtp || suiteFacts(key.suite).isAead);
        for (const packet of packets) {
          for (const kind of ["rtp", "rtcp"] as const) {
            for (const verb of ["unprotect", "verify"] as const) {
              const outcome = rig.run(verb, kind, packet);
              if (kind === "rtcp" || isSigned) assert.equal(typeof outcome, "number");
            }
            rig.run("protect", kind, packet);
          }
        }
      },
    ),
    { numRuns: fuzzRuns(150) },
  );
}
