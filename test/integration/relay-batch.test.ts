/** Packets of busy ports that leave in one call; nobody must notice. Without CAP_NET_RAW nothing here can be tested. */
import assert from "node:assert/strict";
import { fstatSync, readdirSync, readFileSync, type Stats } from "node:fs";
import {
  jumboSizeBytesMax,
  packetHeadroomBytes,
  packetSizeBytesMax,
  packetTailroomBytes,
} from "../../src/core/limits.ts";
import { Arena } from "../../src/io/linux/arena.ts";
import { close, protocolRaw, socketType } from "../../src/io/linux/libc.ts";
import { PacketHeaders, type PacketOrigin } from "../../src/io/linux/packet-headers.ts";
import { RawRoute, rawRouteBytes } from "../../src/io/linux/raw-route.ts";
import { mayBatch, sendBatchPlaces } from "../../src/io/linux/send-batch.ts";
import { SocketCalls } from "../../src/io/linux/sockets.ts";
import { workerField } from "../../src/relay/counters.ts";
import { sendCode } from "../../src/relay/driver.ts";
import { enough, oneTo, pause, sequencesOf, speakInBursts } from "../support/relay-call.ts";
import { Phone, RelayRig, rtpPacket, until } from "../support/relay-rig.ts";
import { loopback4, loopback4Words, SlotRig } from "../support/slot-rig.ts";
import { suite } from "../support/suite.ts";

/** Descriptors of this process's raw sockets. */
function rawSockets(): readonly number[] {
  const inodes = readFileSync("/proc/self/net/raw", "utf8");
  return readdirSync("/proc/self/fd").flatMap((name) => {
    const fd = Number(name);
    // The folder itself was open while it was read.
    const stats = fstatOf(fd);
    return stats?.isSocket() === true && inodes.includes(` ${stats.ino} `) ? fd : [];
  });
}

function fstatOf(fd: number): Stats | undefined {
  try {
    return fstatSync(fd);
  } catch {
    return undefined;
  }
}

