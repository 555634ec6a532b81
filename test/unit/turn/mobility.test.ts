/** Clients that come from another place with their ticket: RFC 8016 section 3, over UDP and streams. */
import assert from "node:assert/strict";
import { attributeOf, type StunMessage } from "../../../src/stun/message.ts";
import { encodeText, readText } from "../../../src/stun/values.ts";
import { stunAttribute } from "../../../src/stun/wire.ts";
import type { TurnClient } from "../../../src/turn/actions.ts";
import { dataVerdict } from "../../../src/turn/data-facts.ts";
import { turnAttribute, turnMethod } from "../../../src/turn/wire.ts";
import { suite } from "../../support/suite.ts";
import {
  assertCode,
  assertSuccess,
  channelData,
  type Login,
  lifetime,
  lifetimeOf,
  nextTransaction,
  Phone,
  type TestAttribute,
  tcpRelay,
} from "./phone.ts";
import { TurnRig, tcpClient, udpClient } from "./rig.ts";

const home = udpClient("192.0.2.10:4000");
const away = udpClient("203.0.113.77:6000");
const peer = "192.0.2.20:5000";
const wantsTicket: TestAttribute = [turnAttribute.mobilityTicket, new Uint8Array()];

function ticketOf(message: StunMessage | undefined): string {
  return readText(attributeOf(message!, turnAttribute.mobilityTicket) ?? new Uint8Array());
}

function mobile(from: TurnClient, settings = {}): { rig: TurnRig; phone: Phone; ticket: string } {
  const rig = new TurnRig(settings);
  const phone = new Phone(rig, from);
  const ticket = ticketOf(assertSuccess(phone.allocate(wantsTicket)));
  assertSuccess(phone.bind(0x4000, peer));
  return { rig, phone, ticket };
}

/** The same user at another place: a new nonce, and the ticket. */
function comeFrom(
  rig: TurnRig,
  client: TurnClient,
  ticket: string,
  login: Partial<Login> = {},
  ...more: TestAttribute[]
) {
  const phone = new Phone(rig, client, login);
  const answer = phone.refresh([turnAttribute.mobilityTicket, encodeText(ticket)], ...more);
  return { phone, answer };
}

