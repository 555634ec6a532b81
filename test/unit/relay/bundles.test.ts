/** Several m-lines on one transport, taken apart and put together (RFC 8843 section 9.2). */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Endpoint, IpAddress } from "../../../src/core/address.ts";
import { bundleElementsMax, bundleReportsMax, bundleSsrcsMax } from "../../../src/core/limits.ts";
import type { PairId, PairSettings } from "../../../src/core/plan/plan.ts";
import type { BundleSettings } from "../../../src/core/plan/security.ts";
import { readPair, readWorker } from "../../../src/relay/counter-view.ts";
import { receiverReport, rtpPacket, settingsAt } from "../../support/relay-rig.ts";
import { fromA, Party, toA } from "../../support/secure-rig.ts";
import { suite } from "../../support/suite.ts";
import { WorkerRig } from "../../support/worker-rig.ts";

const at = (ip: string, port: number): Endpoint => ({ ip: ip as IpAddress, port });
const browser = at("198.51.100.1", 4_000);
const other = browser.ip;
const phone = (port: number): Endpoint => at("198.51.100.2", port);

/** RTP slots: the browser's audio (the carrier) and video, the phone's audio and video. */
const audio = 0;
const video = 2;
const phoneAudio = 4;
const phoneVideo = 6;

function inBundle(mid: string, own: Partial<BundleSettings> = {}): BundleSettings {
  return { carrier: 1 as PairId, mid, midExtension: 4, ssrcs: [], ...own };
}

interface Wanted {
  readonly audio?: Partial<BundleSettings>;
  readonly video?: Partial<BundleSettings>;
  readonly mux?: boolean;
}

const types = (...numbers: number[]) => numbers.map((payloadType) => ({ payloadType, clockRateHz: 8_000 }));

function ofAudio(wanted: Wanted = {}): PairSettings {
  const bundle = inBundle("0", wanted.audio);
  return settingsAt(browser, at(other, 4_001), {
    payloadTypes: types(0, 101),
    rtcpMux: wanted.mux ?? true,
    bundle,
  });
}

/** Never sent to: the carrier's sockets serve it. */
function ofVideo(wanted: Wanted = {}): PairSettings {
  const bundle = inBundle("vid", wanted.video);
  return settingsAt(at(other, 9), at(other, 9), { payloadTypes: types(96, 101), rtcpMux: true, bundle });
}

function bundled(wanted: Wanted = {}): WorkerRig {
  const rig = new WorkerRig();
  for (const slot of [audio, video, phoneAudio, phoneVideo]) rig.open(slot, at("192.0.2.1", 30_000 + slot));
  rig.configure(video, ofVideo(wanted), phoneVideo, 1, audio);
  rig.configure(audio, ofAudio(wanted), phoneAudio, 1, audio);
  rig.configure(phoneAudio, settingsAt(phone(5_000), phone(5_001), {}), audio);
  rig.configure(phoneVideo, settingsAt(phone(5_002), phone(5_003), {}), video);
  return rig;
}

function media(ssrc: number, payloadType: number, mid = ""): Buffer {
  const packet = rtpPacket(ssrc, 1);
  packet[1] = payloadType;
  if (mid === "") return packet;
  packet[0] = 0x90;
  const extension = Buffer.alloc(4 + Math.ceil((1 + mid.length) / 4) * 4);
  extension.writeUInt16BE(0xbede, 0);
  extension.writeUInt16BE(extension.length / 4 - 1, 2);
  extension[4] = (4 << 4) | (mid.length - 1);
  extension.write(mid, 5);
  return Buffer.concat([packet.subarray(0, 12), extension, packet.subarray(12)]);
}

function slots(rig: WorkerRig): number[] {
  return rig.sent.splice(0).map(({ slot }) => slot);
}

function reasons(rig: WorkerRig): Record<string, number> {
  const all = readWorker(rig.counters.worker).reasons;
  return Object.fromEntries(Object.entries(all).filter(([, count]) => count > 0));
}

/** A receiver report, or feedback of this type, of `sender` about `about`. */
function report(sender: number, about: number, type = 201): Buffer {
  const isReport = type === 201;
  const bytes = Buffer.alloc(isReport ? 32 : 12);
  bytes[0] = 0x81;
  bytes[1] = type;
  bytes.writeUInt16BE(bytes.length / 4 - 1, 2);
  bytes.writeUInt32BE(sender, 4);
  bytes.writeUInt32BE(about, 8);
  return bytes;
}

