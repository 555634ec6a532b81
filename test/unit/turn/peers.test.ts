/** Who may be reached through us: by default, by lists, in disguise, on every way there, and after a reload. */
import assert from "node:assert/strict";
import { type Cidr, parseCidr } from "../../../src/core/address-class.ts";
import { dataVerdict } from "../../../src/turn/data-facts.ts";
import { hiddenIps, PeerPolicy } from "../../../src/turn/peers.ts";
import { turnAttribute, turnMethod } from "../../../src/turn/wire.ts";
import { suite } from "../../support/suite.ts";
import {
  assertCode,
  assertSuccess,
  channelData,
  family,
  nextTransaction,
  Phone,
  peerAttribute,
  sendIndication,
  tcpRelay,
} from "./phone.ts";
import { at, ip, TurnRig, tcpClient, udpClient } from "./rig.ts";

const here = udpClient("192.0.2.10:4000");

function cidr(text: string): Cidr {
  const value = parseCidr(text);
  assert.ok(value !== undefined);
  return value;
}

const denied = [
  "0.0.0.0",
  "0.1.2.3",
  "127.0.0.1",
  "127.255.0.1",
  "169.254.0.1",
  "169.254.169.254",
  "168.63.129.16",
  "224.0.0.1",
  "239.255.255.250",
  "255.255.255.255",
  "240.0.0.1",
  "10.0.0.1",
  "172.16.0.1",
  "172.31.255.254",
  "192.168.1.1",
  "100.64.0.1",
  "100.100.100.200",
  "192.0.0.8",
  "198.18.0.1",
  "::",
  "::1",
  "::7f00:1",
  "fe80::1",
  "febf::1",
  "fec0::1",
  "fc00::1",
  "fd00:ec2::254",
  "ff02::1",
  "100::1",
  "64:ff9b:1::a00:1",
];
/** The same places behind other prefixes; `w` are the IPv4 address's two groups. */
const disguises: [string, (high: string, low: string) => string][] = [
  ["NAT64", (high, low) => `64:ff9b::${high}:${low}`],
  ["6to4", (high, low) => `2002:${high}:${low}::1`],
  ["Teredo's server", (high, low) => `2001:0:${high}:${low}:0:0:f7f7:f7f7`],
  ["Teredo's client", (high, low) => `2001:0:808:808:0:0:${flipped(high)}:${flipped(low)}`],
  ["ISATAP", (high, low) => `2001:db8::5efe:${high}:${low}`],
  ["ISATAP of a global address", (high, low) => `2001:db8::200:5efe:${high}:${low}`],
];
const flipped = (group: string): string => (Number.parseInt(group, 16) ^ 0xffff).toString(16);
const groups = (quad: string): [string, string] => {
  const [a = 0, b = 0, c = 0, d = 0] = quad.split(".").map(Number);
  return [((a << 8) | b).toString(16), ((c << 8) | d).toString(16)];
};

