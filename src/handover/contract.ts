/**
 * What the relay and the handover policy say to each other (docs/handover.md).
 *
 * One `HandoverPolicy` serves all slots of a worker. A *slot* is one media socket; a pair's RTP socket has an even
 * slot, its RTCP socket the odd slot above. The policy keeps plain numbers in typed arrays reached by slot, never
 * sees a byte of payload, opens nothing, and reads no clock. Packets it wants held are kept by the relay under
 * (slot, candidate) and go out, or go, when the policy says so through the sink.
 */

/** First-byte classes of a datagram (RFC 7983), with RTCP told from RTP by RFC 5761 section 4. */
export const packetKind = {
  rtp: 0,
  rtcp: 1,
  stun: 2,
  dtls: 3,
  /** Empty, CRLF, a single zero byte: says "I am here" and nothing else. */
  keepalive: 4,
  /** Well-formed payload of a non-RTP media (UDPTL, raw). */
  data: 5,
} as const;

/**
 * What decryption found; `none` where no key of ours applies, or the key's suite has no tag; `repeated`: the tag is right,
 * and the packet came before.
 */
export const authResult = { none: 0, verified: 1, repeated: 2 } as const;

/** In place of a payload type, for what is no RTP on a socket of RTP: STUN, DTLS and ZRTP of the parties' own. */
export const noPayloadType = 128;

/**
 * The facts of one datagram. The relay owns one and overwrites it for each packet, so nothing is allocated.
 * IP addresses are four words, IPv4 as ::ffff:a.b.c.d; all 32-bit values are stored as int32 (`| 0`).
 */
export class PacketFacts {
  slot = 0;
  kind = 0;
  ip0 = 0;
  ip1 = 0;
  ip2 = 0;
  ip3 = 0;
  port = 0;
  sizeBytes = 0;
  ssrc = 0;
  sequence = 0;
  timestamp = 0;
  payloadType = 0;
  auth = 0;
  /** Of a verified packet: its index is the highest seen for its SSRC, and no later answer replaced its key. */
  isNewest = false;
  /** Of a verified packet: bits of its tag. */
  tagBits = 0;
}

/**
 * What to do with a datagram. `relay` is the only code that lets it out; codes above `hold` are refusals, and each
 * is a counter of the same name.
 */
export const verdict = {
  relay: 0,
  /** Keep it under (slot, `heldFor`) until the sink says more. */
  hold: 1,
  /** Counted and consumed: a keepalive, or RTCP that only moved the send target. */
  consumed: 2,
  unprovenSource: 3,
  stranger: 4,
  outsideWindow: 5,
  unknownPayloadType: 6,
  tableFull: 7,
  struck: 8,
  rateLimited: 9,
  duplicate: 10,
  blocked: 11,
} as const;

export type Verdict = (typeof verdict)[keyof typeof verdict];

/** Evidence codes, in the order of core/plan `Evidence`. */
export const evidenceCode = {
  none: 0,
  cryptographic: 1,
  signalled: 2,
  continuity: 3,
  samePlace: 4,
  firstSpeaker: 5,
  newGeneration: 6,
  override: 7,
} as const;

/** Things worth an event to the operator, each with the source it concerns; bounded by the relay. */
export const handoverNote = {
  proven: 1,
  switched: 2,
  rolledBack: 3,
  struck: 4,
  refused: 5,
  /** Packets of a source that may take over are kept from now on. */
  held: 6,
  /** A source sends the same packets as the proven one: one party over two paths. */
  twin: 7,
} as const;

/** Of `digest` and `heldDigest`: there is no such packet. Every other value is a whole number from 0 to 2^32 - 1. */
export const noDigest = -1;

/**
 * What the policy asks of the relay. Called from within the policy; must not call back into it. Packets are released
 * from `packet` and `advance` only: what `configure` decides about held packets goes out with the next `advance`.
 */
