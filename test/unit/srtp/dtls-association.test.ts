import assert from "node:assert/strict";
import fc from "fast-check";
import type { DtlsAction, DtlsAssociation } from "../../../src/srtp/dtls/association.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { Chance } from "../../support/simulation/chance.ts";
import { suite } from "../../support/suite.ts";
import {
  clientHello,
  clientHelloBody,
  cookieIn,
  FakeEngine,
  fakeTimerMs,
  handshakeRecord,
} from "./dtls-fake-engine.ts";
import { at, carry, House, kinds, type Party, party, place, sent } from "./dtls-rig.ts";

const phone = "192.0.2.7:4000";
const relay = "198.51.100.1:30000";

function serverRig(): {
  house: House;
  engine: FakeEngine;
  peer: House;
  peerEngine: FakeEngine;
  server: DtlsAssociation;
} {
  const engine = new FakeEngine(1);
  const peerEngine = new FakeEngine(101);
  const house = new House(engine);
  const peer = new House(peerEngine);
  return { house, engine, peer, peerEngine, server: house.associate("server", [peer.fingerprint()]) };
}

/** The message a fake client sends after the ServerHello, with the certificate of this number. */
const certificateOf = (number: number): Buffer => handshakeRecord({ type: 11, body: Buffer.of(number) });
const serverHelloOf = (number: number): Buffer => handshakeRecord({ type: 2, body: Buffer.of(number) });

/** Makes a stranger's way through the cookie; what the second ClientHello brought. */
function comeWithCookie(
  server: DtlsAssociation,
  nowMs: number,
  where: string,
  random: number,
): readonly string[] {
  const [answer] = sent(server.handlePacket(at(nowMs), place(where), clientHello(random), false));
  if (answer === undefined) return ["nothing"];
  const second = clientHello(random, cookieIn(answer));
  return kinds(server.handlePacket(at(nowMs), place(where), second, false));
}