suite("relay: packets that leave together", (test) => {
  if (!mayBatch()) return;

  for (const families of [
    [4, 4],
    [6, 6],
    [4, 6],
  ] as const) {
    test(`everything arrives, in order, from the same port, IPv${families.join(" to IPv")}`, async () => {
      const rig = await RelayRig.start({ driver: "epoll", receivesBatches: false });
      const phones = await speakInBursts(rig, families);
      const [stats] = rig.relay.stats().workers;
      assert.ok(stats!.batches > enough, "they left together");
      assert.equal(stats!.batchRefusals, 0);
      await rig.relay.stop();
      assert.deepEqual(rig.faults, []);
      for (const phone of phones) phone.close();
    });
  }

  test("the raw socket goes with the last port that sends by it, and comes with the next", async () => {
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    const before = descriptors();
    for (const port of [42_548, 42_548]) (await SlotRig.openBusy(port)).end();
    await until(() => descriptors() === before, "as many as before");
  });

  test("packets wait until they are sent; one more than there are places sends those before it", async () => {
    const rig = await SlotRig.openBusy(42_540);
    for (const each of oneTo(sendBatchPlaces - 1)) assert.equal(rig.send(each), sendCode.sent);
    await pause(20);
    assert.equal(rig.phone.heard.length, 0);
    rig.send(sendBatchPlaces);
    await until(() => rig.phone.heard.length === sendBatchPlaces, "a full batch");
    rig.send(sendBatchPlaces + 1);
    rig.sockets.batch.send();
    await until(() => rig.phone.heard.length === sendBatchPlaces + 1, "the rest");
    assert.deepEqual(sequencesOf(rig.phone), oneTo(sendBatchPlaces + 1));
    assert.equal(rig.worker[workerField.batches], 2);
    rig.end();
  });

  test("a slot that waits with others is not taken in twice: its raw socket would outlive it", async () => {
    const rig = await SlotRig.openBusy(42_554);
    const { batch, descriptors } = rig.sockets;
    assert.throws(() => batch.open(0, descriptors[0]!), assert.AssertionError);
    rig.end();
    assert.deepEqual(rawSockets(), []);
  });

  test("what waits stays as it was, whatever is read and enciphered behind it", async () => {
    const rig = await SlotRig.openBusy(42_552);
    const { arena, sockets, phone } = rig;
    const sizes = Array.from({ length: sendBatchPlaces }, (_, index) => packetSizeBytesMax - index);
    for (const [index, sizeBytes] of sizes.entries()) {
      const from = sockets.batch.offset - packetHeadroomBytes;
      // A jumbo datagram that went nowhere, with all the room a packet may take around it.
      arena.bytes.fill(0xaa, from, sockets.batch.offset + jumboSizeBytesMax + packetTailroomBytes);
      rig.send(index, sizeBytes);
    }
    await until(() => phone.heard.length === sizes.length, "a full batch");
    for (const [index, sizeBytes] of sizes.entries()) {
      assert.deepEqual(phone.heard[index], rtpPacket(7, index, sizeBytes - 12));
    }
    assert.equal(rig.worker[workerField.batches], 1);
    assert.equal(rig.worker[workerField.batchRefusals], 0);
    rig.end();
  });

  test("what waits goes where it was to go, also when the port sends elsewhere or closes", async () => {
    const rig = await SlotRig.openBusy(42_542);
    const other = await Phone.open("127.0.0.1");
    rig.send(1);
    rig.sockets.setTarget(0, 0, 0, loopback4Words, loopback4, other.endpoint.port);
    rig.send(2);
    rig.sockets.release(0);
    await until(() => rig.phone.heard.length === 1 && other.heard.length === 1, "both");
    assert.deepEqual(sequencesOf(rig.phone), [1]);
    assert.deepEqual(sequencesOf(other), [2]);
    rig.sockets.release(1);
    rig.sockets.close();
    for (const phone of [rig.phone, other]) phone.close();
  });

  test("so does what the raw socket then refuses", async () => {
    const rig = await SlotRig.openBusy(42_550);
    const other = await Phone.open("127.0.0.1");
    rig.send(1);
    for (const fd of rawSockets()) close(fd);
    rig.sockets.setTarget(0, 0, 0, loopback4Words, loopback4, other.endpoint.port);
    rig.send(2);
    rig.sockets.batch.send();
    await until(() => rig.phone.heard.length + other.heard.length === 2, "both");
    assert.deepEqual([sequencesOf(rig.phone), sequencesOf(other)], [[1], [2]]);
    assert.equal(rig.worker[workerField.batchRefusals], 2);
    other.close();
    rig.end();
  });

  test("what cannot wait leaves behind what waits: packets from elsewhere, large ones, those to another place", async () => {
    const rig = await SlotRig.openBusy(42_544);
    const { sockets, arena, phone } = rig;
    const kept = arena.bytes.length - 4_096;
    const next = async (count: number): Promise<void> => {
      await until(() => phone.heard.length === count, `${count} packets`);
    };
    rig.send(1);
    arena.bytes.set(rtpPacket(7, 2), kept);
    assert.equal(sockets.send(0, kept, 172), sendCode.sent);
    await next(2);
    rig.send(3);
    assert.equal(rig.send(4, 5_000), sendCode.sent);
    await next(4);
    assert.equal(phone.heard[3]!.length, 5_000);
    rig.send(5);
    arena.bytes.set(rtpPacket(7, 6), kept);
    sockets.sendTo(0, kept, 172, 0, 0, loopback4Words, loopback4, phone.endpoint.port);
    await next(6);
    assert.deepEqual(sequencesOf(phone), oneTo(6));
    rig.end();
  });

  test("what a raw socket does not take is handed back, in order; what was too large is not tried again", async () => {
    const phone = await Phone.open("127.0.0.1");
    const arena = new Arena(4 * 65_536);
    const offset = arena.reserve(rawRouteBytes(4));
    const ip = Int32Array.of(0, 0, loopback4Words, loopback4);
    const origin: PacketOrigin = { isV6: false, ip, port: 42_546, trafficClass: 0, hopLimit: 64 };
    const headers = new PacketHeaders(arena.words, 1);
    headers.open(0, origin, 0);
    headers.setTarget(0, 0, 0, loopback4Words, loopback4, phone.endpoint.port);
    const send = (fd: number, sizes: readonly number[]): { route: RawRoute; refused: number[][] } => {
      const route = new RawRoute(fd, origin, { arena, offset, entries: 4 }, 70_000);
      const refused: number[][] = [];
      for (const [index, sizeBytes] of sizes.entries()) {
        headers.write(0, 8_192 + 64 * index, sizeBytes);
        route.add(0, 8_192 + 64 * index, sizeBytes);
      }
      assert.equal(
        route.send((...packet) => refused.push(packet)),
        refused.length,
      );
      return { route, refused };
    };
    const noSocket = send(-1, [20, 24]).refused;
    assert.deepEqual(noSocket, [
      [0, 8_192, 20],
      [0, 8_256, 24],
    ]);
    const { route, refused } = send(
      new SocketCalls().openOf(false, socketType.raw, protocolRaw),
      [20, 66_000, 24],
    );
    assert.deepEqual(refused, [[0, 8_256, 66_000]]);
    assert.equal(route.takes(65_999), true);
    assert.equal(route.takes(66_000), false);
    await until(() => phone.heard.length === 2, "the others");
    assert.deepEqual(
      phone.heard.map(({ length }) => length),
      [20, 24],
    );
    route.close();
    phone.close();
  });

  test("of several that are too large the smallest tells what is taken", async () => {
    const arena = new Arena(4 * 65_536);
    const offset = arena.reserve(rawRouteBytes(4));
    const ip = Int32Array.of(0, 0, loopback4Words, loopback4);
    const origin: PacketOrigin = { isV6: false, ip, port: 42_548, trafficClass: 0, hopLimit: 64 };
    const headers = new PacketHeaders(arena.words, 1);
    headers.open(0, origin, 0);
    headers.setTarget(0, 0, 0, loopback4Words, loopback4, 9);
    const fd = new SocketCalls().openOf(false, socketType.raw, protocolRaw);
    const route = new RawRoute(fd, origin, { arena, offset, entries: 4 }, 70_000);
    for (const sizeBytes of [66_000, 67_000]) {
      headers.write(0, 8_192, sizeBytes);
      route.add(0, 8_192, sizeBytes);
    }
    assert.equal(
      route.send(() => undefined),
      2,
    );
    assert.equal(route.takes(65_999), true);
    assert.equal(route.takes(66_000), false);
    route.close();
  });
});
