/**
 * What a worker tells main. What must not get lost (closed, stopped, proven) is kept as a mark per slot and written when
 * the ring has room, so none of it is ever dropped and a slot is told of at most once per flush. Notes about sources are
 * written at once, at a bounded rate and while there is room; a flood of them allocates nothing.
 */
import { Allowance } from "../core/allowance.ts";
import {
  notesPerSlotBurstMax,
  notesPerSlotPerSecMax,
  notesPerWorkerBurstMax,
  notesPerWorkerPerSecMax,
} from "../core/limits.ts";
import { evidenceCode, type HandoverPolicy, handoverNote } from "../handover/contract.ts";
import { copyWords } from "../handover/words.ts";
import { type CounterMemory, workerField } from "./counters.ts";
import type { RecordWriter } from "./driver.ts";
import { eventField, eventKind } from "./events.ts";
import { SlotQueue } from "./slot-queue.ts";
import { pairFlag, type Slots } from "./slots.ts";

export interface EventParts {
  readonly ring: RecordWriter;
  readonly slots: Slots;
  readonly counters: CounterMemory;
  /** One double: the time of this turn of the worker. */
  readonly clock: Float64Array;
}

export class EventWriter {
  readonly #ring: RecordWriter;
  readonly #slots: Slots;
  readonly #worker: Float64Array;
  readonly #clock: Float64Array;
  #policy!: HandoverPolicy;
  readonly #provenSlots: SlotQueue;
  readonly #closedSlots: SlotQueue;
  /** By pair: the generation its `closed` event names. */
  readonly #closedGenerations: Int32Array;
  /** By slot, of each kind: who causes suspicions must not hide what is decided. */
  readonly #decisionsOf: Allowance;
  readonly #suspicionsOf: Allowance;
  readonly #decisions = new Allowance(1, notesPerWorkerPerSecMax, notesPerWorkerBurstMax);
  readonly #suspicions = new Allowance(1, notesPerWorkerPerSecMax, notesPerWorkerBurstMax);
  #owesStopped = false;
  /** Something was written, or read from main, that main is still to be woken for. */
  #owesWake = false;

  constructor({ ring, slots, counters, clock }: EventParts) {
    this.#ring = ring;
    this.#slots = slots;
    this.#worker = counters.worker;
    this.#clock = clock;
    this.#provenSlots = new SlotQueue(slots.capacitySlots);
    this.#closedSlots = new SlotQueue(slots.capacitySlots);
    this.#closedGenerations = new Int32Array(slots.capacitySlots >>> 1);
    this.#decisionsOf = new Allowance(slots.capacitySlots, notesPerSlotPerSecMax, notesPerSlotBurstMax);
    this.#suspicionsOf = new Allowance(slots.capacitySlots, notesPerSlotPerSecMax, notesPerSlotBurstMax);
  }

  /** The policy's sink writes events, so the policy comes second. */
  attach(policy: HandoverPolicy): void {
    this.#policy = policy;
  }

  /** The slot serves another pair from now on. */
  open(slot: number): void {
    this.#decisionsOf.clear(slot);
    this.#suspicionsOf.clear(slot);
  }

  wakeMain(): void {
    this.#owesWake = true;
  }

  closed(slot: number, generation: number): void {
    this.#closedGenerations[slot >>> 1] = generation;
    this.#closedSlots.push(slot);
  }

  stopped(): void {
    this.#owesStopped = true;
  }

  /** Counts the note and tells of it. `source`: five words at `at`. No allocation. */
  note(slot: number, kind: number, evidence: number, source: Int32Array, at: number): void {
    this.#worker[workerField.notes + kind]!++;
    const isDecision =
      kind === handoverNote.proven || kind === handoverNote.switched || kind === handoverNote.rolledBack;
    if (isDecision) this.#provenSlots.push(slot);
    const nowMs = this.#clock[0]!;
    const ofSlot = isDecision ? this.#decisionsOf : this.#suspicionsOf;
    const ofWorker = isDecision ? this.#decisions : this.#suspicions;
    const mayTell = ofSlot.take(slot, nowMs) && ofWorker.take(0, nowMs);
    if (!mayTell || !this.#writeNote(slot, kind, evidence, source, at)) {
      this.#worker[workerField.notesUntold]!++;
    }
  }

  /** Writes what the ring has room for; true when main should be woken. */
  flush(): boolean {
    let hasWritten = this.#owesWake;
    this.#owesWake = false;
    while (this.#closedSlots.size > 0) {
      const slot = this.#closedSlots.peek();
      if (!this.#write(eventKind.closed, slot, this.#closedGenerations[slot >>> 1]!)) return hasWritten;
      this.#closedSlots.shift();
      hasWritten = true;
    }
    while (this.#provenSlots.size > 0) {
      const slot = this.#provenSlots.peek();
      if (this.#hasProof(slot)) {
        if (!this.#writeProven(slot)) return hasWritten;
        hasWritten = true;
      }
      this.#provenSlots.shift();
    }
    if (this.#owesStopped && this.#write(eventKind.stopped, 0, 0)) {
      this.#owesStopped = false;
      hasWritten = true;
    }
    return hasWritten;
  }

  /** True while an event waits for room. */
  get owesEvents(): boolean {
    return this.#owesStopped || this.#closedSlots.size > 0 || this.#provenSlots.size > 0;
  }

  #hasProof(slot: number): boolean {
    const isOpen = (this.#slots.flags[slot >>> 1]! & pairFlag.isOpen) !== 0;
    return isOpen && this.#policy.evidenceOf(slot) !== evidenceCode.none;
  }

  #write(kind: number, slot: number, generation: number): boolean {
    const at = this.#begin(kind, slot, generation);
    if (at < 0) return false;
    this.#ring.commit();
    return true;
  }

  #writeProven(slot: number): boolean {
    const at = this.#begin(eventKind.proven, slot, this.#slots.generations[slot >>> 1]!);
    if (at < 0) return false;
    const { words } = this.#ring;
    words[at + eventField.evidence] = this.#policy.evidenceOf(slot);
    for (let word = 0; word < 5; word++) {
      words[at + eventField.source + word] = this.#policy.provenWord(slot, word);
    }
    this.#ring.commit();
    return true;
  }

  #writeNote(slot: number, kind: number, evidence: number, source: Int32Array, from: number): boolean {
    const at = this.#begin(eventKind.noted, slot, this.#slots.generations[slot >>> 1]!);
    if (at < 0) return false;
    const { words } = this.#ring;
    words[at + eventField.evidence] = evidence;
    copyWords(words, at + eventField.source, source, from, 5);
    words[at + eventField.note] = kind;
    this.#ring.commit();
    this.#owesWake = true;
    return true;
  }

  /** Offset of a record that is begun, or -1 when the ring is full. */
  #begin(kind: number, slot: number, generation: number): number {
    const at = this.#ring.begin();
    if (at < 0) return -1;
    const { words } = this.#ring;
    words[at + eventField.kind] = kind;
    words[at + eventField.slot] = slot;
    words[at + eventField.generation] = generation;
    return at;
  }
}
