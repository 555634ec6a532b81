/** A phone that changes its network in the middle of a call, with real drivers and sockets. */
import assert from "node:assert/strict";
import { Phone, RelayRig, rtpPacket, settingsAt, until } from "../support/relay-rig.ts";
import { suite } from "../support/suite.ts";

for (const driver of ["epoll", "dgram"] as const) {
  suite(`relay over ${driver}: change of network`, (test) => {
    test("what went to the dead address comes to the new one, in order and once", async () => {
      const rig = await RelayRig.start({ driver });
      const [desk, wifi, cellular] = [
        await Phone.open("127.0.0.1"),
        await Phone.open("127.0.0.2"),
        await Phone.open("127.0.0.3"),
      ];
      const a = await rig.open(4);
      const b = await rig.open(4);
      const rtcpOf = ({ endpoint }: Phone) => ({ ...endpoint, port: endpoint.port + 1 });
      rig.configure(a.pair, settingsAt(desk.endpoint, rtcpOf(desk), { peer: b.pair }));
      rig.configure(b.pair, settingsAt(wifi.endpoint, rtcpOf(wifi), { peer: a.pair }));
      let down = 0;
      let up = 0;
      const speak = async (packets: number, mobile: Phone | undefined): Promise<void> => {
        for (let n = 0; n < packets; n++) {
          await desk.send(rtpPacket(7, ++down), a.local.rtp);
          up++;
          await mobile?.send(rtpPacket(9, up), b.local.rtp);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      };
      await speak(30, wifi);
      const lostFrom = down + 1;
      await speak(3, undefined);
      await speak(20, cellular);
      await until(() => rig.relay.stats().workers[0]!.replay.packets > 0, "the replay");
      await until(() => cellular.heard.at(-1)?.readUInt16BE(2) === down, "the last packet");
      const heard = cellular.heard.map((bytes) => bytes.readUInt16BE(2));
      assert.ok(heard[0]! <= lostFrom, `the first is ${heard[0]}, the first lost ${lostFrom}`);
      assert.deepEqual(
        heard,
        heard.map((_, index) => heard[0]! + index),
      );
      assert.ok(wifi.heard.length >= 30);
      assert.equal(rig.relay.read(b.pair)!.rtp.packetsOut, down);
      const { replay, handoverNotes, notesUntold } = rig.relay.stats().workers[0]!;
      assert.deepEqual([replay.replays, handoverNotes.switched, notesUntold], [1, 1, 0]);
      const switched = await rig.waitFor((e) => e.kind === "source-noted" && e.note === "switched");
      assert.deepEqual(switched.kind === "source-noted" && switched.source, cellular.endpoint);
      const { rtp } = rig.relay.sources(b.pair) ?? assert.fail("no such pair");
      assert.equal(rtp.switches, 1);
      await rig.relay.stop();
      assert.deepEqual(rig.faults, []);
      for (const phone of [desk, wifi, cellular]) phone.close();
    });
  });
}
