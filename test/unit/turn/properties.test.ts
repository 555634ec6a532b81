/** What holds whatever comes: hostile bytes, and long histories of many clients. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { turnRepliesMax } from "../../../src/core/limits.ts";
import { StunBuilder } from "../../../src/stun/builder.ts";
import { attributeOf, parseStun } from "../../../src/stun/message.ts";
import { encodeNumber, encodeText, readText } from "../../../src/stun/values.ts";
import type { ConnectionId, TurnClient } from "../../../src/turn/actions.ts";
import { DataFacts, dataVerdict } from "../../../src/turn/data-facts.ts";
import { readSend } from "../../../src/turn/indication.ts";
import { ReplyCache } from "../../../src/turn/reply-cache.ts";
import { clientKeyOf } from "../../../src/turn/request.ts";
import { turnAttribute, turnMethod } from "../../../src/turn/wire.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import {
  bindingRequest,
  channelAttribute,
  channelData,
  family,
  lifetime,
  nextTransaction,
  Phone,
  peerAttribute,
  sendIndication,
  type TestAttribute,
  tcpRelay,
  udpRelay,
} from "./phone.ts";
import { at, digests, TurnRig, tcpClient, udpClient } from "./rig.ts";

const places: readonly TurnClient[] = [
  udpClient("192.0.2.1:1"),
  udpClient("192.0.2.2:2"),
  udpClient("[2001:db8::7]:3"),
  tcpClient("192.0.2.1:1"),
  tcpClient("192.0.2.4:4"),
  { ...tcpClient("192.0.2.5:5"), transport: "tls" },
];
const logins = [
  {},
  {},
  { username: "bob", password: "hidden" },
  { hash: "sha256", algorithm: "sha256", hidesName: true },
] as const;
const peers = [
  "192.0.2.20:5000",
  "192.0.2.21:5000",
  "[2001:db8::5]:5000",
  "10.0.0.1:1",
  "203.0.113.1:50000",
  "192.0.2.20:0",
];

const attribute: fc.Arbitrary<TestAttribute> = fc.oneof(
  fc.constantFrom<TestAttribute>(
    udpRelay,
    udpRelay,
    tcpRelay,
    family("requested", 2),
    family("additional", 2),
  ),
  fc.constantFrom(0, 600, 3_600).map(lifetime),
  fc.constantFrom(...peers).map(peerAttribute),
  fc.integer({ min: 0x3fff, max: 0x4004 }).map(channelAttribute),
  fc.constantFrom(0, 0x80).map((bits): TestAttribute => [turnAttribute.evenPort, Uint8Array.of(bits)]),
  fc.constant<TestAttribute>([turnAttribute.mobilityTicket, new Uint8Array()]),
  fc.constant<TestAttribute>([turnAttribute.reservationToken, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)]),
  fc
    .record({ type: fc.integer({ min: 0, max: 0xffff }), value: fc.uint8Array({ maxLength: 12 }) })
    .map(({ type, value }): TestAttribute => [type, value]),
);

const request = fc.record({
  kind: fc.constant("request" as const),
  place: fc.nat(places.length - 1),
  login: fc.nat(logins.length - 1),
  method: fc.constantFrom(...Object.values(turnMethod), 1),
  attributes: fc.array(attribute, { maxLength: 5 }),
  /** What the server gave lately is brought along. */
  brings: fc.constantFrom("nothing", "nothing", "ticket", "token", "connection"),
});
const step = fc.oneof(
  { weight: 12, arbitrary: request },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("allocate" as const),
      place: fc.nat(places.length - 1),
      login: fc.nat(3),
      isMobile: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), seconds: fc.constantFrom(1, 31, 301, 700) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("close" as const), place: fc.nat(places.length - 1) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("fail" as const),
      failure: fc.constantFrom("no-port" as const, "failed" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), isWaiting: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("data" as const),
      place: fc.nat(places.length - 1),
      peer: fc.constantFrom(...peers),
      channel: fc.integer({ min: 0x4000, max: 0x4004 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reload" as const), isStrict: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("dialled" as const), isThere: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("knock" as const), peer: fc.constantFrom(...peers) }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

class History {
  readonly rig = new TurnRig({ allocationsPerUserMax: 5, allocationsMax: 8 });
  readonly phones = new Map<string, Phone>();

  phone(place: number, login: number): Phone {
    const name = `${place} ${login}`;
    let phone = this.phones.get(name);
    if (phone === undefined) {
      phone = new Phone(this.rig, places[place]!, logins[login]!);
      this.phones.set(name, phone);
    }
    return phone;
  }

  last(type: number): Uint8Array | undefined {
    const values = this.rig.answers
      .map(({ message }) => attributeOf(message, type))
      .filter((value) => value !== undefined);
    return values.at(-1);
  }

  brought(brings: string): TestAttribute[] {
    const type = {
      ticket: turnAttribute.mobilityTicket,
      token: turnAttribute.reservationToken,
      connection: turnAttribute.connectionId,
    }[brings];
    const value = type === undefined ? undefined : this.last(type);
    return type === undefined || value === undefined ? [] : [[type, value]];
  }

  take(step: Step): void {
    const { rig } = this;
    if (step.kind === "request") {
      this.phone(step.place, step.login).ask(step.method, [...this.brought(step.brings), ...step.attributes]);
    } else if (step.kind === "allocate") {
      const isTcp = step.place === 4;
      const ticket: TestAttribute[] = step.isMobile ? [[turnAttribute.mobilityTicket, new Uint8Array()]] : [];
      this.phone(step.place, step.login).ask(turnMethod.allocate, [isTcp ? tcpRelay : udpRelay, ...ticket]);
    } else if (step.kind === "pass") rig.pass(step.seconds);
    else if (step.kind === "close") {
      if (places[step.place]!.transport !== "udp") rig.close(places[step.place]!);
    } else if (step.kind === "fail") rig.failures.push(step.failure);
    else if (step.kind === "wait") this.wait(step.isWaiting);
    else if (step.kind === "reload")
      rig.reload(
        step.isStrict ? { denyPeers: [{ words: [0, 0, 0xffff, 0xc0000214], prefixBits: 128 }] } : {},
      );
    else this.takeMore(step);
    this.check();
  }

  takeMore(step: Step): void {
    const { rig } = this;
    if (step.kind === "data") {
      rig.fromClient(places[step.place]!, channelData(step.channel, "x"));
      rig.fromClient(places[step.place]!, sendIndication(step.peer, "x"));
      for (const relay of rig.openRelays()) rig.fromPeer(relay, step.peer, "x");
    } else if (step.kind === "dialled") {
      const [connection] = [...rig.connections.keys()] as ConnectionId[];
      if (connection === undefined) return;
      if (step.isThere) rig.apply(rig.server.handleConnected(rig.now, connection));
      else {
        rig.connections.delete(connection);
        rig.apply(rig.server.handleConnectionClosed(rig.now, connection));
      }
    } else if (step.kind === "knock") {
      for (const [relay, { isOpen }] of rig.relays) {
        if (!isOpen) continue;
        const { connection, actions } = rig.server.handlePeerConnection(rig.now, relay, at(step.peer));
        if (connection !== undefined) rig.connections.set(connection, at(step.peer));
        rig.apply(actions);
      }
    }
  }

  wait(isWaiting: boolean): void {
    this.rig.opensAtOnce = !isWaiting;
    if (!isWaiting) this.rig.openAll();
  }

  /** What is open is somebody's, and what both sides count is the same. */
  check(): void {
    const { rig } = this;
    const { allocations, opening, reservations, permissions, channels, connections } = rig.server.snapshot();
    assert.ok(allocations + opening <= 8);
    assert.equal(rig.data.sizes.permissions, permissions);
    assert.ok(rig.data.sizes.channels <= channels);
    assert.equal(rig.data.sizes.allocations, allocations);
    assert.equal(rig.connections.size, connections);
    const views = [...rig.server.views()];
    const relayed = views.reduce((sum, view) => sum + view.relayed.length, 0);
    if (opening === 0) assert.equal(rig.openRelays().length, relayed + reservations);
    assert.equal(
      rig.data.sizes.permissions,
      views.reduce((sum, view) => sum + view.permissions.length, 0),
    );
    assert.equal(
      rig.data.sizes.channels,
      views.reduce((sum, view) => sum + view.channels.length, 0),
    );
  }

  /** In the end nothing is left. */
  end(): void {
    const { rig } = this;
    rig.failures = [];
    this.wait(false);
    rig.pass(5_000);
    const { counts: _, replies: __, ...left } = rig.server.snapshot();
    for (const [name, count] of Object.entries(left)) assert.equal(count, 0, name);
    assert.equal(rig.openRelays().length, 0);
    assert.deepEqual(rig.data.sizes, { allocations: 0, permissions: 0, channels: 0 });
    assert.equal(rig.server.nextDeadlineMs(), undefined);
    assert.equal(rig.actionsOf("attach").length, rig.actionsOf("detach").length);
  }
}

/** Twenty times the cases take their time. */
const atNight = { timeoutMs: 600_000 };

suite("turn: histories", (test) => {
  test(
    "no socket, port, permission or connection is lost or closed twice",
    () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
          const history = new History();
          for (const each of steps) history.take(each);
          history.end();
        }),
        { numRuns: fuzzRuns(250) },
      );
    },
    atNight,
  );
});

