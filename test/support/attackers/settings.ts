/** The settings that a victim's SDP comes to, made once each. */
import type { SlotSettings } from "../../../src/handover/contract.ts";
import { beside, type Place } from "./places.ts";
import { eventType, hintsOf, type Signalled } from "./victim.ts";

const settingsByName = new Map<string, SlotSettings>();

/** Codes of `SlotSettings.learningMode`, and `media-handover`. */
export const overrides = {
  "learning-off": 1,
  immediate: 2,
  delayed: 3,
  heuristic: 4,
  "media-handover": 0,
} as const;
export type Override = keyof typeof overrides;

export interface Named {
  readonly signalled: Signalled;
  readonly generation: number;
  readonly rules: "plain" | "srtp" | "strict" | Override;
}

export function settingsOf({ signalled, generation, rules }: Named, slot: number): SlotSettings {
  const name = `${signalled} ${rules} ${generation} ${slot}`;
  const known = settingsByName.get(name);
  if (known !== undefined) return known;
  const { hints, target } = hintsOf(signalled);
  const payloadTypes = new Int32Array(4);
  const clockRates = new Uint32Array(128);
  for (const type of [0, 8, eventType]) {
    payloadTypes[type >>> 5]! |= 1 << (type & 31);
    clockRates[type] = 8_000;
  }
  const made: SlotSettings = {
    isRtp: true,
    isMux: false,
    isSignalled: true,
    generation,
    isAsymmetric: false,
    isStrict: rules === "strict",
    followsAnySource: rules === "media-handover",
    hasIce: false,
    learningMode: rules in overrides ? overrides[rules as Override] : 0,
    hints: Int32Array.from(
      hints.flatMap(({ at, isUsable }) => [...words(beside(at, slot)), isUsable ? 1 : 0]),
    ),
    hintCount: hints.length,
    target: Int32Array.from(words(beside(target, slot))),
    payloadTypes,
    clockRates,
    siblings: new Int32Array(0),
    siblingCount: 0,
  };
  settingsByName.set(name, made);
  return made;
}

function words(at: Place): number[] {
  return [0, 0, 0xffff, at.ip3, at.port];
}
