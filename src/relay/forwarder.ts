/**
 * The life of a packet: classify, take its protection off, ask the handover policy, count, find its media, hand it to
 * the sender.
 *
 * One forwarder serves all slots of a worker and runs once per datagram: typed arrays, numbers and calls, nothing
 * allocated. Packets lie in the worker's arena and are sent from where they lie.
 */
import { jumboSizeBytesMax } from "../core/limits.ts";
import {
  authResult,
  type HandoverPolicy,
  type PacketFacts,
  packetKind,
  verdict,
} from "../handover/contract.ts";
import type { Bundles } from "./bundles.ts";
import { type CounterMemory, socketAt, socketField, workerField } from "./counters.ts";
import type { Gate } from "./gate.ts";
import { type HoldStore, keylessCandidate } from "./hold-store.ts";
import { Opener } from "./opener.ts";
import type { PacketInHand } from "./packet-in-hand.ts";
import { PacketReader, sourceBytes } from "./packet-reader.ts";
import type { Protection } from "./protection.ts";
import { reason } from "./reasons.ts";
import { reasonOfFailure, type Sender, sealedFlag } from "./sender.ts";
import type { SentMarks } from "./sent-marks.ts";
import { guardedFlags, pairFlag, type Slots } from "./slots.ts";
import { StreamCounts } from "./stream-counts.ts";
import type { Targets } from "./targets.ts";

/** Flags of a pair that say whether what it hears is its own, and goes on. */
const mediaFlags = pairFlag.maySend | pairFlag.isCarrier;

export interface ForwarderParts {
  readonly arena: Uint8Array;
  readonly slots: Slots;
  readonly counters: CounterMemory;
  readonly held: HoldStore;
  readonly protection: Protection;
  readonly gate: Gate;
  readonly bundles: Bundles;
  readonly sender: Sender;
  readonly targets: Targets;
  readonly marks: SentMarks;
  readonly hand: PacketInHand;
  /** One double: the time of this turn of the worker. */
  readonly clock: Float64Array;
}

export class Forwarder {
  /** The driver fills in the source; the rest is filled in here. */
  readonly facts: PacketFacts;
  readonly #reader: PacketReader;
  readonly #opener: Opener;
  readonly #arena: Uint8Array;
  readonly #slots: Slots;
  readonly #counters: CounterMemory;
  readonly #held: HoldStore;
  readonly #protection: Protection;
  readonly #gate: Gate;
  readonly #bundles: Bundles;
  readonly #sender: Sender;
  readonly #streams: StreamCounts;
  readonly #targets: Targets;
  readonly #hand: PacketInHand;
  readonly #clock: Float64Array;
  #policy!: HandoverPolicy;

  constructor(parts: ForwarderParts) {
    this.#arena = parts.arena;
    this.#slots = parts.slots;
    this.#counters = parts.counters;
    this.#held = parts.held;
    this.#protection = parts.protection;
    this.#gate = parts.gate;
    this.#bundles = parts.bundles;
    this.#sender = parts.sender;
    this.#targets = parts.targets;
    this.#hand = parts.hand;
    this.#clock = parts.clock;
    this.#streams = new StreamCounts(parts.arena, parts.slots, parts.counters, parts.marks);
    this.#reader = new PacketReader(parts.arena, parts.slots);
    this.#opener = new Opener(parts);
    this.facts = this.#reader.facts;
  }

  /** The policy's sink needs the forwarder, so the policy comes second. */
  attach(policy: HandoverPolicy): void {
    this.#policy = policy;
  }

