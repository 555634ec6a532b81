/** The NAT lab: its network, relays and proxies, and a child in every host. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Call, type CallPlan, type Hosts } from "./call.ts";
import { Host } from "./host.ts";
import { judge, type Verdict } from "./judge.ts";
import { callsMax, LabNetwork } from "./network.ts";
import { type RelayKind, Servers } from "./servers.ts";

/** Calls begin so long after each other, so that not all of them do everything at the same time. */
const staggerMs = 37;

export class NatLab {
  readonly network: LabNetwork;
  private readonly folder: string;
  private readonly servers: Servers;
  private readonly hosts: Hosts;
  private callsCount = 0;
  private hasFailed = false;

  private constructor(network: LabNetwork, folder: string) {
    this.network = network;
    this.folder = folder;
    this.servers = new Servers(network, this.folder);
    const host = (name: "phone" | "far" | "attacker" | "neighbour"): Host =>
      new Host(network.namespace(name));
    this.hosts = {
      phone: host("phone"),
      far: host("far"),
      attacker: host("attacker"),
      neighbour: host("neighbour"),
    };
  }

  static async raise(label: string, relays: readonly RelayKind[] = ["default"]): Promise<NatLab> {
    const folder = mkdtempSync(join(tmpdir(), "rtpferry-lab-"));
    const lab = new NatLab(await LabNetwork.raise(label, folder), folder);
    try {
      await lab.servers.start(relays);
    } catch (error) {
      lab.hasFailed = true;
      await lab.drop();
      throw error;
    }
    return lab;
  }

  /** Holds all calls at once. A call that could not be made is an error in its place. */
  async hold(plans: readonly CallPlan[]): Promise<readonly (Verdict | Error)[]> {
    const outcomes = await Promise.allSettled(
      plans.map(async (plan, index) => {
        const number = ++this.callsCount;
        if (number > callsMax) throw new Error(`more than ${callsMax} calls`);
        await new Promise((resolve) => setTimeout(resolve, index * staggerMs));
        return judge(await new Call(this.hosts, plan, number).hold());
      }),
    );
    return outcomes.map((one) => {
      if (one.status === "fulfilled") return one.value;
      this.hasFailed = true;
      return one.reason instanceof Error ? one.reason : new Error(String(one.reason));
    });
  }

  /** Leaves nothing behind but, after a failure, the folder with the logs. */
  async drop(): Promise<void> {
    for (const host of Object.values(this.hosts)) await host.end();
    await this.servers.stop();
    await this.network.drop(this.hasFailed);
    if (this.hasFailed) process.stderr.write(`logs of the lab: ${this.folder}\n`);
  }
}
