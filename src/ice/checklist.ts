/**
 * The checks of one session: which pair is next, what is sent again, whose answer it is (RFC 8445 sections 6.1.4 and
 * 7.2, RFC 8489 section 6.2.1).
 *
 * Everything sent here takes its turn at the pace of Ta: triggered checks first, then the best pair never checked,
 * then what is overdue to be sent again. Pairs are never frozen (RFC 8445 section 6.1.2.6): that spares checks of
 * pairs that share a foundation, and with one local candidate those are the two components of one remote candidate.
 */
import { Buffer } from "node:buffer";
import { iceTransactionsPerPairMax } from "../core/limits.ts";
import { addMs, type MonotonicMs } from "../core/time.ts";
import { type CandidatePair, comparePairs, type IceComponent, PairTable } from "./pair.ts";
import { lastWaitRtos, pacingMs, retransmitMsMin, transmissionsMax } from "./timing.ts";

/** A request of ours whose answer counts. */
export interface Transaction {
  readonly pair: CandidatePair;
  readonly isControlling: boolean;
  readonly nominates: boolean;
}

/** What the session does for its checklist. */
export interface ChecklistOwner {
  isControlling(): boolean;
  /** False: this component has its pair, others need no check of their own. */
  isSeeking(component: IceComponent): boolean;
  /** To where the pair leads. */
  send(pair: CandidatePair, bytes: Uint8Array): void;
  encode(pair: CandidatePair, transactionId: Uint8Array, nominates: boolean): Uint8Array;
  newTransactionId(): Uint8Array;
}

