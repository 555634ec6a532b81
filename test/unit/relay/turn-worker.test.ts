/** TURN in a relay worker: what goes through, what goes up, what comes down, and that a packet costs no memory. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  turnPostsMax,
  turnRequestRecords,
  turnStrangersWaitingMax,
  turnWaitingPerClientMax,
  turnWaitingPerStrangerMax,
} from "../../../src/core/limits.ts";
import { sendCode } from "../../../src/relay/driver.ts";
import { relayRecordAt, trafficField } from "../../../src/relay/turn/turn-counters.ts";
import { turnEventKind } from "../../../src/relay/turn/turn-records.ts";
import { firstStream } from "../../../src/relay/turn/turn-worker.ts";
import type { AllocationId } from "../../../src/turn/actions.ts";
import type { DataAllocation } from "../../../src/turn/data-plan.ts";
import { turnAttribute } from "../../../src/turn/wire.ts";
import { assertNoGrowth } from "../../support/heap-growth.ts";
import { suite } from "../../support/suite.ts";
import { bindingRequest, channelData, sendIndication } from "../turn/phone.ts";
import { at, later, one, relay4, relay6, TurnRig } from "./turn-rig.ts";

const listener = 3;
const client = at("192.0.2.7:4000");
const peer = at("198.51.100.9:5000");
const peerV6 = at("[2001:db8::9]:5000");

const allocation: DataAllocation = {
  allocation: one,
  client: { socket: listener, remote: client },
  relayV4: relay4,
  relayV6: relay6,
  account: 1,
  allocationBytesPerSec: 0,
  userBytesPerSec: 0,
};

/** An allocation with both relays, a permission for each peer, and a channel to the first. */
function attached(parts: Partial<DataAllocation> = {}): TurnRig {
  const rig = new TurnRig();
  rig.command(
    { kind: "adopt", socket: listener, handle: 20, isV6: false, isWatched: true },
    { kind: "adopt", socket: relay4, handle: 21, isV6: false, isWatched: true },
    { kind: "adopt", socket: relay6, handle: 22, isV6: true, isWatched: true },
    { kind: "attach", ...allocation, ...parts },
    { kind: "permit", allocation: one, ip: peer.ip, reach: "any", untilMs: later },
    { kind: "permit", allocation: one, ip: peerV6.ip, reach: "any", untilMs: later },
    { kind: "bind", allocation: one, channel: 0x4000, peer, untilMs: later },
  );
  return rig;
}

function texts(rig: TurnRig): string[] {
  return rig.sent.map(({ socket, to, bytes }) => `${socket} ${to} ${bytes.toString("latin1")}`);
}

