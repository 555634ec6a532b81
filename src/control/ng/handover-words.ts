/**
 * What `query` tells of a stream's sources, in the dictionary `handover` beside rtpengine's keys: who is proven and why,
 * where we send, who waits, and what happened. rtpengine has nothing of the kind; proxies pass over keys they do not know.
 */
import { type Endpoint, formatEndpoint } from "../../core/address.ts";
import { querySourcesMax } from "../../core/limits.ts";
import type { SocketCounters } from "../../core/plan/counters.ts";
import type { Component, PairId, SourceNote } from "../../core/plan/plan.ts";
import type { MonotonicMs } from "../../core/time.ts";
import type { SlotView } from "../../handover/view.ts";
import { type Instant, unixSecondsOf } from "./instant.ts";
import type { NgDict, NgValue } from "./value.ts";

/** What became of a source, with a sentence about it. */
export interface SourceStory {
  readonly atMs: MonotonicMs;
  readonly note: SourceNote;
  readonly source: Endpoint;
  readonly text: string;
}

/** Whoever knows the relay's sources. */
export interface SourceReader {
  /** Undefined: nothing is known of that socket. */
  view(pair: PairId, component: Component): SlotView | undefined;
  /** Oldest first. */
  history(pair: PairId, component: Component): readonly SourceStory[];
}

/** Of one reply: it has to fit a datagram, so all its streams share the room for lists, the latest notes first. */
export class SourceWords {
  readonly #now: Instant;
  readonly #reader: SourceReader;
  #room = querySourcesMax;

  constructor(now: Instant, reader: SourceReader) {
    this.#now = now;
    this.#reader = reader;
  }

  dict(pair: PairId, component: Component, counters: SocketCounters): NgDict {
    const view = this.#reader.view(pair, component);
    const candidates = this.#fit(view?.candidates ?? []);
    const history = this.#fit(this.#reader.history(pair, component));
    const entries: [string, NgValue][] = [];
    const { provenSource, evidence, sendTarget } = counters;
    if (provenSource !== undefined) entries.push(["proven source", formatEndpoint(provenSource)]);
    if (evidence !== undefined) entries.push(["evidence", evidence]);
    if (sendTarget !== undefined) entries.push(["send target", formatEndpoint(sendTarget)]);
    if (view?.twin !== undefined) entries.push(["twin", formatEndpoint(view.twin)]);
    entries.push(
      ["candidates", candidates.map(candidateDict)],
      ["history", history.map((story) => storyDict(story, this.#now))],
    );
    return new Map(entries);
  }

  /** The last ones that find room. */
  #fit<Item>(items: readonly Item[]): readonly Item[] {
    const taken = items.slice(Math.max(0, items.length - this.#room));
    this.#room -= taken.length;
    return taken;
  }
}

function candidateDict({ source, claim, packets, ageMs }: SlotView["candidates"][number]): NgDict {
  return new Map<string, NgValue>([
    ["source", formatEndpoint(source)],
    ["claim", claim],
    ["packets", packets],
    ["age", Math.round(ageMs)],
  ]);
}

function storyDict({ atMs, note, source, text }: SourceStory, now: Instant): NgDict {
  return new Map<string, NgValue>([
    ["time", unixSecondsOf(now, atMs)],
    ["event", note],
    ["source", formatEndpoint(source)],
    ["text", text],
  ]);
}
