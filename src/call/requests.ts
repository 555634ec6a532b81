/**
 * What a control protocol may ask of the call model, and what it hears back.
 *
 * ng and rtpproxy translate their words into these requests and the replies into their own texts; the model knows
 * neither protocol. Requests are plain data.
 */
import type { Endpoint, IpAddress, IpFamily } from "../core/address.ts";
import type { LearningPolicy } from "../core/plan/plan.ts";
import type { FingerprintHash, SrtpSuite } from "../core/plan/security.ts";
import type { AttributeEdit, CodecEdit, ReplaceItem } from "../sdp/edits.ts";
import type { CallReport, CallSummary } from "./report.ts";

/** Correlates a request with its reply; minted by the control room. */
export type RequestId = number & { readonly __kind: "request-id" };

export type CallRequest =
  | OfferRequest
  | AnswerRequest
  | DeleteRequest
  | QueryRequest
  | ListRequest
  | UpdateRequest
  | LookupRequest
  | StreamDeleteRequest
  | StreamQueryRequest
  | DeleteAllRequest;

/** ng `offer`: create or change a call from an SDP offer (docs/ng.md). */
export interface OfferRequest {
  readonly kind: "offer";
  readonly callId: string;
  readonly fromTag: string;
  readonly toTag: string | undefined;
  readonly viaBranch: string | undefined;
  /** The body as received; one character a byte (latin1), so that nothing is lost on the way through. */
  readonly sdp: string;
  readonly options: MediaOptions;
}

/** ng `answer`: tags stand offer-wise, from = offerer, to = answerer. */
export interface AnswerRequest {
  readonly kind: "answer";
  readonly callId: string;
  readonly fromTag: string;
  readonly toTag: string;
  readonly viaBranch: string | undefined;
  readonly sdp: string;
  readonly options: MediaOptions;
}

/** ng `delete`; without a tag the whole call. */
export interface DeleteRequest {
  readonly kind: "delete";
  readonly callId: string;
  readonly fromTag: string | undefined;
  /** Only set when the request asks for the to-tag to be used. */
  readonly toTag: string | undefined;
  readonly viaBranch: string | undefined;
  /** Seconds; undefined takes the configured delay, 0 deletes at once. */
  readonly deleteDelaySec: number | undefined;
}

export interface QueryRequest {
  readonly kind: "query";
  readonly callId: string;
  readonly fromTag: string | undefined;
  readonly toTag: string | undefined;
}

export interface ListRequest {
  readonly kind: "list";
  readonly limit: number;
}

/** Which stream of an rtpproxy session: `;medianum` is cut off the tags and given apart, 0-based. */
export interface StreamKey {
  /** The call-id as sent; `callid;branch` is another session. */
  readonly callId: string;
  readonly fromTag: string;
  readonly toTag: string | undefined;
  readonly mediaIndex: number;
}

export interface StreamOptions {
  readonly isAsymmetric: boolean;
  readonly isSymmetric: boolean;
  /** Interfaces by bridge letters, [side of the caller, side of the callee]. */
  readonly bridge: readonly ["internal" | "external", "internal" | "external"] | undefined;
  readonly family: IpFamily;
  /** `l`: this local address. */
  readonly localIp: IpAddress | undefined;
  /** `n`: a new port although the session exists. */
  readonly wantsNewPort: boolean;
  /** `w`: this leg does not keep the session alive once the strong one is deleted. */
  readonly isWeak: boolean;
}

/** rtpproxy `U`: this party's address is `remote`; reply: where the other party shall send. */
export interface UpdateRequest {
  readonly kind: "update";
  readonly key: StreamKey;
  readonly remote: Endpoint;
  readonly options: StreamOptions;
  /** Stream socket and tag to tell when the session times out. */
  readonly notify: { readonly socket: string; readonly tag: string } | undefined;
}

/** rtpproxy `L`: the other party's address; an unknown session is refused with `unknown-call`. */
export interface LookupRequest {
  readonly kind: "lookup";
  readonly key: StreamKey;
  readonly remote: Endpoint;
  readonly options: StreamOptions;
}

/** rtpproxy `D`; mediaIndex undefined deletes all streams of the tags. */
export interface StreamDeleteRequest {
  readonly kind: "delete-stream";
  readonly callId: string;
  readonly fromTag: string;
  readonly toTag: string | undefined;
  readonly mediaIndex: number | undefined;
  readonly isWeak: boolean;
}

/** rtpproxy `Q`. */
export interface StreamQueryRequest {
  readonly kind: "query-stream";
  readonly callId: string;
  readonly fromTag: string;
  readonly toTag: string | undefined;
  readonly mediaIndex: number | undefined;
}

/** rtpproxy `X`. */
export interface DeleteAllRequest {
  readonly kind: "delete-all";
}

