import assert from "node:assert/strict";
import type { IpAddress } from "../../../src/core/address.ts";
import {
  bundleMidSizeBytesMax,
  hintsPerSlotMax,
  siblingsPerSlotMax,
  ssrcsPerMediaMax,
} from "../../../src/core/limits.ts";
import type { PairId, PairSettings, SourceHint } from "../../../src/core/plan/plan.ts";
import type { SlotSettings } from "../../../src/handover/contract.ts";
import { SettingsTable } from "../../../src/handover/settings-table.ts";
import { commandWords } from "../../../src/relay/driver.ts";
import {
  encodeSettings,
  SettingsDecoder,
  type SlotRef,
  securityCode,
} from "../../../src/relay/slot-settings.ts";
import { assertNoGrowth } from "../../support/heap-growth.ts";
import { plainSettings } from "../../support/relay-rig.ts";
import { suite } from "../../support/suite.ts";

const ip = (text: string): IpAddress => text as IpAddress;

function roundTrip(
  settings: Partial<PairSettings>,
  peer?: SlotRef,
  siblings: readonly SlotRef[] = [],
  carrier?: SlotRef,
) {
  // Dirty memory, as a ring's record is: what was there before must not shine through.
  const words = new Int32Array(commandWords + 7).fill(-1);
  encodeSettings(words, 7, { ...plainSettings, ...settings }, { peer, siblings, carrier });
  return new SettingsDecoder().decode(words, 7);
}

