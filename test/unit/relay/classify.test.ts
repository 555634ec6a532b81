import assert from "node:assert/strict";
import fc from "fast-check";
import { packetKind } from "../../../src/handover/contract.ts";
import { classifyDataLeg, classifyRtpLeg, malformedKind } from "../../../src/relay/classify.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

suite("relay classify", (test) => {
  const table: readonly [string, string, number][] = [
    ["nothing", "", packetKind.keepalive],
    ["CRLF", "0d0a", packetKind.keepalive],
    ["CRLF twice", "0d0a0d0a", packetKind.keepalive],
    ["one zero byte", "00", packetKind.keepalive],
    ["four zero bytes", "00000000", packetKind.keepalive],
    ["five zero bytes", "0000000000", malformedKind],
    ["text", "68656c6c6f", malformedKind],
    ["one byte of it", "68", malformedKind],
    ["RTP", "800000010000000000000001", packetKind.rtp],
    ["RTP with marker", "808000010000000000000001", packetKind.rtp],
    ["RFC 5761: second byte 191 is RTP", "80bf00010000000000000001", packetKind.rtp],
    ["RFC 5761: second byte 192 is RTCP", "80c0000100000001", packetKind.rtcp],
    ["RFC 5761: second byte 223 is RTCP", "80df000100000001", packetKind.rtcp],
    ["RFC 5761: second byte 224 is RTP", "80e000010000000000000001", packetKind.rtp],
    ["RTCP longer than its datagram", "80c8000900000001", malformedKind],
    ["RTP cut", "8000000100000000000000", malformedKind],
    ["STUN binding request", "000100002112a442000000000000000000000000", packetKind.stun],
    ["STUN with attributes missing", "000100042112a442000000000000000000000000", malformedKind],
    ["STUN of RFC 3489, no cookie", "000100000000000000000000000000000000000000", malformedKind],
    ["DTLS handshake", "16fefd0000000000000000000000", packetKind.dtls],
    ["DTLS cut", "16fefd00000000000000", malformedKind],
    ["RFC 6189: ZRTP", `100000015a52545000000007${"00".repeat(16)}`, packetKind.data],
    ["ZRTP cut", `100000015a52545000000007${"00".repeat(15)}`, malformedKind],
    ["ZRTP without its cookie", `100000015a52545100000007${"00".repeat(16)}`, malformedKind],
    ["RFC 7983: TURN channel", "40000004010203040000", malformedKind],
    ["RFC 7983: 192 and above", "c00000010000000000000001", malformedKind],
  ];
  for (const [name, text, expected] of table) {
    test(`RTP leg: ${name}`, () => {
      const bytes = Buffer.from(`ffff${text}ffff`, "hex");
      assert.equal(classifyRtpLeg(bytes, 2, bytes.length - 4), expected);
    });
  }

  test("a leg without RTP carries anything but keepalives", () => {
    assert.equal(classifyDataLeg(Buffer.from("0d0a", "hex"), 0, 2), packetKind.keepalive);
    assert.equal(classifyDataLeg(Buffer.from("800000010000000000000001", "hex"), 0, 12), packetKind.data);
  });

  test("any bytes have a kind", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const kind = classifyRtpLeg(bytes, 0, bytes.length);
        assert.ok(kind >= malformedKind && kind <= packetKind.data);
      }),
      { numRuns: fuzzRuns(5_000) },
    );
  });
});
