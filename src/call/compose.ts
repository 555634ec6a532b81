/** The SDP one party is told, drawn from what the other one said and from the ports that face the first. */
import { familyOf, type IpFamily } from "../core/address.ts";
import type { Codec } from "../sdp/codec.ts";
import { editAnsweredCodecs, editOfferedCodecs } from "../sdp/codec-edit.ts";
import type { MediaSection } from "../sdp/description.ts";
import type { OriginMemory } from "../sdp/origin.ts";
import type { MediaSummary } from "../sdp/summary.ts";
import { type SessionDraft, writeSdp } from "../sdp/write.ts";
import type { LocalMedia, MediaDraft } from "../sdp/write-media.ts";
import { freeMid, midToName } from "./bundle.ts";
import { carrierFirst, carrierOf, offeredGroups, partedByCarrier } from "./carrier.ts";
import { isCarried, isPassed } from "./hear.ts";
import { keptCodecs } from "./kept-codecs.ts";
import { passedDraft } from "./passed-bundle.ts";
import type { MediaOptions } from "./requests.ts";
import { iceToTell, secrecyToTell } from "./secure-draft.ts";
import type { SecurityTools } from "./secure-offer.ts";
import type { CallState, LegState, MediaState, ParsedSdp } from "./state.ts";
import { ownText } from "./text.ts";

export interface Telling {
  readonly call: CallState;
  readonly speaker: LegState;
  readonly listener: LegState;
  readonly sdp: ParsedSdp;
  readonly options: MediaOptions;
  readonly isOffer: boolean;
  readonly loopMark: string;
  readonly tools: SecurityTools;
}

/** One m-line of the listener: what the speaker says there, if he has it, and whether rtcp-mux is settled. */
export interface Line {
  readonly listenerIndex: number;
  readonly speakerIndex: number | undefined;
  readonly isMuxSettled: boolean;
}

/** Writes the body for the listener, and keeps what he was told. */
export function composeSdp(telling: Telling, lines: readonly Line[]): string {
  const { call, listener, options, sdp } = telling;
  const drafts = lines.map((line) => draftMedia(telling, line));
  const ownIp = drafts.find((draft) => draft.local !== undefined)?.local?.ip;
  const draft: SessionDraft = {
    source: sdp.description,
    origin: sdp.summary.origin,
    memory: listener.told,
    replace: options.replace,
    own: {
      ip: ownIp ?? sdp.summary.connection ?? anyIp(listener),
      sessionId: call.ownSessionId,
      version: call.ownSessionId,
    },
    loopMark: options.loopProtect ? telling.loopMark : undefined,
    attributes: options.attributes,
    keepsDirection: options.keepsDirection,
    bundles: bundlesToTell(telling, lines, drafts),
    isIceLite: listener.media.some((media) => media.isActive && media.ice?.isLite === true),
  };
  const { text, memory } = writeSdp(draft, drafts);
  listener.told = ownMemory(memory);
  return text;
}

function anyIp(listener: LegState): NonNullable<ParsedSdp["summary"]["connection"]> {
  const pair = listener.media.find((media) => media.pair !== undefined)?.pair;
  return pair?.local.advertisedIp ?? ("127.0.0.1" as NonNullable<ParsedSdp["summary"]["connection"]>);
}

function ownMemory(memory: OriginMemory): OriginMemory {
  const { origin } = memory;
  return {
    origin: {
      username: ownText(origin.username),
      sessionId: ownText(origin.sessionId),
      version: ownText(origin.version),
      addressType: origin.addressType,
      address: ownText(origin.address),
    },
    sessionName: ownText(memory.sessionName),
    lastText: memory.lastText,
  };
}

function draftMedia(telling: Telling, line: Line): MediaDraft {
  const { listener, sdp, speaker } = telling;
  const toListener = listener.media[line.listenerIndex];
  const index = line.speakerIndex;
  const summary = index === undefined ? undefined : sdp.summary.media[index];
  const section = index === undefined ? undefined : sdp.description.media[index];
  if (toListener === undefined) throw new Error("compose: the listener has no such m-line");
  const family =
    toListener.pair === undefined ? (listener.family ?? 4) : familyOf(toListener.pair.local.advertisedIp);
  if (summary === undefined || section === undefined || index === undefined) {
    return rejectedDraft(toListener, sectionOf(toListener), family);
  }
  if (isPassed(summary, telling.options)) {
    return { ...rejectedDraft(toListener, section, family), local: ownPlace(summary) };
  }
  const fromSpeaker = speaker.media[index];
  const isWanted = telling.isOffer || toListener.isActive;
  const isUsable = isWanted && fromSpeaker?.isActive === true && isCarried(summary, telling.options);
  if (toListener.pair === undefined || fromSpeaker === undefined || !isUsable) {
    return {
      ...rejectedDraft(toListener, section, family),
      mid: midToTell(telling, line, summary.mid, toListener),
    };
  }
  return carriedDraft(telling, line, { summary, section, fromSpeaker, toListener, pair: toListener.pair });
}

