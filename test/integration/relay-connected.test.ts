/** Busy ports on Linux have a second socket, connected to where they send; nobody must notice. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Arena } from "../../src/io/linux/arena.ts";
import { ConnectedSockets } from "../../src/io/linux/connected-sockets.ts";
import { EpollLoop, loopBytes } from "../../src/io/linux/epoll-loop.ts";
import { EpollSockets, socketsBytes } from "../../src/io/linux/epoll-sockets.ts";
import {
  addressFamily,
  addressOf,
  close,
  error,
  eventfd,
  sendto,
  socket,
  socketAddress,
} from "../../src/io/linux/libc.ts";
import { SocketBinder, writeSocketAddress } from "../../src/io/linux/sockets.ts";
import { allocateRing, RingReader, RingWriter } from "../../src/io/ring.ts";
import { counterSizes } from "../../src/relay/counters.ts";
import { commandWords, eventWords, sendCode } from "../../src/relay/driver.ts";
import type { WorkerCore } from "../../src/relay/worker-core.ts";
import { Call, enough, moveAmidStranger, oneTo, sequencesOf } from "../support/relay-call.ts";
import { Phone, RelayRig, rtpPacket, until } from "../support/relay-rig.ts";
import { suite } from "../support/suite.ts";

const [rawSocket, protocolIcmp] = [3, 1];

/**
 * Tells the kernel by ICMP that a firewall forbids what goes from one port of 127.0.0.1 to another (RFC 1122 section
 * 3.2.2.1: host administratively prohibited). False: we may not.
 */
function tellProhibited(from: number, to: number): boolean {
  const fd = socket(addressFamily.inet, rawSocket, protocolIcmp);
  if (fd < 0) return false;
  const message = Buffer.alloc(36);
  message.set([3, 10], 0);
  // The packet it is about: header of IPv4 and ports of UDP.
  message.set([0x45, 0, 0, 200, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1], 8);
  message.writeUInt16BE(from, 28);
  message.writeUInt16BE(to, 30);
  message.writeUInt16BE(180, 32);
  let sum = 0;
  for (let at = 0; at < message.length; at += 2) sum += message.readUInt16BE(at);
  message.writeUInt16BE(0xffff & ~((sum & 0xffff) + (sum >>> 16)), 2);
  const memory = new ArrayBuffer(message.length + socketAddress.slotBytes);
  new Uint8Array(memory).set(message);
  writeSocketAddress(new DataView(memory), message.length, false, 0, 0, 0xffff, 0x7f000001, 0);
  const start = addressOf(memory);
  const sent = sendto(fd, start, message.length, 0, start + message.length, socketAddress.inetBytes);
  close(fd);
  return sent === message.length;
}

interface Socket {
  readonly port: number;
  /** 0: not connected. */
  readonly remotePort: number;
}

/** What the kernel has at a local port. */
function socketsAt(port: number, family: 4 | 6 = 4): readonly Socket[] {
  const table = readFileSync(family === 6 ? "/proc/self/net/udp6" : "/proc/self/net/udp", "latin1");
  const portOf = (field = ""): number => Number.parseInt(field.split(":")[1] ?? "", 16);
  return table
    .trim()
    .split("\n")
    .slice(1)
    .map((row) => row.trim().split(/\s+/))
    .map(([, local, remote]) => ({ port: portOf(local), remotePort: portOf(remote) }))
    .filter((each) => each.port === port);
}

function remotePortsAt(port: number, family: 4 | 6 = 4): readonly number[] {
  return socketsAt(port, family)
    .map(({ remotePort }) => remotePort)
    .sort((a, b) => a - b);
}

function socketsFor(arena: Arena, capacitySlots: number): EpollSockets {
  const worker = new Float64Array(counterSizes(capacitySlots).worker);
  return new EpollSockets({ arena, capacitySlots, secondSocketsMax: 10_000, batches: false, worker });
}

