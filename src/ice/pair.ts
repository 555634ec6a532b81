/**
 * Candidate pairs of one session and the bounds on them.
 *
 * Our only local candidate of a component is its socket, so a pair is a component and a remote address, and pairs are
 * ranked by the remote priority alone: for equal local priorities the formula of RFC 8445 section 6.1.2.3 grows with
 * it in either role. Pruning (section 6.1.2.4) is: one pair a remote address.
 */
import { type Endpoint, isUnspecified } from "../core/address.ts";
import { classifyIp } from "../core/address-class.ts";
import { iceLearnedQuietMsMin, icePairsMax } from "../core/limits.ts";
import type { RemoteCandidate } from "../core/plan/security.ts";
import type { MonotonicMs } from "../core/time.ts";

/** 1: RTP, or everything under rtcp-mux; 2: RTCP (RFC 8445 section 13). */
export type IceComponent = 1 | 2;

/** RFC 8445 section 6.1.2.6; without "frozen", see `Checklist`. */
export type PairState = "waiting" | "in-progress" | "succeeded" | "failed";

/** A check under way: what is sent again until it is answered or given up. */
export interface RunningCheck {
  readonly bytes: Uint8Array;
  readonly isControlling: boolean;
  /** It carries USE-CANDIDATE. */
  readonly nominates: boolean;
  readonly rtoMs: number;
  transmissions: number;
  /** When it is sent again, or, after the last time, given up. */
  nextAtMs: MonotonicMs;
}

export class CandidatePair {
  readonly component: IceComponent;
  readonly remote: Endpoint;
  priority: number;
  /** The peer's SDP named it; otherwise its checks came from there. */
  isSignalled: boolean;
  state: PairState = "waiting";
  check: RunningCheck | undefined;
  /** Waits for its turn as a triggered check. */
  isQueued = false;
  /** The peer's ufrag in its last check from there. */
  ufrag: string | undefined;
  heardAtMs: MonotonicMs | undefined;
  /** When it last worked: our check was answered; where we are lite, the peer's check came. */
  answeredAtMs: MonotonicMs | undefined;
  /** The peer's check had USE-CANDIDATE. */
  isPeerNominated = false;
  /** We decided for it; the check that says so is not answered yet. */
  wantsNomination = false;
  isNominated = false;
  /** Its component sends there. */
  isSelected = false;
  /** Did not answer when it was in doubt. */
  isSilent = false;
  /** What was said about it with `valid`. */
  told: "nothing" | "valid" | "nominated" = "nothing";

  constructor(component: IceComponent, remote: Endpoint, priority: number, isSignalled: boolean) {
    this.component = component;
    this.remote = remote;
    this.priority = priority;
    this.isSignalled = isSignalled;
  }

  /** Its check is still to come or to be answered. */
  get isPending(): boolean {
    return this.state === "waiting" || this.state === "in-progress";
  }
}

/** The better one first; the lower component of two equal ones. */
export function comparePairs(a: CandidatePair, b: CandidatePair): number {
  return b.priority - a.priority || a.component - b.component;
}

/** At most `icePairsMax` pairs. `onDrop` hears of each that had to make room. */
export class PairTable {
  readonly #pairs = new Map<string, CandidatePair>();
  readonly #onDrop: (pair: CandidatePair) => void;

  constructor(onDrop: (pair: CandidatePair) => void) {
    this.#onDrop = onDrop;
  }

  all(): IterableIterator<CandidatePair> {
    return this.#pairs.values();
  }

  find(component: IceComponent, remote: Endpoint): CandidatePair | undefined {
    return this.#pairs.get(keyOf(component, remote));
  }

  /**
   * A candidate of the peer's SDP. It makes room for itself only where a worse one was never heard from
   * (RFC 8445 section 6.1.2.5: the lowest priorities go). One already learned becomes what SDP says of it.
   */
  addSignalled(candidate: RemoteCandidate): void {
    const { component, endpoint, priority } = candidate;
    const known = this.find(component, endpoint);
    if (known !== undefined) {
      known.priority = known.isSignalled ? Math.max(known.priority, priority) : priority;
      known.isSignalled = true;
      return;
    }
    if (!isReachable(endpoint)) return;
    const hasRoom = this.#makeRoom((pair) => isUnheard(pair) && pair.priority < priority);
    if (hasRoom) this.put(new CandidatePair(component, endpoint, priority, true));
  }

  /** Where a check of the peer came from. Undefined: the table is full of sources at least as good. */
  learn(heard: {
    readonly nowMs: MonotonicMs;
    readonly component: IceComponent;
    readonly source: Endpoint;
    readonly priority: number;
  }): CandidatePair | undefined {
    const { nowMs, component, source, priority } = heard;
    const known = this.find(component, source);
    if (known !== undefined) return known;
    if (!isReachable(source)) return undefined;
    const isOver = ({ isSelected, heardAtMs }: CandidatePair): boolean =>
      !isSelected && nowMs - (heardAtMs ?? nowMs) >= iceLearnedQuietMsMin;
    const hasRoom = this.#makeRoom((pair) => isUnheard(pair) || isOver(pair));
    return hasRoom ? this.put(new CandidatePair(component, source, priority, false)) : undefined;
  }

  put(pair: CandidatePair): CandidatePair {
    this.#pairs.set(keyOf(pair.component, pair.remote), pair);
    return pair;
  }

  drop(pair: CandidatePair): void {
    this.#pairs.delete(keyOf(pair.component, pair.remote));
    this.#onDrop(pair);
  }

  #makeRoom(mayGo: (pair: CandidatePair) => boolean): boolean {
    if (this.#pairs.size < icePairsMax) return true;
    let worst: CandidatePair | undefined;
    for (const pair of this.#pairs.values()) {
      if (mayGo(pair) && (worst === undefined || isWorse(pair, worst))) worst = pair;
    }
    if (worst === undefined) return false;
    this.drop(worst);
    return true;
  }
}

function isUnheard(pair: CandidatePair): boolean {
  return pair.heardAtMs === undefined && (pair.state === "waiting" || pair.state === "failed");
}

/** Never heard, or heard longer ago; of two such, the lower priority. */
function isWorse(pair: CandidatePair, than: CandidatePair): boolean {
  const heardMs = pair.heardAtMs ?? Number.NEGATIVE_INFINITY;
  const otherMs = than.heardAtMs ?? Number.NEGATIVE_INFINITY;
  return heardMs === otherMs ? comparePairs(than, pair) < 0 : heardMs < otherMs;
}

/** Checks go to hosts: a broadcast or multicast group would multiply them. */
function isReachable({ ip, port }: Endpoint): boolean {
  if (port === 0 || isUnspecified(ip)) return false;
  const kind = classifyIp(ip);
  return kind !== "multicast" && kind !== "reserved";
}

function keyOf(component: IceComponent, { ip, port }: Endpoint): string {
  return `${component} ${port} ${ip}`;
}
