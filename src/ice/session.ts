/**
 * ICE between one pair of credentials: ours and the peer's (RFC 8445). A restart, or an answer from another branch,
 * makes a new session; the old one, retired, keeps its selected pairs alive until the new one has found its own.
 *
 * While the peer's credentials are unknown its checks are answered and their sources kept, for the session in which
 * they are known.
 */
import { type Endpoint, sameEndpoint } from "../core/address.ts";
import type { Digests } from "../core/digests.ts";
import type { IceSettings, RemoteCandidate } from "../core/plan/security.ts";
import type { Random } from "../core/random.ts";
import { addMs, type MonotonicMs } from "../core/time.ts";
import { shortTermKey } from "../stun/integrity.ts";
import { attributeOf, type StunMessage } from "../stun/message.ts";
import { readErrorCode } from "../stun/values.ts";
import { stunAttribute, stunError, transactionIdSizeBytes } from "../stun/wire.ts";
import type { IceAction } from "./actions.ts";
import {
  encodeCheck,
  encodeRefusal,
  encodeSuccess,
  type IceCredentials,
  isTrustedAnswer,
  judgeRequest,
  type PeerCheck,
} from "./binding.ts";
import { Checklist, type Transaction } from "./checklist.ts";
import type { CandidatePair, IceComponent } from "./pair.ts";
import type { IceRole } from "./role.ts";
import { Selection } from "./selection.ts";
import { patienceMs } from "./timing.ts";

export interface SessionParts {
  readonly random: Random;
  readonly digests: Digests;
  readonly role: IceRole;
  /** Where actions go. */
  readonly emit: (action: IceAction) => void;
  /** A conflict changed the role, which all sessions share. */
  readonly onRoleSwitched: (nowMs: MonotonicMs) => void;
  /** What the world calls a source: another name than we see where it is on this host. */
  readonly outside: (source: Endpoint) => Endpoint;
}

/** A STUN packet and how it came. */
export interface Arrival {
  readonly nowMs: MonotonicMs;
  readonly component: IceComponent;
  readonly source: Endpoint;
  readonly message: StunMessage;
}

export class IceSession {
  readonly #parts: SessionParts;
  readonly #settings: IceSettings;
  readonly #local: IceCredentials;
  readonly #remote: IceCredentials | undefined;
  readonly #checklist: Checklist;
  readonly #selection: Selection;
  #isRetired = false;

