/**
 * The explicit overrides of ng: `media-handover` and the words of `endpoint-learning`. They mean what they mean
 * elsewhere, and give up what docs/handover.md says of each.
 */
import type { PacketFacts } from "./contract.ts";
import { type Ground, isProven, learning, provenAt, timeOf } from "./ground.ts";
import { hintMatch, matchHints } from "./hints.ts";
import { isRestless } from "./proof.ts";
import type { Settings } from "./settings-table.ts";
import { real } from "./slot-table.ts";
import { learningWindowMs, overridePauseMs } from "./timing.ts";

/** True if an override lets the source take the leg with this packet. */
export function mayTakeLeg(ground: Ground, facts: PacketFacts, settings: Settings, nowMs: number): boolean {
  if (settings.followsAnySource) return true;
  if (settings.learningMode <= learning.off) return false;
  if (!isProven(ground, facts.slot)) return true;
  if (nowMs - timeOf(ground, facts.slot, real.signalledAt) >= learningWindowMs) return false;
  if (settings.learningMode === learning.delayed) return true;
  if (settings.learningMode !== learning.heuristic) return false;
  const proven = provenAt(facts.slot);
  return nearness(settings, ground.source, 0) > nearness(settings, ground.table.words, proven);
}

/** Two that take turns must not move the leg with every packet: after some switches there is a pause behind each. */
export function isPausing(ground: Ground, slot: number, nowMs: number): boolean {
  if (!isProven(ground, slot) || !isRestless(ground, slot, nowMs)) return false;
  return nowMs - timeOf(ground, slot, real.previousAt) < overridePauseMs;
}

/** How `heuristic` ranks a source against the signalled address: exact, same IP, same port, anything. */
function nearness(settings: Settings, source: Int32Array, at: number): number {
  const match = matchHints(settings, source, at);
  if (match === hintMatch.exact) return 3;
  if (match >= hintMatch.ip) return 2;
  const { words, hintsAt, hintsEnd, hintStep } = settings;
  for (let hint = hintsAt; hint < hintsEnd; hint += hintStep) {
    if (words[hint + 4] === source[at + 4]) return 1;
  }
  return 0;
}
