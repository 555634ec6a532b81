/** The attributes of one level of a body, session or media, as far as a summary asks for them. */
import { ssrcsPerMediaMax } from "../core/limits.ts";
import type { Fingerprint } from "../core/plan/security.ts";
import { attributeName, attributeValue } from "./attribute.ts";
import type { SdpLine } from "./description.ts";
import { type Direction, directionOf } from "./direction.ts";
import { parseSetup, parseTlsId, readFingerprints, type SetupRole } from "./fingerprint.ts";
import { parseCredential } from "./ice-attributes.ts";
import { parseRtcpAttribute, type RtcpAttribute } from "./rtcp-attribute.ts";
import { wordsOf } from "./words.ts";

/** undefined is what this level does not say; of an attribute that stands twice the first counts. */
export interface Traits {
  direction: Direction | undefined;
  rtcp: RtcpAttribute | undefined;
  rtcpMux: boolean;
  rtcpMuxOnly: boolean;
  ptimeMs: number | undefined;
  mid: string | undefined;
  isBundleOnly: boolean;
  ufrag: string | undefined;
  password: string | undefined;
  iceOptions: readonly string[] | undefined;
  isIceLite: boolean;
  hasEnded: boolean;
  readonly fingerprints: readonly Fingerprint[] | undefined;
  setup: SetupRole | undefined;
  tlsId: string | undefined;
  readonly ssrcs: number[];
  readonly bundles: string[][];
  readonly loopMarks: string[];
}

export function readTraits(lines: readonly SdpLine[]): Traits {
  const traits: Traits = {
    direction: directionOf(lines),
    rtcp: undefined,
    rtcpMux: false,
    rtcpMuxOnly: false,
    ptimeMs: undefined,
    mid: undefined,
    isBundleOnly: false,
    ufrag: undefined,
    password: undefined,
    iceOptions: undefined,
    isIceLite: false,
    hasEnded: false,
    fingerprints: readFingerprints(lines),
    setup: undefined,
    tlsId: undefined,
    ssrcs: [],
    bundles: [],
    loopMarks: [],
  };
  for (const { type, value } of lines) {
    if (type === "a") readTrait(traits, value);
  }
  return traits;
}

function readTrait(traits: Traits, text: string): void {
  const name = attributeName(text);
  switch (name) {
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
    case "bundle-only":
      traits.isBundleOnly = true;
      break;
    case "ssrc":
      addSsrc(traits.ssrcs, attributeValue(text));
      break;
    case "rtpengine":
      traits.loopMarks.push(attributeValue(text));
      break;
    case "group":
      addBundle(traits.bundles, attributeValue(text));
      break;
    default:
      readTransportTrait(traits, name, text);
  }
}

function readTransportTrait(traits: Traits, name: string, text: string): void {
  switch (name) {
    case "ice-ufrag":
      traits.ufrag ??= parseCredential(attributeValue(text));
      break;
    case "ice-pwd":
      traits.password ??= parseCredential(attributeValue(text));
      break;
    case "ice-options":
      traits.iceOptions ??= wordsOf(attributeValue(text));
      break;
    case "ice-lite":
      traits.isIceLite = true;
      break;
    case "end-of-candidates":
      traits.hasEnded = true;
      break;
    case "setup":
      traits.setup ??= parseSetup(attributeValue(text));
      break;
    case "tls-id":
      traits.tlsId ??= parseTlsId(attributeValue(text));
      break;
  }
}

/** Of the groups of m-lines (RFC 5888 section 5) the bundles (RFC 8843 section 7). */
function addBundle(bundles: string[][], group: string): void {
  if (group.startsWith("BUNDLE ")) bundles.push(wordsOf(group.slice("BUNDLE ".length)));
}

/** Whole milliseconds, 1 to 9999; anything else counts as absent. */
function parsePtime(text: string): number | undefined {
  const match = /^([1-9]\d{0,3})(?!\d)/.exec(text);
  return match === null ? undefined : Number(match[1]);
}

/** `1234 cname:x` (RFC 5576 section 4.1). */
function addSsrc(ssrcs: number[], text: string): void {
  const match = /^(\d{1,10})(?: |$)/.exec(text);
  const ssrc = match === null ? Number.NaN : Number(match[1]);
  if (ssrc <= 0xffff_ffff && ssrcs.length < ssrcsPerMediaMax && !ssrcs.includes(ssrc)) ssrcs.push(ssrc);
}
