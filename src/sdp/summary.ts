/** An SDP as plain values: what the call model wants to know of it. */
import { type Endpoint, type IpAddress, isUnspecified } from "../core/address.ts";
import type { PayloadClock } from "../core/plan/plan.ts";
import { attributeName, attributeValue } from "./attribute.ts";
import { type Codec, parsePayloadType, readCodecs } from "./codec.ts";
import { connectionOf } from "./connection.ts";
import type { MediaSection, SdpLine, SessionDescription } from "./description.ts";
import { type Direction, directionOf, withoutReceiving } from "./direction.ts";
import { type Origin, originOf } from "./origin.ts";
import { type TransportProtocol, transportProtocol } from "./protocol.ts";
import { parseRtcpAttribute, type RtcpAttribute } from "./rtcp-attribute.ts";

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
  /** Of the codecs whose clock rate is known. */
  readonly payloadClocks: readonly PayloadClock[];
  /** A format of an RTP m-line is not a payload type 0 to 127: the body is incomplete. */
  readonly hasBadFormats: boolean;
  readonly ptimeMs: number | undefined;
  readonly mid: string | undefined;
  /** a=ice-ufrag, of the media or the session. */
  readonly hasIce: boolean;
  /** a=crypto (RFC 4568 section 4). */
  readonly hasSdes: boolean;
  /** a=fingerprint, of the media or the session. */
  readonly hasDtls: boolean;
}

/** Attributes of one level, as far as anyone asks for them. */
interface Traits {
  direction: Direction | undefined;
  rtcp: RtcpAttribute | undefined;
  rtcpMux: boolean;
  rtcpMuxOnly: boolean;
  ptimeMs: number | undefined;
  mid: string | undefined;
  hasIce: boolean;
  iceOptions: string | undefined;
  hasSdes: boolean;
  hasDtls: boolean;
  bundles: string[][];
  loopMarks: string[];
}

export function summarise(description: SessionDescription): SessionSummary {
  const traits = readTraits(description.session);
  const connection = connectionOf(description.session);
  return {
    origin: originOf(description),
    connection,
    bundles: traits.bundles,
    loopMarks: traits.loopMarks,
    media: description.media.map((section, index) => summariseMedia(section, index, { traits, connection })),
  };
}

interface SessionLevel {
  readonly traits: Traits;
  readonly connection: IpAddress | undefined;
}

function summariseMedia(section: MediaSection, index: number, session: SessionLevel): MediaSummary {
  const traits = readTraits(section.lines);
  const protocol = transportProtocol(section.protocol);
  const isLiveRtp = protocol.transport === "rtp" && section.port !== 0;
  const ip = connectionOf(section.lines) ?? session.connection;
  const isNowhere = ip !== undefined && isUnspecified(ip);
  const isHeldByAddress = isNowhere && !isTrickling(section, traits, session.traits);
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
    payloadClocks: payloadClocks(codecs),
    hasBadFormats: isLiveRtp && section.formats.some((format) => parsePayloadType(format) === undefined),
    ptimeMs: traits.ptimeMs,
    mid: traits.mid,
    hasIce: traits.hasIce || session.traits.hasIce,
    hasSdes: traits.hasSdes,
    hasDtls: traits.hasDtls || session.traits.hasDtls,
  };
}

/** The address is yet to come, by trickled candidates (RFC 8840 section 4.1.1): not a hold. */
function isTrickling(section: MediaSection, own: Traits, session: Traits): boolean {
  if (!own.hasIce && !session.hasIce) return false;
  const options = own.iceOptions ?? session.iceOptions;
  return options === undefined ? section.port === 9 : options.includes("trickle");
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

function payloadClocks(codecs: readonly Codec[]): readonly PayloadClock[] {
  const clocks: PayloadClock[] = [];
  for (const { payloadType, clockRateHz } of codecs) {
    if (clockRateHz > 0) clocks.push({ payloadType, clockRateHz });
  }
  return clocks;
}

function readTraits(lines: readonly SdpLine[]): Traits {
  const traits: Traits = {
    direction: directionOf(lines),
    rtcp: undefined,
    rtcpMux: false,
    rtcpMuxOnly: false,
    ptimeMs: undefined,
    mid: undefined,
    hasIce: false,
    iceOptions: undefined,
    hasSdes: false,
    hasDtls: false,
    bundles: [],
    loopMarks: [],
  };
  for (const { type, value } of lines) if (type === "a") readTrait(traits, value);
  return traits;
}

function readTrait(traits: Traits, text: string): void {
  switch (attributeName(text)) {
    case "rtcp":
      traits.rtcp ??= parseRtcpAttribute(attributeValue(text));
      break;
    case "rtcp-mux":
      traits.rtcpMux = true;
      break;
    case "rtcp-mux-only":
      traits.rtcpMuxOnly = true;
      break;
    case "ptime":
      traits.ptimeMs ??= parsePtime(attributeValue(text));
      break;
    case "mid":
      traits.mid ??= attributeValue(text) || undefined;
      break;
    case "ice-ufrag":
      traits.hasIce = true;
      break;
    case "ice-options":
      traits.iceOptions ??= attributeValue(text);
      break;
    case "crypto":
      traits.hasSdes = true;
      break;
    case "fingerprint":
      traits.hasDtls = true;
      break;
    case "rtpengine":
      traits.loopMarks.push(attributeValue(text));
      break;
    case "group":
      if (text.startsWith("group:BUNDLE ")) traits.bundles.push(words(text.slice("group:BUNDLE ".length)));
      break;
  }
}

function words(text: string): string[] {
  return text.split(" ").filter((word) => word !== "");
}

/** Whole milliseconds, 1 to 9999; anything else counts as absent. */
function parsePtime(text: string): number | undefined {
  const match = /^([1-9]\d{0,3})(?!\d)/.exec(text);
  return match === null ? undefined : Number(match[1]);
}