suite("relay: a bundle taken apart", (test) => {
  test("RTP finds its m-line by mid, which teaches its SSRC", () => {
    const rig = bundled();
    rig.receive(audio, media(1, 101, "0"), browser);
    rig.receive(audio, media(2, 101, "vid"), browser);
    rig.receive(audio, media(2, 101), browser);
    rig.receive(audio, media(1, 101), browser);
    assert.deepEqual(slots(rig), [phoneAudio, phoneVideo, phoneVideo, phoneAudio]);
  });

  test("no packet makes us look at more than a few of its parts", () => {
    const rig = bundled();
    const behind = (others: number): Buffer => {
      const elements = Buffer.concat([
        ...Array.from({ length: others }, () => Buffer.from([9 << 4, 0])),
        Buffer.from([(4 << 4) | 2, 0x76, 0x69, 0x64]),
      ]);
      const extension = Buffer.alloc(4 + Math.ceil(elements.length / 4) * 4);
      extension.writeUInt16BE(0xbede, 0);
      extension.writeUInt16BE(extension.length / 4 - 1, 2);
      extension.set(elements, 4);
      const packet = media(others, 101);
      packet[0] = 0x90;
      return Buffer.concat([packet.subarray(0, 12), extension, packet.subarray(12)]);
    };
    rig.receive(audio, behind(bundleElementsMax - 1), browser);
    assert.deepEqual(slots(rig), [phoneVideo]);
    rig.receive(audio, behind(bundleElementsMax), browser);
    assert.deepEqual(slots(rig), []);
    rig.receive(phoneVideo, media(77, 96), phone(5_002));
    rig.sent.length = 0;
    const compound = (others: number): Buffer =>
      Buffer.concat([...Array.from({ length: others }, () => report(9, 10, 205)), report(9, 77, 205)]);
    rig.receive(audio, compound(bundleReportsMax - 1), browser);
    rig.receive(audio, compound(bundleReportsMax), browser);
    assert.deepEqual(slots(rig), [phoneVideo + 1, phoneAudio + 1]);
  });

  test("by a signalled SSRC, which outweighs its payload type", () => {
    const rig = bundled({ video: { ssrcs: [0xffff_fff0, 3] } });
    rig.receive(audio, media(0xffff_fff0, 0), browser);
    assert.deepEqual(slots(rig), [phoneVideo]);
    rig.configure(video, ofVideo({ video: { ssrcs: [3] } }), phoneVideo, 1, audio);
    rig.receive(audio, media(0xffff_fff0, 0), browser);
    rig.receive(audio, media(3, 0), browser);
    assert.deepEqual(slots(rig), [phoneAudio, phoneVideo]);
  });

  test("by a payload type that one m-line alone has, until a mid says better", () => {
    const rig = bundled();
    rig.receive(audio, media(5, 96), browser);
    rig.receive(audio, media(5, 101), browser);
    rig.receive(audio, media(5, 101, "0"), browser);
    rig.receive(audio, media(5, 96), browser);
    assert.deepEqual(slots(rig), [phoneVideo, phoneVideo, phoneAudio, phoneAudio]);
  });

  test("what belongs nowhere goes nowhere: shared or unknown types, unknown mids, other extensions", () => {
    const rig = bundled({ audio: { midExtension: undefined }, video: { midExtension: 5 } });
    for (const packet of [media(1, 101), media(2, 44), media(3, 101, "vid"), media(4, 101, "nobody")]) {
      rig.receive(audio, packet, browser);
    }
    assert.deepEqual(slots(rig), []);
    assert.deepEqual(reasons(rig), { unroutable: 4 });
  });

  test("it is counted for its m-line, and its holds and blocks are the m-line's", () => {
    const rig = bundled();
    rig.receive(audio, media(2, 96), browser);
    const counters = readPair(rig.counters, video, rig.capacitySlots);
    assert.deepEqual([counters.rtp.packetsIn, counters.streams[0]?.ssrc], [1, 2]);
    assert.equal(readPair(rig.counters, audio, rig.capacitySlots).rtp.packetsIn, 0);
    rig.configure(video, { ...ofVideo(), maySend: false }, phoneVideo, 1, audio);
    rig.receive(audio, media(2, 96), browser);
    assert.deepEqual(reasons(rig), { relay: 1, mediaBlocked: 1 });
  });

  test("RTCP goes by the stream it is about, else by its sender, else to the carrier's own m-line", () => {
    const rig = bundled();
    rig.receive(audio, media(2, 96), browser);
    rig.receive(phoneVideo, rtpPacket(77, 1), phone(5_002));
    rig.receive(phoneAudio, rtpPacket(66, 1), phone(5_000));
    rig.sent.length = 0;
    for (const packet of [
      receiverReport(2),
      receiverReport(9),
      // A browser reports on what it hears on one m-line in the name of what it sends on another.
      report(2, 66),
      report(9, 77),
      report(9, 66),
      report(9, 77, 205),
      report(9, 77, 206),
      report(9, 55),
      Buffer.concat([receiverReport(9), report(9, 77, 206)]),
      Buffer.concat([receiverReport(9), Buffer.from([0x81, 206, 0, 1, 0, 0, 0, 9])]),
    ]) {
      rig.receive(audio, packet, browser);
    }
    const [toAudio, toVideo] = [phoneAudio + 1, phoneVideo + 1];
    assert.deepEqual(slots(rig), [
      toVideo,
      toAudio,
      toAudio,
      toVideo,
      toAudio,
      toVideo,
      toVideo,
      toAudio,
      toVideo,
      toAudio,
    ]);
  });

  test("of its RTCP socket, too, without mux", () => {
    const rig = bundled({ mux: false });
    rig.receive(audio, media(2, 96), browser);
    rig.receive(audio + 1, receiverReport(2), at(other, 4_001));
    assert.deepEqual(slots(rig), [phoneVideo, phoneVideo + 1]);
    assert.equal(readPair(rig.counters, video, rig.capacitySlots).rtcp.packetsIn, 1);
  });

  test("an SSRC flood keeps to its table, and the mid brings back whoever lost its place", () => {
    const rig = bundled();
    rig.receive(audio, media(1_000_000, 101, "vid"), browser);
    for (let ssrc = 0; ssrc < 3 * bundleSsrcsMax; ssrc++) rig.receive(audio, media(ssrc, 0), browser);
    rig.sent.length = 0;
    rig.receive(audio, media(1_000_000, 101), browser);
    rig.receive(audio, media(1_000_000, 101, "vid"), browser);
    rig.receive(audio, media(1_000_000, 101), browser);
    assert.deepEqual(slots(rig), [phoneVideo, phoneVideo]);
    assert.equal(reasons(rig)["unroutable"], 1);
  });
});

