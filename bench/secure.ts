/**
 * What SRTP costs. One process has calls of every kind and carries the media of one kind after the other, several times:
 * what SRTP adds is the difference to plain RTP within one turn. Between processes a minute apart it would drown in how
 * much of the machine the neighbours want.
 */
import type { Protection } from "./control.ts";
import { Lab, type Load, type Traffic } from "./lab.ts";
import type { LinkAddresses } from "./net.ts";
import type { RelayName } from "./relays.ts";
import {
  type Effort,
  interleaved,
  spread,
  steadyCalls,
  steadyWarmUpSeconds,
  type Table,
  us,
} from "./scenarios.ts";

/** The generator enciphers and deciphers too, on the other core. */
const packetsPerSecond = 30_000;
/** How many times a packet is protected or opened. */
const kinds: readonly {
  readonly name: string;
  readonly protection: Protection;
  readonly transforms: number;
}[] = [
  { name: "RTP to RTP", protection: "none", transforms: 0 },
  { name: "RTP to SRTP and back", protection: "bridged", transforms: 1 },
  { name: "SRTP keyed anew", protection: "rekeyed", transforms: 2 },
  { name: "SRTP passed, tag checked", protection: "passed", transforms: 1 },
];
const turnsPerRound = 4;
/** Processes are fewer than rounds elsewhere: each takes several turns. */
const processesOf = ({ rounds }: Effort): number => Math.ceil(rounds / 3);

/** Loads of every kind in one turn, in the order of `kinds`. */
type Turn = readonly Load[];

async function takeTurns(
  relay: RelayName,
  links: LinkAddresses,
  effort: Effort,
  payloadBytes: number,
): Promise<Turn[]> {
  const lab = await Lab.open(relay, links);
  try {
    const traffics: Traffic[] = [];
    for (const { protection } of kinds)
      traffics.push(await lab.setup(steadyCalls, { protection, payloadBytes }));
    for (const traffic of traffics) await lab.load(traffic, packetsPerSecond, steadyWarmUpSeconds);
    const turns: Turn[] = [];
    for (let count = 0; count < turnsPerRound; count++) {
      const turn: Load[] = [];
      for (const traffic of traffics)
        turn.push(await lab.load(traffic, packetsPerSecond, effort.secondsPerRound));
      turns.push(turn);
    }
    return turns;
  } finally {
    await lab.close();
  }
}

export async function srtpCost(
  relays: readonly RelayName[],
  links: LinkAddresses,
  effort: Effort,
  payloadBytes: number,
): Promise<Table> {
  const rounds = await interleaved(relays, processesOf(effort), (relay) =>
    takeTurns(relay, links, effort, payloadBytes),
  );
  const notes: string[] = [];
  const columns = relays.map((relay) => rowsOf(relay, (rounds.get(relay) ?? []).flat(), notes));
  const rows = kinds.flatMap((_kind, index) => columns.map((column) => column[index] ?? []));
  return {
    title: `${packetsPerSecond.toLocaleString("en")} packets/s with ${payloadBytes} bytes of payload over ${steadyCalls} calls`,
    columns: ["media", "relay", "process us/packet", "added by each protecting or opening", "lost"],
    rows,
    notes,
  };
}

/** A row for each of `kinds`. */
function rowsOf(relay: RelayName, all: readonly Turn[], notes: string[]): string[][] {
  for (const load of all.flat())
    if (load.void !== undefined) notes.push(`void turn of ${relay}: ${load.void}`);
  const turns = all.filter((turn) => turn.every((load) => load.void === undefined));
  return kinds.map(({ name, transforms }, index) => {
    const loads = turns.flatMap((turn) => turn[index] ?? []);
    const costs = loads.map((load) => load.processNsPerPacket);
    const added = loads.map((load, at) => (load.processNsPerPacket - plainNs(turns[at])) / transforms);
    const lost = loads.reduce((sum, { result }) => sum + result.sent - result.delivered, 0);
    return [name, relay, spread(costs, us), transforms === 0 ? "" : spread(added, us), String(lost)];
  });
}

function plainNs(turn: Turn | undefined): number {
  return turn?.[0]?.processNsPerPacket ?? Number.NaN;
}
