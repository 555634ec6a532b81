/** A lab: network, relay under test, Kamailio with one of its two modules, and a helper in every host. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent } from "./agent.ts";
import { address, type HostName, Network } from "./network.ts";
import { Program, until } from "./process.ts";
import { projectRoot } from "./project-root.ts";
import {
  dropsIn,
  type RelayCounts,
  type RelayName,
  type RelayUnderTest,
  relayName,
  startRelay,
} from "./relay.ts";
import { mediaPortsPerCall, Party, type PartyPlan } from "./sipp.ts";

export type KamailioModule = "rtpengine" | "rtpproxy";
export const kamailioModules: readonly KamailioModule[] = ["rtpengine", "rtpproxy"];

export interface LabOptions {
  /**
   * The core proxy's configuration: the lab's own with all cases, the one in docs/, or the one for SRTP and ICE.
   * `none`: the test itself speaks ng, and no proxy is started.
   */
  readonly config?: "lab" | "documented" | "secure" | "none";
  /** Command-line options of our relay. */
  readonly relayOptions?: readonly string[];
  /** What our relay's IPv4 address is called outside; getting packets there is the test's business. */
  readonly advertisedIp?: string;
  /** Where two are compared; `relayName()` otherwise. */
  readonly relay?: RelayName;
}

const configs = join(projectRoot(), "test/interop/kamailio");
const documented = join(projectRoot(), "docs/kamailio");
const sipPort = 5060;
/** Delete delay of the relay, and some time to see it done. */
const releaseLimitMs = 6_000;
const settleLimitMs = 5_000;
const settledPolls = 10;

/** Each party has a SIP port and a range of media ports of its own. */
const portsBase = { sip: 5_100, media: 10_000 };

type PartyOptions = Omit<PartyPlan, "agent" | "folder" | "namespace" | "number" | "sipPort" | "mediaPort"> & {
  readonly host: HostName;
  readonly sipPort?: number;
};

export class Lab {
  readonly folder: string;
  readonly network: Network;
  readonly module: KamailioModule;
  private readonly agents = new Map<HostName, Agent>();
  private readonly programs: Program[] = [];
  private readonly parties: Party[] = [];
  private readonly endings: (() => Promise<void>)[] = [];
  private partiesCount = 0;
  private nextMediaPort = portsBase.media;
  private started: { readonly relay: RelayUnderTest; readonly before: RelayCounts } | undefined;

  private readonly options: LabOptions;

  private constructor(network: Network, module: KamailioModule, options: LabOptions) {
    this.network = network;
    this.module = module;
    this.options = options;
    this.folder = mkdtempSync(join(tmpdir(), `rtpferry-interop-${module}-`));
  }

  static async raise(module: KamailioModule, options: LabOptions): Promise<Lab> {
    const label = options.relay === undefined ? module : `${module}-${options.relay}`;
    const lab = new Lab(await Network.raise(label), module, options);
    try {
      await lab.startServers();
    } catch (error) {
      await lab.drop();
      throw error;
    }
    return lab;
  }

  get relay(): RelayUnderTest {
    return this.running.relay;
  }

  agent(host: HostName): Agent {
    let agent = this.agents.get(host);
    if (agent === undefined) {
      agent = new Agent(this.network.namespace(host));
      this.agents.set(host, agent);
    }
    return agent;
  }

  async party(options: PartyOptions): Promise<Party> {
    const number = this.partiesCount++;
    const mediaPort = this.nextMediaPort;
    this.nextMediaPort += options.calls * mediaPortsPerCall;
    const party = await Party.start({
      sipPort: portsBase.sip + number,
      mediaPort,
      ...options,
      agent: this.agent(options.host),
      folder: this.folder,
      namespace: this.network.namespace(options.host),
      number: number + 1,
    });
    this.parties.push(party);
    return party;
  }

  async program(host: HostName, name: string, command: readonly string[], cwd?: string): Promise<Program> {
    const program = new Program({
      name,
      namespace: this.network.namespace(host),
      command,
      logFile: join(this.folder, `${name}.log`),
      cwd: cwd ?? this.folder,
    });
    this.programs.push(program);
    return program;
  }

  /** Ends what is no program of the lab, before all else. */
  onDrop(ending: () => Promise<void>): void {
    this.endings.push(ending);
  }