suite("relay: TURN in a worker", (test) => {
  test("ChannelData and Send leave from the relay, what a peer sends from the listener", () => {
    const rig = attached();
    rig.receive(listener, client, channelData(0x4000, "by channel"));
    rig.receive(listener, client, sendIndication("[2001:db8::9]:5000", "by Send"));
    assert.deepEqual(texts(rig), [
      `${relay4} 198.51.100.9:5000 by channel`,
      `${relay6} [2001:db8::9]:5000 by Send`,
    ]);
    rig.sent.length = 0;
    rig.receive(relay4, peer, Buffer.from("back"));
    rig.receive(relay6, peerV6, Buffer.from("and back"));
    const [byChannel, byData] = rig.sent;
    assert.equal(byChannel?.socket, listener);
    assert.equal(byChannel?.to, "192.0.2.7:4000");
    assert.deepEqual(byChannel?.bytes, Buffer.from("\x40\x00\x00\x04back", "latin1"));
    assert.equal(byData?.bytes.readUInt16BE(0), 0x0017);
    assert.ok(byData?.bytes.includes("and back"));
    assert.deepEqual(rig.traffic(), [2, 17, 2, 12]);
  });

  test("what the data path refuses is counted by name, and nothing leaves", () => {
    const rig = attached();
    rig.receive(listener, at("192.0.2.7:4001"), channelData(0x4000, "a stranger"));
    rig.receive(listener, client, channelData(0x4001, "no such channel"));
    rig.receive(listener, client, sendIndication("198.51.100.10:5000", "not permitted"));
    rig.receive(relay4, at("198.51.100.10:5000"), Buffer.from("not permitted"));
    rig.receive(listener, client, new Uint8Array(9_300));
    assert.deepEqual(rig.sent, []);
    const names = ["noAllocation", "noChannel", "noPermission", "tooLarge"] as const;
    assert.deepEqual(
      names.map((name) => rig.count(name)),
      [1, 1, 2, 1],
    );
    rig.command(
      { kind: "forbid", allocation: one, ip: peer.ip },
      { kind: "unbind", allocation: one, channel: 0x4000 },
    );
    rig.receive(listener, client, channelData(0x4000, "no longer"));
    rig.receive(relay4, peer, Buffer.from("no longer"));
    assert.deepEqual(rig.sent, []);
    rig.command({ kind: "detach", allocation: one });
    assert.deepEqual(rig.worker.sizes, { allocations: 0, permissions: 0, channels: 0 });
  });

  test("grants end by themselves at their time", () => {
    const rig = attached();
    rig.nowMs = later;
    rig.receive(listener, client, channelData(0x4000, "late"));
    rig.receive(relay4, peer, Buffer.from("late"));
    assert.deepEqual(rig.sent, []);
  });

  test("caps hold: what is over them is dropped", () => {
    const rig = attached({ allocationBytesPerSec: 100, userBytesPerSec: 50_000 });
    rig.receive(listener, client, channelData(0x4000, "x".repeat(100)));
    rig.receive(listener, client, channelData(0x4000, "x".repeat(10)));
    assert.equal(rig.sent.length, 1);
    assert.equal(rig.count("overCap"), 1);
  });

  test("DONT-FRAGMENT goes to the socket with its packet", () => {
    const rig = attached();
    rig.receive(
      listener,
      client,
      sendIndication("198.51.100.9:5000", "whole", [turnAttribute.dontFragment, new Uint8Array()]),
    );
    rig.receive(listener, client, sendIndication("198.51.100.9:5000", "any"));
    assert.deepEqual(
      rig.sent.map(({ isWhole }) => isWhole),
      [true, false],
    );
  });

  test("what the kernel does not take is counted, not carried", () => {
    const rig = attached();
    rig.outcome = sendCode.queueFull;
    rig.receive(listener, client, channelData(0x4000, "x"));
    rig.outcome = sendCode.failed;
    rig.receive(relay4, peer, Buffer.from("x"));
    assert.deepEqual([rig.count("queueFull"), rig.count("sendFailed")], [1, 1]);
    assert.deepEqual(rig.traffic(), [0, 0, 0, 0]);
    rig.outcome = sendCode.sentOnRetry;
    rig.receive(relay4, peer, Buffer.from("x"));
    assert.deepEqual(rig.traffic(), [0, 0, 1, 1]);
  });

  test("what goes to clients leaves together, and each counts for its own relay", () => {
    const rig = attached();
    rig.isGathering = true;
    rig.receive(relay4, peer, Buffer.from("one"));
    rig.receive(relay6, peerV6, Buffer.from("by Data"));
    rig.receive(relay4, at("198.51.100.10:5000"), Buffer.from("not permitted"));
    rig.receive(relay4, peer, Buffer.from("three"));
    assert.equal(rig.sent.length, 0);
    assert.equal(rig.worker.posted, 3);
    assert.deepEqual(rig.traffic(), [0, 0, 0, 0]);
    rig.outcomes = [sendCode.sentOnRetry, sendCode.queueFull, sendCode.sent];
    rig.worker.sendPosts();
    rig.worker.sendPosts();
    assert.deepEqual(
      [0, 2].map((index) => texts(rig)[index]),
      [`${listener} 192.0.2.7:4000 @\0\0\x03one`, `${listener} 192.0.2.7:4000 @\0\0\x05three`],
    );
    assert.ok(rig.sent[1]?.bytes.includes("by Data"));
    assert.equal(rig.sent.length, 3);
    assert.equal(rig.count("queueFull"), 1);
    assert.deepEqual(rig.traffic(), [0, 0, 2, 8]);
    const ofRelay = (relay: number): number[] => {
      const at = relayRecordAt(relay - relay4);
      return [...rig.counters.subarray(at, at + trafficField.size)];
    };
    assert.deepEqual(
      [ofRelay(relay4), ofRelay(relay6)],
      [
        [0, 0, 2, 8],
        [0, 0, 0, 0],
      ],
    );
  });

  test("as many as there is room for leave by themselves; what cannot be posted has failed", () => {
    const rig = attached();
    rig.isGathering = true;
    const numbers = Array.from({ length: turnPostsMax + 1 }, (_, index) => String(index));
    for (const number of numbers) rig.receive(relay4, peer, Buffer.from(number));
    assert.equal(rig.sent.length, turnPostsMax);
    rig.worker.sendPosts();
    assert.deepEqual(
      rig.sent.map(({ bytes }) => bytes.subarray(4).toString()),
      numbers,
    );
    rig.posts = false;
    rig.receive(relay4, peer, Buffer.from("x"));
    assert.deepEqual([rig.worker.posted, rig.count("sendFailed")], [0, 1]);
  });

  test("requests go up whole, with socket and source, and replies come down behind the plan", () => {
    const rig = attached();
    const request = bindingRequest();
    rig.receive(listener, at("[2001:db8::7]:4000"), request);
    const [up] = rig.requests();
    assert.equal(up?.at.slot, listener);
    assert.deepEqual(up?.remote, at("[2001:db8::7]:4000"));
    assert.deepEqual(up?.bytes, new Uint8Array(request));
    assert.ok(rig.worker.flush(), "main is woken for it");
    assert.ok(!rig.worker.flush(), "and once");
    rig.command({ kind: "reply", socket: listener, to: client, bytes: Buffer.from("an answer") });
    assert.deepEqual(texts(rig), [`${listener} 192.0.2.7:4000 an answer`]);
    rig.receive(listener, client, Buffer.concat([Buffer.from([0, 1, 6, 0x40]), Buffer.alloc(1_700)]));
    assert.equal(rig.count("tooLarge"), 1);
  });

  test("a client that moved is told of once, and peers' packets follow it", () => {
    const rig = attached();
    const next = at("203.0.113.8:4100");
    rig.command({ kind: "expect", allocation: one, client: { socket: listener, remote: next } });
    rig.receive(relay4, peer, Buffer.from("x"));
    assert.equal(rig.sent[0]?.to, "192.0.2.7:4000");
    rig.receive(listener, next, channelData(0x4000, "from there"));
    rig.receive(listener, next, channelData(0x4000, "again"));
    rig.receive(relay4, peer, Buffer.from("x"));
    assert.equal(rig.sent.at(-1)?.to, "203.0.113.8:4100");
    assert.deepEqual(rig.events(), [[turnEventKind.moved, one]]);
    rig.command({ kind: "move", allocation: one, client: undefined });
    rig.receive(relay4, peer, Buffer.from("x"));
    assert.equal(rig.count("noClient"), 1);
  });

  test("sockets come and go: each is adopted once, and told of when it is closed", () => {
    const rig = attached();
    rig.command({ kind: "adopt", socket: relay4 + 5, handle: 30, isV6: false, isWatched: false });
    rig.command({ kind: "watch", socket: relay4 + 5 }, { kind: "release", socket: relay4 });
    assert.deepEqual(rig.sockets.slice(3), [
      `adopt ${relay4 + 5} 30 v4 unwatched`,
      `watch ${relay4 + 5}`,
      `release ${relay4}`,
    ]);
    assert.deepEqual(rig.events(), [[turnEventKind.released, relay4]]);
    rig.receive(listener, client, channelData(0x4000, "x"));
    assert.equal(rig.count("noRelay"), 1);
    rig.sockets.length = 0;
    rig.worker.closeAll();
    assert.deepEqual(
      rig.sockets,
      [listener, relay6, relay4 + 5].map((socket) => `release ${socket}`),
    );
  });

  test("an allocation that another worker has is left once its listener has been looked at again", () => {
    const rig = attached();
    const retire = { kind: "retire", allocation: one, relayV4: relay4, relayV6: undefined } as const;
    rig.worker.flush();
    rig.command(retire);
    assert.ok(rig.worker.hasCommands, "no wait is in between");
    rig.worker.flush();
    rig.receive(listener, client, channelData(0x4000, "was on its way"));
    assert.equal(rig.sent.length, 1);
    assert.deepEqual(rig.events(), [[turnEventKind.released, relay4]]);
    assert.ok(!rig.worker.hasCommands);
    assert.equal(rig.worker.sizes.allocations, 0);
    rig.receive(listener, client, channelData(0x4000, "too late"));
    assert.equal(rig.sent.length, 1);
  });

  test("an allocation that comes back before it is gone stays", () => {
    const rig = attached();
    rig.command(
      { kind: "retire", allocation: one, relayV4: relay4, relayV6: undefined },
      { kind: "adopt", socket: relay4 + 7, handle: 40, isV6: false, isWatched: true },
      { kind: "attach", ...allocation, relayV4: relay4 + 7 },
      { kind: "bind", allocation: one, channel: 0x4000, peer, untilMs: later },
      { kind: "permit", allocation: one, ip: peer.ip, reach: "any", untilMs: later },
    );
    for (let turn = 0; turn < 3; turn++) rig.worker.flush();
    assert.equal(rig.sockets.at(-1), `release ${relay4}`);
    rig.receive(listener, client, channelData(0x4000, "here"));
    assert.deepEqual(texts(rig), [`${relay4 + 7} 198.51.100.9:5000 here`]);
  });

  test("main's mistakes end the worker", () => {
    const again = { kind: "adopt", socket: relay6, handle: 5, isV6: true, isWatched: true } as const;
    assert.throws(() => attached().command(again), /taken/);
    assert.throws(() => attached().command({ kind: "release", socket: relay4 + 1_000 }), /not ours/);
  });

  test("a socket that cannot be watched is counted, and still sends", () => {
    const rig = new TurnRig();
    rig.watches = false;
    rig.command({ kind: "adopt", socket: listener, handle: 20, isV6: false, isWatched: true });
    assert.equal(rig.count("unwatched"), 1);
    rig.command({ kind: "reply", socket: listener, to: client, bytes: Buffer.from("x") });
    assert.equal(rig.sent.length, 1);
  });

  test("events wait for room and none is lost", () => {
    const rig = new TurnRig({ eventRecords: 2 });
    for (let socket = relay4; socket < relay4 + 5; socket++) {
      rig.command(
        { kind: "adopt", socket, handle: socket, isV6: false, isWatched: true },
        { kind: "release", socket },
      );
    }
    const told = [];
    for (let turn = 0; turn < 3; turn++) told.push(...rig.events());
    assert.deepEqual(
      told.map(([, socket]) => socket),
      [0, 1, 2, 3, 4].map((index) => relay4 + index),
    );
    assert.ok(!rig.worker.owesEvents);
  });

  test("a stream's client: its messages come down, and what is for it goes up", () => {
    const rig = attached({ client: { socket: firstStream + 5, remote: undefined } });
    rig.command({ kind: "feed", socket: firstStream + 5, bytes: channelData(0x4000, "streamed") });
    rig.command({ kind: "feed", socket: firstStream + 6, bytes: channelData(0x4000, "not his") });
    assert.deepEqual(texts(rig), [`${relay4} 198.51.100.9:5000 streamed`]);
    rig.receive(relay4, peer, Buffer.from("abcde"));
    const [up] = rig.requests();
    assert.equal(up?.at.slot, firstStream + 5);
    // Padded, as on a stream it must be (RFC 8656 section 12.5).
    assert.deepEqual(Buffer.from(up?.bytes ?? []), Buffer.from("\x40\x00\x00\x05abcde\0\0\0", "latin1"));
    assert.deepEqual(rig.traffic(), [1, 8, 1, 5]);
  });

  test("an allocation number beyond 31 bits comes back as it went", () => {
    const rig = new TurnRig();
    const big = 4_000_000_000 as AllocationId;
    rig.command({ kind: "adopt", socket: relay4, handle: 21, isV6: false, isWatched: true });
    rig.command({ kind: "attach", ...allocation, allocation: big, relayV6: undefined });
    rig.command({ kind: "expect", allocation: big, client: { socket: listener, remote: at("192.0.2.8:1") } });
    rig.command({ kind: "permit", allocation: big, ip: peer.ip, reach: "any", untilMs: later });
    rig.receive(listener, at("192.0.2.8:1"), sendIndication("198.51.100.9:5000", "x"));
    assert.deepEqual(
      rig.events().map(([kind, subject]) => [kind, (subject ?? 0) >>> 0]),
      [[turnEventKind.moved, big]],
    );
  });
});

