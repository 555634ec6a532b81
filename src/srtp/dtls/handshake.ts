/** One connection of the engine with its deadlines, and what it knows of its peer's place. */
import type { Endpoint } from "../../core/address.ts";
import { dtlsHandshakeMsMax, dtlsLingerMs } from "../../core/limits.ts";
import { addMs, type MonotonicMs } from "../../core/time.ts";
import type { DtlsDatagram } from "./datagram.ts";
import type { DtlsConnection, DtlsProgress } from "./engine.ts";

/**
 * Encrypted records a connection is given before its handshake ends: OpenSSL keeps those that come early, up to 100
 * with 16 KB each. A peer's Finished is one, and may be retransmitted.
 */
const earlyRecordsMax = 16;
/** The engine's clock may stand up to this far from ours, so a timer that was not due yet is asked again. */
const retryMs = 20;

const nothing: DtlsProgress = { datagrams: [], outcome: { kind: "handshaking" } };

export class Handshake {
  /** Where it is answered to: the source heard last, or as client where we aim. */
  remote: Endpoint;
  /** ICE or signalling vouches for the remote, or has done so. */
  isVouched: boolean;
  #lastFlight: readonly Uint8Array[] = [];
  readonly #connection: DtlsConnection;
  /** The peer's last message that took the handshake further. */
  #progressedAtMs: MonotonicMs;
  #expiresAtMs: MonotonicMs;
  #retransmitAtMs: MonotonicMs | undefined;
  #isConnected = false;
  #earlyRecords = 0;
  #hasClearAlert = false;

  constructor(connection: DtlsConnection, nowMs: MonotonicMs, remote: Endpoint, isVouched: boolean) {
    this.#connection = connection;
    this.remote = remote;
    this.isVouched = isVouched;
    this.#progressedAtMs = nowMs;
    this.#expiresAtMs = addMs(nowMs, dtlsHandshakeMsMax);
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** What it sent last, for a peer that turns out to be elsewhere. */
  get lastFlight(): readonly Uint8Array[] {
    return this.#lastFlight;
  }

  get progressedAtMs(): MonotonicMs {
    return this.#progressedAtMs;
  }

  nextDeadlineMs(): MonotonicMs {
    return Math.min(this.#retransmitAtMs ?? this.#expiresAtMs, this.#expiresAtMs) as MonotonicMs;
  }

  start(nowMs: MonotonicMs): DtlsProgress {
    return this.#note(nowMs, this.#connection.start());
  }

  receive(nowMs: MonotonicMs, datagram: DtlsDatagram): DtlsProgress {
    // Anybody can forge it, so it ends nothing; it tells only why no answer will come.
    if (datagram.hasClearAlert) this.#hasClearAlert = true;
    if (!this.#isConnected) {
      this.#earlyRecords += datagram.encryptedCount;
      if (this.#earlyRecords > earlyRecordsMax && datagram.encryptedCount > 0) return nothing;
    }
    if (datagram.records.length === 0) return nothing;
    const progress = this.#note(nowMs, this.#connection.receive(datagram.records));
    if (progress.datagrams.length > 0) this.#progressedAtMs = nowMs;
    return progress;
  }

  /** Sends again what is due; fails when the whole has taken too long. */
  handleTimeout(nowMs: MonotonicMs): DtlsProgress {
    if (nowMs >= this.#expiresAtMs) {
      const reason = this.#hasClearAlert ? "handshake" : "timeout";
      return { datagrams: [], outcome: { kind: "failed", reason } };
    }
    if (this.#retransmitAtMs === undefined || nowMs < this.#retransmitAtMs) return nothing;
    return this.#note(nowMs, this.#connection.handleTimeout());
  }

  close(): void {
    this.#connection.close();
  }

  #note(nowMs: MonotonicMs, progress: DtlsProgress): DtlsProgress {
    if (progress.outcome.kind === "failed") return progress;
    if (progress.datagrams.length > 0) this.#lastFlight = progress.datagrams;
    if (progress.outcome.kind === "connected" && !this.#isConnected) {
      this.#isConnected = true;
      this.#expiresAtMs = addMs(nowMs, dtlsLingerMs);
    }
    const timeoutMs = this.#isConnected ? undefined : this.#connection.timeoutMs();
    this.#retransmitAtMs = timeoutMs === undefined ? undefined : addMs(nowMs, Math.max(timeoutMs, retryMs));
    return progress;
  }
}
