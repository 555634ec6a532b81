/** A worker's TURN sockets on Linux: many datagrams in one call, as the kernel does it. */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type IpAddress, ipFromWords, ipToWords } from "../../src/core/address.ts";
import { jumboSizeBytesMax, turnListenersMax, turnPostsMax } from "../../src/core/limits.ts";
import { Arena } from "../../src/io/linux/arena.ts";
import { EpollSockets, socketsBytes } from "../../src/io/linux/epoll-sockets.ts";
import { addressFamily, socketAddress } from "../../src/io/linux/libc.ts";
import { TurnBinder } from "../../src/io/linux/turn-binder.ts";
import { TurnSockets, turnSocketsBytes } from "../../src/io/linux/turn-sockets.ts";
import { counterSizes } from "../../src/relay/counters.ts";
import { sendCode } from "../../src/relay/driver.ts";
import { suite } from "../support/suite.ts";

const loopback = { v4: "127.0.0.1" as IpAddress, v6: "::1" as IpAddress };
const [four, six] = [0, 1];

interface Rig {
  readonly arena: Arena;
  readonly sockets: TurnSockets;
  /** By socket number. */
  readonly ports: readonly number[];
  close(): void;
}

/** Two listeners, one of each family. */
function open(): Rig {
  const arena = new Arena(socketsBytes(4) + turnSocketsBytes);
  const media = new EpollSockets({
    arena,
    capacitySlots: 4,
    secondSocketsMax: 0,
    batches: false,
    worker: new Float64Array(counterSizes(4).worker),
  });
  const sockets = new TurnSockets(arena, media, turnListenersMax);
  const binder = new TurnBinder(1, 0);
  const ports = [loopback.v4, loopback.v6].map((ip, socket) => {
    const bound = binder.bindListener({ ip, port: 0 });
    assert.ok(bound.ok);
    assert.ok(sockets.adopt(socket, bound.handles[0]!, socket === six, true));
    return bound.port;
  });
  const close = (): void => {
    for (const socket of [four, six]) sockets.release(socket);
    media.close();
  };
  return { arena, sockets, ports, close };
}

async function party(type: "udp4" | "udp6"): Promise<Socket> {
  const socket = createSocket(type);
  socket.bind(0, type === "udp4" ? loopback.v4 : loopback.v6);
  await once(socket, "listening");
  return socket;
}

async function hearing(socket: Socket, count: number): Promise<string[]> {
  const heard: string[] = [];
  socket.on("message", (bytes) => heard.push(bytes.toString()));
  while (heard.length < count) await once(socket, "message");
  return heard;
}

function send(from: Socket, port: number, bytes: Uint8Array | string, ip: IpAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    from.send(bytes, port, ip, (error) => (error === null ? resolve() : reject(error)));
  });
}

function words(ip: IpAddress): Int32Array {
  return Int32Array.from(ipToWords(ip));
}

