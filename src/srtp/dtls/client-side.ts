/**
 * We send the ClientHello: to where we are aimed at, on to where the answer comes from. A handshake that failed or got
 * no answer begins anew, since a phone's DTLS may not run before somebody takes the call.
 */
import { type Endpoint, sameEndpoint } from "../../core/address.ts";
import { dtlsHandshakeMsMax } from "../../core/limits.ts";
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
  #isConnected = false;
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
    if (datagram.records.length > 0) handshake.remote = source;
    return this.#conclude(handshake, handshake.receive(nowMs, datagram));
  }

  handleTimeout(nowMs: MonotonicMs): readonly DtlsAction[] {
    const handshake = this.#handshake;
    if (handshake !== undefined) {
      const actions = this.#conclude(handshake, handshake.handleTimeout(nowMs));
      if (this.#handshake !== undefined) return actions;
      return [...actions, ...this.#beginAgain(nowMs)];
    }
    return this.#beginAgain(nowMs);
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    if (this.#handshake !== undefined) return this.#handshake.nextDeadlineMs();
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
    return !this.#hasAnswer && datagram.isServerAnswer && source.ip === remote.ip;
  }

  #begin(nowMs: MonotonicMs, target: Endpoint): readonly DtlsAction[] {
    this.#parts.counts.handshakes++;
    this.#hasAnswer = false;
    this.#beginAtMs = addMs(nowMs, dtlsHandshakeMsMax);
    const handshake = new Handshake(this.#parts.open(false), nowMs, target, true);
    this.#handshake = handshake;
    return this.#conclude(handshake, handshake.start(nowMs));
  }

  #beginAgain(nowMs: MonotonicMs): readonly DtlsAction[] {
    const isDue = !this.#isConnected && this.#target !== undefined && nowMs >= this.#beginAtMs;
    return isDue && this.#target !== undefined ? this.#begin(nowMs, this.#target) : [];
  }

  #conclude(handshake: Handshake, progress: DtlsProgress): readonly DtlsAction[] {
    const { remote } = handshake;
    const flight = sends(remote, progress.datagrams);
    if (progress.outcome.kind === "handshaking") return flight;
    // The server sends the last flight, so there is nothing left to answer.
    handshake.close();
    this.#handshake = undefined;
    if (progress.outcome.kind === "failed") {
      this.#parts.counts.failures++;
      return [...flight, ...this.#failures.tell(progress.outcome.reason)];
    }
    this.#isConnected = true;
    return [connected(remote, progress.outcome.keying, "client"), ...flight];
  }
}
