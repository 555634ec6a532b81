import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeHelloVerifyRequest, readDatagram } from "../../../src/srtp/dtls/datagram.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { clientHello, clientHelloBody, handshakeRecord } from "./dtls-fake-engine.ts";

function record(type: number, epoch: number, body: Uint8Array): Buffer {
  const header = Buffer.alloc(13);
  header[0] = type;
  header.writeUInt16BE(0xfefd, 1);
  header.writeUInt16BE(epoch, 3);
  header.writeUInt16BE(body.length, 11);
  return Buffer.concat([header, body]);
}

const clearAlert = record(21, 0, Buffer.from([2, 40]));
const sealedAlert = record(21, 1, Buffer.alloc(26));
const data = record(23, 1, Buffer.alloc(40));

suite("dtls datagram", (test) => {
  test("a ClientHello is read as far as its cookie", () => {
    const { hello } = readDatagram(clientHello(7))!;
    assert.equal(hello?.messageSeq, 0);
    assert.deepEqual([...hello!.recordSequence], [0, 0, 0, 0, 0, 0]);
    assert.deepEqual(Buffer.from(hello!.facts!.identity), clientHelloBody(7).subarray(0, 35));
    assert.equal(hello!.facts!.cookie.length, 0);
    const second = readDatagram(clientHello(7, Buffer.from("cookie")))!.hello!;
    assert.equal(second.messageSeq, 1);
    assert.equal(Buffer.from(second.facts!.cookie).toString(), "cookie");
  });

  test("the first fragment tells as much, a later one nothing", () => {
    const body = clientHelloBody(9);
    const first = handshakeRecord({ type: 1, body: body.subarray(0, 36), messageBytes: body.length });
    assert.equal(readDatagram(first)!.hello!.facts?.cookie.length, 0);
    const rest = { type: 1, body: body.subarray(36), messageBytes: body.length, fragmentOffset: 36 };
    const later = readDatagram(handshakeRecord(rest))!.hello;
    assert.notEqual(later, undefined);
    assert.equal(later!.facts, undefined);
  });

  test("facts that do not fit into their fragment are no facts", () => {
    const body = clientHelloBody(9, Buffer.alloc(20));
    for (let size = 0; size < body.length; size++) {
      const { hello } = readDatagram(handshakeRecord({ type: 1, body: body.subarray(0, size) }))!;
      assert.equal(hello?.facts !== undefined, size >= 56, `${size}`);
    }
    const longId = clientHelloBody(9);
    longId[34] = 33;
    assert.equal(readDatagram(handshakeRecord({ type: 1, body: longId }))!.hello?.facts, undefined);
    // A fragment that says to be shorter than its record is.
    const short = clientHello(9);
    short.writeUIntBE(20, 22, 3);
    assert.equal(readDatagram(short)!.hello?.facts, undefined);
  });

  test("alerts in clear and data are taken out, the rest stays in its order", () => {
    const finished = handshakeRecord({ type: 20, body: Buffer.alloc(24), epoch: 1 });
    const changeCipher = record(20, 0, Buffer.from([1]));
    const datagram = readDatagram(Buffer.concat([clearAlert, changeCipher, finished, data, sealedAlert]))!;
    assert.deepEqual(Buffer.from(datagram.records), Buffer.concat([changeCipher, finished, sealedAlert]));
    assert.equal(datagram.encryptedCount, 2);
    assert.equal(datagram.hasClearAlert, true);
    assert.equal(datagram.hello, undefined);
    assert.equal(readDatagram(data), undefined);
    assert.equal(readDatagram(clearAlert)!.records.length, 0);
    // Not copied where nothing goes.
    assert.equal(readDatagram(finished)!.records, finished);
  });

  test("what follows a malformed record is left out", () => {
    const hello = clientHello(1);
    const cut = Buffer.concat([hello, hello.subarray(0, 20)]);
    assert.deepEqual(Buffer.from(readDatagram(cut)!.records), hello);
    for (const bad of [
      Buffer.alloc(0),
      Buffer.alloc(13),
      hello.subarray(0, 40),
      record(22, 0, Buffer.alloc(0)),
    ]) {
      assert.equal(readDatagram(bad), undefined);
    }
    // TLS over TCP, and an epoch that no handshake of ours reaches.
    const tls = Buffer.from(hello);
    tls[1] = 3;
    assert.equal(readDatagram(tls), undefined);
    assert.equal(readDatagram(handshakeRecord({ type: 20, body: Buffer.alloc(24), epoch: 2 })), undefined);
  });

  test("a server's first answer is told from later messages", () => {
    const of = (type: number): boolean =>
      readDatagram(handshakeRecord({ type, body: Buffer.alloc(8) }))!.isServerAnswer;
    assert.deepEqual([2, 3, 11, 1, 20].map(of), [true, true, false, false, false]);
  });

  test("HelloVerifyRequest, byte for byte", () => {
    const hello = handshakeRecord({ type: 1, body: clientHelloBody(3), messageSeq: 0, recordSequence: 5 });
    const bytes = encodeHelloVerifyRequest(readDatagram(hello)!.hello!, Buffer.from("abcd"));
    const expected = "16feff0000000000000005" + "0013" + "030000070000000000000007" + "feff04" + "61626364";
    assert.equal(Buffer.from(bytes).toString("hex"), expected);
  });

  test("any bytes are read without harm", () => {
    const bytes = fc.uint8Array({ maxLength: 120 });
    const edited = fc.tuple(fc.nat(80), fc.nat(255), fc.nat(90)).map(([offset, value, size]) => {
      const hello = clientHello(5, Buffer.alloc(20, 1));
      hello[offset % hello.length] = value;
      return hello.subarray(0, size);
    });
    fc.assert(
      fc.property(fc.oneof(bytes, edited), (input) => {
        const datagram = readDatagram(input);
        if (datagram === undefined) return;
        assert(datagram.records.length <= input.length);
        const facts = datagram.hello?.facts;
        if (facts !== undefined) assert(facts.identity.length >= 35 && facts.identity.length <= 67);
        if (datagram.hello !== undefined) {
          const answer = encodeHelloVerifyRequest(datagram.hello, new Uint8Array(20));
          // An answer larger than the question would make us an amplifier.
          if (facts !== undefined) assert(answer.length <= 13 + 12 + facts.identity.length + 1);
        }
      }),
      { numRuns: fuzzRuns(2_000) },
    );
  });
});
