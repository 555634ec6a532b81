import assert from "node:assert/strict";
import { eventDocument } from "../../../src/telemetry/events.ts";
import { metricTable } from "../../../src/telemetry/metric-table.ts";
import { createMetrics, metricDocument } from "../../../src/telemetry/metrics.ts";
import { markedPart, repositoryFile } from "../../support/repository.ts";
import { suite } from "../../support/suite.ts";
import { snapshot } from "../../support/telemetry-sample.ts";

suite("telemetry/metrics", (test) => {
  test("a page holds every metric of the table with the snapshot's values", async () => {
    const { body, contentType } = await createMetrics({ snapshot })();
    assert.equal(contentType, "text/plain; version=0.0.4; charset=utf-8");
    for (const { name, type, help } of metricTable) {
      assert.ok(body.includes(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`), name);
    }
    const lines = new Set(body.split("\n"));
    for (const line of [
      'rtpferry_info{version="9.9.9"} 1',
      "rtpferry_start_time_seconds 1700000000",
      "rtpferry_calls 3",
      "rtpferry_calls_limit 2500",
      "rtpferry_calls_created_total 10",
      'rtpferry_calls_ended_total{reason="deleted"} 5',
      'rtpferry_calls_ended_total{reason="shutdown"} 0',
      'rtpferry_port_pairs_free{interface="pub\\"lic",address="10.0.0.5"} 4990',
      'rtpferry_port_pairs_used{interface="pub\\"lic",address="10.0.0.5"} 10',
      'rtpferry_port_open_failures_total{reason="no-ports"} 1',
      'rtpferry_packets_relayed_total{worker="0"} 1500',
      'rtpferry_packets_dropped_total{worker="0",reason="stranger"} 7',
      'rtpferry_packets_dropped_total{worker="0",reason="malformed"} 0',
      'rtpferry_handovers_total{worker="0",event="proven"} 6',
      'rtpferry_handovers_total{worker="0",event="switched"} 2',
      'rtpferry_handovers_untold_total{worker="0"} 1',
      'rtpferry_sources_believed_total{event="proven",evidence="first-speaker"} 2',
      'rtpferry_sources_believed_total{event="switched",evidence="continuity"} 2',
      'rtpferry_sources_believed_total{event="switched",evidence="override"} 0',
      'rtpferry_replays_total{worker="0"} 2',
      'rtpferry_packets_replayed_total{worker="0"} 17',
      'rtpferry_replay_bytes{worker="0"} 3440',
      'rtpferry_dtls_handshakes_total{result="connected"} 4',
      'rtpferry_dtls_handshakes_total{result="wrong-certificate"} 1',
      'rtpferry_dtls_datagrams_total{event="cookies"} 7',
      'rtpferry_ice_total{event="selected"} 6',
      'rtpferry_ice_total{event="no-valid-pair"} 2',
      "rtpferry_handshake_packets_unsent_total 3",
      'rtpferry_worker_collection_seconds_total{worker="0"} 0.0015',
      'rtpferry_worker_heartbeat_age_seconds{worker="0"} 0.12',
      'rtpferry_control_requests_total{protocol="ng",command="offer",result="ok"} 10',
      'rtpferry_control_dropped_total{protocol="ng",reason="source-not-allowed"} 4',
      'rtpferry_memory_bytes{kind="resident"} 83886080',
      'rtpferry_cpu_seconds_total{mode="user"} 2.5',
      'rtpferry_event_loop_delay_seconds{quantile="1"} 0.01225',
    ]) {
      assert.ok(lines.has(line), line);
    }
  });

  test("every page is one fresh snapshot, and two pages do not add up", async () => {
    let taken = 0;
    const page = createMetrics({
      snapshot: () => {
        taken++;
        return { ...snapshot(), calls: { ...snapshot().calls, created: taken * 100 } };
      },
    });
    await page();
    const { body } = await page();
    assert.equal(taken, 2);
    assert.match(body, /^rtpferry_calls_created_total 200$/m);
    assert.match(body, /^rtpferry_calls_ended_total\{reason="deleted"\} 5$/m);
  });

  test("what is gone from the snapshot is gone from the page", async () => {
    let workers = snapshot().workers;
    const page = createMetrics({ snapshot: () => ({ ...snapshot(), workers }) });
    await page();
    workers = [];
    assert.doesNotMatch((await page()).body, /worker="0"/);
  });

  test("names follow Prometheus: counters end in _total, others do not; labels are those of the table", () => {
    for (const { name, type, labels, read } of metricTable) {
      assert.match(name, /^rtpferry_[a-z_]+$/);
      assert.equal(name.endsWith("_total"), type === "counter", name);
      for (const sample of read(snapshot())) assert.deepEqual(Object.keys(sample.labels), labels, name);
    }
    assert.equal(new Set(metricTable.map(({ name }) => name)).size, metricTable.length);
  });

  test("docs/metrics.md holds the tables", () => {
    const document = repositoryFile("docs/metrics.md");
    assert.equal(markedPart(document, "metrics"), metricDocument(), "run: node scripts/write-docs.mjs");
    assert.equal(markedPart(document, "events"), eventDocument(), "run: node scripts/write-docs.mjs");
  });
});
