/**
 * A pair's settings on their way from main to its worker: `PairSettings` into the words of a configure command, and
 * the words into the two `SlotSettings` the handover policy reads.
 */
import { type Endpoint, familyOf, ipToWords, quadToWord } from "../core/address.ts";
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
import { hintWords, type SlotSettings } from "../handover/contract.ts";
import { hintExpected, hintUsable } from "../handover/hints.ts";
import { copyWords } from "../handover/words.ts";

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
  words[at + field.rtpHintCount] = encodeRtpHints(words, at + field.rtpHints, settings.hints);
  words[at + field.rtcpHintCount] = encodeRtcpHints(words, at + field.rtcpHints, settings.hints);
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
  words[at + field.carrierSlot] = bundle === undefined ? -1 : (carrier?.slot ?? -1);
  words[at + field.carrierGeneration] = carrier?.generation ?? 0;
  words[at + field.midExtension] = bundle?.midExtension ?? 0;
  words[at + field.midSizeBytes] = encodeText(
    words,
    at + field.mid,
    bundle?.mid ?? "",
    bundleMidSizeBytesMax,
  );
  const ssrcCount = Math.min(bundle?.ssrcs.length ?? 0, ssrcsPerMediaMax);
  words[at + field.ssrcCount] = ssrcCount;
  for (let index = 0; index < ssrcCount; index++) words[at + field.ssrcs + index] = bundle!.ssrcs[index]!;
}

/**
 * Characters of a token as bytes, the first one lowest; their number, or 0 for a text that is longer or none: it matches
 * nothing then.
 */
function encodeText(words: Int32Array, at: number, text: string, sizeBytesMax: number): number {
  if (text.length === 0 || text.length > sizeBytesMax) return 0;
  words.fill(0, at, at + Math.ceil(text.length / 4));
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0xff) return 0;
    words[at + (index >>> 2)]! |= code << (8 * (index & 3));
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

function encodeRtpHints(words: Int32Array, at: number, hints: readonly SourceHint[]): number {
  let count = 0;
  for (const hint of hints) {
    if (hint.origin === "sdp-rtcp" || count === hintsPerSlotMax) continue;
    encodeHint(words, at + count * hintWords, hint, 0);
    count++;
  }
  return count;
}

/** RTCP comes from where a=rtcp says, or from one above the RTP port (RFC 3550 section 11, RFC 3605). */
function encodeRtcpHints(words: Int32Array, at: number, hints: readonly SourceHint[]): number {
  const count = Math.min(hints.length, hintsPerSlotMax);
  for (let index = 0; index < count; index++) {
    const hint = hints[index]!;
    const { port } = hint.endpoint;
    const isOneAbove = hint.origin !== "sdp-rtcp" && port !== 0 && port !== 65_535;
    encodeHint(words, at + index * hintWords, hint, isOneAbove ? 1 : 0);
  }
  return count;
}

function encodeHint(words: Int32Array, at: number, hint: SourceHint, portOffset: 0 | 1): void {
  encodeEndpoint(words, at, hint.endpoint);
  words[at + 4]! += portOffset;
  words[at + 5] = (hint.isIpUsable ? hintUsable : 0) | (hint.isIpShared ? hintExpected : 0);
}

