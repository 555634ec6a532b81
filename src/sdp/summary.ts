/** An SDP as plain values: what the call model wants to know of it. */
import { type Endpoint, type IpAddress, isUnspecified } from "../core/address.ts";
import type { Fingerprint } from "../core/plan/security.ts";
import { type Codec, parsePayloadType, readCodecs } from "./codec.ts";
import { connectionOf } from "./connection.ts";
import { type CryptoAttribute, readCrypto } from "./crypto-attribute.ts";
import type { MediaSection, SessionDescription } from "./description.ts";
import { type Direction, withoutReceiving } from "./direction.ts";
import { type Extensions, extensionsFor, midExtensionOf, readSharedExtensions } from "./extensions.ts";
import type { SetupRole } from "./fingerprint.ts";
import { type IceDescription, readCandidates } from "./ice-attributes.ts";
import { type Origin, originOf } from "./origin.ts";
import { type TransportProtocol, transportProtocol } from "./protocol.ts";
import type { RtcpAttribute } from "./rtcp-attribute.ts";
import { readTraits, type Traits } from "./traits.ts";

export interface SessionSummary {
  /** undefined without a usable o= line. */
  readonly origin: Origin | undefined;
  /** Session-level c=. */
  readonly connection: IpAddress | undefined;
  /** Mids of each a=group:BUNDLE. */
  readonly bundles: readonly (readonly string[])[];
  /** Values of a=rtpengine: relays this body went through. */
  readonly loopMarks: readonly string[];
  readonly media: readonly MediaSummary[];
}

export interface MediaSummary {
  /** 0-based m-line. */
  readonly index: number;
  readonly kind: string;
  readonly protocol: TransportProtocol;
  /** False for m=message (MSRP, RFC 4975 section 8): it is TCP and passes with its own address and port. */
  readonly isRelayed: boolean;
  /** 0: rejected. */
  readonly port: number;
  readonly portCount: number;
  readonly formats: readonly string[];
  /** What c= says, of the media or the session; undefined when neither has one: the body is incomplete. */
  readonly ip: IpAddress | undefined;
  /** Where media goes; undefined when rejected, without address, or 0.0.0.0. */
  readonly remote: Endpoint | undefined;
  /** a=rtcp, or the port above; the RTP endpoint itself where a=rtcp names that. undefined like `remote`. */
  readonly remoteRtcp: Endpoint | undefined;
  /** c= is 0.0.0.0 or ::, "send me nothing" of old (RFC 3264 section 8.4). */
  readonly isHeldByAddress: boolean;
  /** a=rtcp-mux, or a=rtcp naming the RTP endpoint. */
  readonly rtcpMux: boolean;
  /** a=rtcp-mux-only (RFC 8858 section 3). */
  readonly rtcpMuxOnly: boolean;
  /** As the attributes say, less receiving where c= is 0.0.0.0. */
  readonly direction: Direction;
  /** RTP only; empty for a rejected m-line. */
  readonly codecs: readonly Codec[];
  /** A format of an RTP m-line is not a payload type 0 to 127: the body is incomplete. */
  readonly hasBadFormats: boolean;
  readonly ptimeMs: number | undefined;
  readonly mid: string | undefined;
  /** a=ice-ufrag, of the media or the session, whether or not all of ICE is there. */
  readonly hasIce: boolean;
  /** Keys of suites we know, in their order. */
  readonly crypto: readonly CryptoAttribute[];
  /** Of hashes we know; the media's own, else the session's. */
  readonly fingerprints: readonly Fingerprint[];
  readonly setup: SetupRole | undefined;
  readonly tlsId: string | undefined;
  /** Undefined without both ufrag and password. */
  readonly ice: IceDescription | undefined;
  /** a=bundle-only (RFC 8843 section 6): port 0 is no rejection. */
  readonly isBundleOnly: boolean;
  /** a=ssrc (RFC 5576 section 4.1), each once. */
  readonly ssrcs: readonly number[];
  /** a=extmap number of the mid (RFC 8843 section 15). */
  readonly midExtension: number | undefined;
}

export function summarise(description: SessionDescription): SessionSummary {
  const traits = readTraits(description.session);
  const connection = connectionOf(description.session);
  const session = { traits, connection, extensions: readSharedExtensions(description.session) };
  return {
    origin: originOf(description),
    connection,
    bundles: traits.bundles,
    loopMarks: traits.loopMarks,
    media: description.media.map((section, index) => summariseMedia(section, index, session)),
  };
}

