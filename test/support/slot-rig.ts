/** A worker's sockets with slots whose packets go to one phone, without the rest of a relay. */
import assert from "node:assert/strict";
import { Arena } from "../../src/io/linux/arena.ts";
import { EpollSockets, socketsBytes } from "../../src/io/linux/epoll-sockets.ts";
import { SocketBinder } from "../../src/io/linux/sockets.ts";
import { counterSizes } from "../../src/relay/counters.ts";
import { enough } from "./relay-call.ts";
import { Phone, rtpPacket, until } from "./relay-rig.ts";

export const [loopback4, loopback4Words] = [0x7f000001, 0xffff];

export class SlotRig {
  readonly arena: Arena;
  readonly worker: Float64Array;
  readonly sockets: EpollSockets;
  readonly phone: Phone;

  private constructor(phone: Phone, port: number, batches: boolean, ips: readonly string[]) {
    const capacitySlots = 2 * ips.length;
    const arena = new Arena(socketsBytes(capacitySlots));
    const worker = new Float64Array(counterSizes(capacitySlots).worker);
    this.arena = arena;
    this.worker = worker;
    this.phone = phone;
    this.sockets = new EpollSockets({ arena, capacitySlots, secondSocketsMax: 8, batches, worker });
    for (const [index, ip] of ips.entries()) this.#adopt(2 * index, ip, port);
  }

  /** Slots 0, 2 and so on have that port at one of the addresses each, the slot behind each its RTCP. */
  static async open(
    port: number,
    batches: boolean,
    ips: readonly string[] = ["127.0.0.1"],
  ): Promise<SlotRig> {
    return new SlotRig(await Phone.open("127.0.0.1"), port, batches, ips);
  }

  /** Slot 0 is busy and in a batch, and nothing was heard yet. Takes CAP_NET_RAW. */
  static async openBusy(port: number): Promise<SlotRig> {
    const rig = await SlotRig.open(port, true);
    for (let each = 1; each <= enough; each++) rig.send(each);
    assert.equal(rig.sockets.takeBusy(), 0);
    assert.equal(rig.sockets.batchOrConnect(0), false, "no second socket");
    assert.ok(rig.sockets.batch.has(0));
    await until(() => rig.phone.heard.length === enough, "what came before");
    rig.phone.heard.length = 0;
    return rig;
  }

  /** Puts a packet where the next is read to, and sends it. */
  send(sequence: number, sizeBytes = 172, slot = 0): number {
    const { arena, sockets } = this;
    arena.bytes.set(rtpPacket(7, sequence, sizeBytes - 12), sockets.batch.offset);
    return sockets.send(slot, sockets.batch.offset, sizeBytes);
  }

  end(): void {
    const { sockets } = this;
    // But those that a test has released.
    for (const [slot, fd] of sockets.descriptors.entries()) if (fd !== 0) sockets.release(slot);
    sockets.close();
    this.phone.close();
  }

  #adopt(slot: number, ip: string, port: number): void {
    const pair = new SocketBinder().bindPair(ip as never, port, 184);
    assert.ok(pair.ok);
    this.sockets.adopt(slot, 1, pair.rtpHandle, false);
    this.sockets.adopt(slot + 1, 1, pair.rtcpHandle, false);
    this.sockets.setTarget(slot, 0, 0, loopback4Words, loopback4, this.phone.endpoint.port);
  }
}
