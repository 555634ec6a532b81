/** The OpenSSL engine without a network: peers without their key, forged and mangled datagrams, memory. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { systemClock } from "../../src/io/clock.ts";
import { openDtlsEngine } from "../../src/io/linux/dtls-openssl.ts";
import type { DtlsAction } from "../../src/srtp/dtls/association.ts";
import type { DtlsConnection } from "../../src/srtp/dtls/engine.ts";
import { fuzzRuns } from "../support/fuzz-runs.ts";
import { suite } from "../support/suite.ts";
import { handshakeRecord } from "../unit/srtp/dtls-fake-engine.ts";
import { at, carry, House, kinds, type Party, party, place, sent } from "../unit/srtp/dtls-rig.ts";

const { engine, faults } = openDtlsEngine();
assert(engine !== undefined, faults.join("; "));
const here = new House(engine);
const there = new House(engine);

const phone = "192.0.2.7:4000";
const relay = "198.51.100.1:30000";
const messageType = { certificate: 11, certificateVerify: 15 } as const;

function pair(): readonly [client: Party, server: Party] {
  const client = party(there.associate("client", [here.fingerprint()]), phone);
  return [client, party(here.associate("server", [there.fingerprint()]), relay)];
}

function closeAll(parties: readonly Party[]): void {
  for (const { association } of parties) association.close();
}

/** Splits a datagram into its records. */
function records(datagram: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let offset = 0; offset + 13 <= datagram.length; ) {
    const end = offset + 13 + ((datagram[offset + 11]! << 8) | datagram[offset + 12]!);
    parts.push(datagram.subarray(offset, end));
    offset = end;
  }
  return parts;
}

/** The body of the handshake message a record holds whole. */
const bodyOf = (record: Uint8Array): Uint8Array => record.subarray(25);
const isMessage = (record: Uint8Array, type: number): boolean =>
  record[0] === 22 && record[4] === 0 && record[13] === type;

/** The record with another body in its handshake message. */
function withBody(record: Uint8Array, body: Uint8Array): Buffer {
  const view = Buffer.from(record);
  return handshakeRecord({
    type: view[13]!,
    body,
    messageSeq: view.readUInt16BE(17),
    recordSequence: view.readUIntBE(5, 6),
  });
}

/** The same party, with each datagram it sends replaced by what `edit` makes of it. */
function editing(original: Party, edit: (datagram: Uint8Array) => readonly Uint8Array[]): Party {
  const { association } = original;
  const edited = (actions: readonly DtlsAction[]): readonly DtlsAction[] =>
    actions.flatMap((action): readonly DtlsAction[] =>
      action.kind === "send" ? edit(action.bytes).map((bytes) => ({ ...action, bytes })) : [action],
    );
  return {
    ...original,
    association: {
      aim: (...args) => edited(association.aim(...args)),
      handlePacket: (...args) => edited(association.handlePacket(...args)),
      handleTimeout: (...args) => edited(association.handleTimeout(...args)),
      nextDeadlineMs: () => association.nextDeadlineMs(),
      close: () => association.close(),
    },
  };
}

/** Changes each record of a datagram, or takes it out. */
function byRecord(
  edit: (record: Uint8Array) => readonly Uint8Array[],
): (datagram: Uint8Array) => Uint8Array[] {
  return (datagram) => [Buffer.concat(records(datagram).flatMap(edit))];
}

/** The client begins, and all that follows is carried. */
function run(parties: readonly [client: Party, server: Party], isVouched = true): void {
  const [client, server] = parties;
  carry(0, parties, { from: client, actions: client.association.aim(at(0), server.place) }, { isVouched });
}

