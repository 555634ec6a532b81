/** Packets of busy ports that are read in one call; nobody must notice. Without CAP_BPF and CAP_NET_ADMIN nothing here can be tested. */
import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import type { DriverOptions } from "../../src/io/driver-options.ts";
import { EpollDriver } from "../../src/io/linux/epoll-driver.ts";
import { FlowTable } from "../../src/io/linux/flow-table.ts";
import { sendBatchPlaces } from "../../src/io/linux/send-batch.ts";
import { SocketCalls } from "../../src/io/linux/sockets.ts";
import { Steering } from "../../src/io/linux/steering.ts";
import { Call } from "../support/relay-call.ts";
import { Phone, RelayRig, type RigOptions, rtpPacket, startCall, until } from "../support/relay-rig.ts";
import { openShared, sharedSlot } from "../support/shared-slot.ts";
import { suite } from "../support/suite.ts";

/** Packets to one place after which a port is surely busy. */
const enough = 40;
const [loopback4, loopback4Words] = [0x7f000001, 0xffff];
/** What one party may send in a second and be read with others, and what is more. */
const [most, tooMany] = [2_000, 2_500];

const sequencesOf = ({ heard }: Phone): readonly number[] => heard.map((bytes) => bytes.readUInt16BE(2));
const oneTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const startRig = (options: Partial<RigOptions> = {}): Promise<RelayRig> =>
  RelayRig.start({ driver: "epoll", batches: true, receivesBatches: true, ...options });

function maySteer(): boolean {
  const steering = Steering.open(1, 1);
  steering?.close();
  return steering !== undefined;
}

/** How often workers read many packets in one call. */
const reads = (rig: RelayRig): number =>
  rig.relay.stats().workers.reduce((sum, { receiveBatches }) => sum + receiveBatches, 0);

async function end(rig: RelayRig, ...phones: readonly { close(): void }[]): Promise<void> {
  await rig.relay.stop();
  assert.deepEqual(rig.faults, []);
  for (const phone of phones) phone.close();
}

