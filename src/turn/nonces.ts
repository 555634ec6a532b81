/**
 * Nonces that nobody has to remember: they carry their time, and a code that binds them to a client.
 *
 *     obMatJos2 | features, 4 | time, 8 hexadecimal digits | HMAC-SHA-256 of the rest and the client, 22
 */
import { Buffer } from "node:buffer";
import type { Digests } from "../core/digests.ts";
import type { Random } from "../core/random.ts";
import type { MonotonicMs } from "../core/time.ts";
import { encodeText } from "../stun/values.ts";

/** RFC 8489 section 9.2: what follows are security features. */
const cookie = "obMatJos2";

/** RFC 8489 section 18.1 with erratum 6290: bit 0 is the lowest of the 24. */
export const securityFeature = { passwordAlgorithms: 1, usernameAnonymity: 2 } as const;

const codeSizeBytes = 16;
const textSize = cookie.length + 4 + 8 + 22;

export class Nonces {
  readonly #digests: Digests;
  readonly #secret: Uint8Array;

  constructor(parts: { readonly digests: Digests; readonly random: Random }) {
    this.#digests = parts.digests;
    this.#secret = parts.random.bytes(32);
  }

  /** `client`: its 5-tuple as text. */
  mint(nowMs: MonotonicMs, client: string, features: number): string {
    const bits = Buffer.from([features >>> 16, features >>> 8, features]).toString("base64");
    const time = (Math.floor(nowMs / 1_000) >>> 0).toString(16).padStart(8, "0");
    const head = `${cookie}${bits}${time}`;
    return `${head}${this.#codeOf(head, client)}`;
  }

  /** True if it was minted here for this client, `lifetimeMs` ago at most. */
  isFresh(nowMs: MonotonicMs, client: string, nonce: string, lifetimeMs: number): boolean {
    if (nonce.length !== textSize) return false;
    const head = nonce.slice(0, -22);
    const code = encodeText(nonce.slice(-22));
    if (!this.#digests.isEqual(code, encodeText(this.#codeOf(head, client)))) return false;
    const ageMs = nowMs - Number.parseInt(head.slice(-8), 16) * 1_000;
    return ageMs >= 0 && ageMs <= lifetimeMs;
  }

  #codeOf(head: string, client: string): string {
    const code = this.#digests.hmacSha256(this.#secret, encodeText(`${head} ${client}`));
    return Buffer.from(code.subarray(0, codeSizeBytes)).toString("base64url");
  }
}

/** The features a nonce speaks of, ours or not; 0: it has no cookie. */
export function featuresOf(nonce: string): number {
  if (!nonce.startsWith(cookie)) return 0;
  const bits = nonce.slice(cookie.length, cookie.length + 4);
  return /^[A-Za-z0-9+/]{4}$/.test(bits) ? Buffer.from(bits, "base64").readUIntBE(0, 3) : 0;
}
