/** What the relay is told about a pair: the whole wanted state, worked out anew from the call's state. */
import { type Endpoint, familyOf, type IpAddress } from "../core/address.ts";
import {
  formatsPerMediaMax,
  hintsPerSlotMax,
  remoteCandidatesPerLegMax,
  siblingsPerSlotMax,
} from "../core/limits.ts";
import type { PairId, PairSettings, PayloadClock, SourceHint } from "../core/plan/plan.ts";
import type { IceSettings } from "../core/plan/security.ts";
import type { AddressJudge } from "./address-judge.ts";
import { carrierIndex } from "./carrier.ts";
import { counterpartIndex } from "./counterpart.ts";
import { linesHeard } from "./passed-bundle.ts";
import { transportSettings } from "./secure-settings.ts";
import { activePeer, type CallState, type LegState, type MediaState, type PairState } from "./state.ts";

/** Settings of the pair that faces `leg` for m-line `index`. */
export function pairSettings(
  call: CallState,
  leg: LegState,
  index: number,
  judge: AddressJudge,
): PairSettings | undefined {
  const media = leg.media[index];
  if (media?.pair === undefined) return undefined;
  const peerMedia = peerMediaOf(call, leg, index);
  const isLive = media.isActive && peerMedia?.isActive === true;
  const { security, ice, bundle } = transportSettings(leg, index);
  // Where ICE runs with both sides' credentials it alone says where to send: an SDP may name anybody's address.
  const targets = ice?.remote === undefined ? sendTargets(leg, media, media.pair, judge) : nowhere;
  const from = media.pair.local.rtp.ip;
  return {
    peer: isLive ? peerMedia?.pair?.id : undefined,
    transport: media.transport,
    rtcpMux: media.rtcpMux,
    mayReceive: mayReceive(media),
    maySend: true,
    isSignalled: media.isSignalled,
    generation: leg.generation,
    hints: sourceHints(call, leg, media, judge),
    rtpTarget: targets.rtp,
    rtcpTarget: targets.rtcp,
    payloadTypes: payloadTypes(call, leg, index),
    learning: leg.learning,
    siblings: siblings(leg, index),
    security,
    ice: ice === undefined ? undefined : withinShare(leg, reachable(ice, from, judge)),
    bundle,
  };
}

function peerMediaOf(call: CallState, leg: LegState, index: number): MediaState | undefined {
  const peer = activePeer(call, leg);
  if (peer === undefined) return undefined;
  const peerIndex = counterpartIndex(leg, peer, index);
  return peerIndex === undefined ? undefined : peer.media[peerIndex];
}

/** Either party's. */
function payloadTypes(call: CallState, leg: LegState, index: number): readonly PayloadClock[] {
  let types: readonly PayloadClock[] = [];
  for (const at of linesHeard(leg, index)) {
    types = mergeClocks(types, leg.media[at]?.clocks ?? []);
    types = mergeClocks(types, peerMediaOf(call, leg, at)?.clocks ?? []);
  }
  return types;
}

function mayReceive(media: MediaState): boolean {
  // Not by direction: a=sendonly asks the other party to be quiet, and RTCP flows all the while (RFC 3264 section 8.4).
  return !media.isHeld;
}

interface Targets {
  readonly rtp: Endpoint | undefined;
  readonly rtcp: Endpoint | undefined;
}

const nowhere: Targets = { rtp: undefined, rtcp: undefined };

/**
 * The SDP's address; where it cannot be reached, the address SIP came from with the SDP's port. An address of a
 * family the socket does not have is no target, nor is one of this machine alone.
 */
function sendTargets(leg: LegState, media: MediaState, pair: PairState, judge: AddressJudge): Targets {
  const { remote, remoteRtcp } = media;
  if (remote === undefined || remote.port === 0) return nowhere;
  const from = pair.local.rtp.ip;
  const ip = targetIp({ leg, media, from }, remote.ip, judge);
  if (ip === undefined) return nowhere;
  const rtp = { ip, port: remote.port };
  if (media.rtcpMux) return { rtp, rtcp: rtp };
  const rtcp = rtcpEndpoint(media, remote, remoteRtcp);
  if (rtcp === undefined) return { rtp, rtcp: undefined };
  const followsRtp = ip !== remote.ip && rtcp.ip === remote.ip;
  const rtcpIp = followsRtp ? ip : rtcp.ip;
  return { rtp, rtcp: canReach(rtcpIp, from, judge) ? { ip: rtcpIp, port: rtcp.port } : undefined };
}

interface Aim {
  readonly leg: LegState;
  readonly media: MediaState;
  /** Of our socket. */
  readonly from: IpAddress;
}

