/**
 * SRTP of a worker's slots: whose keys serve which socket, which of them may pass a packet on as it came, how many tags
 * strangers may have checked, and how fast keys take new SSRCs. Nothing is allocated per packet.
 */
import { Allowance } from "../core/allowance.ts";
import {
  srtpNewSsrcsBurstMax,
  srtpNewSsrcsPerSecMax,
  strangerVerificationsBurstMax,
  strangerVerificationsPerSecMax,
} from "../core/limits.ts";
import type { SrtpKey } from "../core/plan/security.ts";
import { packetKind } from "../handover/contract.ts";
import { srtpCode } from "../srtp/codes.ts";
import { isSameKey } from "../srtp/suites.ts";
import type { DecodedKeys } from "./key-records.ts";
import { reason } from "./reasons.ts";
import { pairFlag, type Slots } from "./slots.ts";

/** What is used of `srtp/packet-crypto.ts`: keys by place, either of two neighbouring places naming the same ones. */
export interface MediaCrypto {
  setKeys(place: number, receive: readonly SrtpKey[], send: SrtpKey | undefined): void;
  clear(place: number): void;
  hasReceiveKeys(place: number): boolean;
  hasSendKey(place: number): boolean;
  /** `isTrusted`: it may move the rollover counter although the key asks for no tag. */
  unprotectRtp(place: number, offset: number, sizeBytes: number, isTrusted: boolean): number;
  unprotectRtcp(place: number, offset: number, sizeBytes: number): number;
  verifyRtp(place: number, offset: number, sizeBytes: number): number;
  verifyRtcp(place: number, offset: number, sizeBytes: number): number;
  /** Unless `takesNew` an SSRC that the key has not protected before is refused as `newSsrc`. */
  protectRtp(place: number, offset: number, sizeBytes: number, takesNew: boolean): number;
  protectRtcp(place: number, offset: number, sizeBytes: number): number;
  /** A packet that goes out as it came, under the place's send key: 0, or a code and then it must not go out. */
  noteSentRtp(place: number, offset: number, sizeBytes: number): number;
  noteSentRtcp(place: number, offset: number, sizeBytes: number): number;
  /** Of the last packet accepted. */
  readonly isNewest: boolean;
  readonly tagBits: number;
  /** Of the last RTP packet refused: it came before, and its tag is right. */
  readonly isRepeated: boolean;
  acceptedKey(place: number): SrtpKey | undefined;
}

/** How many places the crypto needs for so many slots: each socket may have keys of its own. */
export function cryptoPlaces(capacitySlots: number): number {
  return 2 * capacitySlots;
}

/** May a packet go on as it came: never, always, or if it is the key of the way out that accepts it. */
export const passage = { never: 0, always: 1, byKey: 2 } as const;

/**
 * By slot: a number that no other keys have or had (0: there are none), the number of the way out that `passage` was
 * told of last, and what it was. Read once per packet.
 */
const field = { keys: 0, other: 1, passage: 2 } as const;
const recordWords = 4;

export class Protection {
  readonly #crypto: MediaCrypto | undefined;
  readonly #slots: Slots;
  /** By slot. */
  readonly #keys: (DecodedKeys | undefined)[];
  readonly #passages: Int32Array;
  #lastNumber = 0;
  /** By slot: when its send key came. */
  readonly #sendsSinceMs: Float64Array;
  readonly #strangers: Allowance;
  /** By slot: SSRCs that its send key has not protected before. */
  readonly #newSsrcs: Allowance;

