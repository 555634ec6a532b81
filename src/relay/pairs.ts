/** The pairs there are: by their number, by their place, and by the group they may forward in. */
import type { Endpoint } from "../core/address.ts";
import type { GroupId, OpenPair, PairId, PairSettings } from "../core/plan/plan.ts";
import type { Place } from "./placement.ts";
import type { SlotRef } from "./slot-settings.ts";

export interface PairEntry {
  readonly request: OpenPair;
  readonly place: Place;
  state: "opening" | "open" | "closing";
  local: Endpoint | undefined;
  /** Still to be told to the worker, or, when they name other pairs, to be told again once one of those is closed. */
  settings: PairSettings | undefined;
}

export class Pairs {
  readonly #byId = new Map<PairId, PairEntry>();
  /** By worker: the pair in each RTP slot. */
  readonly #bySlot: readonly Map<number, PairEntry>[];
  readonly #groups = new Map<GroupId, Set<PairEntry>>();

  constructor(workerCount: number) {
    this.#bySlot = Array.from({ length: workerCount }, () => new Map());
  }

  get(pair: PairId): PairEntry | undefined {
    return this.#byId.get(pair);
  }

  /** Whose socket that is; undefined if the slot serves somebody else by now. */
  at(worker: number, { slot, generation }: SlotRef): PairEntry | undefined {
    const entry = this.#bySlot[worker]?.get(slot & ~1);
    return entry?.place.generation === generation ? entry : undefined;
  }

  /** The place of a living pair of that worker. A place is fixed before its sockets are bound. */
  placeOf(pair: PairId, worker: number): Place | undefined {
    const entry = this.#byId.get(pair);
    return entry !== undefined && entry.state !== "closing" && entry.place.worker === worker
      ? entry.place
      : undefined;
  }

  /** The pair itself is among them. */
  groupOf(entry: PairEntry): Iterable<PairEntry> {
    return this.#groups.get(entry.request.group) ?? [];
  }

  add(entry: PairEntry): void {
    const { pair, group } = entry.request;
    this.#byId.set(pair, entry);
    this.#bySlot[entry.place.worker]!.set(entry.place.slot, entry);
    const members = this.#groups.get(group);
    if (members === undefined) this.#groups.set(group, new Set([entry]));
    else members.add(entry);
  }

  delete(entry: PairEntry): void {
    const { pair, group } = entry.request;
    this.#byId.delete(pair);
    this.#bySlot[entry.place.worker]!.delete(entry.place.slot);
    const members = this.#groups.get(group);
    members?.delete(entry);
    if (members?.size === 0) this.#groups.delete(group);
  }
}
