/** What an answer settles of SRTP and ICE: first with him who answers, then with the offerer. */
import { transportProtocol } from "../sdp/protocol.ts";
import type { MediaSummary } from "../sdp/summary.ts";
import { dtlsWordsOf, settleAnswered, settleOffered } from "./dtls-role.ts";
import { hearIceAnswer, settleIceOffer } from "./ice-side.ts";
import type { MediaOptions } from "./requests.ts";
import type { SecurityTools } from "./secure-offer.ts";
import type { SdesSide, SecurityState } from "./security-state.ts";
import { answerSdes, hearSdesAnswer, takenLine } from "./srtp-answer.ts";
import type { MediaState } from "./state.ts";

export interface AnsweredMedia {
  /** Of the answerer. */
  readonly from: MediaState;
  /** Of the offerer. */
  readonly to: MediaState;
  readonly summary: MediaSummary;
}

/** False when the answer secures the m-line in no way that was offered: it cannot be used. */
export function answerSecurity(media: AnsweredMedia, options: MediaOptions, tools: SecurityTools): boolean {
  const { from, to, summary } = media;
  if (summary.protocol.transport === "rtp") {
    const wasOffered = (from.security?.told.length ?? 0) > 0;
    if (!settleAnswerer(from, summary, options)) return false;
    if (!settleOfferer(media, wasOffered, options, tools)) return false;
  } else if (to.transport === "rtp" && transportProtocol(to.protocol).isSecure) {
    return false;
  }
  settleIce(media, options, tools);
  return true;
}

function settleAnswerer(from: MediaState, summary: MediaSummary, options: MediaOptions): boolean {
  const { security } = from;
  if (security === undefined) return !summary.protocol.isSecure;
  const kind = kindTaken(security, summary, options);
  if (kind === "none") {
    // He who was offered keys beside plain RTP and says plain RTP means it (RFC 8643 section 3.1). A secure profile
    // without keys is void, and so is plain RTP where nothing but a secure profile was offered: nobody asked for that.
    if (summary.protocol.isSecure || security.isToldSecure) return false;
    from.security = undefined;
    return true;
  }
  security.kind = kind;
  if (kind === "dtls" && security.dtls !== undefined) settleAnswered(security.dtls, dtlsWordsOf(summary));
  if (kind === "sdes" && security.sdes !== undefined) hearSdesAnswer(security.sdes, summary.crypto);
  return true;
}

function kindTaken(
  { told, sdes }: SecurityState,
  { crypto, fingerprints }: MediaSummary,
  options: MediaOptions,
): "none" | "sdes" | "dtls" | "passed" {
  if (told.includes("passed")) return "passed";
  const hasSdes = told.includes("sdes") && sdes !== undefined && takenLine(sdes.told, crypto) !== undefined;
  const hasDtls = told.includes("dtls") && fingerprints.length > 0;
  if (hasSdes && hasDtls) return options.sdes.isPreferred ? "sdes" : "dtls";
  if (hasSdes) return "sdes";
  return hasDtls ? "dtls" : "none";
}

/** False where no plain answer can be given and there are no keys: this party has made no such offer. */
function settleOfferer(
  { from, to }: AnsweredMedia,
  wasOffered: boolean,
  options: MediaOptions,
  tools: SecurityTools,
): boolean {
  const { security } = to;
  if (security === undefined) return !transportProtocol(to.protocol).isSecure;
  const isDeclined = wasOffered && from.security === undefined;
  const accepts = security.acceptsAnyway || options.osrtp.has("accept");
  const isRefused = security.isOpportunistic && isDeclined && !accepts;
  if (security.wanted === "none" || isRefused) {
    if (transportProtocol(to.protocol).isSecure) return false;
    to.security = undefined;
    return true;
  }
  const mayTakeSdes = options.dtls === "off" && (security.sdes?.offered.length ?? 0) > 0;
  security.kind = security.wanted === "dtls" && mayTakeSdes ? "sdes" : security.wanted;
  // Should SDES come back, it comes with other keys: the relay has forgotten how far these have served.
  if (security.kind !== "sdes") security.sdes = undefined;
  const other = from.security?.kind === "sdes" ? from.security.sdes : undefined;
  settleKeys(security, other, options, tools);
  return true;
}

function settleKeys(
  security: SecurityState,
  other: SdesSide | undefined,
  options: MediaOptions,
  { certificates, random }: SecurityTools,
): void {
  const { kind, sdes, dtls } = security;
  if (kind === "sdes" && sdes !== undefined) answerSdes(sdes, { options, random, other });
  if (kind !== "dtls" || dtls === undefined || certificates === undefined) return;
  settleOffered(dtls, { certificates, random });
  // Put off by a=setup:holdconn, and there is none from before.
  if (dtls.settled === undefined) security.kind = "pending";
}

function settleIce({ from, to, summary }: AnsweredMedia, options: MediaOptions, tools: SecurityTools): void {
  if (from.ice !== undefined) {
    if (summary.ice === undefined) from.ice = undefined;
    else hearIceAnswer(from.ice, summary.ice);
  }
  if (to.ice === undefined) return;
  if (options.ice === "remove") to.ice = undefined;
  else settleIceOffer(to.ice, tools.random);
}
