/**
 * SRTP and SRTCP of one worker: which keys a pair has, and packets in and out of their protection, in place. A packet
 * lies in the arena with `packetTailroomBytes` behind it. Nothing is allocated for a packet, whatever it holds.
 */
import {
  jumboSizeBytesMax,
  packetTailroomBytes,
  receiveKeysParkedPerPairMax,
  receiveKeysPerPairMax,
  sendKeysParkedPerPairMax,
} from "../core/limits.ts";
import type { SrtpKey } from "../core/plan/security.ts";
import { srtpCode } from "./codes.ts";
import { SrtpContext, type SrtpDirection } from "./context.ts";
import type { SrtpEngine } from "./engine.ts";
import { RtcpTransform } from "./rtcp-transform.ts";
import { RtpTransform } from "./rtp-transform.ts";
import { SessionTable } from "./session-table.ts";
import { isSameMaster } from "./suites.ts";
import { Workbench } from "./workbench.ts";

/** Keys of one pair, beside the sessions that packets are looked up by. */
interface PairKeys {
  receive: readonly SrtpContext[];
  send: SrtpContext | undefined;
  /** Contexts before those, latest first. Should a key come back, it goes on where it stopped. */
  parkedReceive: readonly SrtpContext[];
  parkedSend: readonly SrtpContext[];
}

/**
 * Words of a pair: how many receive keys there are, which of them accepted a packet last and is tried first, session of
 * the send key (0: none), and those of the receive keys. All are RTP's; RTCP has less traffic and takes its own from
 * the contexts.
 */
const pairField = { receiveCount: 0, recent: 1, send: 2, receive: 3 } as const;
const pairWords = 8;

/** Handles of the engine that `capacitySlots` slots need: RTP and RTCP of each context, and one to derive keys with. */
export function srtpHandlesMax(capacitySlots: number): number {
  const contextsPerPair = receiveKeysPerPairMax + receiveKeysParkedPerPairMax + 1 + sendKeysParkedPerPairMax;
  // Contexts that go are closed after those that come are open.
  return (capacitySlots >>> 1) * 2 * contextsPerPair + 2 * contextsPerPair + 1;
}

export class PacketCrypto {
  readonly #engine: SrtpEngine;
  readonly #bytes: Uint8Array;
  readonly #rtp: RtpTransform;
  readonly #rtcp: RtcpTransform;
  readonly #sessions = new SessionTable();
  /** By slot >> 1: keys belong to the pair, so that no index is given twice where RTCP changes its socket. */
  readonly #pairs: (PairKeys | undefined)[];
  readonly #places: Int32Array;
  #isNewest = false;
  #isRepeated = false;
  #tagBits = 0;

