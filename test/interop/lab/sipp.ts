/** One SIPp process with its phones: SIPp's log lines drive the media half of each call. */
import { execFileSync } from "node:child_process";
import { constants, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Agent } from "./agent.ts";
import { Program } from "./process.ts";
import type { PhoneReport, SendPlan } from "./rtp-phone.ts";
import type { PhoneWord } from "./scenario.ts";

export interface PartyPlan {
  readonly name: string;
  readonly namespace: string;
  readonly agent: Agent;
  readonly folder: string;
  /** Number of this party in the lab, from 1: the upper half of its phones' SSRCs. */
  readonly number: number;
  readonly sipAddress: string;
  readonly sipPort: number;
  /** In the SDP. */
  readonly mediaAddress: string;
  /** Where the phone really is; the address in the SDP when not given. */
  readonly phoneAddress?: string;
  readonly mediaPort: number;
  readonly scenario: string;
  readonly calls: number;
  readonly send: SendPlan;
  readonly withSecondPair?: boolean;
  /** Callers only. */
  readonly dial?: {
    readonly proxy: string;
    readonly target: string;
    readonly extraHeader?: string;
    readonly callsPerSecond: number;
    readonly atOnceMax: number;
  };
}

/** SIPp's auto_media_port gives each call four ports, counted from its number. */
export const mediaPortsPerCall = 4;
const openBatch = 100;
const complaintMax = 700;

export class Party {
  readonly plan: PartyPlan;
  private program: Program | undefined;
  private readonly portsByCall = new Map<string, number>();
  private readonly log: Socket;
  private readonly pending = new Set<Promise<void>>();
  /** Every address the phones were told to send to. */
  readonly aimedAt = new Set<string>();
  private phoneFault: Error | undefined;

  private constructor(plan: PartyPlan, log: Socket) {
    this.plan = plan;
    this.log = log;
    createInterface({ input: log }).on("line", (line) => this.obey(line));
  }

