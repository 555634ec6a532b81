import assert from "node:assert/strict";
import { renderCall, renderList, renderStats } from "../../../src/cli/ctl.ts";
import { duration, printable, size, table } from "../../../src/cli/table.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import { callDetail, callRow } from "../../../src/telemetry/call-view.ts";
import { suite } from "../../support/suite.ts";
import { counters, report, snapshot } from "../../support/telemetry-sample.ts";

const nowMs = 10_000 as MonotonicMs;

suite("cli/table", (test) => {
  test("columns line up, numbers to the right", () => {
    assert.equal(
      table(
        ["NAME", "COUNT"],
        [
          ["a", 5],
          ["longer", 12_345],
        ],
      ),
      "NAME    COUNT\na           5\nlonger  12345",
    );
  });

  test("durations and sizes read as people say them", () => {
    assert.deepEqual([-1, 0, 4_249, 59_999, 60_000, 187_000, 8_100_000].map(duration), [
      "0.0 s",
      "0.0 s",
      "4.2 s",
      "60.0 s",
      "1:00",
      "3:07",
      "2:15:00",
    ]);
    assert.deepEqual([0, 1_023, 1_024, 18_140_365].map(size), ["0 B", "1023 B", "1.0 KiB", "17.3 MiB"]);
  });

  test("words of strangers cannot steer a terminal", () => {
    assert.equal(
      printable("a\u001b[2Jb\r\n\u009bc\u202ed\u200be"),
      "a\\u{1b}[2Jb\\u{d}\\u{a}\\u{9b}c\\u{202e}d\\u{200b}e",
    );
    assert.equal(printable("café @ 中文"), "café @ 中文");
  });
});

suite("cli/ctl", (test) => {
  test("the list", () => {
    assert.equal(renderList([]), "no calls");
    assert.equal(
      renderList([callRow(report("evil\u001b[31m"), counters, nowMs)]),
      [
        "CALL-ID         AGE   LEGS  STREAMS  PACKETS  SILENT  STATE",
        "evil\\u{1b}[31m  1:01     2        1      750  1.0 s",
      ].join("\n"),
    );
  });

  test("one call", () => {
    assert.equal(
      renderCall(callDetail(report(), counters, nowMs)),
      [
        "call a84b4c76e66710",
        "  since 2023-11-14T22:13:20.000Z, for 1:01",
        "leg 1: tag caller",
        "  media 1: audio PCMU/8000 RTP/AVP sendrecv",
        "    we listen on 203.0.113.7:30000; announced is 192.0.2.7:40000",
        "    SRTP by DTLS, AEAD_AES_128_GCM; certificate verified; ICE selected 192.0.2.7:40000",
        "    RTP   from 192.0.2.7:40000 (signalled, for 4.5 s), 750 in; to 192.0.2.7:40000 (ICE chose it), 748 out; 4 errors, silent 1.0 s",
        "          held 203.0.113.66:6000: 3 packets in a row, for 0.1 s; it goes on with the stream of 192.0.2.7:40000, which must be silent for the hold time",
        "          struck 203.0.113.99:9: for another 8.2 s",
        "          twin 198.51.100.8:5002: the same packets over a second path",
        "          was at 198.51.100.7:5000",
        "          8.0 s ago: party speaks from 198.51.100.7:5000: it spoke first, and nobody likelier did",
        "          4.5 s ago: party moved from 198.51.100.7:5000 to 192.0.2.7:40000: signalling named this address",
        "    RTCP  from nobody yet, 0 in; to nowhere (ICE has chosen nothing yet), 0 out; 0 errors",
        "    SSRC deadbeef type 0: 750 packets, 2 lost, jitter 0.4 ms",
        "    ! sends that failed on this machine: 1",
        "leg 2: tag not known yet",
        "  media 1: audio PCMU/8000 RTP/AVP sendrecv",
        "    ! its ports are not open yet",
      ].join("\n"),
    );
  });

  test("the counters", () => {
    const text = renderStats(snapshot());
    assert.match(text, /^calls 3 of 2500; created 10; ended 5 deleted, 2 timeout$/m);
    assert.match(text, /^ {5}0 {2}stranger +7$/m);
    assert.match(text, /^ng +offer +ok +10$/m);
  });
});
