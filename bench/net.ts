/**
 * The bench's own network: a relay namespace and a generator namespace joined by one veth pair.
 *
 * The generator's side has no IP address at all. Frames are written to and read from the link itself, so its kernel
 * neither answers (no ICMP) nor spends time on sockets; static neighbour entries stand in for ARP. They name a link
 * address that is not the generator's: its kernel hands each frame to the generator's socket and drops it there and then,
 * as one for somebody else. It would look up a route for it first, on the relay's core, where the frame is delivered.
 */
import { execFileSync } from "node:child_process";

export const benchNet = {
  relayNamespace: "rtpferry-bench-rel",
  generatorNamespace: "rtpferry-bench-gen",
  relayLink: "rfb-rel",
  generatorLink: "rfb-gen",
  relayIp: "10.9.0.10",
  /** Link address of both. */
  partyMac: "02:00:5e:00:53:01",
  /** The two parties; every call has one leg on each. */
  partyIps: ["10.9.0.1", "10.9.0.2"],
} as const;

export interface LinkAddresses {
  readonly generatorMac: string;
  readonly relayMac: string;
}

function ip(...args: string[]): string {
  return execFileSync("ip", args, { encoding: "utf8" });
}

function macOf(namespace: string, link: string): string {
  const row = JSON.parse(ip("-n", namespace, "-j", "link", "show", link)) as { address: string }[];
  return row[0]?.address ?? "";
}

export function raiseNetwork(): LinkAddresses {
  dropNetwork();
  const net = benchNet;
  ip("netns", "add", net.generatorNamespace);
  ip("netns", "add", net.relayNamespace);
  ip(
    "link",
    "add",
    net.generatorLink,
    "netns",
    net.generatorNamespace,
    "type",
    "veth",
    "peer",
    "name",
    net.relayLink,
    "netns",
    net.relayNamespace,
  );
  for (const namespace of [net.generatorNamespace, net.relayNamespace])
    ip("-n", namespace, "link", "set", "lo", "up");
  ip("-n", net.relayNamespace, "addr", "add", `${net.relayIp}/24`, "dev", net.relayLink);
  ip("-n", net.generatorNamespace, "link", "set", net.generatorLink, "up");
  ip("-n", net.relayNamespace, "link", "set", net.relayLink, "up");
  const generatorMac = macOf(net.generatorNamespace, net.generatorLink);
  const relayMac = macOf(net.relayNamespace, net.relayLink);
  for (const party of net.partyIps) {
    ip(
      "-n",
      net.relayNamespace,
      "neigh",
      "replace",
      party,
      "lladdr",
      net.partyMac,
      "dev",
      net.relayLink,
      "nud",
      "permanent",
    );
  }
  return { generatorMac, relayMac };
}

export function dropNetwork(): void {
  const present = ip("netns", "list");
  for (const namespace of [benchNet.generatorNamespace, benchNet.relayNamespace]) {
    if (present.split("\n").some((line) => line.split(" ")[0] === namespace)) ip("netns", "del", namespace);
  }
}
