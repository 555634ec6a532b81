/**
 * A pair's settings on their way from main to its worker: `PairSettings` into the words of a configure command, and
 * the words into the two `SlotSettings` the handover policy reads.
 */
import { type Endpoint, ipToWords } from "../core/address.ts";
import {
  bundleMidSizeBytesMax,
  formatsPerMediaMax,
  hintsPerSlotMax,
  iceLocalUfragSizeBytesMax,
  siblingsPerSlotMax,
  ssrcsPerMediaMax,
} from "../core/limits.ts";
import type { PairSettings, SourceHint } from "../core/plan/plan.ts";
import type { BundleSettings, PairSecurity } from "../core/plan/security.ts";
import type { SlotSettings } from "../handover/contract.ts";
import { hintExpected, hintUsable } from "../handover/hints.ts";

/** A pair of the same worker, as slots and generations name it. */
export interface SlotRef {
  readonly slot: number;
  readonly generation: number;
}

/** Other pairs of the same worker that the settings name. */
export interface SettingsLinks {
  readonly peer: SlotRef | undefined;
  readonly siblings: readonly SlotRef[];
  readonly carrier?: SlotRef | undefined;
}

export const transportCode = { rtp: 0, udptl: 1, raw: 2 } as const;

/** What protects the pair's media. */
export const securityCode = { none: 0, passed: 1, sdes: 2, dtls: 3 } as const satisfies Record<
  PairSecurity["kind"],
  number
>;

const learningModes = ["default", "off", "immediate", "delayed", "heuristic"] as const;

const flag = {
  isMux: 1,
  isSignalled: 2,
  mayReceive: 4,
  maySend: 8,
  isAsymmetric: 16,
  isStrict: 32,
  followsAnySource: 64,
  hasIce: 128,
} as const;

const hintWords = 6;
const hintsWords = hintsPerSlotMax * hintWords;

const bundleEnd = 27 + (iceLocalUfragSizeBytesMax + bundleMidSizeBytesMax) / 4 + ssrcsPerMediaMax;

/** Words of a configure command after its header; see `commands.ts`. */
const field = {
  flags: 0,
  generation: 1,
  peerSlot: 2,
  peerGeneration: 3,
  learningMode: 4,
  transport: 5,
  rtpTarget: 6,
  rtcpTarget: 11,
  rtpHintCount: 16,
  rtcpHintCount: 17,
  payloadCount: 18,
  siblingCount: 19,
  security: 20,
  /** -1: no bundle. */
  carrierSlot: 21,
  carrierGeneration: 22,
  midExtension: 23,
  ufragSizeBytes: 24,
  midSizeBytes: 25,
  ssrcCount: 26,
  ufrag: 27,
  mid: 27 + iceLocalUfragSizeBytesMax / 4,
  ssrcs: 27 + (iceLocalUfragSizeBytesMax + bundleMidSizeBytesMax) / 4,
  rtpHints: bundleEnd,
  rtcpHints: bundleEnd + hintsWords,
  siblings: bundleEnd + 2 * hintsWords,
  payloads: bundleEnd + 2 * hintsWords + siblingsPerSlotMax,
} as const;

export const settingsWords = field.payloads + formatsPerMediaMax;

export function encodeSettings(
  words: Int32Array,
  at: number,
  settings: PairSettings,
  { peer, siblings, carrier }: SettingsLinks,
): void {
  words[at + field.flags] = flagsOf(settings);
  words[at + field.generation] = settings.generation;
  words[at + field.peerSlot] = peer?.slot ?? -1;
  words[at + field.peerGeneration] = peer?.generation ?? 0;
  words[at + field.learningMode] = learningModes.indexOf(settings.learning.mode);
  words[at + field.transport] = transportCode[settings.transport];
  encodeEndpoint(words, at + field.rtpTarget, settings.rtpTarget);
  encodeEndpoint(words, at + field.rtcpTarget, settings.rtcpTarget);
  words[at + field.rtpHintCount] = encodeHints(words, at + field.rtpHints, rtpHints(settings));
  words[at + field.rtcpHintCount] = encodeHints(words, at + field.rtcpHints, rtcpHints(settings));
  const siblingCount = Math.min(siblings.length, siblingsPerSlotMax);
  words[at + field.siblingCount] = siblingCount;
  for (let index = 0; index < siblingCount; index++) {
    words[at + field.siblings + index] = siblings[index]!.slot;
  }
  words[at + field.security] = securityCode[settings.security.kind];
  const ufrag = settings.ice?.localUfrag ?? "";
  words[at + field.ufragSizeBytes] = encodeText(words, at + field.ufrag, ufrag, iceLocalUfragSizeBytesMax);
  encodeBundle(words, at, settings.bundle, carrier);
  const payloadCount = Math.min(settings.payloadTypes.length, formatsPerMediaMax);
  words[at + field.payloadCount] = payloadCount;
  for (let index = 0; index < payloadCount; index++) {
    const { payloadType, clockRateHz } = settings.payloadTypes[index]!;
    // A rate beyond 24 bits is no RTP clock; 0 says unknown.
    const rate = clockRateHz > 0 && clockRateHz <= 0xffffff ? Math.round(clockRateHz) : 0;
    words[at + field.payloads + index] = ((payloadType & 0x7f) << 24) | rate;
  }
}

