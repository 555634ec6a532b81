/**
 * What the source policy and the replay ring cost a packet of a proven source, with neither sockets nor kernel: 1,000
 * streams of 172 bytes in turn, as 500 calls send them. One variant a process, so that nothing is compiled for two.
 */
import { type Endpoint, type IpAddress, ipToWords } from "../src/core/address.ts";
import { Handover } from "../src/handover/handover.ts";
import { socketAt, socketField, workerField } from "../src/relay/counters.ts";
import { settingsAt } from "../test/support/relay-rig.ts";
import { packetOffset, WorkerRig } from "../test/support/worker-rig.ts";

const streams = 1_000;
const packetBytes = 172;
const packetMs = 20;
const warmUpTurns = 400;
const slices = 200;
const turnsPerSlice = 10;

const [policy, replayMiB] = process.argv.slice(2);
const rig = new WorkerRig(
  2 * streams,
  { replayMemoryBytes: Number(replayMiB) * 1024 * 1024 },
  policy === "plain" ? undefined : (capacity, sink) => new Handover(capacity, sink),
  4_096,
);
rig.keepsSent = false;

function party(index: number): Endpoint {
  return { ip: `198.51.${index >> 8}.${index & 0xff}` as IpAddress, port: 4_000 };
}

for (let index = 0; index < streams; index++) {
  rig.open(2 * index, { ip: "192.0.2.1" as IpAddress, port: 30_000 + 2 * index });
}
for (let index = 0; index < streams; index++) {
  const { ip, port } = party(index);
  rig.configure(2 * index, settingsAt({ ip, port }, { ip, port: port + 1 }, {}), 2 * (index ^ 1));
}

const words = Array.from({ length: streams }, (_, index) =>
  ipToWords(party(index).ip).map((word) => word | 0),
);
const packet = new Uint8Array(packetBytes);
packet[0] = 0x80;
const { forwarder } = rig.core;
const { facts } = forwarder;
/** Boxed once a turn, as the loop does. */
const clock: unknown[] = [0];
let sequence = 0;

/** One packet of every stream. */
function turn(): void {
  sequence = (sequence + 1) & 0xffff;
  rig.nowMs += packetMs;
  clock[0] = rig.nowMs;
  packet[2] = sequence >> 8;
  packet[3] = sequence & 0xff;
  const timestamp = (sequence * 160) >>> 0;
  for (let at = 0; at < 4; at++) packet[4 + at] = (timestamp >>> (24 - 8 * at)) & 0xff;
  for (let index = 0; index < streams; index++) {
    packet[10] = index >> 8;
    packet[11] = index & 0xff;
    rig.arena.set(packet, packetOffset);
    const source = words[index] ?? [];
    facts.ip0 = source[0] ?? 0;
    facts.ip1 = source[1] ?? 0;
    facts.ip2 = source[2] ?? 0;
    facts.ip3 = source[3] ?? 0;
    facts.port = 4_000;
    forwarder.receive(2 * index, packetOffset, packetBytes, clock[0] as number);
  }
  rig.core.tick(rig.nowMs);
}

for (let count = 0; count < warmUpTurns; count++) turn();
const costs: number[] = [];
for (let slice = 0; slice < slices; slice++) {
  const before = process.hrtime.bigint();
  for (let count = 0; count < turnsPerSlice; count++) turn();
  costs.push(Number(process.hrtime.bigint() - before) / (turnsPerSlice * streams));
}
costs.sort((a, b) => a - b);
let packetsOut = 0;
for (let slot = 0; slot < 2 * streams; slot++) {
  packetsOut += rig.counters.sockets[socketAt(slot) + socketField.packetsOut] ?? 0;
}
const expected = (warmUpTurns + slices * turnsPerSlice) * streams;
if (packetsOut !== expected) {
  throw new Error(
    `${packetsOut} of ${expected} packets went out of ${rig.counters.worker[workerField.packets]}`,
  );
}
/** A quarter of the slices ran undisturbed even on a machine with neighbours. */
process.stdout.write(`${JSON.stringify({ ns: costs[Math.floor(slices / 4)] })}\n`);