function targetIp({ leg, media, from }: Aim, sdpIp: IpAddress, judge: AddressJudge): IpAddress | undefined {
  const { receivedFrom } = leg;
  const mayStandIn =
    receivedFrom !== undefined && canReach(receivedFrom, from, judge) && judge.mayStandIn(receivedFrom);
  const standIn = mayStandIn ? receivedFrom : undefined;
  if (!media.trustsAddress && standIn !== undefined) return standIn;
  const fits = canReach(sdpIp, from, judge);
  if (fits && (media.origin === "command" || judge.isReachable(sdpIp))) return sdpIp;
  return standIn ?? (fits ? sdpIp : undefined);
}

function canReach(ip: IpAddress, from: IpAddress, judge: AddressJudge): boolean {
  return familyOf(ip) === familyOf(from) && judge.maySendTo(ip, from);
}

/** Candidates are addresses somebody named: none of this machine alone, none our socket cannot reach. */
function reachable(ice: IceSettings, from: IpAddress, judge: AddressJudge): IceSettings {
  const candidates = ice.candidates.filter(({ endpoint }) => canReach(endpoint.ip, from, judge));
  return candidates.length === ice.candidates.length ? ice : { ...ice, candidates };
}

/** Without a bundle every m-line has an agent of its own, and one call's agents must not take all of the time there is. */
function withinShare(leg: LegState, ice: IceSettings): IceSettings {
  let agents = 0;
  for (const [at, media] of leg.media.entries()) {
    if (media.ice !== undefined && media.pair !== undefined && carrierIndex(leg, at) === at) agents++;
  }
  const share = Math.floor(remoteCandidatesPerLegMax / Math.max(1, agents));
  if (ice.candidates.length <= share) return ice;
  const best = [...ice.candidates].sort((a, b) => b.priority - a.priority);
  return { ...ice, candidates: best.slice(0, share) };
}

function rtcpEndpoint(
  media: MediaState,
  remote: Endpoint,
  remoteRtcp: Endpoint | undefined,
): Endpoint | undefined {
  if (media.transport !== "rtp") return undefined;
  if (remoteRtcp !== undefined) return remoteRtcp;
  return remote.port < 65_535 ? { ip: remote.ip, port: remote.port + 1 } : undefined;
}

function sourceHints(
  call: CallState,
  leg: LegState,
  media: MediaState,
  judge: AddressJudge,
): readonly SourceHint[] {
  const { remote, remoteRtcp } = media;
  if (remote === undefined) return [];
  const hints: SourceHint[] = [];
  const add = (origin: SourceHint["origin"], endpoint: Endpoint): void => {
    if (hints.length >= hintsPerSlotMax) return;
    const worth = judge.worth(endpoint.ip, call);
    hints.push({ origin, endpoint, isIpUsable: worth === "usable", isIpShared: worth === "shared" });
  };
  const believesSdp = media.trustsAddress || leg.receivedFrom === undefined;
  if (believesSdp) add(media.origin, remote);
  if (believesSdp && remoteRtcp !== undefined && isOwnPlace(remote, remoteRtcp)) add("sdp-rtcp", remoteRtcp);
  if (leg.receivedFrom !== undefined && judge.mayStandIn(leg.receivedFrom)) {
    const isNews = !believesSdp || leg.receivedFrom !== remote.ip;
    if (isNews) add("received-from", { ip: leg.receivedFrom, port: remote.port });
  }
  return hints;
}

/** RTCP neither on the RTP port nor on the one above, which goes without saying (RFC 3550 section 11). */
function isOwnPlace(rtp: Endpoint, rtcp: Endpoint): boolean {
  return rtcp.ip !== rtp.ip || (rtcp.port !== rtp.port && rtcp.port !== rtp.port + 1);
}

/** Union of payload types; the first clock named for a type stays. */
export function mergeClocks(
  first: readonly PayloadClock[],
  second: readonly PayloadClock[],
): readonly PayloadClock[] {
  if (second.length === 0 || first === second) return first;
  if (first.length === 0) return second;
  const news = second.filter((clock) => !first.some((known) => known.payloadType === clock.payloadType));
  return news.length === 0 ? first : [...first, ...news].slice(0, formatsPerMediaMax);
}

const noSiblings: readonly PairId[] = [];

function siblings(leg: LegState, index: number): readonly PairId[] {
  if (leg.media.length === 1) return noSiblings;
  const pairs: PairId[] = [];
  for (const [at, media] of leg.media.entries()) {
    if (at !== index && media.pair !== undefined && pairs.length < siblingsPerSlotMax)
      pairs.push(media.pair.id);
  }
  return pairs;
}