suite("turn sockets: many at a time", (test) => {
  test("what a listener has comes whole and with its source, family after family", async () => {
    const { arena, sockets, ports, close } = open();
    const [ann, bob] = [await party("udp4"), await party("udp6")];
    const { inbox } = sockets;
    for (let round = 0; round < 3; round++) {
      for (const text of ["one", "two", ""]) await send(ann, ports[four]!, text, loopback.v4);
      await send(ann, ports[four]!, new Uint8Array(jumboSizeBytesMax + 1), loopback.v4);
      for (const text of ["three", "four"]) await send(bob, ports[six]!, text, loopback.v6);
      assert.equal(inbox.receive(sockets.descriptors[four]!), 4);
      const read = (index: number): string => {
        const at = inbox.offsetOf(index);
        return Buffer.from(arena.bytes.slice(at, at + inbox.sizeOf(index))).toString();
      };
      assert.deepEqual([0, 1, 2].map(read), ["one", "two", ""]);
      assert.equal(inbox.sizeOf(3), jumboSizeBytesMax + 1);
      for (let index = 0; index < 4; index++) {
        const at = inbox.nameAt(index);
        assert.equal(arena.view.getUint16(at, true), addressFamily.inet);
        assert.equal(arena.view.getUint16(at + socketAddress.port), ann.address().port);
        assert.equal(arena.view.getInt32(at + socketAddress.inetIp), 0x7f000001);
      }
      assert.equal(inbox.receive(sockets.descriptors[six]!), 2);
      assert.deepEqual([0, 1].map(read), ["three", "four"]);
      for (let index = 0; index < 2; index++) {
        const at = inbox.nameAt(index);
        assert.equal(arena.view.getUint16(at, true), addressFamily.inet6);
        assert.equal(arena.view.getUint16(at + socketAddress.port), bob.address().port);
        const ip = [0, 4, 8, 12].map((word) => arena.view.getInt32(at + socketAddress.inet6Ip + word));
        assert.equal(ipFromWords(ip[0]!, ip[1]!, ip[2]!, ip[3]!), loopback.v6);
      }
      assert.equal(inbox.receive(sockets.descriptors[six]!), -1);
    }
    for (const each of [ann, bob]) each.close();
    close();
  });

  test("more than there is room for stays in the kernel", async () => {
    const { sockets, ports, close } = open();
    const ann = await party("udp4");
    const { inbox } = sockets;
    for (let count = 0; count < inbox.count + 3; count++) await send(ann, ports[four]!, "x", loopback.v4);
    assert.equal(inbox.receive(sockets.descriptors[four]!), inbox.count);
    assert.equal(inbox.receive(sockets.descriptors[four]!), 3);
    ann.close();
    close();
  });

  test("what was posted leaves in order by its own listener; what the kernel refuses stops nothing", async () => {
    const { arena, sockets, close } = open();
    const [ann, bob] = [await party("udp4"), await party("udp6")];
    const heard = Promise.all([hearing(ann, 4), hearing(bob, 1)]);
    const { outbox } = sockets;
    const post = (index: number, socket: number, text: string, port: number): boolean => {
      const offset = outbox.offsetOf(index) - 4;
      arena.bytes.set(Buffer.from(text), offset);
      const ip = socket === four ? loopback.v4 : loopback.v6;
      return sockets.post(index, socket, offset, text.length, words(ip), port);
    };
    const [annPort, bobPort] = [ann.address().port, bob.address().port];
    assert.ok(post(0, four, "one", annPort));
    assert.ok(post(1, four, "nobody's port", 0));
    assert.ok(post(2, four, "nobody's either", 0));
    assert.ok(post(3, four, "four", annPort));
    assert.ok(post(4, six, "five", bobPort));
    assert.ok(post(5, four, "six", annPort));
    assert.ok(post(6, four, "seven", annPort));
    const codes = new Uint8Array(turnPostsMax).fill(9);
    sockets.sendPosted(7, codes);
    const { sent, failed } = sendCode;
    assert.deepEqual([...codes.subarray(0, 8)], [sent, failed, failed, sent, sent, sent, sent, 9]);
    assert.deepEqual(await heard, [["one", "four", "six", "seven"], ["five"]]);
    const other = outbox.offsetOf(0);
    assert.ok(!sockets.post(0, four, other, 1, words(loopback.v6), annPort), "the other family");
    assert.ok(!sockets.post(0, six, other, 1, words(loopback.v4), annPort), "the other family");
    assert.ok(!sockets.post(0, 5, other, 1, words(loopback.v4), annPort), "no such socket");
    for (const each of [ann, bob]) each.close();
    close();
  });

  test("a payload leaves from wherever it lies", async () => {
    const { arena, sockets, close } = open();
    const ann = await party("udp4");
    const { inbox } = sockets;
    const places = [0, 4, 36, 191, 192, 1_001, -36].flatMap((at) => [
      inbox.offsetOf(0) + at,
      inbox.offsetOf(inbox.count - 1) + at,
    ]);
    const heard = hearing(ann, places.length);
    for (const [index, at] of places.entries()) {
      arena.bytes.set(Buffer.from(`number ${index}`), at);
      const sizeBytes = `number ${index}`.length;
      const code = sockets.send(four, at, sizeBytes, words(loopback.v4), ann.address().port, index % 2 === 0);
      assert.equal(code, sendCode.sent);
    }
    assert.deepEqual(
      await heard,
      places.map((_, index) => `number ${index}`),
    );
    ann.close();
    close();
  });
});
