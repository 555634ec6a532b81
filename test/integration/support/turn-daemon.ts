/** The real program with a TURN server and nothing else to do, on free ports of loopback. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Endpoint, parseEndpoint } from "../../../src/core/address.ts";
import { compiled } from "../../support/repository.ts";

export type Transport = "udp" | "tcp" | "tls" | "dtls";

export interface TurnWords {
  /** Keys of the file beside what is always there; a list is a repeated one. */
  readonly settings?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  readonly listen?: readonly string[];
  readonly interfaces?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** First of 400 ports. */
  readonly portMin: number;
}

export const allTransports = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0", "tls:127.0.0.1:0", "dtls:127.0.0.1:0"];

export class TurnDaemon {
  /** For the configuration, certificates, and what a test puts there. */
  readonly folder: string;
  readonly ctlPath: string;
  readonly #child: ChildProcess;
  #out = "";
  #errors = "";

  private constructor(folder: string, words: TurnWords | string) {
    this.folder = folder;
    this.ctlPath = join(folder, "ctl.sock");
    if (typeof words === "string") writeFileSync(this.path("rtpferry.toml"), words, { mode: 0o600 });
    else {
      this.renewCertificate("first");
      this.write(words);
    }
    const environment = typeof words === "string" ? {} : (words.environment ?? {});
    const command = [compiled("src/cli.ts"), "serve", "--config", this.path("rtpferry.toml")];
    this.#child = spawn(process.execPath, command, {
      stdio: ["ignore", "pipe", "pipe"],
      // biome-ignore lint/style/noProcessEnv: the child gets ours and what the test adds.
      env: { ...process.env, ...environment },
    });
    this.#child.stdout?.on("data", (chunk) => {
      this.#out += chunk;
    });
    this.#child.stderr?.on("data", (chunk) => {
      this.#errors += chunk;
    });
  }

  static async start(words: TurnWords): Promise<TurnDaemon> {
    const daemon = new TurnDaemon(mkdtempSync(join(tmpdir(), "rtpferry-turn-")), words);
    await daemon.#ready();
    return daemon;
  }

  /** Another one in the same folder, with this text as its configuration. */
  static async restart(former: TurnDaemon, text: string): Promise<TurnDaemon> {
    await former.#end();
    const daemon = new TurnDaemon(former.folder, text);
    await daemon.#ready();
    return daemon;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Writes the configuration file, for the start or for a reload. */
  write({ settings = {}, listen = allTransports, interfaces = ["127.0.0.1"], portMin }: TurnWords): void {
    const all = {
      interface: interfaces,
      "listen-ng": "none",
      "listen-rtpproxy": "none",
      "listen-http": "127.0.0.1:0",
      ctl: this.ctlPath,
      "port-min": portMin,
      "port-max": portMin + 399,
      workers: 1,
      "log-level": "debug",
      "listen-turn": listen,
      "turn-realm": "test",
      "turn-user": ["alice:secret"],
      "turn-cert": this.path("cert.pem"),
      "turn-key": this.path("key.pem"),
      ...settings,
    };
    const lines = Object.entries(all).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
    writeFileSync(this.path("rtpferry.toml"), `${lines.join("\n")}\n`, { mode: 0o600 });
  }

  /** Puts a certificate of this name in place; it is used from the next reload on. */
  renewCertificate(name: string): void {
    if (!existsSync(this.path(`${name}-cert.pem`))) makeCertificate(this.folder, name);
    for (const kind of ["cert", "key"]) {
      const pem = readFileSync(this.path(`${name}-${kind}.pem`));
      writeFileSync(this.path(`${kind}.pem`), pem, { mode: 0o600 });
    }
  }

  at(transport: Transport): Endpoint {
    const place = new RegExp(`turn +${transport}:(\\S+)`).exec(this.#out)?.[1] ?? "";
    return parseEndpoint(place) ?? assert.fail(`no ${transport} in ${this.#out}`);
  }

  signal(name: "SIGHUP" | "SIGUSR1"): void {
    this.#child.kill(name);
  }

  /** What `rtpferry ctl` prints. */
  async ctl(...words: readonly string[]): Promise<string> {
    const command = [compiled("src/cli.ts"), "ctl", "--ctl", this.ctlPath, ...words];
    const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
    await new Promise((resolve) => child.once("close", resolve));
    return text;
  }

  /** The lines of the log with this event, once there are so many. */
  async logged(event: string, count = 1): Promise<readonly Readonly<Record<string, unknown>>[]> {
    for (;;) {
      const found = this.#logLines().filter((line) => line["event"] === event);
      if (found.length >= count) return found;
      this.assertAlive();
      await pause(20);
    }
  }

  async metricsPage(): Promise<string> {
    const place = /http +http:\/\/([^/]+)/.exec(this.#out)?.[1];
    return (await fetch(`http://${place}/metrics`)).text();
  }

  async metric(pattern: RegExp): Promise<number> {
    return Number(pattern.exec(await this.metricsPage())?.[1] ?? Number.NaN);
  }

  /** Waits until the metric has this value. */
  async metricIs(pattern: RegExp, value: number): Promise<void> {
    while ((await this.metric(pattern)) !== value) {
      this.assertAlive();
      await pause(20);
    }
  }

  /** Resident memory; undefined where the system does not tell. */
  residentBytes(): number | undefined {
    const path = `/proc/${this.#child.pid}/status`;
    if (!existsSync(path)) return undefined;
    return 1_024 * Number(/^VmRSS:\s+([0-9]+) kB/m.exec(readFileSync(path, "utf8"))?.[1]);
  }

  assertAlive(): void {
    const end = this.#child.exitCode ?? this.#child.signalCode;
    assert.equal(end, null, `it ended: ${this.#errors}`);
  }

  /** The exit code after SIGTERM. */
  async stop(): Promise<number | null> {
    const code = await this.#end();
    rmSync(this.folder, { recursive: true, force: true });
    return code;
  }

  async #ready(): Promise<void> {
    while (!this.#out.includes("  ctl ")) {
      this.assertAlive();
      await pause(20);
    }
  }

  async #end(): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.#child.once("close", resolve));
    const isOver = this.#child.exitCode !== null || this.#child.signalCode !== null;
    this.#child.kill("SIGTERM");
    return isOver ? this.#child.exitCode : ended;
  }

  #logLines(): readonly Readonly<Record<string, unknown>>[] {
    const lines = this.#out.split("\n").filter((line) => line.startsWith("{") && line.endsWith("}"));
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

function makeCertificate(folder: string, name: string): void {
  const words = [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "2",
  ];
  const files = ["-subj", `/CN=${name}`, "-keyout", `${name}-key.pem`, "-out", `${name}-cert.pem`];
  const made = spawnSync("openssl", [...words, ...files], { cwd: folder, encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
