/** TURN beside Debian's coturn: packets through channels and Send, allocations, and what each of them weighs. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { IpAddress } from "../src/core/address.ts";
import { JsonChild, Subject } from "./child.ts";
import { busyMs, coreTime, processTimeMs, residentBytes } from "./cpu.ts";
import { median } from "./lab.ts";
import { benchNet } from "./net.ts";
import type { Effort, Table } from "./scenarios.ts";
import type { TurnJob, TurnResult, TurnWay } from "./turn-load.ts";

export type TurnName = "rtpferry" | "rtpferry, no coalescing" | "coturn";

const serverCore = 1;
const loadCore = 0;
const port = 3478;
const ownIp = benchNet.partyIps[0] as IpAddress;
const serverIp = benchNet.relayIp as IpAddress;
const cli = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

const clients = 200;
const packetsPerSecond = 40_000;
const payloadBytes = 172;
const lanes = 32;
const warmUpAllocations = 5_000;
const ratedAllocations = 3_000;
const weighedAllocations = 4_000;
const rateToleranceFraction = 0.02;
const idleMs = 1_000;

interface Server {
  readonly pid: number;
  stop(): Promise<void>;
}

function commandOf(name: TurnName, folder: string): readonly string[] {
  if (name === "coturn") {
    const conf = join(folder, "turnserver.conf");
    const lines = [
      `listening-ip=${serverIp}`,
      `relay-ip=${serverIp}`,
      `listening-port=${port}`,
      "min-port=10000",
      "max-port=59999",
      "lt-cred-mech",
      "realm=bench",
      "user=bench:bench",
      "relay-threads=1",
      "no-tls",
      "no-dtls",
      "no-cli",
      "no-stdout-log",
      "log-file=/dev/null",
      `pidfile=${join(folder, "pid")}`,
      `userdb=${join(folder, "turndb")}`,
    ];
    writeFileSync(conf, `${lines.join("\n")}\n`);
    return ["turnserver", "-c", conf];
  }
  return [
    process.execPath,
    "--max-semi-space-size=2",
    cli,
    "serve",
    ...["--ctl", join(folder, "ctl.sock"), "--interface", serverIp],
    ...["--workers", "1", "--log-level", "warn", "--port-min", "10000", "--port-max", "59999"],
    ...["--listen-turn", `udp:${serverIp}:${port}`, "--turn-realm", "bench", "--turn-user", "bench:bench"],
    ...["--turn-allow-peer", `${ownIp}/32`, "--turn-challenge-rate", "0"],
    ...(name === "rtpferry" ? [] : ["--coalesce", "off"]),
  ];
}

async function startServer(name: TurnName): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "rtpferry-bench-turn-"));
  const subject = new Subject(name, benchNet.relayNamespace, serverCore, commandOf(name, folder));
  await subject.untilListening(port);
  await pause(500);
  return {
    pid: subject.pid,
    stop: async () => {
      await subject.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** One server and its clients. */
class TurnLab {
  readonly server: Server;
  readonly #load: JsonChild<TurnJob, TurnResult>;

  private constructor(server: Server) {
    this.server = server;
    const script = fileURLToPath(new URL("turn-load.js", import.meta.url));
    this.#load = new JsonChild(benchNet.generatorNamespace, loadCore, script);
  }

  static async open(name: TurnName): Promise<TurnLab> {
    return new TurnLab(await startServer(name));
  }

  async allocate(count: number, way: TurnWay): Promise<TurnResult & { readonly kind: "allocated" }> {
    const server = { ip: serverIp, port };
    const result = await this.#load.ask({ kind: "allocate", server, ownIp, count, lanes, way });
    if (result.kind !== "allocated") throw new Error("not what was asked for");
    return result;
  }

  async load(rate: number, seconds: number): Promise<TurnResult & { readonly kind: "loaded" }> {
    const result = await this.#load.ask({ kind: "load", packetsPerSecond: rate, seconds, payloadBytes });
    if (result.kind !== "loaded") throw new Error("not what was asked for");
    return result;
  }

  async close(): Promise<void> {
    await this.#load.end();
    await this.server.stop();
  }
}

interface Cost {
  readonly coreUs: number;
  readonly processUs: number;
  readonly lost: number;
  readonly void: string | undefined;
}

async function costOf(name: TurnName, way: TurnWay, seconds: number): Promise<Cost> {
  const lab = await TurnLab.open(name);
  try {
    await lab.allocate(clients, way);
    await lab.load(packetsPerSecond, 1);
    const idleBefore = coreTime(serverCore);
    await pause(idleMs);
    const idle = busyMs(idleBefore, coreTime(serverCore)) / idleMs;
    const before = {
      core: coreTime(serverCore),
      process: processTimeMs(lab.server.pid),
      atMs: performance.now(),
    };
    const result = await lab.load(packetsPerSecond, seconds);
    const wallMs = performance.now() - before.atMs;
    const delivered = result.deliveredUp + result.deliveredDown;
    const sent = result.sentUp + result.sentDown;
    const coreMs = busyMs(before.core, coreTime(serverCore)) - idle * wallMs;
    const isSlow = result.actualRate < packetsPerSecond * (1 - rateToleranceFraction);
    return {
      coreUs: (1_000 * coreMs) / delivered,
      processUs: (1_000 * (processTimeMs(lab.server.pid) - before.process)) / delivered,
      lost: sent - delivered,
      void: isSlow ? `sent ${Math.round(result.actualRate)} of ${packetsPerSecond} packets/s` : undefined,
    };
  } finally {
    await lab.close();
  }
}

