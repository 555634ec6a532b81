/**
 * The NAT lab's network. Every network between a phone and the relay is a NAT of its own; every call has addresses of
 * its own in each of them, number n below, so that no call's media says anything about another's.
 *
 *     core   198.18.1.0/24, 2001:db8:1::/64: .10 Kamailio, .20 the relay, .21 a relay with `strict`
 *            attacker .66 of 198.18.66.0/24 and 2001:db8:66::/64; its spoofed packets carry 11.0.0.0/16
 *     wifi   192.168.1.n -> 203.0.113.n, 2001:db8:a::n    phone (wlan0); neighbour: 192.168.1.(128 + n), same NAT
 *     cell   100.64.0.n  -> 198.51.100.n, 2001:db8:b::n   phone (cell0)
 *     home   192.168.3.n -> 192.0.2.n, 2001:db8:c::n      far
 *
 * IPv4 is translated with random ports, IPv6 is routed. SIP to home's port 5060 is forwarded, as a home router does it.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { hostUp, Namespaces } from "../../interop/lab/namespaces.ts";

const run = promisify(execFile);

export type HostName = "core" | "attacker" | "phone" | "neighbour" | "far";
export type NatName = "wifi" | "cell" | "home";

/** Calls a network has addresses for. */
export const callsMax = 100;
const neighbourOffset = 128;

export const place = {
  proxy: "198.18.1.10",
  proxy6: "2001:db8:1::10",
  relay: "198.18.1.20",
  relay6: "2001:db8:1::20",
  strictRelay: "198.18.1.21",
  strictRelay6: "2001:db8:1::21",
  attacker: "198.18.66.66",
  attacker6: "2001:db8:66::66",
} as const;

export const sipPort = 5060;
const spoofedFirst = 11 * 2 ** 24;
const spoofedNetwork = "11.0.0.0/16";

/** What leaves the attacker from these ports carries another source: a random one, or an address of a phone's NAT. */
export const spoofPorts = { anywhere: 6_000, ofWifi: 6_100 } as const;

interface Nat {
  readonly inside: string;
  readonly outside: string;
  readonly inside6: string;
  readonly core6: string;
}

const nats: Readonly<Record<NatName, Nat>> = {
  wifi: {
    inside: "192.168.1",
    outside: "203.0.113",
    inside6: "2001:db8:a:",
    core6: "2001:db8:1::a",
  },
  cell: { inside: "100.64.0", outside: "198.51.100", inside6: "2001:db8:b:", core6: "2001:db8:1::b" },
  home: { inside: "192.168.3", outside: "192.0.2", inside6: "2001:db8:c:", core6: "2001:db8:1::c" },
};
const natNames = Object.keys(nats) as readonly NatName[];
const gateway = 254;

/** The address a phone of call `number` has itself. */
export function ownAddress(nat: NatName, number: number, family: 4 | 6): string {
  return family === 4 ? `${nats[nat].inside}.${number}` : `${nats[nat].inside6}:${number.toString(16)}`;
}

/** Where the others see that phone. */
export function publicAddress(nat: NatName, number: number, family: 4 | 6): string {
  return family === 4 ? `${nats[nat].outside}.${number}` : ownAddress(nat, number, 6);
}

/** Somebody behind the same NAT as call `number`'s phone, with the same public address where there is translation. */
export function neighbourAddress(number: number, family: 4 | 6): string {
  return ownAddress("wifi", number + neighbourOffset, family);
}

const coreHosts: Readonly<Record<string, readonly string[]>> = {
  core: [
    ...[`${place.proxy}/24`, `${place.relay}/24`, `${place.strictRelay}/24`],
    ...[`${place.proxy6}/64`, `${place.relay6}/64`, `${place.strictRelay6}/64`],
  ],
  attacker: [`${place.attacker}/24`, `${place.attacker6}/64`],
};