/** The flags and keys of offer and answer that shape media (shared by both; NG calls them flags). */
export interface MediaOptions {
  readonly receivedFrom: IpAddress | undefined;
  /** `trust-address` (true) or `SIP-source-address` (false): believe addresses in the SDP. */
  readonly trustsSdpAddress: boolean;
  readonly learning: LearningPolicy;
  /** `port-latching` / `no-port-latching`; undefined: ports are kept. */
  readonly portLatching: boolean | undefined;
  /** `reset`: forget what the peer did not support before. */
  readonly resets: boolean;
  readonly addressFamily: IpFamily | undefined;
  /** Replaces the address written into SDP, nothing else. */
  readonly mediaAddress: IpAddress | undefined;
  /** Logical interfaces: [of the party that speaks now, of its peer]. Unknown names fall back with a warning. */
  readonly direction: readonly [string, string] | undefined;
  /** undefined or above 255: as configured; below 0: keep. */
  readonly tos: number | undefined;
  readonly replace: ReadonlySet<ReplaceItem>;
  readonly keepsDirection: boolean;
  /** `no-rtcp-attribute`, `full-rtcp-attribute`; default writes the port alone. */
  readonly rtcpAttribute: "port" | "none" | "full";
  readonly generatesMid: boolean;
  readonly loopProtect: boolean;
  readonly rtcpMux: ReadonlySet<RtcpMuxItem>;
  /**
   * `RTP/AVP`, ... as asked for. undefined: an offer goes on as it came, and an answer goes back under the profile that
   * was offered, whatever the answerer made of it; `accept`: his change goes on to the offerer.
   */
  readonly transportProtocol: string | undefined;
  readonly ice: "default" | "remove" | "force" | "optional" | "force-relay";
  readonly codec: CodecEdit;
  /** `allow-asymmetric-codecs`: an answer may number a codec otherwise than the offer did (RFC 3264 section 6.1). */
  readonly allowsOtherTypes: boolean;
  /** `allow-no-codec-media`: media whose codecs are all taken out of an offer is offered as rejected. */
  readonly mayEmptyMedia: boolean;
  /** Attribute surgery (`sdp-attr`, flags `sdp-attr-add-..`, `sdp-media-remove`). */
  readonly attributes: readonly AttributeEdit[];
  readonly removesMedia: ReadonlySet<string>;
  readonly label: string | undefined;
  readonly toLabel: string | undefined;
  /** A trickle ICE body (`fragment`): consumed, no SDP back. */
  readonly isFragment: boolean;
  /** `ICE-lite`: we are lite towards this side of the request: forward the peer, backward him who speaks. */
  readonly iceLite: "forward" | "backward" | "both" | "off" | undefined;
  /** `trickle-ICE`: our offers say that candidates may follow. */
  readonly tricklesIce: boolean;
  /** `ICE=ice2`: our offers say so (RFC 8445 section 10). */
  readonly isIce2: boolean;
  /** `ICE-reject`: him who speaks is told that we do no ICE with him. */
  readonly rejectsIce: boolean;
  readonly bundle: ReadonlySet<BundleItem>;
  readonly sdes: SdesOptions;
  /** `DTLS`: off: no DTLS towards the peer; passive: we prefer to be the server. */
  readonly dtls: "default" | "off" | "passive" | "active";
  /** `DTLS-fingerprint`: hash of the fingerprint we show; undefined: the peer's own, else SHA-256. */
  readonly fingerprintHash: FingerprintHash | undefined;
  /** False under `no-tls-id`: no a=tls-id, and an ICE restart without one starts no new association. */
  readonly showsTlsId: boolean;
  /** `recrypt`: SRTP is keyed anew on each side even where it could pass untouched. */
  readonly recrypts: boolean;
  /** `passthrough` on or off: keys, DTLS and ICE are left to the parties; undefined: only where nothing else works. */
  readonly passthrough: boolean | undefined;
  readonly osrtp: ReadonlySet<OsrtpItem>;
}

export type BundleItem = "accept" | "offer" | "require" | "strict" | "reject";

/** Opportunistic SRTP (RFC 8643 section 3) under RTP/AVP: offer it to the peer, accept it from him who offers. */
export type OsrtpItem = "offer" | "accept";

/** `SDES` words (docs/ng.md). */
export interface SdesOptions {
  readonly isOff: boolean;
  /** `only-SUITE`: nothing else is offered or accepted; empty: all. */
  readonly only: readonly SrtpSuite[];
  /** `no-SUITE`. */
  readonly without: readonly SrtpSuite[];
  /** `order:A;B`: these first, in this order, in what we offer; the rest follows. */
  readonly order: readonly SrtpSuite[];
  /** `offerer_pref:A;B`: which of the offerer's suites we take, best first. */
  readonly offererPreference: readonly SrtpSuite[];
  /** Session parameters of what we offer (RFC 4568 section 6.3); undefined: as the other side offered. */
  readonly wantsUnencryptedRtp: boolean | undefined;
  readonly wantsUnencryptedRtcp: boolean | undefined;
  readonly wantsUnauthenticatedRtp: boolean | undefined;
  /** `lifetime`: our lines name one (2^31). */
  readonly showsLifetime: boolean;
  /** `static`: suite and key stay over a re-offer even if the peer's preference changed. */
  readonly isStatic: boolean;
  /** `nonew`: no suites are added to those the other side offered. */
  readonly addsNone: boolean;
  /** `prefer`: SDES where both it and DTLS are offered to us. */
  readonly isPreferred: boolean;
}

export type RtcpMuxItem = "offer" | "require" | "demux" | "accept" | "reject";

export type CallReply =
  | { readonly kind: "sdp"; readonly sdp: string; readonly warnings: readonly string[] }
  /** A local endpoint as it is to be advertised (U, L). */
  | { readonly kind: "endpoint"; readonly endpoint: Endpoint }
  | { readonly kind: "report"; readonly report: CallReport }
  | { readonly kind: "list"; readonly calls: readonly CallSummary[] }
  /** Trickle body taken, delete of streams or of all done. */
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly reason: CallRefusal };

/** Each control protocol has one table from these to its peer's exact text. */
export type CallRefusal =
  | "sdp-malformed"
  | "sdp-incomplete"
  | "sdp-rewrite-failed"
  | "unknown-call"
  | "unknown-tag"
  | "tags-mismatch"
  | "dialogue-invalid"
  | "no-ports"
  | "no-interface"
  | "sessions-exhausted"
  | "load-limit"
  | "limit-exceeded"
  | "unsupported-address"
  | "unsupported-protocol"
  | "shutting-down";
