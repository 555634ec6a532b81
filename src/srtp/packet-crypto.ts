/**
 * SRTP and SRTCP of one worker: which keys a pair has, and packets in and out of their protection, in place. A packet
 * lies in the arena with `packetTailroomBytes` behind it. Nothing is allocated for a packet, whatever it holds.
 */
import { jumboSizeBytesMax, packetTailroomBytes, receiveKeysPerPairMax } from "../core/limits.ts";
import type { SrtpKey } from "../core/plan/security.ts";
import { srtpCode } from "./codes.ts";
import { SrtpContext, type SrtpDirection } from "./context.ts";
import type { SrtpEngine } from "./engine.ts";
import { RtcpTransform } from "./rtcp-transform.ts";
import { RtpTransform } from "./rtp-transform.ts";
import { isSameMaster } from "./suites.ts";
import { Workbench } from "./workbench.ts";

interface PairKeys {
  receive: readonly SrtpContext[];
  send: SrtpContext | undefined;
  /** The send context before that one. Should its key come back, it goes on where it stopped. */
  parked: SrtpContext | undefined;
  /** Of `receive`, the one that accepted a packet last: tried first. */
  recent: number;
}

type Transform = RtpTransform | RtcpTransform;

/** Handles of the engine that `capacitySlots` slots need: RTP and RTCP of each context, and one to derive keys with. */
export function srtpHandlesMax(capacitySlots: number): number {
  // Contexts that go are closed after those that come are open.
  return (capacitySlots >>> 1) * 2 * (receiveKeysPerPairMax + 2) + 2 * (receiveKeysPerPairMax + 2) + 1;
}

export class PacketCrypto {
  readonly #engine: SrtpEngine;
  readonly #bytes: Uint8Array;
  readonly #rtp: RtpTransform;
  readonly #rtcp: RtcpTransform;
  /** By slot >> 1: keys belong to the pair, so that no index is given twice where RTCP changes its socket. */
  readonly #pairs: (PairKeys | undefined)[];
  #isNewest = false;
  #tagBits = 0;

  constructor(engine: SrtpEngine, arena: Uint8Array, capacitySlots: number) {
    const bench = new Workbench(engine, arena);
    this.#engine = engine;
    this.#bytes = arena;
    this.#rtp = new RtpTransform(bench);
    this.#rtcp = new RtcpTransform(bench);
    this.#pairs = new Array<PairKeys | undefined>(capacitySlots >>> 1).fill(undefined);
  }

  /** The last packet accepted or protected had the highest index of its SSRC. */
  get isNewest(): boolean {
    return this.#isNewest;
  }

  /** The receive key that accepted the last packet of the slot's pair. */
  acceptedKey(slot: number): SrtpKey | undefined {
    const keys = this.#pairs[slot >>> 1];
    return keys?.receive[keys.recent]?.key;
  }

  /** Bits of the tag that the last packet was accepted or protected with; 0 without a tag. */
  get tagBits(): number {
    return this.#tagBits;
  }

