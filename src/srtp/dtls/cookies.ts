/**
 * Stateless cookies for sources nobody vouches for (RFC 6347 section 4.2.1): a client must have received our answer
 * at the address it sends from before anything is kept for it. One jar serves all associations.
 */
import { type Endpoint, formatEndpoint } from "../../core/address.ts";
import type { Digests } from "../../core/digests.ts";
import type { Random } from "../../core/random.ts";
import type { MonotonicMs } from "../../core/time.ts";
import type { ClientHelloFacts } from "./datagram.ts";

/** A cookie is good for one to two of these: a client answers at once, or at its next retransmission. */
const secretMs = 60_000;
const secretBytes = 32;
/** A truncated HMAC-SHA-256; some clients keep no more than 32. */
const cookieBytes = 20;

export class CookieJar {
  readonly #random: Random;
  readonly #digests: Digests;
  #secret: Uint8Array;
  #formerSecret: Uint8Array;
  #secretSinceMs: MonotonicMs;

  constructor(parts: { readonly random: Random; readonly digests: Digests; readonly nowMs: MonotonicMs }) {
    this.#random = parts.random;
    this.#digests = parts.digests;
    this.#secret = parts.random.bytes(secretBytes);
    this.#formerSecret = parts.random.bytes(secretBytes);
    this.#secretSinceMs = parts.nowMs;
  }

  bake(nowMs: MonotonicMs, source: Endpoint, facts: ClientHelloFacts): Uint8Array {
    this.#turn(nowMs);
    return this.#cookieOf(this.#secret, source, facts);
  }

  /** Whether this jar baked the cookie lately, for this source and this ClientHello. */
  isGood(nowMs: MonotonicMs, source: Endpoint, facts: ClientHelloFacts): boolean {
    if (facts.cookie.length !== cookieBytes) return false;
    this.#turn(nowMs);
    return [this.#secret, this.#formerSecret].some((secret) =>
      this.#digests.isEqual(this.#cookieOf(secret, source, facts), facts.cookie),
    );
  }

  /**
   * Of what the RFC lists, the ciphers and compression methods are left out: they may lie in a later fragment. Random
   * and session id tell one handshake from another well enough.
   */
  #cookieOf(secret: Uint8Array, source: Endpoint, facts: ClientHelloFacts): Uint8Array {
    const place = formatEndpoint(source);
    const message = new Uint8Array(1 + place.length + facts.identity.length);
    message[0] = place.length;
    for (let index = 0; index < place.length; index++) message[1 + index] = place.charCodeAt(index);
    message.set(facts.identity, 1 + place.length);
    return this.#digests.hmacSha256(secret, message).subarray(0, cookieBytes);
  }

  #turn(nowMs: MonotonicMs): void {
    const ageMs = nowMs - this.#secretSinceMs;
    if (ageMs < secretMs) return;
    this.#formerSecret = ageMs < 2 * secretMs ? this.#secret : this.#random.bytes(secretBytes);
    this.#secret = this.#random.bytes(secretBytes);
    this.#secretSinceMs = nowMs;
  }
}
