/** The relays under measurement, each as one process on one core. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Subject } from "./child.ts";
import { benchNet } from "./net.ts";

export type RelayName =
  | "rtpferry"
  | "rtpferry, no coalescing"
  | "rtpferry, CAP_NET_RAW alone"
  | "rtpferry, no capability"
  | "rtpferry, neither"
  | "rtpengine";

const relayCore = 1;
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
  readonly pid: number;
  stop(): Promise<void>;
}

export async function startRelay(name: RelayName): Promise<RunningRelay> {
  const subject = new Subject(name, benchNet.relayNamespace, relayCore, commands[name]);
  await subject.untilListening(2223);
  return { name, pid: subject.pid, stop: () => subject.stop() };
}
