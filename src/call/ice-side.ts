/**
 * ICE towards one party for one m-line (RFC 8445, RFC 8839): our credentials and candidates, roles, restarts. Our only
 * candidates are the sockets of the pair that faces the party.
 */
import { Buffer } from "node:buffer";
import { type Endpoint, type IpAddress, ipToWords } from "../core/address.ts";
import { remoteCandidatesPerMediaMax } from "../core/limits.ts";
import type { CandidateType, IceSettings, RemoteCandidate } from "../core/plan/security.ts";
import type { Random } from "../core/random.ts";
import type { IceDescription, LocalCandidate } from "../sdp/ice-attributes.ts";
import type { IceCredentials, IceSide } from "./security-state.ts";
import { ownText } from "./text.ts";

/** 48 and 144 bits; RFC 8445 section 5.3 wants at least 24 and 128. Base64 has ICE's own characters. */
const ufragBytes = 6;
const passwordBytes = 18;

export function newIce(random: Random): IceSide {
  return {
    ...newCredentials(random),
    remote: undefined,
    candidates: [],
    peerTrickles: false,
    trickles: false,
    isIce2: false,
    isLite: false,
    isControlling: false,
    restart: 1,
    next: undefined,
    early: undefined,
  };
}

function newCredentials(random: Random): Pick<IceSide, "localUfrag" | "localPassword"> {
  return {
    localUfrag: Buffer.from(random.bytes(ufragBytes)).toString("base64"),
    localPassword: Buffer.from(random.bytes(passwordBytes)).toString("base64"),
  };
}

/**
 * This party offers ICE. Changed credentials are a restart (RFC 8839 section 4.4.3), which waits for our answer: until
 * then the way found before goes on.
 */
export function hearIceOffer(side: IceSide, ice: IceDescription): void {
  if (side.remote !== undefined && isRestart(side.remote, ice)) {
    side.next = { remote: credentialsOf(ice), candidates: candidatesOf(side, ice) };
    return;
  }
  const isFirst = side.remote === undefined;
  takeIce(side, ice);
  if (isFirst || ice.isLite) side.isControlling = ice.isLite && !side.isLite;
}

/** This party answers our offer. Other credentials than before are another branch, or follow our own restart. */
export function hearIceAnswer(side: IceSide, ice: IceDescription): void {
  if (side.remote !== undefined && isRestart(side.remote, ice)) {
    side.candidates = [];
    side.restart++;
  }
  takeIce(side, ice);
  if (ice.isLite && !side.isLite) side.isControlling = true;
}

/** Our answer to this party's offer is on its way: a restart comes into force, with new credentials of ours. */
export function settleIceOffer(side: IceSide, random: Random): void {
  const { next } = side;
  if (next === undefined) return;
  Object.assign(side, newCredentials(random));
  side.remote = next.remote;
  side.candidates = next.candidates;
  side.next = undefined;
  side.isControlling = next.remote.isLite && !side.isLite;
  side.restart++;
}

/** We restart: the pair that faces this party is another one. */
export function restartIce(side: IceSide, random: Random): void {
  Object.assign(side, newCredentials(random));
  side.remote = undefined;
  side.candidates = [];
  side.next = undefined;
  side.restart++;
}

function takeIce(side: IceSide, ice: IceDescription): void {
  const candidates = candidatesOf(side, ice);
  side.remote = credentialsOf(ice);
  // A refresh may leave out what was trickled before.
  if (candidates.length > 0) side.candidates = candidates;
  side.peerTrickles = ice.trickles;
  side.trickles ||= ice.trickles;
  side.isIce2 ||= ice.isIce2;
  side.next = undefined;
}

function isRestart({ ufrag, password }: IceCredentials, ice: IceDescription): boolean {
  return ufrag !== ice.ufrag || password !== ice.password;
}

function credentialsOf({ ufrag, password, isLite }: IceDescription): IceCredentials {
  return { ufrag: ownText(ufrag), password: ownText(password), isLite };
}

function candidatesOf(side: IceSide, ice: IceDescription): readonly RemoteCandidate[] {
  const { early } = side;
  side.early = undefined;
  const own = ice.candidates.map(ownCandidate);
  const isOfThis = early !== undefined && (early.ufrag === undefined || early.ufrag === ice.ufrag);
  return isOfThis ? joined(own, early.candidates) : own;
}

function ownCandidate(candidate: RemoteCandidate): RemoteCandidate {
  return { ...candidate, foundation: ownText(candidate.foundation) };
}

/** Trickled candidates (RFC 8840 section 4.4). Those of another generation than the known or the offered one wait for it. */
export function addCandidates(
  side: IceSide,
  ufrag: string | undefined,
  candidates: readonly RemoteCandidate[],
): void {
  const news = candidates.map(ownCandidate);
  if (side.next !== undefined && (ufrag === undefined || ufrag === side.next.remote.ufrag)) {
    side.next = { ...side.next, candidates: joined(side.next.candidates, news) };
  } else if (side.remote !== undefined && (ufrag === undefined || ufrag === side.remote.ufrag)) {
    side.candidates = joined(side.candidates, news);
  } else {
    const before = side.early?.ufrag === ufrag ? (side.early?.candidates ?? []) : [];
    side.early = {
      ufrag: ufrag === undefined ? undefined : ownText(ufrag),
      candidates: joined(before, news),
    };
  }
}

function joined(
  known: readonly RemoteCandidate[],
  news: readonly RemoteCandidate[],
): readonly RemoteCandidate[] {
  const fresh = news.filter((one) => !known.some((other) => isSamePlace(one, other)));
  return [...known, ...fresh].slice(0, remoteCandidatesPerMediaMax);
}

function isSamePlace(a: RemoteCandidate, b: RemoteCandidate): boolean {
  return (
    a.component === b.component && a.endpoint.port === b.endpoint.port && a.endpoint.ip === b.endpoint.ip
  );
}

export function iceSettings(side: IceSide): IceSettings {
  const { localUfrag, localPassword, remote, isLite, isControlling, candidates, restart } = side;
  return { localUfrag, localPassword, remote, isLite, isControlling, candidates, restart };
}

/** `low`: beside the parties' own candidates, so that they are tried first. */
export type CandidateRank = "host" | "relay" | "low";

/** Type preferences of RFC 8445 section 5.1.2.2. */
const typePreferences: Readonly<Record<CandidateRank, number>> = { host: 126, relay: 0, low: 0 };

/** Ours, as SDP shows them: RTP, and RTCP unless it shares RTP's port. */
export function localCandidates(
  ip: IpAddress,
  rtpPort: number,
  { rank, isMuxed }: { readonly rank: CandidateRank; readonly isMuxed: boolean },
): readonly LocalCandidate[] {
  const type: CandidateType = rank === "relay" ? "relay" : "host";
  const foundation = `${type === "host" ? "H" : "R"}${foundationOf(ip)}`;
  const candidate = (component: 1 | 2, endpoint: Endpoint): LocalCandidate => ({
    foundation,
    component,
    priority: typePreferences[rank] * 2 ** 24 + 65_535 * 2 ** 8 + 256 - component,
    endpoint,
    type,
  });
  const rtp = candidate(1, { ip, port: rtpPort });
  return isMuxed ? [rtp] : [rtp, candidate(2, { ip, port: rtpPort + 1 })];
}

/** One a local address (RFC 8445 section 5.1.1.3). */
function foundationOf(ip: IpAddress): string {
  const [w0, w1, w2, w3] = ipToWords(ip);
  return ((w0 ^ w1 ^ w2 ^ w3) >>> 0).toString(16);
}
