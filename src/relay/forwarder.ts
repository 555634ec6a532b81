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
  noPayloadType,
  PacketFacts,
  packetKind,
  verdict,
} from "../handover/contract.ts";
import { isRtcpPacket, rtcpPacketType, rtcpSenderSsrc } from "../rtp/rtcp.ts";
import { read16, read32, rtpPayloadType, rtpSequence, rtpSsrc, rtpTimestamp } from "../rtp/rtp.ts";
import type { Bundles } from "./bundles.ts";
import { classifyDataLeg, classifyRtpLeg, malformedKind } from "./classify.ts";
import { type CounterMemory, socketAt, socketField, workerField } from "./counters.ts";
import type { Gate } from "./gate.ts";
import { type HoldStore, keylessCandidate } from "./hold-store.ts";
import { type Protection, passage, reasonOfCode } from "./protection.ts";
import { reason } from "./reasons.ts";
import { type Sender, sealedFlag } from "./sender.ts";
import { guardedFlags, pairFlag, type Slots } from "./slots.ts";
import { StreamCounts } from "./stream-counts.ts";

/** Flags of a pair that say whether what it hears is its own, and goes on. */
const mediaFlags = pairFlag.maySend | pairFlag.isCarrier;

/** In front of a packet that waits for keys: its source, five words. */
const sourceBytes = 20;

/** What the forwarder asks after each verdict: send targets may have moved. */
export interface TargetKeeper {
  readonly hasMovedTargets: boolean;
  settleTargets(): void;
}

export interface ForwarderParts {
  readonly arena: Uint8Array;
  readonly slots: Slots;
  readonly counters: CounterMemory;
  readonly held: HoldStore;
  readonly protection: Protection;
  readonly gate: Gate;
  readonly bundles: Bundles;
  readonly sender: Sender;
}

export class Forwarder {
  /** The driver fills in the source; the rest is filled in here. */
  readonly facts = new PacketFacts();
  readonly #arena: Uint8Array;
  readonly #slots: Slots;
  readonly #counters: CounterMemory;
  readonly #held: HoldStore;
  readonly #protection: Protection;
  readonly #gate: Gate;
  readonly #bundles: Bundles;
  readonly #sender: Sender;
  readonly #streams: StreamCounts;
  /** The packet opened last stays as it came. */
  #isSealed = false;
  #policy!: HandoverPolicy;
  #targets!: TargetKeeper;

  constructor(parts: ForwarderParts) {
    this.#arena = parts.arena;
    this.#slots = parts.slots;
    this.#counters = parts.counters;
    this.#held = parts.held;
    this.#protection = parts.protection;
    this.#gate = parts.gate;
    this.#bundles = parts.bundles;
    this.#sender = parts.sender;
    this.#streams = new StreamCounts(parts.arena, parts.slots, parts.counters);
  }

  /** The policy's sink needs the forwarder, so the policy comes second. */
  attach(policy: HandoverPolicy, targets: TargetKeeper): void {
    this.#policy = policy;
    this.#targets = targets;
  }

