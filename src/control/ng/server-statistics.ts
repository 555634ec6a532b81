/**
 * The reply to `statistics`, in the keys and types of rtpengine 26.3: counts are integers, seconds and percentages are
 * text. Sections and keys without a value of ours are left out.
 */
import type { EndReason } from "../../call/report.ts";
import type { IpAddress } from "../../core/address.ts";
import { commandNames } from "./command-names.ts";
import type { PeerCounts } from "./peer-counts.ts";
import type { NgDict, NgValue } from "./value.ts";

/** What the daemon as a whole has counted; all counts since start. */
export interface ServerStatistics {
  readonly uptimeSec: number;
  readonly sessions: number;
  /** Per second, over the last second or so; undefined where nobody measures it. */
  readonly rates: { readonly packets: number; readonly bytes: number; readonly errors: number } | undefined;
  readonly endedSessions: Readonly<Record<EndReason, number>>;
  readonly rejectedSessions: number;
  /** Sum of the durations of all ended calls. */
  readonly callDurationMs: number;
  readonly relayed: { readonly packets: number; readonly bytes: number; readonly errors: number };
  readonly interfaces: readonly InterfaceStatistics[];
}

/** Ports are counted one by one, not as pairs. */
export interface InterfaceStatistics {
  readonly name: string;
  readonly address: IpAddress;
  readonly portMin: number;
  readonly portMax: number;
  readonly portsFree: number;
  readonly portsCount: number;
}

/** A proxy's counts take 1,650 bytes; with more of them the reply would not fit a datagram. The totals count all. */
const proxiesShownMax = 24;

export function serverStatistics(server: ServerStatistics, peers: readonly PeerCounts[]): NgDict {
  return new Map<string, NgValue>([
    ["currentstatistics", currentStatistics(server)],
    ["totalstatistics", totalStatistics(server)],
    ["controlstatistics", controlStatistics(peers)],
    ["interfaces", server.interfaces.map(interfaceStatistics)],
    ["transcoders", []],
  ]);
}

function currentStatistics({ sessions, rates }: ServerStatistics): NgDict {
  const entries: [string, NgValue][] = [
    ["sessionsown", sessions],
    ["sessionsforeign", 0],
    ["sessionstotal", sessions],
    ["transcodedmedia", 0],
    ["mediacache", 0],
    ["playercache", 0],
  ];
  if (rates !== undefined) {
    entries.push(
      ...trio("rate_user", rates),
      ...trio("rate_kernel", { packets: 0, bytes: 0, errors: 0 }),
      ...trio("rate", rates),
    );
  }
  return new Map(entries);
}

function trio(
  suffix: string,
  { packets, bytes, errors }: { readonly packets: number; readonly bytes: number; readonly errors: number },
): [string, NgValue][] {
  return [
    [`packet${suffix}`, Math.round(packets)],
    [`byte${suffix}`, Math.round(bytes)],
    [`error${suffix}`, Math.round(errors)],
  ];
}

function totalStatistics(server: ServerStatistics): NgDict {
  const ended = server.endedSessions;
  const managed = Object.values(ended).reduce((sum, count) => sum + count, 0);
  const { packets, bytes, errors } = server.relayed;
  const durationSec = server.callDurationMs / 1000;
  return new Map<string, NgValue>([
    ["uptime", String(Math.floor(server.uptimeSec))],
    ["managedsessions", managed],
    ["rejectedsessions", server.rejectedSessions],
    ["timeoutsessions", ended.timeout],
    ["silenttimeoutsessions", ended["silent-timeout"]],
    ["finaltimeoutsessions", ended["final-timeout"]],
    ["offertimeoutsessions", ended["offer-timeout"]],
    ["regularterminatedsessions", ended.deleted],
    ["forcedterminatedsessions", ended.killed + ended.shutdown],
    ["relayedpackets_user", packets],
    ["relayedpacketerrors_user", errors],
    ["relayedbytes_user", bytes],
    ["relayedpackets_kernel", 0],
    ["relayedpacketerrors_kernel", 0],
    ["relayedbytes_kernel", 0],
    ["relayedpackets", packets],
    ["relayedpacketerrors", errors],
    ["relayedbytes", bytes],
    ["avgcallduration", (managed === 0 ? 0 : durationSec / managed).toFixed(6)],
    ["totalcallsduration", durationSec.toFixed(6)],
  ]);
}

function controlStatistics(peers: readonly PeerCounts[]): NgDict {
  const proxies = peers.slice(0, proxiesShownMax).map((peer) => {
    const entries: [string, NgValue][] = [["proxy", peer.address]];
    for (const [index, { short }] of commandNames.entries()) {
      entries.push([`${short}count`, peer.counts[index] ?? 0]);
      entries.push([`${short}duration`, ((peer.durationsMs[index] ?? 0) / 1000).toFixed(6)]);
    }
    entries.push(["errorcount", peer.errors]);
    return new Map(entries);
  });
  const entries: [string, NgValue][] = [["proxies", proxies]];
  for (const [index, { short }] of commandNames.entries()) {
    entries.push([`total${short}count`, peers.reduce((sum, peer) => sum + (peer.counts[index] ?? 0), 0)]);
  }
  return new Map(entries);
}

function interfaceStatistics(port: InterfaceStatistics): NgDict {
  const used = port.portsCount - port.portsFree;
  const usedPercent = port.portsCount === 0 ? 0 : (used * 100) / port.portsCount;
  const ports = new Map<string, NgValue>([
    ["min", port.portMin],
    ["max", port.portMax],
    ["used", used],
    ["used_pct", usedPercent.toFixed(2)],
    ["free", port.portsFree],
    ["totals", port.portsCount],
  ]);
  return new Map<string, NgValue>([
    ["name", port.name],
    ["address", port.address],
    ["ports", ports],
  ]);
}
