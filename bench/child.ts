/** Child processes of the bench: pinned to a core, inside a namespace, spoken to in JSON lines. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";

export function spawnPinned(
  namespace: string,
  core: number,
  command: readonly string[],
  stdio: "pipe" | "ignore",
): ChildProcess {
  const args = ["netns", "exec", namespace, "taskset", "-c", String(core), ...command];
  return spawn("ip", args, { stdio: [stdio, stdio, stdio === "pipe" ? "inherit" : "ignore"] });
}

/** A helper that answers each JSON line with one JSON line. */
export class JsonChild<Job, Result> {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  private readonly reader: Interface;

  constructor(namespace: string, core: number, script: string) {
    this.child = spawnPinned(namespace, core, [process.execPath, script], "pipe");
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
