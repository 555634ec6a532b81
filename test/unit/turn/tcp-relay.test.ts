/** Relays over TCP: RFC 6062 sections 4 and 5. */
import assert from "node:assert/strict";
import { turnConnectionsPerAllocationMax } from "../../../src/core/limits.ts";
import { attributeOf, type StunMessage } from "../../../src/stun/message.ts";
import { encodeNumber, readNumber } from "../../../src/stun/values.ts";
import type { ConnectionId, RelayId } from "../../../src/turn/actions.ts";
import { turnAttribute, turnMethod } from "../../../src/turn/wire.ts";
import { suite } from "../../support/suite.ts";
import {
  addressesOf,
  assertCode,
  assertSuccess,
  codeOf,
  type Login,
  Phone,
  peerAttribute,
  tcpRelay,
} from "./phone.ts";
import { at, TurnRig, tcpClient, udpClient } from "./rig.ts";

const control = tcpClient("192.0.2.10:4000");
const peer = "192.0.2.20:5000";

function allocated(): { rig: TurnRig; phone: Phone; relay: RelayId } {
  const rig = new TurnRig();
  const phone = new Phone(rig, control);
  assertSuccess(phone.ask(turnMethod.allocate, [tcpRelay]));
  const [relay] = [...rig.relays.keys()];
  return { rig, phone, relay: relay! };
}

function connect(phone: Phone, to = peer): StunMessage | undefined {
  return phone.ask(turnMethod.connect, [peerAttribute(to)]);
}

function idOf(message: StunMessage | undefined): ConnectionId {
  return readNumber(attributeOf(message!, turnAttribute.connectionId)!) as ConnectionId;
}

function join(rig: TurnRig, text: string, id: number, login: Partial<Login> = {}): StunMessage | undefined {
  const phone = new Phone(rig, tcpClient(text), login);
  return phone.ask(turnMethod.connectionBind, [[turnAttribute.connectionId, encodeNumber(id)]]);
}