interface Making {
  readonly perSecond: number;
  readonly processUs: number;
  readonly repeated: number;
}

async function makingOf(name: TurnName): Promise<Making> {
  const lab = await TurnLab.open(name);
  try {
    await lab.allocate(warmUpAllocations, "channel");
    const before = processTimeMs(lab.server.pid);
    const { perSecond, repeated } = await lab.allocate(ratedAllocations, "channel");
    const processUs = (1_000 * (processTimeMs(lab.server.pid) - before)) / ratedAllocations;
    return { perSecond, processUs, repeated };
  } finally {
    await lab.close();
  }
}

/** From the empty process to so many allocations with a channel each and some packets. */
async function weigh(name: TurnName): Promise<number> {
  const lab = await TurnLab.open(name);
  try {
    const empty = residentBytes(lab.server.pid);
    await lab.allocate(weighedAllocations, "channel");
    await lab.load(weighedAllocations * 2, 2);
    return (residentBytes(lab.server.pid) - empty) / weighedAllocations;
  } finally {
    await lab.close();
  }
}

const spread = (values: readonly number[], digits: number): string => {
  const text = (value: number): string => value.toFixed(digits);
  return `${text(median(values))} (${text(Math.min(...values))}-${text(Math.max(...values))})`;
};

export async function turnCost(names: readonly TurnName[], effort: Effort): Promise<Table> {
  const notes: string[] = [];
  const rows = await withAddress(async () => {
    const costs = new Map<string, Cost[]>();
    for (let round = 0; round < effort.rounds; round++) {
      for (const way of ["channel", "send"] as const) {
        for (const name of names) {
          const cost = await costOf(name, way, effort.secondsPerRound);
          if (cost.void !== undefined) notes.push(`void round of ${name}, ${way}: ${cost.void}`);
          else costs.set(`${name} ${way}`, [...(costs.get(`${name} ${way}`) ?? []), cost]);
        }
      }
    }
    return names.map((name) => [
      name,
      ...(["channel", "send"] as const).flatMap((way) => {
        const all = costs.get(`${name} ${way}`) ?? [];
        return [
          spread(
            all.map(({ processUs }) => processUs),
            2,
          ),
          spread(
            all.map(({ coreUs }) => coreUs),
            2,
          ),
          String(all.reduce((sum, { lost }) => sum + lost, 0)),
        ];
      }),
    ]);
  });
  return {
    title: `TURN: ${packetsPerSecond} packets/s over ${clients} allocations, half up and half down`,
    columns: [
      "server",
      "channel: process us/packet",
      "core us/packet",
      "lost",
      "Send: process us/packet",
      "core us/packet",
      "lost",
    ],
    rows,
    notes,
  };
}

export async function turnAllocations(names: readonly TurnName[], effort: Effort): Promise<Table> {
  const rows = await withAddress(async () => {
    const makings = new Map<TurnName, (Making & { readonly bytesEach: number })[]>();
    for (let round = 0; round < Math.ceil(effort.rounds / 2); round++) {
      for (const name of names) {
        const making = { ...(await makingOf(name)), bytesEach: await weigh(name) };
        makings.set(name, [...(makings.get(name) ?? []), making]);
      }
    }
    return names.map((name) => {
      const all = makings.get(name) ?? [];
      return [
        name,
        spread(
          all.map(({ perSecond }) => perSecond),
          0,
        ),
        spread(
          all.map(({ processUs }) => processUs),
          0,
        ),
        String(all.reduce((sum, { repeated }) => sum + repeated, 0)),
        spread(
          all.map(({ bytesEach }) => bytesEach / 1_000),
          1,
        ),
      ];
    });
  });
  return {
    title: `TURN allocations, ${lanes} clients at a time, each challenged once`,
    columns: ["server", "allocations/s", "process us each", "requests repeated", "resident KB each"],
    rows,
    notes: [],
  };
}

/** Clients have sockets here, so the generator's side of the link needs an address for once. */
async function withAddress<Value>(run: () => Promise<Value>): Promise<Value> {
  const { generatorNamespace, generatorLink } = benchNet;
  const address = (verb: string): void => {
    execFileSync("ip", ["-n", generatorNamespace, "addr", verb, `${ownIp}/24`, "dev", generatorLink]);
  };
  address("add");
  try {
    return await run();
  } finally {
    address("del");
  }
}
