/**
 * The peer sends the ClientHello, and who it is shows at the end. So several sources may try at once; the first one
 * whose handshake ends with the right certificate stays.
 *
 * A source that signalling or ICE vouches for is served at once. Any other has to return a cookie first, as has one that
 * is to replace a handshake under way from the same place: its address may be forged. Of a ClientHello in fragments
 * the first one alone decides; later ones from a stranger are dropped, and come again with the first.
 */
import { type Endpoint, sameEndpoint } from "../../core/address.ts";
import { Allowance } from "../../core/allowance.ts";
import {
  dtlsCookieBurstMax,
  dtlsCookiesPerSecMax,
  dtlsHandshakeBurstMax,
  dtlsHandshakeQuietMsMin,
  dtlsHandshakesPendingMax,
  dtlsHandshakesPerIpMax,
  dtlsHandshakesPerSecMax,
} from "../../core/limits.ts";
import type { MonotonicMs } from "../../core/time.ts";
import type { DtlsAction } from "./actions.ts";
import { type ClientHello, type DtlsDatagram, encodeHelloVerifyRequest } from "./datagram.ts";
import type { DtlsProgress } from "./engine.ts";
import { Handshake } from "./handshake.ts";
import { type AssociationSide, connected, FailureTeller, type SideParts, sends } from "./side.ts";

/** A handshake that may still become the association. */
interface Candidate {
  readonly handshake: Handshake;
  /** Of its ClientHello: 1 if it came with a cookie. */
  readonly messageSeq: number;
  /** Undefined: no more than a later fragment of the ClientHello has come. */
  identity: Uint8Array | undefined;
}

export class ServerSide implements AssociationSide {
  readonly #parts: SideParts;
  readonly #failures = new FailureTeller();
  #candidates: Candidate[] = [];
  /** The one that ended well, as long as its last flight may be asked for again. */
  #established: Handshake | undefined;
  #isConnected = false;
  readonly #cookieRate = new Allowance(1, dtlsCookiesPerSecMax, dtlsCookieBurstMax);
  /** Apart, so that strangers cannot use up what the party needs. */
  readonly #vouchedRate = new Allowance(1, dtlsHandshakesPerSecMax, dtlsHandshakeBurstMax);
  readonly #strangerRate = new Allowance(1, dtlsHandshakesPerSecMax, dtlsHandshakeBurstMax);

  constructor(parts: SideParts) {
    this.#parts = parts;
  }

  aim(): readonly DtlsAction[] {
    return [];
  }