suite("turn: peers by default", (test) => {
  const policy = new PeerPolicy({
    allowPeers: [],
    denyPeers: [],
    ownIps: [ip("203.0.113.1")],
    controlPorts: [],
  });

  test("every place that is not public is denied, bare and in each disguise", () => {
    for (const text of denied) {
      assert.equal(policy.reachOf(ip(text)), undefined, text);
      if (text.includes(":")) continue;
      for (const [name, disguise] of disguises) {
        assert.equal(policy.reachOf(ip(disguise(...groups(text)))), undefined, `${text} by ${name}`);
      }
    }
    for (const [name, disguise] of disguises) {
      assert.equal(policy.reachOf(ip(disguise(...groups("203.0.113.1")))), undefined, `ourselves by ${name}`);
    }
  });

  test("public places are not, in disguises either", () => {
    for (const text of ["192.0.2.20", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "2a00::1"]) {
      assert.equal(policy.reachOf(ip(text)), "any", text);
    }
    for (const [name, disguise] of disguises) {
      assert.equal(policy.reachOf(ip(disguise(...groups("8.8.4.4")))), "any", name);
    }
    assert.deepEqual(hiddenIps(ip("2001:0:808:808:0:0:f5ff:fffe")), [ip("8.8.8.8"), ip("10.0.0.1")]);
    assert.equal(policy.reachOf(ip("203.0.113.1")), "own-ports");
  });

  test("lists: allowed is stronger than denied, denied than public; the unspecified address is nobody's", () => {
    const listed = new PeerPolicy({
      allowPeers: [cidr("127.0.0.0/8"), cidr("10.1.0.0/16"), cidr("0.0.0.0/0"), cidr("203.0.113.1")],
      denyPeers: [cidr("10.1.2.0/24"), cidr("2001:db8::/32"), cidr("64:ff9b::/96")],
      ownIps: [ip("203.0.113.1"), ip("203.0.113.2")],
      controlPorts: [2223, 22_222],
    });
    assert.equal(listed.reachOf(ip("10.1.2.3")), "any");
    assert.equal(listed.reachOf(ip("127.0.0.1")), "not-control");
    assert.equal(listed.reachOf(ip("203.0.113.1")), "not-control");
    assert.equal(listed.reachOf(ip("0.0.0.0")), undefined);
    assert.equal(listed.reachOf(ip("2001:db8::1")), undefined);
    assert.equal(listed.reachOf(ip("64:ff9b::808:808")), undefined);
    for (const text of ["127.0.0.1:2223", "127.0.0.2:22222", "203.0.113.2:22222"]) {
      assert.ok(listed.isControl(at(text)), text);
    }
    for (const text of ["192.0.2.1:22222", "127.0.0.1:2224"]) assert.ok(!listed.isControl(at(text)), text);
  });

  test("of IPv6 only global unicast is public: not what translators and overlay networks use", () => {
    for (const text of [
      "::ffff:0:7f00:1",
      "100::1",
      "200::1",
      "301:2::3",
      "1fff::1",
      "4000::1",
      "5f00::1",
      "e000::1",
    ]) {
      const isReached = policy.reachOf(ip(text)) !== undefined;
      assert.equal(isReached, false, text);
    }
  });

  test("a range of IPv6 says nothing of IPv4", () => {
    const rules = { ownIps: [], controlPorts: [] };
    const open = new PeerPolicy({ ...rules, allowPeers: [cidr("::/0")], denyPeers: [] });
    for (const text of ["127.0.0.1", "169.254.169.254", "10.0.0.1", "64:ff9b::a00:1"]) {
      assert.equal(open.reachOf(ip(text)), undefined, text);
    }
    assert.equal(open.reachOf(ip("fd00::1")), "any");
    const closed = new PeerPolicy({ ...rules, allowPeers: [], denyPeers: [cidr("::/0")] });
    assert.equal(closed.reachOf(ip("192.0.2.20")), "any");
    assert.equal(closed.reachOf(ip("2001:db8::1")), undefined);
  });

  test("an allowed prefix does not open what it hides", () => {
    const nat64 = new PeerPolicy({
      allowPeers: [cidr("64:ff9b::/96")],
      denyPeers: [],
      ownIps: [],
      controlPorts: [],
    });
    assert.equal(nat64.reachOf(ip("64:ff9b::a00:1")), undefined);
    assert.equal(nat64.reachOf(ip("64:ff9b::808:808")), "any");
  });
});

