/**
 * How a refusal of the call model reads in ng. Proxies act on some of these texts: Kamailio and OpenSIPS try another
 * relay on `Ran out of ports` and `Parallel session limit reached`, so both are kept to the letter.
 */
import type { CallRefusal } from "../../call/requests.ts";

const texts: Readonly<Record<CallRefusal, string>> = {
  "sdp-malformed": "Failed to parse SDP",
  "sdp-incomplete": "Incomplete SDP specification",
  "sdp-rewrite-failed": "Error rewriting SDP",
  "unknown-call": "Unknown call-id",
  "unknown-tag": "Invalid dialogue association",
  "tags-mismatch": "Invalid dialogue association",
  "dialogue-invalid": "Invalid dialogue association",
  "no-ports": "Ran out of ports",
  "no-interface": "No interface for the requested address family",
  "sessions-exhausted": "Parallel session limit reached",
  "load-limit": "Parallel session limit reached",
  "limit-exceeded": "Too many legs, media or aliases in one call",
  "unsupported-address": "Unsupported address in SDP",
  "unsupported-protocol": "Unsupported transport protocol in SDP",
  "shutting-down": "Parallel session limit reached",
};

/** What a client that understands `load limit` is told with it. */
const loadLimits: Readonly<Partial<Record<CallRefusal, string>>> = {
  "sessions-exhausted": "Parallel session limit reached",
  "load-limit": "Load limit exceeded",
  "shutting-down": "Load limit exceeded",
};

export const deleteFoundNothing = "Call-ID not found or tags didn't match";

export interface RefusalText {
  /** `load limit`: only for clients whose `supports` names it. */
  readonly result: "error" | "load limit";
  readonly text: string;
}

export function refusalText(reason: CallRefusal, supportsLoadLimit: boolean): RefusalText {
  const limit = supportsLoadLimit ? loadLimits[reason] : undefined;
  return limit === undefined
    ? { result: "error", text: texts[reason] }
    : { result: "load limit", text: limit };
}
