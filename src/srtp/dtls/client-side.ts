/**
 * We send the ClientHello: to where we are aimed at, on to where the answer comes from. A handshake that failed or got
 * no answer begins anew, since a phone's DTLS may not run before somebody takes the call.
 *
 * Until keys are agreed on anybody can write an answer. One from another port of the peer's IP, which nobody vouches for,
 * gets one chance: when it leads nowhere, the handshake begins anew at once and that port is not heard again.
 */
import { type Endpoint, sameEndpoint } from "../../core/address.ts";
import {
  dtlsClientPauseMsMin,
  dtlsClientRefusedMax,
  dtlsHandshakeMsMax,
  dtlsHandshakeQuietMsMin,
} from "../../core/limits.ts";
import type { DtlsFailure } from "../../core/plan/plan.ts";
import { addMs, type MonotonicMs } from "../../core/time.ts";
import type { DtlsAction } from "./actions.ts";
import type { DtlsDatagram } from "./datagram.ts";
import type { DtlsProgress } from "./engine.ts";
import { Handshake } from "./handshake.ts";
import { type AssociationSide, connected, FailureTeller, type SideParts, sends } from "./side.ts";

export class ClientSide implements AssociationSide {
  readonly #parts: SideParts;
  readonly #failures = new FailureTeller();
  #target: Endpoint | undefined;
  #handshake: Handshake | undefined;
  #hasAnswer = false;
  /** The place that nobody vouches for and the handshake followed. */
  #followed: Endpoint | undefined;
  readonly #refused: Endpoint[] = [];
  #isConnected = false;
  #pauseMs = dtlsClientPauseMsMin;
  /** Not before this time after a failure. */
  #beginAtMs: MonotonicMs;

  constructor(parts: SideParts) {
    this.#parts = parts;
    this.#beginAtMs = parts.nowMs;
  }

  aim(nowMs: MonotonicMs, target: Endpoint): readonly DtlsAction[] {
    if (this.#isConnected) return [];
    const isSame = this.#target !== undefined && sameEndpoint(this.#target, target);
    this.#target = target;
    if (this.#handshake === undefined) {
      return isSame && nowMs < this.#beginAtMs ? [] : this.#begin(nowMs, target);
    }
    if (isSame || sameEndpoint(this.#handshake.remote, target)) return [];
    // The same bytes again: a peer that had them takes them for a replay.
    this.#handshake.remote = target;
    return sends(target, this.#handshake.lastFlight);
  }

  handlePacket(
    nowMs: MonotonicMs,
    source: Endpoint,
    datagram: DtlsDatagram,
    isVouched: boolean,
  ): readonly DtlsAction[] {
    const handshake = this.#handshake;
    if (
      handshake === undefined ||
      datagram.hello !== undefined ||
      !this.#mayAnswer(source, datagram, isVouched)
    ) {
      this.#parts.counts.ignored++;
      return [];
    }
    if (datagram.isServerAnswer) this.#hasAnswer = true;
    if (datagram.records.length > 0) {
      if (isVouched) this.#followed = undefined;
      else if (!sameEndpoint(source, handshake.remote)) this.#followed = source;
      handshake.remote = source;
    }
    return this.#conclude(nowMs, handshake, handshake.receive(nowMs, datagram));
  }

  handleTimeout(nowMs: MonotonicMs): readonly DtlsAction[] {
    const handshake = this.#handshake;
    if (handshake === undefined) return this.#beginAgain(nowMs);
    if (nowMs >= this.#quietAtMs(handshake)) return this.#turnBack(nowMs, handshake);
    const actions = this.#conclude(nowMs, handshake, handshake.handleTimeout(nowMs));
    if (this.#handshake !== undefined) return actions;
    return [...actions, ...this.#beginAgain(nowMs)];
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    if (this.#handshake !== undefined) {
      return Math.min(this.#handshake.nextDeadlineMs(), this.#quietAtMs(this.#handshake)) as MonotonicMs;
    }
    return this.#isConnected || this.#target === undefined ? undefined : this.#beginAtMs;
  }

  close(): void {
    this.#handshake?.close();
    this.#handshake = undefined;
    this.#target = undefined;
  }

  /** A server behind NAT answers from another port than SDP told; the first answer settles which. */
  #mayAnswer(source: Endpoint, datagram: DtlsDatagram, isVouched: boolean): boolean {
    const remote = this.#handshake?.remote;
    if (remote === undefined) return false;
    if (isVouched || sameEndpoint(source, remote)) return true;
    if (this.#hasAnswer || !datagram.isServerAnswer || source.ip !== remote.ip) return false;
    return !this.#refused.some((refused) => sameEndpoint(refused, source));
  }

  /** When the place that was followed has had its chance. */
  #quietAtMs(handshake: Handshake): number {
    if (this.#followed === undefined) return Number.POSITIVE_INFINITY;
    return handshake.progressedAtMs + dtlsHandshakeQuietMsMin;
  }

  /** What was followed led nowhere: back to where we are aimed, and at once. */
  #turnBack(nowMs: MonotonicMs, handshake: Handshake): readonly DtlsAction[] {
    handshake.close();
    this.#handshake = undefined;
    this.#parts.counts.failures++;
    if (this.#followed !== undefined) this.#refused.push(this.#followed);
    if (this.#refused.length > dtlsClientRefusedMax) this.#refused.shift();
    return this.#target === undefined ? [] : this.#begin(nowMs, this.#target);
  }

  #begin(nowMs: MonotonicMs, target: Endpoint): readonly DtlsAction[] {
    this.#parts.counts.handshakes++;
    this.#hasAnswer = false;
    this.#followed = undefined;
    const handshake = new Handshake(this.#parts.open(false), nowMs, target, true);
    this.#handshake = handshake;
    return this.#conclude(nowMs, handshake, handshake.start(nowMs));
  }

  #beginAgain(nowMs: MonotonicMs): readonly DtlsAction[] {
    const isDue = !this.#isConnected && this.#target !== undefined && nowMs >= this.#beginAtMs;
    return isDue && this.#target !== undefined ? this.#begin(nowMs, this.#target) : [];
  }

  #conclude(nowMs: MonotonicMs, handshake: Handshake, progress: DtlsProgress): readonly DtlsAction[] {
    const { remote } = handshake;
    const { outcome } = progress;
    const flight = sends(remote, progress.datagrams);
    if (outcome.kind === "handshaking") return flight;
    if (outcome.kind === "failed" && this.#followed !== undefined)
      return [...flight, ...this.#turnBack(nowMs, handshake)];
    // The server sends the last flight, so there is nothing left to answer.
    handshake.close();
    this.#handshake = undefined;
    if (outcome.kind === "failed") {
      this.#parts.counts.failures++;
      this.#pause(nowMs, outcome.reason);
      return [...flight, ...this.#failures.tell(outcome.reason)];
    }
    this.#isConnected = true;
    return [...flight, connected(remote, outcome.keying, "client")];
  }

  /** Silence has lasted long enough; a quick failure would be repeated as quickly. */
  #pause(nowMs: MonotonicMs, reason: DtlsFailure): void {
    if (reason === "timeout") this.#beginAtMs = nowMs;
    else {
      this.#beginAtMs = addMs(nowMs, this.#pauseMs);
      this.#pauseMs = Math.min(2 * this.#pauseMs, dtlsHandshakeMsMax);
    }
  }
}