  /** One datagram of `sizeBytes` at `offset` of the arena; its source stands in `facts`. No allocation. */
  receive(slot: number, offset: number, sizeBytes: number, nowMs: number): void {
    if (sizeBytes > jumboSizeBytesMax) {
      this.#refuse(slot, reason.tooLarge);
      return;
    }
    this.#clock[0] = nowMs;
    const kind = this.#reader.read(slot, offset, sizeBytes);
    if (kind < 0) {
      this.#refuse(slot, -kind);
      return;
    }
    const flags = this.#slots.flags[slot >>> 1]!;
    if ((flags & guardedFlags) !== 0 || kind === packetKind.dtls) {
      this.#receiveGuarded(slot, kind, offset, sizeBytes, nowMs, nowMs);
    } else {
      this.#judge(slot, kind, offset, sizeBytes, nowMs, nowMs);
    }
  }

  /** A datagram the kernel could not hand over, or one for a socket that is gone. */
  countReceiveTrouble(code: number): void {
    this.#count(code);
  }

  /** A send that seemed to work and did not, for drivers that learn of it later. `code`: of `sendCode`. */
  countLateFailure(slot: number, code: number): void {
    this.#sender.countUnsent(slot, reasonOfFailure(code));
  }

  /** What is held for the candidate goes out, oldest first; what came before `sinceMs` is dropped. */
  releaseHeld(slot: number, candidate: number, sinceMs = Number.NEGATIVE_INFINITY): void {
    const held = this.#held;
    for (let link = held.first(slot, candidate); link !== 0; link = held.first(slot, candidate)) {
      // Let go of first, because delivering may hold it again, for the peer. Its bytes and facts stay until then.
      held.remove(link);
      if (held.arrivalOf(link) < sinceMs) {
        this.#refuse(slot, reason.heldDropped);
        continue;
      }
      this.#count(reason.heldReleased);
      this.#deliver(slot, held.kindOf(link), held.offsetOf(link), held.sizeOf(link), held.arrivalOf(link));
    }
  }

  /** The slot has keys from now on: what waited for them is judged, as if it came now. */
  releaseKeyless(slot: number, nowMs: number): void {
    const held = this.#held;
    const offset = held.intakeOffset;
    for (
      let link = held.first(slot, keylessCandidate);
      link !== 0;
      link = held.first(slot, keylessCandidate)
    ) {
      const from = held.offsetOf(link);
      const sizeBytes = held.sizeOf(link) - sourceBytes;
      const arrivalMs = held.arrivalOf(link);
      this.#arena.copyWithin(offset - sourceBytes, from, from + held.sizeOf(link));
      held.remove(link);
      this.#count(reason.heldReleased);
      this.#reader.readSource(offset - sourceBytes);
      const kind = this.#reader.read(slot, offset, sizeBytes);
      if (kind < 0) this.#refuse(slot, -kind);
      else this.#receiveGuarded(slot, kind, offset, sizeBytes, arrivalMs, nowMs);
    }
  }

  dropHeld(slot: number, candidate: number): void {
    const held = this.#held;
    for (let link = held.first(slot, candidate); link !== 0; link = held.first(slot, candidate)) {
      held.remove(link);
      this.#refuse(slot, reason.heldDropped);
    }
  }

  /** The slot is closing: whatever it holds goes. */
  dropAllHeld(slot: number): void {
    const held = this.#held;
    for (let link = held.firstOf(slot); link !== 0; link = held.firstOf(slot)) {
      held.remove(link);
      this.#refuse(slot, reason.heldDropped);
    }
  }

  expireHeld(nowMs: number): void {
    const held = this.#held;
    for (let link = held.firstExpired(nowMs); link !== 0; link = held.firstExpired(nowMs)) {
      const slot = held.slotOf(link);
      const isEgress = held.isEgress(link);
      held.remove(link);
      if (isEgress) this.#sender.countUnsent(slot, reason.heldExpired);
      else this.#refuse(slot, reason.heldExpired);
    }
  }

