/** TURN in the relay workers, over real sockets of loopback: everything but authentication, which others test. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import type { Endpoint, IpAddress } from "../../src/core/address.ts";
import { parseCidr } from "../../src/core/address-class.ts";
import { silentLogger } from "../../src/core/log.ts";
import { TurnShell } from "../../src/daemon/turn-shell.ts";
import { systemClock } from "../../src/io/clock.ts";
import { systemDigests } from "../../src/io/digests.ts";
import { systemRandom } from "../../src/io/random.ts";
import { openRelayDriver } from "../../src/io/relay-driver.ts";
import type { StreamSeat } from "../../src/io/turn/contract.ts";
import type { RelayDriver } from "../../src/relay/driver.ts";
import { Interfaces, type RelayInterface } from "../../src/relay/interfaces.ts";
import { trafficField } from "../../src/relay/turn/turn-counters.ts";
import { StunBuilder } from "../../src/stun/builder.ts";
import { attributeOf, parseStun, type StunMessage } from "../../src/stun/message.ts";
import { encodeXorAddress, readXorAddress } from "../../src/stun/values.ts";
import { stunAttribute, stunMethod } from "../../src/stun/wire.ts";
import type { TurnClient } from "../../src/turn/actions.ts";
import { dataCapacityDefault } from "../../src/turn/data-plan.ts";
import { OwnPlaces } from "../../src/turn/own-places.ts";
import { turnDefaults } from "../../src/turn/settings.ts";
import { turnAttribute, turnMethod } from "../../src/turn/wire.ts";
import { Phone, until } from "../support/relay-rig.ts";
import { suite } from "../support/suite.ts";

const loopback = "127.0.0.1" as IpAddress;
const address: RelayInterface = { name: "lo", ip: loopback, advertisedIp: loopback };
const [portMin, portMax] = [42_400, 42_599];
const allocations = 64;

class Rig {
  readonly driver: RelayDriver;
  readonly shell: TurnShell;
  readonly faults: string[] = [];
  server!: Endpoint;
  readonly #phones: { close(): void }[] = [];

  private constructor(driver: RelayDriver, places: SharedArrayBuffer) {
    this.driver = driver;
    assert.ok(driver.turnDriver !== undefined);
    const cidr = parseCidr("127.0.0.0/8");
    assert.ok(cidr !== undefined);
    this.shell = new TurnShell({
      clock: systemClock,
      random: systemRandom,
      digests: systemDigests,
      log: silentLogger,
      settings: {
        ...turnDefaults,
        isAnonymous: true,
        allowPeers: [cidr],
        ownIps: [loopback],
        allocationsMax: allocations,
      },
      interfaces: new Interfaces([address], portMin, portMax, systemRandom),
      addresses: [address],
      interfaceName: undefined,
      tcpBinder: undefined,
      workers: { driver: driver.turnDriver, places },
    });
  }

  static async start(workers = 2): Promise<Rig> {
    const places = new SharedArrayBuffer(4 * OwnPlaces.sizeWords(1));
    const { driver } = await openRelayDriver("epoll", {
      workers,
      capacitySlots: 16,
      forbiddenTargets: new Int32Array(),
      ownMedia: new Int32Array(),
      coalesces: false,
      batches: false,
      receivesBatches: false,
      secondSocketsMax: 100,
      trustedMedia: [],
      settleMs: 3_000,
      relearnAfterSilenceMs: undefined,
      replayMemoryBytes: 0,
      turn: { addresses: [address], places, capacity: { ...dataCapacityDefault, allocations }, tos: 0 },
    });
    const rig = new Rig(driver, places);
    await driver.start({
      handleWake: () => undefined,
      handleFault: (_worker, message) => void rig.faults.push(message),
    });
    const [server] = await rig.shell.home.listen({ ip: loopback, port: 0 });
    assert.ok(server !== undefined);
    rig.server = server;
    return rig;
  }

  async client(): Promise<Client> {
    const phone = await Phone.open(loopback);
    this.#phones.push(phone);
    return new Client(phone, this.server);
  }

  async peer(): Promise<Phone> {
    const phone = await Phone.open(loopback);
    this.#phones.push(phone);
    return phone;
  }

  /** Packets carried up, by worker. */
  carriedUp(): number[] {
    return (this.driver.turnDriver?.links ?? []).map(({ counters }) => counters[trafficField.packetsUp] ?? 0);
  }

  async stop(): Promise<void> {
    for (const phone of this.#phones) phone.close();
    await this.shell.close();
    for (const link of this.driver.links) {
      const at = link.commands.begin();
      // What `Relay` says at the end.
      link.commands.words[at] = 4;
      link.commands.commit();
      link.wake();
    }
    await this.driver.stop(2_000);
    assert.deepEqual(this.faults, []);
  }
}

