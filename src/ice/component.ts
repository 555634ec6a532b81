/**
 * One component of a session: where it sends, and whether the peer still wants that.
 *
 * Consent (RFC 7675 section 5.1): the selected pair is checked every 5 s or so and given up after 30 s without an
 * answer. Doubt, our addition: when the peer's checks come from another address than the selected one, that is probed
 * at once, so that a peer whose NAT binding changed is followed within half a second and not within 30.
 */
import type { Random } from "../core/random.ts";
import { addMs, type MonotonicMs } from "../core/time.ts";
import type { CandidatePair, IceComponent } from "./pair.ts";
import { consentExpiryMs, consentMsMin, consentSpreadMs, probeMs, probesMax, recentMs } from "./timing.ts";

interface Doubt {
  readonly sinceMs: MonotonicMs;
  probes: number;
  nextAtMs: MonotonicMs;
}

/** What its clocks say has to be done now. */
export type ComponentDue = "consent-lost" | "probe" | "silent" | "check" | "nothing";

export class ComponentState {
  readonly component: IceComponent;
  readonly #random: Random;
  selected: CandidatePair | undefined;
  /** A failure was told and nothing has worked since. */
  isFailed = false;
  /** While a better pair is being checked, ours is nominated no earlier than this. */
  nominateAtMs: MonotonicMs | undefined;
  #consentAtMs: MonotonicMs | undefined;
  #doubt: Doubt | undefined;

  constructor(component: IceComponent, random: Random) {
    this.component = component;
    this.#random = random;
  }

  /** `watches`: consent is asked for; a lite agent does not. */
  select(nowMs: MonotonicMs, pair: CandidatePair, watches: boolean): void {
    this.#deselect();
    this.selected = pair;
    pair.isSelected = true;
    this.isFailed = false;
    this.#consentAtMs = watches ? this.#nextConsentMs(nowMs) : undefined;
  }

  /** Nothing is selected any more. */
  clear(): void {
    this.#deselect();
    this.nominateAtMs = undefined;
  }

  /** Nothing may be sent any more. */
  lose(): void {
    this.clear();
    this.isFailed = true;
  }

  /** The peer was heard from elsewhere. True: probe the selected pair now. */
  doubt(nowMs: MonotonicMs): boolean {
    const { selected } = this;
    if (selected === undefined || selected.isSilent || this.#doubt !== undefined) return false;
    if (this.#consentAtMs === undefined || nowMs - (selected.answeredAtMs ?? nowMs) < recentMs) return false;
    this.#doubt = { sinceMs: nowMs, probes: 1, nextAtMs: addMs(nowMs, probeMs) };
    return true;
  }

  /** Called again and again until it answers "nothing"; each answer moves its clock on. */
  takeDue(nowMs: MonotonicMs): ComponentDue {
    const { selected } = this;
    if (selected?.answeredAtMs === undefined || this.#consentAtMs === undefined) return "nothing";
    if (nowMs >= selected.answeredAtMs + consentExpiryMs) return "consent-lost";
    const doubt = this.#doubt;
    if (doubt !== undefined && selected.answeredAtMs >= doubt.sinceMs) this.#doubt = undefined;
    else if (doubt !== undefined && nowMs >= doubt.nextAtMs) return this.#takeProbe(nowMs, doubt);
    if (nowMs < this.#consentAtMs) return "nothing";
    this.#consentAtMs = this.#nextConsentMs(nowMs);
    return "check";
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    const answeredAtMs = this.selected?.answeredAtMs;
    if (answeredAtMs === undefined || this.#consentAtMs === undefined) return undefined;
    const deadlineMs = Math.min(
      this.#consentAtMs,
      this.#doubt?.nextAtMs ?? Number.POSITIVE_INFINITY,
      answeredAtMs + consentExpiryMs,
    );
    return deadlineMs as MonotonicMs;
  }

  #deselect(): void {
    if (this.selected !== undefined) this.selected.isSelected = false;
    this.selected = undefined;
    this.#doubt = undefined;
    this.#consentAtMs = undefined;
  }

  #takeProbe(nowMs: MonotonicMs, doubt: Doubt): ComponentDue {
    if (doubt.probes < probesMax) {
      doubt.probes++;
      doubt.nextAtMs = addMs(nowMs, probeMs);
      return "probe";
    }
    this.#doubt = undefined;
    return "silent";
  }

  #nextConsentMs(nowMs: MonotonicMs): MonotonicMs {
    return addMs(nowMs, consentMsMin + this.#random.below(consentSpreadMs + 1));
  }
}
