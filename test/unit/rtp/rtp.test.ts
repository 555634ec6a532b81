import assert from "node:assert/strict";
import fc from "fast-check";
import {
  firstReportBlock,
  isRtcpPacket,
  nextRtcpPacket,
  reportFractionLost,
  reportHighestSequence,
  reportJitter,
  reportPacketsLost,
  reportSsrc,
  rtcpPacketType,
  rtcpSenderSsrc,
} from "../../../src/rtp/rtcp.ts";
import { isRtpPacket, rtpPayloadType, rtpSequence, rtpSsrc, rtpTimestamp } from "../../../src/rtp/rtp.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));
}

suite("rtp views", (test) => {
  test("RFC 3550 5.1: fields of a header at an offset", () => {
    const bytes = hex("ffff 80 88 fffe 89abcdef 12345678 01");
    assert.equal(isRtpPacket(bytes, 2, 13), true);
    assert.equal(rtpPayloadType(bytes, 2), 8);
    assert.equal(rtpSequence(bytes, 2), 65_534);
    assert.equal(rtpTimestamp(bytes, 2) >>> 0, 0x89abcdef);
    assert.equal(rtpSsrc(bytes, 2), 0x12345678);
  });

  test("RFC 3550 A.1: version, CSRCs and extension have to fit", () => {
    const header = "0001 00000000 00000001";
    const table: readonly [string, string, boolean][] = [
      ["bare header", `80 00 ${header}`, true],
      ["eleven bytes", `80 00 ${header}`.slice(0, -2), false],
      ["version 1", `40 00 ${header}`, false],
      ["version 3", `c0 00 ${header}`, false],
      ["one CSRC", `81 00 ${header} 00000002`, true],
      ["a CSRC missing", `82 00 ${header} 00000002`, false],
      ["empty extension", `90 00 ${header} bede 0000`, true],
      ["extension of one word", `90 00 ${header} bede 0001 00000000`, true],
      ["extension longer than the packet", `90 00 ${header} bede 0002 00000000`, false],
      ["extension cut in its header", `90 00 ${header} bede`, false],
      ["padding is not looked at", `a0 00 ${header} ff`, true],
    ];
    for (const [name, text, expected] of table) {
      const bytes = hex(text);
      assert.equal(isRtpPacket(bytes, 0, bytes.length), expected, name);
    }
  });

  test("RFC 3550 6.4.1: a sender report and its block", () => {
    const report = hex(
      "81 c8 000c 00000011 83aa7e80 00000000 00000064 0000000a 00000640 " +
        "00000022 40 fffffe 00010005 00000007 00000000 00000000" +
        "81 ca 0001 00000011",
    );
    assert.equal(isRtcpPacket(report, 0, report.length), true);
    assert.equal(rtcpPacketType(report, 0), 200);
    assert.equal(rtcpSenderSsrc(report, 0), 0x11);
    const block = firstReportBlock(report, 0, report.length);
    assert.equal(block, 28);
    assert.equal(reportSsrc(report, block), 0x22);
    assert.equal(reportFractionLost(report, block), 64);
    assert.equal(reportPacketsLost(report, block), -2);
    assert.equal(reportHighestSequence(report, block), 65_541);
    assert.equal(reportJitter(report, block), 7);
    const next = nextRtcpPacket(report, 0, report.length);
    assert.equal(next, 52);
    assert.equal(rtcpPacketType(report, next), 202);
    assert.equal(nextRtcpPacket(report, next, report.length), -1);
  });

  test("what does not fit is no RTCP", () => {
    for (const text of ["80c8 0001 0000", "80c8 0002 00000001", "40c8 0001 00000001", "80bf 0001 00000001"]) {
      const bytes = hex(text);
      assert.equal(isRtcpPacket(bytes, 0, bytes.length), false, text);
    }
    const cut = hex("81c9 0001 00000001 00000000");
    assert.equal(firstReportBlock(cut, 0, cut.length), -1);
  });

  test("walks end inside the datagram, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        isRtpPacket(bytes, 0, bytes.length);
        if (!isRtcpPacket(bytes, 0, bytes.length)) return;
        let steps = 0;
        for (let at = 0; at >= 0; at = nextRtcpPacket(bytes, at, bytes.length)) {
          const block = firstReportBlock(bytes, at, bytes.length);
          assert.ok(block === -1 || block + 24 <= bytes.length);
          assert.ok(++steps <= bytes.length / 4);
        }
      }),
      { numRuns: fuzzRuns(5_000) },
    );
  });
});
