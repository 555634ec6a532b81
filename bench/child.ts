/** Child processes of the bench: pinned to a core, inside a namespace, spoken to in JSON lines. */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createInterface, type Interface } from "node:readline";

const readyTimeoutMs = 10_000;
const stopTimeoutMs = 5_000;

function spawnPinned(
  namespace: string,
  core: number,
  command: readonly string[],
  stdio: StdioOptions,
): ChildProcess {
  return spawn("ip", ["netns", "exec", namespace, "taskset", "-c", String(core), ...command], { stdio });
}

const lastWordsMax = 300;

/** A relay or server under measurement. */
export class Subject {
  readonly #name: string;
  readonly #child: ChildProcess;
  #lastWords = "";

  constructor(name: string, namespace: string, core: number, command: readonly string[]) {
    this.#name = name;
    this.#child = spawnPinned(namespace, core, command, ["ignore", "ignore", "pipe"]);
    this.#child.stderr?.on("data", (text: Buffer) => {
      this.#lastWords = (this.#lastWords + text.toString("latin1")).slice(-lastWordsMax);
    });
  }

  /** Of the process itself, not of the `ip netns exec` in front of it: both exec in place. */
  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.#name} did not start`);
    return this.#child.pid;
  }

  /** Waits for a UDP socket at the port to appear in its namespace. */
  async untilListening(port: number): Promise<void> {
    const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
    for (const start = performance.now(); performance.now() - start < readyTimeoutMs; ) {
      const { exitCode, signalCode } = this.#child;
      if (exitCode !== null || signalCode !== null)
        throw new Error(`${this.#name} ended at start with ${exitCode ?? signalCode}: ${this.#lastWords}`);
      if (
        existsSync(`/proc/${this.pid}`) &&
        readFileSync(`/proc/${this.pid}/net/udp`, "utf8").includes(wanted)
      )
        return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await this.stop();
    throw new Error(`${this.#name} did not listen within ${readyTimeoutMs} ms`);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
    await ended;
    clearTimeout(force);
  }
}

/** A helper that answers each JSON line with one JSON line. */
export class JsonChild<Job, Result> {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  private readonly reader: Interface;

  constructor(namespace: string, core: number, script: string) {
    this.child = spawnPinned(namespace, core, [process.execPath, script], ["pipe", "pipe", "inherit"]);
    if (this.child.stdout === null) throw new Error("child without output");
    this.reader = createInterface({ input: this.child.stdout });
    this.lines = this.reader[Symbol.asyncIterator]();
  }

  async ask(job: Job): Promise<Result> {
    this.child.stdin?.write(`${JSON.stringify(job)}\n`);
    const answer = await this.lines.next();
    if (answer.done === true) throw new Error("the child ended without an answer");
    return JSON.parse(answer.value) as Result;
  }

  async end(): Promise<void> {
    this.child.stdin?.end();
    if (this.child.exitCode === null) await new Promise((resolve) => this.child.once("exit", resolve));
  }
}