suite("relay: requests of TURN clients", (test) => {
  const request = bindingRequest();
  const flood = (rig: TurnRig, count: number, ipOf: (index: number) => string): void => {
    for (let index = 0; index < count; index++) rig.receive(listener, at(ipOf(index)), request);
  };

  test("a flood of one address leaves room for others", () => {
    const rig = attached();
    flood(rig, 2_000, (index) => `203.0.113.5:${1_000 + index}`);
    assert.equal(rig.count("requestLimit"), 2_000 - turnWaitingPerStrangerMax);
    rig.receive(listener, at("203.0.113.6:1"), request);
    rig.receive(listener, client, request);
    const up = rig.requests();
    assert.equal(up.length, turnWaitingPerStrangerMax + 2);
    assert.deepEqual(up.at(-1)?.remote, client);
    assert.deepEqual([rig.worker.takeRequests(), rig.worker.takeRequests()], [up.length, 0]);
    // What main has read makes room again.
    flood(rig, 1, () => "203.0.113.5:9");
    assert.equal(rig.requests().length, 1);
  });

  test("a flood of many addresses leaves room for those who are served", () => {
    const rig = attached();
    flood(rig, 4_000, (index) => `10.${index >> 8}.${index & 255}.1:1000`);
    assert.equal(rig.count("requestLimit"), 4_000 - turnStrangersWaitingMax);
    for (let count = 0; count < turnWaitingPerClientMax + 5; count++) rig.receive(listener, client, request);
    assert.equal(rig.requests().length, turnStrangersWaitingMax + turnWaitingPerClientMax);
    assert.equal(rig.count("queueFull"), 0);
  });

  test("an IPv6 host is one source, whatever address of its /64 it takes", () => {
    const rig = attached();
    flood(rig, 500, (index) => `[2001:db8:5::${(index + 1).toString(16)}]:1000`);
    assert.equal(rig.requests().length, turnWaitingPerStrangerMax);
  });

  test("shares are given back in the order they were taken, through many rounds of the ring", () => {
    const rig = attached();
    for (let round = 0; round < 40; round++) {
      flood(rig, 100, (index) => `10.0.${round}.${index}:1000`);
      rig.requests(round % 2 === 0 ? 30 : turnRequestRecords);
    }
    rig.requests();
    flood(rig, 1_000, (index) => `10.9.${index >> 8}.${index & 255}:1000`);
    assert.equal(rig.requests().length, turnStrangersWaitingMax);
  });
});