suite("dtls server", (test) => {
  test("a vouched source is served at once and gets keys when its certificate is the one", () => {
    const { house, server, peer } = serverRig();
    const client = party(peer.associate("client", [house.fingerprint()]), phone);
    const us = party(server, relay);
    carry(
      0,
      [client, us],
      { from: client, actions: client.association.aim(at(0), us.place) },
      { isVouched: true },
    );
    const [mine] = us.told;
    const [theirs] = client.told;
    assert(mine?.kind === "connected" && theirs?.kind === "connected");
    assert.deepEqual(mine.source, client.place);
    assert.deepEqual(theirs.source, us.place);
    assert.deepEqual(mine.receive, theirs.send);
    assert.deepEqual(mine.send, theirs.receive);
    assert.equal(us.told.length + client.told.length, 2);
    assert.deepEqual(house.counts, {
      handshakes: 1,
      cookies: 0,
      ignored: 0,
      fragments: 0,
      limited: 0,
      failures: 0,
    });
  });

  test("keys come behind the last flight, so that no media can reach the peer before it", () => {
    const { house, server } = serverRig();
    server.handlePacket(at(0), place(phone), clientHello(101), true);
    const last = server.handlePacket(at(1), place(phone), certificateOf(101), true);
    assert.deepEqual(kinds(last), ["send", "connected"]);
    assert.equal(house.counts.failures, 0);
  });

  test("a wrong certificate gets nothing; the failure is told once and the right one may still come", () => {
    const { house, engine, server } = serverRig();
    for (let round = 0; round < 2; round++) {
      server.handlePacket(at(round), place(phone), clientHello(66), true);
      const end = server.handlePacket(at(round), place(phone), certificateOf(66), true);
      assert.deepEqual(kinds(end), round === 0 ? ["failed wrong-certificate"] : []);
    }
    assert.equal(engine.connections.length, 0);
    assert.equal(house.counts.failures, 2);
    server.handlePacket(at(5), place("192.0.2.8:9"), clientHello(101), true);
    assert.deepEqual(kinds(server.handlePacket(at(5), place("192.0.2.8:9"), certificateOf(101), true)), [
      "send",
      "connected",
    ]);
  });

  test("a stranger has to return a cookie before anything is kept; its failure is not told", () => {
    const { house, engine, server } = serverRig();
    const source = place("203.0.113.9:5");
    const first = server.handlePacket(at(0), source, clientHello(9), false);
    assert.deepEqual(kinds(first), ["send"]);
    assert.equal(sent(first)[0]![13], 3);
    assert.equal(engine.connections.length, 0);
    const forged = clientHello(9, new Uint8Array(20));
    assert.equal(sent(server.handlePacket(at(0), source, forged, false))[0]![13], 3);
    assert.equal(engine.connections.length, 0);
    const second = clientHello(9, cookieIn(sent(first)[0]!));
    // From another place the cookie is worth nothing.
    server.handlePacket(at(0), place("203.0.113.9:6"), second, false);
    assert.equal(engine.connections.length, 0);
    assert.equal(sent(server.handlePacket(at(0), source, second, false))[0]![13], 2);
    assert.equal(engine.connections.length, 1);
    assert.equal(engine.connections[0]!.options.hasCookie, true);
    assert.deepEqual(server.handlePacket(at(1), source, certificateOf(9), false), []);
    assert.equal(engine.connections.length, 0);
    assert.equal(house.counts.cookies, 3);
  });

  test("a stranger with the right certificate is the party after all", () => {
    const { server } = serverRig();
    const source = place("203.0.113.9:5");
    assert.deepEqual(comeWithCookie(server, 0, "203.0.113.9:5", 101), ["send"]);
    assert.deepEqual(kinds(server.handlePacket(at(1), source, certificateOf(101), false)), [
      "send",
      "connected",
    ]);
  });

  test("several at once: the first with the right certificate stays, the others go", () => {
    const { engine, server } = serverRig();
    comeWithCookie(server, 0, "203.0.113.9:5", 50);
    comeWithCookie(server, 0, "203.0.113.10:5", 51);
    server.handlePacket(at(0), place(phone), clientHello(101), true);
    assert.equal(engine.connections.length, 3);
    server.handlePacket(at(1), place(phone), certificateOf(101), true);
    assert.equal(engine.connections.length, 1);
    assert.deepEqual(server.handlePacket(at(2), place("203.0.113.9:5"), certificateOf(50), false), []);
  });

  test("at most 4 handshakes at once, 2 of one address; the party has room even so", () => {
    const { house, engine, server } = serverRig();
    comeWithCookie(server, 0, "203.0.113.9:1", 1);
    comeWithCookie(server, 0, "203.0.113.9:2", 2);
    assert.deepEqual(comeWithCookie(server, 0, "203.0.113.9:3", 3), []);
    comeWithCookie(server, 0, "203.0.113.10:1", 4);
    comeWithCookie(server, 0, "203.0.113.11:1", 5);
    assert.deepEqual(comeWithCookie(server, 0, "203.0.113.12:1", 6), []);
    assert.equal(engine.connections.length, 4);
    assert.equal(house.counts.limited, 2);
    // A vouched one takes the place of the stranger that has waited longest.
    assert.deepEqual(kinds(server.handlePacket(at(10), place(phone), clientHello(101), true)), ["send"]);
    assert.equal(engine.connections.length, 4);
    // A stranger that is quiet for 3 s makes room for another.
    assert.deepEqual(comeWithCookie(server, 2_999, "203.0.113.12:1", 7), []);
    assert.deepEqual(comeWithCookie(server, 3_000, "203.0.113.12:1", 8), ["send"]);
    assert.equal(engine.connections.length, 4);
    assert.deepEqual(kinds(server.handlePacket(at(3_001), place(phone), certificateOf(101), true)), [
      "send",
      "connected",
    ]);
  });

  test("a flood of vouched ClientHellos stays bounded too", () => {
    const { house, engine, server } = serverRig();
    for (let index = 0; index < 2_000; index++) {
      server.handlePacket(at(index), place(`192.0.2.7:${1 + index}`), clientHello(index & 255), true);
      assert(engine.connections.length <= 4);
    }
    assert.equal(house.counts.handshakes, 4);
    // Those that make no progress do not keep the party out.
    assert.deepEqual(kinds(server.handlePacket(at(3_100), place(phone), clientHello(101), true)), ["send"]);
    assert.equal(engine.connections.length, 4);
    assert.deepEqual(kinds(server.handlePacket(at(3_101), place(phone), certificateOf(101), true)), [
      "send",
      "connected",
    ]);
  });

  test("a stranger that ICE vouches for later on counts as vouched from then on", () => {
    const { server } = serverRig();
    comeWithCookie(server, 0, phone, 66);
    assert.deepEqual(kinds(server.handlePacket(at(1), place(phone), certificateOf(66), true)), [
      "failed wrong-certificate",
    ]);
  });

  test("a flood of strangers' ClientHellos gets few cookies and no state", () => {
    const { house, engine, server } = serverRig();
    for (let index = 0; index < 10_000; index++) {
      server.handlePacket(at(index / 10), place(`203.0.113.9:${1 + index}`), clientHello(index & 255), false);
    }
    assert.equal(engine.connections.length, 0);
    assert(house.counts.cookies >= 39 && house.counts.cookies <= 40, `${house.counts.cookies}`);
    assert.equal(house.counts.limited, 10_000 - house.counts.cookies);
  });

  test("who answers cookies begins handshakes at a bounded rate", () => {
    const { house, server } = serverRig();
    for (let second = 0; second < 100; second++) {
      for (let index = 0; index < 20; index++) {
        comeWithCookie(server, second * 1000 + index * 50, `203.0.${second}.${index}:7`, index);
      }
    }
    assert(house.counts.handshakes <= 8 + 2 * 100, `${house.counts.handshakes}`);
    assert(house.counts.handshakes >= 100, `${house.counts.handshakes}`);
  });

  test("strangers of all associations together begin handshakes at a bounded rate", () => {
    const { house, server } = serverRig();
    while (house.strangers.take(0, 0));
    assert.deepEqual(comeWithCookie(server, 0, "203.0.113.9:5", 9), []);
    assert.equal(house.counts.handshakes, 0);
    assert.equal(house.counts.limited, 1);
  });

  test("another ClientHello from a place with a handshake needs a cookie, and replaces it then", () => {
    const { engine, server } = serverRig();
    server.handlePacket(at(0), place(phone), clientHello(101), true);
    const [former] = engine.connections;
    // The same again is OpenSSL's affair.
    server.handlePacket(at(5), place(phone), clientHello(101), true);
    assert.deepEqual(engine.connections, [former]);
    const answer = sent(server.handlePacket(at(10), place(phone), clientHello(55), true))[0]!;
    assert.equal(answer[13], 3);
    assert.deepEqual(engine.connections, [former]);
    server.handlePacket(at(20), place(phone), clientHello(55, cookieIn(answer)), true);
    assert.equal(engine.connections.length, 1);
    assert.notEqual(engine.connections[0], former);
  });

  test("fragments of a ClientHello: the first decides, later ones of a stranger are dropped and counted", () => {
    const { house, engine, server } = serverRig();
    const body = clientHelloBody(101);
    const first = handshakeRecord({ type: 1, body: body.subarray(0, 40), messageBytes: body.length });
    const tail = { type: 1, body: body.subarray(40), messageBytes: body.length, fragmentOffset: 40 };
    const later = handshakeRecord(tail);
    assert.deepEqual(server.handlePacket(at(0), place("203.0.113.9:5"), later, false), []);
    assert.equal(house.counts.fragments, 1);
    assert.equal(sent(server.handlePacket(at(0), place("203.0.113.9:5"), first, false))[0]![13], 3);
    assert.equal(engine.connections.length, 0);
    // In whatever order a vouched source sends them, they come to one connection.
    server.handlePacket(at(0), place(phone), later, true);
    server.handlePacket(at(0), place(phone), first, true);
    server.handlePacket(at(0), place(phone), later, true);
    assert.equal(engine.connections.length, 1);
    // With a cookie's number but without a cookie in sight they are nobody's.
    server.handlePacket(at(0), place("192.0.2.7:1"), handshakeRecord({ ...tail, messageSeq: 1 }), true);
    assert.equal(engine.connections.length, 1);
    assert.equal(house.counts.fragments, 2);
  });

  test("alerts in clear end nothing, and no answer at all is a timeout", () => {
    const { server } = serverRig();
    server.handlePacket(at(0), place(phone), clientHello(101), true);
    const alert = Buffer.from("15fefd00000000000000010002" + "0228", "hex");
    assert.deepEqual(server.handlePacket(at(1), place(phone), alert, true), []);
    assert.equal(server.nextDeadlineMs(), fakeTimerMs);
    assert.deepEqual(kinds(server.handleTimeout(at(30_000))), ["failed handshake"]);
    const other = serverRig().server;
    other.handlePacket(at(0), place(phone), clientHello(101), true);
    assert.deepEqual(kinds(other.handleTimeout(at(29_999))).includes("failed timeout"), false);
    assert.deepEqual(kinds(other.handleTimeout(at(30_000))), ["failed timeout"]);
    assert.equal(other.nextDeadlineMs(), undefined);
  });

  test("a vouched peer may go on from another place", () => {
    const { server } = serverRig();
    server.handlePacket(at(0), place(phone), clientHello(101), true);
    assert.deepEqual(server.handlePacket(at(1), place("192.0.2.99:7"), certificateOf(101), false), []);
    const actions = server.handlePacket(at(1), place("192.0.2.8:7"), certificateOf(101), true);
    assert.deepEqual(kinds(actions), ["send", "connected"]);
    assert(actions[1]?.kind === "connected" && actions[1].source.ip === "192.0.2.8");
  });

  test("once connected: the last flight again on demand, a new ClientHello changes nothing, then all is freed", () => {
    const { house, engine, server } = serverRig();
    server.handlePacket(at(0), place(phone), clientHello(101), true);
    const last = sent(server.handlePacket(at(1), place(phone), certificateOf(101), true));
    assert.deepEqual(sent(server.handlePacket(at(500), place(phone), certificateOf(101), false)), last);
    assert.deepEqual(server.handlePacket(at(501), place("203.0.113.9:5"), certificateOf(101), false), []);
    assert.deepEqual(server.handlePacket(at(502), place(phone), clientHello(55), true), []);
    assert.deepEqual(server.handlePacket(at(503), place("192.0.2.8:1"), clientHello(55), true), []);
    assert.equal(engine.connections.length, 1);
    const deadline = server.nextDeadlineMs()!;
    assert.equal(deadline, 16_001);
    assert.deepEqual(server.handleTimeout(deadline), []);
    assert.equal(engine.connections.length, 0);
    assert.equal(server.nextDeadlineMs(), undefined);
    assert.deepEqual(server.handlePacket(at(70_000), place(phone), certificateOf(101), true), []);
    assert.equal(house.counts.failures, 0);
  });

  test("early records under keys are given on in a small number alone", () => {
    const { engine, server } = serverRig();
    server.handlePacket(at(0), place(phone), clientHello(101), true);
    let received = 0;
    const connection = engine.connections[0]!;
    const receive = connection.receive.bind(connection);
    connection.receive = (datagram) => {
      received++;
      return receive(datagram);
    };
    const sealed = handshakeRecord({ type: 20, body: Buffer.alloc(24), epoch: 1 });
    for (let index = 0; index < 100; index++) server.handlePacket(at(1), place(phone), sealed, true);
    assert.equal(received, 16);
  });

  test("close frees everything, and nothing is answered afterwards", () => {
    const { house, engine, server } = serverRig();
    server.handlePacket(at(0), place(phone), clientHello(101), true);
    comeWithCookie(server, 0, "203.0.113.9:5", 50);
    server.close();
    server.close();
    assert.equal(engine.connections.length, 0);
    assert.deepEqual(server.handlePacket(at(1), place(phone), clientHello(101), true), []);
    assert.deepEqual(server.handleTimeout(at(1)), []);
    assert.deepEqual(server.aim(at(1), place(phone)), []);
    assert.equal(server.nextDeadlineMs(), undefined);
    assert.equal(house.certificates.has(house.certificates.current()), true);
  });
});

