/** One media section of an outgoing SDP; the order of lines is rtpengine's. */
import type { IpAddress, IpFamily } from "../core/address.ts";
import { findAttribute, lastLine } from "./attribute.ts";
import { type AttributeEdits, printAttribute } from "./attribute-edits.ts";
import { printBandwidth, printCarried, printUnread } from "./carried.ts";
import type { Codec } from "./codec.ts";
import { printConnection, unspecifiedIp } from "./connection.ts";
import type { MediaSection, SdpLine } from "./description.ts";
import { type Direction, directionOf } from "./direction.ts";
import { type Extensions, extensionsFor, printExtensions, withMid } from "./extensions.ts";
import { transportProtocol } from "./protocol.ts";
import {
  type IceDraft,
  type PassedLines,
  printIce,
  printInheritedSecrecy,
  printSecrecy,
  type SecrecyDraft,
} from "./write-security.ts";

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
  /** a=extmap of the mid in RTP headers, to be added where the other party's section does not have it. */
  readonly midExtension: number | undefined;
  readonly ptimeMs: number | undefined;
  /** The codecs to write, in order; those of a rejected or unread m-line stay as they came. */
  readonly codecs: readonly Codec[];
  /** Of RTP. `passed`: the other party's keys and DTLS lines go through as they came, as those of other media always do. */
  readonly secrecy: SecrecyDraft | "passed" | undefined;
  readonly ice: IceDraft | undefined;
  /** a=bundle-only (RFC 8843 section 6): port 0, and no transport of its own to describe. */
  readonly isBundleOnly: boolean;
}

export interface LocalMedia {
  /** As advertised, `media address` included. */
  readonly ip: IpAddress;
  readonly rtpPort: number;
  /** What a=rtcp names: the RTP port once rtcp-mux is settled. */
  readonly rtcpPort: number;
  /** Where RTCP has an address of its own (RFC 3605 section 2.1). */
  readonly rtcpIp?: IpAddress;
}

/** What holds for all sections of a body. */
export interface MediaContext {
  readonly sharedExtensions: Extensions;
  /** `original-sendrecv`: the direction of the session level, if any; undefined: we write our own. */
  readonly keptDirection: KeptDirection | undefined;
  /** Of the other party's session level. */
  readonly sessionLines: readonly SdpLine[];
}

export interface KeptDirection {
  readonly ofSession: Direction | undefined;
}

/** a=mid as it stands in the body: what is relayed unread keeps the other party's. */
export function midTold({ source, protocol, mid }: MediaDraft): string | undefined {
  if (transportProtocol(protocol).transport === "rtp") return mid;
  return findAttribute(source.lines, "mid") ?? mid;
}

export function writeMedia(
  draft: MediaDraft,
  context: MediaContext,
  edits: AttributeEdits | undefined,
): string {
  const isRtp = transportProtocol(draft.protocol).transport === "rtp";
  const head = `${printMediaLine(draft, isRtp)}${printInformation(draft.source.lines)}${printPlace(draft)}`;
  const body = isRtp ? writeRtp(draft, context, edits) : writeUnread(draft, context, edits);
  return `${head}${printBandwidth(draft.source.lines)}${body}${edits?.addedText ?? ""}`;
}

function printMediaLine(draft: MediaDraft, isRtp: boolean): string {
  const { source, local, protocol, codecs } = draft;
  const port = draft.isBundleOnly ? 0 : (local?.rtpPort ?? 0);
  const isPlain = !isRtp || local === undefined || codecs.length === 0;
  const formats = isPlain ? source.formats.join(" ") : codecs.map((codec) => codec.payloadType).join(" ");
  return `m=${source.kind} ${port} ${protocol} ${formats === "" && isRtp ? "0" : formats}\r\n`;
}

function printInformation(lines: readonly SdpLine[]): string {
  const information = lastLine(lines, "i");
  return information === undefined || information === "" ? "" : `i=${information}\r\n`;
}

