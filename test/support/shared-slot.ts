/** A worker's sockets with slots that are read with others'; takes CAP_NET_RAW, CAP_BPF and CAP_NET_ADMIN. */
import assert from "node:assert/strict";
import { Arena } from "../../src/io/linux/arena.ts";
import { loopBytes } from "../../src/io/linux/epoll-loop.ts";
import { EpollSockets, socketsBytes } from "../../src/io/linux/epoll-sockets.ts";
import { close } from "../../src/io/linux/libc.ts";
import { SocketBinder } from "../../src/io/linux/sockets.ts";
import { Steering } from "../../src/io/linux/steering.ts";
import { counterSizes } from "../../src/relay/counters.ts";
import { enough } from "./relay-call.ts";
import { Phone } from "./relay-rig.ts";

const slots = 4;
const [loopback4, loopback4Words] = [0x7f000001, 0xffff];

/** Whether this process may have the kernel deal out datagrams. */
export function maySteer(): boolean {
  const steering = Steering.open(1, 1);
  steering?.close();
  return steering !== undefined;
}

/** One slot's sockets, busy towards a phone and read with others' where that speaks. */
export async function sharedSlot(port: number): Promise<{
  /** With room for a loop. */
  readonly arena: Arena;
  readonly sockets: EpollSockets;
  readonly phone: Phone;
  readonly steering: Steering;
}> {
  const steering = Steering.open(1, 8);
  assert.ok(steering);
  const arena = new Arena(socketsBytes(slots) + loopBytes);
  const worker = new Float64Array(counterSizes(slots).worker);
  const share = { maps: steering.maps, worker: 0 };
  const sockets = new EpollSockets({
    arena,
    capacitySlots: slots,
    secondSocketsMax: 0,
    batches: true,
    steering: share,
    worker,
  });
  const phone = await Phone.open("127.0.0.1");
  openShared(sockets, port, phone);
  return { arena, sockets, phone, steering };
}

/** Opens a slot at that port, which is busy at once. */
export function openShared(
  sockets: EpollSockets,
  port: number,
  phone: Phone,
  slot = 0,
  ip = "127.0.0.1",
): void {
  const pair = new SocketBinder().bindPair(ip as never, port, 0);
  assert.ok(pair.ok);
  close(pair.rtcpHandle);
  sockets.adopt(slot, 1, pair.rtpHandle, false);
  sockets.setTarget(slot, 0, 0, loopback4Words, loopback4, phone.endpoint.port);
  for (let each = 1; each <= enough; each++) sockets.send(slot, sockets.batch.offset, 172);
  assert.equal(sockets.takeBusy(), slot);
  assert.equal(sockets.batchOrConnect(slot), false);
  assert.equal(sockets.takeUnshared(), slot);
  assert.ok(sockets.share(slot));
}