suite("relay: a bundle put together", (test) => {
  test("all m-lines leave from the carrier's socket to the carrier's target, counted each for itself", () => {
    const rig = bundled();
    rig.receive(phoneAudio, rtpPacket(66, 1), phone(5_000));
    rig.receive(phoneVideo, rtpPacket(77, 1), phone(5_002));
    rig.receive(phoneVideo + 1, receiverReport(77), phone(5_003));
    assert.deepEqual(slots(rig), [audio, audio, audio]);
    assert.equal(readPair(rig.counters, audio, rig.capacitySlots).rtp.packetsOut, 1);
    assert.equal(readPair(rig.counters, video, rig.capacitySlots).rtp.packetsOut, 2);
  });

  test("an m-line on hold is sent nothing, the others are", () => {
    const rig = bundled();
    rig.configure(video, { ...ofVideo(), mayReceive: false }, phoneVideo, 1, audio);
    rig.receive(phoneAudio, rtpPacket(66, 1), phone(5_000));
    rig.receive(phoneVideo, rtpPacket(77, 1), phone(5_002));
    assert.deepEqual(slots(rig), [audio]);
    assert.deepEqual(reasons(rig), { relay: 1, peerOnHold: 1 });
  });

  test("an m-line that leaves the bundle has its own sockets again", () => {
    const rig = bundled();
    rig.configure(video, { ...ofVideo(), bundle: undefined }, phoneVideo);
    rig.receive(phoneVideo, rtpPacket(77, 1), phone(5_002));
    rig.receive(video, media(2, 96), browser);
    rig.receive(audio, media(2, 96), browser);
    assert.deepEqual(slots(rig), [video, phoneVideo, phoneAudio]);
  });

  test("with the carrier closed nothing goes out, and a successor in its place carries nobody", () => {
    const rig = bundled();
    rig.command({ kind: "close", at: { slot: audio, generation: 1 } });
    rig.receive(phoneVideo, rtpPacket(77, 1), phone(5_002));
    rig.open(audio, at("192.0.2.1", 30_000), 2);
    rig.configure(audio, { ...ofAudio(), bundle: undefined }, phoneAudio, 2);
    rig.receive(audio, media(2, 96), browser);
    rig.receive(phoneVideo, rtpPacket(77, 2), phone(5_002));
    // The closed carrier's m-lines stand alone until signalling speaks again.
    assert.deepEqual(slots(rig), [video, video]);
    assert.equal(reasons(rig)["noPeer"], 1);
  });

  test("m-lines may join before their carrier is open; those of a predecessor are no part of it", () => {
    const rig = new WorkerRig();
    rig.open(video, at("192.0.2.1", 30_002));
    rig.open(phoneVideo, at("192.0.2.1", 30_006));
    rig.open(phoneAudio, at("192.0.2.1", 30_004));
    rig.configure(video, ofVideo(), phoneVideo, 1, audio);
    rig.configure(phoneVideo, settingsAt(phone(5_002), phone(5_003), {}), video);
    rig.receive(phoneVideo, rtpPacket(77, 1), phone(5_002));
    assert.deepEqual(reasons(rig), { noPeer: 1 });
    rig.open(audio, at("192.0.2.1", 30_000));
    rig.configure(audio, ofAudio(), phoneAudio, 1, audio);
    rig.receive(phoneVideo, rtpPacket(77, 2), phone(5_002));
    rig.receive(audio, media(2, 96), browser);
    assert.deepEqual(slots(rig), [audio, phoneVideo]);
  });
});

