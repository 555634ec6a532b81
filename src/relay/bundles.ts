/**
 * Which m-line of a bundle a packet belongs to (RFC 8843 section 9.2). All of a bundle comes to the sockets of one
 * pair, the carrier; each of its pairs stands for an m-line. RTP is told by its SSRC where that is signalled or was
 * learnt, else by the mid in its header extension, else by a payload type only one m-line has. A sender report is told by
 * its sender; other RTCP first by the stream it is about, as browsers report on what they hear of one m-line in the name
 * of what they send on another. What is left is the carrier's.
 *
 * Typed arrays and bounded tables; nothing is allocated per packet. Links hold pair + 1, so zeroed memory means none.
 */
import {
  bundleElementsMax,
  bundleMidSizeBytesMax,
  bundleReportsMax,
  bundleSsrcsMax,
} from "../core/limits.ts";
import { packetKind } from "../handover/contract.ts";
import { ExtensionWalker } from "../rtp/header-extension.ts";
import { reception } from "../rtp/reception.ts";
import {
  firstReportBlock,
  nextRtcpPacket,
  reportSsrc,
  rtcpPacketBytes,
  rtcpSenderSsrc,
  rtcpType,
} from "../rtp/rtcp.ts";
import { read32, rtpPayloadType, rtpSsrc } from "../rtp/rtp.ts";
import { type CounterMemory, socketAt, socketField, streamAt } from "./counters.ts";
import type { DecodedBundle } from "./slot-settings.ts";
import { pairFlag, type Slots } from "./slots.ts";

/** How an SSRC became known; what was told by the payload type alone gives way to a mid. */
const known = { signalled: 1, byMid: 2, byType: 3 } as const;

/** Media SSRC of a feedback message (RFC 4585 section 6.1). */
const feedbackMediaAt = 8;
const feedbackBytesMin = 12;

export class Bundles {
  readonly #bytes: Uint8Array;
  readonly #slots: Slots;
  readonly #counters: CounterMemory;
  readonly #walker: ExtensionWalker;
  /** By pair: its carrier, that one's generation, the next pair of the same carrier; of a carrier the first pair. */
  readonly #carriers: Int32Array;
  readonly #carrierGenerations: Int32Array;
  readonly #next: Int32Array;
  readonly #first: Int32Array;
  /** By pair. */
  readonly #mids: Uint8Array;
  readonly #midSizes: Uint8Array;
  readonly #midExtensions: Uint8Array;
  readonly #payloadTypes: (Int32Array | undefined)[];
  /** By carrier, `bundleSsrcsMax` of each: the SSRC, its m-line's pair, how it is known, when it was heard last. */
  readonly #ssrcs: Int32Array;
  readonly #ssrcPairs: Int32Array;
  readonly #ssrcKinds: Uint8Array;
  readonly #ssrcHeard: Float64Array;
  readonly #ssrcCounts: Uint8Array;
  #clock = 0;

  constructor(bytes: Uint8Array, slots: Slots, counters: CounterMemory) {
    const pairs = slots.capacitySlots >>> 1;
    this.#bytes = bytes;
    this.#slots = slots;
    this.#counters = counters;
    this.#walker = new ExtensionWalker(bytes);
    this.#carriers = new Int32Array(pairs);
    this.#carrierGenerations = new Int32Array(pairs);
    this.#next = new Int32Array(pairs);
    this.#first = new Int32Array(pairs);
    this.#mids = new Uint8Array(pairs * bundleMidSizeBytesMax);
    this.#midSizes = new Uint8Array(pairs);
    this.#midExtensions = new Uint8Array(pairs);
    this.#payloadTypes = new Array<Int32Array | undefined>(pairs).fill(undefined);
    this.#ssrcs = new Int32Array(pairs * bundleSsrcsMax);
    this.#ssrcPairs = new Int32Array(pairs * bundleSsrcsMax);
    this.#ssrcKinds = new Uint8Array(pairs * bundleSsrcsMax);
    this.#ssrcHeard = new Float64Array(pairs * bundleSsrcsMax);
    this.#ssrcCounts = new Uint8Array(pairs);
  }