/** Who is behind which NAT, with which link, and which of the addresses it has. */
const guests: readonly { readonly host: HostName; readonly link: string; readonly nat: NatName }[] = [
  { host: "phone", link: "wlan0", nat: "wifi" },
  { host: "phone", link: "cell0", nat: "cell" },
  { host: "neighbour", link: "eth0", nat: "wifi" },
  { host: "far", link: "eth0", nat: "home" },
];

export class LabNetwork {
  private readonly namespaces: Namespaces;

  private constructor(namespaces: Namespaces) {
    this.namespaces = namespaces;
  }

  /** `folder` goes with the network. */
  static async raise(label: string, folder: string): Promise<LabNetwork> {
    const hosts = [...new Set([...Object.keys(coreHosts), ...natNames, ...guests.map(({ host }) => host)])];
    const network = new LabNetwork(await Namespaces.add(label, [...hosts, "switch"], folder));
    try {
      await network.build();
    } catch (error) {
      await network.drop();
      throw error;
    }
    return network;
  }

  namespace(host: HostName): string {
    return this.namespaces.name(host);
  }

  drop(keepsFolder = false): Promise<void> {
    return this.namespaces.drop(keepsFolder);
  }

  /** Packets of the relays' media ports that came to addresses the attacker only pretends to have. */
  async answersToSpoofed(): Promise<number> {
    const { stdout } = await this.netExec("attacker", ["nft", "list", "counter", "ip", "lab", "answers"]);
    return Number(/packets (\d+)/.exec(stdout)?.[1] ?? Number.NaN);
  }

  private async build(): Promise<void> {
    const { namespaces } = this;
    // A link whose own address is still being checked does not ask for its neighbours' for a second.
    const hosts = [...Object.keys(coreHosts), ...natNames, "phone", "neighbour", "far"];
    await Promise.all(
      hosts.map((host) =>
        this.netExec(host, [
          "sysctl",
          "-qw",
          "net.ipv6.conf.all.accept_dad=0",
          "net.ipv6.conf.default.accept_dad=0",
        ]),
      ),
    );
    await namespaces.inside("switch", [
      "link set lo up",
      ...["core", ...natNames].flatMap((name) => [
        `link add ${name} type bridge mcast_snooping 0`,
        `link set ${name} up`,
      ]),
      ...[...Object.keys(coreHosts), ...natNames].flatMap((host) => namespaces.cable(host, "eth0", "core")),
      ...natNames.flatMap((nat) => namespaces.cable(nat, "eth1", nat)),
      ...guests.flatMap(({ host, link, nat }) => namespaces.cable(host, link, nat)),
    ]);
    await Promise.all([
      ...Object.entries(coreHosts).map(([host, addresses]) => this.buildCoreHost(host, addresses)),
      ...natNames.map((nat) => this.buildNat(nat)),
      ...["phone", "neighbour", "far"].map((host) => this.buildGuest(host as HostName)),
    ]);
    await this.arm();
  }

  private async buildCoreHost(host: string, addresses: readonly string[]): Promise<void> {
    await this.namespaces.inside(host, [...hostUp("eth0", addresses), "route add default dev eth0"]);
    await this.namespaces.inside(host, coreRoutes6(), 6);
  }

