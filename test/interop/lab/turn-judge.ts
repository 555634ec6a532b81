/** By which way a browser's media goes, and what the TURN server says of it. */
import type { StatsRow } from "./browser.ts";
import type { TurnWay } from "./turn.ts";

/** A candidate as getStats() describes it. */
export interface WayEnd {
  readonly candidateType: string | undefined;
  readonly relayProtocol?: string | undefined;
}

export interface SelectedWay {
  readonly local: WayEnd;
  readonly remote: WayEnd;
}

/** The candidates of the pair in use. */
export function selectedWay(stats: readonly StatsRow[]): SelectedWay {
  const byId = new Map(stats.map((row) => [row.id, row]));
  const transport = stats.find(({ type }) => type === "transport");
  const pair = byId.get(transport?.selectedCandidatePairId ?? "");
  const [local, remote] = [pair?.localCandidateId, pair?.remoteCandidateId].map((id) => byId.get(id ?? ""));
  return {
    local: { candidateType: local?.candidateType, relayProtocol: local?.relayProtocol },
    remote: { candidateType: remote?.candidateType },
  };
}

/** What is wrong with the way of a browser that may only use TURN. */
export function wayFaults(
  stats: readonly StatsRow[],
  way: TurnWay,
  remoteType: "relay" | "host",
): readonly string[] {
  const { local, remote } = selectedWay(stats);
  const facts: readonly (readonly [string, boolean])[] = [
    [`goes by its ${local.candidateType} candidate`, local.candidateType === "relay"],
    [`reaches the server over ${local.relayProtocol}, not ${way}`, local.relayProtocol === way],
    [`sends to a ${remote.candidateType} candidate, not ${remoteType}`, remote.candidateType === remoteType],
  ];
  return facts.filter(([, isRight]) => !isRight).map(([what]) => what);
}

/** One metric by the values of its only label, in Prometheus' text format. */
export function byLabel(statistics: string, metric: string): Readonly<Record<string, number>> {
  const rows = statistics.matchAll(new RegExp(`^${metric}\\{[^}]*="([^"]*)"\\} (\\S+)$`, "gm"));
  return Object.fromEntries([...rows].map(([, label = "", value]) => [label, Number(value)]));
}
