/**
 * The way between the transports and the workers: packets up, a turn's worth at a time; packets, keys and proof down.
 */
import type { Endpoint } from "../../core/address.ts";
import { handshakePacketsPerTurnMax } from "../../core/limits.ts";
import type { Component, PairId } from "../../core/plan/plan.ts";
import type { CommandQueue } from "../command-queue.ts";
import type { Command } from "../commands.ts";
import type { WorkerLink } from "../driver.ts";
import { readPacket, writePacket } from "../packet-records.ts";
import type { Pairs } from "../pairs.ts";
import type { SlotRef } from "../slot-settings.ts";
import type { TransportAction } from "./transport-parts.ts";

/** What a worker is told about one socket of a pair. */
export type SocketAction = Exclude<TransportAction, { kind: "tell" }>;

/** A packet as the worker passed it up; `bytes` are the receiver's own. */
export interface PassedPacket {
  readonly component: Component;
  readonly source: Endpoint;
  readonly bytes: Uint8Array;
}

export interface WorkerDoorParts {
  readonly links: readonly WorkerLink[];
  readonly queues: readonly CommandQueue[];
  readonly pairs: Pairs;
  readonly onPacket: (pair: PairId, packet: PassedPacket) => void;
}

export class WorkerDoor {
  readonly #parts: WorkerDoorParts;
  /** Workers whose packets were more than a turn's worth. */
  readonly #backlog = new Set<number>();

  constructor(parts: WorkerDoorParts) {
    this.#parts = parts;
  }

  get hasBacklog(): boolean {
    return this.#backlog.size > 0;
  }

  /** The worker woke us. One with a backlog waits for `workOff`, however often it does. */
  handleWake(worker: number): void {
    if (!this.#backlog.has(worker)) this.#take(worker);
  }

  /** Another turn's worth of each backlog. */
  workOff(): void {
    for (const worker of [...this.#backlog]) this.#take(worker);
  }

  /** False for a packet that found no room. */
  perform(pair: PairId, action: SocketAction): boolean {
    const { pairs, queues, links } = this.#parts;
    const entry = pairs.get(pair);
    if (entry?.state !== "open") return false;
    const { worker, slot, generation } = entry.place;
    const at = { slot: slot + (action.component === "rtp" ? 0 : 1), generation };
    if (action.kind !== "send") {
      queues[worker]!.submit(commandOf(action, at));
      return true;
    }
    const link = links[worker]!;
    if (!writePacket(link.packetsDown, at, action.to, action.bytes)) return false;
    link.wake();
    return true;
  }

  #take(worker: number): void {
    const { links, pairs, onPacket } = this.#parts;
    this.#backlog.delete(worker);
    for (let count = 0; count < handshakePacketsPerTurnMax; count++) {
      const packet = readPacket(links[worker]!.packetsUp);
      if (packet === undefined) return;
      const { at, remote: source, bytes } = packet;
      const entry = pairs.at(worker, at);
      if (entry?.state !== "open") continue;
      onPacket(entry.request.pair, { component: componentOf(at.slot), source, bytes });
    }
    this.#backlog.add(worker);
  }
}

/** Member by member: a spread copy of actions of all kinds is slow. */
function commandOf(action: Exclude<SocketAction, { kind: "send" }>, at: SlotRef): Command {
  switch (action.kind) {
    case "keys":
      return { kind: "keys", at, receive: action.receive, send: action.send, provenBy: action.provenBy };
    case "prove":
      return { kind: "prove", at, source: action.source, isNominated: action.isNominated };
    default:
      return { kind: action.kind, at };
  }
}

export function componentOf(slot: number): Component {
  return (slot & 1) === 0 ? "rtp" : "rtcp";
}
