/** SRTP with SDES keys through a real relay on loopback, by the engine this machine has; both drivers. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Endpoint } from "../../src/core/address.ts";
import type { PairSettings } from "../../src/core/plan/plan.ts";
import type { PairSecurity } from "../../src/core/plan/security.ts";
import { Phone, RelayRig, receiverReport, rtpPacket, settingsAt, until } from "../support/relay-rig.ts";
import { fromA, fromB, keyOf, Party, toA, toB } from "../support/secure-rig.ts";
import { suite } from "../support/suite.ts";

interface Legs {
  readonly a: Phone;
  readonly b: Phone;
  readonly toA: Endpoint;
  readonly toB: Endpoint;
}

async function connect(rig: RelayRig, ofA: PairSecurity, ofB: PairSecurity): Promise<Legs> {
  const [first, second] = [await rig.open(4), await rig.open(4)];
  const [a, b] = [await Phone.open("127.0.0.1"), await Phone.open("127.0.0.1")];
  const own: Partial<PairSettings> = { rtcpMux: true };
  const settings = (phone: Phone, peer: PairSettings["peer"], security: PairSecurity): PairSettings =>
    settingsAt(phone.endpoint, phone.endpoint, { ...own, peer, security });
  rig.configure(first.pair, settings(a, second.pair, ofA));
  rig.configure(second.pair, settings(b, first.pair, ofB));
  return { a, b, toA: first.local.rtp, toB: second.local.rtp };
}

const plain: PairSecurity = { kind: "none" };

for (const driver of ["epoll", "dgram"] as const) {
  suite(`relay with SRTP over ${driver}`, (test) => {
    test("re-keys RTP and RTCP of every size between two secure parties", async () => {
      const rig = await RelayRig.start({ driver });
      const sdes = (receive: typeof fromA, send: typeof toA): PairSecurity => ({
        kind: "sdes",
        receive: [receive],
        send,
      });
      const { a, b, toA: atA, toB: atB } = await connect(rig, sdes(fromA, toA), sdes(fromB, toB));
      const [alice, bob] = [new Party(fromA, toA), new Party(fromB, toB)];
      const packets = [0, 1, 160, 255, 1_200, 1_460].map((sizeBytes, index) =>
        rtpPacket(7, index, sizeBytes),
      );
      for (const packet of packets) await a.send(alice.protect(packet), atA);
      await a.send(alice.protect(receiverReport(7), "rtcp"), atA);
      await until(() => b.heard.length === packets.length + 1, "all packets");
      assert.deepEqual(
        b.heard.slice(0, -1).map((bytes) => bob.open(bytes)),
        packets,
      );
      assert.deepEqual(bob.open(b.heard.at(-1) ?? assert.fail(), "rtcp"), receiverReport(7));
      await b.send(bob.protect(rtpPacket(9, 1)), atB);
      await until(() => a.heard.length === 1, "the answer");
      assert.deepEqual(alice.open(a.heard[0] ?? assert.fail()), rtpPacket(9, 1));
      a.close();
      b.close();
      await rig.relay.stop();
      assert.deepEqual(rig.faults, []);
    });

    test("plain on one side, AES-GCM on the other, and what the stranger sends is dropped", async () => {
      const rig = await RelayRig.start({ driver });
      const [own, other] = [keyOf(5, "AEAD_AES_256_GCM"), keyOf(6, "AEAD_AES_256_GCM")];
      const secure: PairSecurity = { kind: "sdes", receive: [own], send: other };
      const { a, b, toA: atA, toB: atB } = await connect(rig, secure, plain);
      const alice = new Party(own, other);
      const stranger = await Phone.open("127.0.0.1");
      await stranger.send(rtpPacket(7, 1), atA);
      await until(() => rig.relay.stats().workers[0]?.reasons.authFailed === 1, "the stranger's end");
      await a.send(alice.protect(rtpPacket(7, 1)), atA);
      await b.send(rtpPacket(9, 1), atB);
      await until(() => a.heard.length === 1 && b.heard.length === 1, "both ways");
      assert.deepEqual(b.heard, [rtpPacket(7, 1)]);
      assert.deepEqual(alice.open(a.heard[0] ?? assert.fail()), rtpPacket(9, 1));
      assert.equal(stranger.heard.length, 0);
      for (const phone of [a, b, stranger]) phone.close();
      await rig.relay.stop();
    });

    test("passes on untouched what both parties have the key of", async () => {
      const rig = await RelayRig.start({ driver });
      const shared = (receive: typeof fromA, send: typeof fromA): PairSecurity => ({
        kind: "sdes",
        receive: [receive],
        send,
      });
      const { a, b, toA: atA } = await connect(rig, shared(fromA, fromB), shared(fromB, fromA));
      const packets = [1, 2, 3].map((each) => new Party(fromA, fromB).protect(rtpPacket(7, each)));
      for (const packet of packets) await a.send(packet, atA);
      await until(() => b.heard.length === 3, "all packets");
      assert.deepEqual(
        b.heard.map((bytes) => Buffer.from(bytes)),
        packets,
      );
      a.close();
      b.close();
      await rig.relay.stop();
    });
  });
}