function printPlace({ local, zeroesAddress, family, ice }: MediaDraft): string {
  // An ICE agent would take 0.0.0.0 for "candidates follow"; a=sendonly says what is meant.
  const isZero = local === undefined || (zeroesAddress && ice?.kind !== "own");
  const ip = isZero ? unspecifiedIp(family) : local.ip;
  return `c=${printConnection(ip)}\r\n`;
}

function writeRtp(draft: MediaDraft, context: MediaContext, edits: AttributeEdits | undefined): string {
  const { source, local } = draft;
  const label = findAttribute(source.lines, "label");
  let text = draft.mid === undefined ? "" : printAttribute(edits, `mid:${draft.mid}`);
  if (label !== undefined && label !== "") text += printAttribute(edits, `label:${label}`);
  if (draft.isBundleOnly) text += printAttribute(edits, "bundle-only");
  if (local === undefined) return text;
  text += printCodecs(draft.codecs, edits);
  text += printExtensions(
    withMid(extensionsFor(source.lines, context.sharedExtensions), draft.midExtension),
    edits,
  );
  text += printFeedbackForAll(source.lines, edits);
  text += printCarried(source.lines, edits);
  const direction =
    context.keptDirection === undefined
      ? draft.direction
      : (directionOf(source.lines) ?? context.keptDirection.ofSession);
  if (direction !== undefined) text += printAttribute(edits, direction);
  const passed = passedLines(draft, context);
  if (draft.isBundleOnly) text += printMux(draft, local, edits);
  else text += printRtcp(draft, local, edits) + printSecrecy(draft.secrecy, passed, edits);
  if (draft.ptimeMs !== undefined) text += printAttribute(edits, `ptime:${draft.ptimeMs}`);
  const maxPtime = findAttribute(source.lines, "maxptime");
  const maxPtimeMs = maxPtime === undefined ? null : /^[1-9]\d{0,3}(?!\d)/.exec(maxPtime);
  if (maxPtimeMs !== null) text += printAttribute(edits, `maxptime:${maxPtimeMs[0]}`);
  const isMuxSettled = draft.rtcpMux && local.rtcpPort === local.rtpPort;
  return draft.isBundleOnly ? text : text + printIce(draft.ice, isMuxSettled, passed, edits);
}

function writeUnread(draft: MediaDraft, context: MediaContext, edits: AttributeEdits | undefined): string {
  const { lines } = draft.source;
  const hasMid = draft.mid === undefined || findAttribute(lines, "mid") !== undefined;
  let text = hasMid ? "" : printAttribute(edits, `mid:${draft.mid}`);
  text += printUnread(lines, edits);
  if (draft.isBundleOnly) text += printAttribute(edits, "bundle-only");
  if (draft.local === undefined) return text;
  const passed = passedLines(draft, context);
  // A fingerprint often stands above the m-lines, and what is relayed unread cannot do without.
  if (draft.protocol.toUpperCase().includes("TLS")) text += printInheritedSecrecy(passed, edits);
  return draft.isBundleOnly ? text : text + printIce(draft.ice, false, passed, edits);
}

function passedLines(draft: MediaDraft, context: MediaContext): PassedLines {
  return { own: draft.source.lines, session: context.sessionLines };
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
    const rtcpIp = local.rtcpIp ?? local.ip;
    const isOwnPlace = draft.rtcpAttribute === "full" || rtcpIp !== local.ip;
    const place = isOwnPlace ? ` ${printConnection(rtcpIp)}` : "";
    text += printAttribute(edits, `rtcp:${local.rtcpPort}${place}`);
  }
  return text + printMux(draft, local, edits);
}

/** Also of an m-line that is bundled only: a browser refuses one in a bundle without. */
function printMux(draft: MediaDraft, local: LocalMedia, edits: AttributeEdits | undefined): string {
  if (!draft.rtcpMux) return "";
  const text = printAttribute(edits, "rtcp-mux");
  const isOnly =
    local.rtcpPort === local.rtpPort && findAttribute(draft.source.lines, "rtcp-mux-only") !== undefined;
  return isOnly ? text + printAttribute(edits, "rtcp-mux-only") : text;
}