  private async buildNat(name: NatName): Promise<void> {
    const { inside, inside6, outside, core6 } = nats[name];
    await this.netExec(name, ["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]);
    await this.namespaces.inside(name, [
      ...hostUp("eth0", [`${core6}/64`]),
      ...hostUp("eth1", [`${inside}.${gateway}/24`, `${inside6}:fffe/64`]),
      "route add default dev eth0",
      `route add local ${outside}.0/24 dev lo`,
    ]);
    await this.namespaces.inside(name, coreRoutes6(name), 6);
    const numbers = Array.from({ length: callsMax }, (_, index) => index + 1);
    const sources = numbers.flatMap((n) =>
      [n, n + neighbourOffset].map((host) => `${inside}.${host} : ${outside}.${n}`),
    );
    const inbound = numbers.map((n) => `${outside}.${n} : ${inside}.${n}`);
    await this.nft(name, [
      "add table ip nat",
      "add chain ip nat in { type nat hook prerouting priority dstnat; }",
      "add chain ip nat out { type nat hook postrouting priority srcnat; }",
      `add rule ip nat in iifname eth0 udp dport ${sipPort} dnat to ip daddr map { ${inbound.join(", ")} }`,
      `add rule ip nat out oifname eth0 snat to ip saddr map { ${sources.join(", ")} } fully-random`,
    ]);
  }

  private async buildGuest(host: HostName): Promise<void> {
    const links = guests.filter((guest) => guest.host === host);
    for (const [index, { link, nat }] of links.entries()) {
      const { inside, inside6 } = nats[nat];
      const first = host === "neighbour" ? neighbourOffset : 0;
      const numbers = Array.from({ length: callsMax }, (_, n) => first + n + 1);
      const table = 100 + index;
      await this.namespaces.inside(host, [
        ...hostUp(link, [
          ...numbers.map((n) => `${inside}.${n}/24`),
          ...numbers.map((n) => `${inside6}:${n.toString(16)}/64`),
        ]),
        `route add default via ${inside}.${gateway} table ${table}`,
        `rule add from ${inside}.0/24 lookup ${table}`,
      ]);
      await this.namespaces.inside(
        host,
        [
          `route add default via ${inside6}:fffe table ${table}`,
          `rule add from ${inside6}:/64 lookup ${table}`,
        ],
        6,
      );
    }
  }

  /** Gives the attacker its false sources, and counts what comes back to them. */
  private async arm(): Promise<void> {
    await this.namespaces.inside("attacker", [
      `route add local ${spoofedNetwork} dev lo`,
      ...(["wifi", "cell"] as const).flatMap((nat) =>
        Array.from({ length: callsMax }, (_, n) => `addr add ${ownAddress(nat, n + 1, 6)}/128 dev lo nodad`),
      ),
    ]);
    const { anywhere, ofWifi } = spoofPorts;
    const randomPort = "udp sport set numgen random mod 40000 offset 20000";
    const wifi = Array.from(
      { length: callsMax },
      (_, n) => `${ofWifi + n + 1} : ${nats.wifi.outside}.${n + 1}`,
    );
    await this.nft("attacker", [
      "add table ip lab",
      "add counter ip lab answers",
      "add chain ip lab in { type filter hook prerouting priority 0; }",
      `add rule ip lab in ip daddr ${spoofedNetwork} udp sport 30000-60000 counter name answers`,
      "add chain ip lab out { type filter hook postrouting priority 0; }",
      `add rule ip lab out udp sport ${anywhere}-${anywhere + 99} ip saddr set ` +
        `numgen random mod 65536 offset ${spoofedFirst} ${randomPort}`,
      `add rule ip lab out udp sport ${ofWifi + 1}-${ofWifi + callsMax} ip saddr set udp sport map ` +
        `{ ${wifi.join(", ")} } ${randomPort}`,
    ]);
  }

  private netExec(host: string, command: readonly string[]): Promise<{ readonly stdout: string }> {
    return run("ip", ["netns", "exec", this.namespaces.name(host), ...command]);
  }

  private async nft(host: string, rules: readonly string[]): Promise<void> {
    await this.netExec(host, ["nft", rules.join("; ")]);
  }
}

/** IPv4 of the core is one link with many networks; IPv6 behind the NATs is reached through them. */
function coreRoutes6(self?: NatName): readonly string[] {
  return [
    "route add 2001:db8:1::/64 dev eth0",
    "route add 2001:db8:66::/64 dev eth0",
    ...natNames
      .filter((nat) => nat !== self)
      .map((nat) => `route add ${nats[nat].inside6}:/64 via ${nats[nat].core6}`),
  ];
}
