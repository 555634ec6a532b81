/** What is told about a call to whoever asks. */
import type { PairId } from "../core/plan/plan.ts";
import type { MonotonicMs } from "../core/time.ts";
import { carrierIndex, carrierOf } from "./carrier.ts";
import { legByTag } from "./leg.ts";
import type {
  CallReport,
  CallSummary,
  IceReport,
  LegReport,
  MediaReport,
  PairPlace,
  SecurityReport,
} from "./report.ts";
import type { CallState, LegState, MediaState } from "./state.ts";

export function reportCall(
  call: CallState,
  nowMs: MonotonicMs,
  legs: readonly LegState[] = call.legs,
): CallReport {
  return {
    callId: call.callId,
    createdAt: call.createdAt,
    lastSignalAt: call.lastSignalAt,
    ageMs: nowMs - call.createdAtMs,
    isDeleted: call.deleteAtMs !== undefined,
    legs: legs.map(reportLeg),
  };
}

/** The legs of one tag: itself and whom it talks with; without a tag all of them. */
export function legsOfTag(call: CallState, tag: string | undefined): readonly LegState[] {
  if (tag === undefined || tag === "") return call.legs;
  const leg = legByTag(call, tag);
  if (leg === undefined) return [];
  return call.legs.filter((other) => other === leg || leg.peers.includes(other.id));
}

export function placeInCall(call: CallState, pair: PairId): PairPlace | undefined {
  for (const [legIndex, leg] of call.legs.entries()) {
    const index = leg.media.findIndex((media) => media.pair?.id === pair);
    const media = leg.media[index];
    if (media === undefined) continue;
    return { callId: call.callId, leg: legIndex + 1, tag: leg.tag, media: index + 1, type: media.kind };
  }
  return undefined;
}

export function summariseCall(call: CallState): CallSummary {
  return { callId: call.callId, createdAt: call.createdAt };
}

function reportLeg(leg: LegState): LegReport {
  return {
    legId: leg.id,
    tag: leg.tag,
    viaBranch: leg.viaBranch,
    aliases: [...leg.aliases],
    label: leg.label,
    createdAt: leg.createdAt,
    peers: [...leg.peers],
    media: leg.media.map((media, index) => reportMedia(leg, media, index)),
  };
}

function reportMedia(leg: LegState, media: MediaState, index: number): MediaReport {
  const { pair } = media;
  return {
    index,
    type: media.kind,
    protocol: media.protocol,
    codec: media.codec,
    isActive: media.isActive && pair !== undefined,
    direction: media.direction,
    rtcpMux: media.rtcpMux,
    isAsymmetric: leg.learning.isAsymmetric,
    isStrict: leg.learning.isStrict,
    followsAnySource: leg.learning.followsAnySource,
    pair: pair?.id,
    local:
      pair === undefined
        ? undefined
        : { ip: pair.local.rtp.ip, advertisedIp: pair.local.advertisedIp, port: pair.local.rtp.port },
    advertised: media.remote,
    advertisedRtcp: media.rtcpMux ? media.remote : media.remoteRtcp,
    security: reportSecurity(carrierOf(leg, index) ?? media),
    ice: reportIce(carrierOf(leg, index) ?? media),
    carrier: media.bundle?.carrier === undefined ? undefined : carrierIndex(leg, index),
  };
}

function reportSecurity({ security, transport, pair }: MediaState): SecurityReport | undefined {
  if (security === undefined || security.kind === "none" || transport !== "rtp") return undefined;
  const { kind, sdes, dtls } = security;
  const facts = pair?.transport;
  const isOfThis = facts?.dtlsAssociation === dtls?.association;
  const { dtlsSuite, dtlsFailure } = isOfThis ? (facts ?? {}) : {};
  if (kind !== "dtls") {
    const suite = kind === "sdes" ? sdes?.send?.suite : undefined;
    return { kind, suite, isVerified: false, failure: undefined };
  }
  return { kind, suite: dtlsSuite, isVerified: dtlsSuite !== undefined, failure: dtlsFailure };
}

function reportIce({ ice, pair }: MediaState): IceReport | undefined {
  if (ice === undefined) return undefined;
  const { isControlling, isLite } = ice;
  const { iceRemote, iceFailure } = pair?.transport ?? {};
  return { isControlling, isLite, selected: iceRemote, failure: iceFailure };
}