suite("relay: second sockets of busy ports", (test) => {
  for (const family of [4, 6] as const) {
    test(`a busy port gets one; every packet arrives, in order, before and after, IPv${family}`, async () => {
      const rig = await RelayRig.start({ driver: "epoll", batches: false });
      const call = await Call.start(rig, family);
      await call.speak(5, 1, call.b);
      assert.deepEqual(remotePortsAt(call.portA, family), [0]);
      await call.speak(3 * enough, 1, call.b);
      await until(() => call.b.heard.length === call.last && call.a.heard.length === call.last, "all");
      assert.deepEqual(sequencesOf(call.a), oneTo(call.last));
      assert.deepEqual(sequencesOf(call.b), oneTo(call.last));
      assert.deepEqual(remotePortsAt(call.portA, family), [0, call.a.endpoint.port]);
      assert.deepEqual(remotePortsAt(call.portB, family), [0, call.b.endpoint.port]);
      assert.deepEqual(remotePortsAt(call.portA + 1, family), [0], "RTCP has one socket");
      for (const { pair } of call.pairs) await rig.close(pair);
      assert.deepEqual(remotePortsAt(call.portA, family), []);
      await rig.relay.stop();
      assert.deepEqual(rig.faults, []);
      call.close();
    });
  }

  test("everybody else is heard at the first socket: strangers are refused, and a phone that moves is followed", async () => {
    const rig = await RelayRig.start({ driver: "epoll", batches: false });
    const { call, stranger, cellular } = await moveAmidStranger(rig, ({ portB, b }) => {
      assert.deepEqual(remotePortsAt(portB), [0, b.endpoint.port]);
    });
    assert.deepEqual(remotePortsAt(call.portB), [0, cellular.endpoint.port], "connected anew");
    // The way it came from is open still: what it sends there late is read.
    const before = rig.relay.read(call.pairs[1].pair)!.rtp.errorsIn;
    await call.b.send(rtpPacket(9, 1), call.pairs[1].local.rtp);
    await until(() => rig.relay.read(call.pairs[1].pair)!.rtp.errorsIn > before, "the late packet");
    await rig.relay.stop();
    assert.deepEqual(rig.faults, []);
    for (const phone of [call, stranger, cellular]) phone.close();
  });

  test("a party that refuses packets for a while gets them again afterwards", async () => {
    const rig = await RelayRig.start({ driver: "epoll", batches: false });
    const call = await Call.start(rig);
    await call.speak(enough, 2, call.b);
    const { port } = call.b.endpoint;
    call.b.close();
    await call.speak(enough, 2, undefined);
    const back = await Phone.open("127.0.0.1", port);
    await call.speak(enough, 2, back);
    await until(() => back.heard.at(-1)?.readUInt16BE(2) === call.last, "the last packet");
    assert.deepEqual(sequencesOf(back), oneTo(call.last).slice(-enough));
    assert.deepEqual(remotePortsAt(call.portB), [0, port]);
    await rig.relay.stop();
    assert.deepEqual(rig.faults, []);
    call.a.close();
    back.close();
  });
});

