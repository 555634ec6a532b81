/** Session keys from a master key (RFC 3711 section 4.3, RFC 6188 section 3, RFC 7714 section 11); the key derivation rate is 0. */
import type { SrtpKey } from "../core/plan/security.ts";
import { macBytes, type SrtpEngine, scratchAt } from "./engine.ts";
import { suiteFacts } from "./suites.ts";

/** What one direction of RTP or RTCP works with. */
export interface SrtpSession {
  /** The engine's, of cipher and authentication keys. */
  readonly handle: number;
  /** 14 bytes, or 12 of an AEAD suite. */
  readonly salt: Uint8Array;
}

/** Labels of the three keys (RFC 3711 section 4.3.1). */
const labels = {
  rtp: { cipher: 0, mac: 1, salt: 2 },
  rtcp: { cipher: 3, mac: 4, salt: 5 },
} as const;

/** The label's place in the counter block: above the 48 bits of an index. */
const labelAt = 7;

export interface SrtpSessions {
  readonly rtp: SrtpSession;
  readonly rtcp: SrtpSession;
}

/** For a key whose lengths are right. Undefined when the engine has no handle left. */
export function deriveSessions(
  engine: SrtpEngine,
  arena: Uint8Array,
  key: SrtpKey,
): SrtpSessions | undefined {
  const { cipher, keyBytes, saltBytes, isAead } = suiteFacts(key.suite);
  const master = engine.open({ cipher: "ctr", cipherKey: key.masterKey, macKey: undefined });
  if (master < 0) return undefined;
  const derive = (label: number, sizeBytes: number): Uint8Array =>
    deriveKey(engine, arena, master, { salt: key.masterSalt, label, sizeBytes });
  const open = (label: (typeof labels)["rtp" | "rtcp"]): SrtpSession => {
    const cipherKey = cipher === "none" ? new Uint8Array(0) : derive(label.cipher, keyBytes);
    const macKey = isAead ? undefined : derive(label.mac, macBytes);
    const handle = engine.open({ cipher, cipherKey, macKey });
    cipherKey.fill(0);
    macKey?.fill(0);
    return { handle, salt: derive(label.salt, saltBytes) };
  };
  const sessions = { rtp: open(labels.rtp), rtcp: open(labels.rtcp) };
  engine.close(master);
  if (sessions.rtp.handle >= 0 && sessions.rtcp.handle >= 0) return sessions;
  for (const { handle } of [sessions.rtp, sessions.rtcp]) if (handle >= 0) engine.close(handle);
  return undefined;
}

/** AES in counter mode over zeros (RFC 3711 section 4.3.3), with the handle of the master key. */
export function deriveKey(
  engine: SrtpEngine,
  arena: Uint8Array,
  master: number,
  what: { readonly salt: Uint8Array; readonly label: number; readonly sizeBytes: number },
): Uint8Array {
  const iv = engine.scratchOffset + scratchAt.iv;
  const derived = engine.scratchOffset + scratchAt.derived;
  arena.fill(0, iv, iv + 16);
  arena.set(what.salt, iv);
  arena[iv + labelAt]! ^= what.label;
  arena.fill(0, derived, derived + what.sizeBytes);
  if (!engine.ctr(master, derived, what.sizeBytes)) throw new Error("srtp: the engine derives no keys");
  const key = arena.slice(derived, derived + what.sizeBytes);
  arena.fill(0, derived, derived + what.sizeBytes);
  return key;
}
