/**
 * Two browsers whose ICE, DTLS and bundle pass through the real daemon: what either sends of any m-line, to the one port
 * it was told, comes to the other one's one port.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Endpoint, IpAddress } from "../../src/core/address.ts";
import { ngMessage } from "../support/hostile/messages.ts";
import { Phone, receiverReport, rtpPacket, until } from "../support/relay-rig.ts";
import { stun } from "../support/secure-rig.ts";
import { suite } from "../support/suite.ts";
import { body, type MediaShape, otherFingerprint, peerFingerprint, read } from "../unit/call/parties.ts";
import { DaemonProcess } from "./support/daemon.ts";

const callId = "bundled";

function mediaOf({ endpoint: { ip, port } }: Phone, own: Partial<MediaShape>): MediaShape {
  const candidates = [`candidate:1 1 UDP 2130706431 ${ip} ${port} typ host`];
  const ice = { ufrag: own.setup === "active" ? "bobU" : "aliceU", candidates };
  return { port, protocol: "UDP/TLS/RTP/SAVPF", hasMux: true, ice, ...own };
}

/** All on one port, as in an answer or a later offer. */
function page(phone: Phone, own: Partial<MediaShape>): string {
  const media = [
    mediaOf(phone, { ...own, mid: "0", types: "0" }),
    mediaOf(phone, { ...own, mid: "1", types: "96", kind: "video" }),
  ];
  return body({ ip: phone.endpoint.ip, session: ["a=group:BUNDLE 0 1"], media });
}

async function signal(ng: Phone, to: Endpoint, command: "offer" | "answer", sdp: string): Promise<Endpoint> {
  const tags = command === "offer" ? { "from-tag": "a" } : { "from-tag": "a", "to-tag": "b" };
  const words = { command, "call-id": callId, ...tags, ICE: "optional", sdp };
  const count = ng.heard.length;
  await ng.send(ngMessage(command, words, "json"), to);
  await until(() => ng.heard.length > count, `the reply to ${command}`);
  const text = ng.heard.at(-1)?.toString() ?? "";
  const told = read((JSON.parse(text.slice(text.indexOf(" ") + 1)) as { sdp: string }).sdp);
  assert.deepEqual(told.bundles, [["0", "1"]], text);
  const [port = 0, ...others] = told.media.map((media) => media.port);
  assert.ok(port > 0 && others.every((other) => other === port), text);
  return { ip: "127.0.0.1" as IpAddress, port };
}

/** ICE, DTLS, audio, video and RTCP about each, as they look to who has no keys. */
function talk(seed: number): readonly Buffer[] {
  const hello = Buffer.alloc(60, seed);
  hello[0] = 22;
  const video = rtpPacket(seed + 1, 1);
  video[1] = 96;
  const binding = stun(0x0001, []);
  return [binding, hello, rtpPacket(seed, 1), video, receiverReport(seed), receiverReport(seed + 1)];
}

async function talkBothWays(
  daemon: DaemonProcess,
  [ng, alice, bob]: readonly [Phone, Phone, Phone],
): Promise<void> {
  const offered = page(alice, { setup: "actpass", fingerprint: peerFingerprint });
  const atBob = await signal(ng, daemon.ng, "offer", offered);
  const answered = page(bob, { setup: "active", fingerprint: otherFingerprint });
  const atAlice = await signal(ng, daemon.ng, "answer", answered);
  const ways = [
    { from: alice, to: bob, by: atAlice, seen: atBob, said: talk(0x10) },
    { from: bob, to: alice, by: atBob, seen: atAlice, said: talk(0x20) },
  ];
  for (const { from, to, by, seen, said } of ways) {
    for (const packet of said) await from.send(packet, by);
    await until(() => to.heard.length >= said.length, `${said.length} packets`);
    assert.deepEqual(to.heard, said);
    assert.ok(to.sources.every(({ port }) => port === seen.port));
  }
}

for (const io of ["epoll", "dgram"] as const) {
  suite(`a bundle that passes, over ${io}`, (test) => {
    test(
      "what any m-line has to say goes by the one transport, both ways",
      async () => {
        const daemon = await DaemonProcess.start({ portMin: 43_700, portMax: 43_719, io });
        const open = () => Phone.open("127.0.0.1");
        const phones = [await open(), await open(), await open()] as const;
        try {
          await talkBothWays(daemon, phones);
        } finally {
          for (const phone of phones) phone.close();
          assert.equal(await daemon.stop(), 0);
        }
      },
      { timeoutMs: 20_000 },
    );
  });
}
