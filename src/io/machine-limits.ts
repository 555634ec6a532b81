/** What the machine grants, held against what the settings may need: one warning each, at start. */
import { readFileSync } from "node:fs";

export interface Needs {
  readonly maxSessions: number;
  readonly portMin: number;
  readonly portMax: number;
  /** Local addresses that each have the whole port range. */
  readonly addressCount: number;
}

/** Sockets, and so ports and descriptors, of one call with two parties and one media. */
const socketsPerCall = 4;
/** For control, logs, threads and what libraries keep open. */
const descriptorsOfItsOwn = 256;

/** Sentences for the operator; nothing where the system does not tell (anywhere but on Linux). */
export function machineWarnings(needs: Needs): readonly string[] {
  const warnings: string[] = [];
  const wanted = socketsPerCall * needs.maxSessions;
  const descriptors = descriptorLimit();
  if (descriptors !== undefined && descriptors < wanted) {
    warnings.push(
      `only ${descriptors} open files are allowed, ${wanted} would be needed for ${needs.maxSessions} calls; raise LimitNOFILE or ulimit -n`,
    );
  }
  const ports = (needs.portMax - needs.portMin + 1) * needs.addressCount;
  if (ports < wanted) {
    warnings.push(
      `the port range has ${ports} ports, ${wanted} would be needed for ${needs.maxSessions} calls`,
    );
  }
  const [low, high] = ephemeralRange() ?? [0, 0];
  if (high >= needs.portMin && low <= needs.portMax) {
    warnings.push(
      `media ports ${needs.portMin}-${needs.portMax} overlap the ports the kernel gives to others (${low}-${high}); set net.ipv4.ip_local_reserved_ports=${needs.portMin}-${needs.portMax}`,
    );
  }
  return warnings;
}

/** Descriptors that are left over when all calls and `othersMax` others have theirs; 0 where the system does not tell. */
export function spareDescriptors(maxSessions: number, othersMax: number): number {
  const needed = socketsPerCall * maxSessions + othersMax + descriptorsOfItsOwn;
  return Math.max(0, (descriptorLimit() ?? 0) - needed);
}

/** RLIMIT_NOFILE; undefined where the system does not tell. */
function descriptorLimit(): number | undefined {
  const soft = /^Max open files\s+(\d+)/m.exec(read("/proc/self/limits"))?.[1];
  return soft === undefined ? undefined : Number(soft);
}

/** net.ipv4.ip_local_port_range, unless the operator has reserved ports: then he knows. */
function ephemeralRange(): readonly [number, number] | undefined {
  if (read("/proc/sys/net/ipv4/ip_local_reserved_ports").trim() !== "") return undefined;
  const [low, high] = read("/proc/sys/net/ipv4/ip_local_port_range").trim().split(/\s+/).map(Number);
  return low === undefined || high === undefined ? undefined : [low, high];
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
