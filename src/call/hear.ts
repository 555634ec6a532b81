/** What a party said in its SDP, taken into its leg. */
import { familyOf, type IpFamily } from "../core/address.ts";
import type { MediaSummary, SessionSummary } from "../sdp/summary.ts";
import { keptCodecs } from "./kept-codecs.ts";
import { mediaAt, noFormats } from "./leg.ts";
import type { MediaOptions } from "./requests.ts";
import { mergeClocks } from "./settings.ts";
import type { LegState, MediaState } from "./state.ts";
import { ownText } from "./text.ts";

export interface Speech {
  readonly summary: SessionSummary;
  readonly options: MediaOptions;
  /** The tag it was said under; a changed one is another place. */
  readonly tag: string;
}

/** An m-line with ports that this relay can carry: RTP that is plain or has keys, and datagrams it does not look into. */
export function isCarried(media: MediaSummary, options: MediaOptions): boolean {
  return media.port !== 0 && isSupported(media, options) && !isUnwanted(media, options);
}

/** Media that the parties exchange without us, as MSRP over TCP: it keeps its own address and port. */
export function isPassed(media: MediaSummary, options: MediaOptions): boolean {
  return media.port !== 0 && !media.isRelayed && !isUnwanted(media, options);
}

/** `sdp-media-remove`; its `other` stands for every kind without a name of its own there. */
export function isUnwanted({ kind }: MediaSummary, { removesMedia }: MediaOptions): boolean {
  return removesMedia.has(kind) || (removesMedia.has("other") && !namedKinds.has(kind));
}

const namedKinds: ReadonlySet<string> = new Set(["audio", "video", "image", "message"]);

export function isSupported(media: MediaSummary, { passthrough }: MediaOptions): boolean {
  const { protocol, crypto, fingerprints } = media;
  if (!media.isRelayed) return false;
  if (protocol.isSecure) return crypto.length > 0 || fingerprints.length > 0 || passthrough === true;
  return protocol.isKnown || !protocol.name.toUpperCase().startsWith("TCP");
}

/** rtcp-mux is settled apart, by `muxOffer` and `muxAnswer`. */
export function hearSdp(leg: LegState, speech: Speech): void {
  const { options, summary } = speech;
  leg.receivedFrom = options.receivedFrom ?? leg.receivedFrom;
  leg.learning = options.learning;
  if (options.label !== undefined) leg.label = ownText(options.label);
  for (const media of summary.media) hearMedia(mediaAt(leg, media.index), media, options);
  for (const gone of leg.media.slice(summary.media.length)) silence(gone);
  leg.family = familyOfSdp(summary) ?? leg.family;
  renewGeneration(leg, identityOf(speech));
  leg.isHeard = true;
}

/** A new identity of what this party signalled opens a generation; the same again does not. */
export function renewGeneration(leg: LegState, identity: string): void {
  if (identity === leg.identity) return;
  leg.generation++;
  leg.identity = ownText(identity);
}

export function silence(media: MediaState): void {
  media.isActive = false;
  media.isHeld = true;
}

function hearMedia(media: MediaState, summary: MediaSummary, options: MediaOptions): void {
  if (media.transport !== summary.protocol.transport) media.clocks = [];
  media.kind = ownText(summary.kind);
  media.protocol = ownText(summary.protocol.name);
  media.transport = summary.protocol.transport;
  media.mid = summary.mid === undefined ? undefined : ownText(summary.mid);
  const carried = isCarried(summary, options);
  media.formats = carried && media.transport === "rtp" ? noFormats : summary.formats.map(ownText);
  if (!carried) {
    silence(media);
    return;
  }
  media.isActive = true;
  media.isSignalled = true;
  media.origin = "sdp";
  media.direction = summary.direction;
  media.isHeld = summary.isHeldByAddress;
  media.trustsAddress = options.trustsSdpAddress || summary.hasIce;
  media.codec = firstCodec(summary);
  const { codecs, clocks } = keptCodecs(summary.codecs);
  media.codecs = codecs;
  media.clocks = mergeClocks(clocks, media.clocks);
  if (summary.remote === undefined) return;
  media.remote = summary.remote;
  media.remoteRtcp = summary.remoteRtcp;
}

function firstCodec(summary: MediaSummary): string | undefined {
  const encoding = summary.codecs[0]?.encoding;
  return encoding === undefined || encoding === "" ? undefined : ownText(encoding);
}

/** The family media goes to; a 0.0.0.0 of hold says nothing about it, unless nothing else was ever said. */
export function familyOfSdp(summary: SessionSummary): IpFamily | undefined {
  const remote = summary.media.find((media) => media.remote !== undefined)?.remote;
  return remote === undefined ? undefined : familyOf(remote.ip);
}

/** Tag, o= identity and version, and every address. */
function identityOf({ summary, tag }: Speech): string {
  const { origin, media } = summary;
  let text = `${tag} ${origin?.sessionId ?? ""} ${origin?.version ?? ""}`;
  for (const one of media) {
    text += ` ${one.ip ?? ""} ${one.port} ${one.remoteRtcp?.ip ?? ""} ${one.remoteRtcp?.port ?? ""}`;
  }
  return text;
}