suite("turn: peers on every way there", (test) => {
  test("CreatePermission, ChannelBind and Connect say 403, and Send goes nowhere", () => {
    for (const text of denied) {
      const isV6 = text.includes(":");
      const peer = isV6 ? `[${text}]:5000` : `${text}:5000`;
      const rig = new TurnRig();
      const phone = new Phone(rig, here);
      assertSuccess(phone.allocate(family("requested", isV6 ? 2 : 1)));
      assertCode(phone.permit(peer), 403, "Forbidden");
      assertCode(phone.bind(0x4000, peer), 403);
      assert.equal(rig.fromClient(here, sendIndication(peer, "x")).verdict, dataVerdict.noPermission);
      assert.equal(rig.fromClient(here, channelData(0x4000, "x")).verdict, dataVerdict.noChannel);
      const dialler = new Phone(rig, tcpClient("192.0.2.10:4000"));
      assertSuccess(dialler.ask(turnMethod.allocate, [tcpRelay, family("requested", isV6 ? 2 : 1)]));
      assertCode(dialler.ask(turnMethod.connect, [peerAttribute(peer)]), 403);
      assert.equal(rig.connections.size, 0);
    }
  });

  test("IPv4 in IPv6's clothes is refused on the wire, whatever is inside", () => {
    const mapped = (quad: number[]) => (id: Uint8Array) => {
      const plain = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...quad];
      const mask = [0x21, 0x12, 0xa4, 0x42, ...id];
      return Uint8Array.from([0, 2, 0x13 ^ 0x21, 0x88 ^ 0x12, ...plain.map((byte, at) => byte ^ mask[at]!)]);
    };
    for (const quad of [
      [127, 0, 0, 1],
      [10, 0, 0, 1],
      [8, 8, 8, 8],
    ]) {
      for (const code of [1, 2]) {
        const rig = new TurnRig({ allowPeers: [cidr("127.0.0.0/8")] });
        const phone = new Phone(rig, here);
        assertSuccess(phone.allocate(family("requested", code)));
        assertSuccess(phone.permit(code === 1 ? "127.0.0.1:0" : "[2001:db8::5]:0"));
        const attribute = [turnAttribute.xorPeerAddress, mapped(quad)] as const;
        assertCode(phone.ask(turnMethod.createPermission, [attribute]), 403);
        const id = nextTransaction();
        const indication = sendIndication("192.0.2.20:5000", "x");
        const disguised = Uint8Array.from([
          ...indication.subarray(0, 20),
          0,
          0x12,
          0,
          20,
          ...mapped(quad)(id),
          ...indication.subarray(32),
        ]);
        disguised.set(id, 8);
        disguised[3] = disguised.length - 20;
        assert.equal(rig.fromClient(here, disguised).verdict, dataVerdict.malformed);
      }
    }
  });

  test("our own ports: those in use are reached inside the host, all others are forbidden", () => {
    const rig = new TurnRig({ controlPorts: [2223] });
    const ann = new Phone(rig, here);
    const bob = new Phone(rig, udpClient("192.0.2.30:4000"), { username: "bob", password: "hidden" });
    assertSuccess(ann.allocate());
    assertSuccess(bob.allocate());
    assertCode(ann.permit("203.0.113.1:22"), 403);
    assertCode(ann.permit("10.1.1.1:2223"), 403);
    assertCode(ann.permit("198.51.100.1:3478"), 403);
    assertCode(ann.bind(0x4000, "203.0.113.1:51000"), 403);
    assertSuccess(ann.permit("203.0.113.1:0"));
    assertSuccess(ann.bind(0x4000, "203.0.113.1:50001"));
    assertSuccess(bob.permit("203.0.113.1:50000"));
    const sent = rig.fromClient(here, channelData(0x4000, "hello"));
    assert.deepEqual([sent.verdict, sent.to, sent.payload], [dataVerdict.toPeer, "10.1.1.1:50001", "hello"]);
    const heard = rig.fromPeer(bob.relay(), "10.1.1.1:50000", "hello");
    assert.deepEqual([heard.verdict, heard.to], [dataVerdict.toClient, "192.0.2.30:4000"]);
    for (const port of [22, 2223, 51_000]) {
      const { verdict } = rig.fromClient(here, sendIndication(`203.0.113.1:${port}`, "x"));
      assert.equal(verdict, dataVerdict.forbiddenPort, `${port}`);
    }
    assert.equal(rig.fromPeer(bob.relay(), "10.1.1.1:9", "x").verdict, dataVerdict.forbiddenPort);
    bob.refresh([turnAttribute.lifetime, new Uint8Array(4)]);
    assert.equal(rig.fromClient(here, channelData(0x4000, "late")).verdict, dataVerdict.forbiddenPort);
  });

  test("by their local address just as well", () => {
    const rig = new TurnRig();
    const ann = new Phone(rig, here);
    assertSuccess(ann.allocate());
    const media = at("10.1.1.1:40000");
    assertCode(ann.bind(0x4000, "10.1.1.1:40000"), 403);
    rig.own.setPort(media, true);
    assertSuccess(ann.bind(0x4000, "10.1.1.1:40000"));
    assert.equal(rig.fromClient(here, channelData(0x4000, "x")).to, "10.1.1.1:40000");
    const heard = rig.fromPeer(ann.relay(), "10.1.1.1:40000", "x");
    assert.deepEqual([...heard.bytes!.subarray(0, 2)], [0x40, 0]);
  });

  test("loopback really is allowed where an operator says so, but no control socket", () => {
    const rig = new TurnRig({ allowPeers: [cidr("127.0.0.0/8")], controlPorts: [2223, 9101] });
    const phone = new Phone(rig, here);
    assertSuccess(phone.allocate());
    assertSuccess(phone.permit("127.0.0.1:0", "127.0.0.9:0"));
    assertSuccess(phone.bind(0x4000, "127.0.0.1:7000"));
    assertCode(phone.bind(0x4001, "127.0.0.1:2223"), 403);
    assert.equal(rig.fromClient(here, sendIndication("127.0.0.1:7000", "x")).verdict, dataVerdict.toPeer);
    for (const peer of ["127.0.0.1:2223", "127.0.0.1:9101", "127.0.0.9:2223"]) {
      assert.equal(rig.fromClient(here, sendIndication(peer, "x")).verdict, dataVerdict.forbiddenPort, peer);
    }
  });

  test("an advertised address of ours that is allowed leads to no control socket behind it", () => {
    const rig = new TurnRig({ allowPeers: [cidr("203.0.113.1")], controlPorts: [2223] });
    const phone = new Phone(rig, here);
    assertSuccess(phone.allocate());
    assertSuccess(phone.permit("203.0.113.1:0"));
    assertCode(phone.bind(0x4000, "203.0.113.1:2223"), 403);
    assert.equal(rig.fromClient(here, sendIndication("203.0.113.1:7000", "x")).to, "10.1.1.1:7000");
    const { verdict } = rig.fromClient(here, sendIndication("203.0.113.1:2223", "x"));
    assert.equal(verdict, dataVerdict.forbiddenPort);
  });

  test("new rules take away what old ones gave", () => {
    const rig = new TurnRig({ allowPeers: [cidr("10.9.0.0/16")] });
    const phone = new Phone(rig, here);
    const dialler = new Phone(rig, tcpClient("192.0.2.10:4000"));
    assertSuccess(phone.allocate());
    assertSuccess(phone.permit("10.9.0.1:0", "192.0.2.20:0", "192.0.2.21:0"));
    assertSuccess(phone.bind(0x4000, "10.9.0.1:5000"));
    assertSuccess(phone.bind(0x4001, "192.0.2.20:5000"));
    assertSuccess(dialler.ask(turnMethod.allocate, [tcpRelay]));
    assert.equal(dialler.ask(turnMethod.connect, [peerAttribute("10.9.0.1:5000")]), undefined);
    rig.reload({ allowPeers: [], denyPeers: [cidr("192.0.2.21")] });
    assert.equal(rig.fromClient(here, channelData(0x4000, "x")).verdict, dataVerdict.noChannel);
    assert.equal(
      rig.fromClient(here, sendIndication("10.9.0.1:5000", "x")).verdict,
      dataVerdict.noPermission,
    );
    assert.equal(
      rig.fromClient(here, sendIndication("192.0.2.21:5000", "x")).verdict,
      dataVerdict.noPermission,
    );
    assert.equal(rig.fromClient(here, channelData(0x4001, "x")).verdict, dataVerdict.toPeer);
    assert.equal(rig.connections.size, 0);
    assertCode(rig.answers.at(-1)?.message, 403);
    assert.equal(rig.server.snapshot().counts.revoked, 4);
    const [view] = [...rig.server.views()];
    assert.deepEqual([view?.permissions, view?.channels.length], [["192.0.2.20"], 1]);
  });

  test("an address that becomes ours keeps its permission for our own ports alone", () => {
    const rig = new TurnRig();
    const phone = new Phone(rig, here);
    assertSuccess(phone.allocate());
    assertSuccess(phone.permit("192.0.2.20:0"));
    rig.reload({ ownIps: [...rig.settings.ownIps, ip("192.0.2.20")] });
    const { verdict } = rig.fromClient(here, sendIndication("192.0.2.20:80", "x"));
    assert.equal(verdict, dataVerdict.forbiddenPort);
    assert.equal(rig.server.snapshot().permissions, 1);
  });
});