  /** A leg with SRTP, with ICE, or whose keys are its parties' own; and DTLS where there is none. */
  #receiveGuarded(
    slot: number,
    kind: number,
    offset: number,
    sizeBytes: number,
    arrivalMs: number,
    nowMs: number,
  ): void {
    const flags = this.#slots.flags[slot >>> 1]!;
    const isSecure = (flags & pairFlag.isSecure) !== 0;
    if (kind === packetKind.stun && (flags & pairFlag.hasIce) !== 0) {
      if (this.#gate.isMeant(slot, offset, sizeBytes)) this.#passUp(slot, offset, nowMs);
      else this.#refuse(slot, reason.stunRefused);
    } else if (kind === packetKind.dtls && (flags & pairFlag.isDtls) !== 0) {
      this.#passUp(slot, offset, nowMs);
    } else if ((kind === packetKind.stun || kind === packetKind.dtls) && (flags & pairFlag.isPassed) !== 0) {
      this.facts.kind = packetKind.data;
      this.#judge(slot, packetKind.data, offset, sizeBytes, arrivalMs, nowMs);
    } else if (kind === packetKind.dtls) {
      this.#count(reason.dtls);
    } else if (isSecure && kind === packetKind.data) {
      this.#refuse(slot, reason.unsecured);
    } else if (isSecure && (kind === packetKind.rtp || kind === packetKind.rtcp)) {
      this.#receiveSecure(slot, kind, offset, sizeBytes, arrivalMs, nowMs);
    } else {
      this.#judge(slot, kind, offset, sizeBytes, arrivalMs, nowMs);
    }
  }

  #passUp(slot: number, offset: number, nowMs: number): void {
    const isKnown = this.#policy.isKnownSource(this.facts);
    const code = this.#gate.passUp(this.facts, offset, isKnown, nowMs);
    if (code === reason.passedUp) this.#count(code);
    else this.#refuse(slot, code);
  }

  /**
   * The tag is checked before the policy judges, and whatever verifies the policy lets through: its index counts as
   * used from then on, and a copy of it from elsewhere would find that out.
   */
  #receiveSecure(
    slot: number,
    kind: number,
    offset: number,
    sizeBytes: number,
    arrivalMs: number,
    nowMs: number,
  ): void {
    const protection = this.#protection;
    const facts = this.facts;
    if (facts.port === 0) {
      this.#refuse(slot, reason.unprovenSource);
      return;
    }
    if (!protection.canReceive(slot)) {
      this.#holdKeyless(slot, kind, offset, sizeBytes, arrivalMs);
      return;
    }
    const isKnown = this.#policy.isKnownSource(facts);
    if (!isKnown && !protection.mayVerify(slot, nowMs)) {
      this.#refuse(slot, reason.verificationLimit);
      return;
    }
    const clearBytes = this.#opener.open(slot, kind, offset, sizeBytes, isKnown);
    if (clearBytes < 0) {
      if (clearBytes === -reason.replayed && protection.isRepeated) this.#tellRepeated(nowMs);
      this.#refuse(slot, -clearBytes);
      return;
    }
    facts.isNewest = protection.isNewest;
    facts.tagBits = protection.tagBits;
    facts.auth = facts.tagBits > 0 ? authResult.verified : authResult.none;
    this.#judge(slot, this.#opener.isSealed ? kind | sealedFlag : kind, offset, clearBytes, arrivalMs, nowMs);
    facts.auth = authResult.none;
  }

  /** A packet that verified came once more: it goes nowhere, and says where its sender is. */
  #tellRepeated(nowMs: number): void {
    const facts = this.facts;
    facts.tagBits = this.#protection.tagBits;
    facts.auth = authResult.repeated;
    this.#policy.packet(facts, nowMs);
    facts.auth = authResult.none;
    if (this.#targets.hasMoved) this.#targets.settle();
  }

  #holdKeyless(slot: number, kind: number, offset: number, sizeBytes: number, arrivalMs: number): void {
    this.#reader.writeSource(offset - sourceBytes);
    const from = offset - sourceBytes;
    const outcome = this.#held.add(slot, keylessCandidate, kind, from, sizeBytes + sourceBytes, arrivalMs);
    if (outcome === reason.hold) this.#count(outcome);
    else this.#refuse(slot, outcome);
  }

  /** The policy's verdict, and what follows. `kind` may carry `sealedFlag`. */
  #judge(
    slot: number,
    kind: number,
    offset: number,
    sizeBytes: number,
    arrivalMs: number,
    nowMs: number,
  ): void {
    const hand = this.#hand;
    hand.offset = offset;
    hand.sizeBytes = sizeBytes;
    hand.kind = kind;
    const code = this.#policy.packet(this.facts, nowMs);
    if (this.#targets.hasMoved) this.#targets.settle();
    if (kind === packetKind.stun) {
      this.#count(reason.stun);
    } else if (code === verdict.relay && kind !== packetKind.keepalive) {
      this.#deliver(slot, kind, offset, sizeBytes, arrivalMs);
    } else if (code === verdict.hold && kind !== packetKind.keepalive) {
      const outcome = this.#held.add(slot, this.#policy.heldFor, kind, offset, sizeBytes, arrivalMs);
      if (outcome === reason.hold) this.#count(outcome);
      else this.#refuse(slot, outcome);
    } else if (code <= verdict.consumed) {
      this.#count(reason.consumed);
    } else if (code === verdict.duplicate) {
      // The other copy went out: one party over two paths makes no errors.
      this.#count(code);
    } else {
      this.#refuse(slot, code);
    }
  }

  /** An accepted packet: to the media it belongs to. */
  #deliver(slot: number, kind: number, offset: number, sizeBytes: number, arrivalMs: number): void {
    const flags = this.#slots.flags[slot >>> 1]!;
    if ((flags & mediaFlags) === pairFlag.maySend) {
      this.#pass(slot, slot, kind, offset, sizeBytes, arrivalMs);
      return;
    }
    const isCarrier = (flags & pairFlag.isCarrier) !== 0;
    const media = isCarrier ? this.#mediaOf(slot, kind, offset, sizeBytes) : slot;
    if (media < 0) return;
    if ((this.#slots.flags[media >>> 1]! & pairFlag.maySend) === 0) this.#refuse(media, reason.mediaBlocked);
    else this.#pass(slot, media, kind, offset, sizeBytes, arrivalMs);
  }

  /** Counts it as received, then sends it on. */
  #pass(
    slot: number,
    media: number,
    kind: number,
    offset: number,
    sizeBytes: number,
    arrivalMs: number,
  ): void {
    const { sockets: table, worker } = this.#counters;
    const at = socketAt(media);
    table[at + socketField.version]!++;
    table[at + socketField.packetsIn]!++;
    table[at + socketField.bytesIn]! += sizeBytes;
    table[at + socketField.lastPacketAt] = arrivalMs;
    if ((kind & ~sealedFlag) === packetKind.rtp) this.#streams.count(media, offset, sizeBytes, arrivalMs);
    const code = this.#sender.forward(slot, media, kind, offset, sizeBytes, arrivalMs);
    if (code === reason.noPeer || code === reason.noTarget) table[at + socketField.errorsIn]!++;
    table[at + socketField.version]!++;
    worker[workerField.packets]!++;
    worker[workerField.bytes]! += sizeBytes;
    worker[workerField.reasons + code]!++;
  }

  /** Slot of the m-line that a packet on a bundle's transport belongs to; -1: none, and the packet is counted. */
  #mediaOf(slot: number, kind: number, offset: number, sizeBytes: number): number {
    const plainKind = kind & ~sealedFlag;
    const isSealed = kind !== plainKind;
    const media = this.#bundles.mediaOf(
      slot,
      plainKind,
      offset,
      sizeBytes,
      isSealed && plainKind !== packetKind.rtp,
    );
    return media < 0 ? this.#refuse(slot, reason.unroutable) : media + (slot & 1);
  }

  #count(code: number): void {
    this.#counters.worker[workerField.reasons + code]!++;
  }

  #refuse(slot: number, code: number): -1 {
    this.#counters.worker[workerField.reasons + code]!++;
    this.#counters.sockets[socketAt(slot) + socketField.errorsIn]!++;
    return -1;
  }
}
