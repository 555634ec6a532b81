/**
 * What a packet needs of its session, 64 bytes in one piece: a thousand sessions in turn come from memory each time, so
 * all of it has to come at once. That is how packets are protected, the salt, and of each SSRC the highest index and
 * which of the last 128 were there (RFC 3711 section 3.3). Further SSRCs have records of their own, linked to the first.
 *
 * `locate` says where a packet would belong and changes nothing; `commit` enters it once it is known to be genuine, so
 * packets that nobody vouches for leave no trace. Nothing is allocated, but for more records when there are more SSRCs.
 *
 * The bit of an index in the window is its number modulo 128: moving on clears the bits stepped over and shifts nothing.
 */
import { replayWindowPackets, srtpSsrcsReceivedMax, srtpSsrcsSentMax } from "../core/limits.ts";
import { srtpCode } from "./codes.ts";

const windowWords = replayWindowPackets >>> 5;
const windowMask = replayWindowPackets - 1;

/** Words of a record. Those of a further SSRC use what stands behind the salt. */
export const sessionField = { settings: 0, handle: 1, salt: 2 } as const;
const field = { ssrc: 6, highest: 7, rollover: 8, heardAt: 9, window: 10, next: 14, clock: 15 } as const;
const recordWords = 16;
const recordsAtFirst = 64;

/** In the settings, above the bytes of the tag and of the MKI, eight bits each. */
export const sessionFlag = {
  isAead: 0x1_0000,
  /** There is a cipher. */
  hasCipher: 0x2_0000,
  /** What is sent is enciphered. */
  enciphers: 0x4_0000,
  /** Of what is sent no SSRC is forgotten: it would begin again at indices the key has served for (RFC 3711 section 9.1). */
  sends: 0x8_0000,
  /** The record's own SSRC is known. */
  hasStream: 0x10_0000,
} as const;

export interface SessionSettings {
  readonly tagBytes: number;
  readonly mki: Uint8Array;
  readonly isAead: boolean;
  readonly hasCipher: boolean;
  readonly enciphers: boolean;
}

/** A session is the place of its record. */
export class SessionTable {
  /** Another array whenever more is needed. */
  words = new Int32Array(recordsAtFirst * recordWords);
  /** Place 0 stands for none. */
  #end = recordWords;
  readonly #free: number[] = [];
  readonly #mkis = new Map<number, Uint8Array>();
  /** Of the packet located last: its session and SSRC, where its record is (0: none yet), its steps past the highest. */
  #session = 0;
  #ssrc = 0;
  #at = 0;
  #number = 0;
  #distance = 0;
  /** Rollover counter of the packet located last, as int32. */
  rollover = 0;

  /** A session without settings. `handle` is the engine's; the salt has up to 16 bytes. */
  open(handle: number, salt: Uint8Array, sends: boolean): number {
    const session = this.#claimRecord();
    const { words } = this;
    words[session] = sends ? sessionFlag.sends : 0;
    words[session + sessionField.handle] = handle;
    new Uint8Array(words.buffer, 4 * (session + sessionField.salt), 16).set(salt);
    return session;
  }

  close(session: number): void {
    for (let at = session; at !== 0; ) {
      const next = this.words[at + field.next]!;
      this.words.fill(0, at, at + recordWords);
      this.#free.push(at);
      at = next;
    }
    this.#mkis.delete(session);
  }

  /** Indices go on. */
  adopt(session: number, { tagBytes, mki, isAead, hasCipher, enciphers }: SessionSettings): void {
    const kept = this.words[session]! & (sessionFlag.sends | sessionFlag.hasStream);
    this.words[session] =
      kept |
      tagBytes |
      (mki.length << 8) |
      (isAead ? sessionFlag.isAead : 0) |
      (hasCipher ? sessionFlag.hasCipher : 0) |
      (enciphers ? sessionFlag.enciphers : 0);
    if (mki.length > 0) this.#mkis.set(session, mki);
    else this.#mkis.delete(session);
  }

  /** Of a session whose settings name one. */
  mkiOf(session: number): Uint8Array {
    return this.#mkis.get(session)!;
  }

  handleOf(session: number): number {
    return this.words[session + sessionField.handle]!;
  }

  /**
   * Estimates the index of an RTP packet (RFC 3711 section 3.3.1). 0, or `tooOld` or `replayed`, which say nothing of
   * who sent it, or `exhausted`. Without an authentication tag there is no replay protection (section 3.3.2). Unless
   * `takesNew` an SSRC that is not known is refused. What is received may leap by more than half a round in the first
   * one, as after minutes in the clear; what is sent may not, since receivers that go by the book would lose count.
   */
  locateRtp(session: number, ssrc: number, sequence: number, isProtected: boolean, takesNew = true): number {
    this.#find(session, ssrc, sequence);
    const at = this.#at;
    if (at === 0 && !takesNew) return srtpCode.newSsrc;
    if (at === 0) return this.#mayClaim(session) ? 0 : srtpCode.exhausted;
    const { words } = this;
    const highest = words[at + field.highest]!;
    let distance = sequence - highest;
    if (highest < 0x8000) {
      if (distance > 0x8000) distance -= 0x10000;
    } else if (distance < -0x8000) distance += 0x10000;
    const rollover = words[at + field.rollover]!;
    let carry = (highest + distance) >> 16;
    if (carry < 0 && rollover === 0) {
      if (!isProtected || (words[session]! & sessionFlag.sends) !== 0) return srtpCode.tooOld;
      // There is no round before the first, so what has a right tag is far ahead in this one.
      distance += 0x10000;
      carry = 0;
    }
    this.#distance = distance;
    // 2^48 packets are all a key may protect (RFC 3711 section 9.2).
    if (carry > 0 && rollover === -1) return srtpCode.exhausted;
    this.rollover = (rollover + carry) | 0;
    return isProtected ? this.#replay() : 0;
  }