  /** Opens the phones and starts SIPp. */
  static async start(plan: PartyPlan): Promise<Party> {
    const pipe = join(plan.folder, `${plan.name}.phone`);
    execFileSync("mkfifo", [pipe]);
    // Opened for both, so that neither side waits for the other or sees an end.
    const log = new Socket({ fd: openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK), writable: false });
    const party = new Party(plan, log);
    try {
      await party.openPhones();
      await party.startSipp(pipe);
    } catch (error) {
      await party.close();
      throw new Error(`${String(error)}\n${party.complaint()}`, { cause: error });
    }
    return party;
  }

  /** Waits until all calls are done and rejects when one failed. */
  async finished(limitMs: number): Promise<void> {
    const code = await this.running.exitCode(limitMs);
    await Promise.all(this.pending);
    if (this.phoneFault !== undefined) throw this.phoneFault;
    if (code !== 0) throw new Error(`${this.plan.name}: SIPp ended with ${code}\n${this.complaint()}`);
  }

  get callIds(): readonly string[] {
    return [...this.portsByCall.keys()];
  }

  ssrcOf(callId: string): number | undefined {
    const port = this.portsByCall.get(callId);
    return port === undefined ? undefined : this.ssrcAt(port);
  }

  async reports(): Promise<ReadonlyMap<string, PhoneReport>> {
    const calls = this.callIds;
    const reports = await this.plan.agent.reports(calls.map((callId) => this.ssrcOf(callId) ?? 0));
    return new Map(reports.map((report, index) => [calls[index] ?? "", report]));
  }

  async close(): Promise<void> {
    await this.program?.stop();
    this.log.destroy();
    await this.plan.agent.closePhones(this.phonePorts().map((port) => this.ssrcAt(port)));
  }

  /** What SIPp found wrong. */
  complaint(): string {
    return existsSync(this.errorFile) ? readFileSync(this.errorFile, "utf8").slice(0, complaintMax) : "";
  }

  private get errorFile(): string {
    return join(this.plan.folder, `${this.plan.name}.errors`);
  }

  private get running(): Program {
    if (this.program === undefined) throw new Error(`${this.plan.name} is not started`);
    return this.program;
  }

  private ssrcAt(port: number): number {
    return this.plan.number * 0x10000 + port;
  }

  private phonePorts(): readonly number[] {
    return Array.from(
      { length: this.plan.calls },
      (_, call) => this.plan.mediaPort + call * mediaPortsPerCall,
    );
  }

  private async openPhones(): Promise<void> {
    const address = this.plan.phoneAddress ?? this.plan.mediaAddress;
    const phones = this.phonePorts().map((port) => ({ ssrc: this.ssrcAt(port), address, port }));
    for (let first = 0; first < phones.length; first += openBatch) {
      const batch = phones.slice(first, first + openBatch);
      await this.plan.agent.openPhones(batch, this.plan.withSecondPair === true);
    }
  }

  private async startSipp(pipe: string): Promise<void> {
    const { plan } = this;
    const file = join(plan.folder, `${plan.name}.xml`);
    writeFileSync(file, plan.scenario);
    this.program = new Program({
      name: plan.name,
      namespace: plan.namespace,
      command: this.command(file, pipe),
      logFile: join(plan.folder, `${plan.name}.log`),
      cwd: plan.folder,
    });
    await this.program.listening(plan.sipPort);
  }

  private command(file: string, pipe: string): readonly string[] {
    const { plan } = this;
    const dial = plan.dial;
    const isV6 = plan.mediaAddress.includes(":");
    return [
      "sipp",
      ...(dial === undefined ? [] : [dial.proxy]),
      ...["-sf", file, "-i", plan.sipAddress, "-p", String(plan.sipPort)],
      // SIPp binds media sockets in any case: on loopback it leaves the phones' ports alone.
      ...["-mi", isV6 ? "::1" : "127.0.0.1", "-mp", String(plan.mediaPort)],
      ...["-key", "sdp_address", plan.mediaAddress, "-key", "sdp_family", isV6 ? "6" : "4"],
      ...["-m", String(plan.calls), "-nostdin", "-trace_logs", "-log_file", pipe],
      ...["-trace_err", "-error_file", this.errorFile, "-timeout", "200", "-timeout_error"],
      ...["-deadcall_wait", "0", "-recv_timeout", "20000", "-cid_str", `${plan.name}-%u-%p@%s`],
      // Kamailio's processes may let a 200 overtake its 180. A refusal is still seen: the 200 never comes.
      ...["-default_behaviors", "all,-abortunexp"],
      ...(dial === undefined
        ? []
        : [
            ...["-key", "target", dial.target, "-key", "extra", dial.extraHeader ?? "User-Agent: lab"],
            ...["-r", String(dial.callsPerSecond), "-l", String(dial.atOnceMax)],
          ]),
    ];
  }

  private obey(line: string): void {
    const match = /phone (\w+) (\S+) (\d+) (\S+) (\d+)/.exec(line);
    if (match === null) return;
    const [, word = "", callId = "", call = "0", host = "", remotePort = "0"] = match;
    const port = this.plan.mediaPort + (Number(call) - 1) * mediaPortsPerCall;
    this.portsByCall.set(callId, port);
    const done = this.pass(word as PhoneWord, this.ssrcAt(port), host, Number(remotePort)).catch(
      (error: unknown) => {
        this.phoneFault ??= error as Error;
      },
    );
    this.pending.add(done);
    void done.finally(() => this.pending.delete(done));
  }

  private pass(word: PhoneWord, ssrc: number, host: string, port: number): Promise<void> {
    const { agent } = this.plan;
    if (word === "aim") {
      this.aimedAt.add(host);
      return agent.aim(ssrc, host, port);
    }
    if (word === "start") return agent.start(ssrc, this.plan.send);
    return agent.tell(word, ssrc);
  }
}
