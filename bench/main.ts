/**
 * `npm run bench [-- --quick] [-- scenario ...]`: measures rtpferry beside Debian's rtpengine-daemon and prints the
 * tables of bench/README.md. Needs root, two cores, iproute2 and rtpengine-daemon. Rules: bench/README.md.
 */
import { dropNetwork, type LinkAddresses, raiseNetwork } from "./net.ts";
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
  type Table,
} from "./scenarios.ts";
import { srtpCost } from "./secure.ts";
import { type TurnName, turnAllocations, turnCost } from "./turn.ts";

const allRelays: readonly RelayName[] = [
  "rtpferry",
  "rtpferry, no coalescing",
  "rtpferry, CAP_NET_RAW alone",
  "rtpferry, no capability",
  "rtpferry, neither",
  "rtpengine",
];
const threeRelays: readonly RelayName[] = ["rtpferry", "rtpferry, no coalescing", "rtpengine"];
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

type Scenario = (links: LinkAddresses, effort: Effort) => Table | Promise<Table>;

const scenarios: Readonly<Record<string, Scenario>> = {
  cpu: (links, effort) => cpuAndLatency(allRelays, links, effort),
  loss: (links, effort) => lossFreeRate(threeRelays, links, effort),
  calls: (links, effort) => cpuByCalls(twoRelays, links, { ...effort, rounds: Math.ceil(effort.rounds / 2) }),
  srtp160: (links, effort) => srtpCost(twoRelays, links, effort, 160),
  srtp1200: (links, effort) => srtpCost(twoRelays, links, effort, 1_200),
  dtls: (links, effort) => handshakeRate(twoRelays, links, effort),
  memory: (links) => memoryPerCall(twoRelays, links),
  pairs: (links, effort) => pairRate(twoRelays, links, effort),
  policy: (_links, effort) => policyCost(effort),
  turn: (_links, effort) => turnCost(turnServers, effort),
  turnallocations: (_links, effort) => turnAllocations(["rtpferry", "coturn"], effort),
};
async function measure(wanted: readonly string[], effort: Effort): Promise<void> {
  const links = raiseNetwork();
  try {
    for (const [name, run] of Object.entries(scenarios)) {
      if (wanted.length === 0 || wanted.includes(name)) print(await run(links, effort));
    }
  } finally {
    dropNetwork();
  }
}

const words = process.argv.slice(2);
const wanted = words.filter((word) => word !== "--quick");
const unknown = wanted.filter((word) => !Object.hasOwn(scenarios, word));
if (unknown.length > 0) {
  process.stderr.write(`bench: no such scenario: ${unknown.join(" ")}\n`);
  process.stderr.write(`usage: npm run bench -- [--quick] [${Object.keys(scenarios).join(" | ")}] ...\n`);
  process.exitCode = 1;
} else await measure(wanted, words.includes("--quick") ? quick : full);
