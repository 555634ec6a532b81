/**
 * The way out: to whom, from which socket, under which key. A packet waits here while nobody knows where its party is,
 * or while the party's leg is secure and has no key yet. It is protected at the very last and in place, so nothing is
 * ever protected twice, and what is not to go out in clear never does.
 *
 * Runs once per packet; nothing is allocated.
 */
import { Allowance } from "../core/allowance.ts";
import { ownTargetBurstPacketsMax, ownTargetPacketsPerSecMax } from "../core/limits.ts";
import { packetKind } from "../handover/contract.ts";
import type { Bundles } from "./bundles.ts";
import { type CounterMemory, socketAt, socketField, workerField } from "./counters.ts";
import { type SocketPort, sendCode } from "./driver.ts";
import { egressCandidate, type HoldStore } from "./hold-store.ts";
import { type Protection, reasonOfCode } from "./protection.ts";
import { reason } from "./reasons.ts";
import type { Replays } from "./replays.ts";
import { pairFlag, type Slots, targetState } from "./slots.ts";

/** Beside the kind of a packet: it goes out as it came, because the key of its way out accepted it. */
export const sealedFlag = 0x80;

/** Above the codes of `sendCode`: the reason why nothing was sent. */
const refusal = 0x100;

/** Flags of a party that say whether the plain way out will do. */
const wayFlags = pairFlag.mayReceive | pairFlag.isSecure | pairFlag.isPassed | pairFlag.isBundled;

export interface SenderParts {
  readonly arena: Uint8Array;
  readonly slots: Slots;
  readonly counters: CounterMemory;
  readonly sockets: SocketPort;
  readonly held: HoldStore;
  readonly protection: Protection;
  readonly bundles: Bundles;
  readonly replays: Replays;
}

export class Sender {
  readonly #arena: Uint8Array;
  readonly #slots: Slots;
  readonly #counters: CounterMemory;
  readonly #sockets: SocketPort;
  readonly #held: HoldStore;
  readonly #protection: Protection;
  readonly #bundles: Bundles;
  readonly #replays: Replays;
  readonly #toOwnTargets: Allowance;