/** Media that is not relayed is told as it came. */
function ownPlace({ ip, port }: MediaSummary): LocalMedia | undefined {
  return ip === undefined ? undefined : { ip, rtpPort: port, rtcpPort: port };
}

interface Carried {
  readonly summary: MediaSummary;
  readonly section: MediaSection;
  readonly fromSpeaker: MediaState;
  readonly toListener: MediaState;
  readonly pair: NonNullable<MediaState["pair"]>;
}

function carriedDraft(telling: Telling, line: Line, media: Carried): MediaDraft {
  const { options } = telling;
  const { toListener } = media;
  const codecs = codecsToTell(telling, media);
  toListener.toldCodecs =
    codecs === media.summary.codecs ? media.fromSpeaker.codecs : keptCodecs(codecs).codecs;
  const mid = midToTell(telling, line, media.summary.mid, toListener);
  const { local } = servingMedia(telling, line, toListener).pair ?? media.pair;
  const ip = options.mediaAddress ?? local.advertisedIp;
  if (codecs.length === 0 && media.summary.codecs.length > 0) {
    return { ...rejectedDraft(toListener, media.section, familyOf(ip)), mid };
  }
  const draft = {
    source: media.section,
    family: familyOf(ip),
    protocol: toListener.protocol,
    direction: media.summary.direction,
    zeroesAddress: media.summary.isHeldByAddress && !options.replace.has("zero-address"),
    mid,
    ptimeMs: rememberedPtime(media),
    codecs,
    rtcpAttribute: options.rtcpAttribute,
    midExtension: midToName(telling, line.listenerIndex),
    ...placeToTell(telling, line, media, { ip, rtpPort: local.rtp.port }),
  };
  const { isOffer, sdp } = telling;
  return passedDraft(draft, toListener, { isOffer, session: sdp.description.session });
}

type Place = Pick<MediaDraft, "local" | "rtcpMux" | "secrecy" | "ice" | "isBundleOnly">;

/** Where the listener finds this m-line's media, and what secures it there. */
function placeToTell(
  telling: Telling,
  line: Line,
  { toListener, summary }: Carried,
  { ip, rtpPort }: Pick<LocalMedia, "ip" | "rtpPort">,
): Place {
  const { options, isOffer, tools } = telling;
  const rtcpMux = isOffer ? toListener.hasOfferedMux : toListener.rtcpMux;
  const isMuxed = isOffer ? line.isMuxSettled : rtcpMux;
  const rtcpPort = isMuxed ? rtpPort : rtpPort + 1;
  const carrier = servingMedia(telling, line, toListener);
  // `require` shows the carrier's port in place of 0, which those who do not bundle can answer as well.
  const isBundleOnly = isOffer && toListener.bundle?.isOnly === true && options.bundle.has("strict");
  const secrecy = secrecyToTell(carrier, { isOffer, options, tools });
  const ice = iceToTell(carrier, summary, { isOffer, options, ip, rtpPort, isMuxed });
  const keepsPlace = ice?.kind === "passed" && options.ice === "force-relay";
  const kept = keepsPlace ? keptPlace(summary) : undefined;
  return { rtcpMux, secrecy, isBundleOnly, ice, local: kept ?? { ip, rtpPort, rtcpPort } };
}

/** As the other party has it; undefined where it has none. */
function keptPlace({ ip, port, remoteRtcp }: MediaSummary): LocalMedia | undefined {
  if (ip === undefined) return undefined;
  const rtcp = remoteRtcp ?? { ip, port };
  return { ip, rtpPort: port, rtcpPort: rtcp.port, rtcpIp: rtcp.ip };
}

/** Whose transport is shown: that of the bundle's carrier. An answer settles the bundles that its listener offered. */
function servingMedia({ isOffer, listener }: Telling, line: Line, toListener: MediaState): MediaState {
  const isBundled = isOffer || toListener.bundle?.isOwn === true;
  return (isBundled ? carrierOf(listener, line.listenerIndex) : undefined) ?? toListener;
}

