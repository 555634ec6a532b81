/**
 * Where each component sends: choice, nomination, consent and giving up (RFC 8445 section 8, RFC 7675, RFC 8863).
 */
import type { Random } from "../core/random.ts";
import { addMs, type MonotonicMs } from "../core/time.ts";
import type { IceAction } from "./actions.ts";
import type { Checklist } from "./checklist.ts";
import { choosePair, isSilentToLite } from "./choose.ts";
import { ComponentState } from "./component.ts";
import { type CandidatePair, comparePairs, type IceComponent } from "./pair.ts";
import type { IceRole } from "./role.ts";
import { nominationWaitMs, recentMs } from "./timing.ts";

export interface SelectionParts {
  readonly random: Random;
  readonly role: IceRole;
  readonly emit: (action: IceAction) => void;
  readonly checklist: Checklist;
  /** We are lite. */
  readonly isLite: boolean;
}

export class Selection {
  readonly #parts: SelectionParts;
  #components: readonly ComponentState[] = [];
  #isRetired = false;
  /** Before that nobody says that nothing works; undefined: nobody ever says so. */
  #patienceAtMs: MonotonicMs | undefined;

  constructor(parts: SelectionParts, patienceAtMs: MonotonicMs | undefined) {
    this.#parts = parts;
    this.#patienceAtMs = patienceAtMs;
  }