  /** Pairs may have joined before the carrier was open. */
  open(slot: number): void {
    this.#mark(slot >>> 1);
  }

  /** The pair's place in a bundle, instead of the one before. `payloadTypes`: a bit for each type of its m-line. */
  configure(slot: number, bundle: DecodedBundle | undefined, payloadTypes: Int32Array): void {
    const pair = slot >>> 1;
    const carrier = bundle === undefined ? -1 : bundle.carrierSlot >>> 1;
    const isSame =
      bundle !== undefined &&
      this.#carriers[pair] === carrier + 1 &&
      this.#carrierGenerations[pair] === bundle.carrierGeneration;
    if (!isSame) this.#leave(pair);
    if (bundle === undefined) return;
    this.#midSizes[pair] = bundle.midSizeBytes;
    this.#mids.set(bundle.mid, pair * bundleMidSizeBytesMax);
    this.#midExtensions[pair] = bundle.midExtension;
    this.#payloadTypes[pair] = payloadTypes;
    if (!isSame) this.#join(pair, carrier, bundle.carrierGeneration);
    this.#forgetSsrcs(carrier, pair, known.signalled);
    for (let index = 0; index < bundle.ssrcCount; index++) {
      this.#learn(carrier, bundle.ssrcs[index]!, pair, known.signalled);
    }
  }

