/** What an offer says of SRTP and ICE, taken into both ends of an m-line; nothing of it happens for plain RTP. */

import type { Random } from "../core/random.ts";
import { ok, type Result, refused } from "../core/result.ts";
import { transportProtocol } from "../sdp/protocol.ts";
import type { MediaSummary, SessionSummary } from "../sdp/summary.ts";
import { counterpartIndex } from "./counterpart.ts";
import { type CertificateSource, dtlsWordsOf, newDtls } from "./dtls-role.ts";
import { isCarried } from "./hear.ts";
import { hearIceOffer, newIce, restartIce } from "./ice-side.ts";
import { type ProposedMedia, passesThrough } from "./passthrough.ts";
import type { CallRefusal, MediaOptions } from "./requests.ts";
import { newSecurity, type SecurityState } from "./security-state.ts";
import { hearSdesOffer, keepLatestKey, newSdes } from "./srtp-answer.ts";
import { hasLinesToOffer, linesToOffer, linesToTake } from "./srtp-offer.ts";
import type { LegState, MediaState } from "./state.ts";

/** What negotiating needs of the world. */
export interface SecurityTools {
  readonly random: Random;
  /** Undefined where this process has no DTLS. */
  readonly certificates: CertificateSource | undefined;
}

export interface OfferedMedia extends ProposedMedia {
  /** Of the offerer. */
  readonly from: MediaState;
  readonly to: MediaState;
}

type Kinds = SecurityState["told"];
const plainOnly: Kinds = [];

/**
 * Re-INVITEs often come without the flags of the first one. An m-line that is new to a party is then offered as those
 * it has: like the one whose counterpart has the same protocol with the offerer.
 */
export function siblingOf(
  { speaker, listener }: { readonly speaker: LegState; readonly listener: LegState },
  said: SessionSummary,
  { index, protocol }: MediaSummary,
  options: MediaOptions,
): MediaState | undefined {
  if (!listener.isHeard || protocol.transport !== "rtp") return undefined;
  for (const other of said.media) {
    if (other.index === index || other.protocol.name !== protocol.name || !isCarried(other, options))
      continue;
    const media = listener.media[counterpartIndex(speaker, listener, other.index) ?? -1];
    if (media?.isSignalled === true && media.transport === "rtp") return media;
  }
  return undefined;
}

/** What of the offer an m-line stands for, before it is heard. */
export function proposedMedia(
  { speaker, listener }: { readonly speaker: LegState; readonly listener: LegState },
  said: SessionSummary,
  summary: MediaSummary,
  options: MediaOptions,
): ProposedMedia {
  const to = listener.media[counterpartIndex(speaker, listener, summary.index) ?? -1];
  return { to, summary, sibling: siblingOf({ speaker, listener }, said, summary, options) };
}

/** The protocol this party is offered: as asked for, else as it was before, else the offerer's. */
export function protocolToOffer({ to, summary, sibling }: ProposedMedia, options: MediaOptions): string {
  const { name, transport } = summary.protocol;
  if (transport !== "rtp") return name;
  if (options.transportProtocol !== undefined) {
    const asked = transportProtocol(options.transportProtocol);
    if (asked.transport === "rtp") return asked.name;
  }
  if (options.resets) return name;
  if (to?.isSignalled === true) return to.transport === "rtp" ? to.protocol : name;
  return sibling?.protocol ?? name;
}

/** Refuses an m-line that would have to be secured in a way that is switched off or that we do not have. */
export function checkOffer(
  offered: ProposedMedia,
  options: MediaOptions,
  { certificates }: SecurityTools,
): Result<undefined, CallRefusal> {
  const { to, summary } = offered;
  if (summary.protocol.transport !== "rtp" || passesThrough(offered, options)) return ok(undefined);
  const needsDtls = summary.fingerprints.length > 0 && summary.crypto.length === 0;
  if (summary.protocol.isSecure && needsDtls && certificates === undefined) {
    return refused("unsupported-protocol");
  }
  const protocol = protocolToOffer(offered, options);
  if (!transportProtocol(protocol).isSecure) return ok(undefined);
  const kinds = kindsToOffer(to?.security, protocol, options, certificates);
  const known = options.resets ? undefined : to?.security?.sdes;
  const hasLines = hasLinesToOffer(known, summary.crypto, options.sdes);
  const isPossible = kinds.includes("dtls") || (kinds.includes("sdes") && hasLines);
  return isPossible ? ok(undefined) : refused("unsupported-protocol");
}

