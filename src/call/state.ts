/**
 * A call as plain data: everything is reached by ids, nothing is a class, a closure or a cycle, so a call can be
 * turned into bytes and back.
 *
 * call -> legs (one a party: a tag, or a branch that has not answered) -> media (one an m-line) -> port pair.
 */
import type { Endpoint, IpAddress, IpFamily } from "../core/address.ts";
import type {
  DtlsFailure,
  GroupId,
  LearningPolicy,
  LocalPair,
  PairId,
  PairSettings,
  PayloadClock,
} from "../core/plan/plan.ts";
import type { SrtpSuite } from "../core/plan/security.ts";
import type { MonotonicMs, UnixMs } from "../core/time.ts";
import type { Codec } from "../sdp/codec.ts";
import type { SessionDescription } from "../sdp/description.ts";
import type { Direction } from "../sdp/direction.ts";
import type { OriginMemory } from "../sdp/origin.ts";
import type { SessionSummary } from "../sdp/summary.ts";
import type { CallRequest, RequestId } from "./requests.ts";
import type { BundleSide, IceSide, SecurityState } from "./security-state.ts";

/** The moment of a request on both clocks. */
export interface Now {
  readonly monotonicMs: MonotonicMs;
  readonly unixMs: UnixMs;
}

export interface CallState {
  readonly callId: string;
  readonly group: GroupId;
  readonly createdAtMs: MonotonicMs;
  readonly createdAt: UnixMs;
  lastSignalAtMs: MonotonicMs;
  lastSignalAt: UnixMs;
  /** Stands in o= lines where we have to write our own. */
  readonly ownSessionId: string;
  nextLegId: number;
  readonly legs: LegState[];
  /** TOS byte of this call's sockets; undefined takes the configured one. */
  tos: number | undefined;
  /** rtpproxy: some U or L came without `w`. */
  isStrong: boolean;
  /** When the whole call goes; undefined while it is not deleted. */
  deleteAtMs: MonotonicMs | undefined;
  notify: { readonly socket: string; readonly tag: string } | undefined;
  work: Work | undefined;
  readonly waiting: QueuedRequest[];
}

export interface LegState {
  readonly id: number;
  tag: string | undefined;
  readonly aliases: string[];
  viaBranch: string | undefined;
  label: string | undefined;
  readonly createdAt: UnixMs;
  /** Legs that offers and answers were exchanged with, oldest first. Replaced as it grows, see `media`. */
  peers: readonly number[];
  /** The leg whose media this one hears; it counts only when both name each other. */
  active: number | undefined;
  /** True once an SDP (or U/L address) of this party has been heard. */
  isHeard: boolean;
  generation: number;
  /** What the generation was counted from: tag, o= identity and addresses of the last SDP. */
  identity: string;
  /** Family asked for by `address-family` or seen in this party's SDP. */
  family: IpFamily | undefined;
  /** Logical interface asked for by `direction` or bridge letters. */
  interfaceName: string | undefined;
  /** Source address of this party's SIP, if the proxy told. */
  receivedFrom: IpAddress | undefined;
  learning: LearningPolicy;
  /** What this party was told in o=. */
  told: OriginMemory | undefined;
  /** m-lines of the peer that `sdp-media-remove` keeps from this party, ascending. */
  skipped: number[];
  /** rtpproxy `w`. */
  isWeak: boolean;
  /** When a deleted branch goes. */
  deleteAtMs: MonotonicMs | undefined;
  /** Replaced as it grows: an array that is pushed to makes room for 17 entries, and nearly all of these have one. */
  media: readonly MediaState[];
}

export interface MediaState {
  kind: string;
  protocol: string;
  transport: PairSettings["transport"];
  /** First codec, e.g. `PCMU/8000`. */
  codec: string | undefined;
  /** False once rejected or removed. */
  isActive: boolean;
  /** This party has said where this media goes, or that it holds. */
  isSignalled: boolean;
  /** As this party said it. */
  direction: Direction;
  /** 0.0.0.0 or port 0: nothing is to be sent there. */
  isHeld: boolean;
  /** Where this party's signalling says media goes; kept over a hold. */
  remote: Endpoint | undefined;
  remoteRtcp: Endpoint | undefined;
  /** The SDP's address counts for this media (`trust-address`, or ICE). */
  trustsAddress: boolean;
  origin: "sdp" | "command";
  /** RTCP runs on the RTP port with this party. */
  rtcpMux: boolean;
  /** rtcp-mux stood in what we offered this party. */
  hasOfferedMux: boolean;
  /** The offer settled what the offerer gets back, whatever this party answers. */
  overridesMux: boolean;
  mid: string | undefined;
  /** a=ptime as either party last gave it for this m-line. */
  ptimeMs: number | undefined;
  /** Formats of the m= line where `codecs` does not tell them: it is not RTP, or rejected. */
  formats: readonly string[];
  clocks: readonly PayloadClock[];
  /** As this party last offered or answered; see `keptCodecs`. */
  codecs: readonly Codec[];
  /** As last written to this party. */
  toldCodecs: readonly Codec[];
  pair: PairState | undefined;
  /** Undefined: plain. */
  security: SecurityState | undefined;
  /** Undefined: no ICE with this party. */
  ice: IceSide | undefined;
  /** Undefined: not in a bundle, and none is offered. */
  bundle: BundleSide | undefined;
}

export interface PairState {
  readonly id: PairId;
  readonly local: LocalPair;
  /** What was asked for when it was opened. */
  readonly interfaceName: string | undefined;
  readonly family: IpFamily;
  /** Source proven for RTP, as the relay told. */
  provenIp: IpAddress | undefined;
  /** What the relay told of ICE and DTLS; undefined: nothing. */
  transport: TransportFacts | undefined;
}

export interface TransportFacts {
  /** Where ICE chose to send RTP. */
  iceRemote: Endpoint | undefined;
  iceFailure: "no-valid-pair" | "consent-lost" | undefined;
  /** Of the handshake that ended with the certificate SDP named. */
  dtlsSuite: SrtpSuite | undefined;
  /** Of which association that, or the failure, was told. */
  dtlsAssociation: number | undefined;
  dtlsFailure: DtlsFailure | undefined;
}

export interface QueuedRequest {
  readonly id: RequestId;
  readonly now: Now;
  readonly request: CallRequest;
}

/** A request that waits for its ports. */
export interface Work {
  readonly queued: QueuedRequest;
  readonly isNewCall: boolean;
  /** Legs made by this request: they go when it fails. */
  readonly createdLegs: readonly number[];
  /** Leg that speaks and leg that is spoken to. */
  readonly speaker: number;
  readonly listener: number;
  readonly sdp: ParsedSdp | undefined;
  readonly opens: PendingOpen[];
  readonly deadlineMs: MonotonicMs;
}

export interface ParsedSdp {
  readonly description: SessionDescription;
  readonly summary: SessionSummary;
}

export interface PendingOpen {
  readonly leg: number;
  readonly mediaIndex: number;
  readonly pair: PairId;
  readonly interfaceName: string | undefined;
  readonly family: IpFamily;
  local: LocalPair | undefined;
}

export function findLeg(call: CallState, id: number | undefined): LegState | undefined {
  return id === undefined ? undefined : call.legs.find((leg) => leg.id === id);
}

/** The leg this one talks with now: both name each other. */
export function activePeer(call: CallState, leg: LegState): LegState | undefined {
  const peer = findLeg(call, leg.active);
  return peer?.active === leg.id ? peer : undefined;
}
