/** Keys, DTLS and ICE as a party is to be told of them, drawn from what was negotiated with it. */
import type { IpAddress } from "../core/address.ts";
import type { MediaSummary } from "../sdp/summary.ts";
import type { IceDraft, SecrecyDraft } from "../sdp/write-security.ts";
import { setupToAnswer } from "./dtls-role.ts";
import { type CandidateRank, localCandidates } from "./ice-side.ts";
import type { MediaOptions } from "./requests.ts";
import type { SecurityTools } from "./secure-offer.ts";
import type { DtlsSide } from "./security-state.ts";
import type { MediaState } from "./state.ts";

export interface SecrecyTelling {
  readonly isOffer: boolean;
  readonly options: MediaOptions;
  readonly tools: SecurityTools;
}

export function secrecyToTell(
  { security }: MediaState,
  telling: SecrecyTelling,
): SecrecyDraft | "passed" | undefined {
  if (security === undefined) return undefined;
  return telling.isOffer ? secrecyToOffer(security, telling) : secrecyToAnswer(security, telling);
}

type Security = NonNullable<MediaState["security"]>;

function secrecyToOffer(
  { told, sdes, dtls }: Security,
  telling: SecrecyTelling,
): SecrecyDraft | "passed" | undefined {
  if (told.length === 0) return undefined;
  if (told.includes("passed")) return "passed";
  return {
    crypto: told.includes("sdes") ? (sdes?.told ?? []) : [],
    // RFC 5763 section 5: the offerer leaves the role to the answerer, at every offer (RFC 8842 section 5.2).
    ...dtlsLines(told.includes("dtls") ? dtls : undefined, "actpass", telling),
  };
}

function secrecyToAnswer(
  { kind, sdes, dtls, wanted }: Security,
  telling: SecrecyTelling,
): SecrecyDraft | "passed" | undefined {
  if (kind === "passed") return "passed";
  if (kind === "sdes" && sdes?.answered !== undefined) {
    return { crypto: [sdes.answered], ...dtlsLines(undefined, "actpass", telling) };
  }
  if (wanted !== "dtls" || dtls === undefined) return undefined;
  const lines = dtlsLines(dtls, setupToAnswer(dtls), telling);
  // Only to who speaks of associations himself: the two ids name one together (RFC 8842 section 5.3).
  return { crypto: [], ...lines, tlsId: dtls.heard?.tlsId === undefined ? undefined : lines.tlsId };
}

function dtlsLines(
  dtls: DtlsSide | undefined,
  setup: NonNullable<SecrecyDraft["setup"]>,
  { options, tools: { certificates } }: SecrecyTelling,
): Pick<SecrecyDraft, "fingerprint" | "setup" | "tlsId"> {
  if (dtls === undefined || certificates === undefined) {
    return { fingerprint: undefined, setup: undefined, tlsId: undefined };
  }
  const fingerprint = certificates.fingerprint(dtls.certificate, dtls.hash);
  return { fingerprint, setup, tlsId: options.showsTlsId ? dtls.ownTlsId : undefined };
}

export interface IceTelling {
  readonly isOffer: boolean;
  readonly options: MediaOptions;
  /** As advertised. */
  readonly ip: IpAddress;
  readonly rtpPort: number;
  readonly isMuxed: boolean;
}

export function iceToTell(
  { ice, security }: MediaState,
  said: MediaSummary,
  { isOffer, options, ip, rtpPort, isMuxed }: IceTelling,
): IceDraft | undefined {
  const isPassed = isOffer ? security?.told.includes("passed") : security?.kind === "passed";
  if (isPassed === true) {
    if (said.ice === undefined) return undefined;
    const rank = options.ice === "force-relay" ? "relay" : "low";
    return { kind: "passed", added: localCandidates(ip, rtpPort, { rank, isMuxed }) };
  }
  if (ice === undefined) return undefined;
  const rank: CandidateRank = options.ice === "force-relay" ? "relay" : "host";
  return {
    kind: "own",
    ufrag: ice.localUfrag,
    password: ice.localPassword,
    trickles: ice.trickles,
    isIce2: ice.isIce2,
    candidates: localCandidates(ip, rtpPort, { rank, isMuxed }),
    // There are no others to come, and whoever trickles waits for that word.
    hasEnded: ice.trickles,
  };
}
