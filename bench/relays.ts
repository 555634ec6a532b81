/** The relays under measurement, each as one process on one core. */
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { spawnPinned } from "./child.ts";
import { benchNet } from "./net.ts";

export type RelayName =
  | "rtpferry"
  | "rtpferry, no coalescing"
  | "rtpferry, CAP_NET_RAW alone"
  | "rtpferry, no capability"
  | "rtpferry, neither"
  | "rtpengine";

const relayCore = 1;
const readyTimeoutMs = 10_000;
const portMin = 20_000;
const portMax = 59_999;
const cli = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

const commands: Readonly<Record<RelayName, readonly string[]>> = {
  rtpferry: rtpferryCommand([]),
  "rtpferry, no coalescing": rtpferryCommand(["--coalesce", "off"]),
  "rtpferry, CAP_NET_RAW alone": rtpferryCommand(["--batch-receive", "off"]),
  "rtpferry, no capability": rtpferryCommand(["--batch-send", "off"]),
  "rtpferry, neither": rtpferryCommand(["--batch-send", "off", "--coalesce", "off"]),
  rtpengine: [
    "rtpengine",
    "--config-file=none",
    "--foreground",
    "--log-stderr",
    "--table=-1",
    "--num-threads=1",
    "--log-level=4",
    `--interface=${benchNet.relayIp}`,
    `--listen-ng=${benchNet.relayIp}:2223`,
    `--port-min=${portMin}`,
    `--port-max=${portMax}`,
  ],
};

/** Started as systemd/rtpferry.service does; its ctl socket keeps clear of a daemon that runs here already. */
function rtpferryCommand(extra: readonly string[]): readonly string[] {
  return [
    process.execPath,
    "--max-semi-space-size=2",
    cli,
    "serve",
    ...["--ctl", join(tmpdir(), `rtpferry-bench-${process.pid}.sock`)],
    ...["--interface", benchNet.relayIp, "--listen-ng", `${benchNet.relayIp}:2223`],
    ...["--control-allow", `${benchNet.relayIp}/32`, "--workers", "1", "--log-level", "warn"],
    ...["--port-min", String(portMin), "--port-max", String(portMax), "--max-sessions", "10000"],
    ...extra,
  ];
}

export interface RunningRelay {
  readonly name: RelayName;
  /** Of the relay itself, not of the `ip netns exec` in front of it: both exec in place. */
  readonly pid: number;
  stop(): Promise<void>;
}

export async function startRelay(name: RelayName): Promise<RunningRelay> {
  const child = spawnPinned(benchNet.relayNamespace, relayCore, commands[name], "ignore");
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${name} did not start`);
  await untilListening(child, name);
  return { name, pid, stop: () => stop(child) };
}

/** Waits for the ng socket to appear in the relay's namespace. */
async function untilListening(child: ChildProcess, name: RelayName): Promise<void> {
  const wanted = `:${(2223).toString(16).toUpperCase().padStart(4, "0")} `;
  for (const start = performance.now(); performance.now() - start < readyTimeoutMs; ) {
    if (child.exitCode !== null) throw new Error(`${name} ended at start with code ${child.exitCode}`);
    if (readFileSync(`/proc/${child.pid}/net/udp`, "utf8").includes(wanted)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${name} did not listen within ${readyTimeoutMs} ms`);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await ended;
  clearTimeout(force);
}
