/**
 * The call model: requests of the control protocols and events of the relay in, relay actions and replies out.
 *
 * Pure: no clock, no socket, no timer; the same inputs give the same outputs. Every request gets exactly one reply;
 * every pair that opened is closed exactly once.
 */

import type { IpAddress } from "../core/address.ts";
import { identifierSizeBytesMax, requestsWaitingPerCallMax } from "../core/limits.ts";
import type { CounterReader } from "../core/plan/counters.ts";
import type { PairId, RelayEvent } from "../core/plan/plan.ts";
import type { Random } from "../core/random.ts";
import type { MonotonicMs, UnixMs } from "../core/time.ts";
import type { CallAction } from "./actions.ts";
import { AddressJudge } from "./address-judge.ts";
import { CallStore, type CallsSnapshot } from "./call-store.ts";
import { streamLeg } from "./deletion.ts";
import { deleteByTags, deleteStream, endCall, endLegs } from "./ending.ts";
import { dropFormerKeys } from "./former-keys.ts";
import type { CallOptions } from "./options.ts";
import type { CallReport, CallSummary, PairPlace } from "./report.ts";
import { legsOfTag, placeInCall, reportCall, summariseCall } from "./reports.ts";
import type {
  CallReply,
  CallRequest,
  DeleteRequest,
  QueryRequest,
  RequestId,
  StreamDeleteRequest,
  StreamQueryRequest,
} from "./requests.ts";
import {
  callIdOf,
  failWork,
  handleOpening,
  isSignal,
  refuse,
  type SignalRequest,
  startSignal,
} from "./signalling.ts";
import type { CallState, Now, QueuedRequest } from "./state.ts";
import { fateOf } from "./timeouts.ts";
import { isTransportEvent, noteTransport } from "./transport-facts.ts";

/** Calls looked at by one `handleTimeout`; the rest is due at once again. */
const looksPerTimeoutMax = 256;

export interface CallsParts {
  readonly options: CallOptions;
  readonly random: Random;
  readonly counters: CounterReader;
  /** Addresses that SIP comes from and media never does; asked at each offer and answer. */
  readonly isSignallingProxy: (ip: IpAddress) => boolean;
}

export class Calls {
  readonly #store: CallStore;

  constructor(parts: CallsParts) {
    const { options, random, counters, isSignallingProxy } = parts;
    const ownIps = new Set(options.interfaces.flatMap((one) => [one.localIp, one.advertisedIp]));
    const judge = new AddressJudge({ onLink: options.onLink, ownIps, isSignallingProxy });
    this.#store = new CallStore({ options, random, counters, judge });
  }

  /** The moment is on both clocks: deadlines are monotonic, reports are in Unix time. */
  handleRequest(now: Now, id: RequestId, request: CallRequest): readonly CallAction[] {
    const out: CallAction[] = [];
    this.#accept({ id, now, request }, out);
    return out;
  }

