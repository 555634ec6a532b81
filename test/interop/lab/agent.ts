/** The test process's end of a helper inside a namespace. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { AgentJob } from "./agent-child.ts";
import type { StreamPlan, StreamReport, StreamTarget } from "./plain-stream.ts";
import { inNamespace } from "./process.ts";
import type { PhonePlan, PhoneReport, SendPlan } from "./rtp-phone.ts";

const script = fileURLToPath(new URL("./agent-child.js", import.meta.url));

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Agent {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;

  constructor(namespace: string) {
    const [file, ...args] = inNamespace(namespace, [process.execPath, script]);
    this.child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
    if (this.child.stdout !== null) {
      createInterface({ input: this.child.stdout }).on("line", (line) => this.settle(line));
    }
    this.child.on("exit", () => {
      for (const { reject } of this.waiting.values()) reject(new Error(`the helper in ${namespace} ended`));
      this.waiting.clear();
    });
  }

  openPhones(phones: readonly PhonePlan[], withSecondPair: boolean): Promise<void> {
    return this.ask({ kind: "open", phones, withSecondPair });
  }

  aim(ssrc: number, host: string, port: number): Promise<void> {
    return this.ask({ kind: "aim", ssrc, host, port });
  }

  start(ssrc: number, plan: SendPlan): Promise<void> {
    return this.ask({ kind: "start", ssrc, plan });
  }

  tell(kind: "pause" | "resume" | "finish" | "move", ssrc: number): Promise<void> {
    return this.ask({ kind, ssrc });
  }

  reports(ssrcs: readonly number[]): Promise<readonly PhoneReport[]> {
    return this.ask({ kind: "report", ssrcs });
  }

  closePhones(ssrcs: readonly number[]): Promise<void> {
    return this.ask({ kind: "close", ssrcs });
  }

  openStream(plan: StreamPlan): Promise<void> {
    return this.ask({ kind: "open-stream", plan });
  }

  aimStream(ssrc: number, target: StreamTarget): Promise<void> {
    return this.ask({ kind: "aim-stream", ssrc, target });
  }

  tellStream(word: "start" | "stop" | "close", ssrc: number): Promise<void> {
    return this.ask({ kind: `${word}-stream`, ssrc });
  }

  reportStream(ssrc: number): Promise<StreamReport> {
    return this.ask({ kind: "report-stream", ssrc });
  }

  askUdp(host: string, port: number, text: string): Promise<string> {
    return this.ask({ kind: "udp", host, port, text });
  }

  fetchText(url: string): Promise<string> {
    return this.ask({ kind: "http", url });
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.stdin?.end();
    await ended;
  }

  private ask<Value>(job: AgentJob): Promise<Value> {
    const id = this.nextId++;
    return new Promise<Value>((resolve, reject) => {
      this.waiting.set(id, { resolve: (value) => resolve(value as Value), reject });
      this.child.stdin?.write(`${JSON.stringify({ id, job })}\n`);
    });
  }

  private settle(line: string): void {
    const answer = JSON.parse(line) as { id: number; value?: unknown; error?: string };
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if (answer.error === undefined) waiting?.resolve(answer.value);
    else waiting?.reject(new Error(answer.error));
  }
}
