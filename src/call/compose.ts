/** The SDP one party is told, drawn from what the other one said and from the ports that face the first. */
import { familyOf, type IpFamily } from "../core/address.ts";
import type { Codec } from "../sdp/codec.ts";
import { editAnsweredCodecs, editOfferedCodecs } from "../sdp/codec-edit.ts";
import type { MediaSection } from "../sdp/description.ts";
import type { OriginMemory } from "../sdp/origin.ts";
import type { MediaSummary } from "../sdp/summary.ts";
import { type SessionDraft, writeSdp } from "../sdp/write.ts";
import type { LocalMedia, MediaDraft } from "../sdp/write-media.ts";
import { isCarried, isPassed } from "./hear.ts";
import { keptCodecs } from "./kept-codecs.ts";
import type { MediaOptions } from "./requests.ts";
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
  if (toListener.pair === undefined || fromSpeaker === undefined || !isCarried(summary, telling.options)) {
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
  const { local } = media.pair;
  const ip = options.mediaAddress ?? local.advertisedIp;
  const showsMux = telling.isOffer ? media.toListener.hasOfferedMux : media.toListener.rtcpMux;
  const isSettled = telling.isOffer ? line.isMuxSettled : showsMux;
  const codecs = codecsToTell(telling, media);
  media.toListener.toldCodecs =
    codecs === media.summary.codecs ? media.fromSpeaker.codecs : keptCodecs(codecs).codecs;
  const mid = midToTell(telling, line, media.summary.mid, media.toListener);
  if (codecs.length === 0 && media.summary.codecs.length > 0) {
    return { ...rejectedDraft(media.toListener, media.section, familyOf(ip)), mid };
  }
  return {
    source: media.section,
    local: { ip, rtpPort: local.rtp.port, rtcpPort: isSettled ? local.rtp.port : local.rtp.port + 1 },
    family: familyOf(ip),
    protocol: media.toListener.protocol,
    direction: media.summary.direction,
    zeroesAddress: media.summary.isHeldByAddress && !options.replace.has("zero-address"),
    rtcpMux: showsMux,
    rtcpAttribute: options.rtcpAttribute,
    mid,
    ptimeMs: rememberedPtime(media),
    codecs,
  };
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
    ptimeMs: undefined,
    codecs: [],
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

/** Offers pass the offerer's mid or make one, from 1 on; an answer repeats the offerer's own (RFC 5888 section 4). */
function midToTell(
  { isOffer, options }: Telling,
  line: Line,
  mid: string | undefined,
  toListener: MediaState,
): string | undefined {
  if (!isOffer) return toListener.mid;
  return mid ?? (options.generatesMid ? String(line.listenerIndex + 1) : undefined);
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
