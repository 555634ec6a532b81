/** Processor time from /proc, in clock ticks of 10 ms. */
import { readFileSync } from "node:fs";

export interface CoreTime {
  /** user + nice + system + irq + softirq + steal of one core. */
  readonly busyTicks: number;
  readonly softirqTicks: number;
}

const tickMs = 10;

export function coreTime(core: number): CoreTime {
  const line = readFileSync("/proc/stat", "utf8")
    .split("\n")
    .find((row) => row.startsWith(`cpu${core} `));
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (line ?? "")
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return { busyTicks: user + nice + system + irq + softirq + steal, softirqTicks: softirq };
}

/** User and system time of a process with all its threads, in milliseconds. */
export function processTimeMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

export function residentBytes(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? 0) * 1024;
}

export function busyMs(before: CoreTime, after: CoreTime): number {
  return (after.busyTicks - before.busyTicks) * tickMs;
}
