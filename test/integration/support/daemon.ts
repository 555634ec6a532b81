/** The real program as a child process, and what it says it listens on. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Endpoint, parseEndpoint } from "../../../src/core/address.ts";
import type { LogLevel } from "../../../src/io/log.ts";
import { compiled } from "../../support/repository.ts";

export interface DaemonWords {
  readonly portMin: number;
  readonly portMax: number;
  readonly io: "epoll" | "dgram";
  readonly logLevel?: LogLevel;
  /** A command that runs it. */
  readonly prefix?: readonly string[];
}

export class DaemonProcess {
  readonly unixPath: string;
  readonly ctlPath: string;
  readonly #child: ChildProcess;
  readonly #folder: string;
  #out = "";
  #errors = "";

  private constructor(
    folder: string,
    { portMin, portMax, io, logLevel = "error", prefix = [] }: DaemonWords,
  ) {
    this.#folder = folder;
    this.unixPath = join(folder, "rtpproxy.sock");
    this.ctlPath = join(folder, "ctl.sock");
    const settings = {
      "listen-ng": ["127.0.0.1:0"],
      "listen-rtpproxy": ["udp:127.0.0.1:0", "tcp:127.0.0.1:0", `unix:${this.unixPath}`],
      "listen-http": ["127.0.0.1:0"],
      ctl: [this.ctlPath],
      "port-min": [String(portMin)],
      "port-max": [String(portMax)],
      "delete-delay": ["0"],
      workers: ["1"],
      io: [io],
      "log-level": [logLevel],
    };
    const words = Object.entries(settings).flatMap(([key, values]) =>
      values.flatMap((value) => [`--${key}`, value]),
    );
    const [command = "", ...args] = [...prefix, process.execPath, compiled("src/cli.ts"), "serve", ...words];
    this.#child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child.stdout?.on("data", (chunk) => {
      this.#out += chunk;
    });
    this.#child.stderr?.on("data", (chunk) => {
      this.#errors += chunk;
    });
  }

  static async start(words: DaemonWords): Promise<DaemonProcess> {
    const daemon = new DaemonProcess(mkdtempSync(join(tmpdir(), "rtpferry-hostile-")), words);
    while (!daemon.#out.includes("  ctl ")) {
      daemon.assertAlive();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return daemon;
  }

  get ng(): Endpoint {
    return this.#endpoint(/ng +udp (\S+)/);
  }

  get rtpproxyUdp(): Endpoint {
    return this.#endpoint(/rtpproxy +udp:(\S+)/);
  }

  get rtpproxyTcp(): Endpoint {
    return this.#endpoint(/rtpproxy +tcp:(\S+)/);
  }

  assertAlive(): void {
    assert.equal(this.#child.exitCode ?? this.#child.signalCode, null, `it ended: ${this.#errors}`);
  }

  /** The lines of the log so far. */
  logLines(): readonly Readonly<Record<string, unknown>>[] {
    const lines = this.#out.split("\n").filter((line) => line.startsWith("{") && line.endsWith("}"));
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async metricsPage(): Promise<string> {
    const { ip, port } = this.#endpoint(/http +http:\/\/([^/]+)/);
    return (await fetch(`http://${ip}:${port}/metrics`)).text();
  }

  /** Sums of the metrics, by name without labels. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const sums = new Map<string, number>();
    for (const [, name = "", value] of (await this.metricsPage()).matchAll(
      /^([a-z_]+)(?:\{.*\})? (\S+)$/gm,
    )) {
      sums.set(name, (sums.get(name) ?? 0) + Number(value));
    }
    return sums;
  }

  /** Resident memory; undefined where the system does not tell. */
  residentBytes(): number | undefined {
    const path = `/proc/${this.#child.pid}/status`;
    if (!existsSync(path)) return undefined;
    return 1_024 * Number(/^VmRSS:\s+([0-9]+) kB/m.exec(readFileSync(path, "utf8"))?.[1]);
  }

  get pid(): number {
    assert.ok(this.#child.pid);
    return this.#child.pid;
  }

  /** The exit code after SIGTERM. */
  async stop(): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.#child.once("close", resolve));
    const isOver = this.#child.exitCode !== null || this.#child.signalCode !== null;
    this.#child.kill("SIGTERM");
    const code = isOver ? this.#child.exitCode : await ended;
    rmSync(this.#folder, { recursive: true, force: true });
    return code;
  }

  #endpoint(pattern: RegExp): Endpoint {
    return parseEndpoint(pattern.exec(this.#out)?.[1] ?? "") ?? assert.fail(`${pattern} in ${this.#out}`);
  }
}
