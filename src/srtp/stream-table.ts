/**
 * SSRCs seen under one key: the highest index of each, and which of the last 128 were there (RFC 3711 section 3.3).
 * `locate` says where a packet would belong and changes nothing; `commit` enters it once it is known to be genuine, so
 * packets that nobody vouches for leave no trace. Nothing is allocated, but for more rows when there are more SSRCs.
 *
 * The bit of an index in the window is its number modulo 128: moving on clears the bits stepped over and shifts nothing.
 */
import { replayWindowPackets } from "../core/limits.ts";
import { srtpCode } from "./codes.ts";

const windowWords = replayWindowPackets >>> 5;
const windowMask = replayWindowPackets - 1;

const field = { ssrc: 0, highest: 1, rollover: 2, heardAt: 3, window: 4 } as const;
const rowWords = field.window + windowWords;
/** Most calls have one SSRC or two. */
const rowsAtFirst = 8;

export interface StreamTableLimits {
  readonly rowsMax: number;
  /**
   * In a full table: the SSRC unheard for longest makes room. False, for what is sent: further SSRCs are refused. Who is
   * forgotten would begin again at indices that the key has served for (RFC 3711 section 9.1).
   */
  readonly forgets: boolean;
}

export class StreamTable {
  readonly #rowsMax: number;
  readonly #forgets: boolean;
  #words = new Int32Array(rowsAtFirst * rowWords);
  #count = 0;
  /** Counts packets, to tell which SSRC was unheard for longest. Wraps. */
  #clock = 0;
  /** Of the packet located last: its SSRC, where its row is (-1: none yet), and its steps past the highest. */
  #ssrc = 0;
  #at = -1;
  #number = 0;
  #distance = 0;
  /** Rollover counter of the packet located last, as int32. */
  rollover = 0;

  constructor({ rowsMax, forgets }: StreamTableLimits) {
    this.#rowsMax = rowsMax;
    this.#forgets = forgets;
  }

  /**
   * Estimates the index of an RTP packet (RFC 3711 section 3.3.1). 0, or `tooOld` or `replayed`, which say nothing of
   * who sent it, or `exhausted`. Without an authentication tag there is no replay protection (section 3.3.2).
   */
  locateRtp(ssrc: number, sequence: number, isProtected: boolean): number {
    this.#find(ssrc, sequence);
    if (this.#at < 0) return this.#forgets || this.#count < this.#rowsMax ? 0 : srtpCode.exhausted;
    const highest = this.#words[this.#at + field.highest]!;
    let distance = sequence - highest;
    if (highest < 0x8000) {
      if (distance > 0x8000) distance -= 0x10000;
    } else if (distance < -0x8000) distance += 0x10000;
    this.#distance = distance;
    const rollover = this.#words[this.#at + field.rollover]!;
    const carry = (highest + distance) >> 16;
    if (carry < 0 && rollover === 0) return srtpCode.tooOld;
    // 2^48 packets are all a key may protect (RFC 3711 section 9.2).
    if (carry > 0 && rollover === -1) return srtpCode.exhausted;
    this.rollover = (rollover + carry) | 0;
    return isProtected ? this.#replay() : 0;
  }

  /** The same for an SRTCP packet, whose index is in it, 31 bits (RFC 3711 section 3.4). */
  locateRtcp(ssrc: number, index: number): number {
    this.#find(ssrc, index);
    if (this.#at < 0) return 0;
    this.#distance = index - this.#words[this.#at + field.highest]!;
    return this.#replay();
  }

  /** Enters the packet located last. True if its index is the highest of its SSRC. */
  commit(): boolean {
    const distance = this.#distance;
    const isNewest = this.#at < 0 || distance > 0;
    if (this.#at < 0) this.#claim();
    else if (distance > 0) this.#advance();
    const row = this.#at;
    const words = this.#words;
    if (distance > -replayWindowPackets) {
      const bit = this.#number & windowMask;
      words[row + field.window + (bit >>> 5)]! |= 1 << (bit & 31);
    }
    this.#clock = (this.#clock + 1) | 0;
    words[row + field.heardAt] = this.#clock;
    return isNewest;
  }

  /** Rollover counter of an SSRC, 0 to 2^32 - 1; -1 if the SSRC is unknown. */
  rolloverOf(ssrc: number): number {
    this.#find(ssrc | 0, 0);
    return this.#at < 0 ? -1 : this.#words[this.#at + field.rollover]! >>> 0;
  }

  /** SSRCs that have a row. */
  get count(): number {
    return this.#count;
  }

  #find(ssrc: number, number: number): void {
    const words = this.#words;
    this.#ssrc = ssrc;
    this.#number = number;
    this.#distance = 0;
    this.rollover = 0;
    if (this.#at >= 0 && words[this.#at] === ssrc) return;
    const end = this.#count * rowWords;
    for (let row = 0; row < end; row += rowWords) {
      if (words[row + field.ssrc] === ssrc) {
        this.#at = row;
        return;
      }
    }
    this.#at = -1;
  }

  #replay(): number {
    const distance = this.#distance;
    if (distance > 0) return 0;
    if (distance <= -replayWindowPackets) return srtpCode.tooOld;
    const bit = this.#number & windowMask;
    const word = this.#words[this.#at + field.window + (bit >>> 5)]!;
    return (word & (1 << (bit & 31))) === 0 ? 0 : srtpCode.replayed;
  }

  /** A row for the SSRC: a free one, or that of the SSRC unheard for longest. */
  #claim(): void {
    let row = this.#count * rowWords;
    if (this.#count === this.#rowsMax) row = this.#oldest();
    else if (row === this.#words.length) this.#grow();
    if (this.#count < this.#rowsMax) this.#count++;
    const words = this.#words;
    words.fill(0, row, row + rowWords);
    words[row + field.ssrc] = this.#ssrc;
    words[row + field.highest] = this.#number;
    this.#at = row;
  }

  #grow(): void {
    const words = new Int32Array(Math.min(2 * this.#words.length, this.#rowsMax * rowWords));
    words.set(this.#words);
    this.#words = words;
  }

  #oldest(): number {
    let oldest = 0;
    let longest = -1;
    for (let row = 0; row < this.#count * rowWords; row += rowWords) {
      const unheard = (this.#clock - this.#words[row + field.heardAt]!) >>> 0;
      if (unheard > longest) {
        longest = unheard;
        oldest = row;
      }
    }
    return oldest;
  }

  /** The packet located last becomes the highest: indices stepped over were not there. */
  #advance(): void {
    const words = this.#words;
    const row = this.#at;
    const window = row + field.window;
    if (this.#distance >= replayWindowPackets) words.fill(0, window, window + windowWords);
    else {
      for (let step = 0; step < this.#distance; step++) {
        const bit = (this.#number - step) & windowMask;
        words[window + (bit >>> 5)]! &= ~(1 << (bit & 31));
      }
    }
    words[row + field.highest] = this.#number;
    words[row + field.rollover] = this.rollover;
  }
}
