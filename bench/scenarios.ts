/** The questions the bench answers; each is a table whose rows are relays. */
import { Lab, type Load, median, type Traffic } from "./lab.ts";
import type { LinkAddresses } from "./net.ts";
import type { RelayName } from "./relays.ts";

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

export interface Effort {
  readonly rounds: number;
  readonly secondsPerRound: number;
  readonly lossFreeSeconds: number;
  readonly pairs: number;
}

const steadyRate = 50_000;
export const steadyCalls = 500;
const memoryCalls = 4_000;
const spreads = [100, 1_000, 4_000];
const rateFloor = 40_000;
const rateCeiling = 400_000;
const rateStep = 20_000;
const settledLatencyUs = 5_000;
const lossFreeRuns = 3;
const pairLanes = 8;
const handshakeCalls = 300;
/** Of 300, for the same reason as below: after 1,200 handshakes compiling still takes a sixth of the process's time. */
const handshakeWarmUpRounds = 10;
/**
 * Pairs that every relay carries out before those that count. What is asked for is the rate of a relay at work, not of
 * one that has just started: JavaScript is compiled for speed over the first thousands of requests, and rtpengine's
 * allocator fills its caches. In several rounds, as all of them at once would need more sockets than a process may have.
 */
const warmUpRounds = 5;
const warmUpPairs = 1_000;
/** Of media, for the same reason. */
export const steadyWarmUpSeconds = 2;

export const us = (ns: number): string => (ns / 1000).toFixed(2);

export function spread(values: readonly number[], print: (value: number) => string): string {
  return `${print(median(values))} (${print(Math.min(...values))}-${print(Math.max(...values))})`;
}

/** Runs `measure` for every relay in turn, round after round, so that the machine's moods hit all alike. */
export async function interleaved<Value>(
  relays: readonly RelayName[],
  rounds: number,
  measure: (relay: RelayName) => Promise<Value>,
): Promise<Map<RelayName, Value[]>> {
  const values = new Map<RelayName, Value[]>(relays.map((relay) => [relay, []]));
  for (let round = 0; round < rounds; round++) {
    for (const relay of relays) values.get(relay)?.push(await measure(relay));
  }
  return values;
}

async function steadyLoad(
  relay: RelayName,
  links: LinkAddresses,
  calls: number,
  seconds: number,
): Promise<Load> {
  const lab = await Lab.open(relay, links);
  try {
    const traffic = await lab.setup(calls);
    await lab.load(traffic, steadyRate, steadyWarmUpSeconds);
    return await lab.load(traffic, steadyRate, seconds);
  } finally {
    await lab.close();
  }
}

function split(loads: readonly Load[], relay: RelayName, notes: string[]): readonly Load[] {
  for (const load of loads) if (load.void !== undefined) notes.push(`void round of ${relay}: ${load.void}`);
  return loads.filter((load) => load.void === undefined);
}

export async function cpuAndLatency(
  relays: readonly RelayName[],
  links: LinkAddresses,
  effort: Effort,
): Promise<Table> {
  const notes: string[] = [];
  const rounds = await interleaved(relays, effort.rounds, (relay) =>
    steadyLoad(relay, links, steadyCalls, effort.secondsPerRound),
  );
  const rows = relays.map((relay) => {
    const good = split(rounds.get(relay) ?? [], relay, notes);
    const pick = (value: (load: Load) => number, print: (value: number) => string): string =>
      spread(good.map(value), print);
    const whole = (value: number): string => value.toFixed(0);
    const lost = good.reduce((sum, { result }) => sum + result.sent - result.delivered, 0);
    return [
      relay,
      pick((load) => load.coreNsPerPacket, us),
      pick((load) => load.processNsPerPacket, us),
      pick((load) => load.result.latencyUs.p50, whole),
      pick((load) => load.result.latencyUs.p99, whole),
      pick((load) => load.result.latencyUs.p999, whole),
      String(lost),
    ];
  });
  const columns = [
    "relay",
    "core us/packet",
    "process us/packet",
    "added p50 us",
    "p99 us",
    "p99.9 us",
    "lost",
  ];
  return { title: `50,000 packets/s over ${steadyCalls} calls`, columns, rows, notes };
}

export async function cpuByCalls(
  relays: readonly RelayName[],
  links: LinkAddresses,
  effort: Effort,
): Promise<Table> {
  const notes: string[] = [];
  const rows = new Map<RelayName, string[]>(relays.map((relay) => [relay, [relay]]));
  const firsts = new Map<RelayName, number>();
  for (const calls of spreads) {
    const rounds = await interleaved(relays, effort.rounds, (relay) =>
      steadyLoad(relay, links, calls, effort.secondsPerRound),
    );
    for (const relay of relays) {
      const costs = split(rounds.get(relay) ?? [], relay, notes).map((load) => load.coreNsPerPacket);
      const first = firsts.get(relay) ?? median(costs);
      firsts.set(relay, first);
      rows.get(relay)?.push(`${spread(costs, us)} = ${(median(costs) / first).toFixed(2)} x`);
    }
  }
  const columns = ["relay", ...spreads.map((calls) => `${calls} calls, core us/packet`)];
  return {
    title: "50,000 packets/s spread over more and more calls",
    columns,
    rows: [...rows.values()],
    notes,
  };
}