/** Good messages with some bytes changed, cut or doubled. */
const spoilt = fc.record({
  base: fc.nat(5),
  changes: fc.array(fc.record({ at: fc.nat(200), value: fc.nat(255) }), { maxLength: 6 }),
  cut: fc.option(fc.nat(200)),
});

suite("turn: hostile bytes", (test) => {
  test(
    "requests, sealed or not, never throw, and answers are well formed",
    () => {
      const rig = new TurnRig({ challengesPerSec: 0 });
      const phone = new Phone(rig, places[0]!);
      phone.allocate();
      const bases = [
        turnMethod.allocate,
        turnMethod.refresh,
        turnMethod.createPermission,
        turnMethod.channelBind,
        turnMethod.connect,
      ].map((method) =>
        phone.encode(
          method,
          [udpRelay, lifetime(600), peerAttribute(peers[0]!), channelAttribute(0x4000)],
          nextTransaction(),
        ),
      );
      bases.push(bindingRequest([0x7001, Uint8Array.of(1, 2, 3)]));
      fc.assert(
        fc.property(fc.oneof(spoilt, fc.uint8Array({ maxLength: 100 })), (input) => {
          const bytes = input instanceof Uint8Array ? input : spoil(bases[input.base]!, input);
          const answer = rig.send(places[1]!, bytes);
          if (answer !== undefined) assert.ok(["success", "error"].includes(answer.message.class));
          assert.ok(rig.fromClient(places[0]!, bytes).verdict >= 0);
        }),
        { numRuns: fuzzRuns(3_000) },
      );
      assert.equal(rig.server.snapshot().allocations, 1);
    },
    atNight,
  );

  test(
    "attributes of any kind from a proven client",
    () => {
      fc.assert(
        fc.property(
          fc.constantFrom(...Object.values(turnMethod)),
          fc.array(attribute, { maxLength: 8 }),
          (method, attributes) => {
            const rig = new TurnRig();
            new Phone(rig, places[3]!).ask(turnMethod.allocate, [udpRelay]);
            new Phone(rig, places[3]!).ask(method, attributes);
            rig.pass(5_000);
            assert.equal(rig.openRelays().length, 0);
          },
        ),
        { numRuns: fuzzRuns(500) },
      );
    },
    atNight,
  );

  test(
    "the data path reads a Send as the codec does",
    () => {
      const facts = new DataFacts();
      fc.assert(
        fc.property(spoilt, fc.uint8Array({ maxLength: 30 }), (change, payload) => {
          const good = sendIndication(peers[change.base % 4]!, Buffer.from(payload).toString("latin1"), [
            turnAttribute.dontFragment,
            new Uint8Array(),
          ]);
          const bytes = spoil(good, change);
          const arena = new Uint8Array(bytes.length + 40).fill(0xee);
          arena.set(bytes, 20);
          const isRead = readSend(arena, 20, bytes.length, facts);
          if (change.changes.length === 0 && change.cut === null) assert.ok(isRead);
          const message = parseStun(bytes);
          // Our reader does not look behind an integrity or at a fingerprint: Send has neither.
          const isPlain = message?.attributes.every(({ type }) => ![8, 0x1c, 0x8028].includes(type)) ?? false;
          if (!isRead || message === undefined || !isPlain) return;
          const data = attributeOf(message, turnAttribute.data);
          assert.equal(facts.offset, 20 + (data!.byteOffset - bytes.byteOffset));
          assert.equal(facts.sizeBytes, data!.length);
          assert.ok(facts.offset + facts.sizeBytes <= 20 + bytes.length);
        }),
        { numRuns: fuzzRuns(2_000) },
      );
    },
    atNight,
  );

  test(
    "every packet is carried or refused by name, and what goes out lies inside what came in",
    () => {
      const rig = new TurnRig();
      const phone = new Phone(rig, places[0]!);
      phone.allocate();
      phone.bind(0x4000, peers[0]!);
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, isChannel) => {
          const packet = isChannel ? Uint8Array.from([0x40, 0, 0, ...bytes]) : bytes;
          const { verdict } = rig.fromClient(places[0]!, packet);
          assert.ok(Object.values(dataVerdict).includes(verdict as never));
          const { offset, sizeBytes } = rig.data.facts;
          if (verdict === dataVerdict.toPeer)
            assert.ok(offset >= 128 && offset + sizeBytes <= 128 + packet.length);
        }),
        { numRuns: fuzzRuns(2_000) },
      );
    },
    atNight,
  );
});