suite("turn: TCP relays", (test) => {
  test("Connect, its answer once the peer is there, ConnectionBind on another stream, the end of both", () => {
    const { rig, phone, relay } = allocated();
    assert.equal(rig.actionsOf("open")[0]?.transport, "tcp");
    assert.equal(connect(phone), undefined);
    const [dialled] = rig.actionsOf("connect");
    assert.deepEqual([dialled?.relay, dialled?.peer], [relay, at(peer)]);
    rig.apply(rig.server.handleConnected(rig.now, dialled!.connection));
    const answer = rig.answers.at(-1)?.message;
    assert.equal(idOf(assertSuccess(answer)), dialled!.connection);
    const data = tcpClient("192.0.2.10:4001");
    assertSuccess(join(rig, "192.0.2.10:4001", idOf(answer)));
    assert.deepEqual(rig.actionsOf("join"), [
      { kind: "join", connection: dialled!.connection, client: data },
    ]);
    rig.pass(60);
    assert.equal(rig.server.snapshot().connections, 1);
    rig.close(data);
    assert.deepEqual([rig.connections.size, rig.server.snapshot().connections], [0, 0]);
    assert.equal(rig.openRelays().length, 1);
  });

  test("what Connect is refused for", () => {
    const { phone } = allocated();
    assertCode(phone.ask(turnMethod.connect), 400);
    assertCode(connect(phone, "192.0.2.20:0"), 400);
    assertCode(connect(phone, "10.0.0.1:80"), 403);
    assertCode(connect(phone, "[2001:db8::5]:80"), 443);
    assert.equal(connect(phone), undefined);
    assertCode(connect(phone), 446, "Connection Already Exists");
    const overUdp = new Phone(phone.rig, udpClient("192.0.2.11:1"));
    assertSuccess(overUdp.allocate());
    assertCode(connect(overUdp), 437);
    assertCode(phone.bind(0x4000, peer), 400);
  });

  test("a peer that does not answer or refuses: 447, and it may be tried again", () => {
    const { rig, phone } = allocated();
    assert.equal(connect(phone), undefined);
    const repeated = phone.lastBytes;
    assert.equal(rig.send(control, repeated), undefined);
    assert.equal(rig.connections.size, 1);
    rig.pass(30);
    assertCode(rig.answers.at(-1)?.message, 447, "Connection Timeout or Failure");
    assert.equal(rig.connections.size, 0);
    assert.equal(codeOf(rig.send(control, repeated)?.message), 447);
    assert.equal(connect(phone), undefined);
    const [connection] = [...rig.connections.keys()];
    rig.connections.delete(connection!);
    rig.apply(rig.server.handleConnectionClosed(rig.now, connection!));
    assertCode(rig.answers.at(-1)?.message, 447);
    assert.equal(connect(phone), undefined);
  });

  test("a client that does not come for its connection in 30 s has lost it", () => {
    const { rig, phone } = allocated();
    connect(phone);
    const [connection] = [...rig.connections.keys()];
    rig.apply(rig.server.handleConnected(rig.now, connection!));
    rig.pass(30);
    assert.equal(rig.connections.size, 0);
    assertCode(join(rig, "192.0.2.10:4001", connection!), 400);
  });

  test("a peer connects to us: announced if it is permitted, sent away if not", () => {
    const { rig, phone, relay } = allocated();
    const knock = (text: string) => rig.server.handlePeerConnection(rig.now, relay, at(text));
    assert.deepEqual(knock(peer), { connection: undefined, actions: [] });
    assertSuccess(phone.permit("192.0.2.20:0"));
    const { connection, actions } = knock(peer);
    rig.connections.set(connection!, at(peer));
    rig.apply(actions);
    const told = rig.answers.at(-1)!;
    assert.deepEqual(
      [told.client, told.message.class, told.message.method],
      [control, "indication", turnMethod.connectionAttempt],
    );
    assert.equal(idOf(told.message), connection);
    assert.deepEqual(addressesOf(told.message, turnAttribute.xorPeerAddress), [peer]);
    assert.equal(knock(peer).connection, undefined);
    assertSuccess(join(rig, "192.0.2.10:4001", connection!));
    rig.connections.delete(connection!);
    rig.apply(rig.server.handleConnectionClosed(rig.now, connection!));
    assert.equal(rig.server.snapshot().connections, 0);
    rig.pass(300);
    assert.equal(knock(peer).connection, undefined);
  });

  test("what ConnectionBind is refused for", () => {
    const { rig, phone } = allocated();
    connect(phone);
    const [connection] = [...rig.connections.keys()];
    assertCode(join(rig, "192.0.2.10:4001", connection!), 400);
    rig.apply(rig.server.handleConnected(rig.now, connection!));
    assertCode(new Phone(rig, tcpClient("192.0.2.10:4001")).ask(turnMethod.connectionBind), 400);
    assertCode(join(rig, "192.0.2.10:4001", (connection! + 1) >>> 0), 400);
    assertCode(join(rig, "192.0.2.10:4001", connection!, { username: "bob", password: "hidden" }), 441);
    assertCode(
      phone.ask(turnMethod.connectionBind, [[turnAttribute.connectionId, encodeNumber(connection!)]]),
      400,
    );
    assertSuccess(join(rig, "192.0.2.10:4001", connection!));
    assertCode(join(rig, "192.0.2.10:4002", connection!), 400);
    assertCode(new Phone(rig, tcpClient("192.0.2.10:4001")).ask(turnMethod.allocate, [tcpRelay]), 437);
  });

  test("the control connection ends, and all of it with it", () => {
    const { rig, phone } = allocated();
    connect(phone);
    connect(phone, "192.0.2.21:5000");
    rig.close(control);
    assert.deepEqual([rig.connections.size, rig.openRelays().length], [0, 0]);
    assert.equal(rig.server.nextDeadlineMs(), undefined);
  });

  test("our own TCP relays may be reached, our other ports not", () => {
    const { rig, phone } = allocated();
    const other = new Phone(rig, tcpClient("192.0.2.30:1"), { username: "bob", password: "hidden" });
    assertSuccess(other.ask(turnMethod.allocate, [tcpRelay]));
    rig.own.setPort(at("10.1.1.1:40000"), true);
    assert.equal(connect(phone, "203.0.113.1:50001"), undefined);
    assert.equal(connect(phone, "10.1.1.1:50001"), undefined);
    assertCode(connect(phone, "10.1.1.1:40000"), 403);
    assertCode(connect(phone, "10.1.1.1:22"), 403);
  });

  test("there is an end to them: 508", () => {
    const { phone } = allocated();
    for (let index = 0; index < turnConnectionsPerAllocationMax; index++) {
      assert.equal(connect(phone, `192.0.2.20:${6_000 + index}`), undefined);
    }
    assertCode(connect(phone, "192.0.2.20:7000"), 508);
  });
});
