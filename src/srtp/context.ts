/** One master key at work in one direction (a cryptographic context, RFC 3711 section 3.2). */
import { srtpSsrcsReceivedMax, srtpSsrcsSentMax } from "../core/limits.ts";
import type { SrtpKey } from "../core/plan/security.ts";
import { deriveSessions, type SrtpSession, type SrtpSessions } from "./derivation.ts";
import type { SrtpEngine } from "./engine.ts";
import { StreamTable, type StreamTableLimits } from "./stream-table.ts";
import { isWellFormedKey, type SuiteFacts, suiteFacts } from "./suites.ts";

const noMki = new Uint8Array(0);

/** What a context is for. */
export type SrtpDirection = "receive" | "send";

const limits: Readonly<Record<SrtpDirection, StreamTableLimits>> = {
  receive: { rowsMax: srtpSsrcsReceivedMax, forgets: true },
  send: { rowsMax: srtpSsrcsSentMax, forgets: false },
};

export class SrtpContext {
  readonly facts: SuiteFacts;
  readonly rtp: SrtpSession;
  readonly rtcp: SrtpSession;
  readonly rtpStreams: StreamTable;
  readonly rtcpStreams: StreamTable;
  /**
   * Index of the next SRTCP packet to be sent, 0 to 2^31. One number for all SSRCs: theirs grow as they must, and none
   * is given twice when an SSRC is forgotten and comes back.
   */
  readonly nextRtcpIndex = new Uint32Array(1);
  #key: SrtpKey;
  /** Tag and MKI as the key's flags have them. */
  rtpTagBytes = 0;
  mki: Uint8Array = noMki;

  /** `open` derives the sessions. */
  constructor(key: SrtpKey, sessions: SrtpSessions, direction: SrtpDirection) {
    this.rtpStreams = new StreamTable(limits[direction]);
    this.rtcpStreams = new StreamTable(limits[direction]);
    this.facts = suiteFacts(key.suite);
    this.rtp = sessions.rtp;
    this.rtcp = sessions.rtcp;
    this.#key = key;
    this.adopt(key);
  }

  /** Undefined for a key of the wrong length, and when the engine has no handles left. */
  static open(
    engine: SrtpEngine,
    arena: Uint8Array,
    key: SrtpKey,
    direction: SrtpDirection,
  ): SrtpContext | undefined {
    if (!isWellFormedKey(key)) return undefined;
    const sessions = deriveSessions(engine, arena, key);
    return sessions === undefined ? undefined : new SrtpContext(key, sessions, direction);
  }

  close(engine: SrtpEngine): void {
    engine.close(this.rtp.handle);
    engine.close(this.rtcp.handle);
    this.rtp.salt.fill(0);
    this.rtcp.salt.fill(0);
  }

  get key(): SrtpKey {
    return this.#key;
  }

  /** Takes the MKI and the flags of a key with the same master: indices go on, so no key stream is used twice. */
  adopt(key: SrtpKey): void {
    this.#key = key;
    this.mki = key.mki ?? noMki;
    // The tag of an AEAD suite is part of its ciphertext, always of 16 bytes (RFC 7714 section 12).
    this.rtpTagBytes = key.authenticatesRtp || this.facts.isAead ? this.facts.tagBytes : 0;
  }
}
