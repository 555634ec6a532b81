/**
 * The policy's whole memory of its slots: some 1,500 bytes each, plain numbers in one buffer, so that a slot's state can
 * be copied out and in as bytes, and read by another thread (view.ts). Settings are not part of it: they are declared
 * anew by `configure`. Nor are the windows of twins (twin-table.ts): few slots have any.
 *
 *     words 0..47 header     48..67 times (doubles)     68..147 streams     148..275 candidates     276..323 keys
 *     324..359 sources that lost the leg                360..391 strikes            392..395 stragglers
 */
import {
  candidatesPerSlotMax,
  checkedSourcesPerSlotMax,
  rememberedSourcesPerSlotMax,
  ssrcsPerSlotMax,
  strikesPerSlotMax,
} from "../core/limits.ts";

export const slotWords = 396;
export const slotBytes = slotWords * 4;

/** Bytes of the memory that a policy for so many slots needs. */
export function handoverBytes(capacitySlots: number): number {
  return capacitySlots * slotBytes;
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
  /** Times the leg went from one source to another since the slot was opened. */
  switches: 32,
  /** Sources that lost the leg and are remembered. */
  rememberedCount: 33,
  strikeCount: 34,
  /** Number of the slot's record in the twin table; 0: none. */
  twinRecord: 35,
  /** The source that is read beside the proven one; five words, port 0: none. */
  twin: 36,
  twinPort: 40,
  /** Who showed by a receipt that it hears us from a new place, and waits for the old one's silence; port 0: nobody. */
  receipt: 41,
  receiptPort: 45,
  /** Last sequence number of the previous source's own, and its pace (streams.ts, `paceOf`). */
  previousLast: 46,
  previousPace: 47,
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
  heardAt: 24,
  provenAt: 25,
  /** The party's SDP of this generation became known. */
  signalledAt: 26,
  /** Last packet of any kind from a usable signalled address that proved nothing. */
  usableHeardAt: 27,
  previousAt: 28,
  switchWindowAt: 29,
  /**
   * When a source proven by superseded hints is looked at again, or, before proof, when a doubtful address is sent to
   * after all; 0: never.
   */
  supersededAt: 30,
  /** End of the time after a change of SDP in which addresses are judged anew. */
  freshUntil: 31,
  /** What went out was sent again. */
  replayedAt: 32,
  /** When the source of `word.receipt` was heard first. */
  receiptAt: 33,
  /** When the first packet came that the previous source may have sent before the last switch. */
  stragglerAt: 197,
} as const;

/** A stream: ten words from `stream.first + index * stream.size`; times as doubles at even words. */
export const stream = {
  first: 68,
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
  first: 148,
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
  first: 276,
  /** Endpoints with a valid check; the one checked longest ago first. */
  checked: 276,
  checkedCount: 316,
  /** Source of the last packet with a short tag that was not enough; port 0: none. */
  weak: 317,
  size: 48,
} as const;

/** A remembered source: nine words from `remembered.first + index * remembered.size`. The first entry is the oldest. */
export const remembered = {
  first: 324,
  size: 9,
  ip: 0,
  ssrc: 5,
  /** Of its last packet while it had the leg. */
  sequence: 6,
  claim: 7,
  /** Of its stream while it had the leg. */
  pace: 8,
} as const;

/** A strike: eight words from `strike.first + index * strike.size`; its end as a double at even words. */
export const strike = { first: 360, size: 8, ip: 0, until: 6 } as const;

/** The number of the packet of `real.stragglerAt`; the time stands in the last two words. */
export const straggler = { first: 392, sequence: 392, size: 4 } as const;

const headerWords = stream.first;

if (stream.first + ssrcsPerSlotMax * stream.size > candidate.first)
  throw new Error("handover: streams overlap");
if (candidate.first + candidatesPerSlotMax * candidate.size > vouched.first) {
  throw new Error("handover: candidates overlap");
}
if (vouched.checked + 5 * checkedSourcesPerSlotMax > vouched.checkedCount) {
  throw new Error("handover: checked sources overlap");
}
if (remembered.first + rememberedSourcesPerSlotMax * remembered.size > strike.first) {
  throw new Error("handover: remembered sources overlap");
}
if (strike.first + strikesPerSlotMax * strike.size > straggler.first) {
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

  /** What the header counts needs no clearing: streams, candidates, remembered sources, strikes. */
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