  /** After the last call and the delete delay the relay must hold what it held before the first. */
  async expectReleased(): Promise<void> {
    const { relay, before } = this.running;
    let now = await relay.counts();
    try {
      await until("all released", releaseLimitMs, async () => {
        now = await relay.counts();
        return now.calls === before.calls && now.freePorts === before.freePorts && now.fds === before.fds;
      });
    } catch {
      throw new Error(`not released: ${JSON.stringify(now)}, at the start ${JSON.stringify(before)}`);
    }
  }

  async keepEvidence(): Promise<void> {
    const statistics = await this.relay.statistics().catch(String);
    writeFileSync(join(this.folder, "statistics.txt"), statistics);
    process.stderr.write(`logs of ${relayName()} and its peers: ${this.folder}\n`);
  }

  /** Leaves nothing behind but, after a failure, the folder with the logs. */
  async drop(keepsFolder = false): Promise<void> {
    for (const ending of this.endings) await ending().catch(() => undefined);
    for (const party of this.parties) await party.close();
    for (const program of this.programs.toReversed()) await program.stop();
    for (const agent of this.agents.values()) await agent.end();
    await this.network.drop();
    if (!keepsFolder) rmSync(this.folder, { recursive: true, force: true });
  }

  private async startServers(): Promise<void> {
    const relay = await startRelay({
      namespace: this.network.namespace("core"),
      folder: this.folder,
      agent: this.agent("core"),
      ...(this.options.relayOptions === undefined ? {} : { options: this.options.relayOptions }),
      ...(this.options.advertisedIp === undefined ? {} : { advertisedIp: this.options.advertisedIp }),
      ...(this.options.relay === undefined ? {} : { name: this.options.relay }),
    });
    this.programs.push(relay.program);
    if (this.options.config !== "none") await this.startProxies(relay);
    this.started = { relay, before: await settledCounts(relay) };
  }

  private async startProxies(relay: RelayUnderTest): Promise<void> {
    const socket = this.module === "rtpengine" ? relay.rtpengineSocket : relay.rtpproxySocket;
    const core = await this.kamailio("core", this.coreConfig(), [
      ...["-A", `RELAY_SOCKET="${socket}"`],
      ...(this.module === "rtpproxy" ? ["-A", "WITH_RTPPROXY"] : []),
      ...(relayName() === "rtpengine" ? ["-A", "WITH_RTPENGINE_10"] : []),
      ...["-l", `udp:${address.proxy}:${sipPort}`, "-l", `udp:[${address.proxy6}]:${sipPort}`],
    ]);
    const edge = await this.kamailio("edge", join(configs, "edge.cfg"), [
      ...["-A", `CORE_PROXY="sip:${address.proxy}:${sipPort}"`, "-l", `udp:${address.edge}:${sipPort}`],
    ]);
    await Promise.all([core.listening(sipPort), edge.listening(sipPort)]);
  }

  private coreConfig(): string {
    if (this.options.config === "documented") return join(documented, `${this.module}.cfg`);
    return join(configs, this.options.config === "secure" ? "secure.cfg" : "core.cfg");
  }

  private get running(): { readonly relay: RelayUnderTest; readonly before: RelayCounts } {
    if (this.started === undefined) throw new Error("the lab has not been raised");
    return this.started;
  }

  private kamailio(host: "core" | "edge", file: string, options: readonly string[]): Promise<Program> {
    const command = ["kamailio", "-f", file, "-DD", "-E", "-Y", this.folder];
    return this.program(host, `kamailio-${host}`, [...command, "-m", "32", "-M", "8", ...options]);
  }
}

/** Counts once they stay the same: a program that has just started still opens and closes files. */
async function settledCounts(relay: RelayUnderTest): Promise<RelayCounts> {
  let now = await relay.counts();
  let same = 0;
  await until("the relay has settled", settleLimitMs, async () => {
    const next = await relay.counts();
    same = next.fds === now.fds ? same + 1 : 0;
    now = next;
    return same >= settledPolls;
  });
  return now;
}

/** Runs `body` in a lab of its own; after a failure its logs stay. */
export async function withLab(
  module: KamailioModule,
  body: (lab: Lab) => Promise<void>,
  options: LabOptions = {},
): Promise<void> {
  const lab = await Lab.raise(module, options);
  let isDone = false;
  try {
    await body(lab);
    await lab.expectReleased();
    if ((options.relay ?? relayName()) === "rtpferry") {
      process.stdout.write(`not relayed: ${dropsIn(await lab.relay.statistics()) || "nothing"}\n`);
    }
    isDone = true;
  } finally {
    if (!isDone) await lab.keepEvidence();
    await lab.drop(!isDone);
  }
}