suite("relay: a secure bundle", (test) => {
  const sdes: PairSettings["security"] = { kind: "sdes", receive: [], send: undefined };

  test("the carrier's keys serve all m-lines, both ways, and teach SSRCs by verified packets alone", () => {
    const rig = bundled();
    rig.configure(audio, { ...ofAudio(), security: sdes }, phoneAudio, 1, audio);
    rig.configure(video, { ...ofVideo(), security: sdes }, phoneVideo, 1, audio);
    const at1 = { slot: audio, generation: 1 };
    rig.command({ kind: "keys", at: at1, receive: [fromA], send: toA, provenBy: undefined });
    const party = new Party(fromA, toA);
    rig.receive(audio, media(2, 101, "vid"), browser);
    rig.receive(audio, party.protect(media(2, 101)), browser);
    assert.deepEqual(reasons(rig), { authFailed: 1, unroutable: 1 });
    const named = media(3, 101, "vid");
    rig.receive(audio, party.protect(named), browser);
    rig.receive(audio, party.protect(media(4, 0)), browser);
    const heard = rig.sent.splice(0);
    assert.deepEqual(
      heard.map(({ slot, bytes }) => [slot, bytes]),
      [
        [phoneVideo, named],
        [phoneAudio, media(4, 0)],
      ],
    );
    rig.receive(phoneVideo, rtpPacket(77, 1), phone(5_002));
    rig.receive(phoneVideo + 1, receiverReport(77), phone(5_003));
    const [first, second] = rig.sent.splice(0);
    assert.deepEqual(party.open(first?.bytes ?? assert.fail()), rtpPacket(77, 1));
    assert.deepEqual(party.open(second?.bytes ?? assert.fail(), "rtcp"), receiverReport(77));
    assert.deepEqual([first?.slot, second?.slot], [audio, audio]);
  });

  test("two bundles with one key between them pass packets as they came", () => {
    const rig = bundled();
    const ofOther = (own: PairSettings): PairSettings => ({ ...own, security: sdes });
    rig.configure(audio, ofOther(ofAudio()), phoneAudio, 1, audio);
    rig.configure(video, ofOther(ofVideo()), phoneVideo, 1, audio);
    rig.configure(phoneAudio, ofOther(ofAudio()), audio, 1, phoneAudio);
    rig.configure(phoneVideo, ofOther(ofVideo()), video, 1, phoneAudio);
    for (const [slot, receive, send] of [
      [audio, fromA, toA],
      [phoneAudio, toA, fromA],
    ] as const) {
      rig.command({
        kind: "keys",
        at: { slot, generation: 1 },
        receive: [receive],
        send,
        provenBy: undefined,
      });
    }
    const party = new Party(fromA, toA);
    const packets = [
      party.protect(media(3, 101, "vid")),
      party.protect(media(4, 0)),
      party.protect(receiverReport(3), "rtcp"),
      party.protect(receiverReport(99), "rtcp"),
    ];
    for (const packet of packets) rig.receive(audio, packet, browser);
    assert.deepEqual(
      rig.sent.map(({ slot, bytes }) => [slot, bytes]),
      packets.map((bytes) => [phoneAudio, bytes]),
    );
    assert.equal(readPair(rig.counters, video, rig.capacitySlots).rtp.packetsIn, 2);
  });
});