/** What a descriptor is of; nothing of one that is closed already. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

const here = (port: number) => ({ ip: "127.0.0.1" as never, port });

suite("relay: packets that are read together", (test) => {
  if (!maySteer()) return;

  for (const families of [
    [4, 4],
    [6, 6],
    [4, 6],
  ] as const) {
    test(`everything arrives, in order, from the same port, IPv${families.join(" to IPv")}`, async () => {
      const rig = await startRig();
      const { phones, ports } = await startCall(rig, families);
      let sequence = 0;
      // One at a time until both ports are busy, then many at once.
      for (const burst of [...Array<number>(2 * enough).fill(1), 5, 31, 32, 33, 100, 1]) {
        for (let each = 0; each < burst; each++) {
          sequence++;
          await phones[0].send(rtpPacket(7, sequence), ports[0]);
          await phones[1].send(rtpPacket(9, sequence), ports[1]);
        }
        await pause(1);
      }
      await until(() => phones.every(({ heard }) => heard.length >= sequence), "all");
      for (const [side, phone] of phones.entries()) {
        assert.deepEqual(sequencesOf(phone), oneTo(sequence));
        assert.deepEqual(
          phone.heard.at(-1),
          rtpPacket(side === 0 ? 9 : 7, sequence),
          "not a byte is another",
        );
        assert.ok(phone.sources.every(({ port }) => port === ports[side]!.port));
      }
      assert.ok(reads(rig) > enough, "they were read together");
      assert.equal(rig.relay.stats().workers[0]!.receiveDrops, 0);
      await end(rig, ...phones);
    });
  }

  test("each worker reads its own calls", async () => {
    const rig = await startRig({ workers: 3 });
    const calls = await Promise.all(oneTo(6).map((group) => Call.start(rig, 4, undefined, group)));
    await Promise.all(calls.map((call) => call.speak(2 * enough, 2, call.b)));
    for (const { a, b, last } of calls) {
      await until(() => a.heard.length === last && b.heard.length === last, "all");
      assert.deepEqual(sequencesOf(a), oneTo(last));
      assert.deepEqual(sequencesOf(b), oneTo(last));
    }
    const busy = rig.relay.stats().workers.filter(({ openSlots }) => openSlots > 0);
    assert.ok(busy.length > 1, "calls are dealt out");
    assert.ok(busy.every(({ receiveBatches }) => receiveBatches > 0));
    await end(rig, ...calls);
  });

  test("everybody else is heard at the port itself: strangers are refused, and a phone that moves is followed", async () => {
    const rig = await startRig();
    const call = await Call.start(rig, 4, ["127.0.0.1", "127.0.0.2"]);
    const stranger = await Phone.open("127.0.0.9");
    const cellular = await Phone.open("127.0.0.3");
    await call.speak(enough, 20, call.b);
    await stranger.send(rtpPacket(666, 1), call.pairs[1].local.rtp);
    await until(() => rig.relay.read(call.pairs[1].pair)!.rtp.errorsIn > 0, "the stranger's packet");
    await call.speak(3, 20, undefined);
    await call.speak(2 * enough, 20, cellular);
    await until(() => cellular.heard.at(-1)?.readUInt16BE(2) === call.last, "the last packet");
    const heard = sequencesOf(cellular);
    assert.deepEqual(heard, oneTo(call.last).slice(-heard.length), "nothing lost and nothing twice");
    assert.ok(heard.length > 2 * enough, "what went to the dead address was sent again");
    assert.equal(stranger.heard.length, 0);
    assert.equal(call.a.heard.filter((bytes) => bytes.readUInt32BE(8) === 666).length, 0);
    // Where it is now it is read with others again, and where it was it is heard no more.
    const [before, late] = [reads(rig), rig.relay.read(call.pairs[1].pair)!.rtp.errorsIn];
    await cellular.send(rtpPacket(9, call.last + 1), call.pairs[1].local.rtp);
    await until(() => reads(rig) > before, "a packet of the new place");
    await call.b.send(rtpPacket(9, 1), call.pairs[1].local.rtp);
    await until(() => rig.relay.read(call.pairs[1].pair)!.rtp.errorsIn > late, "the late packet");
    await end(rig, call, stranger, cellular);
  });

  test("a party that sends far too much goes back to a queue of its own, and loses nothing", async () => {
    const rig = await startRig();
    const call = await Call.start(rig);
    await call.speak(enough, 2, call.b);
    let sequence = call.last;
    const speak = async (): Promise<void> => {
      await call.a.send(rtpPacket(7, ++sequence), call.pairs[0].local.rtp);
    };
    const isReadWithOthers = async (): Promise<boolean> => {
      const before = reads(rig);
      await speak();
      await until(() => call.b.heard.length === sequence, "all");
      return reads(rig) > before;
    };
    // Again where the worker's second ended between them.
    for (let round = 0; round < 6 && (await isReadWithOthers()); round++) {
      for (let each = 0; each < tooMany; each++) {
        await speak();
        if (each % 32 === 0) await pause(1);
      }
    }
    assert.equal(await isReadWithOthers(), false);
    assert.deepEqual(sequencesOf(call.b), oneTo(sequence));
    await end(rig, call);
  });

  test("a party may send so much in a second, and no more, and is heard at its own socket then", async () => {
    const { sockets, phone, steering } = await sharedSlot(42_564);
    const { shared } = sockets;
    const read = async (count: number): Promise<number> => {
      let received = 0;
      const drain = (): void => {
        for (let ready = shared.receive(false); ready > 0; ready = shared.receive(false)) {
          for (let index = 0; index < ready; index++) if (shared.slotOf(index) === 0) received++;
        }
      };
      for (let each = 0; each < count; each++) {
        await phone.send(rtpPacket(7, each), here(42_564));
        drain();
      }
      await pause(20);
      drain();
      return received;
    };
    assert.equal(await read(most), most);
    shared.everySecond();
    assert.equal(await read(most), most);
    assert.equal(await read(1), 1, "the one that was too many");
    assert.equal(await read(10), 0, "at its own socket");
    shared.everySecond();
    shared.request(0);
    assert.equal(sockets.takeUnshared(), -1);
    assert.equal(await read(1), 0, "for good");
    sockets.release(0);
    openShared(sockets, 42_564, phone);
    assert.equal(await read(1), 1, "but the port's next party is read with others");
    sockets.release(0);
    sockets.close();
    steering.close();
    phone.close();
  });

  test("datagrams of any size are whole", async () => {
    const rig = await startRig();
    const call = await Call.start(rig);
    await call.speak(enough, 2, call.b);
    const sizes = [1, 1_500, 1_588, 1_600, 5_000, 9_000, 160];
    for (const [index, size] of sizes.entries()) {
      await call.a.send(rtpPacket(7, call.last + 1 + index, size), call.pairs[0].local.rtp);
    }
    await until(() => call.b.heard.length === call.last + sizes.length, "all");
    for (const [index, size] of sizes.entries()) {
      assert.deepEqual(call.b.heard[call.last + index], rtpPacket(7, call.last + 1 + index, size));
    }
    await end(rig, call);
  });

  test("nothing stays open, in this process or in the kernel", async () => {
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    await end(await startRig());
    const before = descriptors();
    for (let each = 0; each < 2; each++) {
      const rig = await startRig();
      const call = await Call.start(rig);
      await call.speak(enough, 2, call.b);
      assert.ok(reads(rig) > 0);
      for (const { pair } of call.pairs) await rig.close(pair);
      await end(rig, call);
    }
    await until(() => descriptors() === before, "as many as before");
  });

  test("nor where the driver cannot be had", async () => {
    const links = (): number =>
      readdirSync("/proc/self/fd").filter((name) => linkOf(`/proc/self/fd/${name}`).includes("bpf")).length;
    const before = links();
    const options = { workers: 1, capacitySlots: 2, batches: true, receivesBatches: true };
    const more = { turn: { capacity: { allocations: Number.MAX_SAFE_INTEGER } } };
    assert.throws(() => new EpollDriver({ ...options, ...more } as unknown as DriverOptions), RangeError);
    assert.equal(links(), before);
  });

  test("what waits for a closed slot is nobody's, and what came to its own socket stays its own", async () => {
    const { sockets, phone, steering } = await sharedSlot(42_560);
    for (const each of oneTo(3)) await phone.send(rtpPacket(7, each), here(42_560));
    await pause(20);
    assert.equal(sockets.shared.receive(false), 3);
    assert.deepEqual(
      [0, 1, 2].map((index) => sockets.shared.slotOf(index)),
      [0, 0, 0],
    );
    for (const each of oneTo(sendBatchPlaces + 1)) await phone.send(rtpPacket(7, each), here(42_560));
    await pause(20);
    sockets.release(0);
    assert.equal(sockets.shared.receive(false), sendBatchPlaces, "as many as there are places");
    assert.equal(sockets.shared.slotOf(0), -1);
    assert.equal(sockets.shared.receive(false), 1);
    assert.equal(sockets.shared.slotOf(0), -1);
    assert.equal(sockets.shared.receive(false), -1);
    sockets.close();
    steering.close();
    phone.close();
  });

  test("what is sent to the shared socket itself takes no room in its queue", async () => {
    const { sockets, phone, steering } = await sharedSlot(42_562);
    const { shared } = sockets;
    const ownPort = (isV6: boolean): number => new SocketCalls().portOf(shared.descriptors[isV6 ? 1 : 0]);
    const strangers = [await Phone.open("127.0.0.1"), await Phone.open("::1")] as const;
    await strangers[0].send(rtpPacket(7, 1), { ip: "127.255.255.254" as never, port: ownPort(false) });
    await strangers[1].send(rtpPacket(7, 1), { ip: "::1" as never, port: ownPort(true) });
    await pause(20);
    assert.equal(shared.receive(false), -1);
    assert.equal(shared.receive(true), -1);
    // A slot that has the same port at another address is heard there.
    sockets.release(0);
    openShared(sockets, ownPort(false), phone);
    await phone.send(rtpPacket(7, 1), here(ownPort(false)));
    await pause(20);
    assert.equal(shared.receive(false), 1);
    assert.equal(shared.slotOf(0), 0);
    sockets.release(0);
    sockets.close();
    steering.close();
    for (const each of [phone, ...strangers]) each.close();
  });

  test("two local addresses may have the same port, and one party", async () => {
    const { sockets, phone, steering } = await sharedSlot(42_566);
    openShared(sockets, 42_566, phone, 2, "127.0.0.5");
    for (const ip of ["127.0.0.5", "127.0.0.1", "127.0.0.5"]) {
      await phone.send(rtpPacket(7, 1), { ip: ip as never, port: 42_566 });
    }
    await pause(20);
    assert.equal(sockets.shared.receive(false), 3);
    assert.deepEqual(
      [0, 1, 2].map((index) => sockets.shared.slotOf(index)),
      [2, 0, 2],
    );
    for (const slot of [0, 2]) sockets.release(slot);
    sockets.close();
    steering.close();
    phone.close();
  });

  test("where the kernel's table is full a slot keeps to its own socket, until another is closed", () => {
    const steering = Steering.open(1, 2);
    assert.ok(steering);
    const flows = new FlowTable({ maps: steering.maps, worker: 0 });
    const ip = Int32Array.of(0, 0, loopback4Words, loopback4);
    const add = (slot: number): boolean =>
      flows.add(slot, { isV6: false, ip, port: 42_000 + slot }, ip, 5_000);
    const slotAt = (port: number): number => flows.slotAt(0, 0, loopback4Words, loopback4, port);
    assert.deepEqual([add(0), add(2), add(4), add(2)], [true, true, false, true]);
    assert.deepEqual([42_000, 42_002, 42_004].map(slotAt), [0, 2, -1]);
    flows.release(0);
    assert.ok(add(4));
    assert.deepEqual([42_000, 42_002, 42_004].map(slotAt), [-1, 2, 4]);
    steering.close();
  });
});
