/**
 * The policy's whole memory of its slots: some 1,500 bytes each, plain numbers in one buffer, so that a slot's state can
 * be copied out and in as bytes, and read by another thread (view.ts). Settings are not part of it: they are declared
 * anew by `configure`. Nor are the windows of twins (twin-table.ts): few slots have any.
 *
 * What every packet of a proven source touches comes first, in two cache lines. What few slots ever use lies in an annex
 * behind all slots, in memory that is not there before it is written to.
 *
 *     slot:  0..15 header     16..17 last heard     18..97 streams     98..137 more header     138..157 times (doubles)
 *     annex: 0..127 candidates     128..167 checked sources     168..203 sources that lost the leg     204..235 strikes
 */
import {
  candidatesPerSlotMax,
  checkedSourcesPerSlotMax,
  rememberedSourcesPerSlotMax,
  ssrcsPerSlotMax,
  strikesPerSlotMax,
} from "../core/limits.ts";

export const slotWords = 160;
const annexWords = 236;
/** Of both parts. */
export const slotBytes = 4 * (slotWords + annexWords);

/** Bytes of the memory that a policy for so many slots needs. */
export function handoverBytes(capacitySlots: number): number {
  return capacitySlots * slotBytes;
}

/** Word index of the slot's annex, in the memory of so many slots. */
export function annexAt(slot: number, capacitySlots: number): number {
  return capacitySlots * slotWords + slot * annexWords;
}

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
  switchCount: 98,
  previous: 99,
  previousPort: 103,
  previousSsrc: 104,
  /** First sequence number of the source that replaced the previous one. */
  previousSequence: 105,
  previousClaim: 106,
  siblingEpochs: 107,
  generation: 108,
  /** The place the SDP before named and the present one does not; five words, port 0: none. */
  former: 109,
  /** Times the leg went from one source to another since the slot was opened. */
  switches: 114,
  /** Sources that lost the leg and are remembered. */
  rememberedCount: 115,
  strikeCount: 116,
  /** Number of the slot's record in the twin table; 0: none. */
  twinRecord: 117,
  /** The source that is read beside the proven one; five words, port 0: none. */
  twin: 118,
  twinPort: 122,
  /** Who showed by a receipt that it hears us from a new place, and waits for the old one's silence; port 0: nobody. */
  receipt: 123,
  receiptPort: 127,
  /** Last sequence number of the previous source's own, and its pace (streams.ts, `paceOf`). */
  previousLast: 128,
  previousPace: 129,
  /** Source of the last packet with a short tag that was not enough; five words, port 0: none. */
  weak: 130,
  /** Sources with a valid check of ICE. */
  checkedCount: 135,
  /** The number of the packet of `real.stragglerAt`. */
  stragglerSequence: 136,
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
  /** The source that is read beside the proven one had the leg until a moment ago. */
  twinIsSuspect: 128,
  /** Signalling named another place, and the proven source speaks on: the target stays for the moment. */
  targetWaits: 256,
  /** That place is behind a NAT, or may be. */
  targetIsGuess: 512,
  /** Copies of the proven stream are looked for: their senders are the same party. */
  isComparing: 1024,
} as const;

/** Bits of `pending` above the candidates. */
export const watch = {
  provisional: 0x100,
  /** Another source is read beside the proven one, and its packets are compared. */
  twin: 0x200,
  /** The target went to where a listener moved; RTP of the proven source brings it back. */
  targetAway: 0x400,
} as const;

/**
 * What a previous source may still do: have packets relayed that were on their way, take the leg back, or neither, but wait
 * for it as one that carries its stream on. Who may take the leg back at first has patience later.
 */
export const previousClaim = { none: 0, latePackets: 1, takeBack: 2, patience: 3 } as const;

/** What a remembered source may do: take the leg back with its first packet, or move there without being counted. */
export const memoryClaim = { takeBack: 1, known: 2 } as const;