  /**
   * Keys of a slot's pair, of which either slot may be named. The first `receiveKeysPerPairMax` receive keys count;
   * of several with the same master the first.
   * A key with the same master as before keeps its context (rollover counters, replay windows, SRTCP index). Keys of
   * a wrong length are left out.
   */
  setKeys(slot: number, receive: readonly SrtpKey[], send: SrtpKey | undefined): void {
    const before = this.#pairs[slot >>> 1];
    const recent = before?.receive[before.recent];
    const known = before?.receive ?? [];
    const contexts: SrtpContext[] = [];
    for (const key of receive.slice(0, receiveKeysPerPairMax)) {
      if (contexts.some((one) => isSameMaster(one.key, key))) continue;
      const context = this.#contextOf(key, known, "receive");
      if (context !== undefined) contexts.push(context);
    }
    for (const context of known) if (!contexts.includes(context)) context.close(this.#engine);
    const keys: PairKeys = {
      receive: contexts,
      send: before?.send,
      parked: before?.parked,
      recent: recent === undefined ? 0 : Math.max(0, contexts.indexOf(recent)),
    };
    this.#changeSend(keys, send);
    this.#pairs[slot >>> 1] = keys;
  }

  /** Forgets the pair's keys and all they knew. */
  clear(slot: number): void {
    const keys = this.#pairs[slot >>> 1];
    if (keys === undefined) return;
    for (const context of keys.receive) context.close(this.#engine);
    keys.send?.close(this.#engine);
    keys.parked?.close(this.#engine);
    this.#pairs[slot >>> 1] = undefined;
  }

  hasReceiveKeys(slot: number): boolean {
    return (this.#pairs[slot >>> 1]?.receive.length ?? 0) > 0;
  }

  hasSendKey(slot: number): boolean {
    return this.#pairs[slot >>> 1]?.send !== undefined;
  }

  /** Size of the RTP packet that was in it, or a code; refused bytes stay as they came. */
  unprotectRtp(slot: number, offset: number, sizeBytes: number): number {
    return this.#receive(this.#rtp, slot, offset, sizeBytes, true);
  }

  unprotectRtcp(slot: number, offset: number, sizeBytes: number): number {
    return this.#receive(this.#rtcp, slot, offset, sizeBytes, true);
  }

  /** Checks tag and index like `unprotectRtp` and changes no byte: for packets that go on as they came. */
  verifyRtp(slot: number, offset: number, sizeBytes: number): number {
    return this.#receive(this.#rtp, slot, offset, sizeBytes, false);
  }

  verifyRtcp(slot: number, offset: number, sizeBytes: number): number {
    return this.#receive(this.#rtcp, slot, offset, sizeBytes, false);
  }

  /** Size of the SRTP packet, or a code. Of a refused packet nothing may go out: its bytes may have changed. */
  protectRtp(slot: number, offset: number, sizeBytes: number): number {
    const context = this.#pairs[slot >>> 1]?.send;
    if (context === undefined) return srtpCode.noKey;
    if (!this.#isInside(offset, sizeBytes)) return srtpCode.malformed;
    const size = this.#rtp.send(context, offset, sizeBytes);
    this.#isNewest = size >= 0 && this.#rtp.isNewest;
    this.#tagBits = size >= 0 ? context.rtpTagBytes * 8 : 0;
    return size;
  }

  protectRtcp(slot: number, offset: number, sizeBytes: number): number {
    const context = this.#pairs[slot >>> 1]?.send;
    if (context === undefined) return srtpCode.noKey;
    if (!this.#isInside(offset, sizeBytes)) return srtpCode.malformed;
    const size = this.#rtcp.send(context, offset, sizeBytes);
    this.#isNewest = size >= 0 && this.#rtcp.isNewest;
    this.#tagBits = size >= 0 ? context.facts.rtcpTagBytes * 8 : 0;
    return size;
  }

  /**
   * A packet that goes out as it came, under the pair's send key: its index is used up, so that nothing is protected
   * under it again. 0, or a code if it was used before, and then the packet must not go out.
   */
  noteSentRtp(slot: number, offset: number, sizeBytes: number): number {
    const context = this.#pairs[slot >>> 1]?.send;
    if (context === undefined) return srtpCode.noKey;
    return this.#isInside(offset, sizeBytes)
      ? this.#rtp.note(context, offset, sizeBytes)
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
      const rollover = context.rtpStreams.rolloverOf(ssrc);
      if (rollover >= 0) return rollover;
    }
    return -1;
  }

  /** The same of an SSRC the pair is sent. */
  sendRolloverOf(slot: number, ssrc: number): number {
    return this.#pairs[slot >>> 1]?.send?.rtpStreams.rolloverOf(ssrc) ?? -1;
  }

  #contextOf(key: SrtpKey, known: readonly SrtpContext[], direction: SrtpDirection): SrtpContext | undefined {
    const context = known.find((one) => isSameMaster(one.key, key));
    if (context === undefined) return SrtpContext.open(this.#engine, this.#bytes, key, direction);
    context.adopt(key);
    return context;
  }

  #changeSend(keys: PairKeys, key: SrtpKey | undefined): void {
    const { send, parked } = keys;
    const known = [send, parked].filter((context) => context !== undefined);
    keys.send = key === undefined ? undefined : this.#contextOf(key, known, "send");
    if (send !== undefined && send !== keys.send) keys.parked = send;
    else if (parked === keys.send) keys.parked = undefined;
    for (const context of known) {
      if (context !== keys.send && context !== keys.parked) context.close(this.#engine);
    }
  }

  #receive(transform: Transform, slot: number, offset: number, sizeBytes: number, reveals: boolean): number {
    this.#isNewest = false;
    this.#tagBits = 0;
    const keys = this.#pairs[slot >>> 1];
    if (keys === undefined || keys.receive.length === 0) return srtpCode.noKey;
    if (!this.#isInside(offset, sizeBytes)) return srtpCode.malformed;
    let refusal: number = srtpCode.malformed;
    const { receive, recent } = keys;
    for (let turn = 0; turn < receive.length; turn++) {
      const at = turn === 0 ? recent : turn <= recent ? turn - 1 : turn;
      const context = receive[at]!;
      const size = transform.receive(context, offset, sizeBytes, reveals);
      if (size >= 0) {
        keys.recent = at;
        this.#isNewest = transform.isNewest;
        this.#tagBits = 8 * (transform === this.#rtp ? context.rtpTagBytes : context.facts.rtcpTagBytes);
        return size;
      }
      refusal = moreTelling(refusal, size);
    }
    return refusal;
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

/** Of several keys' refusals: that one knew the index says more than that another did not fit. */
function moreTelling(a: number, b: number): number {
  if (a === srtpCode.malformed) return b;
  if (a === srtpCode.failed && b !== srtpCode.malformed) return b;
  return a;
}