function clientRig(): { house: House; engine: FakeEngine; client: DtlsAssociation } {
  const engine = new FakeEngine(1);
  const house = new House(engine);
  return { house, engine, client: house.associate("client", [new House(new FakeEngine(101)).fingerprint()]) };
}

const finished = handshakeRecord({ type: 20, body: Buffer.of(101), epoch: 1 });

suite("dtls client", (test) => {
  test("begins when it is aimed, and once", () => {
    const { client, engine } = clientRig();
    assert.equal(client.nextDeadlineMs(), undefined);
    assert.deepEqual(client.handlePacket(at(0), place(phone), serverHelloOf(101), true), []);
    const actions = client.aim(at(0), place(phone));
    assert.deepEqual(kinds(actions), ["send"]);
    assert.equal(sent(actions)[0]![13], 1);
    assert.deepEqual(client.aim(at(1), place(phone)), []);
    assert.equal(engine.connections.length, 1);
    assert.equal(client.nextDeadlineMs(), fakeTimerMs);
  });

  test("goes on elsewhere when aimed elsewhere, at once", () => {
    const { client } = clientRig();
    const first = client.aim(at(0), place(phone));
    const again = client.aim(at(10), place("192.0.2.8:7"));
    assert.deepEqual(sent(again), sent(first));
    assert(again[0]?.kind === "send" && again[0].to.ip === "192.0.2.8");
  });

  test("follows the ServerHello to another port of the same address, the first one alone", () => {
    const { client } = clientRig();
    client.aim(at(0), place(phone));
    assert.deepEqual(client.handlePacket(at(1), place("203.0.113.9:5"), serverHelloOf(101), false), []);
    assert.deepEqual(client.handlePacket(at(1), place("192.0.2.7:4444"), finished, false), []);
    const answer = client.handlePacket(at(2), place("192.0.2.7:4444"), serverHelloOf(101), false);
    assert(answer[0]?.kind === "send" && answer[0].to.port === 4444);
    assert.deepEqual(client.handlePacket(at(3), place("192.0.2.7:5555"), serverHelloOf(101), false), []);
    const end = client.handlePacket(at(4), place("192.0.2.7:4444"), finished, false);
    assert(end[0]?.kind === "connected" && end[0].source.port === 4444);
    assert.equal(client.nextDeadlineMs(), undefined);
    assert.deepEqual(client.aim(at(5), place(phone)), []);
  });

  test("a port that is followed and leads nowhere costs nothing, and is followed once", () => {
    const { client, house } = clientRig();
    client.aim(at(0), place(phone));
    const forged = place("192.0.2.7:4444");
    const again = client.handlePacket(at(2), forged, serverHelloOf(66), false);
    assert(again[0]?.kind === "send" && again[0].to.port === place(phone).port);
    assert.deepEqual(kinds(again), ["send"]);
    assert.equal(house.counts.failures, 1);
    assert.deepEqual(client.handlePacket(at(3), forged, serverHelloOf(66), false), []);
    assert.deepEqual(kinds(client.handlePacket(at(4), place(phone), serverHelloOf(101), true)), ["send"]);
    assert.deepEqual(kinds(client.handlePacket(at(5), place(phone), finished, true)), ["connected"]);
  });

  test("a port that is followed and falls silent is left after 3 s", () => {
    const { client, engine } = clientRig();
    client.aim(at(0), place(phone));
    client.handlePacket(at(2), place("192.0.2.7:4444"), serverHelloOf(101), false);
    let again: readonly DtlsAction[] = [];
    let nowMs = 2;
    while (nowMs < 3_002) {
      nowMs = client.nextDeadlineMs()!;
      engine.nowMs = nowMs;
      again = client.handleTimeout(at(nowMs));
    }
    assert.equal(nowMs, 3_002);
    assert(again[0]?.kind === "send" && again[0].to.port === place(phone).port);
  });

  test("a vouched source is heard wherever it is", () => {
    const { client } = clientRig();
    client.aim(at(0), place(phone));
    const answer = client.handlePacket(at(2), place("203.0.113.9:7"), serverHelloOf(101), true);
    assert(answer[0]?.kind === "send" && answer[0].to.ip === "203.0.113.9");
  });

  test("returns a server's cookie", () => {
    const { client } = clientRig();
    client.aim(at(0), place(phone));
    const request = Buffer.from(
      "16feff0000000000000000" + "0013" + "030000070000000000000007" + "feff0461626364",
      "hex",
    );
    const [again] = sent(client.handlePacket(at(1), place(phone), request, false));
    assert.equal(Buffer.from(again!.subarray(60, 65)).toString("latin1"), "\u0004abcd");
  });

  test("a wrong certificate ends the handshake; others begin 1, 2, 4 s after, half a minute at most", () => {
    const { client, engine, house } = clientRig();
    client.aim(at(0), place(phone));
    const end = client.handlePacket(at(10), place(phone), serverHelloOf(66), true);
    assert.deepEqual(kinds(end), ["failed wrong-certificate"]);
    assert.equal(engine.connections.length, 0);
    assert.deepEqual(client.aim(at(11), place(phone)), []);
    let nowMs = 10;
    for (const pauseMs of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      assert.equal(client.nextDeadlineMs(), nowMs + pauseMs);
      nowMs += pauseMs;
      assert.deepEqual(kinds(client.handleTimeout(at(nowMs))), ["send"]);
      assert.deepEqual(kinds(client.handlePacket(at(nowMs), place(phone), serverHelloOf(66), true)), []);
    }
    assert.equal(house.counts.failures, 8);
    // A new target is worth a try at once.
    assert.deepEqual(kinds(client.aim(at(nowMs + 20), place("192.0.2.8:7"))), ["send"]);
    client.handlePacket(at(nowMs + 30), place("192.0.2.8:7"), serverHelloOf(101), true);
    assert.deepEqual(kinds(client.handlePacket(at(nowMs + 40), place("192.0.2.8:7"), finished, true)), [
      "connected",
    ]);
  });

  test("without an answer it fails once, and goes on trying", () => {
    const { client, engine } = clientRig();
    client.aim(at(0), place(phone));
    const told: string[] = [];
    let nowMs = 0;
    for (let steps = 0; nowMs < 100_000; steps++) {
      assert(steps < 1_000);
      nowMs = client.nextDeadlineMs()!;
      engine.nowMs = nowMs;
      told.push(...kinds(client.handleTimeout(at(nowMs))).filter((kind) => kind !== "send"));
      assert.equal(engine.connections.length, 1);
    }
    assert.deepEqual(told, ["failed timeout"]);
  });
});

