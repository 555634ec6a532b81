/**
 * Media whose keys, DTLS and ICE are left to the parties: what they say of them goes through as it came, and STUN and
 * DTLS travel like media.
 */
import type { MediaSummary } from "../sdp/summary.ts";
import type { MediaOptions } from "./requests.ts";
import type { MediaState } from "./state.ts";

/** An m-line of an offer before it is heard. */
export interface ProposedMedia {
  /** Of the party that is offered to; undefined: it has no such m-line yet. */
  readonly to: MediaState | undefined;
  readonly summary: MediaSummary;
  /** Of that party: one that is new to it is offered like this one. */
  readonly sibling: MediaState | undefined;
}

/**
 * By word (`passthrough`), or because we are but one of several candidates: `ICE=optional` and `ICE=force-relay` leave
 * an offerer's own candidates in place. Once chosen it stays for the m-line until `no-passthrough` or `reset`. One that is
 * new does as those that are there: they may share a transport.
 */
export function passesThrough({ to, summary, sibling }: ProposedMedia, options: MediaOptions): boolean {
  if (summary.protocol.transport !== "rtp") return false;
  if (options.passthrough !== undefined) return options.passthrough;
  const like = to?.isSignalled === true ? to : (sibling ?? to);
  const isBeside = options.ice === "optional" || options.ice === "force-relay";
  if (isBeside && summary.ice !== undefined && (like?.ice === undefined || options.resets)) return true;
  const security = like?.security;
  return !options.resets && (security?.kind === "passed" || security?.told[0] === "passed");
}