/** True where an offer has anything to do with keys or ICE, on either side. */
function isConcerned({ from, to, summary, sibling }: OfferedMedia, options: MediaOptions): boolean {
  return (
    sibling?.ice !== undefined ||
    (from.security ?? from.ice ?? to.security ?? to.ice) !== undefined ||
    summary.protocol.isSecure ||
    summary.ice !== undefined ||
    summary.crypto.length > 0 ||
    summary.fingerprints.length > 0 ||
    options.ice === "force" ||
    options.ice === "optional" ||
    options.ice === "force-relay" ||
    options.passthrough === true ||
    options.osrtp.size > 0 ||
    transportProtocol(to.protocol).isSecure
  );
}

/** Both ends are up to date with the offer but for `to.protocol`'s keys and ICE. */
export function offerSecurity(media: OfferedMedia, options: MediaOptions, tools: SecurityTools): void {
  if (!isConcerned(media, options)) return;
  const passes = passesThrough(media, options);
  if (media.summary.protocol.transport === "rtp") {
    hearKeys(media, passes, options, tools);
    tellKeys(media, passes, options, tools);
  }
  offerIce(media, passes, options, tools);
}

function hearKeys(
  { from, to, summary }: OfferedMedia,
  passes: boolean,
  options: MediaOptions,
  tools: SecurityTools,
): void {
  const wanted = passes ? "passed" : kindToTake(summary, options, tools);
  if (wanted === "none" && from.security === undefined) return;
  from.security ??= newSecurity(kindUntilAnswer(to, passes));
  const { security } = from;
  security.wanted = wanted;
  security.isOpportunistic = wanted !== "none" && wanted !== "passed" && !summary.protocol.isSecure;
  security.acceptsAnyway = options.osrtp.has("accept");
  // Where DTLS is to be taken the answer may still say `DTLS=off`.
  if (wanted === "sdes" || (wanted === "dtls" && summary.crypto.length > 0)) {
    security.sdes ??= newSdes();
    const { sdes } = options;
    hearSdesOffer(security.sdes, linesToTake(summary.crypto, sdes), sdes.offererPreference.length > 0);
  } else if (wanted === "dtls" && security.sdes !== undefined) {
    security.sdes.offered = [];
  }
  if (wanted === "dtls" && tools.certificates !== undefined) {
    const { certificates, random } = tools;
    security.dtls ??= newDtls({ certificates, random });
    security.dtls.heard = dtlsWordsOf(summary);
    security.dtls.prefersServer = options.dtls === "passive";
  }
}

/** What was plain stays so until the answer; what is new waits for it, unless there is nothing to wait for. */
function kindUntilAnswer(to: MediaState, passes: boolean): "none" | "pending" | "passed" {
  if (to.isSignalled) return "none";
  return passes ? "passed" : "pending";
}

/** DTLS where both are offered to us, unless told otherwise. */
function kindToTake(
  { crypto, fingerprints }: MediaSummary,
  { sdes }: MediaOptions,
  { certificates }: SecurityTools,
): "none" | "sdes" | "dtls" {
  const hasDtls = fingerprints.length > 0 && certificates !== undefined;
  if (crypto.length === 0) return hasDtls ? "dtls" : "none";
  return hasDtls && !sdes.isPreferred ? "dtls" : "sdes";
}

function tellKeys(
  { from, to, summary }: OfferedMedia,
  passes: boolean,
  options: MediaOptions,
  tools: SecurityTools,
): void {
  const kinds = passes ? (["passed"] as const) : kindsForPeer(from, to, options, tools);
  if (kinds.length === 0 && to.security === undefined) return;
  to.security ??= newSecurity(kindUntilAnswer(to, passes));
  const { security } = to;
  security.told = kinds;
  security.isToldSecure = transportProtocol(to.protocol).isSecure;
  if (kinds.includes("sdes")) {
    const sdes = security.sdes ?? newSdes();
    security.sdes = sdes;
    keepLatestKey(sdes);
    sdes.answers = [];
    if (options.resets) {
      sdes.used = undefined;
      sdes.told = [];
    }
    const { random } = tools;
    const passed = linesToTake(summary.crypto, { ...options.sdes, offererPreference: [] });
    const wish = { sdes: options.sdes, recrypts: options.recrypts, random };
    sdes.told = linesToOffer(sdes, passed, wish);
    sdes.isAnswered = false;
  }
  if (kinds.includes("dtls") && tools.certificates !== undefined) {
    const { certificates, random } = tools;
    const isShown = security.dtls !== undefined && !options.resets;
    security.dtls ??= newDtls({ certificates, random });
    // Another fingerprint would ask for another association (RFC 8842 section 4), and so it stays what it was.
    const theirs = isShown ? undefined : summary.fingerprints[0]?.hash;
    security.dtls.hash = options.fingerprintHash ?? theirs ?? security.dtls.hash;
  }
}