suite("relay: TURN, memory", (test) => {
  test("packets, and requests that find no room, allocate nothing", () => {
    const rig = attached();
    rig.keepsSent = false;
    const channel = channelData(0x4000, "x".repeat(172));
    const send = sendIndication("198.51.100.9:5000", "x".repeat(172));
    const request = bindingRequest();
    const { worker, arena } = rig;
    const { facts } = worker;
    const [ownWords, peerWords] = [Int32Array.of(0, 0, 0xffff, 0), Int32Array.of(0, 0, 0xffff, 0)];
    ownWords[3] = (192 << 24) | (2 << 8) | 7;
    peerWords[3] = (198 << 24) | (51 << 16) | (100 << 8) | 9;
    // Boxed once, as the loop does.
    const times: unknown[] = [null, 2_000.5];
    const receive = (socket: number, words: Int32Array, port: number, data: Uint8Array): void => {
      facts.socket = socket;
      facts.source.set(words);
      facts.sourcePort = port;
      arena.set(data, 64);
      worker.receive(64, data.length, times[1] as number);
    };
    const run = (rounds: number): void => {
      for (let index = 0; index < rounds; index++) {
        receive(listener, ownWords, 4_000, channel);
        receive(listener, ownWords, 4_000, send);
        receive(relay4, peerWords, 5_000, channel);
        receive(relay4, peerWords, 5_001, channel);
        receive(listener, ownWords, 4_000, request);
        receive(listener, peerWords, 4_000, request);
      }
    };
    for (let round = 0; round < 4; round++) run(25_000);
    assert.deepEqual([rig.traffic()[0], rig.traffic()[2]], [200_000, 200_000]);
    assertNoGrowth(() => run(25_000), 200_000);
  });
});
