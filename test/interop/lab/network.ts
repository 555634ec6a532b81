/**
 * The lab's network: every host is a namespace on one switch, and everything goes when the test process goes.
 *
 *     switch 10.99.0.0/24, fd99::/64
 *       core    .10 Kamailio, .20 the relay        edge .30 a second proxy
 *       caller  .61-.63        callee .71-.73      trunk .50 SIP, .51 in its SDP, .52 sends and receives media;
 *                                                        10.98.0.52 does so from a network of its own
 *       nat     .40 masquerading 10.99.200.0/24: phone .2, desk .3
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { hostUp, Namespaces } from "./namespaces.ts";

const run = promisify(execFile);

export type HostName = "core" | "edge" | "caller" | "callee" | "trunk" | "nat" | "phone" | "desk";

export const address = {
  proxy: "10.99.0.10",
  proxy6: "fd99::10",
  relay: "10.99.0.20",
  relay6: "fd99::20",
  /** What the relay is called outside in a lab that has a static NAT in front of it (`mapStatically`). */
  relayOutside: "198.51.100.20",
  edge: "10.99.0.30",
  nat: "10.99.0.40",
  trunkSip: "10.99.0.50",
  trunkSdp: "10.99.0.51",
  trunkMedia: "10.99.0.52",
  farTrunkMedia: "10.98.0.52",
  caller: "10.99.0.61",
  caller6: "fd99::61",
  callee: "10.99.0.71",
  callee6: "fd99::71",
  phone: "10.99.200.2",
  desk: "10.99.200.3",
} as const;

/** The relay has a route into it, and no address. */
export const farTrunkNetwork = "10.98.0.0/24";

/** Where the NAT box forwards SIP to the desk phone, as a static mapping in a home router does. */
export const deskSipPort = 5090;

const publicHosts: Readonly<Record<string, readonly string[]>> = {
  core: [`${address.proxy}/24`, `${address.relay}/24`, `${address.proxy6}/64`, `${address.relay6}/64`],
  edge: [`${address.edge}/24`],
  caller: [`${address.caller}/24`, `${address.caller6}/64`],
  callee: [`${address.callee}/24`, `${address.callee6}/64`],
  trunk: [
    `${address.trunkSip}/24`,
    `${address.trunkSdp}/24`,
    `${address.trunkMedia}/24`,
    `${address.farTrunkMedia}/24`,
  ],
  nat: [`${address.nat}/24`],
};
const privateHosts: Readonly<Record<string, string>> = {
  phone: `${address.phone}/24`,
  desk: `${address.desk}/24`,
};
const privateGateway = "10.99.200.1";

export class Network {
  private readonly namespaces: Namespaces;

  private constructor(namespaces: Namespaces) {
    this.namespaces = namespaces;
  }

  static async raise(label: string): Promise<Network> {
    const hosts = [...Object.keys(publicHosts), ...Object.keys(privateHosts), "switch"];
    const network = new Network(await Namespaces.add(label, hosts));
    try {
      await network.build();
    } catch (error) {
      await network.drop();
      throw error;
    }
    return network;
  }

  namespace(host: HostName | "switch"): string {
    return this.namespaces.name(host);
  }

  /** Ends what still runs in the namespaces and removes them. */
  drop(): Promise<void> {
    return this.namespaces.drop();
  }

  private async build(): Promise<void> {
    await this.namespaces.inside("switch", [
      "link set lo up",
      "link add public type bridge",
      "link set public up",
      "link add private type bridge",
      "link set private up",
      ...Object.keys(publicHosts).flatMap((host) => this.namespaces.cable(host, "eth0", "public")),
      ...this.namespaces.cable("nat", "eth1", "private"),
      ...Object.keys(privateHosts).flatMap((host) => this.namespaces.cable(host, "eth0", "private")),
    ]);
    for (const [host, addresses] of Object.entries(publicHosts)) {
      await this.namespaces.inside(host, hostUp("eth0", addresses));
    }
    await this.namespaces.inside("core", [`route add ${farTrunkNetwork} dev eth0`]);
    await this.namespaces.inside("nat", hostUp("eth1", [`${privateGateway}/24`]));
    for (const [host, own] of Object.entries(privateHosts)) {
      await this.namespaces.inside(host, [
        ...hostUp("eth0", [own]),
        `route add default via ${privateGateway}`,
      ]);
    }
    await this.translate();
  }

  /** Masquerades with random ports, so that no mapped port equals the one in the SDP. */
  private async translate(): Promise<void> {
    const nat = this.namespace("nat");
    await run("ip", ["netns", "exec", nat, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    const rules = [
      "add table ip nat",
      "add chain ip nat in { type nat hook prerouting priority dstnat; }",
      `add rule ip nat in iifname eth0 udp dport ${deskSipPort} dnat to ${address.desk}:${deskSipPort}`,
      "add chain ip nat out { type nat hook postrouting priority srcnat; }",
      `add rule ip nat out oifname eth0 udp sport ${deskSipPort} masquerade`,
      "add rule ip nat out oifname eth0 masquerade fully-random",
    ];
    await run("ip", ["netns", "exec", nat, "nft", rules.join("; ")]);
  }
}