/** Both ends over a network that loses datagrams: the time it took, or undefined. */
function connectOverLoss(seed: number, share: number, isVouched: boolean): number | undefined {
  const { house, engine, peer, peerEngine, server } = serverRig();
  const client = party(peer.associate("client", [house.fingerprint()]), phone);
  const us = party(server, relay);
  const chance = new Chance(seed);
  const options = { isVouched, passes: () => !chance.happens(share) };
  const parties: readonly [Party, Party] = [client, us];
  carry(0, parties, { from: client, actions: client.association.aim(at(0), us.place) }, options);
  let nowMs = 0;
  while (us.told.length === 0 || client.told.length === 0) {
    const next = Math.min(
      ...parties.map(({ association }) => association.nextDeadlineMs() ?? Number.POSITIVE_INFINITY),
    );
    if (next >= 30_000) return undefined;
    nowMs = Math.max(next, nowMs + 1);
    engine.nowMs = nowMs;
    peerEngine.nowMs = nowMs;
    for (const from of parties)
      carry(nowMs, parties, { from, actions: from.association.handleTimeout(at(nowMs)) }, options);
  }
  assert.deepEqual([...kinds(us.told), ...kinds(client.told)], ["connected", "connected"]);
  return nowMs;
}

suite("dtls over a lossy network", (test) => {
  test("a lost datagram costs its retransmission", () => {
    assert.equal(connectOverLoss(1, 0, true), 0);
    assert.equal(connectOverLoss(1, 0, false), 0);
  });

  test("40 of 100 lost: both ends connect all the same", () => {
    fc.assert(
      fc.property(fc.nat(), fc.boolean(), (seed, isVouched) => {
        assert.notEqual(connectOverLoss(seed, 0.4, isVouched), undefined);
      }),
      { numRuns: fuzzRuns(200) },
    );
  });
});