interface SessionLevel {
  readonly traits: Traits;
  readonly connection: IpAddress | undefined;
  readonly extensions: Extensions;
}

function summariseMedia(section: MediaSection, index: number, session: SessionLevel): MediaSummary {
  const traits = readTraits(section.lines);
  const protocol = transportProtocol(section.protocol);
  const isLiveRtp = protocol.transport === "rtp" && (section.port !== 0 || traits.isBundleOnly);
  const ip = connectionOf(section.lines) ?? session.connection;
  const isNowhere = ip !== undefined && isUnspecified(ip);
  const trickles = mayTrickle(traits, session.traits, section.port === 9 && isNowhere);
  const isHeldByAddress = isNowhere && !trickles;
  const isReachable = ip !== undefined && !isNowhere && section.port !== 0;
  const remote = isReachable ? { ip, port: section.port } : undefined;
  const remoteRtcp = remote === undefined ? undefined : rtcpEndpoint(remote, section, traits.rtcp);
  const codecs = isLiveRtp ? readCodecs(section) : [];
  const direction = traits.direction ?? session.traits.direction ?? "sendrecv";
  return {
    index,
    kind: section.kind,
    protocol,
    isRelayed: section.kind !== "message",
    port: section.port,
    portCount: section.portCount,
    formats: section.formats,
    ip,
    remote,
    remoteRtcp,
    isHeldByAddress,
    rtcpMux: traits.rtcpMux || (remoteRtcp !== undefined && isSame(remoteRtcp, remote)),
    rtcpMuxOnly: traits.rtcpMuxOnly,
    direction: isHeldByAddress ? withoutReceiving(direction) : direction,
    codecs,
    hasBadFormats: isLiveRtp && section.formats.some((format) => parsePayloadType(format) === undefined),
    ptimeMs: traits.ptimeMs,
    mid: traits.mid,
    hasIce: (traits.ufrag ?? session.traits.ufrag) !== undefined,
    crypto: readCrypto(section.lines),
    fingerprints: traits.fingerprints ?? session.traits.fingerprints ?? [],
    setup: traits.setup ?? session.traits.setup,
    tlsId: traits.tlsId ?? session.traits.tlsId,
    ice: iceOf(section, traits, session.traits, trickles),
    isBundleOnly: traits.isBundleOnly,
    ssrcs: traits.ssrcs,
    midExtension: midExtensionOf(extensionsFor(section.lines, session.extensions)),
  };
}

/**
 * The address may be yet to come, by trickled candidates (RFC 8840 section 4.1.1): 0.0.0.0 is no hold then. Without
 * a=ice-options the address has to show it.
 */
function mayTrickle(own: Traits, session: Traits, isPlaceholder: boolean): boolean {
  if (own.ufrag === undefined && session.ufrag === undefined) return false;
  const options = own.iceOptions ?? session.iceOptions;
  return options === undefined ? isPlaceholder : options.includes("trickle");
}

function iceOf(section: MediaSection, own: Traits, session: Traits, trickles: boolean): MediaSummary["ice"] {
  const ufrag = own.ufrag ?? session.ufrag;
  const password = own.password ?? session.password;
  if (ufrag === undefined || password === undefined) return undefined;
  return {
    ufrag,
    password,
    isLite: own.isIceLite || session.isIceLite,
    trickles,
    isIce2: (own.iceOptions ?? session.iceOptions)?.includes("ice2") === true,
    candidates: readCandidates(section.lines, ufrag),
    hasEnded: own.hasEnded || session.hasEnded,
  };
}

function isSame(a: Endpoint, b: Endpoint | undefined): boolean {
  return b !== undefined && a.port === b.port && a.ip === b.ip;
}

/** a=rtcp counts for a single port pair only; its 0.0.0.0 means the address of c=. */
function rtcpEndpoint(
  rtp: Endpoint,
  section: MediaSection,
  rtcp: RtcpAttribute | undefined,
): Endpoint | undefined {
  if (rtcp === undefined || section.portCount !== 1) {
    return rtp.port < 65535 ? { ip: rtp.ip, port: rtp.port + 1 } : undefined;
  }
  const hasOwnIp = rtcp.ip !== undefined && !isUnspecified(rtcp.ip);
  return { ip: hasOwnIp ? rtcp.ip : rtp.ip, port: rtcp.port };
}