function spoil(
  bytes: Uint8Array,
  { changes, cut }: { changes: readonly { at: number; value: number }[]; cut: number | null },
): Uint8Array {
  const spoilt = bytes.slice(0, cut === null ? bytes.length : Math.min(cut, bytes.length));
  for (const { at, value } of changes) if (at < spoilt.length) spoilt[at] = value;
  return spoilt;
}

suite("turn: floods", (test) => {
  test("requests without credentials leave nothing behind", () => {
    const rig = new TurnRig();
    const bytes = new StunBuilder("request", turnMethod.allocate, nextTransaction())
      .add(turnAttribute.requestedTransport, Uint8Array.of(17, 0, 0, 0))
      .build();
    const flood = (count: number): void => {
      for (let index = 0; index < count; index++) {
        const client = udpClient(
          `192.${index >>> 16}.${(index >>> 8) & 255}.${index & 255}:${1 + (index % 60_000)}`,
        );
        rig.server.handleMessage(rig.moment, client, bytes);
      }
    };
    flood(20_000);
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    flood(60_000);
    globalThis.gc?.();
    const grown = process.memoryUsage().heapUsed - before;
    assert.ok(grown < 1_000_000, `${grown} bytes`);
    assert.deepEqual([rig.server.snapshot().allocations, rig.server.snapshot().replies], [0, 0]);
  });

  test("allocations made and given back leave their replies, and those have an end", () => {
    const rig = new TurnRig({ challengesPerSec: 0 });
    for (let index = 0; index < 500; index++) {
      const phone = new Phone(rig, udpClient(`192.0.2.9:${1_000 + index}`));
      phone.allocate();
      phone.refresh(lifetime(0));
    }
    assert.equal(rig.server.snapshot().replies, 1_000);
    const cache = new ReplyCache();
    const client = udpClient("192.0.2.9:1");
    for (let index = 0; index < turnRepliesMax + 100; index++) {
      const transactionId = nextTransaction();
      cache.keep(
        rig.now,
        { client, clientKey: clientKeyOf(client), method: 3, transactionId, hasFingerprint: false },
        new Uint8Array(1),
      );
    }
    assert.equal(cache.size, turnRepliesMax);
  });

  test("names that prove nothing are not remembered", () => {
    const rig = new TurnRig({ users: [], secrets: ["first", "second"], challengesPerSec: 0 });
    const challenge = rig.send(
      places[0]!,
      new StunBuilder("request", turnMethod.refresh, nextTransaction()).build(),
    )!;
    const nonce = readText(attributeOf(challenge.message, 0x15)!);
    const until = Math.floor(rig.moment.unixMs / 1_000) + 1_000;
    for (let index = 0; index < 1_000; index++) {
      const bytes = new StunBuilder("request", turnMethod.refresh, nextTransaction())
        .add(6, encodeText(`${until}:${index}`))
        .add(0x14, encodeText("example.org"))
        .add(0x15, encodeText(nonce))
        .add(turnAttribute.lifetime, encodeNumber(1))
        .addIntegrity(digests, encodeText("guess"), "sha1")
        .build();
      assert.equal(
        readText(attributeOf(rig.send(places[0]!, bytes)!.message, 9)!.subarray(4)),
        "Unauthenticated",
      );
    }
  });
});
