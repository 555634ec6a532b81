import assert from "node:assert/strict";
import type { IpAddress } from "../../../src/core/address.ts";
import { type LogFields, silentLogger } from "../../../src/core/log.ts";
import type { PairId } from "../../../src/core/plan/plan.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import { TransportLog } from "../../../src/daemon/transport-log.ts";
import { suite } from "../../support/suite.ts";

const pair = 4 as PairId;

function rig() {
  const lines: (LogFields & { readonly level: string; readonly message: string })[] = [];
  const write =
    (level: string) =>
    (fields: LogFields, message: string): void =>
      void lines.push({ level, message, ...fields });
  const logger = { ...silentLogger, debug: write("debug"), warn: write("warn") };
  const log = new TransportLog(logger, (id) => (id === pair ? "call-1" : undefined));
  return { lines, log };
}

suite("daemon: the log of ICE and DTLS", (test) => {
  test("success is told for debugging, failure as a warning with its reason in words", () => {
    const { lines, log } = rig();
    const now = 1_000 as MonotonicMs;
    const remote = { ip: "192.0.2.7" as IpAddress, port: 9 };
    log.tell(now, { kind: "ice-selected", pair, component: "rtp", remote });
    log.tell(now, { kind: "dtls-connected", pair, component: "rtp", suite: "AEAD_AES_128_GCM" });
    log.tell(now, { kind: "dtls-failed", pair, component: "rtcp", reason: "wrong-certificate" });
    log.tell(now, { kind: "ice-failed", pair: 5 as PairId, reason: "consent-lost" });
    assert.deepEqual(
      lines.map(({ level, event, callId, reason }) => [level, event, callId, reason]),
      [
        ["debug", "ice-selected", "call-1", undefined],
        ["debug", "dtls-connected", "call-1", undefined],
        ["warn", "dtls-failed", "call-1", "wrong-certificate"],
        ["warn", "ice-failed", undefined, "consent-lost"],
      ],
    );
    assert.equal(lines[0]?.["remote"], "192.0.2.7:9");
    assert.match(lines[2]?.message ?? "", /^DTLS: the certificate is not the one that SDP named/);
  });

  test("a flood of failures is bounded, and its size told", () => {
    const { lines, log } = rig();
    const fail = (atMs: number): void =>
      log.tell(atMs as MonotonicMs, { kind: "dtls-failed", pair, component: "rtp", reason: "handshake" });
    for (let count = 0; count < 500; count++) fail(1_000);
    assert.equal(lines.length, 20);
    fail(2_000);
    assert.equal(lines.at(-1)?.["untold"], 480);
    fail(2_001);
    assert.equal(lines.at(-1)?.["untold"], undefined);
  });
});