suite("connected sockets", (test) => {
  const binder = new SocketBinder();
  const [rtp, rtcp] = [0, 1];

  /** Binds a pair for `body`, and closes what is open behind it. */
  function withPair(port: number, body: (rtpHandle: number) => void): void {
    const pair = binder.bindPair("127.0.0.1" as never, port, 0);
    assert.ok(pair.ok);
    body(pair.rtpHandle);
    close(pair.rtpHandle);
    close(pair.rtcpHandle);
  }

  /** Connects a slot's second socket to a port of loopback. */
  function connectTo(sockets: ConnectedSockets, slot: number, first: number, port: number): number {
    const memory = new ArrayBuffer(socketAddress.slotBytes);
    writeSocketAddress(new DataView(memory), 0, false, 0, 0, 0xffff, 0x7f000001, port);
    return sockets.connect(slot, first, false, addressOf(memory), socketAddress.inetBytes);
  }

  function busy(sockets: ConnectedSockets, slot: number): number {
    for (let each = 0; each < enough; each++) sockets.noteSent(slot);
    return sockets.takeDue();
  }

  test("RTP that sends much to one place is busy, once; RTCP is not, nor is a slot that was left meanwhile", () => {
    const sockets = new ConnectedSockets(8, 1_000);
    assert.equal(busy(sockets, rtcp), -1);
    assert.equal(busy(sockets, rtp), rtp);
    assert.equal(sockets.takeDue(), -1);
    for (let each = 0; each < enough; each++) sockets.noteSent(2);
    sockets.leave(2);
    assert.equal(sockets.takeDue(), -1);
    assert.equal(busy(sockets, 2), 2);
  });

  test("more than can wait are asked again", () => {
    const sockets = new ConnectedSockets(512, 1_000);
    for (let slot = 0; slot < 512; slot += 2) {
      for (let each = 0; each < enough; each++) sockets.noteSent(slot);
    }
    const served = new Set<number>();
    for (let slot = sockets.takeDue(); slot >= 0; slot = sockets.takeDue()) served.add(slot);
    assert.ok(served.size > 0 && served.size < 256);
    const late = [...Array(256).keys()].map((pair) => 2 * pair).find((slot) => !served.has(slot)) ?? -1;
    assert.equal(busy(sockets, late), late);
  });

  test("there are no more than the limit, and the first socket keeps its port for itself", () => {
    withPair(42_520, (first) => {
      const sockets = new ConnectedSockets(8, 0);
      assert.equal(busy(sockets, rtp), rtp);
      assert.equal(sockets.connect(rtp, first, false, 0, 0), -1);
      assert.deepEqual(remotePortsAt(42_520), [0]);
      assert.equal(sockets.current[rtp], 0);
      assert.equal(busy(sockets, rtp), -1, "not asked again for the same place");
      assert.deepEqual(binder.bindPair("127.0.0.1" as never, 42_520, 0), { ok: false, reason: "port-taken" });
    });
  });

  test("one that is closed makes room for another", () => {
    withPair(42_524, (first) => {
      const sockets = new ConnectedSockets(8, 1);
      assert.ok(connectTo(sockets, 0, first, 42_530) > 0);
      assert.equal(connectTo(sockets, 0, first, 42_530), 0, "there already");
      assert.equal(connectTo(sockets, 2, first, 42_530), -1);
      sockets.release(0);
      assert.ok(connectTo(sockets, 2, first, 42_530) > 0);
      sockets.release(2);
    });
  });

  test("beside a second socket nobody can bind, be he ready to share", () => {
    withPair(42_526, (first) => {
      const sockets = new ConnectedSockets(8, 10_000);
      assert.equal(busy(sockets, rtp), rtp);
      assert.ok(connectTo(sockets, rtp, first, 42_528) > 0);
      const options = { tos: 0, receiveBufferBytes: undefined, isLarge: false, isShared: true };
      assert.equal(binder.bindOne("127.0.0.1" as never, 42_526, options), -error.EADDRINUSE);
      sockets.release(rtp);
    });
  });

  test("one that cannot be connected is closed at once", () => {
    withPair(42_522, (first) => {
      const sockets = new ConnectedSockets(8, 10_000);
      assert.equal(busy(sockets, rtp), rtp);
      // No address at all.
      assert.equal(sockets.connect(rtp, first, false, 0, 0), -1);
      assert.deepEqual(remotePortsAt(42_522), [0]);
      assert.equal(sockets.descriptors[rtp], 0);
    });
  });

  test("no error of an earlier packet costs the next one", async () => {
    const arena = new Arena(socketsBytes(2));
    const sockets = socketsFor(arena, 2);
    const pair = binder.bindPair("127.0.0.1" as never, 42_524, 0);
    assert.ok(pair.ok);
    const phone = await Phone.open("127.0.0.1");
    sockets.adopt(rtp, 1, pair.rtpHandle, false);
    sockets.adopt(rtcp, 1, pair.rtcpHandle, false);
    sockets.setTarget(rtp, 0, 0, 0xffff, 0x7f000001, phone.endpoint.port);
    for (let each = 0; each < enough; each++) sockets.send(rtp, sockets.batch.offset, 20);
    assert.equal(sockets.takeBusy(), rtp);
    assert.ok(sockets.batchOrConnect(rtp));
    const mayTell = tellProhibited(42_524, phone.endpoint.port);
    const expected = mayTell ? sendCode.sentOnRetry : sendCode.sent;
    assert.equal(sockets.send(rtp, sockets.batch.offset, 20), expected);
    await until(() => phone.heard.length === enough + 1, "all");
    sockets.release(rtp);
    sockets.release(rtcp);
    sockets.close();
    phone.close();
  });

  test("connected anew, it keeps the order of who is still heard from the place before", () => {
    const arena = new Arena(loopBytes + socketsBytes(6));
    const sockets = socketsFor(arena, 6);
    const [ours, before, now] = [0, 2, 4];
    const portOf = (slot: number): number => 42_530 + slot;
    for (const slot of [ours, before, now]) {
      const pair = binder.bindPair("127.0.0.1" as never, portOf(slot), 0);
      assert.ok(pair.ok);
      assert.ok(sockets.adopt(slot, 1, pair.rtpHandle, false));
      assert.ok(sockets.adopt(slot + 1, 1, pair.rtcpHandle, false));
    }
    const packetOffset = sockets.batch.offset;
    const sendMuchTo = (slot: number): void => {
      sockets.setTarget(ours, 0, 0, 0xffff, 0x7f000001, portOf(slot));
      for (let each = 0; each < enough; each++) sockets.send(ours, packetOffset, 20);
    };
    const speak = (sequence: number): void => {
      arena.view.setUint8(packetOffset, sequence);
      sockets.sendTo(before, packetOffset, 20, 0, 0, 0xffff, 0x7f000001, portOf(ours));
    };
    sendMuchTo(before);
    assert.ok(sockets.batchOrConnect(sockets.takeBusy()));
    sendMuchTo(now);
    for (const sequence of [1, 2, 3]) speak(sequence);
    const heard: number[] = [];
    let turns = 0;
    const core = {
      hasCommands: true,
      owesEvents: false,
      drainCommands: () => turns === 8,
      isOpen: () => true,
      forwarder: {
        facts: {},
        receive: (slot: number) => void (slot === ours && heard.push(arena.view.getUint8(packetOffset))),
        countReceiveTrouble: () => undefined,
      },
      tick: () => {
        turns++;
        if (turns === 1) speak(4);
      },
      flushEvents: () => false,
    };
    const sizes = counterSizes(6);
    const wakeDescriptor = eventfd(0, 0);
    const loop = new EpollLoop({
      arena,
      core: core as unknown as WorkerCore,
      sockets,
      commands: new RingReader(allocateRing(4, commandWords), commandWords),
      events: new RingWriter(allocateRing(4, eventWords), eventWords),
      counters: {
        worker: new Float64Array(sizes.worker),
        sockets: new Float64Array(sizes.sockets),
        streams: new Float64Array(sizes.streams),
      },
      turn: undefined,
      wakeDescriptor,
      coalesces: false,
      wakeMain: () => undefined,
      everySecond: () => undefined,
    });
    loop.run();
    assert.deepEqual(remotePortsAt(portOf(ours)), [0, portOf(now)]);
    assert.deepEqual(heard, [1, 2, 3, 4]);
    for (let slot = 0; slot < 6; slot++) sockets.release(slot);
    sockets.close();
    close(wakeDescriptor);
  });
});
