/** Who speaks, who would like to, and where we send: a socket's sources as `rtpferry ctl show` has them. Durations are in milliseconds. */
import type { MediaReport } from "../call/report.ts";
import { type Endpoint, formatEndpoint, sameEndpoint } from "../core/address.ts";
import type { SocketCounters } from "../core/plan/counters.ts";
import type { Component, Evidence, SourceNote } from "../core/plan/plan.ts";
import type { MonotonicMs } from "../core/time.ts";
import type { CandidateClaim, CandidateRank, SlotView } from "../handover/view.ts";
import { holdsSince, type NoteRecord } from "./source-history.ts";
import { noteText } from "./source-texts.ts";

export interface SourcesDetail {
  /** How long the present source has had the leg; null without one, or where its first note is forgotten. */
  readonly provenForMs: number | null;
  /** Why we send where we send, or why nowhere. */
  readonly targetReason: string;
  readonly candidates: readonly CandidateDetail[];
  /** Places the party was at; it takes the leg back from there with its first packet. */
  readonly remembered: readonly string[];
  readonly struck: readonly { readonly source: string; readonly forMs: number }[];
  /** The party's second path. */
  readonly twin: string | null;
  readonly switches: number;
  /** Oldest first. */
  readonly history: readonly HistoryDetail[];
}

/** A source that is not believed, or not yet. */
export interface CandidateDetail {
  readonly source: string;
  /** What it takes to believe it. */
  readonly claim: CandidateClaim;
  /** How near it is to what is known of the party. */
  readonly rank: CandidateRank;
  /** In a row. */
  readonly packets: number;
  /** Since its first packet. */
  readonly ageMs: number;
  readonly text: string;
}

export interface HistoryDetail {
  readonly agoMs: number;
  readonly note: SourceNote;
  readonly source: string;
  readonly before: string | null;
  readonly evidence: Evidence | null;
  readonly text: string;
}

/** What one socket's view is made of. */
export interface SocketFacts {
  readonly media: MediaReport;
  readonly component: Component;
  readonly counters: SocketCounters;
  /** Undefined: the relay does not tell, or the pair is new. */
  readonly view: SlotView | undefined;
  /** Of the pair, oldest first. */
  readonly history: readonly NoteRecord[];
  /** Where ICE sends; null: ICE runs and has chosen nothing. Undefined: no ICE. */
  readonly iceTarget: Endpoint | null | undefined;
}

export function sourcesDetail(facts: SocketFacts, nowMs: MonotonicMs): SourcesDetail {
  const { counters, component, view, history } = facts;
  const { provenSource } = counters;
  const since = provenSource === undefined ? undefined : holdsSince(history, component, provenSource);
  return {
    provenForMs: since === undefined ? null : Math.round(nowMs - since),
    targetReason: targetReason(facts),
    candidates: (view?.candidates ?? []).map((one) => ({
      source: formatEndpoint(one.source),
      claim: one.claim,
      rank: one.rank,
      packets: one.packets,
      ageMs: Math.round(one.ageMs),
      text: waitText(facts, one.claim, one.rank),
    })),
    remembered: (view?.remembered ?? []).map(formatEndpoint),
    struck: (view?.struck ?? []).map(({ source, forMs }) => ({
      source: formatEndpoint(source),
      forMs: Math.round(forMs),
    })),
    twin: view?.twin === undefined ? null : formatEndpoint(view.twin),
    switches: view?.switches ?? 0,
    history: history.filter((record) => record.component === component).map((record) => told(record, nowMs)),
  };
}

function told(record: NoteRecord, nowMs: MonotonicMs): HistoryDetail {
  return {
    agoMs: Math.round(nowMs - record.atMs),
    note: record.note,
    source: formatEndpoint(record.source),
    before: record.before === undefined ? null : formatEndpoint(record.before),
    evidence: record.evidence ?? null,
    text: noteText(record),
  };
}

function targetReason({ media, component, counters, iceTarget }: SocketFacts): string {
  const target = counters.sendTarget;
  const announced = component === "rtp" ? media.advertised : media.advertisedRtcp;
  if (iceTarget !== undefined) return iceTarget === null ? "ICE has chosen nothing yet" : "ICE chose it";
  if (target === undefined) {
    if (announced === undefined) return "the party has not said where, and has not spoken";
    return "the party is on hold, or what it announced cannot be sent to";
  }
  const isProven = counters.provenSource !== undefined && sameEndpoint(counters.provenSource, target);
  const isAnnounced = announced !== undefined && sameEndpoint(announced, target);
  if (media.isAsymmetric) return "announced; asymmetric: where the party speaks from does not count";
  if (isProven)
    return isAnnounced ? "the party speaks from there, as announced" : "the party speaks from there";
  if (isAnnounced) return counters.provenSource === undefined ? "announced" : "announced anew";
  return component === "rtcp" ? "it goes beside RTP" : "something was heard from there";
}

/** What a candidate waits for. */
function waitText({ media, counters }: SocketFacts, claim: CandidateClaim, rank: CandidateRank): string {
  const { provenSource } = counters;
  const holder = provenSource === undefined ? "the party" : formatEndpoint(provenSource);
  if (claim === "first-speaker" && media.advertised === undefined) return "the party's SDP is not known yet";
  if (claim === "first-speaker" && provenSource === undefined) {
    return rank === "unknown"
      ? `it is not where the party announced itself (${place(media.advertised)}), and must be alone for the settle time if that address is usable`
      : "a first speaker needs five packets of one stream, and nobody as likely beside it";
  }
  return waitTexts[claim](holder);
}

const waitTexts: Readonly<Record<CandidateClaim, (holder: string) => string>> = {
  "first-speaker": (holder) => `${holder} was a first speaker itself, and keeps the leg while it speaks`,
  "signalled-ip": () => "signalling named its IP, and several ports of it speak",
  signalled: (holder) => `signalling named it, and ${holder} speaks still`,
  continuity: (holder) => `it goes on with the stream of ${holder}, which must be silent for the hold time`,
  "same-place": (holder) => `it is where ${holder} was, with a new stream; ${holder} must be silent first`,
  "new-generation": (holder) => `a new stream after a new SDP; ${holder} must be silent first`,
};

function place(endpoint: Endpoint | undefined): string {
  return endpoint === undefined ? "nowhere" : formatEndpoint(endpoint);
}