type Attribute = readonly [type: number, value: Uint8Array | ((transaction: Uint8Array) => Uint8Array)];

let transactions = 0;
function encode(method: number, attributes: readonly Attribute[], isIndication = false): Uint8Array {
  const transaction = Buffer.alloc(12);
  transaction.writeUInt32BE(++transactions, 8);
  const builder = new StunBuilder(isIndication ? "indication" : "request", method, transaction);
  for (const [type, value] of attributes)
    builder.add(type, typeof value === "function" ? value(transaction) : value);
  return builder.build();
}

const udp: Attribute = [turnAttribute.requestedTransport, Uint8Array.of(17, 0, 0, 0)];
const mobile: Attribute = [turnAttribute.mobilityTicket, new Uint8Array()];
const to = (peer: Endpoint): Attribute => [
  turnAttribute.xorPeerAddress,
  (transaction) => encodeXorAddress(peer, transaction),
];
const channel = (number: number): Attribute => [
  turnAttribute.channelNumber,
  Uint8Array.of(number >>> 8, number & 255, 0, 0),
];

function channelData(number: number, text: string): Buffer {
  const data = Buffer.alloc(4 + text.length);
  data.writeUInt16BE(number, 0);
  data.writeUInt16BE(text.length, 2);
  data.write(text, 4);
  return data;
}

/** ChannelData as text. */
function spoken(heard: readonly Uint8Array[]): string[] {
  return heard
    .filter((data) => (data[0] ?? 0) >>> 6 === 1)
    .map((data) => Buffer.from(data).toString("latin1", 4, 4 + Buffer.from(data).readUInt16BE(2)));
}

class Client {
  readonly phone: Phone;
  readonly server: Endpoint;
  relayed!: Endpoint;
  ticket: Uint8Array | undefined;

  constructor(phone: Phone, server: Endpoint) {
    this.phone = phone;
    this.server = server;
  }

  /** Sends a request until it is answered. */
  async ask(method: number, ...attributes: readonly Attribute[]): Promise<StunMessage> {
    const request = encode(method, attributes);
    const isAnswer = (data: Uint8Array): boolean =>
      (data[0] ?? 0xff) < 4 && Buffer.from(data).subarray(8, 20).equals(request.subarray(8, 20));
    await this.phone.send(request, this.server);
    await until(() => this.phone.heard.some(isAnswer), "an answer");
    const message = parseStun(new Uint8Array(this.phone.heard.find(isAnswer) ?? []));
    assert.equal(message?.class, "success");
    this.ticket = attributeOf(message, turnAttribute.mobilityTicket) ?? this.ticket;
    return message;
  }

  async allocate(...more: readonly Attribute[]): Promise<StunMessage> {
    const answer = await this.ask(turnMethod.allocate, udp, ...more);
    this.relayed = relayedOf(answer);
    return answer;
  }

  async bind(number: number, peer: Endpoint): Promise<void> {
    await this.ask(turnMethod.channelBind, channel(number), to(peer));
  }

  say(number: number, text: string): Promise<void> {
    return this.phone.send(channelData(number, text), this.server);
  }
}

