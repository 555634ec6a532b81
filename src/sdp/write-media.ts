/** One media section of an outgoing SDP; the order of lines is rtpengine's. */
import type { IpAddress, IpFamily } from "../core/address.ts";
import { findAttribute, lastLine } from "./attribute.ts";
import { type AttributeEdits, printAttribute } from "./attribute-edits.ts";
import { printBandwidth, printCarried, printUnread } from "./carried.ts";
import type { Codec } from "./codec.ts";
import { printConnection, unspecifiedIp } from "./connection.ts";
import type { MediaSection, SdpLine } from "./description.ts";
import { type Direction, directionOf } from "./direction.ts";
import { type Extensions, extensionsFor, printExtensions } from "./extensions.ts";
import { transportProtocol } from "./protocol.ts";

export interface MediaDraft {
  /**
   * The other party's section. For an m-line the other party's body does not have (it was removed on the way there,
   * or the answer is short): this party's own without its lines, and `local` undefined.
   */
  readonly source: MediaSection;
  /** Our address and ports towards this party; undefined: rejected, port 0, keeps its place. */
  readonly local: LocalMedia | undefined;
  /** Of the address shown where it is 0.0.0.0 or ::. */
  readonly family: IpFamily;
  /** As written, e.g. `RTP/AVP`. */
  readonly protocol: string;
  readonly direction: Direction;
  /** c= shows 0.0.0.0 or ::, as the other party's does (hold of old). */
  readonly zeroesAddress: boolean;
  readonly rtcpMux: boolean;
  readonly rtcpAttribute: "port" | "none" | "full";
  readonly mid: string | undefined;
  readonly ptimeMs: number | undefined;
  /** The codecs to write, in order; those of a rejected or unread m-line stay as they came. */
  readonly codecs: readonly Codec[];
}

export interface LocalMedia {
  /** As advertised, `media address` included. */
  readonly ip: IpAddress;
  readonly rtpPort: number;
  /** What a=rtcp names: the RTP port once rtcp-mux is settled. */
  readonly rtcpPort: number;
}

/** What holds for all sections of a body. */
export interface MediaContext {
  readonly sharedExtensions: Extensions;
  /** `original-sendrecv`: the direction of the session level, if any; undefined: we write our own. */
  readonly keptDirection: KeptDirection | undefined;
}

export interface KeptDirection {
  readonly ofSession: Direction | undefined;
}

export function writeMedia(
  draft: MediaDraft,
  context: MediaContext,
  edits: AttributeEdits | undefined,
): string {
  const isRtp = transportProtocol(draft.protocol).transport === "rtp";
  const head = `${printMediaLine(draft, isRtp)}${printInformation(draft.source.lines)}${printPlace(draft)}`;
  const body = isRtp ? writeRtp(draft, context, edits) : printUnread(draft.source.lines, edits);
  return `${head}${printBandwidth(draft.source.lines)}${body}${edits?.addedText ?? ""}`;
}

function printMediaLine({ source, local, protocol, codecs }: MediaDraft, isRtp: boolean): string {
  const isPlain = !isRtp || local === undefined || codecs.length === 0;
  const formats = isPlain ? source.formats.join(" ") : codecs.map((codec) => codec.payloadType).join(" ");
  return `m=${source.kind} ${local?.rtpPort ?? 0} ${protocol} ${formats === "" && isRtp ? "0" : formats}\r\n`;
}

function printInformation(lines: readonly SdpLine[]): string {
  const information = lastLine(lines, "i");
  return information === undefined || information === "" ? "" : `i=${information}\r\n`;
}

function printPlace({ local, zeroesAddress, family }: MediaDraft): string {
  const ip = local === undefined || zeroesAddress ? unspecifiedIp(family) : local.ip;
  return `c=${printConnection(ip)}\r\n`;
}

function writeRtp(draft: MediaDraft, context: MediaContext, edits: AttributeEdits | undefined): string {
  const { source, local } = draft;
  const label = findAttribute(source.lines, "label");
  let text = draft.mid === undefined ? "" : printAttribute(edits, `mid:${draft.mid}`);
  if (label !== undefined && label !== "") text += printAttribute(edits, `label:${label}`);
  if (local === undefined) return text;
  text += printCodecs(draft.codecs, edits);
  text += printExtensions(extensionsFor(source.lines, context.sharedExtensions), edits);
  text += printFeedbackForAll(source.lines, edits);
  text += printCarried(source.lines, edits);
  const direction =
    context.keptDirection === undefined
      ? draft.direction
      : (directionOf(source.lines) ?? context.keptDirection.ofSession);
  if (direction !== undefined) text += printAttribute(edits, direction);
  text += printRtcp(draft, local, edits);
  if (draft.ptimeMs !== undefined) text += printAttribute(edits, `ptime:${draft.ptimeMs}`);
  const maxPtime = /^[1-9]\d{0,3}(?!\d)/.exec(findAttribute(source.lines, "maxptime") ?? "");
  if (maxPtime !== null) text += printAttribute(edits, `maxptime:${maxPtime[0]}`);
  return text;
}

function printCodecs(codecs: readonly Codec[], edits: AttributeEdits | undefined): string {
  let text = "";
  for (const { payloadType, encoding, parameters, feedback } of codecs) {
    if (encoding !== "") text += printAttribute(edits, `rtpmap:${payloadType} ${encoding}`);
    if (parameters !== "") text += printAttribute(edits, `fmtp:${payloadType} ${parameters}`);
    for (const value of feedback) text += printAttribute(edits, `rtcp-fb:${payloadType} ${value}`);
  }
  return text;
}

function printFeedbackForAll(lines: readonly SdpLine[], edits: AttributeEdits | undefined): string {
  let text = "";
  for (const { type, value } of lines) {
    if (type === "a" && value.startsWith("rtcp-fb:* ")) text += printAttribute(edits, value);
  }
  return text;
}

function printRtcp(draft: MediaDraft, local: LocalMedia, edits: AttributeEdits | undefined): string {
  let text = "";
  if (draft.rtcpAttribute !== "none") {
    const place = draft.rtcpAttribute === "full" ? ` ${printConnection(local.ip)}` : "";
    text += printAttribute(edits, `rtcp:${local.rtcpPort}${place}`);
  }
  if (!draft.rtcpMux) return text;
  text += printAttribute(edits, "rtcp-mux");
  const isOnly =
    local.rtcpPort === local.rtpPort && findAttribute(draft.source.lines, "rtcp-mux-only") !== undefined;
  return isOnly ? text + printAttribute(edits, "rtcp-mux-only") : text;
}
