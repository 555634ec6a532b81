/** A lab: network, relay under test, Kamailio with one of its two modules, and a helper in every host. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent } from "./agent.ts";
import { address, type HostName, Network } from "./network.ts";
import { Program, until } from "./process.ts";
import { projectRoot } from "./project-root.ts";
import { type RelayCounts, type RelayUnderTest, relayName, startRelay } from "./relay.ts";
import { mediaPortsPerCall, Party, type PartyPlan } from "./sipp.ts";

export type KamailioModule = "rtpengine" | "rtpproxy";
export const kamailioModules: readonly KamailioModule[] = ["rtpengine", "rtpproxy"];

const configs = join(projectRoot(), "test/interop/kamailio");
const sipPort = 5060;
/** Delete delay of the relay, and some time to see it done. */
const releaseLimitMs = 6_000;

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
  relay!: RelayUnderTest;
  private readonly agents = new Map<HostName, Agent>();
  private readonly programs: Program[] = [];
  private readonly parties: Party[] = [];
  private partiesCount = 0;
  private nextMediaPort = portsBase.media;
  private before!: RelayCounts;

  private constructor(network: Network, module: KamailioModule) {
    this.network = network;
    this.module = module;
    this.folder = mkdtempSync(join(tmpdir(), `rtpferry-interop-${module}-`));
  }

  static async raise(module: KamailioModule): Promise<Lab> {
    const lab = new Lab(await Network.raise(module), module);
    try {
      await lab.startServers();
    } catch (error) {
      await lab.drop();
      throw error;
    }
    return lab;
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

  /** After the last call and the delete delay the relay must hold what it held before the first. */
  async expectReleased(): Promise<void> {
    let now = await this.relay.counts();
    try {
      await until("all released", releaseLimitMs, async () => {
        now = await this.relay.counts();
        return (
          now.calls === this.before.calls &&
          now.freePorts === this.before.freePorts &&
          now.fds === this.before.fds
        );
      });
    } catch {
      throw new Error(`not released: ${JSON.stringify(now)}, at the start ${JSON.stringify(this.before)}`);
    }
  }

  /** Leaves nothing behind but, after a failure, the folder with the logs. */
  async drop(keepsFolder = false): Promise<void> {
    for (const party of this.parties) await party.close();
    for (const program of this.programs.toReversed()) await program.stop();
    for (const agent of this.agents.values()) await agent.end();
    await this.network.drop();
    if (!keepsFolder) rmSync(this.folder, { recursive: true, force: true });
  }

  private async startServers(): Promise<void> {
    this.relay = await startRelay({
      namespace: this.network.namespace("core"),
      folder: this.folder,
      agent: this.agent("core"),
    });
    this.programs.push(this.relay.program);
    const socket = this.module === "rtpengine" ? this.relay.rtpengineSocket : this.relay.rtpproxySocket;
    const core = await this.kamailio("core", [
      ...["-A", `RELAY_SOCKET="${socket}"`],
      ...(this.module === "rtpproxy" ? ["-A", "WITH_RTPPROXY"] : []),
      ...["-l", `udp:${address.proxy}:${sipPort}`, "-l", `udp:[${address.proxy6}]:${sipPort}`],
    ]);
    const edge = await this.kamailio("edge", [
      ...["-A", `CORE_PROXY="sip:${address.proxy}:${sipPort}"`, "-l", `udp:${address.edge}:${sipPort}`],
    ]);
    await Promise.all([core.listening(sipPort), edge.listening(sipPort)]);
    this.before = await this.relay.counts();
  }

  private kamailio(host: "core" | "edge", options: readonly string[]): Promise<Program> {
    const command = ["kamailio", "-f", join(configs, `${host}.cfg`), "-DD", "-E", "-Y", this.folder];
    return this.program(host, `kamailio-${host}`, [...command, "-m", "32", "-M", "8", ...options]);
  }
}

/** Runs `body` in a lab of its own; after a failure its logs stay. */
export async function withLab(module: KamailioModule, body: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await Lab.raise(module);
  let isDone = false;
  try {
    await body(lab);
    await lab.expectReleased();
    isDone = true;
  } finally {
    if (!isDone) process.stderr.write(`logs of ${relayName()} and its peers: ${lab.folder}\n`);
    await lab.drop(!isDone);
  }
}
