/**
 * Run in a network of its own whose loopback device takes 600 bytes: a call through a relay that sends in batches, in which
 * some packets of one party are larger. Prints what arrived, as JSON.
 */
import { RelayRig, rtpPacket, startCall, until } from "../../support/relay-rig.ts";

const enough = 40;
const large = 1_000;

const rig = await RelayRig.start({ driver: "epoll", batches: true });
const { phones, ports } = await startCall(rig, [4, 4]);
let sequence = 0;
async function speak(packets: number, isLarge: (each: number) => boolean): Promise<void> {
  for (let each = 0; each < packets; each++) {
    sequence++;
    for (const [side, phone] of phones.entries()) {
      await phone.send(
        rtpPacket(7 + side, sequence, side === 0 && isLarge(each) ? large : 160),
        ports[side]!,
      );
    }
    if (each % 4 === 3) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
const heardAll = (): Promise<void> =>
  until(() => phones.every(({ heard }) => heard.length >= sequence), "every packet");

await speak(2 * enough, () => false);
// The first alone: of two in one batch the device would refuse both.
await speak(1, () => true);
await heardAll();
await speak(enough, (each) => each % 3 === 0);
await heardAll();
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
