/**
 * `npm run bench [-- --quick] [-- scenario ...]`: measures rtpferry beside Debian's rtpengine-daemon and prints the
 * tables of bench/README.md. Needs root, two cores, iproute2 and rtpengine-daemon. Rules: bench/README.md.
 */
import { dropNetwork, raiseNetwork } from "./net.ts";
import { policyCost } from "./policy.ts";
import type { RelayName } from "./relays.ts";
import {
  cpuAndLatency,
  cpuByCalls,
  type Effort,
  handshakeRate,
  lossFreeRate,
  memoryPerCall,
  pairRate,
  srtpCost,
  type Table,
} from "./scenarios.ts";
import { type TurnName, turnAllocations, turnCost } from "./turn.ts";

const relays: readonly RelayName[] = ["rtpferry", "rtpferry, no coalescing", "rtpengine"];
const twoRelays: readonly RelayName[] = ["rtpferry", "rtpengine"];
const turnServers: readonly TurnName[] = ["rtpferry", "rtpferry, no coalescing", "coturn"];
const full: Effort = { rounds: 7, secondsPerRound: 4, lossFreeSeconds: 10, pairs: 3_000 };
const quick: Effort = { rounds: 2, secondsPerRound: 2, lossFreeSeconds: 2, pairs: 1_000 };

function print(table: Table): void {
  const lines = [
    `### ${table.title}`,
    "",
    `| ${table.columns.join(" | ")} |`,
    `|${table.columns.map(() => "---").join("|")}|`,
  ];
  for (const row of table.rows) lines.push(`| ${row.join(" | ")} |`);
  for (const note of table.notes) lines.push("", `(${note})`);
  process.stdout.write(`${lines.join("\n")}\n\n`);
}

const words = process.argv.slice(2);
const effort = words.includes("--quick") ? quick : full;
const wanted = words.filter((word) => !word.startsWith("--"));
const links = raiseNetwork();
const scenarios: Readonly<Record<string, () => Table | Promise<Table>>> = {
  cpu: () => cpuAndLatency(relays, links, effort),
  loss: () => lossFreeRate(relays, links, effort),
  calls: () => cpuByCalls(twoRelays, links, { ...effort, rounds: Math.ceil(effort.rounds / 2) }),
  srtp160: () => srtpCost(twoRelays, links, { ...effort, rounds: Math.ceil(effort.rounds / 2) }, 160),
  srtp1200: () => srtpCost(twoRelays, links, { ...effort, rounds: Math.ceil(effort.rounds / 2) }, 1_200),
  dtls: () => handshakeRate(twoRelays, links, effort),
  memory: () => memoryPerCall(twoRelays, links),
  pairs: () => pairRate(twoRelays, links, effort),
  policy: () => policyCost(effort),
  turn: () => turnCost(turnServers, effort),
  turnallocations: () => turnAllocations(["rtpferry", "coturn"], effort),
};
try {
  for (const [name, run] of Object.entries(scenarios)) {
    if (wanted.length === 0 || wanted.includes(name)) print(await run());
  }
} finally {
  dropNetwork();
}
