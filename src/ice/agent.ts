/**
 * The ICE agent of one pair of sockets (RFC 8445, 8838, 7675; lite or full, in either role).
 *
 * Pure: settings, STUN packets and the time go in, actions and one next deadline come out. It holds the current session
 * and, after a restart, the one before it until that is replaced in everything.
 */
import type { Endpoint } from "../core/address.ts";
import type { IceSettings } from "../core/plan/security.ts";
import type { MonotonicMs } from "../core/time.ts";
import { parseStun } from "../stun/message.ts";
import { stunMethod } from "../stun/wire.ts";
import type { IceAction } from "./actions.ts";
import { addressedUfrag } from "./binding.ts";
import type { IceComponent } from "./pair.ts";
import { IceRole } from "./role.ts";
import { type Arrival, IceSession, type SessionParts } from "./session.ts";

export type { IceAction } from "./actions.ts";

export interface IceAgentParts extends Pick<SessionParts, "random" | "digests"> {
  /**
   * What the world calls a source; by default as we see it. A TURN relay of this host stands behind the same NAT as we
   * do, and its client knows it by its outside address: by another one it would be a new candidate.
   */
  readonly outside?: SessionParts["outside"];
}

export class IceAgent {
  readonly #parts: SessionParts;
  readonly #role: IceRole;
  #out: IceAction[] = [];
  #componentCount: 1 | 2 = 1;
  #current: IceSession | undefined;
  /** Of before a restart. */
  #previous: IceSession | undefined;
  /** For these the sources that an earlier session told of still count. */
  readonly #outdated = new Set<IceComponent>();

  constructor({ random, digests, outside = (source) => source }: IceAgentParts) {
    this.#role = new IceRole(random);
    this.#parts = {
      random,
      digests,
      outside,
      role: this.#role,
      emit: (action) => this.#out.push(action),
      onRoleSwitched: (nowMs) => this.#current?.switchRole(nowMs),
    };
  }

  /**
   * The wanted state; may be repeated at will. New candidates are added, other credentials make a new session.
   * `componentCount`: 1 under rtcp-mux, otherwise 2 (RFC 8445 section 13). Candidates are of the sockets' IP family.
   */
  configure(nowMs: MonotonicMs, settings: IceSettings, componentCount: 1 | 2): readonly IceAction[] {
    this.#componentCount = componentCount;
    const isRoleNew = this.#role.adopt(settings);
    const session = this.#sessionFor(nowMs, settings);
    session.setComponents(componentCount);
    this.#previous?.setComponents(componentCount);
    session.addCandidates(nowMs, settings.candidates);
    if (isRoleNew) session.switchRole(nowMs);
    return this.#finish(nowMs);
  }

  /**
   * A packet that looked like STUN. What is none, has no FINGERPRINT (RFC 8445 section 7.1 demands it) or concerns
   * nothing here is dropped in silence.
   */
  handlePacket(
    nowMs: MonotonicMs,
    component: IceComponent,
    source: Endpoint,
    bytes: Uint8Array,
  ): readonly IceAction[] {
    const message = parseStun(bytes);
    if (message?.hasFingerprint !== true || message.method !== stunMethod.binding) return [];
    if (this.#current === undefined || component > this.#componentCount) return [];
    const arrival: Arrival = { nowMs, component, source, message };
    if (message.class === "request") this.#handleRequest(arrival);
    else if (message.class !== "indication") this.#handleAnswer(arrival);
    return this.#finish(nowMs);
  }

  handleTimeout(nowMs: MonotonicMs): readonly IceAction[] {
    this.#previous?.handleTimeout(nowMs);
    this.#current?.handleTimeout(nowMs);
    return this.#finish(nowMs);
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    const current = this.#current?.nextDeadlineMs();
    const previous = this.#previous?.nextDeadlineMs();
    if (current === undefined || previous === undefined) return current ?? previous;
    return Math.min(previous, current) as MonotonicMs;
  }

  #sessionFor(nowMs: MonotonicMs, settings: IceSettings): IceSession {
    const old = this.#current;
    if (old?.matches(settings) === true) return old;
    const session = new IceSession(nowMs, settings, this.#parts);
    this.#current = session;
    if (old === undefined) return session;
    this.#outdated.add(1).add(2);
    session.setComponents(this.#componentCount);
    // Signalled candidates come first: what is adopted then finds its real priority.
    session.addCandidates(nowMs, settings.candidates);
    if (old.isHeardFor(settings)) session.adopt(nowMs, old);
    if (old.hasSelected) {
      old.retire();
      this.#previous = old;
    }
    return session;
  }

  #handleRequest(arrival: Arrival): void {
    const ufrag = addressedUfrag(arrival.message);
    const isForPrevious = ufrag !== undefined && ufrag !== this.#current?.localUfrag;
    const session = isForPrevious && ufrag === this.#previous?.localUfrag ? this.#previous : this.#current;
    session?.handleRequest(arrival);
  }

  #handleAnswer(arrival: Arrival): void {
    for (const session of [this.#current, this.#previous]) {
      const transaction = session?.transactionOf(arrival.message.transactionId);
      if (transaction !== undefined) session?.handleAnswer(arrival, transaction);
    }
  }

  #finish(nowMs: MonotonicMs): readonly IceAction[] {
    this.#current?.pump(nowMs);
    this.#supersede();
    this.#letGo();
    const out = this.#out;
    this.#out = [];
    return out;
  }

  /** Sources of earlier sessions count until the present one is agreed on: until then the peer may send as before. */
  #supersede(): void {
    for (const component of this.#outdated) {
      if (this.#current?.hasNominatedFor(component) !== true) continue;
      this.#outdated.delete(component);
      this.#out.unshift({ kind: "superseded", component, valid: this.#current.settleSources(component) });
    }
  }

  /** The session before a restart gives way where the new one has its own pair. */
  #letGo(): void {
    if (this.#previous === undefined) return;
    for (const component of [1, 2] as const) {
      if (this.#current?.hasSelectedFor(component) === true) this.#previous.release(component);
    }
    if (!this.#previous.hasSelected) this.#previous = undefined;
  }
}
