/**
 * The slots' settings as the policy keeps them: a row of words for each, so that setting up a call makes no objects, which
 * collections would copy and a call would hold as long as it lives. A row is read through a view of its own, and all
 * views are made at the start. All zero is a row that was never configured, so that it takes no memory.
 *
 * Behind the rows lie the hints rank by rank (the first one of all slots, then the second, ...), then the siblings in the
 * same way: nearly all slots have one hint and no sibling, and what is never touched takes no memory.
 */
import { hintsPerSlotMax, siblingsPerSlotMax } from "../core/limits.ts";
import { hintWords, type SlotSettings } from "./contract.ts";
import { copyWords } from "./words.ts";

const flag = {
  isOther: 1,
  isMux: 2,
  isSignalled: 4,
  isAsymmetric: 8,
  isStrict: 16,
  followsAnySource: 32,
  hasIce: 64,
} as const;

/** Words of a row. */
const field = {
  flags: 0,
  generation: 1,
  learningMode: 2,
  hintCount: 3,
  siblingCount: 4,
  target: 5,
  words: 10,
} as const;

const noPayloadTypes = new Int32Array(4);
const noClockRates = new Uint32Array(128);

/** Where rows lie, and how many. */
interface Rows {
  readonly words: Int32Array;
  readonly count: number;
}

/**
 * One slot's settings, as `SlotSettings` explains them. Target, hints and siblings lie in `words`; from one hint to the
 * next it is `hintStep` words, and `siblingStep` from one sibling to the next.
 */
export class Settings {
  readonly #rows: Rows;
  readonly #row: number;
  payloadTypes: Int32Array = noPayloadTypes;
  clockRates: Uint32Array = noClockRates;

  constructor(rows: Rows, row: number) {
    this.#rows = rows;
    this.#row = row;
  }

  get words(): Int32Array {
    return this.#rows.words;
  }

  get isRtp(): boolean {
    return !this.#has(flag.isOther);
  }

  get isMux(): boolean {
    return this.#has(flag.isMux);
  }

  get isSignalled(): boolean {
    return this.#has(flag.isSignalled);
  }

  get isAsymmetric(): boolean {
    return this.#has(flag.isAsymmetric);
  }

  get isStrict(): boolean {
    return this.#has(flag.isStrict);
  }

  get followsAnySource(): boolean {
    return this.#has(flag.followsAnySource);
  }

  get hasIce(): boolean {
    return this.#has(flag.hasIce);
  }

  get generation(): number {
    return this.#word(field.generation);
  }

  get learningMode(): number {
    return this.#word(field.learningMode);
  }

  /** Word index of the five words of the target. */
  get targetAt(): number {
    return this.#row * field.words + field.target;
  }

  /** 0: nowhere. */
  get targetPort(): number {
    return this.#word(field.target + 4);
  }

  /** Word index of the first hint, and of the one that would follow the last. */
  get hintsAt(): number {
    return this.#rows.count * field.words + this.#row * hintWords;
  }

  get hintsEnd(): number {
    return this.hintsAt + this.#word(field.hintCount) * this.hintStep;
  }

  get hintStep(): number {
    return this.#rows.count * hintWords;
  }

  /** Word index of the first sibling's slot, and of the one that would follow the last. */
  get siblingsAt(): number {
    return this.#rows.count * (field.words + hintsPerSlotMax * hintWords) + this.#row;
  }

  get siblingsEnd(): number {
    return this.siblingsAt + this.#word(field.siblingCount) * this.siblingStep;
  }

  get siblingStep(): number {
    return this.#rows.count;
  }

  /** Those of a slot that was opened and not configured yet. */
  clear(): void {
    const at = this.#row * field.words;
    this.words.fill(0, at, at + field.words);
    this.payloadTypes = noPayloadTypes;
    this.clockRates = noClockRates;
  }

  set(settings: SlotSettings): void {
    const { words, hintsAt, hintStep, siblingsAt, siblingStep } = this;
    const at = this.#row * field.words;
    const hintCount = Math.min(settings.hintCount, hintsPerSlotMax);
    const siblingCount = Math.min(settings.siblingCount, siblingsPerSlotMax);
    words[at + field.flags] = flagsOf(settings);
    words[at + field.generation] = settings.generation;
    words[at + field.learningMode] = settings.learningMode;
    words[at + field.hintCount] = hintCount;
    words[at + field.siblingCount] = siblingCount;
    copyWords(words, at + field.target, settings.target, 0, 5);
    for (let rank = 0; rank < hintCount; rank++) {
      copyWords(words, hintsAt + rank * hintStep, settings.hints, rank * hintWords, hintWords);
    }
    for (let rank = 0; rank < siblingCount; rank++) {
      words[siblingsAt + rank * siblingStep] = settings.siblings[rank]!;
    }
    this.payloadTypes = settings.payloadTypes;
    this.clockRates = settings.clockRates;
  }

  /** Takes over the row of another slot: no hints, no siblings, no tables. */
  copyFrom(other: Settings): void {
    const { words } = this;
    const at = this.#row * field.words;
    copyWords(words, at, other.words, other.#row * field.words, field.words);
    words[at + field.hintCount] = 0;
    words[at + field.siblingCount] = 0;
  }

  #has(bit: number): boolean {
    return (this.#word(field.flags) & bit) !== 0;
  }

  #word(index: number): number {
    return this.#rows.words[this.#row * field.words + index]!;
  }
}

function flagsOf(settings: SlotSettings): number {
  return (
    (settings.isRtp ? 0 : flag.isOther) |
    (settings.isMux ? flag.isMux : 0) |
    (settings.isSignalled ? flag.isSignalled : 0) |
    (settings.isAsymmetric ? flag.isAsymmetric : 0) |
    (settings.isStrict ? flag.isStrict : 0) |
    (settings.followsAnySource ? flag.followsAnySource : 0) |
    (settings.hasIce ? flag.hasIce : 0)
  );
}

export class SettingsTable {
  /** By slot. */
  readonly bySlot: readonly Settings[];
  /** What the slot that was configured last had before, as far as `copyFrom` goes. */
  readonly former = new Settings({ words: new Int32Array(field.words), count: 1 }, 0);

  constructor(capacitySlots: number) {
    const withRanks = field.words + hintsPerSlotMax * hintWords + siblingsPerSlotMax;
    const rows = { words: new Int32Array(capacitySlots * withRanks), count: capacitySlots };
    this.bySlot = Array.from({ length: capacitySlots }, (_, slot) => new Settings(rows, slot));
  }

  /** The slot's settings from now on; `former` tells the ones before. */
  set(slot: number, settings: SlotSettings): Settings {
    this.former.copyFrom(this.bySlot[slot]!);
    const view = this.bySlot[slot]!;
    view.set(settings);
    return view;
  }

  clear(slot: number): void {
    this.bySlot[slot]!.clear();
  }
}
