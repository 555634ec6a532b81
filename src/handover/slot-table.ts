/**
 * The policy's whole memory: some 1,200 bytes a slot, plain numbers in one buffer, so that a slot's state can be copied
 * out and in as bytes. Settings are not part of it: they are declared anew by `configure`.
 *
 *     words 0..31 header     32..47 times (doubles)     48..127 streams     128..255 candidates     256..303 keys
 */
import { candidatesPerSlotMax, checkedSourcesPerSlotMax, ssrcsPerSlotMax } from "../core/limits.ts";

export const slotWords = 304;
export const slotBytes = slotWords * 4;

/** Int32 words of a slot. An endpoint is five words: four of address, one of port; port 0 says none. */
export const word = {
  flags: 0,
  evidence: 1,
  proven: 2,
  provenPort: 6,
  target: 7,
  targetPort: 11,
  /** Rank of a first speaker, or of the learning override. */
  provenRank: 12,
  /** Low eight bits: candidates in use. Above: `watch` bits. Zero: nothing to look at beside the stream. */
  pending: 13,
  streamCount: 14,
  currentStream: 15,
  switchCount: 16,
  previous: 17,
  previousPort: 21,
  previousSsrc: 22,
  /** First sequence number of the source that replaced the previous one. */
  previousSequence: 23,
  previousClaim: 24,
  siblingEpochs: 25,
  generation: 26,
  /** The place the SDP before named and the present one does not; five words, port 0: none. */
  former: 27,
} as const;

/** Bits of `flags`. */
export const slotFlag = {
  isOpen: 1,
  /** The proven source was, or is, named by a hint: exact or by its IP. */
  isFitting: 2,
  /** The proven source is exactly a valid hint. */
  isExact: 4,
  /** The proven source fitted the hints before and fits the new ones no more. */
  lostFit: 8,
  /** In this generation no source was proven by signalling yet. */
  generationOpen: 16,
  /** The target was set by a keepalive or RTCP of a party that has sent no media. */
  targetByPresence: 32,
  /** ICE has said where to send, or that nothing is to be sent. */
  targetByIce: 64,
} as const;

/** Bits of `pending` above the candidates. */
export const watch = { provisional: 0x100 } as const;

/** What a previous source may still do. */
export const previousClaim = { none: 0, latePackets: 1, takeBack: 2 } as const;

/** Doubles of a slot, indexed from `slot * slotWords / 2`. */
export const real = {
  /** Last packet of any kind from the proven source. */
  heardAt: 16,
  provenAt: 17,
  /** The party's SDP of this generation became known. */
  signalledAt: 18,
  /** Last packet of any kind from a usable signalled address that proved nothing. */
  usableHeardAt: 19,
  previousAt: 20,
  switchWindowAt: 21,
  /**
   * When a source proven by superseded hints is looked at again, or, before proof, when a doubtful address is sent to
   * after all; 0: never.
   */
  supersededAt: 22,
  /** End of the time after a change of SDP in which addresses are judged anew. */
  freshUntil: 23,
} as const;

/** A stream: ten words from `stream.first + index * stream.size`; times as doubles at even words. */
export const stream = {
  first: 48,
  size: 10,
  ssrc: 0,
  sequence: 1,
  timestamp: 2,
  payloadType: 3,
  lastAt: 4,
  interArrivalMs: 6,
  jitterMs: 8,
} as const;

/** A candidate: sixteen words from `candidate.first + index * candidate.size`. */
export const candidate = {
  first: 128,
  size: 16,
  ip: 0,
  port: 4,
  ssrc: 5,
  sequence: 6,
  timestamp: 7,
  payloadType: 8,
  /** Consistent packets in a row. */
  packets: 9,
  rank: 10,
  claim: 11,
  firstAt: 12,
  lastAt: 14,
} as const;

/** Why a candidate is waiting. `sequence` of its first packet stands above the low byte. */
export const claim = {
  /** Before proof, or beside a provisional source. */
  speaker: 0,
  /** A signalled address by its IP alone. */
  port: 1,
  /** A second exact hint while the first one speaks. */
  exact: 2,
  /** The proven stream, from elsewhere. */
  continuity: 3,
  continuityInPlace: 4,
  /** Same place, new SSRC. */
  place: 5,
  generation: 6,
} as const;

/** Sources that a key or ICE vouches for. Endpoints are five words. */
export const vouched = {
  first: 256,
  /** Endpoints with a valid check; the one checked longest ago first. */
  checked: 256,
  checkedCount: 296,
  /** Source of the last packet with a short tag that was not enough; port 0: none. */
  weak: 297,
  size: 48,
} as const;

const headerWords = stream.first;

if (stream.first + ssrcsPerSlotMax * stream.size > candidate.first)
  throw new Error("handover: streams overlap");
if (candidate.first + candidatesPerSlotMax * candidate.size > vouched.first) {
  throw new Error("handover: candidates overlap");
}
if (vouched.checked + 5 * checkedSourcesPerSlotMax > vouched.checkedCount) {
  throw new Error("handover: checked sources overlap");
}

export class SlotTable {
  readonly capacitySlots: number;
  readonly words: Int32Array;
  readonly reals: Float64Array;
  readonly #bytes: Uint8Array;

  constructor(capacitySlots: number) {
    const buffer = new ArrayBuffer(capacitySlots * slotBytes);
    this.capacitySlots = capacitySlots;
    this.words = new Int32Array(buffer);
    this.reals = new Float64Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  /** Streams and candidates are valid only as far as the header counts them, so they need no clearing. */
  clear(slot: number): void {
    const base = slot * slotWords;
    this.words.fill(0, base, base + headerWords);
    this.words.fill(0, base + vouched.first, base + vouched.first + vouched.size);
  }

  /** The slot's state as bytes of this machine's order. */
  copyOut(slot: number): Uint8Array {
    return this.#bytes.slice(slot * slotBytes, (slot + 1) * slotBytes);
  }

  copyIn(slot: number, bytes: Uint8Array): void {
    if (bytes.length !== slotBytes) throw new Error("handover: a slot's state has another size");
    this.#bytes.set(bytes, slot * slotBytes);
  }
}
