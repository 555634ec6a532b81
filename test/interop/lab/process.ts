/** Programs of the lab: each runs in a namespace, writes its output to a file of the run, and is ended by its id. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";

export interface ProgramOptions {
  readonly name: string;
  readonly namespace: string;
  readonly command: readonly string[];
  /** Takes standard output and error. */
  readonly logFile: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

const graceMs = 3_000;
/** Two hundred calls at once hold many sockets on every side. */
const fdsMax = 16_384;

/** The command line inside a namespace; each step execs in place, so the process id is the program's own. */
export function inNamespace(namespace: string, command: readonly string[]): [string, ...string[]] {
  const limits = ["prlimit", `--nofile=${fdsMax}`, "--", "setpriv", "--pdeathsig", "KILL", "--"];
  return ["ip", "netns", "exec", namespace, ...limits, ...command];
}

export class Program {
  readonly name: string;
  readonly logFile: string;
  private readonly child: ChildProcess;
  private readonly ended: Promise<number>;

  constructor(options: ProgramOptions) {
    this.name = options.name;
    this.logFile = options.logFile;
    const log = openSync(options.logFile, "a");
    const [file, ...args] = inNamespace(options.namespace, options.command);
    this.child = spawn(file, args, {
      stdio: ["ignore", log, log],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    closeSync(log);
    this.ended = once(this.child, "exit").then(([code]) => (code as number | null) ?? -1);
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.name} did not start`);
    return this.child.pid;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** The exit code; -1 after a signal. Past the limit the program is killed and the promise rejects. */
  async exitCode(limitMs: number): Promise<number> {
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.child.kill("SIGKILL");
        reject(new Error(`${this.name} ran longer than ${limitMs} ms`));
      }, limitMs);
    });
    try {
      return await Promise.race([this.ended, expired]);
    } finally {
      clearTimeout(timer);
    }
  }

  async stop(): Promise<void> {
    if (this.hasEnded) return;
    this.child.kill("SIGTERM");
    const force = setTimeout(() => this.child.kill("SIGKILL"), graceMs);
    await this.ended;
    clearTimeout(force);
  }

  /** Waits until the program's namespace has a UDP socket on the port. */
  async listening(port: number, limitMs = 10_000): Promise<void> {
    const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
    await this.starts(`listens on port ${port}`, limitMs, () => {
      const tables = [`/proc/${this.pid}/net/udp`, `/proc/${this.pid}/net/udp6`];
      return tables.some((table) => existsSync(table) && readFileSync(table, "utf8").includes(wanted));
    });
  }

  /** Waits until the program's log has the words. */
  async says(words: string, limitMs = 10_000): Promise<void> {
    const hasSaid = (): boolean => this.logTail(Number.POSITIVE_INFINITY).includes(words);
    await this.starts(`says "${words}"`, limitMs, hasSaid);
  }

  private starts(what: string, limitMs: number, isThere: () => boolean): Promise<void> {
    return until(`${this.name} ${what}`, limitMs, () => {
      if (this.hasEnded) throw new Error(`${this.name} ended at start:\n${this.logTail(8)}`);
      return isThere();
    });
  }

  fdCount(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  logTail(lines = 25): string {
    return readFileSync(this.logFile, "utf8").split("\n").slice(-lines).join("\n");
  }
}

/** Polls a condition; rejects with its name when the limit passes. */
export async function until(
  what: string,
  limitMs: number,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const pollMs = 20;
  for (const start = performance.now(); performance.now() - start < limitMs; ) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  throw new Error(`not within ${limitMs} ms: ${what}`);
}
