/**
 * Run in a network of its own whose loopback device has 10.9.0.1 as well: a slot at that address, which sends in batches,
 * loses it and gets it back. Prints how many packets of each stage arrived, and how they were said to be sent, as JSON.
 */
import { spawnSync } from "node:child_process";
import { Arena } from "../../../src/io/linux/arena.ts";
import { EpollSockets, socketsBytes } from "../../../src/io/linux/epoll-sockets.ts";
import { SocketBinder } from "../../../src/io/linux/sockets.ts";
import { counterSizes, workerField } from "../../../src/relay/counters.ts";
import { Phone } from "../../support/relay-rig.ts";

const enough = 40;
const each = 5;

const arena = new Arena(socketsBytes(2));
const worker = new Float64Array(counterSizes(2).worker);
const sockets = new EpollSockets({ arena, capacitySlots: 2, secondSocketsMax: 0, batches: true, worker });
const phone = await Phone.open("127.0.0.1");
const heard: number[] = [];
const codes: number[][] = [];

async function send(packets: number): Promise<void> {
  phone.heard.length = 0;
  const sent = Array.from({ length: packets }, () => sockets.send(0, sockets.batch.offset, 172));
  sockets.batch.send();
  await new Promise((resolve) => setTimeout(resolve, 100));
  heard.push(phone.heard.length);
  codes.push([...new Set(sent)]);
}

function changeAddress(word: string): void {
  spawnSync("ip", ["address", word, "10.9.0.1/32", "dev", "lo"]);
  sockets.batch.lookForAddresses();
}

if (process.argv[2] === "away") changeAddress("del");
const pair = new SocketBinder().bindPair("10.9.0.1" as never, 42_560, 0);
if (!pair.ok) throw new Error(pair.reason);
sockets.adopt(0, 1, pair.rtpHandle, false);
sockets.setTarget(0, 0, 0, 0xffff, 0x7f000001, phone.endpoint.port);
await send(enough);
sockets.batchOrConnect(sockets.takeBusy());
for (const word of process.argv.slice(3)) {
  await send(each);
  changeAddress(word);
}
await send(each);
console.log(
  JSON.stringify({ heard, codes, has: sockets.batch.has(0), batches: worker[workerField.batches] }),
);
sockets.release(0);
sockets.close();
phone.close();