suite("dtls without the private key", (test) => {
  for (const role of ["client", "server"] as const) {
    test(`a ${role} that shows the right certificate and signs with its own key`, () => {
      // First the true one, whose Certificate message is there for everybody to read.
      let stolen: Uint8Array | undefined;
      const copy = byRecord((record) => {
        if (isMessage(record, messageType.certificate)) stolen = bodyOf(record).slice();
        return [record];
      });
      const [client, server] = pair();
      run(role === "client" ? [editing(client, copy), server] : [client, editing(server, copy)]);
      assert.deepEqual([kinds(client.told), kinds(server.told)], [["connected"], ["connected"]]);
      const body = stolen;
      assert(body !== undefined);

      const thief = new House(engine, 5);
      const show = byRecord((record) => [
        isMessage(record, messageType.certificate) ? withBody(record, body) : record,
      ]);
      const [victimClient, victimServer] = pair();
      if (role === "client") {
        const attacker = party(thief.associate("client", [here.fingerprint()]), phone);
        run([editing(attacker, show), victimServer]);
        assert.deepEqual(kinds(victimServer.told), ["failed handshake"]);
        closeAll([attacker]);
      } else {
        const attacker = party(thief.associate("server", [there.fingerprint()]), relay);
        run([victimClient, editing(attacker, show)]);
        assert.deepEqual(kinds(victimClient.told), ["failed handshake"]);
        closeAll([attacker]);
      }
      closeAll([client, server, victimClient, victimServer]);
      thief.certificates.close();
    });
  }

  test("a client whose CertificateVerify is changed in one bit, or left out", () => {
    for (const change of ["bit", "none"]) {
      const [client, server] = pair();
      const spoil = byRecord((record) => {
        if (!isMessage(record, messageType.certificateVerify)) return [record];
        if (change === "none") return [];
        const body = bodyOf(record).slice();
        body[body.length - 1]! ^= 1;
        return [withBody(record, body)];
      });
      run([editing(client, spoil), server]);
      assert(!kinds(server.told).includes("connected"));
      assert(!kinds(client.told).includes("connected"));
      closeAll([client, server]);
    }
  });
});