  setComponents(count: 1 | 2): void {
    if (this.#components.length === count) return;
    const { random, checklist } = this.#parts;
    const rtp = this.#component(1) ?? new ComponentState(1, random);
    this.#components = count === 1 ? [rtp] : [rtp, new ComponentState(2, random)];
    if (count === 1) for (const pair of checklist.of(2)) checklist.pairs.drop(pair);
  }

  has(component: IceComponent): boolean {
    return this.#component(component) !== undefined;
  }

  selectedOf(component: IceComponent): CandidatePair | undefined {
    return this.#component(component)?.selected;
  }

  get hasAny(): boolean {
    return this.#components.some(({ selected }) => selected !== undefined);
  }

  /** True while another pair of the component may still become the one. */
  isSeeking(component: IceComponent): boolean {
    const selected = this.selectedOf(component);
    return selected === undefined || !selected.isNominated || selected.isSilent;
  }

  /** What is selected is kept alive, nothing new is. */
  retire(): void {
    this.#isRetired = true;
    this.#patienceAtMs = undefined;
    for (const state of this.#components) state.nominateAtMs = undefined;
  }

  /** Somebody else sends for that component now. */
  release(component: IceComponent): void {
    this.#component(component)?.clear();
  }

  /** The pair is the nominated one (RFC 8445 section 8.1.1); what is worse needs no check any more (section 8.1.2). */
  nominate(pair: CandidatePair): void {
    const { checklist } = this.#parts;
    pair.wantsNomination = false;
    if (pair.isNominated) return;
    pair.isNominated = true;
    this.tell(pair);
    for (const other of checklist.of(pair.component)) {
      if (other === pair || other.state !== "in-progress" || other.isQueued) continue;
      // Under aggressive nomination (RFC 5245 section 8.1.1.2) there are several; the best of them counts.
      if (other.isPeerNominated && comparePairs(other, pair) < 0) continue;
      checklist.stop(other);
      other.state = "failed";
    }
  }

  /** Says once that a pair is valid, and once that it is nominated. */
  tell(pair: CandidatePair): void {
    const now = pair.isNominated ? "nominated" : "valid";
    if (pair.told === now || pair.told === "nominated") return;
    pair.told = now;
    const { component, remote: source, isNominated } = pair;
    this.#parts.emit({ kind: "valid", component, source, isNominated });
  }

  /** After anything that may change where a component sends. */
  reconsider(nowMs: MonotonicMs, component: IceComponent): void {
    const state = this.#component(component);
    if (state === undefined || this.#isRetired) return;
    const { selected } = state;
    const { isLite, checklist, role } = this.#parts;
    if (isLite && selected !== undefined) selected.isSilent = isSilentToLite(selected, nowMs);
    const pairs = checklist.of(component);
    const best = choosePair(pairs, selected, nowMs);
    if (best !== undefined && best !== selected) this.#select(nowMs, state, best);
    if (role.isControlling && !isLite) this.#considerNomination(nowMs, state, pairs);
    else state.nominateAtMs = undefined;
  }

  /** Both sides are lite: nobody checks, the highest priority it is (RFC 8445 section 8.2). */
  selectUnchecked(nowMs: MonotonicMs): void {
    for (const state of this.#components) {
      const [best] = this.#parts.checklist.of(state.component).sort(comparePairs);
      if (best !== undefined && best !== state.selected) this.#select(nowMs, state, best);
    }
  }

  /** The peer was heard there. If another pair is selected: does that one still work, and does this one? */
  compare(nowMs: MonotonicMs, heard: CandidatePair): void {
    const { checklist } = this.#parts;
    const state = this.#component(heard.component);
    const selected = state?.selected;
    if (selected !== undefined && selected !== heard && state?.doubt(nowMs)) checklist.sendOnce(selected);
    const isWatched = selected === heard || nowMs - (heard.answeredAtMs ?? nowMs) < recentMs;
    if (heard.state !== "succeeded" || !isWatched) checklist.trigger(heard);
  }

  /** The role is another one: what was sent in the old one goes out anew, our nominations are off, the peer's hold. */
  switchRole(nowMs: MonotonicMs): void {
    const { checklist, role } = this.#parts;
    for (const pair of checklist.pairs.all()) {
      pair.wantsNomination = false;
      if (pair.check !== undefined && pair.check.isControlling !== role.isControlling) {
        checklist.stop(pair);
        if (pair.state === "in-progress") checklist.trigger(pair);
      }
      const isPeers = !role.isControlling && pair.isPeerNominated && pair.state === "succeeded";
      if (isPeers) this.nominate(pair);
    }
    for (const { component } of this.#components) this.reconsider(nowMs, component);
  }

  /** What once was valid has to be proven anew; the peer's next check sets that going. */
  loseConsent(pair: CandidatePair): void {
    const { component } = pair;
    const { checklist, emit } = this.#parts;
    const state = this.#component(component);
    if (state?.selected !== pair) return;
    state.lose();
    for (const other of checklist.of(component)) {
      other.isNominated = false;
      other.isPeerNominated = false;
      other.isSilent = false;
      if (other.state !== "succeeded") continue;
      checklist.stop(other);
      other.state = "failed";
    }
    emit({ kind: "failed", component, reason: "consent-lost" });
  }

  handleTimeout(nowMs: MonotonicMs): void {
    for (const state of this.#components) {
      this.#watch(nowMs, state);
      if (state.nominateAtMs !== undefined && nowMs >= state.nominateAtMs)
        this.reconsider(nowMs, state.component);
    }
    if (this.#patienceAtMs === undefined || nowMs < this.#patienceAtMs || !this.#isHopeless) return;
    const rtp = this.#component(1);
    if (rtp !== undefined) rtp.isFailed = true;
    this.#parts.emit({ kind: "failed", component: 1, reason: "no-valid-pair" });
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    let next = this.#isHopeless ? this.#patienceAtMs : undefined;
    for (const state of this.#components) {
      for (const deadlineMs of [state.nextDeadlineMs(), state.nominateAtMs]) {
        if (deadlineMs !== undefined && (next === undefined || deadlineMs < next)) next = deadlineMs;
      }
    }
    return next;
  }

  #component(component: IceComponent): ComponentState | undefined {
    return this.#components[component - 1];
  }

  #select(nowMs: MonotonicMs, state: ComponentState, pair: CandidatePair): void {
    state.select(nowMs, pair, !this.#parts.isLite);
    this.#parts.emit({ kind: "selected", component: state.component, remote: pair.remote });
  }

  /** Regular nomination (RFC 8445 section 8.1.1): of the best pair, and soon. */
  #considerNomination(nowMs: MonotonicMs, state: ComponentState, pairs: readonly CandidatePair[]): void {
    const { selected } = state;
    const isUnderWay = pairs.some(({ wantsNomination }) => wantsNomination);
    if (selected === undefined || selected.isNominated || selected.isSilent || isUnderWay) {
      state.nominateAtMs = undefined;
      return;
    }
    state.nominateAtMs ??= addMs(nowMs, nominationWaitMs);
    const isBetterPending = pairs.some((pair) => pair.isPending && comparePairs(pair, selected) < 0);
    if (isBetterPending && nowMs < state.nominateAtMs) return;
    state.nominateAtMs = undefined;
    selected.wantsNomination = true;
    this.#parts.checklist.trigger(selected);
  }

  #watch(nowMs: MonotonicMs, state: ComponentState): void {
    for (;;) {
      const { selected } = state;
      const due = state.takeDue(nowMs);
      if (due === "nothing" || selected === undefined) return;
      if (due === "consent-lost") {
        this.loseConsent(selected);
      } else if (due === "silent") {
        selected.isSilent = true;
        this.reconsider(nowMs, state.component);
      } else {
        this.#parts.checklist.sendOnce(selected);
      }
    }
  }

  /** RTP has no pair, and none is on the way. */
  get #isHopeless(): boolean {
    const rtp = this.#component(1);
    if (rtp === undefined || rtp.selected !== undefined || rtp.isFailed) return false;
    return this.#parts.isLite || !this.#parts.checklist.of(1).some((pair) => pair.isPending);
  }
}