  /** The pair is gone: it leaves its bundle, and the bundle it carried is none any more. */
  close(slot: number): void {
    const pair = slot >>> 1;
    this.#leave(pair);
    while (this.#first[pair] !== 0) this.#leave(this.#first[pair]! - 1);
    this.#ssrcCounts[pair] = 0;
  }

  /** RTP slot of the sockets that serve the pair: its own, or its carrier's; -1 if that one is closed. */
  socketsOf(slot: number): number {
    return (this.#slots.flags[slot >>> 1]! & pairFlag.isBundled) === 0 ? slot : this.#carrierOf(slot);
  }

  /**
   * Start of the record of the stream with this SSRC that goes out to the party of the slot's pair, or, in a bundle, to
   * that of any of its m-lines; -1: there is none, or it must not go there.
   */
  streamSentTo(slot: number, ssrc: number): number {
    const { flags } = this.#slots;
    const pair = slot >>> 1;
    let link = (flags[pair]! & pairFlag.isCarrier) === 0 ? pair + 1 : this.#first[pair]!;
    while (link !== 0) {
      const mayHear = (flags[link - 1]! & pairFlag.mayReceive) !== 0;
      const at = mayHear ? this.#streamOfPeer(2 * (link - 1), ssrc) : -1;
      if (at >= 0) return at;
      link = (flags[pair]! & pairFlag.isCarrier) === 0 ? 0 : this.#next[link - 1]!;
    }
    return -1;
  }

  /**
   * RTP slot of the m-line that a packet on the carrier's sockets belongs to, or -1. `isSealed`: only the parts that
   * SRTP leaves readable are looked at, and nothing is learnt.
   */
  mediaOf(slot: number, kind: number, offset: number, sizeBytes: number, isSealed: boolean): number {
    const carrier = slot >>> 1;
    let pair = carrier;
    if (kind === packetKind.rtcp) pair = this.#pairOfRtcp(carrier, offset, sizeBytes, isSealed);
    else if (kind === packetKind.rtp) pair = this.#pairOfRtp(carrier, offset, !isSealed);
    return pair < 0 ? -1 : 2 * pair;
  }

  #pairOfRtp(carrier: number, offset: number, learns: boolean): number {
    const ssrc = rtpSsrc(this.#bytes, offset);
    const at = this.#find(carrier, ssrc);
    if (at >= 0 && this.#ssrcKinds[at] !== known.byType) return this.#heard(at, learns);
    let pair = this.#pairOfMid(carrier, offset);
    if (pair >= 0) {
      if (learns) this.#learn(carrier, ssrc, pair, known.byMid);
      return pair;
    }
    if (at >= 0) return this.#heard(at, learns);
    pair = this.#pairOfType(carrier, rtpPayloadType(this.#bytes, offset));
    if (pair >= 0 && learns) this.#learn(carrier, ssrc, pair, known.byType);
    return pair;
  }

  #pairOfRtcp(carrier: number, offset: number, sizeBytes: number, isSealed: boolean): number {
    const isReport = !isSealed && this.#bytes[offset + 1] !== rtcpType.sr;
    const reported = isReport ? this.#pairReportedOn(carrier, offset, offset + sizeBytes) : -1;
    if (reported >= 0) return reported;
    const at = this.#find(carrier, rtcpSenderSsrc(this.#bytes, offset));
    if (at >= 0) return this.#ssrcPairs[at]!;
    const pair = isSealed || isReport ? -1 : this.#pairReportedOn(carrier, offset, offset + sizeBytes);
    return pair < 0 ? carrier : pair;
  }

  /** The m-line whose stream, as it goes out to this party, a report or feedback of the compound is about. */
  #pairReportedOn(carrier: number, offset: number, end: number): number {
    const bytes = this.#bytes;
    let looked = 0;
    for (let at = offset; at >= 0; at = nextRtcpPacket(bytes, at, end)) {
      if (++looked > bundleReportsMax) return -1;
      const type = bytes[at + 1]!;
      const isFeedback = type === rtcpType.rtpfb || type === rtcpType.psfb;
      const block = isFeedback ? at + feedbackMediaAt : firstReportBlock(bytes, at, end);
      if (block < 0 || (isFeedback && rtcpPacketBytes(bytes, at) < feedbackBytesMin)) continue;
      const pair = this.#pairThatHears(carrier, isFeedback ? read32(bytes, block) : reportSsrc(bytes, block));
      if (pair >= 0) return pair;
    }
    return -1;
  }

  /** The m-line whose peer was heard with this SSRC. */
  #pairThatHears(carrier: number, ssrc: number): number {
    for (let link = this.#first[carrier]!; link !== 0; link = this.#next[link - 1]!) {
      if (this.#streamOfPeer(2 * (link - 1), ssrc) >= 0) return link - 1;
    }
    return -1;
  }

  /** Start of the record of the stream with this SSRC that the slot's peer is heard with, or -1. */
  #streamOfPeer(slot: number, ssrc: number): number {
    const { sockets, streams } = this.#counters;
    const peer = this.#slots.peerOf(slot);
    if (peer < 0) return -1;
    const used = sockets[socketAt(peer) + socketField.streams]!;
    for (let rank = 0; rank < used; rank++) {
      const at = streamAt(peer, rank, this.#slots.capacitySlots);
      if (streams[at + reception.ssrc] === ssrc >>> 0) return at;
    }
    return -1;
  }

  #pairOfMid(carrier: number, offset: number): number {
    const walker = this.#walker;
    walker.start(offset);
    for (let looked = 0; looked < bundleElementsMax && walker.next(); looked++) {
      for (let link = this.#first[carrier]!; link !== 0; link = this.#next[link - 1]!) {
        if (walker.id === this.#midExtensions[link - 1] && this.#isMid(link - 1)) return link - 1;
      }
    }
    return -1;
  }

  #isMid(pair: number): boolean {
    const { offset, sizeBytes } = this.#walker;
    if (sizeBytes !== this.#midSizes[pair]) return false;
    const own = pair * bundleMidSizeBytesMax;
    for (let index = 0; index < sizeBytes; index++) {
      if (this.#bytes[offset + index] !== this.#mids[own + index]) return false;
    }
    return true;
  }

  /** The only m-line that has this payload type. */
  #pairOfType(carrier: number, payloadType: number): number {
    let found = -1;
    for (let link = this.#first[carrier]!; link !== 0; link = this.#next[link - 1]!) {
      const types = this.#payloadTypes[link - 1];
      if (types === undefined || (types[payloadType >>> 5]! & (1 << (payloadType & 31))) === 0) continue;
      if (found >= 0) return -1;
      found = link - 1;
    }
    return found;
  }

  #find(carrier: number, ssrc: number): number {
    const first = carrier * bundleSsrcsMax;
    const end = first + this.#ssrcCounts[carrier]!;
    for (let at = first; at < end; at++) if (this.#ssrcs[at] === ssrc) return at;
    return -1;
  }

  #heard(at: number, counts: boolean): number {
    if (counts) this.#ssrcHeard[at] = ++this.#clock;
    return this.#ssrcPairs[at]!;
  }