suite("relay slot settings", (test) => {
  test("flags, modes and targets arrive", () => {
    const decoded = roundTrip(
      {
        rtcpMux: true,
        maySend: false,
        isSignalled: false,
        generation: 7,
        rtpTarget: { ip: ip("192.0.2.1"), port: 4_000 },
        rtcpTarget: { ip: ip("2001:db8::5"), port: 4_001 },
        learning: { isAsymmetric: true, isStrict: true, followsAnySource: false, mode: "heuristic" },
      },
      { slot: 6, generation: 3 },
    );
    assert.deepEqual(
      [decoded.peerSlot, decoded.peerGeneration, decoded.isMux, decoded.mayReceive, decoded.maySend],
      [6, 3, true, true, false],
    );
    const { rtp, rtcp } = decoded;
    assert.deepEqual([rtp.isSignalled, rtp.generation, rtp.learningMode, rtp.isRtp], [false, 7, 4, true]);
    assert.deepEqual([rtp.isAsymmetric, rtp.isStrict, rtp.followsAnySource], [true, true, false]);
    assert.deepEqual([...rtp.target], [0, 0, 0xffff, 0xc0000201 | 0, 4_000]);
    assert.deepEqual([...rtcp.target], [0x20010db8, 0, 0, 5, 4_001]);
  });

  test("security, ICE and bundle arrive, none of them where there is none", () => {
    const bundle = { carrier: 1 as PairId, mid: "audio", midExtension: 200, ssrcs: [7, 0xffff_ffff] };
    const ice = {
      localUfrag: "o/+5",
      localPassword: "",
      remote: undefined,
      isLite: false,
      isControlling: false,
      candidates: [],
      restart: 1,
    };
    const decoded = roundTrip({ security: { kind: "passed" }, ice, bundle }, undefined, [], {
      slot: 4,
      generation: 9,
    });
    assert.equal(decoded.security, securityCode.passed);
    assert.deepEqual([decoded.rtp.hasIce, decoded.rtcp.hasIce], [true, true]);
    assert.equal(Buffer.from(decoded.ufrag.subarray(0, decoded.ufragSizeBytes)).toString(), "o/+5");
    const { mid, midSizeBytes, ssrcs, ssrcCount, ...rest } = decoded.bundle ?? assert.fail("no bundle");
    assert.deepEqual(rest, { carrierSlot: 4, carrierGeneration: 9, midExtension: 200 });
    assert.equal(Buffer.from(mid.subarray(0, midSizeBytes)).toString(), "audio");
    assert.deepEqual([...ssrcs.subarray(0, ssrcCount)], [7, -1]);
    const plain = roundTrip({});
    assert.deepEqual([plain.security, plain.rtp.hasIce, plain.ufragSizeBytes], [securityCode.none, false, 0]);
    assert.equal(plain.bundle, undefined);
  });

  test("names a record has no room for, or no bytes, match nothing; SSRCs beyond the most are left out", () => {
    const carrier = { slot: 0, generation: 1 };
    const named = (mid: string | undefined) =>
      roundTrip(
        {
          bundle: {
            carrier: 1 as PairId,
            mid,
            midExtension: undefined,
            ssrcs: new Array<number>(40).fill(1),
          },
        },
        undefined,
        [],
        carrier,
      ).bundle;
    for (const mid of [undefined, "m".repeat(bundleMidSizeBytesMax + 1), "€"]) {
      assert.equal(named(mid)?.midSizeBytes, 0);
    }
    assert.equal(named("m".repeat(bundleMidSizeBytesMax))?.midSizeBytes, bundleMidSizeBytesMax);
    assert.deepEqual([named("m")?.ssrcCount, named("m")?.midExtension], [ssrcsPerMediaMax, 0]);
  });

  test("no peer, no target and another transport", () => {
    const decoded = roundTrip({ transport: "udptl" });
    assert.equal(decoded.peerSlot, -1);
    assert.equal(decoded.rtp.isRtp, false);
    assert.deepEqual([...decoded.rtp.target], [0, 0, 0, 0, 0]);
  });

  test("RFC 3550 11, RFC 3605: RTCP's hints are a=rtcp's, or one port above", () => {
    const hints: SourceHint[] = [
      { origin: "sdp", endpoint: { ip: ip("192.0.2.1"), port: 4_000 }, isIpUsable: true, isIpShared: false },
      {
        origin: "sdp-rtcp",
        endpoint: { ip: ip("192.0.2.2"), port: 9_000 },
        isIpUsable: false,
        isIpShared: false,
      },
      {
        origin: "received-from",
        endpoint: { ip: ip("192.0.2.3"), port: 0 },
        isIpUsable: true,
        isIpShared: false,
      },
    ];
    const { rtp, rtcp } = roundTrip({ hints });
    const rows = ({ hints, hintCount }: SlotSettings): number[][] =>
      Array.from({ length: hintCount }, (_, row) => [...hints.slice(6 * row + 3, 6 * row + 6)]);
    assert.deepEqual(rows(rtp), [
      [0xc0000201 | 0, 4_000, 1],
      [0xc0000203 | 0, 0, 1],
    ]);
    assert.deepEqual(rows(rtcp), [
      [0xc0000201 | 0, 4_001, 1],
      [0xc0000202 | 0, 9_000, 0],
      [0xc0000203 | 0, 0, 1],
    ]);
  });

  test("payload types become a bitmap and clock rates; equal lists share them", () => {
    const words = new Int32Array(commandWords);
    const payloadTypes = [
      { payloadType: 0, clockRateHz: 8_000 },
      { payloadType: 127, clockRateHz: 90_000 },
      { payloadType: 96, clockRateHz: 4_000_000_000 },
    ];
    encodeSettings(words, 0, { ...plainSettings, payloadTypes }, { peer: undefined, siblings: [] });
    const decoder = new SettingsDecoder();
    const { rtp } = decoder.decode(words, 0);
    assert.deepEqual([...rtp.payloadTypes], [1, 0, 0, 0x80000001 | 0]);
    assert.deepEqual([rtp.clockRates[0], rtp.clockRates[127], rtp.clockRates[96]], [8_000, 90_000, 0]);
    assert.equal(decoder.decode(words, 0).rtcp.clockRates, rtp.clockRates);
  });

  test("the same two objects serve every pair, and nothing of the last one's lists shines through", () => {
    const words = new Int32Array(commandWords);
    const decoder = new SettingsDecoder();
    const hint: SourceHint = {
      origin: "sdp",
      endpoint: { ip: ip("192.0.2.1"), port: 4_000 },
      isIpUsable: true,
      isIpShared: false,
    };
    const read = (hints: readonly SourceHint[], siblings: readonly SlotRef[]) => {
      encodeSettings(words, 0, { ...plainSettings, hints }, { peer: undefined, siblings });
      return decoder.decode(words, 0);
    };
    const { rtp, rtcp } = read([hint, hint], [{ slot: 2, generation: 1 }]);
    assert.deepEqual([rtp.hintCount, rtcp.hintCount, rtp.siblingCount, rtcp.siblings[0]], [2, 2, 1, 3]);
    const next = read([], []);
    assert.equal(next.rtp, rtp);
    assert.equal(next.rtcp, rtcp);
    assert.deepEqual([rtp.hintCount, rtcp.hintCount, rtp.siblingCount, rtcp.siblingCount], [0, 0, 0, 0]);
  });

  test("settings of a slot that had some before are read and kept without a new object", () => {
    const words = new Int32Array(commandWords);
    const bundle = { carrier: 1 as PairId, mid: "audio", midExtension: 3, ssrcs: [7] };
    const hint = { ip: ip("192.0.2.1"), port: 4_000 };
    const settings: PairSettings = {
      ...plainSettings,
      bundle,
      rtpTarget: hint,
      hints: [{ origin: "sdp", endpoint: hint, isIpUsable: true, isIpShared: false }],
    };
    const links = {
      peer: undefined,
      siblings: [{ slot: 4, generation: 1 }],
      carrier: { slot: 0, generation: 1 },
    };
    encodeSettings(words, 0, settings, links);
    const decoder = new SettingsDecoder();
    const table = new SettingsTable(4);
    const run = (): void => {
      for (let count = 0; count < 20_000; count++) {
        const { rtp, rtcp } = decoder.decode(words, 0);
        table.set(0, rtp);
        table.set(1, rtcp);
      }
    };
    for (let round = 0; round < 4; round++) run();
    assertNoGrowth(run, 200_000);
  });

  test("lists beyond their limits are cut", () => {
    const hint: SourceHint = {
      origin: "sdp",
      endpoint: { ip: ip("192.0.2.1"), port: 4_000 },
      isIpUsable: true,
      isIpShared: false,
    };
    const { rtp } = roundTrip(
      {
        hints: Array.from({ length: 20 }, () => hint),
        payloadTypes: Array.from({ length: 300 }, (_, n) => ({ payloadType: n & 127, clockRateHz: 8_000 })),
      },
      undefined,
      Array.from({ length: 20 }, (_, n) => ({ slot: 2 * n, generation: 1 })),
    );
    assert.equal(rtp.hintCount, hintsPerSlotMax);
    assert.equal(rtp.siblingCount, siblingsPerSlotMax);
    assert.deepEqual([...rtp.payloadTypes], [-1, -1, -1, -1]);
  });
});
