/** a=extmap (RFC 8285 section 5): passed on as written, the media's own or else the session's. */
import { sharedExtensionsSizeBytesMax } from "../core/limits.ts";
import { attributeName, findAttribute } from "./attribute.ts";
import { type AttributeEdits, printAttribute } from "./attribute-edits.ts";
import type { SdpLine } from "./description.ts";

export interface Extensions {
  /** Attributes without their `a=`. */
  readonly maps: readonly string[];
  /** a=extmap-allow-mixed: one-byte and two-byte headers in one stream. */
  readonly isMixed: boolean;
}

/** Nearly every telephone's. */
const noExtensions: Extensions = { maps: [], isMixed: false };

/** Of one level; identifiers that mean nothing on the wire and repeated ones are left out. */
function readExtensions(lines: readonly SdpLine[]): Extensions {
  if (!lines.some(({ type, value }) => type === "a" && value.startsWith("extmap"))) return noExtensions;
  const maps = new Map<number, string>();
  for (const { type, value } of lines) {
    if (type !== "a" || attributeName(value) !== "extmap") continue;
    const id = extensionId(value);
    if (id !== undefined && !maps.has(id)) maps.set(id, value);
  }
  return { maps: [...maps.values()], isMixed: findAttribute(lines, "extmap-allow-mixed") !== undefined };
}

/** Of the session level, for every section without its own; none at all if they are out of all proportion. */
export function readSharedExtensions(lines: readonly SdpLine[]): Extensions {
  const extensions = readExtensions(lines);
  const sizeBytes = extensions.maps.reduce((sum, map) => sum + map.length, 0);
  return sizeBytes > sharedExtensionsSizeBytesMax ? { ...extensions, maps: [] } : extensions;
}

export function extensionsFor(lines: readonly SdpLine[], shared: Extensions): Extensions {
  const own = readExtensions(lines);
  if (own === noExtensions) return shared;
  const { maps } = findAttribute(lines, "extmap") === undefined ? shared : own;
  return { maps, isMixed: own.isMixed || shared.isMixed };
}

export function printExtensions({ maps, isMixed }: Extensions, edits: AttributeEdits | undefined): string {
  if (maps.length === 0) return "";
  let text = isMixed ? printAttribute(edits, "extmap-allow-mixed") : "";
  for (const map of maps) text += printAttribute(edits, map);
  return text;
}

const midUri = "urn:ietf:params:rtp-hdrext:sdes:mid";

/** With the mid's extension under this number, unless it is among them or the number is another's for who wrote them. */
export function withMid(extensions: Extensions, mid: number | undefined): Extensions {
  if (mid === undefined || midExtensionOf(extensions) !== undefined) return extensions;
  const { maps, isMixed } = extensions;
  if (maps.some((map) => extensionId(map) === mid)) return extensions;
  return { maps: [...maps, `extmap:${mid} ${midUri}`], isMixed: isMixed && maps.length > 0 };
}

/** Its number of urn:ietf:params:rtp-hdrext:sdes:mid (RFC 8843 section 15). */
export function midExtensionOf({ maps }: Extensions): number | undefined {
  const map = maps.find((text) => /^extmap:\d+(?:\/[a-z]+)? ([^ ]+)/.exec(text)?.[1] === midUri);
  return map === undefined ? undefined : extensionId(map);
}

/** 1 to 14, or 16 to 255 with the two-byte header. */
function extensionId(attribute: string): number | undefined {
  const match = /^extmap:(\d{1,3})(?:\/[a-z]+)? ./.exec(attribute);
  const id = match === null ? 0 : Number(match[1]);
  return id >= 1 && id <= 255 && id !== 15 ? id : undefined;
}
