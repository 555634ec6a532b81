/** What became of the sources of every open pair: the latest notes of the relay, kept as plain data and forgotten with the pair. */
import { type Endpoint, type IpAddress, sameEndpoint } from "../core/address.ts";
import { notesPerPairMax } from "../core/limits.ts";
import type { Component, Evidence, PairId, RelayEvent, SourceNote } from "../core/plan/plan.ts";
import type { MonotonicMs } from "../core/time.ts";
import { evidences } from "./snapshot.ts";

export type SourceNoted = Extract<RelayEvent, { readonly kind: "source-noted" }>;

export interface NoteRecord {
  readonly atMs: MonotonicMs;
  readonly component: Component;
  readonly note: SourceNote;
  readonly source: Endpoint;
  /** Of a proof or a move: who had the leg before. Of all else: who has it. Undefined: nobody. */
  readonly before: Endpoint | undefined;
  /** The rule it was judged by. */
  readonly evidence: Evidence | undefined;
}

/** One note in four values, some 40 bytes: its time, its code, and the source's IP and port. */
type Row = readonly [atMs: number, code: number, ip: IpAddress, port: number];
const rowValues = 4;

const notes: readonly SourceNote[] = [
  "proven",
  "switched",
  "rolled-back",
  "struck",
  "refused",
  "held",
  "twin",
];

export class SourceHistory {
  /** Rows one behind the other: nearly every call has a few, so they are kept small. */
  readonly #rows = new Map<PairId, readonly Row[number][]>();

  /** Takes a note in and tells it with what was known before. */
  note(nowMs: MonotonicMs, event: SourceNoted): NoteRecord {
    const { pair, component, note, source, evidence } = event;
    const known = this.of(pair);
    const holder = known.findLast((record) => record.component === component && givesLeg(record.note));
    // The same text for all sockets of a host.
    const ip = known.find((record) => record.source.ip === source.ip)?.source.ip ?? source.ip;
    const row: Row = [Math.round(nowMs), codeOf(component, note, evidence), ip, source.port];
    const rows = this.#rows.get(pair) ?? [];
    this.#rows.set(
      pair,
      known.length < notesPerPairMax ? rows.concat(row) : withoutOldest(rows, known).concat(row),
    );
    return { atMs: nowMs, component, note, source, before: holder?.source, evidence };
  }

  /** Both sockets' notes, oldest first. */
  of(pair: PairId): readonly NoteRecord[] {
    const rows = this.#rows.get(pair) ?? [];
    const holders: Partial<Record<Component, Endpoint>> = {};
    const records: NoteRecord[] = [];
    for (let at = 0; at < rows.length; at += rowValues) {
      const [atMs, code, ip, port] = rows.slice(at, at + rowValues) as unknown as Row;
      const source = { ip, port };
      const { component, note, evidence } = decode(code);
      records.push({
        atMs: atMs as MonotonicMs,
        component,
        note,
        source,
        before: holders[component],
        evidence,
      });
      if (givesLeg(note)) holders[component] = source;
    }
    return records;
  }

  forget(pair: PairId): void {
    this.#rows.delete(pair);
  }

  get pairCount(): number {
    return this.#rows.size;
  }
}

/** Bit 0 is the component, the next three the note, the rest the evidence; 0 is none. */
function codeOf(component: Component, note: SourceNote, evidence: Evidence | undefined): number {
  const rule = evidence === undefined ? 0 : 1 + evidences.indexOf(evidence);
  return (component === "rtcp" ? 1 : 0) | (notes.indexOf(note) << 1) | (rule << 4);
}

function decode(code: number): Pick<NoteRecord, "component" | "note" | "evidence"> {
  return {
    component: (code & 1) === 0 ? "rtp" : "rtcp",
    note: notes[(code >> 1) & 7] ?? "refused",
    evidence: evidences[(code >> 4) - 1],
  };
}

/** Since when the source has had the leg without a break; undefined when no note tells. */
export function holdsSince(
  records: readonly NoteRecord[],
  component: Component,
  source: Endpoint,
): MonotonicMs | undefined {
  let since: MonotonicMs | undefined;
  for (const record of records) {
    if (record.component !== component || !givesLeg(record.note)) continue;
    if (!sameEndpoint(record.source, source)) since = undefined;
    else since ??= record.atMs;
  }
  return since;
}

/** The notes after which the source has the leg. */
function givesLeg(note: SourceNote): boolean {
  return note === "proven" || note === "switched" || note === "rolled-back";
}

/** The oldest goes, but never the one that tells who has the leg: strangers may fill the rest with notes of theirs. */
function withoutOldest(rows: readonly Row[number][], records: readonly NoteRecord[]): readonly Row[number][] {
  const holders = (["rtp", "rtcp"] as const).map((component) =>
    records.findLastIndex((record) => record.component === component && givesLeg(record.note)),
  );
  const gone = rowValues * records.findIndex((_, index) => !holders.includes(index));
  return rows.slice(0, gone).concat(rows.slice(gone + rowValues));
}