export interface HandoverSink {
  /**
   * What is held for the candidate and came at `sinceMs` or later goes out now, oldest first, before the packet in hand;
   * what is older is dropped. Without it everything goes out.
   */
  releaseHeld(slot: number, candidate: number, sinceMs?: number): void;
  /** Everything held for the candidate is dropped and counted. */
  dropHeld(slot: number, candidate: number): void;
  /** The slot's send target changed; `targetWord` tells the new one. */
  targetChanged(slot: number): void;
  /** The slot's target moved with a party that was between networks: send again what went out since `sinceMs`. */
  replay(slot: number, sinceMs: number): void;
  /** The source it is about stands in five words at `at` of `source`, which are read before this returns. */
  note(slot: number, kind: number, evidence: number, source: Int32Array, at: number): void;
  /** A keyed hash of the RTP packet being judged, all its bytes. Two packets with one digest are the same. */
  digest(): number;
  /** The same of the packet with this sequence number that is held for the candidate; `noDigest`: none is. */
  heldDigest(slot: number, candidate: number, sequence: number): number;
  /**
   * The RTCP packet being judged has a report on a stream that we send from this slot's pair, and its extended sequence
   * number is one we sent within the last 10 s: only who hears us knows it.
   */
  isReceipt(slot: number): boolean;
}

/** Hints of `SlotSettings`, in words each. */
export const hintWords = 6;

/**
 * Settings of one slot, decoded from its pair's `configure`. Plain data that is read at once: only the tables of payload
 * types and clock rates are kept by reference.
 */
export interface SlotSettings {
  readonly isRtp: boolean;
  readonly isMux: boolean;
  readonly isSignalled: boolean;
  readonly generation: number;
  readonly isAsymmetric: boolean;
  readonly isStrict: boolean;
  readonly followsAnySource: boolean;
  /** ICE runs with this party: where to send is its decision, once it has made one. */
  readonly hasIce: boolean;
  /** 0 default, 1 off, 2 immediate, 3 delayed, 4 heuristic. */
  readonly learningMode: number;
  /**
   * `hintCount` times [ip0, ip1, ip2, ip3, port, flags]. Flags bit 0: the IP alone counts. Bit 1: it does not,
   * because other calls' media comes from there too, but the party is expected there.
   */
  readonly hints: Int32Array;
  readonly hintCount: number;
  /** [ip0, ip1, ip2, ip3, port]; port 0: nowhere. */
  readonly target: Int32Array;
  /** Bit n of word n>>5: payload type n is known in this call. */
  readonly payloadTypes: Int32Array;
  /** Clock rate in Hz by payload type, 128 entries; 0 unknown. */
  readonly clockRates: Uint32Array;
  /** Slots of the same party's other media, of the same component. */
  readonly siblings: Int32Array;
  readonly siblingCount: number;
}

export interface HandoverPolicy {
  open(slot: number, nowMs: number): void;
  configure(slot: number, settings: SlotSettings, nowMs: number): void;
  close(slot: number): void;
  /** Judges one datagram. After `hold`, `heldFor` is the candidate it belongs to. No allocation. */
  packet(facts: PacketFacts, nowMs: number): Verdict;
  readonly heldFor: number;
  /** The source in `facts` is the proven one, has a valid ICE check, or is signalled. No allocation. */
  isKnownSource(facts: PacketFacts): boolean;
  /** An ICE check succeeded with the source in `facts`. `isNominated`: we send there from now on. */
  iceCheck(facts: PacketFacts, isNominated: boolean, nowMs: number): void;
  /** The party's consent is gone: nothing is sent until a check is nominated anew. */
  iceRevoked(slot: number): void;
  /** Another session of ICE chooses: checks so far vouch for nobody any more. Its own are told anew. */
  iceSuperseded(slot: number): void;
  /** A DTLS handshake with the source in `facts` ended with the certificate SDP named. */
  dtlsVerified(facts: PacketFacts, nowMs: number): void;
  /** Runs what is due; call at `nextDeadlineMs`. */
  advance(nowMs: number): void;
  /** Infinity when nothing is due. */
  nextDeadlineMs(): number;
  /** Word 0..3: IP, word 4: port (0: nothing to send to). */
  targetWord(slot: number, word: number): number;
  provenWord(slot: number, word: number): number;
  /** Evidence code of the proven source, `none` before proof. */
  evidenceOf(slot: number): number;
}