/** Five words: the address in network order, the port; undefined is all zero. */
export function encodeEndpoint(words: Int32Array, at: number, endpoint: Endpoint | undefined): void {
  if (endpoint === undefined) {
    words.fill(0, at, at + 5);
    return;
  }
  if (familyOf(endpoint.ip) === 4) {
    words[at] = 0;
    words[at + 1] = 0;
    words[at + 2] = 0xffff;
    words[at + 3] = quadToWord(endpoint.ip);
    words[at + 4] = endpoint.port;
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
  /** Of the pair's ICE, so many bytes of it; 0: no check is for us. */
  readonly ufrag: Uint8Array;
  readonly ufragSizeBytes: number;
  readonly bundle: DecodedBundle | undefined;
  readonly rtp: SlotSettings;
  readonly rtcp: SlotSettings;
}

export interface DecodedBundle {
  readonly carrierSlot: number;
  readonly carrierGeneration: number;
  /** So many bytes of it. */
  readonly mid: Uint8Array;
  readonly midSizeBytes: number;
  /** Number of the header extension that carries the mid; 0: none. */
  readonly midExtension: number;
  /** As int32, so many. */
  readonly ssrcs: Int32Array;
  readonly ssrcCount: number;
}

interface PayloadTables {
  /** What they were made of, to be told by. */
  readonly list: Int32Array;
  readonly payloadTypes: Int32Array;
  readonly clockRates: Uint32Array;
}

const noClockRates = new Uint32Array(128);

class DecodedSlot implements SlotSettings {
  isRtp = false;
  isMux = false;
  isSignalled = false;
  generation = 0;
  isAsymmetric = false;
  isStrict = false;
  followsAnySource = false;
  hasIce = false;
  learningMode = 0;
  readonly hints = new Int32Array(hintsWords);
  hintCount = 0;
  readonly target = new Int32Array(5);
  payloadTypes: Int32Array = new Int32Array(4);
  clockRates: Uint32Array = noClockRates;
  readonly siblings = new Int32Array(siblingsPerSlotMax);
  siblingCount = 0;

  read(words: Int32Array, at: number, component: 0 | 1, payloads: PayloadTables): void {
    const flags = words[at + field.flags]!;
    this.isRtp = words[at + field.transport] === transportCode.rtp;
    this.isMux = (flags & flag.isMux) !== 0;
    this.isSignalled = (flags & flag.isSignalled) !== 0;
    this.generation = words[at + field.generation]!;
    this.isAsymmetric = (flags & flag.isAsymmetric) !== 0;
    this.isStrict = (flags & flag.isStrict) !== 0;
    this.followsAnySource = (flags & flag.followsAnySource) !== 0;
    this.hasIce = (flags & flag.hasIce) !== 0;
    this.learningMode = words[at + field.learningMode]!;
    this.hintCount = words[at + (component === 0 ? field.rtpHintCount : field.rtcpHintCount)]!;
    const hints = at + (component === 0 ? field.rtpHints : field.rtcpHints);
    copyWords(this.hints, 0, words, hints, this.hintCount * hintWords);
    copyWords(this.target, 0, words, at + (component === 0 ? field.rtpTarget : field.rtcpTarget), 5);
    this.payloadTypes = payloads.payloadTypes;
    this.clockRates = payloads.clockRates;
    this.siblingCount = words[at + field.siblingCount]!;
    for (let index = 0; index < this.siblingCount; index++) {
      this.siblings[index] = words[at + field.siblings + index]! + component;
    }
  }
}

function copyText(into: Uint8Array, words: Int32Array, at: number, sizeBytes: number): void {
  for (let index = 0; index < sizeBytes; index++) {
    into[index] = words[at + (index >>> 2)]! >>> (8 * (index & 3));
  }
}

/** Few distinct payload lists serve thousands of calls, so equal lists share one table. */
const payloadTablesMax = 256;

/**
 * Reads settings into objects that serve again and again: a worker collects garbage on the packets' time. What
 * `decode` returns holds until it is called again, the tables of payload types and clock rates for ever.
 */
export class SettingsDecoder {
  readonly #settings = {
    transport: 0,
    isMux: false,
    mayReceive: false,
    maySend: false,
    peerSlot: -1,
    peerGeneration: 0,
    security: 0,
    ufrag: new Uint8Array(iceLocalUfragSizeBytesMax),
    ufragSizeBytes: 0,
    bundle: undefined as DecodedBundle | undefined,
    rtp: new DecodedSlot(),
    rtcp: new DecodedSlot(),
  };
  readonly #bundle = {
    carrierSlot: -1,
    carrierGeneration: 0,
    mid: new Uint8Array(bundleMidSizeBytesMax),
    midSizeBytes: 0,
    midExtension: 0,
    ssrcs: new Int32Array(ssrcsPerMediaMax),
    ssrcCount: 0,
  };
  /** By a hash of the list. */
  readonly #payloadTables = new Map<number, PayloadTables>();

  decode(words: Int32Array, at: number): DecodedSettings {
    const payloads = this.#payloads(words, at);
    const settings = this.#settings;
    const { rtp, rtcp } = settings;
    rtp.read(words, at, 0, payloads);
    rtcp.read(words, at, 1, payloads);
    settings.transport = words[at + field.transport]!;
    settings.isMux = rtp.isMux;
    settings.mayReceive = (words[at + field.flags]! & flag.mayReceive) !== 0;
    settings.maySend = (words[at + field.flags]! & flag.maySend) !== 0;
    settings.peerSlot = words[at + field.peerSlot]!;
    settings.peerGeneration = words[at + field.peerGeneration]!;
    settings.security = words[at + field.security]!;
    settings.ufragSizeBytes = words[at + field.ufragSizeBytes]!;
    copyText(settings.ufrag, words, at + field.ufrag, settings.ufragSizeBytes);
    settings.bundle = words[at + field.carrierSlot]! < 0 ? undefined : this.#readBundle(words, at);
    return settings;
  }

  #readBundle(words: Int32Array, at: number): DecodedBundle {
    const bundle = this.#bundle;
    bundle.carrierSlot = words[at + field.carrierSlot]!;
    bundle.carrierGeneration = words[at + field.carrierGeneration]!;
    bundle.midSizeBytes = words[at + field.midSizeBytes]!;
    copyText(bundle.mid, words, at + field.mid, bundle.midSizeBytes);
    bundle.midExtension = words[at + field.midExtension]!;
    bundle.ssrcCount = words[at + field.ssrcCount]!;
    copyWords(bundle.ssrcs, 0, words, at + field.ssrcs, bundle.ssrcCount);
    return bundle;
  }

  #payloads(words: Int32Array, at: number): PayloadTables {
    const start = at + field.payloads;
    const count = words[at + field.payloadCount]!;
    let hash = count;
    for (let index = 0; index < count; index++)
      hash = (Math.imul(hash, 31) + words[start + index]!) & 0x3fffffff;
    const known = this.#payloadTables.get(hash);
    if (known !== undefined && isSameList(known.list, words, start, count)) return known;
    const tables = {
      list: words.slice(start, start + count),
      payloadTypes: new Int32Array(4),
      clockRates: new Uint32Array(128),
    };
    for (const word of tables.list) {
      const payloadType = word >>> 24;
      tables.payloadTypes[payloadType >>> 5]! |= 1 << (payloadType & 31);
      tables.clockRates[payloadType] = word & 0xffffff;
    }
    if (this.#payloadTables.size >= payloadTablesMax) this.#payloadTables.clear();
    this.#payloadTables.set(hash, tables);
    return tables;
  }
}

function isSameList(list: Int32Array, words: Int32Array, start: number, count: number): boolean {
  if (list.length !== count) return false;
  for (let index = 0; index < count; index++) if (list[index] !== words[start + index]) return false;
  return true;
}
