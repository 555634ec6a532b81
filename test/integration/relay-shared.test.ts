/** Packets of busy ports that are read in one call; nobody must notice. Without CAP_BPF and CAP_NET_ADMIN nothing here can be tested. */
import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import type { DriverOptions } from "../../src/io/driver-options.ts";
import { EpollDriver } from "../../src/io/linux/epoll-driver.ts";
import { Call } from "../support/relay-call.ts";
import { Phone, RelayRig, type RigOptions, rtpPacket, startCall, until } from "../support/relay-rig.ts";
import { maySteer } from "../support/shared-slot.ts";
import { suite } from "../support/suite.ts";

/** Packets to one place after which a port is surely busy. */
const enough = 40;
/** More than one party may send in a second and be read with others. */
const tooMany = 2_500;

const sequencesOf = ({ heard }: Phone): readonly number[] => heard.map((bytes) => bytes.readUInt16BE(2));
const oneTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const startRig = (options: Partial<RigOptions> = {}): Promise<RelayRig> =>
  RelayRig.start({ driver: "epoll", ...options });

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
});