/** Opportunistic keys go on to a peer that nothing else was asked for, or to whom `OSRTP=offer` wants them offered. */
function kindsForPeer(
  from: MediaState,
  to: MediaState,
  options: MediaOptions,
  { certificates }: SecurityTools,
): Kinds {
  const { isSecure, transport } = transportProtocol(to.protocol);
  const goesOn = from.security?.isOpportunistic === true && options.transportProtocol === undefined;
  const isOpportunistic = transport === "rtp" && (goesOn || options.osrtp.has("offer"));
  if (!isSecure && !isOpportunistic) return plainOnly;
  return kindsToOffer(to.security, to.protocol, options, certificates);
}

/**
 * What was settled with a party stays. A new one may choose between SDES and DTLS, but for what a word switches off;
 * a profile over DTLS (RFC 5764 section 8) has no a=crypto unless DTLS is off.
 */
function kindsToOffer(
  security: SecurityState | undefined,
  protocol: string,
  { sdes, dtls, resets }: MediaOptions,
  certificates: CertificateSource | undefined,
): Kinds {
  if (!resets && security?.kind === "sdes") return ["sdes"];
  if (!resets && security?.kind === "dtls") return ["dtls"];
  const mayDtls = dtls !== "off" && certificates !== undefined;
  const { isDtls } = transportProtocol(protocol);
  // Without DTLS in this process, a profile over it cannot be had at all.
  const maySdes = !sdes.isOff && (!isDtls || dtls === "off");
  if (maySdes) return mayDtls ? ["sdes", "dtls"] : ["sdes"];
  return mayDtls ? ["dtls"] : plainOnly;
}

function offerIce(
  { from, to, summary, sibling }: OfferedMedia,
  passes: boolean,
  options: MediaOptions,
  { random }: SecurityTools,
): void {
  if (passes) {
    from.ice = undefined;
    to.ice = undefined;
    return;
  }
  const isUnderstood = summary.ice !== undefined && summary.protocol.transport !== "udptl";
  if (isUnderstood && !options.rejectsIce) {
    from.ice ??= newIce(random);
    if (options.iceLite !== undefined) from.ice.isLite = isLiteTo("backward", options.iceLite);
    hearIceOffer(from.ice, summary.ice);
  } else {
    from.ice = undefined;
  }
  const wasThere = to.ice !== undefined;
  if (!offersIce({ to, summary, sibling }, options)) {
    to.ice = undefined;
    return;
  }
  to.ice ??= newIce(random);
  if (options.iceLite !== undefined) to.ice.isLite = isLiteTo("forward", options.iceLite);
  if (!wasThere) to.ice.isControlling = !to.ice.isLite;
  to.ice.trickles = options.tricklesIce || to.ice.peerTrickles;
  to.ice.isIce2 ||= options.isIce2;
}

function offersIce(
  { to, summary, sibling }: Pick<OfferedMedia, "to" | "summary" | "sibling">,
  { ice, resets }: MediaOptions,
): boolean {
  const { transport } = summary.protocol;
  if (ice === "remove" || transport === "udptl" || summary.port === 0) return false;
  if (transport === "rtp" && ice !== "default") return true;
  if (to.ice !== undefined && !resets) return true;
  // A party that has answered without ICE is not bothered with it again.
  if (to.isSignalled && !resets) return false;
  return sibling === undefined ? summary.ice !== undefined : sibling.ice !== undefined;
}

function isLiteTo(side: "forward" | "backward", word: NonNullable<MediaOptions["iceLite"]>): boolean {
  return word === "both" || word === side;
}

/** The pair that faces this party is a new one: what was agreed for the old one begins anew. */
export function renewTransport(media: MediaState, { random, certificates }: SecurityTools): void {
  if (media.ice?.remote !== undefined) restartIce(media.ice, random);
  const { security } = media;
  if (security?.sdes !== undefined) {
    // The new pair would begin again at indices that these keys have served for (RFC 3711 section 9.1), and accept what
    // the old pair accepted: what the party says with is heard in this exchange. The suite in use stays on offer, under
    // a fresh key: where no other may be added it is all there is.
    const { used } = security.sdes;
    const renewed = used === undefined ? undefined : { ...used, isOurs: false };
    security.sdes = {
      ...security.sdes,
      used: renewed,
      told: [],
      answered: undefined,
      answers: [],
      receive: [],
      send: undefined,
    };
  }
  if (security?.dtls !== undefined && certificates !== undefined) {
    const { association, hash, heard, prefersServer } = security.dtls;
    const renewed = newDtls({ certificates, random });
    security.dtls = { ...renewed, heard, prefersServer, hash, association: association + 1 };
  }
}
