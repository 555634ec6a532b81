/** Which worker carries a group, and which slots of a worker are free. Pairs of one group share a worker. */
import type { GroupId } from "../core/plan/plan.ts";

interface PlacedGroup {
  readonly worker: number;
  pairs: number;
}

/** Slots of one worker by pair; a generation tells a slot's users apart. */
class PairSlots {
  /** Generations fit 31 bits and never are 0, so a zeroed record belongs to nobody. */
  readonly generations: Int32Array;
  readonly #freed: number[] = [];
  #fresh = 0;
  used = 0;

  constructor(capacityPairs: number) {
    this.generations = new Int32Array(capacityPairs);
  }

  /** The index of a free pair; those used before first, so that untouched memory stays untouched. */
  take(): number | undefined {
    const index = this.#freed.pop() ?? (this.#fresh < this.generations.length ? this.#fresh++ : undefined);
    if (index === undefined) return undefined;
    this.generations[index] = (this.generations[index]! + 1) & 0x7fffffff || 1;
    this.used++;
    return index;
  }

  giveBack(index: number): void {
    this.#freed.push(index);
    this.used--;
  }
}

/** A pair's place: `slot` is its RTP slot, the RTCP slot is one above. */
export interface Place {
  readonly worker: number;
  readonly slot: number;
  readonly generation: number;
}

export class Placement {
  readonly #workers: readonly PairSlots[];
  readonly #groups = new Map<GroupId, PlacedGroup>();

  constructor(workerCount: number, capacitySlots: number) {
    this.#workers = Array.from({ length: workerCount }, () => new PairSlots(capacitySlots >>> 1));
  }

  /** A place beside the group's other pairs, else on the worker with the fewest; undefined when it is full. */
  take(group: GroupId): Place | undefined {
    const placed = this.#groups.get(group) ?? { worker: this.#leastUsed(), pairs: 0 };
    const slots = this.#workers[placed.worker]!;
    const index = slots.take();
    if (index === undefined) return undefined;
    placed.pairs++;
    this.#groups.set(group, placed);
    return { worker: placed.worker, slot: 2 * index, generation: slots.generations[index]! };
  }

  giveBack(group: GroupId, place: Place): void {
    this.#workers[place.worker]!.giveBack(place.slot >>> 1);
    const placed = this.#groups.get(group);
    if (placed === undefined) throw new Error("placement: a pair without its group");
    placed.pairs--;
    if (placed.pairs === 0) this.#groups.delete(group);
  }

  usedPairs(worker: number): number {
    return this.#workers[worker]!.used;
  }

  get groupCount(): number {
    return this.#groups.size;
  }

  #leastUsed(): number {
    let best = 0;
    for (let worker = 1; worker < this.#workers.length; worker++) {
      if (this.#workers[worker]!.used < this.#workers[best]!.used) best = worker;
    }
    return best;
  }
}
