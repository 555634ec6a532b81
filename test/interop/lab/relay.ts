/** The relay under test: ours, or Debian's rtpengine, against which the lab itself is proved. */
import { join } from "node:path";
import type { Agent } from "./agent.ts";
import { address } from "./network.ts";
import { Program } from "./process.ts";
import { projectRoot } from "./project-root.ts";

export interface RelayCounts {
  readonly calls: number;
  /** Free port pairs; undefined where the relay does not tell. */
  readonly freePorts: number | undefined;
  readonly fds: number;
}

export interface RelayUnderTest {
  readonly program: Program;
  /** Where the rtpproxy module finds it, as Kamailio writes it. */
  readonly rtpproxySocket: string;
  readonly rtpengineSocket: string;
  counts(): Promise<RelayCounts>;
  /** Everything the relay tells about itself, for the post-mortem. */
  statistics(): Promise<string>;
}

export type RelayName = "rtpferry" | "rtpengine";

interface RelayPlace {
  readonly namespace: string;
  readonly folder: string;
  /** A helper in the relay's namespace. */
  readonly agent: Agent;
  /** More of ours than every lab needs; the peer has no such options. */
  readonly options?: readonly string[];
  /** Ours alone: what its IPv4 address is called outside. */
  readonly advertisedIp?: string;
  /** `relayName()` otherwise. */
  readonly name?: RelayName;
}

export const ngPort = 2223;
const rtpproxyPort = 7722;
const metricsPort = 9222;
const metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
const ports = { min: 30_000, max: 39_999 };
const cli = join(projectRoot(), "dist/cli.js");

/** `RELAY=rtpengine` proves the lab against the peer. */
export function relayName(): RelayName {
  // biome-ignore lint/style/noProcessEnv: the choice of the relay is the lab's only setting.
  return process.env["RELAY"] === "rtpengine" ? "rtpengine" : "rtpferry";
}

/**
 * What rtpengine's emulation of rtpproxy does not do: it takes the family of the address it is told for both legs, and it
 * leaves a forked call behind when it is told the to-tag of one branch.
 */
const rtpengineLacks: ReadonlySet<string> = new Set(["v4-to-v6", "v6-to-v4", "fork", "fork-branch"]);

/** Whether a kind of call is beyond the relay in the lab, by its design and not by a fault of the lab. */
export function relayLacks(module: string, kind: string): boolean {
  return relayName() === "rtpengine" && module === "rtpproxy" && rtpengineLacks.has(kind);
}

export async function startRelay(place: RelayPlace): Promise<RelayUnderTest> {
  const name = place.name ?? relayName();
  const program = new Program({
    name,
    namespace: place.namespace,
    command:
      name === "rtpengine" ? rtpengineCommand() : [...rtpferryCommand(place), ...(place.options ?? [])],
    logFile: join(place.folder, `${name}.log`),
  });
  await program.listening(ngPort);
  await program.listening(rtpproxyPort);
  // Its metrics are asked for at once, and they come up last.
  if (name === "rtpferry") await program.says(" is up (");
  return {
    program,
    rtpengineSocket: `udp:${address.relay}:${ngPort}`,
    rtpproxySocket: `udp:${address.relay}:${rtpproxyPort}`,
    counts: () => (name === "rtpengine" ? rtpengineCounts : rtpferryCounts)(program, place.agent),
    statistics: () =>
      name === "rtpengine"
        ? place.agent.askUdp(address.relay, ngPort, `${Date.now()} {"command":"statistics"}`)
        : place.agent.fetchText(metricsUrl),
  };
}

function rtpengineCommand(): readonly string[] {
  return [
    "rtpengine",
    "--config-file=none",
    "--foreground",
    "--log-stderr",
    "--log-level=4",
    "--table=-1",
    "--num-threads=2",
    `--interface=internal/${address.relay}`,
    `--interface=internal/${address.relay6}`,
    `--interface=external/${address.relay6}`,
    `--interface=external/${address.relay}`,
    `--listen-ng=${address.relay}:${ngPort}`,
    `--listen-udp=${address.relay}:${rtpproxyPort}`,
    `--port-min=${ports.min}`,
    `--port-max=${ports.max}`,
    "--delete-delay=1",
  ];
}

function rtpferryCommand({ folder, advertisedIp = address.relay }: RelayPlace): readonly string[] {
  const internal = `internal/${address.relay}!${advertisedIp}`;
  return [
    process.execPath,
    cli,
    "serve",
    ...["--interface", internal, "--interface", `external/${address.relay6}`],
    ...["--listen-ng", `${address.relay}:${ngPort}`],
    ...["--listen-rtpproxy", `udp:${address.relay}:${rtpproxyPort}`],
    ...["--control-allow", "10.99.0.0/27"],
    ...["--listen-http", `127.0.0.1:${metricsPort}`],
    ...["--port-min", String(ports.min), "--port-max", String(ports.max)],
    ...["--delete-delay", "1", "--ctl", join(folder, "ctl.sock")],
  ];
}

async function rtpengineCounts(program: Program, agent: Agent): Promise<RelayCounts> {
  const reply = await agent.askUdp(address.relay, ngPort, `${Date.now()} {"command":"list","limit":"9999"}`);
  const list = JSON.parse(reply.slice(reply.indexOf(" "))) as { calls: string[] };
  return { calls: list.calls.length, freePorts: undefined, fds: program.fdCount() };
}

async function rtpferryCounts(program: Program, agent: Agent): Promise<RelayCounts> {
  // Before the question, whose connection is a descriptor too.
  const fds = program.fdCount();
  const text = await agent.fetchText(metricsUrl);
  return { calls: sumOf(text, "rtpferry_calls"), freePorts: sumOf(text, "rtpferry_port_pairs_free"), fds };
}

/** What ours did not relay, by reason, workers together; for the log of a run. */
export function dropsIn(statistics: string): string {
  const byReason = new Map<string, number>();
  for (const [, reason = "", value] of statistics.matchAll(
    /^rtpferry_packets_dropped_total\{.*reason="([^"]+)".*\} (\S+)$/gm,
  )) {
    byReason.set(reason, (byReason.get(reason) ?? 0) + Number(value));
  }
  return [...byReason]
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${count} ${reason}`)
    .join(", ");
}

/** Sum of a metric over its label sets, in Prometheus' text format. */
export function sumOf(text: string, metric: string): number {
  const rows = [...text.matchAll(new RegExp(`^${metric}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))];
  if (rows.length === 0) throw new Error(`/metrics does not have ${metric}`);
  return rows.reduce((sum, [, value]) => sum + Number(value), 0);
}