function encodeBundle(
  words: Int32Array,
  at: number,
  bundle: BundleSettings | undefined,
  carrier: SlotRef | undefined,
): void {
  const ssrcs = bundle?.ssrcs.slice(0, ssrcsPerMediaMax) ?? [];
  words[at + field.carrierSlot] = bundle === undefined ? -1 : (carrier?.slot ?? -1);
  words[at + field.carrierGeneration] = carrier?.generation ?? 0;
  words[at + field.midExtension] = bundle?.midExtension ?? 0;
  words[at + field.midSizeBytes] = encodeText(
    words,
    at + field.mid,
    bundle?.mid ?? "",
    bundleMidSizeBytesMax,
  );
  words[at + field.ssrcCount] = ssrcs.length;
  for (const [index, ssrc] of ssrcs.entries()) words[at + field.ssrcs + index] = ssrc;
}

/** Characters of a token as bytes; their number, or 0 for a text that is longer or none: it matches nothing then. */
function encodeText(words: Int32Array, at: number, text: string, sizeBytesMax: number): number {
  if (text.length > sizeBytesMax) return 0;
  const bytes = new Uint8Array(words.buffer, words.byteOffset + 4 * at, text.length);
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0xff) return 0;
    bytes[index] = code;
  }
  return text.length;
}

function flagsOf(settings: PairSettings): number {
  return (
    (settings.rtcpMux ? flag.isMux : 0) |
    (settings.isSignalled ? flag.isSignalled : 0) |
    (settings.mayReceive ? flag.mayReceive : 0) |
    (settings.maySend ? flag.maySend : 0) |
    (settings.learning.isAsymmetric ? flag.isAsymmetric : 0) |
    (settings.learning.isStrict ? flag.isStrict : 0) |
    (settings.learning.followsAnySource ? flag.followsAnySource : 0) |
    (settings.ice === undefined ? 0 : flag.hasIce)
  );
}

function rtpHints(settings: PairSettings): readonly SourceHint[] {
  return settings.hints.filter((hint) => hint.origin !== "sdp-rtcp");
}

/** RTCP comes from where a=rtcp says, or from one above the RTP port (RFC 3550 section 11, RFC 3605). */
function rtcpHints(settings: PairSettings): readonly SourceHint[] {
  return settings.hints.map((hint) => {
    if (hint.origin === "sdp-rtcp" || hint.endpoint.port === 0 || hint.endpoint.port === 65_535) return hint;
    return { ...hint, endpoint: { ip: hint.endpoint.ip, port: hint.endpoint.port + 1 } };
  });
}

function encodeHints(words: Int32Array, at: number, hints: readonly SourceHint[]): number {
  const count = Math.min(hints.length, hintsPerSlotMax);
  for (let index = 0; index < count; index++) {
    const hint = hints[index]!;
    encodeEndpoint(words, at + index * hintWords, hint.endpoint);
    words[at + index * hintWords + 5] =
      (hint.isIpUsable ? hintUsable : 0) | (hint.isIpShared ? hintExpected : 0);
  }
  return count;
}

/** Five words: the address in network order, the port; undefined is all zero. */
export function encodeEndpoint(words: Int32Array, at: number, endpoint: Endpoint | undefined): void {
  if (endpoint === undefined) {
    words.fill(0, at, at + 5);
    return;
  }
  const [ip0, ip1, ip2, ip3] = ipToWords(endpoint.ip);
  words[at] = ip0;
  words[at + 1] = ip1;
  words[at + 2] = ip2;
  words[at + 3] = ip3;
  words[at + 4] = endpoint.port;
}

/** What the relay itself needs of a pair's settings, and the policy's two views. */
export interface DecodedSettings {
  readonly transport: number;
  readonly isMux: boolean;
  readonly mayReceive: boolean;
  readonly maySend: boolean;
  readonly peerSlot: number;
  readonly peerGeneration: number;
  /** A code of `securityCode`. */
  readonly security: number;
  /** Of the pair's ICE; empty: no check is for us. */
  readonly ufrag: Uint8Array;
  readonly bundle: DecodedBundle | undefined;
  readonly rtp: SlotSettings;
  readonly rtcp: SlotSettings;
}

export interface DecodedBundle {
  readonly carrierSlot: number;
  readonly carrierGeneration: number;
  readonly mid: Uint8Array;
  /** Number of the header extension that carries the mid; 0: none. */
  readonly midExtension: number;
  /** As int32. */
  readonly ssrcs: Int32Array;
}

interface PayloadTables {
  readonly payloadTypes: Int32Array;
  readonly clockRates: Uint32Array;
}

