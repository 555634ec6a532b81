/**
 * Whose ClientHello is answered at once: a source with a valid check of ICE, a signalled ip:port, a usable signalled
 * IP. Everybody else has to show by a cookie that he hears us (RFC 6347 section 4.2.1).
 */
import { type Endpoint, sameEndpoint } from "../../core/address.ts";
import { checkedSourcesPerSlotMax } from "../../core/limits.ts";
import type { Component, SourceHint } from "../../core/plan/plan.ts";

/** Sources that passed a check; the one unheard for longest goes. */
export class CheckedSources {
  readonly #sources: Endpoint[] = [];

  add(source: Endpoint): void {
    const at = this.#sources.findIndex((known) => sameEndpoint(known, source));
    if (at >= 0) this.#sources.splice(at, 1);
    else if (this.#sources.length === checkedSourcesPerSlotMax) this.#sources.shift();
    this.#sources.push(source);
  }

  has(source: Endpoint): boolean {
    return this.#sources.some((known) => sameEndpoint(known, source));
  }

  clear(): void {
    this.#sources.length = 0;
  }
}

/** RTCP is expected where a=rtcp says, or one above the RTP port (RFC 3550 section 11, RFC 3605 section 2.1). */
export function isSignalled(hints: readonly SourceHint[], component: Component, source: Endpoint): boolean {
  return hints.some(({ origin, endpoint, isIpUsable }) => {
    if (endpoint.ip !== source.ip) return false;
    if (isIpUsable) return true;
    const isRtcpHint = origin === "sdp-rtcp";
    if (component === "rtp") return !isRtcpHint && endpoint.port === source.port;
    return source.port === (isRtcpHint ? endpoint.port : endpoint.port + 1);
  });
}
