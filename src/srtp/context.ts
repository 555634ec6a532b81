/** One master key at work in one direction (a cryptographic context, RFC 3711 section 3.2). */
import type { SrtpKey } from "../core/plan/security.ts";
import { deriveSessions, type SrtpSessions } from "./derivation.ts";
import type { SrtpEngine } from "./engine.ts";
import type { SessionTable } from "./session-table.ts";
import { isWellFormedKey, suiteFacts } from "./suites.ts";

const noMki = new Uint8Array(0);

/** What a context is for. */
export type SrtpDirection = "receive" | "send";

export interface ContextPlace {
  readonly engine: SrtpEngine;
  readonly arena: Uint8Array;
  readonly sessions: SessionTable;
}

export class SrtpContext {
  /** Sessions of the table, which is all that most packets need. */
  readonly rtp: number;
  readonly rtcp: number;
  /**
   * Index of the next SRTCP packet to be sent, 0 to 2^31. One number for all SSRCs: theirs grow as they must, and none
   * is given twice when an SSRC is forgotten and comes back.
   */
  readonly nextRtcpIndex = new Uint32Array(1);
  readonly #sessions: SessionTable;
  #key: SrtpKey;

  /** `open` derives the keys. */
  constructor(key: SrtpKey, sessions: SessionTable, derived: SrtpSessions, direction: SrtpDirection) {
    const sends = direction === "send";
    this.#key = key;
    this.#sessions = sessions;
    this.rtp = sessions.open(derived.rtp.handle, derived.rtp.salt, sends);
    this.rtcp = sessions.open(derived.rtcp.handle, derived.rtcp.salt, sends);
    this.adopt(key);
  }

  /** Undefined for a key of the wrong length, and when the engine has no handles left. */
  static open(place: ContextPlace, key: SrtpKey, direction: SrtpDirection): SrtpContext | undefined {
    if (!isWellFormedKey(key)) return undefined;
    const { engine, arena, sessions } = place;
    const derived = deriveSessions(engine, arena, key);
    if (derived === undefined) return undefined;
    const context = new SrtpContext(key, sessions, derived, direction);
    for (const { salt } of [derived.rtp, derived.rtcp]) salt.fill(0);
    return context;
  }

  close(engine: SrtpEngine): void {
    for (const session of [this.rtp, this.rtcp]) {
      engine.close(this.#sessions.handleOf(session));
      this.#sessions.close(session);
    }
  }

  get key(): SrtpKey {
    return this.#key;
  }

  /** Takes the MKI and the flags of a key with the same master: indices go on, so no key stream is used twice. */
  adopt(key: SrtpKey): void {
    this.#key = key;
    const { cipher, isAead, tagBytes, rtcpTagBytes } = suiteFacts(key.suite);
    const hasCipher = cipher !== "none";
    const mki = key.mki ?? noMki;
    this.#sessions.adopt(this.rtp, {
      mki,
      isAead,
      hasCipher,
      // The tag of an AEAD suite is part of its ciphertext, always of 16 bytes (RFC 7714 section 12).
      tagBytes: key.authenticatesRtp || isAead ? tagBytes : 0,
      enciphers: hasCipher && key.encryptsRtp,
    });
    this.#sessions.adopt(this.rtcp, {
      mki,
      isAead,
      hasCipher,
      tagBytes: rtcpTagBytes,
      enciphers: hasCipher && key.encryptsRtcp,
    });
  }
}