  /** One datagram of `sizeBytes` at `offset` of the arena; its source stands in `facts`. No allocation. */
  receive(slot: number, offset: number, sizeBytes: number, nowMs: number): void {
    if (sizeBytes > jumboSizeBytesMax) {
      this.#refuse(slot, reason.tooLarge);
      return;
    }
    const flags = this.#slots.flags[slot >>> 1]!;
    const kind =
      (flags & pairFlag.isRtp) !== 0
        ? this.#readRtpLeg(slot, offset, sizeBytes)
        : this.#readDataLeg(slot, offset, sizeBytes);
    if (kind < 0) return;
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

  /** A send that seemed to work and did not, for drivers that learn of it later. */
  countLateFailure(slot: number): void {
    this.#sender.countUnsent(slot, reason.sendFailed);
  }

  /** Everything held for the candidate goes out, oldest first. */
  releaseHeld(slot: number, candidate: number): void {
    const held = this.#held;
    for (let link = held.first(slot, candidate); link !== 0; link = held.first(slot, candidate)) {
      this.#count(reason.heldReleased);
      // Let go of first, because delivering may hold it again, for the peer. Its bytes and facts stay until then.
      held.remove(link);
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
      this.#readSource(offset - sourceBytes);
      const kind = this.#readRtpLeg(slot, offset, sizeBytes);
      if (kind >= 0) this.#receiveGuarded(slot, kind, offset, sizeBytes, arrivalMs, nowMs);
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

  /** Fills in the facts; the kind, or -1 when the datagram has been counted and is done with. */
  #readRtpLeg(slot: number, offset: number, sizeBytes: number): number {
    const bytes = this.#arena;
    const kind = classifyRtpLeg(bytes, offset, sizeBytes);
    const facts = this.facts;
    if (kind === packetKind.rtp) {
      if ((slot & 1) !== 0) return this.#refuse(slot, reason.rtpOnRtcpPort);
      facts.ssrc = rtpSsrc(bytes, offset);
      facts.sequence = rtpSequence(bytes, offset);
      facts.timestamp = rtpTimestamp(bytes, offset);
      facts.payloadType = rtpPayloadType(bytes, offset);
    } else if (kind === malformedKind) {
      return this.#refuse(slot, reason.malformed);
    } else {
      const isRtcp = kind === packetKind.rtcp;
      facts.ssrc = isRtcp ? rtcpSenderSsrc(bytes, offset) : 0;
      facts.sequence = 0;
      facts.timestamp = 0;
      facts.payloadType = isRtcp ? rtcpPacketType(bytes, offset) : noPayloadType;
    }
    facts.slot = slot;
    facts.kind = kind;
    facts.sizeBytes = sizeBytes;
    return kind;
  }

  #readDataLeg(slot: number, offset: number, sizeBytes: number): number {
    const kind = classifyDataLeg(this.#arena, offset, sizeBytes);
    const isUdptl = (this.#slots.flags[slot >>> 1]! & pairFlag.isUdptl) !== 0;
    if (isUdptl && kind === packetKind.data && sizeBytes < udptlBytesMin) {
      return this.#refuse(slot, reason.malformed);
    }
    const facts = this.facts;
    facts.ssrc = 0;
    facts.timestamp = 0;
    facts.payloadType = 0;
    facts.sequence = isUdptl && kind === packetKind.data ? read16(this.#arena, offset) : 0;
    facts.slot = slot;
    facts.kind = kind;
    facts.sizeBytes = sizeBytes;
    return kind;
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
    if (!this.#policy.isKnownSource(facts) && !protection.mayVerify(slot, nowMs)) {
      this.#refuse(slot, reason.verificationLimit);
      return;
    }
    const clearBytes = this.#open(slot, kind, offset, sizeBytes);
    if (clearBytes < 0) {
      this.#refuse(slot, reasonOfCode(clearBytes));
      return;
    }
    const isSealed = this.#isSealed;
    if (!isSealed && kind === packetKind.rtcp && !isRtcpPacket(this.#arena, offset, clearBytes)) {
      this.#refuse(slot, reason.malformed);
      return;
    }
    facts.isNewest = protection.isNewest;
    facts.tagBits = protection.tagBits;
    facts.auth = facts.tagBits > 0 ? authResult.verified : authResult.none;
    this.#judge(slot, isSealed ? kind | sealedFlag : kind, offset, clearBytes, arrivalMs, nowMs);
    facts.auth = authResult.none;
  }

  /** Takes the protection off, unless the packet may leave as it came; its size then, or a negative code. */
  #open(slot: number, kind: number, offset: number, sizeBytes: number): number {
    const protection = this.#protection;
    this.#isSealed = false;
    const egress = this.#egressOf(slot, kind, offset, sizeBytes);
    const passes = egress < 0 ? passage.never : protection.passageOf(slot, egress);
    if (passes === passage.never) return protection.open(slot, kind, offset, sizeBytes);
    if (passes === passage.always) {
      this.#isSealed = true;
      return protection.verify(slot, kind, offset, sizeBytes);
    }
    // Only the key that accepts it tells, and by then it is open: the packet as it came is kept until that is known.
    const copy = this.#held.outletOffset;
    this.#arena.copyWithin(copy, offset, offset + sizeBytes);
    const clearBytes = protection.open(slot, kind, offset, sizeBytes);
    if (clearBytes < 0 || !protection.wasAcceptedBy(slot, egress)) return clearBytes;
    this.#isSealed = true;
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

  #holdKeyless(slot: number, kind: number, offset: number, sizeBytes: number, arrivalMs: number): void {
    this.#writeSource(offset - sourceBytes);
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
    const code = this.#policy.packet(this.facts, nowMs);
    if (this.#targets.hasMovedTargets) this.#targets.settleTargets();
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

  #writeSource(offset: number): void {
    const { ip0, ip1, ip2, ip3, port } = this.facts;
    this.#writeWord(offset, ip0);
    this.#writeWord(offset + 4, ip1);
    this.#writeWord(offset + 8, ip2);
    this.#writeWord(offset + 12, ip3);
    this.#writeWord(offset + 16, port);
  }

  #writeWord(offset: number, value: number): void {
    const bytes = this.#arena;
    bytes[offset] = value >>> 24;
    bytes[offset + 1] = value >>> 16;
    bytes[offset + 2] = value >>> 8;
    bytes[offset + 3] = value;
  }

  #readSource(offset: number): void {
    const facts = this.facts;
    facts.ip0 = read32(this.#arena, offset);
    facts.ip1 = read32(this.#arena, offset + 4);
    facts.ip2 = read32(this.#arena, offset + 8);
    facts.ip3 = read32(this.#arena, offset + 12);
    facts.port = read32(this.#arena, offset + 16);
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

/** Sequence number, a primary of length zero, and no recovery (ITU-T T.38 section 9.1). */
const udptlBytesMin = 5;
