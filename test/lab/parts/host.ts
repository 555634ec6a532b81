/** The test process's end of a child in a namespace. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { inNamespace } from "../../interop/lab/process.ts";
import type { ChildJob, SipArrival } from "./child.ts";
import { preferred } from "./priority.ts";
import type { Step, TalkerPlan, TalkerReport, Target } from "./talker.ts";

const script = fileURLToPath(new URL("./child.js", import.meta.url));

/** Collects garbage less often than a short run lasts. */
const calm = ["--max-semi-space-size=64", "--max-old-space-size=512"];

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Host {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, Waiting>();
  private readonly sip = new Map<string, (arrival: SipArrival) => void>();
  private nextId = 1;

  constructor(namespace: string) {
    const [file, ...args] = inNamespace(namespace, [...preferred, process.execPath, ...calm, script]);
    this.child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
    if (this.child.stdout !== null) {
      createInterface({ input: this.child.stdout }).on("line", (line) => this.settle(line));
    }
    this.child.stdin?.on("error", () => undefined);
    this.child.on("exit", () => {
      for (const { reject } of this.waiting.values()) reject(new Error(`the child in ${namespace} ended`));
      this.waiting.clear();
    });
  }

  open(plan: TalkerPlan): Promise<void> {
    return this.ask({ kind: "open", plan });
  }

  aim(party: number, targets: readonly Target[]): Promise<void> {
    return this.ask({ kind: "aim", party, targets });
  }

  run(party: number, window: { startAtMs: number; endAtMs: number }, steps: readonly Step[]): Promise<void> {
    return this.ask({ kind: "run", party, ...window, script: steps });
  }

  report(party: number): Promise<TalkerReport> {
    return this.ask({ kind: "report", party });
  }

  close(party: number): Promise<void> {
    return this.ask({ kind: "close", party });
  }

  /** Binds a SIP socket; what comes there goes to `onMessage`. */
  async openSip(
    name: string,
    at: { readonly address: string; readonly port: number },
    onMessage: (arrival: SipArrival) => void,
  ): Promise<void> {
    this.sip.set(name, onMessage);
    await this.ask({ kind: "sip-open", name, ...at });
  }

  sendSip(name: string, to: { readonly host: string; readonly port: number }, text: string): Promise<void> {
    return this.ask({ kind: "sip-send", name, ...to, text });
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.stdin?.end();
    await ended;
  }

  private ask<Value>(job: ChildJob): Promise<Value> {
    const id = this.nextId++;
    return new Promise<Value>((resolve, reject) => {
      this.waiting.set(id, { resolve: (value) => resolve(value as Value), reject });
      this.child.stdin?.write(`${JSON.stringify({ id, job })}\n`);
    });
  }

  private settle(line: string): void {
    const answer = JSON.parse(line) as SipArrival | { id: number; value?: unknown; error?: string };
    if ("sip" in answer) {
      this.sip.get(answer.sip)?.(answer);
      return;
    }
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if (answer.error === undefined) waiting?.resolve(answer.value);
    else waiting?.reject(new Error(answer.error));
  }
}
