/**
 * The relay plan: what the call room wants of the relay, and what the relay tells back.
 *
 * A *pair* is one RTP socket on an even port and one RTCP socket on the odd port above it, facing one party for one
 * media. The call room names pairs by numbers it mints itself and never learns about workers, slots or sockets.
 * `configure` is declarative: it carries the whole wanted state of a pair and may be repeated at will.
 */
import type { Endpoint, IpAddress, IpFamily } from "../address.ts";
import type { BundleSettings, IceSettings, PairSecurity, SrtpSuite } from "./security.ts";

/** Names a port pair for its whole life; minted by the call room, never used twice. */
export type PairId = number & { readonly __kind: "pair-id" };

/** Pairs with the same group may forward into each other: they are placed on one worker. A call is a group. */
export type GroupId = number & { readonly __kind: "group-id" };

export type RelayAction =
  | OpenPair
  | { readonly kind: "configure"; readonly pair: PairId; readonly settings: PairSettings }
  /** The pair's ports go back to the pool once its worker has let go of them; `closed` follows. */
  | { readonly kind: "close"; readonly pair: PairId };

export interface OpenPair {
  readonly kind: "open";
  readonly pair: PairId;
  readonly group: GroupId;
  /** Logical interface name; unknown or undefined means the first one of that family. */
  readonly interfaceName: string | undefined;
  readonly family: IpFamily;
  /** This local address and no other; absent: any of that interface and family. */
  readonly localIp?: IpAddress | undefined;
  /** IP TOS / traffic class byte; undefined takes the configured one. */
  readonly tos: number | undefined;
}

export type RelayEvent =
  | { readonly kind: "opened"; readonly pair: PairId; readonly local: LocalPair }
  | { readonly kind: "open-failed"; readonly pair: PairId; readonly reason: OpenFailure }
  | { readonly kind: "closed"; readonly pair: PairId }
  /** A source was proven for a socket of the pair, or proof moved. `evidence` is the rule of docs/handover.md. */
  | {
      readonly kind: "source-proven";
      readonly pair: PairId;
      readonly component: Component;
      readonly source: Endpoint;
      readonly evidence: Evidence;
    }
  /** The same and everything else the operator may want to know about sources; told at a bounded rate. */
  | {
      readonly kind: "source-noted";
      readonly pair: PairId;
      readonly component: Component;
      readonly note: SourceNote;
      readonly source: Endpoint;
      /** The rule it was judged by; undefined where none applied. */
      readonly evidence: Evidence | undefined;
    }
  /** ICE chose where to send, or chose anew. */
  | {
      readonly kind: "ice-selected";
      readonly pair: PairId;
      readonly component: Component;
      readonly remote: Endpoint;
    }
  /** No pair of candidates works, or the party stopped answering (RFC 7675 section 5.1). */
  | {
      readonly kind: "ice-failed";
      readonly pair: PairId;
      readonly reason: "no-valid-pair" | "consent-lost";
    }
  /** The handshake ended with the certificate that SDP named. */
  | {
      readonly kind: "dtls-connected";
      readonly pair: PairId;
      readonly component: Component;
      readonly suite: SrtpSuite;
    }
  | {
      readonly kind: "dtls-failed";
      readonly pair: PairId;
      readonly component: Component;
      readonly reason: DtlsFailure;
    };

/** Why a DTLS association was not made. `unavailable`: this process has no OpenSSL to do it with. */
export type DtlsFailure = "wrong-certificate" | "no-common-profile" | "handshake" | "timeout" | "unavailable";

/** no-ports: the range of that interface is used up; no-interface: nothing of that family; overloaded: a worker's queue is full. */
export type OpenFailure = "no-ports" | "no-interface" | "no-descriptors" | "overloaded";

export type Component = "rtp" | "rtcp";

export interface LocalPair {
  /** Where the RTP socket is bound; RTCP is one port above. */
  readonly rtp: Endpoint;
  /** The address SDP shows for it; differs from `rtp.ip` behind a static NAT. */
  readonly advertisedIp: Endpoint["ip"];
  /** Logical interface the pair was opened on. */
  readonly interfaceName: string;
}

