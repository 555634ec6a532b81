/** Published vectors and libsrtp's output, through whatever engine is handed in. */
import assert from "node:assert/strict";
import type { SrtpKey, SrtpSuite } from "../../src/core/plan/security.ts";
import { SrtpContext } from "../../src/srtp/context.ts";
import { deriveKey } from "../../src/srtp/derivation.ts";
import { macBytes, scratchAt } from "../../src/srtp/engine.ts";
import { RtcpTransform } from "../../src/srtp/rtcp-transform.ts";
import { RtpTransform } from "../../src/srtp/rtp-transform.ts";
import { SessionTable } from "../../src/srtp/session-table.ts";
import { suiteFacts } from "../../src/srtp/suites.ts";
import { Workbench } from "../../src/srtp/workbench.ts";
import { type EngineMaker, fromHex, keyOf, rtcpPacket, SrtpRig, toHex } from "./srtp-rig.ts";
import { referenceOutputs, referencePackets } from "./srtp-vectors.ts";
import type { Test } from "./suite.ts";

interface KeyStream {
  readonly title: string;
  readonly key: string;
  /** By the block's number; all blocks of 16 bytes in a row from there on. */
  readonly blocks: readonly (readonly [number, string])[];
}

const counterSalt = "f0f1f2f3f4f5f6f7f8f9fafbfcfd";

const keyStreams: readonly KeyStream[] = [
  {
    title: "RFC 3711 appendix B.2",
    key: "2b7e151628aed2a6abf7158809cf4f3c",
    blocks: [
      [0, "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0"],
      [
        0xfeff,
        "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44",
      ],
    ],
  },
  {
    title: "RFC 6188 section 7.1",
    key: "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
    blocks: [
      [0, "92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac63c4868b7096d88421b563b8c94c9a31"],
      [
        0xfeff,
        "cea518c90fd91ced9cbb18c078a547113dbc4814f4da5f00a08772b63c6a046d6eb246913062a16891433e97dd01a57f",
      ],
    ],
  },
  {
    title: "RFC 6188 section 7.3",
    key: "eab234764e517b2d3d160d587d8c86219740f65f99b6bcf7",
    blocks: [
      [0, "35096cba4610028dc1b57503804ce37c5de986291dcce161d5165ec4568f5c9a474a40c77894bc17180202272a4c264d"],
      [
        0xfeff,
        "d108d1a31a00bad6367ec23eb044b415c8f57129fdeb970b59f917b257662d4ca5dab625811034e8cebdfeb6dc158dd3",
      ],
    ],
  },
];

interface Derivation {
  readonly title: string;
  readonly masterKey: string;
  readonly masterSalt: string;
  /** Labels 0, 1 and 2; of the authentication key the 20 bytes that HMAC-SHA1 takes. */
  readonly cipherKey: string;
  readonly macKey: string;
  readonly salt: string;
}

const derivations: readonly Derivation[] = [
  {
    title: "RFC 3711 appendix B.3",
    masterKey: "e1f97a0d3e018be0d64fa32c06de4139",
    masterSalt: "0ec675ad498afeebb6960b3aabe6",
    cipherKey: "c61e7a93744f39ee10734afe3ff7a087",
    macKey: "cebe321f6ff7716b6fd4ab49af256a156d38baa4",
    salt: "30cbbc08863d8c85d49db34a9ae1",
  },
  {
    title: "RFC 6188 section 7.2",
    masterKey: "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
    masterSalt: "3b04803de51ee7c96423ab5b78d2",
    cipherKey: "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
    macKey: "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
    salt: "fa31791685ca444a9e07c6c64e93",
  },
  {
    title: "RFC 6188 section 7.4",
    masterKey: "73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1",
    masterSalt: "c8522f3acd4ce86d5add78edbb11",
    cipherKey: "31874736a8f1143870c26e4857d8a5b2c4a354407faadabb",
    macKey: "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb",
    salt: "2372b82d639b6d8503a47adc0a6c",
  },
];

/** RFC 7714 sections 16 and 17: session keys of counting bytes, and one salt. */
const aead = {
  salt: "517569642070726f2071756f",
  rtp: "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573",
  rtcp: "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
  rtcpIndex: 0x5d4,
  sealed: {
    AEAD_AES_128_GCM: {
      rtp: "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
      rtcp: "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
      rtcpTag: "841dd9683dd78ec92ae58790125f62b3000005d4",
    },
    AEAD_AES_256_GCM: {
      rtp: "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
      rtcp: "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
      rtcpTag: "91db4afbfeee5a978fab4393ed2615fe000005d4",
    },
  },
} as const;

export function defineVectorCases(test: Test, maker: EngineMaker): void {
  for (const stream of keyStreams) {
    test(`${maker.name}: key stream of ${stream.title}`, () => checkKeyStream(maker, stream));
  }
  for (const derivation of derivations) {
    test(`${maker.name}: key derivation of ${derivation.title}`, () => checkDerivation(maker, derivation));
  }
  for (const suite of ["AEAD_AES_128_GCM", "AEAD_AES_256_GCM"] as const) {
    test(`${maker.name}: ${suite} of RFC 7714 section 16`, () => checkAead(maker, suite, "rtp"));
    test(`${maker.name}: ${suite} of RFC 7714 section 17`, () => {
      checkAead(maker, suite, "rtcp");
      checkAead(maker, suite, "rtcpTag");
    });
  }
  test(`${maker.name}: HMAC-SHA1 of RFC 2202 section 3, and of every length`, () => checkHmac(maker));
  for (const [suite, outputs] of referenceOutputs) {
    test(`${maker.name}: ${suite} as libsrtp has it`, () => checkReference(maker, suite, outputs));
  }
}