  handlePacket(
    nowMs: MonotonicMs,
    source: Endpoint,
    datagram: DtlsDatagram,
    isVouched: boolean,
  ): readonly DtlsAction[] {
    if (this.#isConnected) return this.#handleLater(nowMs, source, datagram, isVouched);
    const candidate = this.#candidates.find(({ handshake }) => sameEndpoint(handshake.remote, source));
    if (candidate !== undefined && isVouched) candidate.handshake.isVouched = true;
    const { hello } = datagram;
    if (hello === undefined) {
      const owner = candidate ?? (isVouched ? this.#wanderer(source) : undefined);
      if (owner !== undefined) return this.#receive(nowMs, owner, datagram);
      this.#parts.counts.ignored++;
      return [];
    }
    if (candidate !== undefined && isContinued(candidate, hello))
      return this.#receive(nowMs, candidate, datagram);
    return this.#greet(nowMs, { source, datagram, hello, isVouched, former: candidate });
  }

  handleTimeout(nowMs: MonotonicMs): readonly DtlsAction[] {
    const actions: DtlsAction[] = [];
    for (const candidate of [...this.#candidates]) {
      actions.push(...this.#conclude(candidate, candidate.handshake.handleTimeout(nowMs)));
    }
    if (this.#established !== undefined && nowMs >= this.#established.nextDeadlineMs()) this.#forget();
    return actions;
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    let earliest = this.#established?.nextDeadlineMs();
    for (const { handshake } of this.#candidates) {
      const deadline = handshake.nextDeadlineMs();
      if (earliest === undefined || deadline < earliest) earliest = deadline;
    }
    return earliest;
  }

  close(): void {
    for (const { handshake } of this.#candidates) handshake.close();
    this.#candidates = [];
    this.#forget();
  }

  /** Once connected: the last flight is given again to who asks for it, and a new ClientHello changes nothing. */
  #handleLater(
    nowMs: MonotonicMs,
    source: Endpoint,
    datagram: DtlsDatagram,
    isVouched: boolean,
  ): readonly DtlsAction[] {
    const established = this.#established;
    const isHeard = established !== undefined && (isVouched || sameEndpoint(source, established.remote));
    if (!isHeard || datagram.hello !== undefined) {
      this.#parts.counts.ignored++;
      return [];
    }
    const progress = established.receive(nowMs, datagram);
    if (progress.outcome.kind === "failed") this.#forget();
    return sends(source, progress.datagrams);
  }

  /** A vouched peer may change its place in mid-handshake, as ICE finds better ways. */
  #wanderer(source: Endpoint): Candidate | undefined {
    const [only, ...others] = this.#candidates.filter(({ handshake }) => handshake.isVouched);
    if (only === undefined || others.length > 0) return undefined;
    only.handshake.remote = source;
    return only;
  }

  #greet(nowMs: MonotonicMs, greeting: Greeting): readonly DtlsAction[] {
    const { source, hello, former } = greeting;
    const { facts, messageSeq } = hello;
    const mayOpenAtOnce = greeting.isVouched && former === undefined && messageSeq === 0;
    if (facts === undefined) {
      if (mayOpenAtOnce) return this.#open(nowMs, greeting, false);
      this.#parts.counts.fragments++;
      return [];
    }
    if (facts.cookie.length > 0 && messageSeq === 1 && this.#parts.cookies.isGood(nowMs, source, facts)) {
      return this.#open(nowMs, greeting, true);
    }
    if (mayOpenAtOnce && facts.cookie.length === 0) return this.#open(nowMs, greeting, false);
    if (messageSeq > 1) {
      this.#parts.counts.ignored++;
      return [];
    }
    if (!this.#cookieRate.take(0, nowMs)) return this.#limit();
    this.#parts.counts.cookies++;
    return sends(source, [encodeHelloVerifyRequest(hello, this.#parts.cookies.bake(nowMs, source, facts))]);
  }

  #open(nowMs: MonotonicMs, greeting: Greeting, hasCookie: boolean): readonly DtlsAction[] {
    const { source, hello, isVouched, former } = greeting;
    const leaving = former ?? this.#leaving(nowMs, source, isVouched);
    const isFull = this.#candidates.length >= dtlsHandshakesPendingMax;
    const isCrowded = !isVouched && this.#fromIp(source).length >= dtlsHandshakesPerIpMax;
    if (leaving === undefined && (isFull || isCrowded)) return this.#limit();
    if (!this.#mayBegin(nowMs, isVouched)) return this.#limit();
    if (leaving !== undefined) {
      this.#parts.counts.failures++;
      this.#drop(leaving);
    }
    this.#parts.counts.handshakes++;
    const candidate = {
      handshake: new Handshake(this.#parts.open(hasCookie), nowMs, source, isVouched),
      messageSeq: hello.messageSeq,
      identity: hello.facts?.identity.slice(),
    };
    this.#candidates.push(candidate);
    return this.#receive(nowMs, candidate, greeting.datagram);
  }

  /** Strangers of all associations have one allowance beside: with many ports they would have as many of the others. */
  #mayBegin(nowMs: MonotonicMs, isVouched: boolean): boolean {
    if (isVouched) return this.#vouchedRate.take(0, nowMs);
    return this.#strangerRate.take(0, nowMs) && this.#parts.strangers.take(0, nowMs);
  }

  /** Who has to go so that a newcomer fits in: a stranger for one that is vouched for, else one that makes no progress. */
  #leaving(nowMs: MonotonicMs, source: Endpoint, isVouched: boolean): Candidate | undefined {
    const neighbours = isVouched ? [] : this.#fromIp(source);
    const isCrowded = neighbours.length >= dtlsHandshakesPerIpMax;
    if (!isCrowded && this.#candidates.length < dtlsHandshakesPendingMax) return undefined;
    const movable = (isCrowded ? neighbours : this.#candidates).filter(({ handshake }) => {
      const isQuiet = nowMs - handshake.progressedAtMs >= dtlsHandshakeQuietMsMin;
      return handshake.isVouched ? isVouched && isQuiet : isVouched || isQuiet;
    });
    const rank = ({ handshake }: Candidate): number => (handshake.isVouched ? 1 : 0);
    movable.sort((a, b) => rank(a) - rank(b) || a.handshake.progressedAtMs - b.handshake.progressedAtMs);
    return movable[0];
  }

  #fromIp(source: Endpoint): readonly Candidate[] {
    return this.#candidates.filter(
      ({ handshake }) => !handshake.isVouched && handshake.remote.ip === source.ip,
    );
  }

  #limit(): readonly DtlsAction[] {
    this.#parts.counts.limited++;
    return [];
  }

  #receive(nowMs: MonotonicMs, candidate: Candidate, datagram: DtlsDatagram): readonly DtlsAction[] {
    const { hello } = datagram;
    if (hello?.facts !== undefined) candidate.identity ??= hello.facts.identity.slice();
    return this.#conclude(candidate, candidate.handshake.receive(nowMs, datagram));
  }

  #conclude(candidate: Candidate, progress: DtlsProgress): readonly DtlsAction[] {
    const { handshake } = candidate;
    const { outcome } = progress;
    const flight = sends(handshake.remote, progress.datagrams);
    if (outcome.kind === "handshaking") return flight;
    if (outcome.kind === "failed") {
      this.#parts.counts.failures++;
      this.#drop(candidate);
      return handshake.isVouched ? [...flight, ...this.#failures.tell(outcome.reason)] : flight;
    }
    this.#candidates = this.#candidates.filter((other) => other !== candidate);
    for (const other of this.#candidates) other.handshake.close();
    this.#candidates = [];
    this.#established = handshake;
    this.#isConnected = true;
    return [...flight, connected(handshake.remote, outcome.keying, "server")];
  }

  #drop(candidate: Candidate): void {
    candidate.handshake.close();
    this.#candidates = this.#candidates.filter((other) => other !== candidate);
  }

  #forget(): void {
    this.#established?.close();
    this.#established = undefined;
  }
}

interface Greeting {
  readonly source: Endpoint;
  readonly datagram: DtlsDatagram;
  readonly hello: ClientHello;
  readonly isVouched: boolean;
  /** A handshake under way from the same source that another ClientHello began. */
  readonly former: Candidate | undefined;
}

/** The same ClientHello again, or another fragment of it. */
function isContinued(candidate: Candidate, hello: ClientHello): boolean {
  if (hello.messageSeq !== candidate.messageSeq) return false;
  const { facts } = hello;
  if (facts === undefined || candidate.identity === undefined) return true;
  const { identity } = candidate;
  return (
    facts.identity.length === identity.length && identity.every((byte, at) => byte === facts.identity[at])
  );
}