suite("turn: mobility", (test) => {
  test("a ticket is text of 32 characters, new each time; none unless asked for", () => {
    const { rig, ticket } = mobile(home);
    assert.match(ticket, /^[A-Za-z0-9_-]{32}$/);
    const plain = new Phone(rig, away).allocate();
    assert.equal(attributeOf(plain!, turnAttribute.mobilityTicket), undefined);
  });

  test("switched off, or with a TCP relay: 405", () => {
    assertCode(
      new Phone(new TurnRig({ hasMobility: false }), home).allocate(wantsTicket),
      405,
      "Mobility Forbidden",
    );
    const off = new TurnRig({ hasMobility: false });
    assertCode(comeFrom(off, home, "x").answer, 405);
    const phone = new Phone(new TurnRig(), tcpClient("192.0.2.10:4000"));
    assertCode(phone.ask(turnMethod.allocate, [tcpRelay, wantsTicket]), 405);
  });

  test("a ticket that is empty: 400; made up: 437; another user's: 441; at another allocation's place: 437", () => {
    const { rig, ticket } = mobile(home);
    assertCode(comeFrom(rig, away, "").answer, 400);
    assertCode(comeFrom(rig, away, "A".repeat(32)).answer, 437);
    assertCode(comeFrom(rig, away, ticket, { username: "bob", password: "hidden" }).answer, 441);
    const other = new Phone(rig, away);
    assertSuccess(other.allocate());
    assertCode(other.refresh([turnAttribute.mobilityTicket, encodeText(ticket)]), 437);
    assert.equal(rig.actionsOf("expect").length, 0);
  });

  test("the old place is served until the first packet from the new one", () => {
    const { rig, phone, ticket } = mobile(home);
    const relay = phone.relay();
    const { answer } = comeFrom(rig, away, ticket);
    assert.equal(lifetimeOf(assertSuccess(answer)), 600);
    assert.notEqual(ticketOf(answer), ticket);
    assert.equal(rig.fromPeer(relay, peer, "x").to, "192.0.2.10:4000");
    assert.equal(rig.fromClient(home, channelData(0x4000, "old")).payload, "old");
    assert.equal(rig.fromClient(away, channelData(0x4000, "new")).payload, "new");
    assert.equal(rig.fromPeer(relay, peer, "x").to, "203.0.113.77:6000");
    assert.equal(rig.fromClient(home, channelData(0x4000, "old")).verdict, dataVerdict.noAllocation);
    assertCode(phone.refresh(), 437);
    assertSuccess(new Phone(rig, away).permit("192.0.2.21:0"));
    assert.equal(rig.relays.size, 1);
  });

  test("a request from the new place settles it as well", () => {
    const { rig, phone, ticket } = mobile(home);
    const relay = phone.relay();
    const moved = comeFrom(rig, away, ticket).phone;
    assertSuccess(moved.permit("192.0.2.21:0"));
    assert.equal(rig.fromPeer(relay, peer, "x").to, "203.0.113.77:6000");
    assertSuccess(new Phone(rig, home).allocate());
  });

  test("a client that only listens is moved after 30 s", () => {
    const { rig, phone, ticket } = mobile(home);
    const relay = phone.relay();
    comeFrom(rig, away, ticket);
    rig.pass(29);
    assert.equal(rig.fromPeer(relay, peer, "x").to, "192.0.2.10:4000");
    rig.pass(1);
    assert.equal(rig.fromPeer(relay, peer, "x").to, "203.0.113.77:6000");
  });

  test("the answer was lost: the old ticket is good until the client is seen, the repeated request is no new one", () => {
    const { rig, ticket } = mobile(home);
    const first = comeFrom(rig, away, ticket);
    const again = rig.send(away, first.phone.lastBytes);
    assert.equal(ticketOf(again?.message), ticketOf(first.answer));
    const second = comeFrom(rig, away, ticket);
    assertSuccess(second.answer);
    assertCode(comeFrom(rig, udpClient("203.0.113.78:1"), ticketOf(first.answer)).answer, 437);
    rig.fromClient(away, channelData(0x4000, "x"));
    assertCode(comeFrom(rig, udpClient("203.0.113.78:1"), ticket).answer, 437);
    const third = comeFrom(rig, udpClient("203.0.113.78:2"), ticketOf(second.answer));
    assertSuccess(third.answer);
    assert.equal(rig.server.snapshot().counts.moves, 1);
  });

  test("moved on before it arrived: the last place counts", () => {
    const { rig, phone, ticket } = mobile(home);
    const relay = phone.relay();
    const first = comeFrom(rig, away, ticket);
    const last = udpClient("203.0.113.79:1");
    assertSuccess(comeFrom(rig, last, ticketOf(first.answer)).answer);
    assert.equal(rig.fromClient(away, channelData(0x4000, "x")).verdict, dataVerdict.noAllocation);
    rig.fromClient(last, channelData(0x4000, "x"));
    assert.equal(rig.fromPeer(relay, peer, "x").to, "203.0.113.79:1");
    assertSuccess(new Phone(rig, away).allocate());
  });

  test("a ticket used at home is changed, and nothing moves", () => {
    const { rig, ticket } = mobile(home);
    const { answer } = comeFrom(rig, home, ticket);
    assertSuccess(answer);
    assert.equal(rig.actionsOf("expect").length, 0);
    assertSuccess(comeFrom(rig, away, ticketOf(answer)).answer);
  });

  test("with LIFETIME 0 it ends the allocation from afar", () => {
    const { rig, ticket } = mobile(home);
    assert.equal(lifetimeOf(comeFrom(rig, away, ticket, {}, lifetime(0)).answer), 0);
    assert.equal(rig.openRelays().length, 0);
  });

  test("streams: the allocation outlives its connection, and goes on over another, or over UDP", () => {
    const wired = tcpClient("192.0.2.10:4000");
    for (const next of [tcpClient("203.0.113.77:6000"), away]) {
      const { rig, phone, ticket } = mobile(wired);
      const relay = phone.relay();
      rig.close(wired);
      assert.equal(rig.fromPeer(relay, peer, "x").verdict, dataVerdict.noClient);
      assertSuccess(comeFrom(rig, next, ticket).answer);
      assert.equal(rig.fromPeer(relay, peer, "x").verdict, dataVerdict.toClient);
      assert.equal(rig.fromClient(next, channelData(0x4000, "x")).to, peer);
      assert.equal(rig.openRelays().length, 1);
    }
  });

  test("from one stream to another that is still open: the old one is hung up once the new one speaks", () => {
    const wired = tcpClient("192.0.2.10:4000");
    const next: TurnClient = { ...tcpClient("203.0.113.77:6000"), transport: "tls" };
    const { rig, phone, ticket } = mobile(wired);
    const relay = phone.relay();
    assertSuccess(comeFrom(rig, next, ticket).answer);
    assert.equal(rig.actionsOf("hang-up").length, 0);
    rig.fromClient(next, channelData(0x4000, "x"));
    assert.deepEqual(
      rig.actionsOf("hang-up").map(({ client }) => client),
      [wired],
    );
    assert.equal(rig.fromPeer(relay, peer, "x").verdict, dataVerdict.toClient);
  });

  test("the new stream breaks before it spoke: all stays as it was", () => {
    const next = tcpClient("203.0.113.77:6000");
    const { rig, phone, ticket } = mobile(home);
    const { answer } = comeFrom(rig, next, ticket);
    rig.close(next);
    assert.equal(rig.fromPeer(phone.relay(), peer, "x").to, "192.0.2.10:4000");
    assertSuccess(comeFrom(rig, away, ticketOf(answer)).answer);
  });

  test("nobody comes back: the allocation ends in its time", () => {
    const wired = tcpClient("192.0.2.10:4000");
    const { rig } = mobile(wired);
    rig.close(wired);
    assert.equal(rig.openRelays().length, 1);
    rig.pass(600);
    assert.deepEqual([rig.openRelays().length, rig.data.sizes.allocations], [0, 0]);
  });

  test("one without a ticket ends with its stream", () => {
    const wired = tcpClient("192.0.2.10:4000");
    const rig = new TurnRig();
    assertSuccess(new Phone(rig, wired).allocate());
    rig.close(wired);
    assert.equal(rig.openRelays().length, 0);
    assert.deepEqual(
      rig.actionsOf("detach").map(({ reason }) => reason),
      ["client-closed"],
    );
  });

  test("coturn's client: the old nonce from the new place, and every Refresh twice", () => {
    for (const from of [home, tcpClient("192.0.2.10:4000")]) {
      const { rig, phone, ticket } = mobile(from);
      const to: TurnClient = { ...from, remote: away.remote };
      if (from.transport === "tcp") rig.close(from);
      const attributes: TestAttribute[] = [lifetime(777), [turnAttribute.mobilityTicket, encodeText(ticket)]];
      const twice = (): (StunMessage | undefined)[] => {
        const bytes = phone.encode(turnMethod.refresh, attributes, nextTransaction());
        return [rig.send(to, bytes)?.message, rig.send(to, bytes.slice())?.message];
      };
      const stale = twice();
      for (const answer of stale) assertCode(answer, 438);
      phone.nonce = readText(attributeOf(stale[1]!, stunAttribute.nonce)!);
      const [first, second] = twice().map((answer) => assertSuccess(answer));
      assert.equal(lifetimeOf(first), 777);
      assert.deepEqual([...second!.bytes], [...first!.bytes]);
      assert.equal(rig.fromClient(to, channelData(0x4000, "x")).to, peer);
      assertSuccess(comeFrom(rig, udpClient("203.0.113.90:1"), ticketOf(second)).answer);
    }
  });

  test("an Allocate under way at the place a ticket is brought to loses", () => {
    const { rig, ticket } = mobile(home);
    rig.opensAtOnce = false;
    const hasty = new Phone(rig, away);
    assert.equal(hasty.allocate(), undefined);
    assertSuccess(comeFrom(rig, away, ticket).answer);
    rig.openAll();
    assertCode(rig.answers.at(-1)?.message, 437);
    assert.equal(rig.openRelays().length, 1);
  });
});