function relayedOf(answer: StunMessage): Endpoint {
  const value = attributeOf(answer, turnAttribute.xorRelayedAddress);
  const relayed = value === undefined ? undefined : readXorAddress(value, answer.transactionId);
  assert.ok(relayed !== undefined);
  return relayed;
}

function texts(heard: readonly Uint8Array[]): string[] {
  return heard.map((data) => Buffer.from(data).toString());
}

suite("io: TURN in the workers", (test) => {
  test("clients of all workers: channels and Send, both ways, counted", async () => {
    const rig = await Rig.start();
    const clients: Client[] = [];
    for (let index = 0; index < 12; index++) {
      const client = await rig.client();
      const peer = await rig.peer();
      await client.allocate();
      await client.bind(0x4000, peer.endpoint);
      await client.say(0x4000, `by channel ${index}`);
      const data: Attribute = [turnAttribute.data, Buffer.from(`by Send ${index}`)];
      await client.phone.send(encode(turnMethod.send, [to(peer.endpoint), data], true), rig.server);
      await until(() => peer.heard.length === 2, "two packets");
      assert.deepEqual(texts(peer.heard), [`by channel ${index}`, `by Send ${index}`]);
      assert.deepEqual(peer.sources[0], client.relayed);
      await peer.send(Buffer.from(`back ${index}`), client.relayed);
      await until(() => spoken(client.phone.heard).length === 1, "an answer of the peer");
      assert.deepEqual(spoken(client.phone.heard), [`back ${index}`]);
      clients.push(client);
    }
    for (const worker of rig.carriedUp())
      assert.ok(worker > 0, "the kernel deals clients out to both workers");
    const sizes = [...rig.shell.views()].map(({ allocation }) => rig.shell.traffic(allocation));
    const [{ packetsUp = 0, bytesDown = 0 } = {}] = sizes;
    assert.deepEqual([sizes.length, packetsUp, bytesDown], [12, 2, 6]);
    for (const client of clients) {
      await client.ask(turnMethod.refresh, [turnAttribute.lifetime, new Uint8Array(4)]);
    }
    assert.equal(rig.shell.relayCount, 0);
    await rig.stop();
  });

  test("a client without permission, a stranger with another's channel, and a peer nobody asked for", async () => {
    const rig = await Rig.start();
    const [client, stranger, peer, other] = [
      await rig.client(),
      await rig.client(),
      await rig.peer(),
      await rig.peer(),
    ];
    await client.allocate();
    await peer.send(Buffer.from("too early"), client.relayed);
    await client.bind(0x4000, peer.endpoint);
    await stranger.say(0x4000, "not mine");
    await client.say(0x4001, "no such channel");
    await client.say(0x4000, "mine");
    await until(() => peer.heard.length > 0, "the one packet");
    // The permission is for an address, whatever the port (RFC 8656 section 9).
    await other.send(Buffer.from("as Data"), client.relayed);
    await until(
      () => client.phone.heard.some((data) => data.readUInt16BE(0) === 0x0017),
      "a Data indication",
    );
    assert.deepEqual(texts(peer.heard), ["mine"]);
    const { refused } = rig.shell.home.counts();
    const { noPermission, noAllocation, noChannel } = refused;
    assert.deepEqual(
      { noPermission, noAllocation, noChannel },
      { noPermission: 1, noAllocation: 1, noChannel: 1 },
    );
    await rig.stop();
  });

  test("a client that moves keeps its allocation, whichever worker it reaches, and nothing is lost", async () => {
    const rig = await Rig.start();
    const peer = await rig.peer();
    const clients = [await rig.client()];
    let current = clients[0]!;
    await current.allocate(mobile);
    await current.bind(0x4000, peer.endpoint);
    const { relayed } = current;
    const [expectedUp, expectedDown]: [string[], string[]] = [[], []];
    const both = async (from: Client, text: string): Promise<void> => {
      expectedUp.push(`up ${text}`);
      expectedDown.push(`down ${text}`);
      await from.say(0x4000, `up ${text}`);
      await peer.send(Buffer.from(`down ${text}`), relayed);
    };
    for (let move = 0; move < 14; move++) {
      const next = await rig.client();
      clients.push(next);
      await both(current, `before ${move}`);
      const ticket: Attribute = [turnAttribute.mobilityTicket, current.ticket ?? new Uint8Array()];
      await next.ask(turnMethod.refresh, ticket);
      // Both places are good until the new one is heard (RFC 8016 section 3.2.2).
      await both(current, `between ${move}`);
      // The worker that has heard it tells main, and main the worker that has the relay until then.
      const isThere = (): boolean => spoken(next.phone.heard).some((text) => text.startsWith("down after"));
      for (let round = 0; !isThere(); round++) {
        assert.ok(round < 200, "peers' packets follow the client");
        await both(next, `after ${move}.${round}`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      current = next;
    }
    const heard = (): string[] => clients.flatMap(({ phone }) => spoken(phone.heard)).sort();
    await until(() => peer.heard.length === expectedUp.length, "all of the client's packets");
    await until(() => heard().length === expectedDown.length, "all of the peer's packets");
    assert.deepEqual(texts(peer.heard).sort(), expectedUp.sort());
    assert.deepEqual(heard(), expectedDown.sort());
    for (const worker of rig.carriedUp()) assert.ok(worker > 0, "it has been in both workers");
    const [view] = rig.shell.views();
    assert.ok(view !== undefined);
    const traffic = rig.shell.traffic(view.allocation);
    assert.deepEqual([traffic?.packetsUp, traffic?.packetsDown], [expectedUp.length, expectedDown.length]);
    await current.ask(turnMethod.refresh, [turnAttribute.lifetime, new Uint8Array(4)]);
    assert.equal(rig.shell.relayCount, 0);
    await rig.stop();
  });

  test("from a stream to UDP and back to another stream, with the same relay", async () => {
    const rig = await Rig.start();
    const peer = await rig.peer();
    const heard: Uint8Array[] = [];
    const seatAt = (port: number): StreamSeat => {
      const client: TurnClient = { transport: "tcp", remote: { ip: loopback, port }, local: rig.server };
      const seat: StreamSeat = {
        client,
        isServing: false,
        send: (bytes) => heard.push(new Uint8Array(bytes)) > 0,
        giveAway: () => undefined,
        close: () => undefined,
      };
      assert.ok(rig.shell.home.enter(seat));
      return seat;
    };
    const ask = (seat: StreamSeat, method: number, ...attributes: readonly Attribute[]): StunMessage => {
      heard.length = 0;
      rig.shell.home.receive(seat, encode(method, attributes));
      const message = parseStun(new Uint8Array(heard[0] ?? []));
      assert.equal(message?.class, "success");
      return message;
    };
    const first = seatAt(1_000);
    const answer = ask(first, turnMethod.allocate, udp, mobile);
    const relayed = relayedOf(answer);
    assert.ok(first.isServing);
    ask(first, turnMethod.channelBind, channel(0x4000), to(peer.endpoint));
    rig.shell.home.receive(first, channelData(0x4000, "by stream..."));
    await until(() => peer.heard.length === 1, "what came by the stream");
    await peer.send(Buffer.from("to the stream"), relayed);
    await until(() => spoken(heard).length === 1, "what goes by the stream");
    assert.equal(heard.at(-1)?.length, 20, "padded");
    let ticket = attributeOf(answer, turnAttribute.mobilityTicket) ?? new Uint8Array();
    for (let turn = 0; turn < 6; turn++) {
      const client = await rig.client();
      await client.ask(turnMethod.refresh, [turnAttribute.mobilityTicket, ticket]);
      const count = peer.heard.length;
      await client.say(0x4000, "by UDP");
      await until(() => peer.heard.length === count + 1, "what came by UDP");
      await until(() => {
        void peer.send(Buffer.from("to UDP"), relayed);
        return spoken(client.phone.heard).length > 0;
      }, "what goes by UDP");
      const seat = seatAt(2_000 + turn);
      const moved = ask(seat, turnMethod.refresh, [turnAttribute.mobilityTicket, client.ticket ?? ticket]);
      ticket = attributeOf(moved, turnAttribute.mobilityTicket) ?? ticket;
      heard.length = 0;
      rig.shell.home.receive(seat, channelData(0x4000, "by stream"));
      await until(() => peer.heard.length === count + 2, "what came by the other stream");
      await until(() => {
        void peer.send(Buffer.from("to the stream"), relayed);
        return spoken(heard).length > 0;
      }, "what goes by the other stream");
    }
    for (const worker of rig.carriedUp()) assert.ok(worker > 0, "it has been in both workers");
    await rig.stop();
  });

  test("a reserved port serves a client of any worker", async () => {
    const rig = await Rig.start();
    for (let index = 0; index < 8; index++) {
      const [first, second, peer] = [await rig.client(), await rig.client(), await rig.peer()];
      const answer = await first.allocate([turnAttribute.evenPort, Uint8Array.of(0x80)]);
      const token = attributeOf(answer, turnAttribute.reservationToken);
      assert.ok(token !== undefined);
      await second.allocate([turnAttribute.reservationToken, token]);
      assert.equal(second.relayed.port, first.relayed.port + 1);
      await second.bind(0x4000, peer.endpoint);
      await second.say(0x4000, "up");
      await until(() => peer.heard.length === 1, "the packet");
      assert.deepEqual(peer.sources[0], second.relayed);
      await peer.send(Buffer.from("down"), second.relayed);
      await until(() => spoken(second.phone.heard).length === 1, "the peer's packet");
    }
    await rig.stop();
  });

  test("two clients of ours reach each other through both their relays", async () => {
    const rig = await Rig.start();
    const [ann, bob] = [await rig.client(), await rig.client()];
    await ann.allocate();
    await bob.allocate();
    await ann.bind(0x4000, bob.relayed);
    await bob.bind(0x4001, ann.relayed);
    await ann.say(0x4000, "hello");
    await until(() => spoken(bob.phone.heard).length === 1, "the packet");
    assert.deepEqual(spoken(bob.phone.heard), ["hello"]);
    await rig.stop();
  });

  test("DONT-FRAGMENT keeps a packet whole, and the next may be cut again", async () => {
    const rig = await Rig.start(1);
    const [client, peer] = [await rig.client(), await rig.peer()];
    await client.allocate();
    await client.ask(turnMethod.createPermission, to(peer.endpoint));
    for (const isWhole of [true, false]) {
      const more: Attribute[] = isWhole ? [[turnAttribute.dontFragment, new Uint8Array()]] : [];
      const data: Attribute = [turnAttribute.data, Buffer.alloc(3_000)];
      await client.phone.send(encode(turnMethod.send, [to(peer.endpoint), ...more, data], true), rig.server);
    }
    await until(() => peer.heard.length === 2, "both packets");
    await rig.stop();
  });

  test("a binding request is answered, and a port that is taken is refused", async () => {
    const rig = await Rig.start();
    const client = await rig.client();
    const answer = await client.ask(stunMethod.binding);
    const mapped = attributeOf(answer, stunAttribute.xorMappedAddress);
    assert.deepEqual(mapped && readXorAddress(mapped, answer.transactionId), client.phone.endpoint);
    await assert.rejects(rig.shell.home.listen(rig.server), { code: "EADDRINUSE" });
    const taken = createSocket({ type: "udp4", reuseAddr: true });
    await new Promise<void>((resolve) => taken.bind(0, loopback, resolve));
    await assert.rejects(rig.shell.home.listen({ ip: loopback, port: taken.address().port }), {
      code: "EADDRINUSE",
    });
    taken.close();
    await rig.stop();
  });
});