  /** Without crypto there are never keys, so nothing comes in and nothing goes out. */
  constructor(crypto: MediaCrypto | undefined, slots: Slots) {
    this.#crypto = crypto;
    this.#slots = slots;
    this.#keys = new Array<DecodedKeys | undefined>(slots.capacitySlots).fill(undefined);
    this.#passages = new Int32Array(slots.capacitySlots * recordWords);
    this.#sendsSinceMs = new Float64Array(slots.capacitySlots);
    this.#strangers = new Allowance(
      slots.capacitySlots,
      strangerVerificationsPerSecMax,
      strangerVerificationsBurstMax,
    );
    this.#newSsrcs = new Allowance(slots.capacitySlots, srtpNewSsrcsPerSecMax, srtpNewSsrcsBurstMax);
  }

  /** True if what is sent is protected by another key from now on. */
  setKeys(slot: number, keys: DecodedKeys, nowMs: number): boolean {
    const at = this.#keysSlot(slot);
    const before = this.#keys[at]?.send;
    this.#crypto?.setKeys(2 * at, keys.receive, keys.send);
    this.#keep(at, keys);
    if (before !== undefined && keys.send !== undefined && isSameKey(before, keys.send)) return false;
    this.#sendsSinceMs[at] = nowMs;
    this.#newSsrcs.clear(at);
    return before !== keys.send;
  }

  /** What was to leave the slot as it came has come before the key that serves there now, and was accepted by another. */
  isOutdated(slot: number, arrivalMs: number): boolean {
    return arrivalMs < this.#sendsSinceMs[this.#keysSlot(slot)]!;
  }

  /** Forgets the keys of both the pair's sockets. */
  clear(slot: number): void {
    for (let each = slot & ~1; each <= (slot | 1); each++) {
      this.#crypto?.clear(2 * each);
      this.#keep(each, undefined);
      this.#strangers.clear(each);
    }
  }

  /**
   * Neither of the pair's sockets has keys until new ones come. Should the same come back, as after a fax in the clear,
   * they go on where they stopped: from the start the send key would protect other packets under indices it has used,
   * and a receive key would take recorded packets for new ones, and not know how often the party's numbers ran over.
   */
  suspend(slot: number): void {
    for (let each = slot & ~1; each <= (slot | 1); each++) {
      if (this.#keys[each] !== undefined) this.#crypto?.setKeys(2 * each, [], undefined);
      this.#keep(each, undefined);
      this.#strangers.clear(each);
    }
  }

  canReceive(slot: number): boolean {
    return this.#crypto?.hasReceiveKeys(2 * this.#keysSlot(slot)) ?? false;
  }

  canSend(slot: number): boolean {
    return this.#crypto?.hasSendKey(2 * this.#keysSlot(slot)) ?? false;
  }

  /** True if one more packet of a source that is not proven may be looked at. */
  mayVerify(slot: number, nowMs: number): boolean {
    return this.#strangers.take(slot, nowMs);
  }

  /**
   * Takes the protection off, in place; the new size, or a negative `srtpCode`. `isKnown`: the source is proven, checked
   * or signalled; of others' packets without a tag nothing is remembered.
   */
  open(slot: number, kind: number, offset: number, sizeBytes: number, isKnown: boolean): number {
    const place = 2 * this.#keysSlot(slot);
    const crypto = this.#crypto!;
    return kind === packetKind.rtcp
      ? crypto.unprotectRtcp(place, offset, sizeBytes)
      : crypto.unprotectRtp(place, offset, sizeBytes, isKnown);
  }

  /** As `open`, and leaves the packet as it came. */
  verify(slot: number, kind: number, offset: number, sizeBytes: number): number {
    const place = 2 * this.#keysSlot(slot);
    const crypto = this.#crypto!;
    return kind === packetKind.rtcp
      ? crypto.verifyRtcp(place, offset, sizeBytes)
      : crypto.verifyRtp(place, offset, sizeBytes);
  }

  /**
   * Protects in place; the new size, or a negative `srtpCode`, and then nothing of it may go out. A key may protect so
   * many SSRCs and not one more, and on a plain leg whoever spoofs its source names them: they are taken one by one.
   */
  seal(slot: number, kind: number, offset: number, sizeBytes: number, nowMs: number): number {
    const keysSlot = this.#keysSlot(slot);
    const place = 2 * keysSlot;
    const crypto = this.#crypto!;
    if (kind === packetKind.rtcp) return crypto.protectRtcp(place, offset, sizeBytes);
    const size = crypto.protectRtp(place, offset, sizeBytes, false);
    if (size !== srtpCode.newSsrc || !this.#newSsrcs.take(keysSlot, nowMs)) return size;
    return crypto.protectRtp(place, offset, sizeBytes, true);
  }

  /**
   * A packet leaves as it came: its index is used up under the way out's key, which may have to protect others later.
   * 0, or a negative `srtpCode`, and then it may not go out.
   */
  noteSealed(slot: number, kind: number, offset: number, sizeBytes: number): number {
    const place = 2 * this.#keysSlot(slot);
    const crypto = this.#crypto!;
    return kind === packetKind.rtcp
      ? crypto.noteSentRtcp(place, offset, sizeBytes)
      : crypto.noteSentRtp(place, offset, sizeBytes);
  }

  /** Of the packet accepted last. */
  get isNewest(): boolean {
    return this.#crypto!.isNewest;
  }

  get tagBits(): number {
    return this.#crypto!.tagBits;
  }

  /** Of the RTP packet refused last: it came before, and its tag is right. */
  get isRepeated(): boolean {
    return this.#crypto!.isRepeated;
  }

  /**
   * Whether what came to `slot` may leave from `egress` as it came: a code of `passage`. Keys without a tag never pass
   * anything, since nothing would be checked.
   */
  passageOf(slot: number, egress: number): number {
    if ((this.#slots.flags[egress >>> 1]! & pairFlag.isSecure) === 0) return passage.never;
    const words = this.#passages;
    const ownSlot = this.#keysSlot(slot);
    const otherSlot = this.#keysSlot(egress);
    const own = ownSlot * recordWords;
    const other = words[otherSlot * recordWords + field.keys]!;
    if (words[own + field.keys] === 0 || other === 0) return passage.never;
    if (words[own + field.other] !== other) {
      words[own + field.other] = other;
      words[own + field.passage] = passageBetween(
        this.#keys[ownSlot]?.receive ?? [],
        this.#keys[otherSlot]?.send,
      );
    }
    return words[own + field.passage]!;
  }

  /** True if the key that accepted the slot's last packet protects what leaves from `egress`. */
  wasAcceptedBy(slot: number, egress: number): boolean {
    const key = this.#crypto!.acceptedKey(2 * this.#keysSlot(slot));
    const send = this.#keys[this.#keysSlot(egress)]?.send;
    return key !== undefined && send !== undefined && isSameKey(key, send);
  }

  #keep(slot: number, keys: DecodedKeys | undefined): void {
    this.#keys[slot] = keys;
    // It begins again after 2^31 changes of keys, far beyond the life of those that were numbered first.
    if (keys !== undefined) this.#lastNumber = (this.#lastNumber % 0x7fff_fffe) + 1;
    this.#passages[slot * recordWords + field.keys] = keys === undefined ? 0 : this.#lastNumber;
    this.#passages[slot * recordWords + field.other] = 0;
  }

  /**
   * The slot whose keys serve. SDES keys are the pair's, so that no SRTCP index is used twice when RTCP changes its
   * socket; every socket has a DTLS association of its own (RFC 5764 section 4.2).
   */
  #keysSlot(slot: number): number {
    return (this.#slots.flags[slot >>> 1]! & pairFlag.isDtls) === 0 ? slot & ~1 : slot;
  }
}

function passageBetween(receive: readonly SrtpKey[], send: SrtpKey | undefined): number {
  if (send === undefined || !send.authenticatesRtp) return passage.never;
  if (!receive.some((key) => isSameKey(key, send))) return passage.never;
  return receive.length === 1 ? passage.always : passage.byKey;
}

/** The counter of a negative `srtpCode`. */
export function reasonOfCode(code: number): number {
  switch (code) {
    case srtpCode.replayed:
      return reason.replayed;
    case srtpCode.tooOld:
      return reason.tooOld;
    case srtpCode.exhausted:
      return reason.keyExhausted;
    case srtpCode.newSsrc:
      return reason.newSsrcLimit;
    case srtpCode.noKey:
      return reason.noSendKey;
    case srtpCode.malformed:
      return reason.malformed;
    default:
      return reason.authFailed;
  }
}
