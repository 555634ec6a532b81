/**
 * When a call is over without being told (docs/ng.md, "Timeouts"). A call lives as long as one of its streams is
 * good: a stream whose party sends must have brought a packet within `timeout`, one that nobody has answered may
 * wait for `offer-timeout`. Where no party sends at all, `silent-timeout` counts.
 */
import type { CounterReader } from "../core/plan/counters.ts";
import type { MonotonicMs } from "../core/time.ts";
import { formerKeysUntilMs } from "./former-keys.ts";
import type { CallOptions } from "./options.ts";
import type { EndReason } from "./report.ts";
import type { CallState, MediaState } from "./state.ts";

export interface Fate {
  /** The call is over at this time, if nothing happens until then; Infinity: never. */
  readonly endsAtMs: number;
  readonly reason: EndReason;
}

export function fateOf(call: CallState, counters: CounterReader, options: CallOptions): Fate {
  const media = mediaFate(call, counters, options);
  const final: Fate = {
    endsAtMs: call.createdAtMs + limit(options.finalTimeoutMs),
    reason: "final-timeout",
  };
  // A request in hand may take the delete back.
  const deleteAtMs = call.work === undefined ? call.deleteAtMs : undefined;
  const deleted: Fate = { endsAtMs: deleteAtMs ?? Number.POSITIVE_INFINITY, reason: "deleted" };
  return earliest(deleted, earliest(media, final));
}

function earliest(a: Fate, b: Fate): Fate {
  return b.endsAtMs < a.endsAtMs ? b : a;
}

/** Until when the streams of each kind are good; 0: there are none. */
interface Good {
  sendingMs: number;
  unansweredMs: number;
  silentMs: number;
}

function mediaFate(call: CallState, counters: CounterReader, options: CallOptions): Fate {
  const since = call.lastSignalAtMs;
  const good: Good = { sendingMs: 0, unansweredMs: 0, silentMs: since + limit(options.silentTimeoutMs) };
  for (const leg of call.legs) {
    for (const media of leg.media) {
      if (media.pair === undefined || !media.isActive) continue;
      const lastMs = Math.max(since, counters.lastPacketAt(media.pair.id) ?? since);
      noteGood(good, media, lastMs, options);
    }
  }
  const { sendingMs, unansweredMs, silentMs } = good;
  const isSomeoneSending = sendingMs > 0;
  if (isSomeoneSending && sendingMs >= unansweredMs) return { endsAtMs: sendingMs, reason: "timeout" };
  if (isSomeoneSending || unansweredMs >= silentMs)
    return { endsAtMs: unansweredMs, reason: "offer-timeout" };
  return { endsAtMs: silentMs, reason: "silent-timeout" };
}

function noteGood(good: Good, media: MediaState, lastMs: number, options: CallOptions): void {
  if (!media.isSignalled) {
    good.unansweredMs = Math.max(good.unansweredMs, lastMs + limit(options.offerTimeoutMs));
  } else if (isSilent(media)) {
    good.silentMs = Math.max(good.silentMs, lastMs + limit(options.silentTimeoutMs));
  } else {
    good.sendingMs = Math.max(good.sendingMs, lastMs + limit(options.timeoutMs));
  }
}

/** This party said that it sends nothing. */
function isSilent(media: MediaState): boolean {
  return media.direction === "recvonly" || media.direction === "inactive";
}

function limit(durationMs: number): number {
  return durationMs > 0 ? durationMs : Number.POSITIVE_INFINITY;
}

/** The next moment a call must be looked at: its end as far as known now, a branch or keys that go, or a stuck request. */
export function nextLookMs(call: CallState, fate: Fate): MonotonicMs {
  if (call.work !== undefined) return Math.min(fate.endsAtMs, call.work.deadlineMs) as MonotonicMs;
  let at = fate.endsAtMs;
  for (const leg of call.legs) at = Math.min(at, leg.deleteAtMs ?? at, formerKeysUntilMs(leg));
  return at as MonotonicMs;
}
