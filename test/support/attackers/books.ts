/** What became of every packet of a call: relayed, leaked, injected, arrived. Kept apart from whoever relays. */
import { isForged, type Packet } from "./packets.ts";
import { farParty, keyOf, lairs, neighbours } from "./places.ts";
import type { Stay } from "./victim.ts";

const attackersIps = new Set([...lairs, farParty].map((place) => place.ip3));
const attackersKeys = new Set(
  neighbours.flatMap((place) => [0, 1].map((offset) => keyOf(place.ip3, place.port + offset))),
);

/** When something happened to a packet, and on which socket of the victim's leg: 0 RTP, 1 RTCP. */
export interface Moment {
  readonly atMs: number;
  readonly slot: number;
}

export class Books {
  /** When each content of the victim was relayed. */
  readonly relayedAtMs = new Map<number, number>();
  /** Numbers of the downstream packets, and of those that reached the victim. */
  readonly sentDown: number[] = [];
  readonly reached = new Set<number>();
  /** Each packet for the victim that went to the attacker, and each of the attacker's that was relayed. */
  readonly leaks: Moment[] = [];
  readonly injections: Moment[] = [];
  /** Each packet of the victim that was relayed once more. */
  readonly repeats: Moment[] = [];
  readonly #stays: readonly Stay[];

  constructor(stays: readonly Stay[]) {
    this.#stays = stays;
  }

  /** A packet was relayed to the other party. */
  relay(packet: Pick<Packet, "content" | "slot">, nowMs: number): void {
    // What the victim said is no injection, whoever carried it; twice it must not be said.
    const { content, slot } = packet;
    // What the victim said is no injection, whoever carried it.
    if (isForged(packet)) this.injections.push({ atMs: nowMs, slot });
    else if (this.relayedAtMs.has(content)) this.repeats.push({ atMs: nowMs, slot });
    else this.relayedAtMs.set(content, nowMs);
  }

  /** A packet for the victim was sent to an endpoint of slot 0 or 1. */
  send(
    slot: 0 | 1,
    number: number,
    to: { readonly ip3: number; readonly port: number },
    nowMs: number,
  ): void {
    if (attackersIps.has(to.ip3) || attackersKeys.has(keyOf(to.ip3, to.port))) {
      this.leaks.push({ atMs: nowMs, slot });
      return;
    }
    for (const { at, fromMs, untilMs } of this.#stays) {
      if (at.ip3 !== to.ip3 || at.port + slot !== to.port) continue;
      if (nowMs >= fromMs && nowMs < untilMs) this.reached.add(number);
    }
  }
}
