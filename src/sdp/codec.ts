/** The codecs of an RTP m-line: formats, a=rtpmap, a=fmtp and a=rtcp-fb drawn together. */
import { Buffer } from "node:buffer";
import { codecListsSharedMax, sharedCodecListSizeMax } from "../core/limits.ts";
import { attributeName } from "./attribute.ts";
import type { MediaSection, SdpLine } from "./description.ts";
import { orderOpusParameters } from "./opus-parameters.ts";
import { staticPayload } from "./static-payloads.ts";
import { numberOf } from "./words.ts";

export interface Codec {
  readonly payloadType: number;
  /** `PCMU`; empty when neither a=rtpmap nor the static table names it. */
  readonly name: string;
  /** 0 when unknown. */
  readonly clockRateHz: number;
  readonly channels: number;
  /** `PCMU/8000` or `opus/48000/2`, as it goes into a=rtpmap; empty when unknown. */
  readonly encoding: string;
  /** a=fmtp without its payload type; empty when absent. */
  readonly parameters: string;
  /** a=rtcp-fb values for this payload type alone. */
  readonly feedback: readonly string[];
}

interface CodecLines {
  readonly maps: Map<number, string>;
  readonly parameters: Map<number, string>;
  readonly feedback: Map<number, string[]>;
}

const noFeedback: readonly string[] = [];

/**
 * Lists by the text they are read from: the same few come in every call. The memory of them is bounded and only saves
 * time.
 */
const shared = new Map<string, readonly Codec[]>();

/** In the order of the m= line, each payload type once; formats that are no payload type 0 to 127 are left out. */
export function readCodecs(section: MediaSection): readonly Codec[] {
  const text = codecText(section);
  if (text === undefined)
    return parseCodecs(section.formats, section.lines.filter(isCodecLine).map(attributeOf));
  const known = shared.get(text);
  if (known !== undefined) return known;
  // A copy that stands alone: a slice of a body would keep the whole body in memory.
  const [formats = "", ...lines] = Buffer.from(text, "utf16le").toString("utf16le").split("\n");
  const codecs = parseCodecs(formats.split(" "), lines);
  if (shared.size >= codecListsSharedMax) shared.clear();
  shared.set([formats, ...lines].join("\n"), codecs);
  return codecs;
}

/** The formats and, each below the one before, the attributes that tell of codecs; undefined: too long to be kept. */
function codecText({ formats, lines }: MediaSection): string | undefined {
  let text = formats.join(" ");
  for (const line of lines) {
    if (isCodecLine(line)) text += `\n${line.value}`;
    if (text.length > sharedCodecListSizeMax) return undefined;
  }
  return text;
}

function isCodecLine({ type, value }: SdpLine): boolean {
  if (type !== "a") return false;
  return value.startsWith("rtpmap:") || value.startsWith("fmtp:") || value.startsWith("rtcp-fb:");
}

function attributeOf({ value }: SdpLine): string {
  return value;
}

function parseCodecs(formats: readonly string[], attributes: readonly string[]): readonly Codec[] {
  const lines = collectCodecLines(attributes);
  const seen = new Set<number>();
  const codecs: Codec[] = [];
  for (const format of formats) {
    const payloadType = parsePayloadType(format);
    if (payloadType === undefined || seen.has(payloadType)) continue;
    seen.add(payloadType);
    codecs.push(readCodec(payloadType, lines));
  }
  return codecs;
}

/** 0 to 127, decimal. */
export function parsePayloadType(text: string): number | undefined {
  const payloadType = numberOf(text, 3);
  return payloadType === undefined || payloadType > 127 ? undefined : payloadType;
}

function readCodec(payloadType: number, lines: CodecLines): Codec {
  const mapped = parseEncoding(lines.maps.get(payloadType)) ?? staticPayload(payloadType);
  const name = mapped?.name ?? "";
  const clockRateHz = mapped?.clockRateHz ?? 0;
  const channels = mapped?.channels ?? 1;
  const written = lines.parameters.get(payloadType) ?? "";
  return {
    payloadType,
    name,
    clockRateHz,
    channels,
    encoding: name === "" ? "" : printEncoding(name, clockRateHz, channels),
    parameters: name.toLowerCase() === "opus" ? orderOpusParameters(written) : written,
    feedback: lines.feedback.get(payloadType) ?? noFeedback,
  };
}

/** `name/clock`, and `/channels` when there is more than one. */
function printEncoding(name: string, clockRateHz: number, channels: number): string {
  return channels > 1 ? `${name}/${clockRateHz}/${channels}` : `${name}/${clockRateHz}`;
}

function parseEncoding(text: string | undefined) {
  if (text === undefined) return undefined;
  const match = /^([^/ ]+)\/(\d{1,9})(?:\/([^ ]*))?(?: .*)?$/.exec(text);
  if (match === null) return undefined;
  const channels = /^[1-9]\d{0,2}$/.test(match[3] ?? "") ? Number(match[3]) : 1;
  return { name: match[1] ?? "", clockRateHz: Number(match[2]), channels };
}

function collectCodecLines(attributes: readonly string[]): CodecLines {
  const lines: CodecLines = { maps: new Map(), parameters: new Map(), feedback: new Map() };
  for (const value of attributes) {
    const name = attributeName(value);
    const space = value.indexOf(" ");
    if (space < 0) continue;
    const payloadType = parsePayloadType(value.slice(name.length + 1, space));
    if (payloadType === undefined) continue;
    const rest = value.slice(space + 1);
    if (name === "rtpmap") lines.maps.set(payloadType, rest);
    else if (name === "fmtp") lines.parameters.set(payloadType, rest);
    else addFeedback(lines.feedback, payloadType, rest);
  }
  return lines;
}

function addFeedback(all: Map<number, string[]>, payloadType: number, value: string): void {
  const values = all.get(payloadType);
  if (values === undefined) all.set(payloadType, [value]);
  else values.push(value);
}