  /** The same for an SRTCP packet, whose index is in it, 31 bits (RFC 3711 section 3.4). */
  locateRtcp(session: number, ssrc: number, index: number): number {
    this.#find(session, ssrc, index);
    if (this.#at === 0) return 0;
    this.#distance = index - this.words[this.#at + field.highest]!;
    return this.#replay();
  }

  /** Enters the packet located last. True if its index is the highest of its SSRC. */
  commit(): boolean {
    const distance = this.#distance;
    const isNewest = this.#at === 0 || distance > 0;
    if (this.#at === 0) this.#claim();
    else if (distance > 0) this.#advance();
    const { words } = this;
    const at = this.#at;
    if (distance > -replayWindowPackets) {
      const bit = this.#number & windowMask;
      words[at + field.window + (bit >>> 5)]! |= 1 << (bit & 31);
    }
    // Counts packets, to tell which SSRC was unheard for longest. Wraps.
    const clock = (words[this.#session + field.clock]! + 1) | 0;
    words[this.#session + field.clock] = clock;
    words[at + field.heardAt] = clock;
    return isNewest;
  }

  /** Whether the packet located last would be the newest of its SSRC. */
  get isNewest(): boolean {
    return this.#at === 0 || this.#distance > 0;
  }

  /** Rollover counter of an SSRC, 0 to 2^32 - 1; -1 if the SSRC is unknown. */
  rolloverOf(session: number, ssrc: number): number {
    this.#find(session, ssrc | 0, 0);
    return this.#at === 0 ? -1 : this.words[this.#at + field.rollover]! >>> 0;
  }

  /** SSRCs that are known. */
  countOf(session: number): number {
    let count = 0;
    if ((this.words[session]! & sessionFlag.hasStream) === 0) return 0;
    for (let at = session; at !== 0; at = this.words[at + field.next]!) count++;
    return count;
  }

  #find(session: number, ssrc: number, number: number): void {
    const { words } = this;
    this.#session = session;
    this.#ssrc = ssrc;
    this.#number = number;
    this.#distance = 0;
    this.rollover = 0;
    let at = (words[session]! & sessionFlag.hasStream) === 0 ? 0 : session;
    while (at !== 0 && words[at + field.ssrc] !== ssrc) at = words[at + field.next]!;
    this.#at = at;
  }

  #replay(): number {
    const distance = this.#distance;
    if (distance > 0) return 0;
    if (distance <= -replayWindowPackets) return srtpCode.tooOld;
    const bit = this.#number & windowMask;
    const word = this.words[this.#at + field.window + (bit >>> 5)]!;
    return (word & (1 << (bit & 31))) === 0 ? 0 : srtpCode.replayed;
  }

  #mayClaim(session: number): boolean {
    return (this.words[session]! & sessionFlag.sends) === 0 || this.countOf(session) < srtpSsrcsSentMax;
  }

  /** A record for the SSRC: the session's own, a further one, or that of the SSRC unheard for longest. */
  #claim(): void {
    const session = this.#session;
    let at = session;
    if ((this.words[session]! & sessionFlag.hasStream) === 0) {
      this.words[session]! |= sessionFlag.hasStream;
    } else if (this.#isFull(session)) {
      at = this.#oldest(session);
    } else {
      at = this.#claimRecord();
      this.words[at + field.next] = this.words[session + field.next]!;
      this.words[session + field.next] = at;
    }
    const { words } = this;
    words[at + field.ssrc] = this.#ssrc;
    words[at + field.highest] = this.#number;
    words[at + field.rollover] = 0;
    words.fill(0, at + field.window, at + field.window + windowWords);
    this.#at = at;
  }

  #isFull(session: number): boolean {
    const sends = (this.words[session]! & sessionFlag.sends) !== 0;
    return this.countOf(session) >= (sends ? srtpSsrcsSentMax : srtpSsrcsReceivedMax);
  }

  #claimRecord(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const at = this.#end;
    this.#end += recordWords;
    if (this.#end > this.words.length) {
      const grown = new Int32Array(2 * this.words.length);
      grown.set(this.words);
      this.words.fill(0);
      this.words = grown;
    }
    return at;
  }

  #oldest(session: number): number {
    const { words } = this;
    const clock = words[session + field.clock]!;
    let oldest = session;
    let longest = -1;
    for (let at = session; at !== 0; at = words[at + field.next]!) {
      const unheard = (clock - words[at + field.heardAt]!) >>> 0;
      if (unheard > longest) {
        longest = unheard;
        oldest = at;
      }
    }
    return oldest;
  }

  /** The packet located last becomes the highest: indices stepped over were not there. */
  #advance(): void {
    const { words } = this;
    const at = this.#at;
    const window = at + field.window;
    if (this.#distance >= replayWindowPackets) words.fill(0, window, window + windowWords);
    else {
      for (let step = 0; step < this.#distance; step++) {
        const bit = (this.#number - step) & windowMask;
        words[window + (bit >>> 5)]! &= ~(1 << (bit & 31));
      }
    }
    words[at + field.highest] = this.#number;
    words[at + field.rollover] = this.rollover;
  }
}
