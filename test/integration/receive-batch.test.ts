/** Which datagrams are read with others', and whose they are. Without CAP_BPF and CAP_NET_ADMIN nothing here can be tested. */
import assert from "node:assert/strict";
import type { EpollSockets } from "../../src/io/linux/epoll-sockets.ts";
import { FlowTable } from "../../src/io/linux/flow-table.ts";
import { sendBatchPlaces } from "../../src/io/linux/send-batch.ts";
import { SocketCalls } from "../../src/io/linux/sockets.ts";
import { Steering } from "../../src/io/linux/steering.ts";
import { oneTo, pause } from "../support/relay-call.ts";
import { Phone, rtpPacket } from "../support/relay-rig.ts";
import { maySteer, openShared, sharedSlot } from "../support/shared-slot.ts";
import { suite } from "../support/suite.ts";

const [loopback4, loopback4Words] = [0x7f000001, 0xffff];
/** What one party may send in a second and be read with others. */
const most = 2_000;

const here = (port: number) => ({ ip: "127.0.0.1" as never, port });

/** The phone sends so many packets to slot 0: how many of them are read with others'. */
async function heardShared(
  shared: EpollSockets["shared"],
  phone: Phone,
  port: number,
  count: number,
): Promise<number> {
  let received = 0;
  const drain = (): void => {
    for (let ready = shared.receive(false); ready > 0; ready = shared.receive(false)) {
      for (let index = 0; index < ready; index++) if (shared.slotOf(index) === 0) received++;
    }
  };
  for (let each = 0; each < count; each++) {
    await phone.send(rtpPacket(7, each), here(port));
    drain();
  }
  await pause(20);
  drain();
  return received;
}

suite("batches of packets to read", (test) => {
  if (!maySteer()) return;

  test("a party may send so much in a second, and no more, and is heard at its own socket then", async () => {
    const { sockets, phone, steering } = await sharedSlot(42_564);
    const { shared } = sockets;
    const read = (count: number): Promise<number> => heardShared(shared, phone, 42_564, count);
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

  test("while the queue overflows whoever sends more than speech is heard at its own socket", async () => {
    const { sockets, phone, steering } = await sharedSlot(42_570);
    const { shared } = sockets;
    const [speech, video] = [190, 250];
    const read = (count: number): Promise<number> => heardShared(shared, phone, 42_570, count);
    const overflow = async (): Promise<void> => {
      const port = new SocketCalls().portOf(shared.descriptors[0]);
      await phone.send(rtpPacket(7, 1), { ip: "127.255.255.254" as never, port });
      await pause(20);
      shared.everySecond();
    };
    assert.equal(await read(video), video);
    shared.everySecond();
    assert.equal(await read(speech), speech);
    await overflow();
    assert.equal(await read(video), video, "not for having spoken");
    await overflow();
    assert.equal(await read(1), 0, "at its own socket");
    sockets.release(0);
    sockets.close();
    steering.close();
    phone.close();
  });
});