export async function handshakeRate(
  relays: readonly RelayName[],
  links: LinkAddresses,
  effort: Effort,
): Promise<Table> {
  const rounds = await interleaved(relays, effort.rounds, async (relay) => {
    const lab = await Lab.open(relay, links);
    try {
      for (let round = 0; round < handshakeWarmUpRounds; round++)
        await lab.handshakes(handshakeCalls, pairLanes);
      return await lab.handshakes(handshakeCalls, pairLanes);
    } finally {
      await lab.close();
    }
  });
  const rows = relays.map((relay) => {
    const results = rounds.get(relay) ?? [];
    const rates = results.map((result) => result.perSecond);
    const costs = results.map((result) => result.processMs);
    return [relay, spread(rates, (rate) => rate.toFixed(0)), spread(costs, (ms) => ms.toFixed(2))];
  });
  return {
    title: "DTLS handshakes",
    columns: ["relay", "handshakes/s", "process ms each"],
    rows,
    notes: [
      `${handshakeCalls}, ${pairLanes} at once, after ${handshakeWarmUpRounds * handshakeCalls} to warm up`,
    ],
  };
}

export async function lossFreeRate(
  relays: readonly RelayName[],
  links: LinkAddresses,
  effort: Effort,
): Promise<Table> {
  const rows: string[][] = [];
  const notes: string[] = [];
  for (const relay of relays) {
    const lab = await Lab.open(relay, links);
    try {
      const traffic = await lab.setup(steadyCalls);
      const rate = await highestLossFree(lab, traffic, effort, notes);
      rows.push([relay, `${(rate / 1000).toFixed(0)}`]);
    } finally {
      await lab.close();
    }
  }
  return {
    title: "Highest rate without loss on one core",
    columns: ["relay", "1,000 packets/s"],
    rows,
    notes,
  };
}

/** Climbs in short runs until something is lost, then steps down until three long runs lose nothing. */
async function highestLossFree(lab: Lab, traffic: Traffic, effort: Effort, notes: string[]): Promise<number> {
  const holds = async (rate: number, seconds: number): Promise<boolean> => {
    const load = await lab.load(traffic, rate, seconds);
    if (load.void !== undefined) notes.push(`${lab.relay.name} at ${rate}: ${load.void}`);
    return (
      load.void === undefined &&
      load.result.sent === load.result.delivered &&
      load.result.latencyUs.p50 < settledLatencyUs
    );
  };
  let rate = rateFloor;
  while (rate < rateCeiling && (await holds(rate + rateStep, 1))) rate += rateStep;
  for (; rate > 0; rate -= rateStep / 2) {
    let passed = 0;
    while (passed < lossFreeRuns && (await holds(rate, effort.lossFreeSeconds))) passed++;
    if (passed === lossFreeRuns) return rate;
  }
  return 0;
}

export async function memoryPerCall(relays: readonly RelayName[], links: LinkAddresses): Promise<Table> {
  const rows: string[][] = [];
  for (const relay of relays) {
    const lab = await Lab.open(relay, links);
    try {
      const before = lab.residentBytes();
      await lab.setup(memoryCalls);
      const perCall = (lab.residentBytes() - before) / memoryCalls / 1024;
      rows.push([relay, (before / 1024 / 1024).toFixed(0), perCall.toFixed(1)]);
    } finally {
      await lab.close();
    }
  }
  return {
    title: `Resident memory, ${memoryCalls} calls with traffic`,
    columns: ["relay", "empty, MB", "per call, KB"],
    rows,
    notes: [],
  };
}

export async function pairRate(
  relays: readonly RelayName[],
  links: LinkAddresses,
  effort: Effort,
): Promise<Table> {
  const rounds = await interleaved(relays, effort.rounds, async (relay) => {
    const lab = await Lab.open(relay, links);
    try {
      for (let round = 0; round < warmUpRounds; round++) await lab.rate(warmUpPairs, pairLanes);
      return await lab.rate(effort.pairs, pairLanes);
    } finally {
      await lab.close();
    }
  });
  const rows = relays.map((relay) => {
    const results = rounds.get(relay) ?? [];
    const rates = results.map((result) => result.pairsPerSecond);
    return [
      relay,
      spread(rates, (rate) => rate.toFixed(0)),
      spread(
        results.map((result) => result.slowestMs),
        (ms) => ms.toFixed(0),
      ),
    ];
  });
  return {
    title: "Offer and answer pairs",
    columns: ["relay", "pairs/s", "slowest pair, ms"],
    rows,
    notes: [`after ${warmUpRounds * warmUpPairs} pairs to warm up`],
  };
}
