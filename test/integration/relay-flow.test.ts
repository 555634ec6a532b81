/** Packets through a real relay on loopback; both drivers pass the same table. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import type { Endpoint } from "../../src/core/address.ts";
import type { LocalPair, PairId, PairSettings } from "../../src/core/plan/plan.ts";
import { Phone, RelayRig, receiverReport, rtpPacket, settingsAt, until } from "../support/relay-rig.ts";
import { suite } from "../support/suite.ts";

interface Leg {
  readonly pair: PairId;
  readonly local: LocalPair;
  readonly rtp: Phone;
  readonly rtcp: Phone;
  readonly settings: PairSettings;
}

function above(endpoint: Endpoint): Endpoint {
  return { ip: endpoint.ip, port: endpoint.port + 1 };
}

async function openLegs(
  rig: RelayRig,
  families: readonly [4 | 6, 4 | 6],
  own: readonly [Partial<PairSettings>, Partial<PairSettings>] = [{}, {}],
  group = 1,
): Promise<readonly [Leg, Leg]> {
  const opened = [await rig.open(families[0], group), await rig.open(families[1], group)] as const;
  const legs: Leg[] = [];
  for (const index of [0, 1] as const) {
    const ip = families[index] === 6 ? "::1" : "127.0.0.1";
    const rtp = await Phone.open(ip);
    const rtcp = own[index].rtcpMux === true ? rtp : await Phone.open(ip);
    const peer = opened[1 - index]!.pair;
    const settings = settingsAt(rtp.endpoint, rtcp.endpoint, { peer, ...own[index] });
    rig.configure(opened[index].pair, settings);
    legs.push({ ...opened[index], rtp, rtcp, settings });
  }
  return [legs[0]!, legs[1]!];
}

function closePhones(...legs: readonly Leg[]): void {
  for (const leg of legs) {
    leg.rtp.close();
    if (leg.rtcp !== leg.rtp) leg.rtcp.close();
  }
}

/** Never more on the way than a socket buffer holds, so a busy machine delays packets and loses none. */
async function stream(from: Leg, to: Leg, ssrc: number, packets: number): Promise<void> {
  const before = to.rtp.heard.length;
  for (let sequence = 0; sequence < packets; sequence++) {
    await from.rtp.send(rtpPacket(ssrc, sequence), from.local.rtp);
    await until(() => to.rtp.heard.length - before > sequence - 50, "packets on the way");
  }
  await until(() => to.rtp.heard.length - before >= packets, "the last packets");
}

suite("relay over two workers", (test) => {
  test("calls spread over the workers, and each flows", async () => {
    const rig = await RelayRig.start({ driver: "epoll", workers: 2 });
    const calls = [await openLegs(rig, [4, 4], [{}, {}], 1), await openLegs(rig, [4, 4], [{}, {}], 2)];
    assert.deepEqual(
      rig.relay.stats().workers.map(({ usedPairs }) => usedPairs),
      [2, 2],
    );
    await Promise.all(calls.map(([a, b]) => stream(a, b, 7, 200)));
    assert.deepEqual(
      rig.relay.stats().workers.map(({ packets }) => packets),
      [200, 200],
    );
    await rig.relay.stop();
    assert.deepEqual(rig.faults, []);
    closePhones(...calls.flat());
  });
});