/** Doubles of a slot, indexed from `slot * slotWords / 2`. */
export const real = {
  /** Last packet of any kind from the proven source. */
  heardAt: 8,
  provenAt: 69,
  /** The party's SDP of this generation became known. */
  signalledAt: 70,
  /** Last packet of any kind from a usable signalled address that proved nothing. */
  usableHeardAt: 71,
  previousAt: 72,
  switchWindowAt: 73,
  /**
   * When a source proven by superseded hints is looked at again, or, before proof, when a doubtful address is sent to
   * after all; 0: never.
   */
  supersededAt: 74,
  /** End of the time after a change of SDP in which addresses are judged anew. */
  freshUntil: 75,
  /** What went out was sent again. */
  replayedAt: 76,
  /** When the source of `word.receipt` was heard first. */
  receiptAt: 77,
  /** When the first packet came that the previous source may have sent before the last switch. */
  stragglerAt: 78,
} as const;

/** A stream: ten words from `stream.first + index * stream.size`; times as doubles at even words. */
export const stream = {
  first: 18,
  size: 10,
  ssrc: 0,
  sequence: 1,
  timestamp: 2,
  payloadType: 3,
  lastAt: 4,
  interArrivalMs: 6,
  jitterMs: 8,
} as const;

/** A candidate: sixteen words of the annex from `candidate.first + index * candidate.size`. */
export const candidate = {
  first: 0,
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

/** Where in the annex endpoints with a valid check of ICE stand, five words each; the one checked longest ago first. */
export const checkedFirst = 128;

/** A remembered source: nine words of the annex from `remembered.first + index * remembered.size`. The first entry is the oldest. */
export const remembered = {
  first: 168,
  size: 9,
  ip: 0,
  ssrc: 5,
  /** Of its last packet while it had the leg. */
  sequence: 6,
  claim: 7,
  /** Of its stream while it had the leg. */
  pace: 8,
} as const;

/** A strike: eight words of the annex from `strike.first + index * strike.size`; its end as a double at even words. */
export const strike = { first: 204, size: 8, ip: 0, until: 6 } as const;

const streamsEnd = stream.first + ssrcsPerSlotMax * stream.size;

if (streamsEnd > word.switchCount) throw new Error("handover: streams overlap");
if (candidate.first + candidatesPerSlotMax * candidate.size > checkedFirst) {
  throw new Error("handover: candidates overlap");
}
if (checkedFirst + 5 * checkedSourcesPerSlotMax > remembered.first) {
  throw new Error("handover: checked sources overlap");
}
if (remembered.first + rememberedSourcesPerSlotMax * remembered.size > strike.first) {
  throw new Error("handover: remembered sources overlap");
}
if (strike.first + strikesPerSlotMax * strike.size > annexWords) {
  throw new Error("handover: strikes overlap");
}

export class SlotTable {
  readonly capacitySlots: number;
  readonly words: Int32Array;
  readonly reals: Float64Array;
  readonly #bytes: Uint8Array;

  /** `memory`: at least `handoverBytes(capacitySlots)` zeroed bytes, where another thread may look; else its own. */
  constructor(capacitySlots: number, memory?: ArrayBufferLike) {
    const buffer = memory ?? new ArrayBuffer(handoverBytes(capacitySlots));
    if (buffer.byteLength < handoverBytes(capacitySlots))
      throw new Error("handover: the memory is too small");
    this.capacitySlots = capacitySlots;
    this.words = new Int32Array(buffer);
    this.reals = new Float64Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  /** Word index of the slot's annex. */
  annexOf(slot: number): number {
    return annexAt(slot, this.capacitySlots);
  }

  /** What the header counts needs no clearing: streams, candidates, checked and remembered sources, strikes. */
  clear(slot: number): void {
    const base = slot * slotWords;
    this.words.fill(0, base, base + stream.first);
    this.words.fill(0, base + streamsEnd, base + slotWords);
  }

  /** The slot's state as bytes of this machine's order. */
  copyOut(slot: number): Uint8Array {
    const bytes = new Uint8Array(slotBytes);
    bytes.set(this.#part(slot * slotWords, slotWords), 0);
    bytes.set(this.#part(this.annexOf(slot), annexWords), 4 * slotWords);
    return bytes;
  }

  copyIn(slot: number, bytes: Uint8Array): void {
    if (bytes.length !== slotBytes) throw new Error("handover: a slot's state has another size");
    this.#part(slot * slotWords, slotWords).set(bytes.subarray(0, 4 * slotWords));
    this.#part(this.annexOf(slot), annexWords).set(bytes.subarray(4 * slotWords));
  }

  #part(word: number, words: number): Uint8Array {
    return this.#bytes.subarray(4 * word, 4 * (word + words));
  }
}
