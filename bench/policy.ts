/** The cost of the source policy and of the replay ring for a packet of a proven source; see `policy-child.ts`. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { median } from "./lab.ts";
import type { Effort, Table } from "./scenarios.ts";

const script = fileURLToPath(new URL("policy-child.js", import.meta.url));

/** Policy, and MiB of replay ring. */
const variants = [
  { name: "no policy, no ring", words: ["plain", "0"] },
  { name: "policy", words: ["handover", "0"] },
  { name: "policy and ring", words: ["handover", "8"] },
] as const;

function measure(words: readonly string[]): number {
  const args = ["-c", "1", process.execPath, script, ...words];
  const answer = execFileSync("taskset", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return (JSON.parse(answer) as { readonly ns: number }).ns;
}

export function policyCost(effort: Effort): Table {
  const values = variants.map((): number[] => []);
  for (let round = 0; round < effort.rounds; round++) {
    for (const [index, { words }] of variants.entries()) values[index]?.push(measure(words));
  }
  const plain = median(values[0] ?? []);
  const rows = variants.map(({ name }, index) => {
    const costs = values[index] ?? [];
    const range = `${Math.min(...costs).toFixed(0)}-${Math.max(...costs).toFixed(0)}`;
    return [name, `${median(costs).toFixed(0)} (${range})`, (median(costs) - plain).toFixed(0)];
  });
  return {
    title: "Source policy and replay ring, 1,000 streams in turn, no sockets",
    columns: ["worker", "ns/packet from receive to send", "added"],
    rows,
    notes: [],
  };
}