  constructor(parts: SenderParts) {
    this.#arena = parts.arena;
    this.#slots = parts.slots;
    this.#counters = parts.counters;
    this.#sockets = parts.sockets;
    this.#held = parts.held;
    this.#protection = parts.protection;
    this.#bundles = parts.bundles;
    this.#replays = parts.replays;
    this.#toOwnTargets = new Allowance(
      parts.slots.capacitySlots,
      ownTargetPacketsPerSecMax,
      ownTargetBurstPacketsMax,
    );
  }

  /** The slot serves another pair from now on. */
  open(slot: number): void {
    this.#toOwnTargets.clear(slot);
    this.#replays.open(slot);
  }

  /**
   * Sends from the peer's socket; `reason.relay`, `reason.hold` while the peer cannot be reached yet, or why not.
   * `slot` is where the packet came in, `media` the m-line it belongs to: another one in a bundle.
   */
  forward(
    slot: number,
    media: number,
    kind: number,
    offset: number,
    sizeBytes: number,
    arrivalMs: number,
  ): number {
    const slots = this.#slots;
    const peer = slots.peerOf(media);
    if (peer < 0) return reason.noPeer;
    const flags = slots.flags[peer >>> 1]!;
    const egress = kind === packetKind.rtp ? peer : peer + componentOf(flags, media, kind);
    const isPlain = (flags & wayFlags) === pairFlag.mayReceive && kind < sealedFlag;
    if (isPlain && slots.targetStates[egress] === targetState.any) {
      const isKept = (flags & pairFlag.mayReplay) !== 0;
      if (isKept && (kind === packetKind.rtp || this.#replays.keeps(egress, kind))) {
        this.#replays.note(egress, offset, sizeBytes);
      }
      return this.#finish(egress, sizeBytes, this.#sockets.send(egress, offset, sizeBytes));
    }
    return this.#forwardSpecially(slot, media, kind, offset, sizeBytes, arrivalMs);
  }

  /** To a party on hold, one that cannot be reached yet, another leg of ours, a secure one, one of a bundle. */
  #forwardSpecially(
    slot: number,
    media: number,
    kind: number,
    offset: number,
    sizeBytes: number,
    arrivalMs: number,
  ): number {
    const { flags } = this.#slots;
    const peer = this.#slots.peerOf(media);
    if ((flags[peer >>> 1]! & pairFlag.mayReceive) === 0) return reason.peerOnHold;
    const out = this.#bundles.socketsOf(peer);
    if (out < 0) return reason.noPeer;
    const plainKind = kind & ~sealedFlag;
    const component = componentOf(flags[out >>> 1]!, media, plainKind);
    const egress = out + component;
    if (this.#wouldExpose(slot, plainKind, flags[out >>> 1]!)) return reason.unsecured;
    if (!this.#isReady(egress)) return this.#wait(egress, kind, offset, sizeBytes, arrivalMs);
    return this.#send(egress, peer + component, kind, offset, sizeBytes, arrivalMs);
  }

  /** Keeps the packet until it can be sent. A target that is known and not to be used does not get better by waiting. */
  #wait(egress: number, kind: number, offset: number, sizeBytes: number, arrivalMs: number): number {
    const { targets, targetStates } = this.#slots;
    const hasTarget = targetStates[egress] !== targetState.none;
    if (!hasTarget && targets[5 * egress + 4] !== 0) return reason.noTarget;
    const outcome = this.#held.add(egress, egressCandidate, kind, offset, sizeBytes, arrivalMs);
    if (outcome === reason.hold) return outcome;
    return hasTarget ? reason.noSendKey : reason.noTarget;
  }

  /** The slot knows where to send from now on: what waited for that goes out, oldest first. */
  releaseEgress(slot: number): void {
    if (!this.#isReady(slot)) return;
    const held = this.#held;
    for (let link = held.first(slot, egressCandidate); link !== 0; link = held.first(slot, egressCandidate)) {
      const sizeBytes = held.sizeOf(link);
      this.#count(reason.heldReleased);
      this.#count(
        this.#send(slot, slot, held.kindOf(link), held.offsetOf(link), sizeBytes, held.arrivalOf(link)),
      );
      held.remove(link);
    }
  }

  /** What was to leave as it came was accepted by a key that no longer serves the slot. */
  dropSealed(slot: number): void {
    this.#dropWaiting(slot, true);
  }

  /** What waits to leave was taken for a leg secured otherwise. */
  dropWaiting(slot: number): void {
    this.#dropWaiting(slot, false);
  }

  #dropWaiting(slot: number, isSealedOnly: boolean): void {
    const held = this.#held;
    let link = held.first(slot, egressCandidate);
    while (link !== 0) {
      const next = held.nextOf(link, egressCandidate);
      if (!isSealedOnly || (held.kindOf(link) & sealedFlag) !== 0) {
        held.remove(link);
        this.countUnsent(slot, reason.heldDropped);
      }
      link = next;
    }
  }

  /** A packet that waited for its way out in vain. */
  countUnsent(egress: number, code: number): void {
    this.#counters.sockets[socketAt(egress) + socketField.errorsOut]!++;
    this.#count(code);
  }

  /** What is no RTP cannot be protected; what was, may leave in clear only where signalling says so. */
  #wouldExpose(slot: number, kind: number, outFlags: number): boolean {
    if ((outFlags & (pairFlag.isSecure | pairFlag.isPassed)) === 0) return false;
    if ((outFlags & pairFlag.isSecure) !== 0) return kind === packetKind.data;
    return (this.#slots.flags[slot >>> 1]! & pairFlag.isSecure) !== 0;
  }

  /** There is somewhere to send, and the key to do it where one is needed. */
  #isReady(egress: number): boolean {
    if (this.#slots.targetStates[egress] === targetState.none) return false;
    const isSecure = (this.#slots.flags[egress >>> 1]! & pairFlag.isSecure) !== 0;
    return !isSecure || this.#protection.canSend(egress);
  }

  /** `reason.relay`, or why not. `counted`: the slot whose counters tell of it, another one in a bundle. */
  #send(
    egress: number,
    counted: number,
    kind: number,
    offset: number,
    sizeBytes: number,
    arrivalMs: number,
  ): number {
    const isSecure = (this.#slots.flags[egress >>> 1]! & pairFlag.isSecure) !== 0;
    let code: number;
    if (!isSecure) code = this.#sendPlain(egress, kind, offset, sizeBytes, arrivalMs);
    else if ((kind & sealedFlag) !== 0) code = this.#sendSealed(egress, kind, offset, sizeBytes, arrivalMs);
    else code = this.#sendSecure(egress, kind, offset, sizeBytes, arrivalMs);
    return this.#finish(counted, sizeBytes, code);
  }

  /** Counts what came of a send; its reason. */
  #finish(counted: number, sizeBytes: number, code: number): number {
    if (code > sendCode.sentOnRetry) return this.#countFailure(counted, code);
    const table = this.#counters.sockets;
    const at = socketAt(counted);
    table[at + socketField.version]!++;
    table[at + socketField.packetsOut]!++;
    table[at + socketField.bytesOut]! += sizeBytes;
    table[at + socketField.version]!++;
    if (code === sendCode.sentOnRetry) this.#count(reason.sendRetried);
    return reason.relay;
  }

  #countFailure(counted: number, code: number): number {
    this.#counters.sockets[socketAt(counted) + socketField.errorsOut]!++;
    if (code >= refusal) return code - refusal;
    return reasonOfFailure(code);
  }

  /** As it goes over the wire; a code of `sendCode`, or a reason above `refusal`. */
  #sendPlain(egress: number, kind: number, offset: number, sizeBytes: number, arrivalMs: number): number {
    if (this.#slots.targetStates[egress] === targetState.own) {
      if (!this.#toOwnTargets.take(egress, arrivalMs)) return refusal + reason.ownTargetLimit;
    } else if (this.#replays.keeps(egress, kind & ~sealedFlag)) {
      this.#replays.note(egress, offset, sizeBytes);
    }
    return this.#sockets.send(egress, offset, sizeBytes);
  }

  /** Protects the packet and sends it; a code of `sendCode`, or a reason above `refusal`. The slot is ready (`#isReady`). */
  #sendSecure(egress: number, kind: number, offset: number, sizeBytes: number, arrivalMs: number): number {
    const protection = this.#protection;
    let at = offset;
    if (this.#held.owns(offset)) {
      at = this.#held.outletOffset;
      this.#arena.copyWithin(at, offset, offset + sizeBytes);
    }
    const wireBytes = protection.seal(egress, kind, at, sizeBytes, arrivalMs);
    if (wireBytes < 0) return refusal + reasonOfCode(wireBytes);
    return this.#sendPlain(egress, kind, at, wireBytes, arrivalMs);
  }

  /** As it came; a code of `sendCode`, or a reason above `refusal`. */
  #sendSealed(egress: number, kind: number, offset: number, sizeBytes: number, arrivalMs: number): number {
    const protection = this.#protection;
    if (protection.isOutdated(egress, arrivalMs)) return refusal + reason.heldDropped;
    const noted = protection.noteSealed(egress, kind & ~sealedFlag, offset, sizeBytes);
    if (noted < 0) return refusal + reasonOfCode(noted);
    return this.#sendPlain(egress, kind, offset, sizeBytes, arrivalMs);
  }

  #count(code: number): void {
    this.#counters.worker[workerField.reasons + code]!++;
  }
}

/** Of a code of `sendCode` that says that nothing was sent. */
export function reasonOfFailure(code: number): number {
  return code === sendCode.queueFull ? reason.sendQueueFull : reason.sendFailed;
}

/** 1 for what leaves from the RTCP socket. Data goes from port to port. */
function componentOf(flags: number, media: number, kind: number): number {
  if (kind === packetKind.rtcp) return (flags & pairFlag.isMux) !== 0 ? 0 : 1;
  return kind === packetKind.data ? media & 1 : 0;
}
