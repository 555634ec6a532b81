/** The metric table as Prometheus text. Nothing is counted here: every scrape reads one snapshot. */
import { Counter, Gauge, Registry } from "prom-client";
import { type Metric, metricTable } from "./metric-table.ts";
import type { TelemetrySnapshot, TelemetrySource } from "./snapshot.ts";

export interface MetricsPage {
  readonly contentType: string;
  readonly body: string;
}

/** The function that renders a page; it keeps a registry of its own and touches no global one. */
export function createMetrics(source: TelemetrySource): () => Promise<MetricsPage> {
  const registry = new Registry();
  let snapshot: TelemetrySnapshot | undefined;
  for (const metric of metricTable) register(registry, metric, () => snapshot);
  return async () => {
    snapshot = source.snapshot();
    return { contentType: registry.contentType, body: await registry.metrics() };
  };
}

function register(registry: Registry, metric: Metric, current: () => TelemetrySnapshot | undefined): void {
  const settings = {
    name: metric.name,
    help: metric.help,
    labelNames: [...metric.labels],
    registers: [registry],
  };
  const samples = () => {
    const snapshot = current();
    return snapshot === undefined ? [] : metric.read(snapshot);
  };
  if (metric.type === "gauge") {
    new Gauge({
      ...settings,
      collect() {
        this.reset();
        for (const { labels, value } of samples()) this.set({ ...labels }, value);
      },
    });
  } else {
    new Counter({
      ...settings,
      collect() {
        this.reset();
        for (const { labels, value } of samples()) this.inc({ ...labels }, value);
      },
    });
  }
}

/** The table of docs/metrics.md. */
export function metricDocument(): string {
  const lines = metricTable.map(
    ({ name, type, labels, help }) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`,
  );
  return ["| Name | Type | Labels | Meaning |", "|---|---|---|---|", ...lines, ""].join("\n");
}