  #learn(carrier: number, ssrc: number, pair: number, kind: number): void {
    let at = this.#find(carrier, ssrc);
    if (at < 0) at = this.#claim(carrier);
    this.#ssrcs[at] = ssrc;
    this.#ssrcPairs[at] = pair;
    this.#ssrcKinds[at] = kind;
    this.#ssrcHeard[at] = ++this.#clock;
  }

  /** A free record, else that of the SSRC unheard for longest. */
  #claim(carrier: number): number {
    const first = carrier * bundleSsrcsMax;
    const count = this.#ssrcCounts[carrier]!;
    if (count < bundleSsrcsMax) {
      this.#ssrcCounts[carrier] = count + 1;
      return first + count;
    }
    let stalest = first;
    for (let at = first + 1; at < first + count; at++) {
      if (this.#ssrcHeard[at]! < this.#ssrcHeard[stalest]!) stalest = at;
    }
    return stalest;
  }

  /** Those of one m-line that became known in this way; of any way for kind 0. */
  #forgetSsrcs(carrier: number, pair: number, kind: number): void {
    const first = carrier * bundleSsrcsMax;
    for (let at = first + this.#ssrcCounts[carrier]! - 1; at >= first; at--) {
      if (this.#ssrcPairs[at] !== pair || (kind !== 0 && this.#ssrcKinds[at] !== kind)) continue;
      const last = first + --this.#ssrcCounts[carrier]!;
      this.#ssrcs[at] = this.#ssrcs[last]!;
      this.#ssrcPairs[at] = this.#ssrcPairs[last]!;
      this.#ssrcKinds[at] = this.#ssrcKinds[last]!;
      this.#ssrcHeard[at] = this.#ssrcHeard[last]!;
    }
  }

  #join(pair: number, carrier: number, generation: number): void {
    this.#dropStale(carrier, generation);
    this.#carriers[pair] = carrier + 1;
    this.#carrierGenerations[pair] = generation;
    this.#next[pair] = this.#first[carrier]!;
    this.#first[carrier] = pair + 1;
    this.#mark(carrier);
    if (carrier !== pair) this.#slots.flags[pair]! |= pairFlag.isBundled;
  }

  /** Pairs that still wait for a predecessor in the carrier's place. */
  #dropStale(carrier: number, generation: number): void {
    let link = this.#first[carrier]!;
    while (link !== 0) {
      const next = this.#next[link - 1]!;
      if (this.#carrierGenerations[link - 1] !== generation) this.#leave(link - 1);
      link = next;
    }
  }

  #leave(pair: number): void {
    const carrier = this.#carriers[pair]! - 1;
    if (carrier < 0) return;
    let link = this.#first[carrier]!;
    let before = 0;
    while (link !== pair + 1) {
      before = link;
      link = this.#next[link - 1]!;
    }
    if (before === 0) this.#first[carrier] = this.#next[pair]!;
    else this.#next[before - 1] = this.#next[pair]!;
    this.#carriers[pair] = 0;
    this.#next[pair] = 0;
    this.#payloadTypes[pair] = undefined;
    this.#forgetSsrcs(carrier, pair, 0);
    this.#mark(carrier);
    this.#slots.flags[pair]! &= ~pairFlag.isBundled;
  }

  /** A carrier of itself alone needs no look at its packets. */
  #mark(carrier: number): void {
    if ((this.#slots.flags[carrier]! & pairFlag.isOpen) === 0) return;
    const first = this.#first[carrier]!;
    const isShared = first !== 0 && (first !== carrier + 1 || this.#next[carrier] !== 0);
    if (isShared) this.#slots.flags[carrier]! |= pairFlag.isCarrier;
    else this.#slots.flags[carrier]! &= ~pairFlag.isCarrier;
  }

  #carrierOf(slot: number): number {
    const pair = slot >>> 1;
    const carrier = this.#carriers[pair]! - 1;
    const isAlive = carrier >= 0 && this.#slots.generations[carrier] === this.#carrierGenerations[pair];
    return isAlive ? 2 * carrier : -1;
  }
}
