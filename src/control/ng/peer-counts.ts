/** Commands, durations and errors by the proxy that sent them, as the `statistics` reply and the metrics show them. */
import type { IpAddress } from "../../core/address.ts";
import { controlPeersMax } from "../../core/limits.ts";
import { commandNames } from "./command-names.ts";

export interface PeerCounts {
  /** An address; `other` for the proxies beyond the limit. */
  readonly address: string;
  /** In the order of `commandNames`. */
  readonly counts: Float64Array;
  readonly durationsMs: Float64Array;
  errors: number;
}

const indexByName: ReadonlyMap<string, number> = new Map(
  commandNames.map(({ name }, index) => [name, index]),
);

export class PeerTable {
  readonly #peers = new Map<string, PeerCounts>();

  of(address: IpAddress): PeerCounts {
    const known = this.#peers.get(address);
    if (known !== undefined) return known;
    return this.#peers.size < controlPeersMax - 1
      ? this.#add(address)
      : (this.#peers.get("other") ?? this.#add("other"));
  }

  all(): readonly PeerCounts[] {
    return [...this.#peers.values()];
  }

  #add(address: string): PeerCounts {
    const counts: PeerCounts = {
      address,
      counts: new Float64Array(commandNames.length),
      durationsMs: new Float64Array(commandNames.length),
      errors: 0,
    };
    this.#peers.set(address, counts);
    return counts;
  }
}

export function countCommand(peer: PeerCounts, command: string, durationMs: number): void {
  const index = indexByName.get(command);
  if (index === undefined) return;
  peer.counts[index] = (peer.counts[index] ?? 0) + 1;
  peer.durationsMs[index] = (peer.durationsMs[index] ?? 0) + durationMs;
}