suite("dtls engine", (test) => {
  test("a ClientHello in two datagrams, in either order from a vouched source, first one first from a stranger", () => {
    for (const [isVouched, isReversed] of [
      [true, false],
      [true, true],
      [false, false],
    ] as const) {
      const [client, server] = pair();
      const split = (datagram: Uint8Array): Uint8Array[] => {
        if (datagram[13] !== 1) return [datagram];
        const record = Buffer.from(datagram);
        const body = bodyOf(record);
        const common = { type: 1, messageSeq: record.readUInt16BE(17), messageBytes: body.length };
        const recordSequence = record.readUIntBE(5, 6);
        const first = handshakeRecord({ ...common, body: body.subarray(0, 80), recordSequence });
        const second = handshakeRecord({
          ...common,
          body: body.subarray(80),
          recordSequence: recordSequence + 20,
          fragmentOffset: 80,
        });
        return isReversed ? [second, first] : [first, second];
      };
      run([editing(client, split), server], isVouched);
      assert.deepEqual(kinds(server.told), ["connected"]);
      assert.deepEqual(kinds(client.told), ["connected"]);
      closeAll([client, server]);
    }
  });

  test("a lost flight is sent again by OpenSSL's own timer, with new record numbers", async () => {
    const [client, server] = pair();
    let nowMs = systemClock.monotonicMs();
    const [lost] = sent(client.association.aim(nowMs, server.place));
    const deadline = client.association.nextDeadlineMs()!;
    assert(deadline - nowMs > 350 && deadline - nowMs <= 400, `${deadline - nowMs}`);
    await new Promise((resolve) => setTimeout(resolve, deadline - nowMs + 5));
    nowMs = systemClock.monotonicMs();
    const again = client.association.handleTimeout(nowMs);
    const [second] = sent(again);
    assert.deepEqual(Buffer.from(bodyOf(second!)), Buffer.from(bodyOf(lost!)));
    assert.equal(second![10], lost![10]! + 1);
    const next = client.association.nextDeadlineMs()! - nowMs;
    assert(next > 750 && next <= 800, `${next}`);
    carry(nowMs, [client, server], { from: client, actions: again }, { isVouched: true });
    assert.deepEqual(kinds(server.told), ["connected"]);
    closeAll([client, server]);
  });

  test("a client that missed the last flight gets it when it asks again", async () => {
    const [client, server] = pair();
    let isCut = true;
    // The server's last flight begins with ChangeCipherSpec.
    const passes = (bytes: Uint8Array): boolean => !(isCut && bytes[0] === 20);
    const first = client.association.aim(systemClock.monotonicMs(), server.place);
    carry(
      systemClock.monotonicMs(),
      [client, server],
      { from: client, actions: first },
      { isVouched: true, passes },
    );
    assert.deepEqual([kinds(server.told), kinds(client.told)], [["connected"], []]);
    isCut = false;
    await new Promise((resolve) => setTimeout(resolve, 405));
    const nowMs = systemClock.monotonicMs();
    const again = client.association.handleTimeout(nowMs);
    carry(nowMs, [client, server], { from: client, actions: again }, { isVouched: true, passes });
    assert.deepEqual([kinds(server.told), kinds(client.told)], [["connected"], ["connected"]]);
    closeAll([client, server]);
  });

  test("no datagram is longer than 1,200 bytes", () => {
    const [client, server] = pair();
    const sizes: number[] = [];
    const passes = (bytes: Uint8Array): boolean => sizes.push(bytes.length) > 0;
    const actions = client.association.aim(at(0), server.place);
    carry(0, [client, server], { from: client, actions }, { isVouched: true, passes });
    assert(sizes.length >= 4 && Math.max(...sizes) <= 1_200, sizes.join());
    closeAll([client, server]);
  });

  test("datagrams twice, data and farewells after the handshake harm nothing", () => {
    const [client, server] = pair();
    const seen: Uint8Array[] = [];
    const passes = (bytes: Uint8Array): boolean => seen.push(bytes) > 0;
    const actions = client.association.aim(at(0), server.place);
    carry(0, [client, server], { from: client, actions }, { isVouched: true, passes });
    const data = Buffer.from(`17fefd0001000000000009${"0028"}${"5a".repeat(40)}`, "hex");
    for (const bytes of [...seen, data, ...seen]) {
      const answers = server.association.handlePacket(at(10), client.place, bytes, true);
      assert(answers.every(({ kind }) => kind === "send"));
    }
    assert.deepEqual(kinds(server.told), ["connected"]);
    closeAll([client, server]);
  });

  test("mangled datagrams at any step: no key, no harm", () => {
    const edit = fc.record({
      step: fc.nat(5),
      offset: fc.nat(1_200),
      mask: fc.integer({ min: 1, max: 255 }),
      cut: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        const [client, server] = pair();
        let step = 0;
        const mangle = (datagram: Uint8Array): Uint8Array[] => {
          const bytes = datagram.slice();
          for (const { offset, mask, cut, step: when } of edits) {
            if (when !== step) continue;
            const where = offset % bytes.length;
            if (cut) return [bytes.subarray(0, where)];
            bytes[where]! ^= mask;
          }
          step++;
          return [bytes];
        };
        run([editing(client, mangle), editing(server, mangle)]);
        // What got through unharmed agrees; what did not is no connection with other keys.
        const [ours, theirs] = [server.told[0], client.told[0]];
        if (ours?.kind === "connected" && theirs?.kind === "connected")
          assert.deepEqual(ours.receive, theirs.send);
        closeAll([client, server]);
      }),
      { numRuns: fuzzRuns(300) },
    );
  });

  test("records made up at random reach OpenSSL and do no harm", () => {
    const record = fc
      .record({
        type: fc.constantFrom(20, 21, 22, 23),
        epoch: fc.constantFrom(0, 0, 0, 1),
        body: fc.uint8Array({ minLength: 1, maxLength: 60 }),
        kind: fc.constantFrom(1, 2, 3, 11, 12, 14, 15, 16, 20),
      })
      .map(({ type, epoch, body, kind }) => {
        const bytes = handshakeRecord({ type: kind, body, epoch });
        bytes[0] = type;
        return bytes;
      });
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 6 }),
        fc.constantFrom("client", "server"),
        (made, role) => {
          const target = here.associate(role, [there.fingerprint()]);
          target.aim(at(0), place(phone));
          if (role === "server") {
            const probe = there.associate("client", [here.fingerprint()]);
            const [hello] = sent(probe.aim(at(0), place(relay)));
            target.handlePacket(at(0), place(phone), hello!, true);
            probe.close();
          }
          for (const bytes of made) target.handlePacket(at(0), place(phone), bytes, true);
          target.handlePacket(at(0), place(phone), Buffer.concat(made), true);
          target.close();
        },
      ),
      { numRuns: fuzzRuns(300) },
    );
  });

  test("what is begun and dropped half way leaves no memory behind", () => {
    const certificate = engine.createCertificate();
    const dropHalfWay = (count: number): void => {
      for (let index = 0; index < count; index++) {
        const open = (role: "client" | "server"): DtlsConnection =>
          engine.open({ role, certificate, hasCookie: false, accepts: () => true });
        const [client, server] = [open("client"), open("server")];
        const [hello] = client.start().datagrams;
        const flight = server.receive(hello!).datagrams;
        if (index % 2 === 0) for (const bytes of flight) client.receive(bytes);
        client.close();
        server.close();
      }
    };
    dropHalfWay(200);
    const beforeBytes = process.memoryUsage.rss();
    const count = fuzzRuns(500);
    dropHalfWay(count);
    const grownBytes = process.memoryUsage.rss() - beforeBytes;
    // A connection has tens of kilobytes; lost ones would show. The process itself may grow by some megabytes.
    assert(grownBytes < 8_000_000 + count * 2_000, `${grownBytes} bytes for ${count}`);
    certificate.close();
  });
});
