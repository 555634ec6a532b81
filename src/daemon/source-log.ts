/**
 * What the log tells of media sources: who was proven, who moved, who was refused, each with its evidence and a
 * sentence. Bounded for each call and for all; what was left out is told as a number, every few seconds.
 */
import type { PairPlace } from "../call/report.ts";
import { formatEndpoint } from "../core/address.ts";
import {
  sourceLinesBurstMax,
  sourceLinesPerCallBurstMax,
  sourceLinesPerCallPerSecMax,
  sourceLinesPerSecMax,
} from "../core/limits.ts";
import type { LogFields, Logger } from "../core/log.ts";
import type { PairId, SourceNote } from "../core/plan/plan.ts";
import type { MonotonicMs } from "../core/time.ts";
import type { EventName } from "../telemetry/events.ts";
import { type NoteRecord, SourceHistory, type SourceNoted } from "../telemetry/source-history.ts";
import { noteText } from "../telemetry/source-texts.ts";
import { LineBudget } from "./line-budget.ts";

export interface SourceLogParts {
  readonly log: Logger;
  /** The log shows debug lines: they are made only then. */
  readonly tellsDebug: boolean;
  readonly placeOf: (pair: PairId) => PairPlace | undefined;
}

const perCall = { burst: sourceLinesPerCallBurstMax, perSec: sourceLinesPerCallPerSecMax };
const ofAll = { burst: sourceLinesBurstMax, perSec: sourceLinesPerSecMax };
/** Time from the first line left out to the summary. */
const summaryMs = 10_000;

/** Worth a line in any log, with room of their own; the rest is for whoever looks closely. */
const moves: ReadonlySet<SourceNote> = new Set(["switched", "rolled-back"]);

export class SourceLog {
  readonly history = new SourceHistory();
  readonly #parts: SourceLogParts;
  /** What an attacker may cause at will must not use up the room of where the party is, nor the details that of both. */
  readonly #moves = new LineBudget(perCall, ofAll);
  readonly #strikes = new LineBudget(perCall, ofAll);
  readonly #details = new LineBudget(perCall, ofAll);
  #summaryAtMs: MonotonicMs | undefined;

  constructor(parts: SourceLogParts) {
    this.#parts = parts;
  }

  tell(nowMs: MonotonicMs, event: SourceNoted): void {
    const record = this.history.note(nowMs, event);
    const budget = this.#budgetOf(event.note);
    const isInfo = budget !== this.#details;
    if (!isInfo && !this.#parts.tellsDebug) return;
    const place = this.#parts.placeOf(event.pair);
    if (!budget.take(nowMs, place?.callId ?? "")) {
      this.#summaryAtMs ??= (nowMs + summaryMs) as MonotonicMs;
      return;
    }
    const { log } = this.#parts;
    const fields = fieldsOf(event.pair, place, record);
    if (isInfo) log.info(fields, noteText(record));
    else log.debug(fields, noteText(record));
  }

  /** The pair is closed, and so is its history. */
  forget(pair: PairId): void {
    this.history.forget(pair);
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    return this.#summaryAtMs;
  }

  handleTimeout(nowMs: MonotonicMs): void {
    if (this.#summaryAtMs === undefined || nowMs < this.#summaryAtMs) return;
    this.#summaryAtMs = undefined;
    const { log } = this.#parts;
    for (const budget of [this.#moves, this.#strikes, this.#details]) {
      const { lines, calls, example } = budget.takeUntold(nowMs);
      if (lines === 0) continue;
      const fields = { event: "source-untold" satisfies EventName, lines, calls, callId: example };
      const message = `left out ${lines} lines about media sources of ${calls} ${calls === 1 ? "call" : "calls"}`;
      if (budget === this.#details) log.debug(fields, message);
      else log.warn(fields, message);
    }
  }

  #budgetOf(note: SourceNote): LineBudget {
    if (moves.has(note)) return this.#moves;
    return note === "struck" ? this.#strikes : this.#details;
  }
}

function fieldsOf(pair: PairId, place: PairPlace | undefined, record: NoteRecord): LogFields {
  const { component, note, source, before, evidence } = record;
  return {
    event: `source-${note}` satisfies EventName,
    callId: place?.callId,
    leg: place?.leg,
    tag: place?.tag,
    media: place?.media,
    type: place?.type,
    pair,
    component,
    source: formatEndpoint(source),
    before: before === undefined ? undefined : formatEndpoint(before),
    evidence,
  };
}