function checkKeyStream(maker: EngineMaker, stream: KeyStream): void {
  const { engine, arena } = new SrtpRig(maker);
  const handle = engine.open({ cipher: "ctr", cipherKey: fromHex(stream.key), macKey: undefined });
  for (const [first, hex] of stream.blocks) {
    const iv = engine.scratchOffset + scratchAt.iv;
    arena.set(fromHex(counterSalt), iv);
    new DataView(arena.buffer).setUint16(iv + 14, first);
    const sizeBytes = hex.length / 2;
    arena.fill(0, 64, 64 + sizeBytes);
    assert.equal(engine.ctr(handle, 64, sizeBytes), true);
    assert.equal(toHex(arena.subarray(64, 64 + sizeBytes)), hex);
  }
}

function checkDerivation(maker: EngineMaker, expected: Derivation): void {
  const { engine, arena } = new SrtpRig(maker);
  const master = engine.open({ cipher: "ctr", cipherKey: fromHex(expected.masterKey), macKey: undefined });
  const salt = fromHex(expected.masterSalt);
  const derive = (label: number, sizeBytes: number): string =>
    toHex(deriveKey(engine, arena, master, { salt, label, sizeBytes }));
  assert.equal(derive(0, expected.cipherKey.length / 2), expected.cipherKey);
  assert.equal(derive(1, macBytes), expected.macKey);
  assert.equal(derive(2, 14), expected.salt);
}

function checkAead(
  maker: EngineMaker,
  suite: keyof typeof aead.sealed,
  what: "rtp" | "rtcp" | "rtcpTag",
): void {
  const { engine, arena } = new SrtpRig(maker);
  const cipherKey = Uint8Array.from({ length: suiteFacts(suite).keyBytes }, (_, index) => index);
  const session = {
    handle: engine.open({ cipher: "gcm", cipherKey, macKey: undefined }),
    salt: fromHex(aead.salt),
  };
  const key: SrtpKey = keyOf(suite, 0, { encryptsRtcp: what !== "rtcpTag" });
  const sessions = new SessionTable();
  const contextOf = (): SrtpContext =>
    new SrtpContext(key, sessions, { rtp: session, rtcp: session }, "receive");
  const bench = new Workbench(engine, arena, sessions);
  const rtp = new RtpTransform(bench);
  const rtcp = new RtcpTransform(bench);
  const clear = fromHex(what === "rtp" ? aead.rtp : aead.rtcp);
  const headerBytes = what === "rtp" ? 12 : what === "rtcp" ? 8 : clear.length;
  const expected = toHex(clear.subarray(0, headerBytes)) + aead.sealed[suite][what];

  arena.set(clear, 64);
  const sender = contextOf();
  sender.nextRtcpIndex[0] = aead.rtcpIndex;
  const size =
    what === "rtp" ? rtp.send(sender.rtp, 64, clear.length, true) : rtcp.send(sender, 64, clear.length);
  const receive = (reveals: boolean): number => {
    const receiver = contextOf();
    return what === "rtp"
      ? rtp.receive(receiver.rtp, 64, size, reveals, true)
      : rtcp.receive(receiver.rtcp, 64, size, reveals);
  };
  assert.equal(toHex(arena.slice(64, 64 + size)), expected);
  assert.equal(receive(false), size);
  assert.equal(toHex(arena.slice(64, 64 + size)), expected);
  assert.equal(receive(true), clear.length);
  assert.equal(toHex(arena.slice(64, 64 + clear.length)), toHex(clear));
}

function checkHmac(maker: EngineMaker): void {
  const { engine, arena } = new SrtpRig(maker);
  const macOf = (handle: number, message: Uint8Array): string => {
    arena.set(message, 64);
    assert.equal(engine.hmac(handle, 64, message.length), true);
    assert.equal(toHex(arena.subarray(64, 64 + message.length)), toHex(message));
    const at = engine.scratchOffset + scratchAt.mac;
    return toHex(arena.subarray(at, at + macBytes));
  };
  const open = (fill: number): number =>
    engine.open({ cipher: "none", cipherKey: new Uint8Array(0), macKey: new Uint8Array(20).fill(fill) });
  const published = open(0x0b);
  const other = open(0x77);
  assert.equal(macOf(published, Buffer.from("Hi There")), "b617318655057264e28bc0b6fb378c8ef146be00");
  const before = macOf(other, new Uint8Array(100));
  // SHA-1 pads differently around the ends of its blocks of 64 bytes.
  const macs = new Set<string>();
  for (let sizeBytes = 0; sizeBytes < 200; sizeBytes++) macs.add(macOf(published, new Uint8Array(sizeBytes)));
  assert.equal(macs.size, 200);
  assert.equal(macOf(other, new Uint8Array(100)), before);
}

function checkReference(maker: EngineMaker, suite: SrtpSuite, outputs: readonly string[]): void {
  const rig = new SrtpRig(maker);
  const key = keyOf(suite);
  rig.crypto.setKeys(0, [key], key);
  // libsrtp gives its first SRTCP packet the index 1.
  rig.run("protect", "rtcp", rtcpPacket());
  assert.equal(outputs.length, referencePackets.length);
  for (const [index, { kind, hex }] of referencePackets.entries()) {
    const expected = outputs[index]!;
    assert.equal(toHex(rig.run("protect", kind, fromHex(hex))), expected, `${kind} ${index}`);
    const tampered = fromHex(expected);
    tampered[20]! ^= 1;
    assert.equal(rig.run("unprotect", kind, tampered), -3);
    assert.equal(toHex(rig.left(tampered.length)), toHex(tampered));
    assert.equal(toHex(rig.run("unprotect", kind, fromHex(expected))), hex);
    assert.equal(rig.run("unprotect", kind, fromHex(expected)), -4);
  }
}
