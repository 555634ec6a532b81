/**
 * The slots' settings as the policy keeps them: a row of words for each, so that setting up a call makes no objects, which
 * collections would copy and a call would hold as long as it lives. A row is read through a view that is made once, when
 * its slot is first configured.
 */
import { hintsPerSlotMax, siblingsPerSlotMax } from "../core/limits.ts";
import { hintWords, type SlotSettings } from "./contract.ts";

const flag = {
  isRtp: 1,
  isMux: 2,
  isSignalled: 4,
  isAsymmetric: 8,
  isStrict: 16,
  followsAnySource: 32,
  hasIce: 64,
} as const;

/** Words of a row. Of siblings and hints so many count as their numbers say. */
const field = {
  flags: 0,
  generation: 1,
  learningMode: 2,
  hintCount: 3,
  siblingCount: 4,
  target: 5,
  siblings: 10,
  hints: 10 + siblingsPerSlotMax,
} as const;

const rowWords = field.hints + hintsPerSlotMax * hintWords;

const noPayloadTypes = new Int32Array(4);
const noClockRates = new Uint32Array(128);

/** One slot's settings, as `SlotSettings` explains them; target, hints and siblings lie in `words`. */
export class Settings {
  readonly words: Int32Array;
  readonly #at: number;
  payloadTypes: Int32Array = noPayloadTypes;
  clockRates: Uint32Array = noClockRates;

  constructor(words: Int32Array, row: number) {
    this.words = words;
    this.#at = row * rowWords;
    this.clear();
  }

  get isRtp(): boolean {
    return (this.words[this.#at]! & flag.isRtp) !== 0;
  }

  get isMux(): boolean {
    return (this.words[this.#at]! & flag.isMux) !== 0;
  }

  get isSignalled(): boolean {
    return (this.words[this.#at]! & flag.isSignalled) !== 0;
  }

  get isAsymmetric(): boolean {
    return (this.words[this.#at]! & flag.isAsymmetric) !== 0;
  }

  get isStrict(): boolean {
    return (this.words[this.#at]! & flag.isStrict) !== 0;
  }

  get followsAnySource(): boolean {
    return (this.words[this.#at]! & flag.followsAnySource) !== 0;
  }

  get hasIce(): boolean {
    return (this.words[this.#at]! & flag.hasIce) !== 0;
  }

  get generation(): number {
    return this.words[this.#at + field.generation]!;
  }

  get learningMode(): number {
    return this.words[this.#at + field.learningMode]!;
  }

  /** Word index of the five words of the target. */
  get targetAt(): number {
    return this.#at + field.target;
  }

  /** 0: nowhere. */
  get targetPort(): number {
    return this.words[this.#at + field.target + 4]!;
  }

  /** Word index of the first hint, and of the end of the last one. */
  get hintsAt(): number {
    return this.#at + field.hints;
  }

  get hintsEnd(): number {
    return this.#at + field.hints + this.words[this.#at + field.hintCount]! * hintWords;
  }

  /** Word index of the first sibling's slot, and of the end of the last one. */
  get siblingsAt(): number {
    return this.#at + field.siblings;
  }

  get siblingsEnd(): number {
    return this.#at + field.siblings + this.words[this.#at + field.siblingCount]!;
  }

  /** Those of a slot that was opened and not configured yet. */
  clear(): void {
    this.words.fill(0, this.#at, this.#at + rowWords);
    this.words[this.#at] = flag.isRtp;
    this.payloadTypes = noPayloadTypes;
    this.clockRates = noClockRates;
  }

  set(settings: SlotSettings): void {
    const { words } = this;
    const at = this.#at;
    const hintCount = Math.min(settings.hintCount, hintsPerSlotMax);
    const siblingCount = Math.min(settings.siblingCount, siblingsPerSlotMax);
    words[at] = flagsOf(settings);
    words[at + field.generation] = settings.generation;
    words[at + field.learningMode] = settings.learningMode;
    words[at + field.hintCount] = hintCount;
    words[at + field.siblingCount] = siblingCount;
    copy(words, at + field.target, settings.target, 5);
    copy(words, at + field.hints, settings.hints, hintCount * hintWords);
    copy(words, at + field.siblings, settings.siblings, siblingCount);
    this.payloadTypes = settings.payloadTypes;
    this.clockRates = settings.clockRates;
  }

  copyFrom(other: Settings): void {
    for (let index = 0; index < rowWords; index++) {
      this.words[this.#at + index] = other.words[other.#at + index]!;
    }
    this.payloadTypes = other.payloadTypes;
    this.clockRates = other.clockRates;
  }
}

function flagsOf(settings: SlotSettings): number {
  return (
    (settings.isRtp ? flag.isRtp : 0) |
    (settings.isMux ? flag.isMux : 0) |
    (settings.isSignalled ? flag.isSignalled : 0) |
    (settings.isAsymmetric ? flag.isAsymmetric : 0) |
    (settings.isStrict ? flag.isStrict : 0) |
    (settings.followsAnySource ? flag.followsAnySource : 0) |
    (settings.hasIce ? flag.hasIce : 0)
  );
}

function copy(into: Int32Array, at: number, from: Int32Array, count: number): void {
  for (let index = 0; index < count; index++) into[at + index] = from[index]!;
}

export class SettingsTable {
  /** By slot. */
  readonly bySlot: readonly Settings[];
  /** What the slot that was configured last had before. */
  readonly former: Settings;
  readonly #words: Int32Array;
  readonly #views: Settings[];
  /** Stands for all slots that were never configured. */
  readonly #none: Settings;

  constructor(capacitySlots: number) {
    this.#words = new Int32Array((capacitySlots + 2) * rowWords);
    this.#none = new Settings(this.#words, capacitySlots);
    this.former = new Settings(this.#words, capacitySlots + 1);
    this.#views = new Array<Settings>(capacitySlots).fill(this.#none);
    this.bySlot = this.#views;
  }

  /** The slot's settings from now on; `former` tells the ones before. */
  set(slot: number, settings: SlotSettings): Settings {
    this.former.copyFrom(this.bySlot[slot]!);
    if (this.bySlot[slot] === this.#none) this.#views[slot] = new Settings(this.#words, slot);
    const view = this.bySlot[slot]!;
    view.set(settings);
    return view;
  }

  clear(slot: number): void {
    const view = this.bySlot[slot]!;
    if (view !== this.#none) view.clear();
  }
}
