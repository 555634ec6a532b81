/** A worker's sockets with slot 0, whose packets go to a phone, and its RTCP, without the rest of a relay. */
import assert from "node:assert/strict";
import { Arena } from "../../src/io/linux/arena.ts";
import { EpollSockets, socketsBytes } from "../../src/io/linux/epoll-sockets.ts";
import { SocketBinder } from "../../src/io/linux/sockets.ts";
import { counterSizes } from "../../src/relay/counters.ts";
import { enough } from "./relay-call.ts";
import { Phone, rtpPacket, until } from "./relay-rig.ts";

export const [loopback4, loopback4Words] = [0x7f000001, 0xffff];

export class SlotRig {
  readonly arena: Arena = new Arena(socketsBytes(2));
  readonly worker: Float64Array = new Float64Array(counterSizes(2).worker);
  readonly sockets: EpollSockets;
  readonly phone: Phone;

  private constructor(phone: Phone, port: number, batches: boolean) {
    const { arena, worker } = this;
    this.phone = phone;
    this.sockets = new EpollSockets({ arena, capacitySlots: 2, secondSocketsMax: 8, batches, worker });
    const pair = new SocketBinder().bindPair("127.0.0.1" as never, port, 184);
    assert.ok(pair.ok);
    this.sockets.adopt(0, 1, pair.rtpHandle, false);
    this.sockets.adopt(1, 1, pair.rtcpHandle, false);
    this.sockets.setTarget(0, 0, 0, loopback4Words, loopback4, phone.endpoint.port);
  }

  static async open(port: number, batches: boolean): Promise<SlotRig> {
    return new SlotRig(await Phone.open("127.0.0.1"), port, batches);
  }

  /** The slot is busy and in a batch, and nothing was heard yet. Takes CAP_NET_RAW. */
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
  send(sequence: number, sizeBytes = 172): number {
    const { arena, sockets } = this;
    arena.bytes.set(rtpPacket(7, sequence, sizeBytes - 12), sockets.batch.offset);
    return sockets.send(0, sockets.batch.offset, sizeBytes);
  }

  end(): void {
    for (const slot of [0, 1]) this.sockets.release(slot);
    this.sockets.close();
    this.phone.close();
  }
}
