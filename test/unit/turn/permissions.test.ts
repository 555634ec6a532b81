/** Permissions and channels (RFC 8656 sections 9 to 12), and the packets that go by them. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ipToWords } from "../../../src/core/address.ts";
import { turnChannelsPerAllocationMax, turnPermissionsPerAllocationMax } from "../../../src/core/limits.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import { attributeOf, parseStun } from "../../../src/stun/message.ts";
import { readText } from "../../../src/stun/values.ts";
import type { AllocationId } from "../../../src/turn/actions.ts";
import { dataVerdict } from "../../../src/turn/data-facts.ts";
import { DataPath } from "../../../src/turn/data-path.ts";
import { OwnPlaces } from "../../../src/turn/own-places.ts";
import { turnAttribute, turnMethod } from "../../../src/turn/wire.ts";
import { assertNoGrowth } from "../../support/heap-growth.ts";
import { suite } from "../../support/suite.ts";
import {
  addressesOf,
  assertCode,
  assertSuccess,
  channelAttribute,
  channelData,
  family,
  lifetime,
  Phone,
  peerAttribute,
  sendIndication,
  type TestAttribute,
} from "./phone.ts";
import { at, TurnRig, tcpClient, udpClient } from "./rig.ts";

const here = udpClient("192.0.2.10:4000");
const peer = "192.0.2.20:5000";

function allocated(settings = {}): { rig: TurnRig; phone: Phone } {
  const rig = new TurnRig(settings);
  const phone = new Phone(rig, here);
  assertSuccess(phone.allocate());
  return { rig, phone };
}

suite("turn: permissions", (test) => {
  test("several at once, all or none", () => {
    const { rig, phone } = allocated();
    assertSuccess(phone.permit("192.0.2.20:0", "192.0.2.21:7"));
    assertCode(phone.permit("192.0.2.22:0", "10.0.0.1:0"), 403);
    assert.deepEqual(
      rig.actionsOf("permit").map(({ ip }) => ip),
      ["192.0.2.20", "192.0.2.21"],
    );
  });

  test("no peer or half a peer: 400; another family: 443", () => {
    const { phone } = allocated();
    assertCode(phone.ask(turnMethod.createPermission), 400);
    assertCode(
      phone.ask(turnMethod.createPermission, [[turnAttribute.xorPeerAddress, new Uint8Array(7)]]),
      400,
    );
    const half: TestAttribute = [turnAttribute.xorPeerAddress, Uint8Array.of(0, 3, 0, 0, 1, 2, 3, 4)];
    assertCode(phone.ask(turnMethod.createPermission, [peerAttribute("192.0.2.20:0"), half]), 400);
    assertCode(phone.permit("[2001:db8::5]:0"), 443);
    assertCode(phone.bind(0x4000, "[2001:db8::5]:5000"), 443);
  });

  test("they last 300 s and can be renewed; a port is not part of them", () => {
    const { rig, phone } = allocated();
    assertSuccess(phone.permit("192.0.2.20:0"));
    const sends = (): number => rig.fromClient(here, sendIndication("192.0.2.20:99", "x")).verdict;
    rig.pass(299);
    assert.equal(sends(), dataVerdict.toPeer);
    assertSuccess(phone.permit("192.0.2.20:1"));
    rig.pass(299);
    assert.equal(sends(), dataVerdict.toPeer);
    rig.pass(1);
    assert.equal(sends(), dataVerdict.noPermission);
    assert.equal(rig.fromPeer(phone.relay(), peer, "x").verdict, dataVerdict.noPermission);
    assert.equal(rig.data.sizes.permissions, 0);
  });

  test("there is an end to them: 508", () => {
    const { phone } = allocated();
    for (let index = 0; index < turnPermissionsPerAllocationMax; index++) {
      assertSuccess(phone.permit(`192.0.3.${index}:0`));
    }
    assertCode(phone.permit("192.0.4.1:0"), 508);
    assertSuccess(phone.permit("192.0.3.0:0"));
    assertCode(phone.bind(0x4000, "192.0.4.1:5000"), 508);
    assertSuccess(phone.bind(0x4000, "192.0.3.1:5000"));
  });
});

suite("turn: channels", (test) => {
  const bindings: [string, TestAttribute[], number][] = [
    ["no number", [peerAttribute(peer)], 400],
    ["no peer", [channelAttribute(0x4000)], 400],
    ["below the range", [channelAttribute(0x3fff), peerAttribute(peer)], 400],
    ["above it", [channelAttribute(0x8000), peerAttribute(peer)], 400],
    ["half a number", [[turnAttribute.channelNumber, Uint8Array.of(0x40, 0)], peerAttribute(peer)], 400],
    ["port 0", [channelAttribute(0x4000), peerAttribute("192.0.2.20:0")], 400],
    ["a denied peer", [channelAttribute(0x4000), peerAttribute("10.0.0.1:1")], 403],
  ];
  for (const [name, attributes, code] of bindings) {
    test(`${name}: ${code}`, () => {
      const { rig, phone } = allocated();
      assertCode(phone.ask(turnMethod.channelBind, attributes), code);
      assert.equal(rig.actionsOf("bind").length, 0);
    });
  }

  test("numbers above 0x4FFF are RFC 5766's, and can be refused", () => {
    assertSuccess(allocated().phone.bind(0x7fff, peer));
    assertCode(allocated({ hasLegacyChannels: false }).phone.bind(0x5000, peer), 400);
    assertSuccess(allocated({ hasLegacyChannels: false }).phone.bind(0x4fff, peer));
  });

  test("a number has one peer, and a peer one number", () => {
    const { phone } = allocated();
    assertSuccess(phone.bind(0x4000, peer));
    assertSuccess(phone.bind(0x4000, peer));
    assertCode(phone.bind(0x4000, "192.0.2.20:5001"), 400);
    assertCode(phone.bind(0x4001, peer), 400);
    assertSuccess(phone.bind(0x4001, "192.0.2.20:5001"));
  });

  test("they last 600 s, rest for 300, and only then may be bound otherwise", () => {
    const { rig, phone } = allocated();
    assertSuccess(phone.refresh(lifetime(3_600)));
    assertSuccess(phone.bind(0x4000, peer));
    rig.pass(599);
    assertSuccess(phone.permit("192.0.2.20:0"));
    assert.equal(rig.fromClient(here, channelData(0x4000, "x")).verdict, dataVerdict.toPeer);
    rig.pass(1);
    assert.equal(rig.fromClient(here, channelData(0x4000, "x")).verdict, dataVerdict.noChannel);
    assertCode(phone.bind(0x4000, "192.0.2.21:1"), 400);
    assertCode(phone.bind(0x4001, peer), 400);
    rig.pass(299);
    assertCode(phone.bind(0x4000, "192.0.2.21:1"), 400);
    rig.pass(1);
    assertSuccess(phone.bind(0x4000, "192.0.2.21:1"));
    assertSuccess(phone.bind(0x4001, peer));
  });

  test("the same pair may be bound again while it rests", () => {
    const { rig, phone } = allocated();
    assertSuccess(phone.refresh(lifetime(3_600)));
    assertSuccess(phone.bind(0x4000, peer));
    rig.pass(700);
    assertSuccess(phone.bind(0x4000, peer));
    assert.equal(rig.fromClient(here, channelData(0x4000, "x")).verdict, dataVerdict.toPeer);
  });

  test("binding renews the permission, and a channel without permission carries nothing", () => {
    const { rig, phone } = allocated();
    assertSuccess(phone.bind(0x4000, peer));
    rig.pass(200);
    assertSuccess(phone.bind(0x4000, peer));
    rig.pass(299);
    assert.equal(rig.fromClient(here, channelData(0x4000, "x")).verdict, dataVerdict.toPeer);
    rig.pass(1);
    assert.equal(rig.fromClient(here, channelData(0x4000, "x")).verdict, dataVerdict.noPermission);
    assert.equal(rig.fromPeer(phone.relay(), peer, "x").verdict, dataVerdict.noPermission);
  });

  test("another data path is told the same as the first", () => {
    const { rig, phone } = allocated();
    assertSuccess(phone.refresh(lifetime(3_600)));
    assertSuccess(phone.bind(0x4001, "192.0.2.21:5000"));
    rig.pass(500);
    assertSuccess(phone.bind(0x4000, peer));
    assertSuccess(phone.permit("192.0.2.22:0"));
    rig.pass(150);
    const { allocation } = rig.actionsOf("attach")[0]!;
    const told = rig.actions.filter(({ kind }) => kind === "permit" || kind === "bind");
    const [, , permit, bind, last] = told;
    assert.deepEqual(rig.server.grantsOf(allocation), [permit, last, bind]);
    assert.deepEqual(rig.server.grantsOf(0 as AllocationId), []);
  });

  test("there is an end to them: 508", () => {
    const { phone } = allocated();
    for (let index = 0; index < turnChannelsPerAllocationMax; index++) {
      assertSuccess(phone.bind(0x4000 + index, `192.0.2.20:${5_000 + index}`));
    }
    assertCode(phone.bind(0x4f00, "192.0.2.20:9000"), 508);
    assertSuccess(phone.bind(0x4000, "192.0.2.20:5000"));
  });
});

suite("turn: data", (test) => {
  test("Send goes out bare, and what comes back is a Data indication", () => {
    const { rig, phone } = allocated();
    assertSuccess(phone.permit("192.0.2.20:0"));
    const sent = rig.fromClient(here, sendIndication(peer, "hello"));
    assert.deepEqual(
      [sent.verdict, sent.to, sent.payload, sent.socket],
      [dataVerdict.toPeer, peer, "hello", phone.relay().socket],
    );
    assert.ok(!rig.data.facts.isUnfragmented);
    rig.fromClient(here, sendIndication(peer, "hello", [turnAttribute.dontFragment, new Uint8Array()]));
    assert.ok(rig.data.facts.isUnfragmented);
    for (const payload of ["", "a", "ab", "abc", "abcd", "x".repeat(1_400)]) {
      const heard = rig.fromPeer(phone.relay(), peer, payload);
      assert.deepEqual([heard.verdict, heard.to, heard.socket], [dataVerdict.toClient, "192.0.2.10:4000", 1]);
      const message = parseStun(heard.bytes!);
      assert.deepEqual([message?.class, message?.method], ["indication", turnMethod.data]);
      assert.deepEqual(addressesOf(message, turnAttribute.xorPeerAddress), [peer]);
      assert.equal(readText(attributeOf(message!, turnAttribute.data)!), payload);
      assert.ok(!Buffer.from(heard.bytes!).includes(0xee), "padding holds nothing of others");
    }
  });

  test("over a channel four bytes in front, on streams padding behind", () => {
    for (const client of [here, tcpClient("192.0.2.10:4000")]) {
      const rig = new TurnRig();
      const phone = new Phone(rig, client);
      assertSuccess(phone.allocate());
      assertSuccess(phone.bind(0x4123, peer));
      const sent = rig.fromClient(client, channelData(0x4123, "hello"));
      assert.deepEqual([sent.to, sent.payload], [peer, "hello"]);
      const heard = rig.fromPeer(phone.relay(), peer, "hello").bytes!;
      const padding = client === here ? "" : "\0\0\0";
      assert.equal(Buffer.from(heard).toString("latin1"), `\x41\x23\0\x05hello${padding}`);
      const other = rig.fromPeer(phone.relay(), "192.0.2.20:5001", "x").bytes!;
      assert.equal(parseStun(other)?.method, turnMethod.data);
    }
  });

  test("IPv6 and two families: each peer by the relay of its kind", () => {
    const rig = new TurnRig();
    const phone = new Phone(rig, here);
    assertSuccess(phone.allocate(family("additional", 2)));
    assertSuccess(phone.permit("192.0.2.20:0", "[2001:db8::5]:0"));
    assert.equal(rig.fromClient(here, sendIndication(peer, "x")).socket, phone.relay(4).socket);
    const sent = rig.fromClient(here, sendIndication("[2001:db8::5]:6000", "six"));
    assert.deepEqual(
      [sent.to, sent.payload, sent.socket],
      ["[2001:db8::5]:6000", "six", phone.relay(6).socket],
    );
    const message = parseStun(rig.fromPeer(phone.relay(6), "[2001:db8::5]:6000", "back").bytes!);
    assert.deepEqual(addressesOf(message, turnAttribute.xorPeerAddress), ["[2001:db8::5]:6000"]);
    assertSuccess(phone.refresh(family("requested", 2), lifetime(0)));
    assert.equal(
      rig.fromClient(here, sendIndication("[2001:db8::5]:6000", "x")).verdict,
      dataVerdict.noRelay,
    );
  });

  test("what is not carried out", () => {
    const { rig, phone } = allocated();
    assertSuccess(phone.bind(0x4000, peer));
    const good = sendIndication(peer, "x");
    const cases: [string, Uint8Array, number][] = [
      ["nothing", new Uint8Array(), dataVerdict.malformed],
      ["no header", Uint8Array.of(0x40, 0), dataVerdict.malformed],
      ["a size beyond the end", Uint8Array.of(0x40, 0, 0, 5, 1, 2, 3, 4), dataVerdict.malformed],
      ["an unknown channel", channelData(0x4001, "x"), dataVerdict.noChannel],
      ["DTLS", Uint8Array.of(22, 254, 253, 0), dataVerdict.malformed],
      ["RTP", Uint8Array.of(0x80, 0, 0, 0, 0, 0, 0, 0), dataVerdict.malformed],
      ["a request", phone.encode(turnMethod.refresh, [], new Uint8Array(12)), dataVerdict.toMain],
      ["Send cut short", good.subarray(0, 32), dataVerdict.malformed],
      ["Send with another cookie", good.map((byte, at) => (at === 5 ? 0 : byte)), dataVerdict.malformed],
      [
        "Send with an unknown required attribute",
        sendIndication(peer, "x", [0x7f00, new Uint8Array()]),
        dataVerdict.malformed,
      ],
      [
        "Send with an unknown optional one",
        sendIndication(peer, "x", [0xff00, new Uint8Array()]),
        dataVerdict.toPeer,
      ],
      ["port 0", sendIndication("192.0.2.20:0", "x"), dataVerdict.malformed],
      ["padding behind ChannelData", Uint8Array.of(0x40, 0, 0, 1, 7, 0, 0, 0), dataVerdict.toPeer],
      ["an empty payload", channelData(0x4000, ""), dataVerdict.toPeer],
    ];
    for (const [name, bytes, verdict] of cases)
      assert.equal(rig.fromClient(here, bytes).verdict, verdict, name);
    assert.equal(
      rig.fromClient(udpClient("192.0.2.10:4001"), channelData(0x4000, "x")).verdict,
      dataVerdict.noAllocation,
    );
  });

  test("caps: a second's worth at once, then as fast as that; each direction, allocation and user", () => {
    const { rig, phone } = allocated({ allocationBytesPerSec: 1_000, userBytesPerSec: 1_500 });
    const second = new Phone(rig, udpClient("192.0.2.10:4001"));
    assertSuccess(second.allocate());
    assertSuccess(phone.bind(0x4000, peer));
    assertSuccess(second.bind(0x4000, peer));
    const sent = (client: typeof here): number => {
      let count = 0;
      while (rig.fromClient(client, channelData(0x4000, "x".repeat(100))).verdict === dataVerdict.toPeer)
        count++;
      return count;
    };
    assert.equal(sent(here), 10);
    assert.equal(rig.fromClient(here, channelData(0x4000, "x".repeat(100))).verdict, dataVerdict.overCap);
    assert.equal(sent(second.client), 5);
    assert.equal(rig.fromPeer(phone.relay(), peer, "x".repeat(100)).verdict, dataVerdict.toClient);
    while (rig.fromPeer(phone.relay(), peer, "x".repeat(100)).verdict === dataVerdict.toClient);
    assert.equal(rig.fromPeer(phone.relay(), peer, "x").verdict, dataVerdict.overCap);
    rig.pass(0.5);
    assert.equal(sent(here), 5);
    assert.equal(sent(second.client), 2);
  });

  test("full tables say so, and hold what they held", () => {
    const own = new OwnPlaces([]);
    const capacity = { allocations: 1, permissions: 1, channels: 1 };
    const data = new DataPath({ arena: new Uint8Array(64), own, capacity, seed: 1 });
    const [one, two] = [1 as AllocationId, 2 as AllocationId];
    const allocation = {
      client: { socket: 1, remote: at("192.0.2.1:1") },
      relayV4: 7,
      relayV6: undefined,
      account: 3,
      allocationBytesPerSec: 0,
      userBytesPerSec: 0,
    };
    const untilMs = 1_000 as MonotonicMs;
    assert.ok(data.attach({ allocation: one, ...allocation }));
    assert.ok(!data.attach({ allocation: two, ...allocation }));
    assert.ok(data.permit(one, at(peer).ip, { reach: "any", untilMs }));
    assert.ok(data.permit(one, at(peer).ip, { reach: "any", untilMs }));
    assert.ok(!data.permit(one, at("192.0.2.21:1").ip, { reach: "any", untilMs }));
    assert.ok(data.bind(one, { channel: 0x4000, peer: at(peer), untilMs }));
    assert.ok(!data.bind(one, { channel: 0x4001, peer: at("192.0.2.21:1"), untilMs }));
    assert.ok(data.bind(one, { channel: 0x4000, peer: at("192.0.2.21:1"), untilMs }));
    // What comes late, for an allocation that has gone, does nothing.
    assert.ok(data.permit(two, at(peer).ip, { reach: "any", untilMs }));
    assert.ok(data.bind(two, { channel: 0x4000, peer: at(peer), untilMs }));
    data.forbid(two, at(peer).ip);
    data.unbind(two, 0x4000);
    data.move(two, undefined);
    data.detach(two);
    data.closeRelay(9);
    assert.deepEqual(data.sizes, { allocations: 1, permissions: 1, channels: 1 });
    data.detach(one);
    assert.deepEqual(data.sizes, { allocations: 0, permissions: 0, channels: 0 });
    assert.ok(data.attach({ allocation: two, ...allocation }));
  });

  test("what has gone is gone for the next packet too, though somebody else has its place now", () => {
    const own = new OwnPlaces([]);
    const arena = new Uint8Array(256);
    const capacity = { allocations: 2, permissions: 1, channels: 1 };
    const data = new DataPath({ arena, own, capacity, seed: 1 });
    const untilMs = 1_000 as MonotonicMs;
    const caps = { account: 3, allocationBytesPerSec: 0, userBytesPerSec: 0 };
    const [one, two] = [1 as AllocationId, 2 as AllocationId];
    for (const [index, allocation] of [one, two].entries()) {
      const client = { socket: index, remote: at("192.0.2.1:1") };
      assert.ok(data.attach({ allocation, client, relayV4: 64 + index, relayV6: undefined, ...caps }));
    }
    arena.set(channelData(0x4000, "x"), 128);
    const up = (socket: number): number => {
      data.facts.socket = socket;
      data.facts.source.set(ipToWords(at("192.0.2.1:1").ip));
      data.facts.sourcePort = 1;
      return data.fromClient(0, 128, 5);
    };
    const down = (socket: number, from: string): number => {
      data.facts.socket = socket;
      data.facts.source.set(ipToWords(at(from).ip));
      data.facts.sourcePort = at(from).port;
      return data.fromPeer(0, 192, 5);
    };
    const other = "192.0.2.21:1";
    for (const allocation of [one, two, one]) {
      const [mine, others] = allocation === one ? [0, 1] : [1, 0];
      data.permit(allocation, at(peer).ip, { reach: "any", untilMs });
      data.bind(allocation, { channel: 0x4000, peer: at(peer), untilMs });
      for (let round = 0; round < 2; round++) {
        assert.equal(up(mine), dataVerdict.toPeer);
        assert.equal(data.facts.toSocket, 64 + mine);
        assert.equal(down(64 + mine, peer), dataVerdict.toClient);
        assert.equal(data.facts.sizeBytes, 9, "by the channel");
        assert.equal(down(64 + mine, other), dataVerdict.noPermission);
        assert.equal(up(others), dataVerdict.noChannel);
        assert.equal(down(64 + others, peer), dataVerdict.noPermission);
      }
      data.unbind(allocation, 0x4000);
      assert.equal(up(mine), dataVerdict.noChannel);
      assert.equal(down(64 + mine, peer), dataVerdict.toClient);
      assert.ok(data.facts.sizeBytes > 9, "by a Data indication");
      data.forbid(allocation, at(peer).ip);
      assert.equal(down(64 + mine, peer), dataVerdict.noPermission);
    }
  });

  test("carrying packets allocates nothing", () => {
    const { rig, phone } = allocated();
    assertSuccess(phone.bind(0x4000, peer));
    const { facts } = rig.data;
    rig.fromClient(here, channelData(0x4000, "x".repeat(160)));
    const indication = sendIndication(peer, "x".repeat(160));
    const send = 2_048;
    rig.arena.set(indication, send);
    const relay = phone.relay().socket;
    const source = facts.source.slice();
    const target = facts.target.slice();
    const step = (): void => {
      facts.socket = 1;
      facts.source.set(source);
      facts.sourcePort = 4_000;
      assert.equal(rig.data.fromClient(rig.nowMs, 128, 164), dataVerdict.toPeer);
      assert.equal(rig.data.fromClient(rig.nowMs, send, indication.length), dataVerdict.toPeer);
      facts.socket = relay;
      facts.source.set(target);
      facts.sourcePort = 5_000;
      assert.equal(rig.data.fromPeer(rig.nowMs, 4_096, 160), dataVerdict.toClient);
      facts.sourcePort = 5_001;
      assert.equal(rig.data.fromPeer(rig.nowMs, 4_096, 160), dataVerdict.toClient);
    };
    const rounds = 50_000;
    const run = (): void => {
      for (let index = 0; index < rounds; index++) step();
    };
    run();
    assertNoGrowth(run, 300_000);
  });
});
