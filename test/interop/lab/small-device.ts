/**
 * Run in a network of its own whose loopback device takes 600 bytes: a call through a relay that sends in batches, in which
 * some packets of one party are larger. Prints what arrived, as JSON.
 */
import { Phone, RelayRig, rtpPacket, settingsAt, until } from "../../support/relay-rig.ts";

const enough = 40;
const large = 1_000;

const rig = await RelayRig.start({ driver: "epoll", batches: true });
const phones = [await Phone.open("127.0.0.1"), await Phone.open("127.0.0.1")] as const;
const pairs = [await rig.open(), await rig.open()] as const;
for (const [side, { endpoint }] of phones.entries()) {
  const peer = pairs[1 - side]!.pair;
  rig.configure(pairs[side]!.pair, settingsAt(endpoint, { ...endpoint, port: endpoint.port + 1 }, { peer }));
}
let sequence = 0;
async function speak(packets: number, isLarge: (each: number) => boolean): Promise<void> {
  for (let each = 0; each < packets; each++) {
    sequence++;
    for (const [side, phone] of phones.entries()) {
      await phone.send(
        rtpPacket(7 + side, sequence, side === 0 && isLarge(each) ? large : 160),
        pairs[side]!.local.rtp,
      );
    }
    if (each % 4 === 3) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
await speak(2 * enough, () => false);
await speak(enough, (each) => each % 3 === 0);
await until(() => phones.every(({ heard }) => heard.length >= sequence), "every packet");
const [stats] = rig.relay.stats().workers;
console.log(
  JSON.stringify({
    sent: sequence,
    heard: phones.map(({ heard }) => heard.map((packet) => packet.readUInt16BE(2))),
    sizes: phones.map(({ heard }) => [...new Set(heard.map(({ length }) => length))]),
    batches: stats?.batches,
    refusals: stats?.batchRefusals,
    faults: rig.faults,
  }),
);
await rig.relay.stop();
for (const phone of phones) phone.close();
