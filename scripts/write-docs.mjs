/**
 * Writes what is made from the schema and the metric table: the tables of docs/configuration.md and docs/metrics.md
 * (between their markers) and systemd/rtpferry.toml. A test compares them. Needs `npm run build`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const output = process.argv[2] ?? join(root, "dist");
const { optionDocument, sampleFile } = await import(join(output, "config", "document.js"));
const { metricDocument } = await import(join(output, "telemetry", "metrics.js"));
const { eventDocument } = await import(join(output, "telemetry", "events.js"));

replaceTable("docs/configuration.md", "options", optionDocument());
replaceTable("docs/metrics.md", "metrics", metricDocument());
replaceTable("docs/metrics.md", "events", eventDocument());
writeFileSync(join(root, "systemd", "rtpferry.toml"), sampleFile());

function replaceTable(file, name, table) {
  const path = join(root, file);
  const [start, end] = [`<!-- ${name} -->\n`, `<!-- end of ${name} -->`];
  const text = readFileSync(path, "utf8");
  const from = text.indexOf(start) + start.length;
  const to = text.indexOf(end);
  if (from < start.length || to < from) throw new Error(`${file} has no markers for ${name}`);
  writeFileSync(path, `${text.slice(0, from)}\n${table}\n${text.slice(to)}`);
}