const nothing = new Int32Array(0);

/** One slot's view. A class, so that all views have one shape: the policy reads them once per packet. */
class DecodedSlot implements SlotSettings {
  readonly isRtp: boolean;
  readonly isMux: boolean;
  readonly isSignalled: boolean;
  readonly mayReceive: boolean;
  readonly maySend: boolean;
  readonly generation: number;
  readonly isAsymmetric: boolean;
  readonly isStrict: boolean;
  readonly followsAnySource: boolean;
  readonly hasIce: boolean;
  readonly learningMode: number;
  readonly hints: Int32Array;
  readonly hintCount: number;
  readonly target: Int32Array;
  readonly payloadTypes: Int32Array;
  readonly clockRates: Uint32Array;
  readonly siblings: Int32Array;

  constructor(words: Int32Array, at: number, component: 0 | 1, payloads: PayloadTables) {
    const flags = words[at + field.flags]!;
    this.isRtp = words[at + field.transport] === transportCode.rtp;
    this.isMux = (flags & flag.isMux) !== 0;
    this.isSignalled = (flags & flag.isSignalled) !== 0;
    this.mayReceive = (flags & flag.mayReceive) !== 0;
    this.maySend = (flags & flag.maySend) !== 0;
    this.generation = words[at + field.generation]!;
    this.isAsymmetric = (flags & flag.isAsymmetric) !== 0;
    this.isStrict = (flags & flag.isStrict) !== 0;
    this.followsAnySource = (flags & flag.followsAnySource) !== 0;
    this.hasIce = (flags & flag.hasIce) !== 0;
    this.learningMode = words[at + field.learningMode]!;
    this.hintCount = words[at + (component === 0 ? field.rtpHintCount : field.rtcpHintCount)]!;
    const hints = at + (component === 0 ? field.rtpHints : field.rtcpHints);
    this.hints = this.hintCount === 0 ? nothing : words.slice(hints, hints + this.hintCount * hintWords);
    const target = at + (component === 0 ? field.rtpTarget : field.rtcpTarget);
    this.target = words.slice(target, target + 5);
    this.payloadTypes = payloads.payloadTypes;
    this.clockRates = payloads.clockRates;
    this.siblings = siblingsOf(words, at, component);
  }
}

function siblingsOf(words: Int32Array, at: number, component: 0 | 1): Int32Array {
  const count = words[at + field.siblingCount]!;
  if (count === 0) return nothing;
  const start = at + field.siblings;
  return words.slice(start, start + count).map((slot) => slot + component);
}

function bundleOf(words: Int32Array, at: number): DecodedBundle | undefined {
  const carrierSlot = words[at + field.carrierSlot]!;
  if (carrierSlot < 0) return undefined;
  const ssrcs = at + field.ssrcs;
  return {
    carrierSlot,
    carrierGeneration: words[at + field.carrierGeneration]!,
    mid: textOf(words, at + field.mid, words[at + field.midSizeBytes]!),
    midExtension: words[at + field.midExtension]!,
    ssrcs: words.slice(ssrcs, ssrcs + words[at + field.ssrcCount]!),
  };
}

function textOf(words: Int32Array, at: number, sizeBytes: number): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset + 4 * at, sizeBytes).slice();
}

/** Few distinct payload lists serve thousands of calls, so equal lists share one table. */
const payloadCacheMax = 256;

export class SettingsDecoder {
  readonly #payloadTables = new Map<string, PayloadTables>();

  decode(words: Int32Array, at: number): DecodedSettings {
    const payloads = this.#payloads(words, at);
    const rtp = new DecodedSlot(words, at, 0, payloads);
    return {
      transport: words[at + field.transport]!,
      isMux: rtp.isMux,
      mayReceive: rtp.mayReceive,
      maySend: rtp.maySend,
      peerSlot: words[at + field.peerSlot]!,
      peerGeneration: words[at + field.peerGeneration]!,
      security: words[at + field.security]!,
      ufrag: textOf(words, at + field.ufrag, words[at + field.ufragSizeBytes]!),
      bundle: bundleOf(words, at),
      rtp,
      rtcp: new DecodedSlot(words, at, 1, payloads),
    };
  }

  #payloads(words: Int32Array, at: number): PayloadTables {
    const start = at + field.payloads;
    const list = words.subarray(start, start + words[at + field.payloadCount]!);
    const key = list.join();
    const known = this.#payloadTables.get(key);
    if (known !== undefined) return known;
    const tables = { payloadTypes: new Int32Array(4), clockRates: new Uint32Array(128) };
    for (const word of list) {
      const payloadType = word >>> 24;
      tables.payloadTypes[payloadType >>> 5]! |= 1 << (payloadType & 31);
      tables.clockRates[payloadType] = word & 0xffffff;
    }
    if (this.#payloadTables.size >= payloadCacheMax) this.#payloadTables.clear();
    this.#payloadTables.set(key, tables);
    return tables;
  }
}
