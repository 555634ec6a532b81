/**
 * Whether an engine does what it should, asked at every start: it may lean on how a library happens to be built. Every
 * suite protects a short and a long RTP packet across a wrap of the sequence number and an RTCP packet, has the tags
 * it must have, takes them back, and refuses them with a bit changed.
 */
import type { SrtpKey, SrtpSuite } from "../core/plan/security.ts";
import { srtpCode } from "./codes.ts";
import { type SrtpEngine, scratchAt } from "./engine.ts";
import { PacketCrypto } from "./packet-crypto.ts";
import { srtpSuites, suiteFacts } from "./suites.ts";

interface Step {
  readonly kind: "rtp" | "rtcp";
  readonly sizeBytes: number;
  readonly sequence: number;
}

const steps: readonly Step[] = [
  { kind: "rtp", sizeBytes: 61, sequence: 0xffff },
  { kind: "rtp", sizeBytes: 1_203, sequence: 0 },
  { kind: "rtcp", sizeBytes: 56, sequence: 0 },
];

const tailBytes = 16;

/** The last 16 bytes of what comes of each step; made by OpenSSL's documented functions alone (node:crypto). */
const tails: Readonly<Record<SrtpSuite, readonly string[]>> = {
  AES_CM_128_HMAC_SHA1_80: [
    "e50e98ca0b91ea550d3f9794a1049194",
    "45ca33d25fd0bd657f1beca43b154ef3",
    "7315800000003c80c2877dd7656d919c",
  ],
  AES_CM_128_HMAC_SHA1_32: [
    "b67d7b41a1e5e50e98ca0b91ea550d3f",
    "d7bda8db14c145ca33d25fd0bd657f1b",
    "7315800000003c80c2877dd7656d919c",
  ],
  AES_192_CM_HMAC_SHA1_80: [
    "e35815e65a167769748aeb566dea047e",
    "1d8da2003bcef111e549f728d9fe7057",
    "74158000000048b5a2d01f69db6ceb5a",
  ],
  AES_192_CM_HMAC_SHA1_32: [
    "df17293ed2cde35815e65a167769748a",
    "5e047d9ba7d21d8da2003bcef111e549",
    "74158000000048b5a2d01f69db6ceb5a",
  ],
  AES_256_CM_HMAC_SHA1_80: [
    "c0ecafd8f4413dca96d02262ec5c5506",
    "6931a20f63ea1f17019f2e4f57cba8c8",
    "9ef8800000002b6b10ef780a07336b3b",
  ],
  AES_256_CM_HMAC_SHA1_32: [
    "e7251bebd908c0ecafd8f4413dca96d0",
    "5a4ad2c17d2d6931a20f63ea1f17019f",
    "9ef8800000002b6b10ef780a07336b3b",
  ],
  AEAD_AES_128_GCM: [
    "fd734587642cd7b98d8f4b1f6ff3d477",
    "bed8979d145ce0d4a18bef479218a7ab",
    "30e5954b42c0e99924de98b080000000",
  ],
  AEAD_AES_256_GCM: [
    "b5e88a6a57a773b3f9a110d4902cbcbb",
    "7a9cd8b314fca0c329d08c92b5d7467d",
    "528190e151ff1ce7104bb33580000000",
  ],
  NULL_HMAC_SHA1_80: [
    "12171c21262b39cc1b11c30bf46ad380",
    "61666b70757a9cecd960891b93cec1d6",
    "0e13000000008c579bb0a3a9eb660ffa",
  ],
  NULL_HMAC_SHA1_32: [
    "f4f9fe03080d12171c21262b39cc1b11",
    "43484d52575c61666b70757a9cecd960",
    "0e13000000008c579bb0a3a9eb660ffa",
  ],
};

/** Undefined if all is well, else what went wrong first. Uses the engine's scratch alone. */
export function findEngineFault(engine: SrtpEngine, arena: Uint8Array): string | undefined {
  for (const suite of srtpSuites) {
    const crypto = new PacketCrypto(engine, arena, 2);
    const key = testKey(suite);
    crypto.setKeys(0, [key], key);
    const fault = crypto.hasSendKey(0) ? findSuiteFault(crypto, engine, arena, suite) : "it takes no key";
    crypto.clear(0);
    if (fault !== undefined) return `${suite}: ${fault}`;
  }
  return undefined;
}

function findSuiteFault(
  crypto: PacketCrypto,
  engine: SrtpEngine,
  arena: Uint8Array,
  suite: SrtpSuite,
): string | undefined {
  // Clear text of packets that are verified goes to the beginning of the place for it.
  const offset = engine.scratchOffset + scratchAt.discard + 2_048;
  for (const [index, step] of steps.entries()) {
    const clear = testPacket(step);
    arena.set(clear, offset);
    const isRtp = step.kind === "rtp";
    const size = isRtp
      ? crypto.protectRtp(0, offset, clear.length)
      : crypto.protectRtcp(0, offset, clear.length);
    if (size < 0) return `it protects nothing (${size})`;
    const sealed = arena.slice(offset, offset + size);
    const tail = [...sealed.slice(-tailBytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (tail !== tails[suite][index]) return `wrong output of step ${index}`;
    arena[offset + 20]! ^= 4;
    const forged = isRtp ? crypto.unprotectRtp(0, offset, size) : crypto.unprotectRtcp(0, offset, size);
    if (forged !== srtpCode.failed) return `step ${index} takes a forged packet`;
    arena[offset + 20]! ^= 4;
    if (!isEqual(arena, offset, sealed)) return `step ${index} changes a forged packet`;
    const back = isRtp ? crypto.unprotectRtp(0, offset, size) : crypto.unprotectRtcp(0, offset, size);
    if (back !== clear.length || !isEqual(arena, offset, clear)) return `step ${index} cannot be undone`;
  }
  return undefined;
}

function testKey(suite: SrtpSuite): SrtpKey {
  const { keyBytes, saltBytes } = suiteFacts(suite);
  return {
    suite,
    masterKey: counting(keyBytes, 7, 1),
    masterSalt: counting(saltBytes, 13, 2),
    mki: undefined,
    encryptsRtp: true,
    encryptsRtcp: true,
    authenticatesRtp: true,
  };
}

/** RTP with one CSRC and an extension of one word; an RTCP sender report. The rest counts. */
function testPacket(step: Step): Uint8Array {
  const packet = counting(step.sizeBytes, 5, step.sequence & 0xff);
  if (step.kind === "rtp") {
    packet.set([0x91, 0x60, step.sequence >>> 8, step.sequence & 0xff]);
    packet.set([0xbe, 0xde, 0, 1], 16);
  } else packet.set([0x80, 0xc8, 0, 13]);
  packet.set([1, 2, 3, 4], step.kind === "rtp" ? 8 : 4);
  return packet;
}

function counting(sizeBytes: number, factor: number, start: number): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, index) => index * factor + start);
}

function isEqual(arena: Uint8Array, offset: number, expected: Uint8Array): boolean {
  return expected.every((byte, index) => arena[offset + index] === byte);
}