  constructor(engine: SrtpEngine, arena: Uint8Array, capacitySlots: number) {
    const bench = new Workbench(engine, arena, this.#sessions);
    this.#engine = engine;
    this.#bytes = arena;
    this.#rtp = new RtpTransform(bench);
    this.#rtcp = new RtcpTransform(bench);
    this.#pairs = new Array<PairKeys | undefined>(capacitySlots >>> 1).fill(undefined);
    this.#places = new Int32Array((capacitySlots >>> 1) * pairWords);
  }

  /** The last packet accepted or protected had the highest index of its SSRC, and its key was the latest. */
  get isNewest(): boolean {
    return this.#isNewest;
  }

  /** The RTP packet refused last came before, and its tag is right under the latest key. */
  get isRepeated(): boolean {
    return this.#isRepeated;
  }

  /** The receive key that accepted the last packet of the slot's pair. */
  acceptedKey(slot: number): SrtpKey | undefined {
    const pair = slot >>> 1;
    return this.#pairs[pair]?.receive[this.#places[pair * pairWords + pairField.recent]!]?.key;
  }

  /** Bits of the tag that the last packet was accepted or protected with; 0 without a tag. */
  get tagBits(): number {
    return this.#tagBits;
  }

  /**
   * Keys of a slot's pair, of which either slot may be named. The first `receiveKeysPerPairMax` receive keys count;
   * of several with the same master the first.
   * A key with the same master as before keeps its context (rollover counters, replay windows, SRTCP index), also if
   * it was away meanwhile. Keys of a wrong length are left out.
   */
  setKeys(slot: number, receive: readonly SrtpKey[], send: SrtpKey | undefined): void {
    const pair = slot >>> 1;
    const before = this.#pairs[pair];
    const recent = before?.receive[this.#places[pair * pairWords + pairField.recent]!];
    const known = before === undefined ? [] : [...before.receive, ...before.parkedReceive];
    const contexts: SrtpContext[] = [];
    for (const key of receive.slice(0, receiveKeysPerPairMax)) {
      if (contexts.some((one) => isSameMaster(one.key, key))) continue;
      const context = this.#contextOf(key, known, "receive");
      if (context !== undefined) contexts.push(context);
    }
    const former = known.filter((context) => !contexts.includes(context));
    for (const context of former.slice(receiveKeysParkedPerPairMax)) context.close(this.#engine);
    const keys: PairKeys = {
      receive: contexts,
      send: before?.send,
      parkedReceive: former.slice(0, receiveKeysParkedPerPairMax),
      parkedSend: before?.parkedSend ?? [],
    };
    this.#changeSend(keys, send);
    this.#pairs[pair] = keys;
    this.#place(pair, keys, recent === undefined ? 0 : Math.max(0, contexts.indexOf(recent)));
  }

  /** Forgets the pair's keys and all they knew. */
  clear(slot: number): void {
    const keys = this.#pairs[slot >>> 1];
    if (keys === undefined) return;
    for (const context of [...keys.receive, ...keys.parkedReceive, ...keys.parkedSend]) {
      context.close(this.#engine);
    }
    keys.send?.close(this.#engine);
    this.#pairs[slot >>> 1] = undefined;
    this.#places.fill(0, (slot >>> 1) * pairWords, ((slot >>> 1) + 1) * pairWords);
  }

  hasReceiveKeys(slot: number): boolean {
    return this.#places[(slot >>> 1) * pairWords + pairField.receiveCount]! > 0;
  }

  hasSendKey(slot: number): boolean {
    return this.#places[(slot >>> 1) * pairWords + pairField.send] !== 0;
  }

  /**
   * Size of the RTP packet that was in it, or a code; refused bytes stay as they came. Under a key without a tag nothing
   * says who sent it, and it moves the rollover counter only if the caller trusts its source.
   */
  unprotectRtp(slot: number, offset: number, sizeBytes: number, isTrusted = true): number {
    return this.#receiveRtp(slot, offset, sizeBytes, true, isTrusted);
  }

  unprotectRtcp(slot: number, offset: number, sizeBytes: number): number {
    return this.#receiveRtcp(slot, offset, sizeBytes, true);
  }

  /** Checks tag and index like `unprotectRtp` and changes no byte: for packets that go on as they came. */
  verifyRtp(slot: number, offset: number, sizeBytes: number): number {
    return this.#receiveRtp(slot, offset, sizeBytes, false, true);
  }

  verifyRtcp(slot: number, offset: number, sizeBytes: number): number {
    return this.#receiveRtcp(slot, offset, sizeBytes, false);
  }

  /**
   * Size of the SRTP packet, or a code. Of a refused packet nothing may go out: its bytes may have changed. Unless
   * `takesNew` a packet of an SSRC that the key has not protected before is refused as `newSsrc`, and stays as it is.
   */
  protectRtp(slot: number, offset: number, sizeBytes: number, takesNew = true): number {
    const session = this.#places[(slot >>> 1) * pairWords + pairField.send]!;
    if (session === 0) return srtpCode.noKey;
    if (!this.#isInside(offset, sizeBytes)) return srtpCode.malformed;
    const size = this.#rtp.send(session, offset, sizeBytes, takesNew);
    this.#isNewest = size >= 0 && this.#rtp.isNewest;
    this.#tagBits = size >= 0 ? this.#tagBitsOf(session) : 0;
    return size;
  }

  protectRtcp(slot: number, offset: number, sizeBytes: number): number {
    const context = this.#pairs[slot >>> 1]?.send;
    if (context === undefined) return srtpCode.noKey;
    if (!this.#isInside(offset, sizeBytes)) return srtpCode.malformed;
    const size = this.#rtcp.send(context, offset, sizeBytes);
    this.#isNewest = size >= 0 && this.#rtcp.isNewest;
    this.#tagBits = size >= 0 ? this.#tagBitsOf(context.rtcp) : 0;
    return size;
  }

  /**
   * A packet that goes out as it came, under the pair's send key: its index is used up, so that nothing is protected
   * under it again. 0, or a code if it was used before, and then the packet must not go out.
   */
  noteSentRtp(slot: number, offset: number, sizeBytes: number): number {
    const session = this.#places[(slot >>> 1) * pairWords + pairField.send]!;
    if (session === 0) return srtpCode.noKey;
    return this.#isInside(offset, sizeBytes)
      ? this.#rtp.note(session, offset, sizeBytes)
      : srtpCode.malformed;
  }

  noteSentRtcp(slot: number, offset: number, sizeBytes: number): number {
    const context = this.#pairs[slot >>> 1]?.send;
    if (context === undefined) return srtpCode.noKey;
    return this.#isInside(offset, sizeBytes)
      ? this.#rtcp.note(context, offset, sizeBytes)
      : srtpCode.malformed;
  }

  /** Rollover counter of an SSRC the pair receives; -1 while no packet of it was accepted. */
  rolloverOf(slot: number, ssrc: number): number {
    for (const context of this.#pairs[slot >>> 1]?.receive ?? []) {
      const rollover = this.#sessions.rolloverOf(context.rtp, ssrc);
      if (rollover >= 0) return rollover;
    }
    return -1;
  }

  /** The same of an SSRC the pair is sent. */
  sendRolloverOf(slot: number, ssrc: number): number {
    const context = this.#pairs[slot >>> 1]?.send;
    return context === undefined ? -1 : this.#sessions.rolloverOf(context.rtp, ssrc);
  }

  #contextOf(key: SrtpKey, known: readonly SrtpContext[], direction: SrtpDirection): SrtpContext | undefined {
    const context = known.find((one) => isSameMaster(one.key, key));
    if (context === undefined) {
      const place = { engine: this.#engine, arena: this.#bytes, sessions: this.#sessions };
      return SrtpContext.open(place, key, direction);
    }
    context.adopt(key);
    return context;
  }

  #changeSend(keys: PairKeys, key: SrtpKey | undefined): void {
    const known = keys.send === undefined ? keys.parkedSend : [keys.send, ...keys.parkedSend];
    const send = key === undefined ? undefined : this.#contextOf(key, known, "send");
    const former = known.filter((context) => context !== send);
    keys.send = send;
    keys.parkedSend = former.slice(0, sendKeysParkedPerPairMax);
    for (const context of former.slice(sendKeysParkedPerPairMax)) context.close(this.#engine);
  }

  /** Writes down which sessions packets of the pair are looked up by. */
  #place(pair: number, { receive, send }: PairKeys, recent: number): void {
    const at = pair * pairWords;
    const places = this.#places;
    places[at + pairField.receiveCount] = receive.length;
    places[at + pairField.recent] = recent;
    places[at + pairField.send] = send?.rtp ?? 0;
    for (const [index, { rtp }] of receive.entries()) places[at + pairField.receive + index] = rtp;
  }

  #receiveRtp(slot: number, offset: number, sizeBytes: number, reveals: boolean, isTrusted: boolean): number {
    this.#isNewest = false;
    this.#isRepeated = false;
    this.#tagBits = 0;
    const at = (slot >>> 1) * pairWords;
    const places = this.#places;
    const count = places[at + pairField.receiveCount]!;
    if (count === 0) return srtpCode.noKey;
    if (!this.#isInside(offset, sizeBytes)) return srtpCode.malformed;
    const recent = places[at + pairField.recent]!;
    let refusal: number = srtpCode.malformed;
    for (let turn = 0; turn < count; turn++) {
      const index = inTurn(turn, recent);
      const session = places[at + pairField.receive + index]!;
      const size = this.#rtp.receive(session, offset, sizeBytes, reveals, isTrusted);
      if (size >= 0) {
        places[at + pairField.recent] = index;
        this.#isNewest = index === 0 && this.#rtp.isNewest;
        this.#tagBits = this.#tagBitsOf(session);
        return size;
      }
      if (index === 0 && size === srtpCode.replayed && this.#rtp.isRepeated) {
        this.#isRepeated = true;
        this.#tagBits = this.#tagBitsOf(session);
      }
      refusal = moreTelling(refusal, size);
    }
    return refusal;
  }

  #receiveRtcp(slot: number, offset: number, sizeBytes: number, reveals: boolean): number {
    this.#isNewest = false;
    this.#isRepeated = false;
    this.#tagBits = 0;
    const at = (slot >>> 1) * pairWords;
    const places = this.#places;
    const contexts = this.#pairs[slot >>> 1]?.receive ?? [];
    if (contexts.length === 0) return srtpCode.noKey;
    if (!this.#isInside(offset, sizeBytes)) return srtpCode.malformed;
    const recent = places[at + pairField.recent]!;
    let refusal: number = srtpCode.malformed;
    for (let turn = 0; turn < contexts.length; turn++) {
      const index = inTurn(turn, recent);
      const session = contexts[index]!.rtcp;
      const size = this.#rtcp.receive(session, offset, sizeBytes, reveals);
      if (size >= 0) {
        places[at + pairField.recent] = index;
        this.#isNewest = index === 0 && this.#rtcp.isNewest;
        this.#tagBits = this.#tagBitsOf(session);
        return size;
      }
      refusal = moreTelling(refusal, size);
    }
    return refusal;
  }

  #tagBitsOf(session: number): number {
    return 8 * (this.#sessions.words[session]! & 0xff);
  }

  #isInside(offset: number, sizeBytes: number): boolean {
    return (
      offset >= 0 &&
      sizeBytes >= 0 &&
      sizeBytes <= jumboSizeBytesMax &&
      offset + sizeBytes + packetTailroomBytes <= this.#bytes.length
    );
  }
}

/** The key that accepted a packet last comes first, then the others in their order. */
function inTurn(turn: number, recent: number): number {
  if (turn === 0) return recent;
  return turn <= recent ? turn - 1 : turn;
}

/** Of several keys' refusals: that one knew the index says more than that another did not fit. */
function moreTelling(a: number, b: number): number {
  if (a === srtpCode.malformed) return b;
  if (a === srtpCode.failed && b !== srtpCode.malformed) return b;
  return a;
}
