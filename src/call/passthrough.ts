/**
 * Media whose keys, DTLS and ICE are left to the parties: what they say of them goes through as it came, and STUN and
 * DTLS travel like media.
 */
import type { MediaSummary } from "../sdp/summary.ts";
import type { MediaOptions } from "./requests.ts";
import type { MediaState } from "./state.ts";

/**
 * By word (`passthrough`), or because we are but one of several candidates: `ICE=optional` and `ICE=force-relay` leave
 * an offerer's own candidates in place. Once chosen it stays for the m-line until `no-passthrough` or `reset`.
 */
export function passesThrough(
  to: MediaState | undefined,
  summary: MediaSummary,
  options: MediaOptions,
): boolean {
  if (summary.protocol.transport !== "rtp") return false;
  if (options.passthrough !== undefined) return options.passthrough;
  const isBeside = options.ice === "optional" || options.ice === "force-relay";
  if (isBeside && summary.ice !== undefined && (to?.ice === undefined || options.resets)) return true;
  const security = to?.security;
  return !options.resets && (security?.kind === "passed" || security?.told[0] === "passed");
}
