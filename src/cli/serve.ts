/** `rtpferry serve`: settings in, daemon up, and down again when a signal says so. */
import { readFileSync } from "node:fs";
import { withCredentials } from "../config/credentials.ts";
import { defaultsPlace, formatProblem, inReadingOrder, type Layer, type Problem } from "../config/layer.ts";
import { configWarnings, resolveConfig } from "../config/resolve.ts";
import type { Config } from "../config/schema.ts";
import { type FileReading, readToml } from "../config/toml.ts";
import type { Logger } from "../core/log.ts";
import { ok, type Result, refused } from "../core/result.ts";
import { ListenError, meaningOf } from "../io/listen.ts";
import { checkLocalAddress } from "../io/local-address.ts";
import { createLogger } from "../io/log.ts";
import { writePidfile } from "../io/pidfile.ts";
import { openSystemdNotifier, type SystemdNotifier } from "../io/sd-notify.ts";
import { SecretFileError } from "../io/turn/secret-files.ts";
import type { EventName } from "../telemetry/events.ts";
import { daemonCtlPath } from "./ctl-path.ts";
import { environment, userId } from "./environment.ts";
import { exitCode } from "./exit-code.ts";
import type { CommandLine } from "./serve-options.ts";

/** The daemon as the command line knows it. */
export interface RunningDaemon {
  /** Told once on standard output: what it listens on and the proxy's lines for it. */
  readonly ready: readonly string[];
  /** True while all relay threads move; asked before the watchdog is fed. */
  isAlive(): boolean;
  /** Takes from these settings what may change while it runs: users, secrets, peers and certificates of TURN. */
  reload(config: Config): void;
  /** No new TURN allocations from now on. */
  drainTurn(): void;
  /** Ends all calls, closes and removes everything. */
  stop(): Promise<void>;
}

/** Fails with a `ListenError`, or an error of a system call, when the machine does not give what was asked for. */
export type StartDaemon = (config: Config, log: Logger) => Promise<RunningDaemon>;

/** Runs until a signal ends it; the exit code. */
export async function runServe(commandLine: CommandLine, startDaemon: StartDaemon): Promise<number> {
  const resolved = readConfig(commandLine);
  if (!resolved.ok) {
    for (const problem of resolved.reason) complain(formatProblem(problem));
    return exitCode.config;
  }
  const config = resolved.value;
  const log = createLogger(config.logLevel);
  for (const warning of configWarnings(config))
    log.warn({ event: "config-warning" satisfies EventName }, warning);
  const signal = awaitSignal();
  let removePidfile = (): void => undefined;
  try {
    if (config.pidfile !== undefined) removePidfile = writePidfile(config.pidfile);
    for (const { ip } of config.interfaces) await checkLocalAddress("interface", ip);
    const daemon = await startDaemon(config, log);
    const stopReloading = reloadOnSignal(commandLine, daemon, log);
    await run(daemon, log, signal);
    stopReloading();
    leaveAtLastEvent();
    return exitCode.ok;
  } catch (error) {
    const line = operatorLine(error);
    if (line === undefined) throw error;
    complain(line);
    return exitCode.failed;
  } finally {
    removePidfile();
  }
}

/** SIGHUP reads the files again, SIGUSR1 drains the TURN server. In a terminal SIGHUP says that it is being closed. */
function reloadOnSignal(commandLine: CommandLine, daemon: RunningDaemon, log: Logger): () => void {
  const reload = (): void => {
    const resolved = readConfig(commandLine);
    if (resolved.ok) {
      daemon.reload(resolved.value);
      return;
    }
    const reason = resolved.reason.map(formatProblem).join("; ");
    log.error({ event: "turn-reloaded" satisfies EventName, reason }, "TURN settings stay as they were");
  };
  const drain = (): void => daemon.drainTurn();
  if (!process.stdout.isTTY) process.on("SIGHUP", reload);
  process.on("SIGUSR1", drain);
  return () => process.off("SIGHUP", reload).off("SIGUSR1", drain);
}

/** All layers, and everything that is wrong in any of them. */
function readConfig(commandLine: CommandLine): Result<Config, readonly Problem[]> {
  const ctl = { text: daemonCtlPath(environment, userId), place: defaultsPlace };
  const machine: Layer = new Map([["ctl", [ctl]]]);
  const file = readFile(commandLine.configFile);
  const layers = [machine, file.layer, commandLine.layer].map((layer) =>
    withCredentials(layer, environment.CREDENTIALS_DIRECTORY),
  );
  const resolved = resolveConfig(layers);
  const problems = [...file.problems, ...commandLine.problems, ...(resolved.ok ? [] : resolved.reason)];
  return resolved.ok && problems.length === 0 ? ok(resolved.value) : refused(inReadingOrder(problems));
}

function readFile(path: string | undefined): FileReading {
  if (path === undefined) return { layer: new Map(), problems: [] };
  try {
    return readToml(readFileSync(path, "utf8"), path);
  } catch (error) {
    const message = meaningOf((error as NodeJS.ErrnoException).code ?? String(error));
    return { layer: new Map(), problems: [{ place: { source: path, line: undefined }, message }] };
  }
}

/** From ready to stopped. */
async function run(daemon: RunningDaemon, log: Logger, signal: Promise<string>): Promise<void> {
  process.stdout.write(`${daemon.ready.join("\n")}\n`);
  const systemd = await openSystemdNotifier(environment);
  systemd.ready(daemon.ready[0] ?? "ready");
  const watchdog = feedWatchdog(systemd, daemon);
  const name = await signal;
  log.info({ event: "stopping" satisfies EventName, signal: name }, "stopping");
  systemd.stopping();
  clearInterval(watchdog);
  await daemon.stop();
  log.info({ event: "stopped" satisfies EventName }, "stopped");
}

/** A watchdog that is not fed kills a daemon whose relay threads hang; three chances a period. */
function feedWatchdog(systemd: SystemdNotifier, daemon: RunningDaemon): NodeJS.Timeout | undefined {
  if (systemd.watchdogMs === undefined) return undefined;
  return setInterval(() => {
    if (daemon.isAlive()) systemd.alive();
  }, systemd.watchdogMs / 3);
}

/** Repeated signals are normal: of Ctrl-C under npm both the terminal and npm send one. */
function awaitSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => resolve(name));
  });
}

/**
 * Node gives the signals back to the system while it takes itself down, some milliseconds before the process is gone,
 * and a late one would then end a daemon that stopped cleanly as if it had been killed; leaving from the last event it
 * has skips that taking down. Not before it has stopped: node tells of a fault after that event.
 */
function leaveAtLastEvent(): void {
  process.once("exit", (code) => process.exit(code));
}

/** One line for what the machine refused; undefined for a fault of ours, which keeps its stack. */
function operatorLine(error: unknown): string | undefined {
  if (error instanceof ListenError || error instanceof SecretFileError) return error.message;
  const { syscall, code, message } = error as NodeJS.ErrnoException;
  return syscall === undefined || code === undefined ? undefined : `${message} (${meaningOf(code)})`;
}

function complain(line: string): void {
  process.stderr.write(`rtpferry: ${line}\n`);
}
