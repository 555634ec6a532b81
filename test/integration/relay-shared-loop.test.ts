/** In what order the loop does what waits. Without CAP_BPF and CAP_NET_ADMIN nothing here can be tested. */
import assert from "node:assert/strict";
import { EpollLoop, type LoopParts } from "../../src/io/linux/epoll-loop.ts";
import { close, eventfd } from "../../src/io/linux/libc.ts";
import { sendBatchPlaces } from "../../src/io/linux/send-batch.ts";
import { allocateRing, RingReader, RingWriter } from "../../src/io/ring.ts";
import { counterSizes } from "../../src/relay/counters.ts";
import { commandWords } from "../../src/relay/driver.ts";
import { rtpPacket } from "../support/relay-rig.ts";
import { maySteer, sharedSlot } from "../support/shared-slot.ts";
import { suite } from "../support/suite.ts";

suite("relay: the loop and packets that are read together", (test) => {
  if (!maySteer()) return;

  test("a command that comes meanwhile is carried out before packets that may follow it", async () => {
    const { arena, sockets, phone, steering } = await sharedSlot(42_568);
    const memory = allocateRing(16, commandWords);
    const writer = new RingWriter(memory, commandWords);
    const [received, commanded] = [1, -1];
    const done: number[] = [];
    const count = 3 * sendBatchPlaces;
    const drainCommands: LoopParts["core"]["drainCommands"] = (commands) => {
      for (; commands.begin() >= 0; commands.release()) done.push(commanded);
      return done.length > count;
    };
    const receive = (): void => {
      done.push(received);
      if (done.length !== 1) return;
      assert.ok(writer.begin() >= 0);
      writer.commit();
    };
    const forwarder = { facts: {}, receive, countLateFailure: assert.fail, countReceiveTrouble: assert.fail };
    const core = { forwarder, drainCommands, tick: () => undefined, flushEvents: () => false };
    for (let each = 0; each < count; each++) {
      await phone.send(rtpPacket(7, each), { ip: "127.0.0.1" as never, port: 42_568 });
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    const wakeDescriptor = eventfd(0, 0x800);
    const sizes = counterSizes(2);
    const loop = new EpollLoop({
      arena,
      core: { ...core, hasCommands: false, owesEvents: false, nextDeadlineMs: () => 0 },
      sockets,
      commands: new RingReader(memory, commandWords),
      events: writer,
      counters: { worker: new Float64Array(sizes.worker) },
      turn: undefined,
      wakeDescriptor,
      coalesces: false,
      wakeMain: () => undefined,
      everySecond: () => undefined,
    } as unknown as LoopParts);
    loop.run();
    const first = done.slice(0, sendBatchPlaces + 1);
    assert.deepEqual(first, [...Array<number>(sendBatchPlaces).fill(received), commanded]);
    sockets.release(0);
    sockets.close();
    steering.close();
    phone.close();
    close(wakeDescriptor);
  });
});
