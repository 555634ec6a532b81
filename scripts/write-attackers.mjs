/**
 * Writes the tables of docs/handover.md that the generated histories of test/unit/attackers fill in, between their
 * markers. A test compares them. Needs `npm run build:test`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const output = process.argv[2] ?? join(root, "build");
const { attackerTables } = await import(join(output, "test", "support", "attackers", "tables.js"));

const path = join(root, "docs", "handover.md");
const [start, end] = ["<!-- attackers:begin -->\n", "<!-- attackers:end -->"];
const text = readFileSync(path, "utf8");
const from = text.indexOf(start) + start.length;
const to = text.indexOf(end);
if (from < start.length || to < from)
  throw new Error("docs/handover.md has no markers for the attackers' tables");
writeFileSync(path, `${text.slice(0, from)}\n${attackerTables()}\n\n${text.slice(to)}`);