/** The groups of the listener as he is told of them: who of the offered ones is there, the carrier first. */
function bundlesToTell(
  { listener, isOffer }: Telling,
  lines: readonly Line[],
  drafts: readonly MediaDraft[],
): readonly (readonly string[])[] {
  const midsOf = (members: readonly number[]): readonly string[] =>
    members.flatMap((index) => {
      const draft = drafts[lines.findIndex((line) => line.listenerIndex === index)];
      const { bundle } = listener.media[index] ?? {};
      const isMember = isOffer ? bundle !== undefined : bundle?.carrier !== undefined;
      return isMember && draft?.local !== undefined && draft.mid !== undefined ? [draft.mid] : [];
    });
  return [...offeredGroups(listener, !isOffer)]
    .flatMap((group) => (isOffer ? [carrierFirst(listener, group)] : partedByCarrier(listener, group)))
    .map(midsOf)
    .filter((mids) => mids.length > 0);
}

/** Of an m-line both parties have one ptime, whoever named it last. */
function rememberedPtime({ summary, fromSpeaker, toListener }: Carried): number | undefined {
  const ptimeMs = summary.ptimeMs ?? toListener.ptimeMs;
  fromSpeaker.ptimeMs = ptimeMs;
  toListener.ptimeMs = ptimeMs;
  return ptimeMs;
}

function rejectedDraft(media: MediaState, source: MediaSection, family: IpFamily): MediaDraft {
  return {
    source,
    local: undefined,
    family,
    protocol: media.protocol,
    direction: "inactive",
    zeroesAddress: false,
    rtcpMux: false,
    rtcpAttribute: "none",
    mid: media.mid,
    midExtension: undefined,
    ptimeMs: undefined,
    codecs: [],
    secrecy: undefined,
    ice: undefined,
    isBundleOnly: false,
  };
}

/** Stands for an m-line that the speaker never saw: the listener's own. */
function sectionOf(media: MediaState): MediaSection {
  return {
    kind: media.kind,
    port: 0,
    portCount: 1,
    protocol: media.protocol,
    formats: media.formats.length > 0 ? media.formats : formatsOf(media),
    lines: [],
  };
}

function formatsOf({ codecs, toldCodecs }: MediaState): readonly string[] {
  return (codecs.length > 0 ? codecs : toldCodecs).map((codec) => String(codec.payloadType));
}

/**
 * An answer repeats the offerer's own mid (RFC 5888 section 4). An offer has the one the m-line has with this party, or
 * passes the offerer's, or makes one, from 1 on, where it is wished or a bundle needs it.
 */
function midToTell(
  { isOffer, options, listener, sdp }: Telling,
  line: Line,
  mid: string | undefined,
  toListener: MediaState,
): string | undefined {
  if (!isOffer) return toListener.mid;
  const known = toListener.mid ?? mid;
  const isBundled = toListener.bundle !== undefined;
  if (known === undefined && !options.generatesMid && !isBundled) return undefined;
  const others = [...listener.media, ...sdp.summary.media].map((media) => media.mid);
  const isTwice = known !== undefined && isBundled && isKnownBefore(listener, line, known, sdp);
  return known === undefined || isTwice ? freeMid(line.listenerIndex, others) : known;
}

/** Another m-line bears this name already, by mistake of him who gave it. */
function isKnownBefore(
  listener: LegState,
  { listenerIndex, speakerIndex }: Line,
  mid: string,
  { summary }: ParsedSdp,
): boolean {
  const isListeners = listener.media.slice(0, listenerIndex).some((media) => media.mid === mid);
  return isListeners || summary.media.slice(0, speakerIndex ?? 0).some((media) => media.mid === mid);
}

function codecsToTell({ isOffer, options }: Telling, media: Carried): readonly Codec[] {
  const { codecs } = media.summary;
  if (media.toListener.transport !== "rtp") return codecs;
  if (isOffer) {
    const offered = editOfferedCodecs(codecs, options.codec);
    return offered.length === 0 && !options.mayEmptyMedia ? codecs : offered;
  }
  const offer = {
    toAnswerer: media.fromSpeaker.toldCodecs,
    byOfferer: media.toListener.codecs,
    allowsOtherTypes: options.allowsOtherTypes,
  };
  const edited = editAnsweredCodecs({ answered: codecs, ...offer }, options.codec);
  const isWhole = edited.length === codecs.length && edited.every((codec, index) => codec === codecs[index]);
  return isWhole ? codecs : edited;
}