/** Why a source may speak, strongest first (docs/handover.md). */
export type Evidence =
  | "cryptographic"
  | "signalled"
  | "continuity"
  | "same-place"
  | "first-speaker"
  | "new-generation"
  | "override";

/**
 * What became of a source. proven: the first one of a leg. switched: it took the leg over. rolled-back: the source before
 * went on and has the leg again. held: its packets are kept until it is decided. twin: it sends the same packets as the
 * proven one. struck: it contradicted the proven one and is not listened to for a while. refused: it was held, in vain.
 */
export type SourceNote = "proven" | "switched" | "rolled-back" | "struck" | "refused" | "held" | "twin";

export interface PairSettings {
  /** What this party sends leaves from that pair; undefined: not answered yet, or nowhere to go. */
  readonly peer: PairId | undefined;
  /** rtp: RTP and RTCP; udptl: T.38 (RFC 3362 section 3); raw: anything else, relayed without a look inside. */
  readonly transport: "rtp" | "udptl" | "raw";
  /** This party sends and receives RTCP on the RTP port (RFC 5761 section 3). */
  readonly rtcpMux: boolean;
  /** False while this party is on hold: nothing is sent to it, its proof is kept. */
  readonly mayReceive: boolean;
  /** Media from this party is relayed; false while blocked. */
  readonly maySend: boolean;
  /** True once this party's own SDP (or U/L address) is known; early packets are kept until then. */
  readonly isSignalled: boolean;
  /** Grows when this party's SDP changed (c=, port, o= version, tag); an unchanged refresh keeps it. */
  readonly generation: number;
  readonly hints: readonly SourceHint[];
  /** Where RTP goes until a source is proven; undefined: the SDP named nothing that can be reached. */
  readonly rtpTarget: Endpoint | undefined;
  /** Where RTCP goes until heard; equals `rtpTarget` under rtcp-mux. */
  readonly rtcpTarget: Endpoint | undefined;
  /** Payload types both sides have offered or answered in this call; others prove nothing. */
  readonly payloadTypes: readonly PayloadClock[];
  readonly learning: LearningPolicy;
  /** Pairs of the same party's other media: their proven sources vouch for this one. */
  readonly siblings: readonly PairId[];
  readonly security: PairSecurity;
  /** Undefined: no ICE with this party. */
  readonly ice: IceSettings | undefined;
  /** Undefined: a transport of its own. */
  readonly bundle: BundleSettings | undefined;
}

export interface PayloadClock {
  readonly payloadType: number;
  /** RTP clock rate in Hz, from a=rtpmap or the static table (RFC 3551 section 6). */
  readonly clockRateHz: number;
}

/** A place where this party's media may come from, as signalling told. */
export interface SourceHint {
  readonly origin: "sdp" | "sdp-rtcp" | "received-from" | "command";
  readonly endpoint: Endpoint;
  /**
   * The IP alone, any port, counts as evidence: public or on-link, not a signalling proxy, not ours.
   * False: only the exact ip:port counts.
   */
  readonly isIpUsable: boolean;
  /** Not usable only because other calls' media comes from there too: no evidence, but the party is expected there. */
  readonly isIpShared: boolean;
}

/** The explicit overrides of ng and rtpproxy; all off is the default policy. */
export interface LearningPolicy {
  /** `asymmetric`, rtpproxy `a`: what is received never changes where we send. */
  readonly isAsymmetric: boolean;
  /** `strict-source`: nothing but signalled or proven sources, no first speaker. */
  readonly isStrict: boolean;
  /** `media-handover`, as rtpengine means it: any packet from another address moves the leg. */
  readonly followsAnySource: boolean;
  /** `endpoint-learning`: rtpengine's words; `default` is ours (docs/handover.md). */
  readonly mode: "default" | "off" | "immediate" | "delayed" | "heuristic";
}

export const defaultLearning: LearningPolicy = {
  isAsymmetric: false,
  isStrict: false,
  followsAnySource: false,
  mode: "default",
};