  constructor(nowMs: MonotonicMs, settings: IceSettings, parts: SessionParts) {
    const { localUfrag, localPassword, remote, isLite } = settings;
    this.#parts = parts;
    this.#settings = settings;
    this.#local = { ufrag: localUfrag, key: shortTermKey(localPassword) };
    this.#remote =
      remote === undefined ? undefined : { ufrag: remote.ufrag, key: shortTermKey(remote.password) };
    this.#checklist = new Checklist({
      isControlling: () => parts.role.isControlling,
      isSeeking: (component) => this.#canCheck && this.#selection.isSeeking(component),
      newTransactionId: () => parts.random.bytes(transactionIdSizeBytes),
      encode: (pair, transactionId, nominates) => this.#encodeCheck(pair, transactionId, nominates),
      send: ({ component, remote: to }, bytes) => parts.emit({ kind: "send", component, to, bytes }),
    });
    const patienceAtMs = remote === undefined ? undefined : addMs(nowMs, patienceMs);
    this.#selection = new Selection({ ...parts, checklist: this.#checklist, isLite }, patienceAtMs);
  }

  get localUfrag(): string {
    return this.#local.ufrag;
  }

  get hasSelected(): boolean {
    return this.#selection.hasAny;
  }

  hasSelectedFor(component: IceComponent): boolean {
    return this.#selection.selectedOf(component) !== undefined;
  }

  /** True if these settings are still this session's. */
  matches(settings: IceSettings): boolean {
    const { isLite, remote } = settings;
    const own = this.#settings;
    return (
      this.isHeardFor(settings) &&
      own.isLite === isLite &&
      own.remote?.ufrag === remote?.ufrag &&
      own.remote?.password === remote?.password &&
      own.remote?.isLite === remote?.isLite
    );
  }

  /** True if what was heard in this session was said to those settings' own side, too. */
  isHeardFor({ restart, localUfrag, localPassword }: IceSettings): boolean {
    const own = this.#settings;
    return own.restart === restart && own.localUfrag === localUfrag && own.localPassword === localPassword;
  }

  setComponents(count: 1 | 2): void {
    this.#selection.setComponents(count);
  }

  /** Candidates may come at any time, and again; none is taken back (RFC 8838 section 11). */
  addCandidates(nowMs: MonotonicMs, candidates: readonly RemoteCandidate[]): void {
    for (const candidate of candidates) {
      if (this.#selection.has(candidate.component)) this.#checklist.pairs.addSignalled(candidate);
    }
    const { isLite, remote } = this.#settings;
    if (isLite && remote?.isLite === true) this.#selection.selectUnchecked(nowMs);
  }

  /** Takes over the sources that were heard before these credentials of the peer were known, in their order. */
  adopt(nowMs: MonotonicMs, earlier: IceSession): void {
    for (const pair of earlier.#checklist.pairs.all()) {
      const { component, remote, priority, heardAtMs, ufrag } = pair;
      if (heardAtMs === undefined || ufrag !== this.#remote?.ufrag) continue;
      if (!this.#selection.has(component)) continue;
      const adopted = this.#checklist.pairs.learn({ nowMs, component, source: remote, priority });
      if (adopted === undefined) continue;
      adopted.heardAtMs = heardAtMs;
      adopted.ufrag = ufrag;
      adopted.isPeerNominated = pair.isPeerNominated;
      adopted.told = pair.told;
      this.#admit(nowMs, adopted);
    }
  }

  hasNominatedFor(component: IceComponent): boolean {
    return this.#selection.selectedOf(component)?.isNominated === true;
  }

  /** Sources of the component that count when the session is agreed on. Others are told of when they have answered. */
  settleSources(component: IceComponent): readonly Endpoint[] {
    const valid: Endpoint[] = [];
    for (const pair of this.#checklist.of(component)) {
      if (pair.state === "succeeded") valid.push(pair.remote);
      else pair.told = "nothing";
    }
    return valid;
  }

  /** From now on only the selected pairs are kept alive, and checks answered. */
  retire(): void {
    this.#isRetired = true;
    this.#selection.retire();
    for (const pair of this.#checklist.pairs.all()) this.#checklist.stop(pair);
  }

  /** Another session sends for that component now. */
  release(component: IceComponent): void {
    this.#selection.release(component);
  }

  switchRole(nowMs: MonotonicMs): void {
    this.#selection.switchRole(nowMs);
  }

  transactionOf(transactionId: Uint8Array): Transaction | undefined {
    return this.#checklist.transactionOf(transactionId);
  }

  /** RFC 8445 section 7.3. */
  handleRequest(arrival: Arrival): void {
    const { nowMs, message, component, source } = arrival;
    const { digests, role, outside } = this.#parts;
    const { key } = this.#local;
    const verdict = judgeRequest(message, this.#local, digests);
    if (verdict.kind === "refused") {
      this.#answer(arrival, encodeRefusal(message, verdict.refusal, { digests, key }));
      return;
    }
    const { check } = verdict;
    const { integrity } = check;
    const agreement = role.judge(check.claim, this.#settings.isLite);
    if (agreement === "refuse") {
      const refusal = { error: stunError.roleConflict, integrity, unknown: [] };
      this.#answer(arrival, encodeRefusal(message, refusal, { digests, key }));
      return;
    }
    this.#answer(arrival, encodeSuccess(message, outside(source), { digests, key, integrity }));
    if (agreement === "switched") this.#parts.onRoleSwitched(nowMs);
    if (!this.#isRetired && this.#selection.has(component)) this.#hear(arrival, check);
  }

  /** RFC 8445 section 7.2.5: the answer to one of our checks. */
  handleAnswer(arrival: Arrival, transaction: Transaction): void {
    const { nowMs, message, source, component } = arrival;
    const { pair } = transaction;
    const remote = this.#remote;
    if (remote === undefined || !isTrustedAnswer(message, remote, this.#parts.digests)) return;
    const isSymmetric = pair.component === component && sameEndpoint(pair.remote, source);
    // RFC 8445 section 7.2.5.2.1: a pair that is answered from elsewhere is of no use.
    if (!isSymmetric) this.#fail(nowMs, pair);
    else if (message.class === "error") this.#handleError(arrival, transaction);
    else this.#succeed(nowMs, transaction);
  }

  handleTimeout(nowMs: MonotonicMs): void {
    for (const pair of this.#checklist.expire(nowMs)) this.#selection.reconsider(nowMs, pair.component);
    this.#selection.handleTimeout(nowMs);
  }

  /** Called at the end of every input. */
  pump(nowMs: MonotonicMs): void {
    if (this.#canCheck) this.#checklist.pump(nowMs);
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    const selection = this.#selection.nextDeadlineMs();
    const checks = this.#canCheck ? this.#checklist.nextDeadlineMs() : undefined;
    if (checks === undefined || selection === undefined) return checks ?? selection;
    return Math.min(checks, selection) as MonotonicMs;
  }

  get #canCheck(): boolean {
    return this.#remote !== undefined && !this.#settings.isLite && !this.#isRetired;
  }

  #encodeCheck(pair: CandidatePair, transactionId: Uint8Array, nominates: boolean): Uint8Array {
    const remote = this.#remote;
    if (remote === undefined) throw new Error("ice: a check without the peer's credentials");
    const { role, digests } = this.#parts;
    const { component } = pair;
    const localUfrag = this.#local.ufrag;
    return encodeCheck({ transactionId, component, localUfrag, remote, role, nominates, digests });
  }

  #answer({ component, source }: Arrival, bytes: Uint8Array | undefined): void {
    if (bytes !== undefined) this.#parts.emit({ kind: "send", component, to: source, bytes });
  }

  /** RFC 8445 sections 7.3.1.3 to 7.3.1.5, after the answer. */
  #hear({ nowMs, component, source }: Arrival, { ufrag, priority, usesCandidate }: PeerCheck): void {
    const isStranger = this.#remote !== undefined && ufrag !== this.#remote.ufrag;
    const { pairs } = this.#checklist;
    const known = pairs.find(component, source);
    // Another branch of the call answers our offer: kept in case its SDP becomes the valid one.
    if (isStranger && (known?.isSignalled === true || known?.ufrag === this.#remote?.ufrag)) return;
    const pair = known ?? pairs.learn({ nowMs, component, source, priority });
    if (pair === undefined) return;
    pair.heardAtMs = nowMs;
    pair.ufrag = ufrag;
    pair.isPeerNominated = usesCandidate || (pair.isPeerNominated && !isStranger);
    if (!isStranger) this.#admit(nowMs, pair);
    else if (known === undefined) pair.state = "failed";
  }

  /**
   * The peer itself was heard from there, or somebody who sends again what he has seen of its checks: where we can check
   * back, only the answer shows that it is there.
   */
  #admit(nowMs: MonotonicMs, pair: CandidatePair): void {
    if (!this.#canCheck || pair.state === "succeeded") this.#selection.tell(pair);
    if (this.#settings.isLite) {
      pair.state = "succeeded";
      pair.answeredAtMs = nowMs;
      pair.isSilent = false;
      this.#heedNomination(pair);
    } else if (this.#canCheck) {
      if (pair.state === "succeeded") this.#heedNomination(pair);
      this.#selection.compare(nowMs, pair);
    }
    this.#selection.reconsider(nowMs, pair.component);
  }

  /** RFC 8445 section 7.3.1.5: a valid pair that the controlling peer nominated. */
  #heedNomination(pair: CandidatePair): void {
    if (pair.isPeerNominated && !this.#parts.role.isControlling) this.#selection.nominate(pair);
  }

  #succeed(nowMs: MonotonicMs, { pair, isControlling, nominates }: Transaction): void {
    pair.state = "succeeded";
    pair.answeredAtMs = nowMs;
    pair.isSilent = false;
    if (nominates || !pair.wantsNomination) this.#checklist.stop(pair);
    this.#selection.tell(pair);
    if (nominates && isControlling && this.#parts.role.isControlling) this.#selection.nominate(pair);
    this.#heedNomination(pair);
    this.#selection.reconsider(nowMs, pair.component);
  }

  #handleError({ nowMs, message }: Arrival, { pair, isControlling }: Transaction): void {
    const code = readErrorCode(attributeOf(message, stunAttribute.errorCode) ?? new Uint8Array())?.code;
    if (code === stunError.roleConflict.code) {
      // RFC 8445 section 7.2.5.1: once more, in the other role.
      this.#checklist.stop(pair);
      if (this.#parts.role.yieldFrom(isControlling)) this.#parts.onRoleSwitched(nowMs);
      if (this.#canCheck && pair.state !== "succeeded") this.#checklist.trigger(pair);
    } else if (code === stunError.forbidden.code) {
      this.#selection.loseConsent(pair);
      this.#fail(nowMs, pair);
    } else {
      this.#fail(nowMs, pair);
    }
  }

  /** A consent check that is refused is no consent, but takes none that was given. */
  #fail(nowMs: MonotonicMs, pair: CandidatePair): void {
    if (pair.check === undefined) return;
    this.#checklist.stop(pair);
    pair.wantsNomination = false;
    pair.state = "failed";
    this.#selection.reconsider(nowMs, pair.component);
  }
}
