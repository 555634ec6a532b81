/**
 * Takes the protection off what comes to a secure leg, or checks it and leaves the packet as it came where the leg it goes
 * out of has the same keys. Nothing is allocated.
 */
import { packetKind } from "../handover/contract.ts";
import { isRtcpPacket } from "../rtp/rtcp.ts";
import type { Bundles } from "./bundles.ts";
import type { HoldStore } from "./hold-store.ts";
import { type Protection, passage, reasonOfCode } from "./protection.ts";
import { reason } from "./reasons.ts";
import { pairFlag, type Slots } from "./slots.ts";

export interface OpenerParts {
  readonly arena: Uint8Array;
  readonly slots: Slots;
  readonly held: HoldStore;
  readonly protection: Protection;
  readonly bundles: Bundles;
}

export class Opener {
  readonly #arena: Uint8Array;
  readonly #slots: Slots;
  readonly #held: HoldStore;
  readonly #protection: Protection;
  readonly #bundles: Bundles;
  /** The packet opened last stays as it came. */
  isSealed = false;

  constructor(parts: OpenerParts) {
    this.#arena = parts.arena;
    this.#slots = parts.slots;
    this.#held = parts.held;
    this.#protection = parts.protection;
    this.#bundles = parts.bundles;
  }

  /**
   * The packet's size as it stands at `offset` from now on, or, negative, the reason why it is refused. `isKnown`: its
   * source is proven, checked or signalled.
   */
  open(slot: number, kind: number, offset: number, sizeBytes: number, isKnown: boolean): number {
    const clearBytes = this.#open(slot, kind, offset, sizeBytes, isKnown);
    if (clearBytes < 0) return -reasonOfCode(clearBytes);
    if (!this.isSealed && kind === packetKind.rtcp && !isRtcpPacket(this.#arena, offset, clearBytes)) {
      return -reason.malformed;
    }
    return clearBytes;
  }

  #open(slot: number, kind: number, offset: number, sizeBytes: number, isKnown: boolean): number {
    const protection = this.#protection;
    this.isSealed = false;
    const egress = this.#egressOf(slot, kind, offset, sizeBytes);
    const passes = egress < 0 ? passage.never : protection.passageOf(slot, egress);
    if (passes === passage.never) return protection.open(slot, kind, offset, sizeBytes, isKnown);
    if (passes === passage.always) {
      this.isSealed = true;
      return protection.verify(slot, kind, offset, sizeBytes);
    }
    // Only the key that accepts it tells, and by then it is open: the packet as it came is kept until that is known.
    const copy = this.#held.outletOffset;
    this.#arena.copyWithin(copy, offset, offset + sizeBytes);
    const clearBytes = protection.open(slot, kind, offset, sizeBytes, isKnown);
    if (clearBytes < 0 || !protection.wasAcceptedBy(slot, egress)) return clearBytes;
    this.isSealed = true;
    this.#arena.copyWithin(offset, copy, copy + sizeBytes);
    return sizeBytes;
  }

  /** The slot that what came to `slot` leaves from, as far as its readable parts tell; or -1. */
  #egressOf(slot: number, kind: number, offset: number, sizeBytes: number): number {
    let media = slot;
    if ((this.#slots.flags[slot >>> 1]! & pairFlag.isCarrier) !== 0) {
      media = this.#bundles.mediaOf(slot, kind, offset, sizeBytes, true);
      if (media < 0) return -1;
    }
    const peer = this.#slots.peerOf(media);
    const out = peer < 0 ? -1 : this.#bundles.socketsOf(peer);
    if (out < 0) return -1;
    return kind === packetKind.rtcp && (this.#slots.flags[out >>> 1]! & pairFlag.isMux) === 0 ? out + 1 : out;
  }
}