  handleRelayEvent(nowMs: MonotonicMs, event: RelayEvent): readonly CallAction[] {
    const out: CallAction[] = [];
    if (event.kind === "opened" || event.kind === "open-failed") {
      const call = handleOpening(this.#store, event, out);
      if (call !== undefined) this.#runWaiting(call, nowMs, out);
    } else if (event.kind === "source-proven" && event.component === "rtp") {
      this.#noteProven(event.pair, event.source.ip);
    } else if (isTransportEvent(event)) {
      const call = this.#store.ownerOf(event.pair);
      if (call !== undefined) noteTransport(call, event);
    }
    return out;
  }

  handleTimeout(nowMs: MonotonicMs): readonly CallAction[] {
    const out: CallAction[] = [];
    for (let looks = 0; looks < looksPerTimeoutMax; looks++) {
      const call = this.#store.dueCall(nowMs);
      if (call === undefined) break;
      this.#look(call, nowMs, out);
    }
    return out;
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    return this.#store.nextDeadlineMs();
  }

  get callCount(): number {
    return this.#store.calls.size;
  }

  *summaries(): IterableIterator<CallSummary> {
    for (const call of this.#store.calls.values()) yield summariseCall(call);
  }

  report(nowMs: MonotonicMs, callId: string): CallReport | undefined {
    const call = this.#store.calls.get(callId);
    return call === undefined ? undefined : reportCall(call, nowMs);
  }

  /** The call that a pair serves; undefined once it is closed. */
  callIdOf(pair: PairId): string | undefined {
    return this.#store.ownerOf(pair)?.callId;
  }

  /** The leg and m-line that a pair serves; undefined once it is closed. */
  placeOf(pair: PairId): PairPlace | undefined {
    const call = this.#store.ownerOf(pair);
    return call === undefined ? undefined : placeInCall(call, pair);
  }

  /** Ends a call for the operator; undefined when there is no such call. */
  kill(nowMs: MonotonicMs, callId: string): readonly CallAction[] | undefined {
    const call = this.#store.calls.get(callId);
    if (call === undefined) return undefined;
    const out: CallAction[] = [];
    endCall(this.#store, call, "killed", { nowMs, out });
    this.#runWaiting(call, nowMs, out);
    return out;
  }

  /** From now on no new calls; those that live go on. */
  beginShutdown(): void {
    this.#store.isShuttingDown = true;
  }

  /** The last step of a shutdown: every call ends now. */
  endAll(nowMs: MonotonicMs): readonly CallAction[] {
    this.beginShutdown();
    const out: CallAction[] = [];
    this.#endAll("shutdown", nowMs, out);
    return out;
  }

  /** The calls as plain data; shared with the live ones, so turn it into bytes before the next input. */
  snapshot(): CallsSnapshot {
    return this.#store.snapshot();
  }

  /** Takes calls over; only before the first request. */
  restore(snapshot: CallsSnapshot): void {
    this.#store.restore(snapshot);
  }

  #accept(queued: QueuedRequest, out: CallAction[]): void {
    const reply = this.#handle(queued, out);
    if (reply !== undefined) out.push({ kind: "reply", request: queued.id, reply });
  }

  /** The reply, unless it stands among the actions already or comes later. */
  #handle(queued: QueuedRequest, out: CallAction[]): CallReply | undefined {
    const { request, now } = queued;
    if (request.kind === "list") return { kind: "list", calls: this.#list(request.limit) };
    if (request.kind === "delete-all") {
      this.#endAll("deleted", now.monotonicMs, out);
      return { kind: "done" };
    }
    if (!fitsLimits(request)) return refuse("limit-exceeded");
    if (request.kind === "query" || request.kind === "query-stream") {
      return this.#query(now.monotonicMs, request);
    }
    const call = this.#store.calls.get(isSignal(request) ? callIdOf(request) : request.callId);
    if (call?.work === undefined) return this.#run(queued, request, out);
    if (call.waiting.length >= requestsWaitingPerCallMax) return refuse("load-limit");
    call.waiting.push(queued);
    return undefined;
  }

  #run(
    queued: QueuedRequest,
    request: SignalRequest | DeleteRequest | StreamDeleteRequest,
    out: CallAction[],
  ): CallReply | undefined {
    if (request.kind === "delete") return deleteByTags(this.#store, queued, request, out);
    if (request.kind === "delete-stream") return deleteStream(this.#store, queued, request, out);
    return startSignal(this.#store, queued, request, out);
  }

  /** What waited for a call goes on; what waited for one that is gone starts over. */
  #runWaiting(call: CallState, nowMs: MonotonicMs, out: CallAction[]): void {
    while (call.work === undefined) {
      const queued = call.waiting.shift();
      if (queued === undefined) return;
      this.#accept({ ...queued, now: later(queued.now, nowMs) }, out);
    }
  }

  #look(call: CallState, nowMs: MonotonicMs, out: CallAction[]): void {
    const store = this.#store;
    if (call.work !== undefined && call.work.deadlineMs <= nowMs) {
      failWork(store, call, "load-limit", out);
      this.#runWaiting(call, nowMs, out);
      return;
    }
    const fate = fateOf(call, store.counters, store.options);
    if (fate.endsAtMs <= nowMs) {
      endCall(store, call, fate.reason, { nowMs, out });
      this.#runWaiting(call, nowMs, out);
      return;
    }
    if (call.work === undefined) this.#lookAtLegs(call, nowMs, out);
    store.schedule(call);
  }

  #lookAtLegs(call: CallState, nowMs: MonotonicMs, out: CallAction[]): void {
    const ending = call.legs.filter((leg) => leg.deleteAtMs !== undefined && leg.deleteAtMs <= nowMs);
    const changed = call.legs.filter((leg) => dropFormerKeys(leg, nowMs));
    // Where legs end, all others are configured anew.
    if (ending.length > 0) endLegs(this.#store, call, ending, out);
    else this.#store.configure(call, changed, out);
  }

  #endAll(reason: "deleted" | "shutdown", nowMs: MonotonicMs, out: CallAction[]): void {
    for (const call of [...this.#store.calls.values()]) {
      endCall(this.#store, call, reason, { nowMs, out });
      this.#runWaiting(call, nowMs, out);
    }
  }

  #noteProven(pairId: Extract<RelayEvent, { kind: "closed" }>["pair"], ip: IpAddress): void {
    for (const leg of this.#store.ownerOf(pairId)?.legs ?? []) {
      for (const { pair } of leg.media) {
        if (pair?.id !== pairId) continue;
        this.#store.judge.noteProven(pair.provenIp, ip);
        pair.provenIp = ip;
      }
    }
  }

  #list(limit: number): readonly CallSummary[] {
    const calls: CallSummary[] = [];
    for (const summary of this.summaries()) {
      if (calls.length >= limit) break;
      calls.push(summary);
    }
    return calls;
  }

  #query(nowMs: MonotonicMs, request: QueryRequest | StreamQueryRequest): CallReply {
    const call = this.#store.calls.get(request.callId);
    if (call === undefined) return refuse("unknown-call");
    if (request.kind === "query") {
      const legs = legsOfTag(call, request.fromTag ?? request.toTag);
      return { kind: "report", report: reportCall(call, nowMs, legs) };
    }
    if (streamLeg(call, request) === undefined) return refuse("unknown-call");
    return { kind: "report", report: reportCall(call, nowMs) };
  }
}

/** The moment at which a request that waited is taken up. */
function later(now: Now, nowMs: MonotonicMs): Now {
  return { monotonicMs: nowMs, unixMs: (now.unixMs + nowMs - now.monotonicMs) as UnixMs };
}

/** Call-ids, tags, branches and labels of a bearable size. */
function fitsLimits(request: Exclude<CallRequest, { kind: "list" | "delete-all" }>): boolean {
  const named = "key" in request ? request.key : request;
  const names = [named.callId, named.fromTag, named.toTag];
  if ("viaBranch" in request) names.push(request.viaBranch);
  if (request.kind === "offer" || request.kind === "answer")
    names.push(request.options.label, request.options.toLabel);
  if (request.kind === "update") names.push(request.notify?.socket, request.notify?.tag);
  return names.every((name) => name === undefined || name.length <= identifierSizeBytesMax);
}