for (const driver of ["epoll", "dgram"] as const) {
  suite(`relay over ${driver}`, (test) => {
    for (const families of [
      [4, 4],
      [6, 6],
      [4, 6],
    ] as const) {
      test(`1,000 packets each way, IPv${families[0]} to IPv${families[1]}`, async () => {
        const rig = await RelayRig.start({ driver });
        const [a, b] = await openLegs(rig, families);
        await Promise.all([stream(a, b, 0xaaaa0001, 1000), stream(b, a, 0xbbbb0001, 1000)]);
        await until(() => a.rtp.heard.length >= 1000 && b.rtp.heard.length >= 1000, "all packets");
        assert.equal(a.rtp.heard.length, 1000);
        assert.deepEqual(b.rtp.heard[0], rtpPacket(0xaaaa0001, 0));
        assert.deepEqual(b.rtp.heard[999], rtpPacket(0xaaaa0001, 999));
        assert.deepEqual(a.rtp.sources[0], a.local.rtp, "sent from the port that was advertised");
        await until(() => rig.relay.read(a.pair)!.rtp.packetsOut === 1000, "the last packet's count");
        const counters = rig.relay.read(a.pair)!;
        assert.equal(counters.rtp.packetsIn, 1000);
        assert.equal(counters.rtp.bytesIn, 172_000);
        assert.equal(counters.rtp.packetsOut, 1000);
        assert.equal(counters.rtp.errorsIn, 0);
        assert.deepEqual(counters.rtp.provenSource, a.rtp.endpoint);
        assert.equal(counters.streams.length, 1);
        assert.equal(counters.streams[0]!.ssrc, 0xaaaa0001);
        assert.equal(counters.streams[0]!.packets, 1000);
        assert.equal(counters.streams[0]!.packetsLost, 0);
        assert.ok(rig.relay.lastPacketAt(a.pair) !== undefined);
        const proven = await rig.waitFor((e) => e.kind === "source-proven" && e.pair === a.pair);
        assert.deepEqual(proven.kind === "source-proven" && proven.source, a.rtp.endpoint);
        await rig.relay.stop();
        assert.deepEqual(rig.faults, []);
        closePhones(a, b);
      });
    }

    test("RTCP goes to the RTCP port", async () => {
      const rig = await RelayRig.start({ driver });
      const [a, b] = await openLegs(rig, [4, 4]);
      await a.rtp.send(rtpPacket(1, 1), a.local.rtp);
      await b.rtp.send(rtpPacket(2, 1), b.local.rtp);
      await until(() => a.rtp.heard.length === 1 && b.rtp.heard.length === 1, "RTP both ways");
      await a.rtcp.send(receiverReport(1), above(a.local.rtp));
      await until(() => b.rtcp.heard.length === 1, "the report");
      assert.deepEqual(b.rtcp.heard[0], receiverReport(1));
      assert.deepEqual(b.rtcp.sources[0], above(b.local.rtp));
      assert.equal(rig.relay.read(a.pair)!.rtcp.packetsIn, 1);
      assert.equal(rig.relay.read(b.pair)!.rtcp.packetsOut, 1);
      await rig.relay.stop();
      closePhones(a, b);
    });

    test("rtcp-mux on one side, two ports on the other", async () => {
      const rig = await RelayRig.start({ driver });
      const [a, b] = await openLegs(rig, [4, 4], [{ rtcpMux: true }, {}]);
      await a.rtp.send(rtpPacket(1, 1), a.local.rtp);
      await b.rtp.send(rtpPacket(2, 1), b.local.rtp);
      await until(() => a.rtp.heard.length === 1 && b.rtp.heard.length === 1, "RTP both ways");
      await a.rtp.send(receiverReport(1), a.local.rtp);
      await b.rtcp.send(receiverReport(2), above(b.local.rtp));
      await until(() => a.rtp.heard.length === 2 && b.rtcp.heard.length === 1, "reports both ways");
      assert.deepEqual(b.rtcp.heard[0], receiverReport(1));
      assert.deepEqual(a.rtp.heard[1], receiverReport(2));
      assert.deepEqual(a.rtp.sources[1], a.local.rtp);
      await rig.relay.stop();
      closePhones(a, b);
    });

    test("UDPTL is relayed without a look at RTP", async () => {
      const rig = await RelayRig.start({ driver });
      const [a, b] = await openLegs(rig, [4, 4], [{ transport: "udptl" }, { transport: "udptl" }]);
      const datagram = Buffer.from([0, 1, 6, 0xc0, 1, 0x80, 0, 0, 0xff]);
      await a.rtp.send(datagram, a.local.rtp);
      await until(() => b.rtp.heard.length === 1, "the fax");
      assert.deepEqual(b.rtp.heard[0], datagram);
      assert.deepEqual(rig.relay.read(a.pair)!.streams, []);
      await rig.relay.stop();
      closePhones(a, b);
    });

    test("early packets wait for the answer and go out in order", async () => {
      const rig = await RelayRig.start({ driver });
      const [a, b] = await openLegs(rig, [4, 4], [{}, { isSignalled: false }]);
      for (let sequence = 0; sequence < 10; sequence++) await b.rtp.send(rtpPacket(2, sequence), b.local.rtp);
      await until(() => rig.relay.stats().workers[0]!.reasons.hold === 10, "ten held packets");
      assert.equal(a.rtp.heard.length, 0);
      rig.configure(b.pair, { ...b.settings, isSignalled: true });
      await b.rtp.send(rtpPacket(2, 10), b.local.rtp);
      await until(() => a.rtp.heard.length === 11, "held and live packets");
      assert.deepEqual(
        a.rtp.heard.map((packet) => packet.readUInt16BE(2)),
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
      );
      assert.equal(rig.relay.stats().workers[0]!.heldBytes, 0);
      await rig.relay.stop();
      closePhones(a, b);
    });

    test("what is refused is counted by name", async () => {
      const rig = await RelayRig.start({ driver });
      const [a, b] = await openLegs(rig, [4, 4], [{}, { mayReceive: false }]);
      const stun = Buffer.from("000100002112a442000000000000000000000000", "hex");
      await a.rtp.send(Buffer.from("hello, relay"), a.local.rtp);
      await a.rtp.send(stun, a.local.rtp);
      await a.rtp.send(Buffer.alloc(0), a.local.rtp);
      await a.rtp.send(rtpPacket(1, 1, 9_400), a.local.rtp);
      await a.rtp.send(rtpPacket(1, 2), a.local.rtp);
      await a.rtp.send(rtpPacket(1, 3), above(a.local.rtp));
      const reasons = () => rig.relay.stats().workers[0]!.reasons;
      await until(() => reasons().rtpOnRtcpPort === 1 && reasons().peerOnHold === 1, "the last packet");
      assert.equal(reasons().malformed, 1);
      assert.equal(reasons().stun, 1);
      assert.equal(reasons().consumed, 1);
      assert.equal(reasons().tooLarge, 1);
      assert.equal(b.rtp.heard.length, 0);
      await rig.relay.stop();
      closePhones(a, b);
    });

    test("nothing is sent to our own listeners or back into the pair", async () => {
      const listener = await Phone.open("127.0.0.1");
      const rig = await RelayRig.start({ driver, forbiddenTargets: [listener.endpoint] });
      const [a, b] = await openLegs(rig, [4, 4]);
      rig.configure(b.pair, { ...b.settings, rtpTarget: listener.endpoint, hints: [] });
      await a.rtp.send(rtpPacket(1, 1), a.local.rtp);
      const reasons = () => rig.relay.stats().workers[0]!.reasons;
      await until(() => reasons().noTarget === 1, "the first packet");
      rig.configure(b.pair, { ...b.settings, rtpTarget: a.local.rtp, hints: [] });
      await a.rtp.send(rtpPacket(1, 2), a.local.rtp);
      await until(() => reasons().noTarget === 2, "the second packet");
      assert.equal(reasons().forbiddenTarget >= 2, true);
      assert.equal(listener.heard.length, 0);
      await rig.relay.stop();
      listener.close();
      closePhones(a, b);
    });

    test("closing gives ports back, and a new pair starts from nothing", async () => {
      const rig = await RelayRig.start({ driver, portMin: 42_300, portMax: 42_303 });
      const free = () => rig.relay.stats().interfaces.map((each) => each.free);
      assert.deepEqual(free(), [2, 2]);
      const [a, b] = await openLegs(rig, [4, 4]);
      assert.deepEqual(free(), [0, 2]);
      const refused = rig.newPair();
      rig.perform({
        kind: "open",
        pair: refused,
        group: a.pair as never,
        interfaceName: "v4",
        family: 4,
        tos: 0,
      });
      await rig.waitFor((e) => e.kind === "open-failed" && e.pair === refused && e.reason === "no-ports");
      await stream(a, b, 1, 5);
      await until(() => b.rtp.heard.length === 5, "five packets");
      await rig.close(a.pair);
      await rig.close(b.pair);
      assert.deepEqual(free(), [2, 2]);
      assert.equal(rig.relay.read(a.pair), undefined);
      assert.equal(rig.relay.stats().workers[0]!.openSlots, 0);
      const again = await rig.open(4);
      assert.equal(rig.relay.read(again.pair)!.rtp.packetsIn, 0);
      assert.equal(rig.relay.lastPacketAt(again.pair), undefined);
      await rig.relay.stop();
      closePhones(a, b);
    });

    test("a port that somebody else holds is passed over", async () => {
      const squatter = createSocket("udp4");
      await new Promise<void>((resolve) => squatter.bind(42_305, "127.0.0.1", resolve));
      const rig = await RelayRig.start({ driver, portMin: 42_304, portMax: 42_307 });
      const opened = await rig.open(4);
      assert.equal(opened.local.rtp.port, 42_306);
      const refused = rig.newPair();
      rig.perform({ kind: "open", pair: refused, group: 1 as never, interfaceName: "v4", family: 4, tos: 0 });
      await rig.waitFor((e) => e.kind === "open-failed" && e.pair === refused && e.reason === "no-ports");
      assert.equal(rig.relay.stats().interfaces[0]!.used, 1);
      await rig.close(opened.pair);
      assert.equal(rig.relay.stats().interfaces[0]!.used, 0);
      await rig.relay.stop();
      squatter.close();
    });

    test("an address this machine does not have is no interface", async () => {
      const foreign = { name: "x", ip: "192.0.2.77" as never, advertisedIp: "192.0.2.77" as never };
      const rig = await RelayRig.start({ driver, interfaces: [foreign] });
      const pair = rig.newPair();
      rig.perform({ kind: "open", pair, group: 1 as never, interfaceName: undefined, family: 4, tos: 0 });
      await rig.waitFor((e) => e.kind === "open-failed" && e.reason === "no-interface");
      assert.equal(rig.relay.stats().interfaces[0]!.used, 0);
      const other = rig.newPair();
      rig.perform({
        kind: "open",
        pair: other,
        group: 1 as never,
        interfaceName: undefined,
        family: 6,
        tos: 0,
      });
      await rig.waitFor((e) => e.kind === "open-failed" && e.pair === other && e.reason === "no-interface");
      await rig.relay.stop();
    });
  });
}
