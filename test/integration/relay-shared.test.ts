/** Packets of busy ports that are read in one call; nobody must notice. Without CAP_BPF and CAP_NET_ADMIN nothing here can be tested. */
import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import type { DriverOptions } from "../../src/io/driver-options.ts";
import { EpollDriver } from "../../src/io/linux/epoll-driver.ts";
import {
  Call,
  enough,
  moveAmidStranger,
  oneTo,
  pause,
  sequencesOf,
  speakInBursts,
} from "../support/relay-call.ts";
import { RelayRig, type RigOptions, rtpPacket, until } from "../support/relay-rig.ts";
import { maySteer } from "../support/shared-slot.ts";
import { suite } from "../support/suite.ts";

/** More than one party may send in a second and be read with others. */
const tooMany = 2_500;

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
      const phones = await speakInBursts(rig, families);
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
    const { call, stranger, cellular } = await moveAmidStranger(rig, () => undefined);
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