export class Checklist {
  readonly pairs = new PairTable((pair) => this.#forget(pair));
  readonly #owner: ChecklistOwner;
  readonly #transactions = new Map<string, Transaction>();
  readonly #idsOf = new Map<CandidatePair, string[]>();
  #queue: CandidatePair[] = [];
  #nextSendAtMs = Number.NEGATIVE_INFINITY as MonotonicMs;

  constructor(owner: ChecklistOwner) {
    this.#owner = owner;
  }

  /** The pairs of a component. */
  of(component: IceComponent): CandidatePair[] {
    return [...this.pairs.all()].filter((pair) => pair.component === component);
  }

  /** Puts a pair in front of all ordinary checks; once is enough. */
  trigger(pair: CandidatePair): void {
    if (pair.isQueued) return;
    pair.isQueued = true;
    if (pair.state === "failed") pair.state = "waiting";
    this.#queue.push(pair);
  }

  /** No more checks of this pair; a late answer still counts. */
  stop(pair: CandidatePair): void {
    pair.check = undefined;
    if (pair.isQueued) this.#queue = this.#queue.filter((queued) => queued !== pair);
    pair.isQueued = false;
  }

  transactionOf(transactionId: Uint8Array): Transaction | undefined {
    return this.#transactions.get(keyOf(transactionId));
  }

  /** A check outside the list: consent and probes, which their own clocks pace and nothing repeats. */
  sendOnce(pair: CandidatePair): void {
    this.#owner.send(pair, this.#begin(pair, false));
  }

  /** Pairs whose check was sent for the last time and not answered; they have failed now. */
  expire(nowMs: MonotonicMs): readonly CandidatePair[] {
    const expired: CandidatePair[] = [];
    for (const pair of this.pairs.all()) {
      const { check } = pair;
      if (check === undefined || check.transmissions < transmissionsMax || check.nextAtMs > nowMs) continue;
      pair.check = undefined;
      pair.wantsNomination = false;
      pair.state = "failed";
      expired.push(pair);
    }
    return expired;
  }

  /** Sends what is due, at most one packet a turn. */
  pump(nowMs: MonotonicMs): void {
    if (nowMs < this.#nextSendAtMs) return;
    const pair = this.#takeTriggered() ?? this.#nextOrdinary();
    if (pair !== undefined) this.#startCheck(nowMs, pair);
    else if (!this.#repeatOverdue(nowMs)) return;
    this.#nextSendAtMs = addMs(nowMs, pacingMs);
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    const paceMs = this.#nextSendAtMs;
    if (this.#queue.length > 0 || this.#nextOrdinary() !== undefined) return paceMs;
    let next: MonotonicMs | undefined;
    for (const { check } of this.pairs.all()) {
      if (check === undefined) continue;
      const isLast = check.transmissions >= transmissionsMax;
      const dueMs = isLast || check.nextAtMs > paceMs ? check.nextAtMs : paceMs;
      if (next === undefined || dueMs < next) next = dueMs;
    }
    return next;
  }

  #takeTriggered(): CandidatePair | undefined {
    const pair = this.#queue.shift();
    if (pair !== undefined) pair.isQueued = false;
    return pair;
  }

  #nextOrdinary(): CandidatePair | undefined {
    let best: CandidatePair | undefined;
    for (const pair of this.pairs.all()) {
      if (pair.state !== "waiting" || pair.isQueued || !this.#owner.isSeeking(pair.component)) continue;
      if (best === undefined || comparePairs(pair, best) < 0) best = pair;
    }
    return best;
  }

  #startCheck(nowMs: MonotonicMs, pair: CandidatePair): void {
    const isControlling = this.#owner.isControlling();
    const nominates = isControlling && pair.wantsNomination;
    const running = pair.check;
    const isSame = running?.isControlling === isControlling && running.nominates === nominates;
    // A check under way that says the same begins anew under its own id: both answers are one.
    const bytes = isSame ? running.bytes : this.#begin(pair, nominates);
    if (pair.state !== "succeeded") pair.state = "in-progress";
    const rtoMs = this.#rtoMs();
    const nextAtMs = addMs(nowMs, rtoMs);
    pair.check = { bytes, isControlling, nominates, rtoMs, transmissions: 1, nextAtMs };
    this.#owner.send(pair, bytes);
  }

  #repeatOverdue(nowMs: MonotonicMs): boolean {
    let first: CandidatePair | undefined;
    for (const pair of this.pairs.all()) {
      const { check } = pair;
      if (check === undefined || check.transmissions >= transmissionsMax || check.nextAtMs > nowMs) continue;
      if (first?.check === undefined || check.nextAtMs < first.check.nextAtMs) first = pair;
    }
    const check = first?.check;
    if (first === undefined || check === undefined) return false;
    const waitRtos = ++check.transmissions < transmissionsMax ? 2 ** (check.transmissions - 1) : lastWaitRtos;
    check.nextAtMs = addMs(nowMs, waitRtos * check.rtoMs);
    this.#owner.send(first, check.bytes);
    return true;
  }

  /** RFC 8445 section 14.3: the more checks are under way, the longer each one waits. */
  #rtoMs(): number {
    let pendingCount = 0;
    for (const pair of this.pairs.all()) if (pair.isPending) pendingCount++;
    return Math.max(retransmitMsMin, pacingMs * pendingCount);
  }

  #begin(pair: CandidatePair, nominates: boolean): Uint8Array {
    const transactionId = this.#owner.newTransactionId();
    const key = keyOf(transactionId);
    const ids = this.#idsOf.get(pair) ?? [];
    ids.push(key);
    if (ids.length > iceTransactionsPerPairMax) this.#transactions.delete(ids.shift() ?? "");
    this.#idsOf.set(pair, ids);
    this.#transactions.set(key, { pair, isControlling: this.#owner.isControlling(), nominates });
    return this.#owner.encode(pair, transactionId, nominates);
  }

  #forget(pair: CandidatePair): void {
    this.stop(pair);
    for (const key of this.#idsOf.get(pair) ?? []) this.#transactions.delete(key);
    this.#idsOf.delete(pair);
  }
}

function keyOf(transactionId: Uint8Array): string {
  return Buffer.from(transactionId).toString("latin1");
}
