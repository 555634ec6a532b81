/**
 * The life of a packet: classify, ask the handover policy, count, send from the peer's socket.
 *
 * One forwarder serves all slots of a worker and runs once per datagram: typed arrays, numbers and calls, nothing
 * allocated. Packets lie in the worker's arena and are sent from where they lie.
 */
import {
  jumboSizeBytesMax,
  ownTargetBurstPacketsMax,
  ownTargetPacketsPerSecMax,
  ssrcsPerSlotMax,
} from "../core/limits.ts";
import { type HandoverPolicy, PacketFacts, packetKind, verdict } from "../handover/contract.ts";
import { receivePacket, reception, startStream } from "../rtp/reception.ts";
import { rtcpPacketType, rtcpSenderSsrc } from "../rtp/rtcp.ts";
import { read16, rtpPayloadType, rtpSequence, rtpSsrc, rtpTimestamp } from "../rtp/rtp.ts";
import { classifyDataLeg, classifyRtpLeg, malformedKind } from "./classify.ts";
import { type CounterMemory, socketAt, socketField, streamAt, workerField } from "./counters.ts";
import { type SocketPort, sendCode } from "./driver.ts";
import { egressCandidate, type HoldStore } from "./hold-store.ts";
import { reason } from "./reasons.ts";
import { pairFlag, type Slots, targetState } from "./slots.ts";

const ownTargetPacketMs = 1_000 / ownTargetPacketsPerSecMax;
const ownTargetAheadMsMax = ownTargetBurstPacketsMax * ownTargetPacketMs;

/** What the forwarder asks after each verdict: send targets may have moved. */
export interface TargetKeeper {
  readonly hasMovedTargets: boolean;
  settleTargets(): void;
}

export interface ForwarderParts {
  readonly arena: Uint8Array;
  readonly slots: Slots;
  readonly counters: CounterMemory;
  readonly sockets: SocketPort;
  readonly held: HoldStore;
}

export class Forwarder {
  /** The driver fills in the source; the rest is filled in here. */
  readonly facts = new PacketFacts();
  readonly #arena: Uint8Array;
  readonly #slots: Slots;
  readonly #counters: CounterMemory;
  readonly #sockets: SocketPort;
  readonly #held: HoldStore;
  #policy!: HandoverPolicy;
  #targets!: TargetKeeper;

  constructor(parts: ForwarderParts) {
    this.#arena = parts.arena;
    this.#slots = parts.slots;
    this.#counters = parts.counters;
    this.#sockets = parts.sockets;
    this.#held = parts.held;
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
    const isRtpLeg = (this.#slots.flags[slot >>> 1]! & pairFlag.isRtp) !== 0;
    const kind = isRtpLeg
      ? this.#readRtpLeg(slot, offset, sizeBytes)
      : this.#readDataLeg(slot, offset, sizeBytes);
    if (kind < 0) return;
    const code = this.#policy.packet(this.facts, nowMs);
    if (this.#targets.hasMovedTargets) this.#targets.settleTargets();
    if (kind === packetKind.stun) {
      // The ICE agent in main will get these; until then they only show that the party is there.
      this.#count(reason.stun);
    } else if (code === verdict.relay && kind !== packetKind.keepalive) {
      this.#deliver(slot, kind, offset, sizeBytes, nowMs);
    } else if (code === verdict.hold && kind !== packetKind.keepalive) {
      const outcome = this.#held.add(slot, this.#policy.heldFor, kind, offset, sizeBytes, nowMs);
      if (outcome === reason.hold) this.#count(outcome);
      else this.#refuse(slot, outcome);
    } else if (code <= verdict.consumed) {
      this.#count(reason.consumed);
    } else {
      this.#refuse(slot, code);
    }
  }

  /** A datagram the kernel could not hand over, or one for a socket that is gone. */
  countReceiveTrouble(code: number): void {
    this.#count(code);
  }

  /** A send that seemed to work and did not, for drivers that learn of it later. */
  countLateFailure(slot: number): void {
    this.#counters.sockets[socketAt(slot) + socketField.errorsOut]!++;
    this.#count(reason.sendFailed);
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

  /** The slot knows where to send from now on: what waited for that goes out, oldest first. */
  releaseEgress(slot: number): void {
    const held = this.#held;
    for (let link = held.first(slot, egressCandidate); link !== 0; link = held.first(slot, egressCandidate)) {
      const sizeBytes = held.sizeOf(link);
      this.#count(reason.heldReleased);
      this.#count(this.#send(slot, held.offsetOf(link), sizeBytes, held.arrivalOf(link)));
      held.remove(link);
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
      if (isEgress) this.#countUnsent(slot);
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
    } else if (kind === packetKind.dtls) {
      // Handshakes will go to main as STUN will; no leg of ours terminates DTLS yet.
      this.#count(reason.dtls);
      return -1;
    } else if (kind === malformedKind) {
      return this.#refuse(slot, reason.malformed);
    } else {
      facts.ssrc = kind === packetKind.rtcp ? rtcpSenderSsrc(bytes, offset) : 0;
      facts.sequence = 0;
      facts.timestamp = 0;
      facts.payloadType = kind === packetKind.rtcp ? rtcpPacketType(bytes, offset) : 0;
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

  /** An accepted packet: count it as received, then send it on. */
  #deliver(slot: number, kind: number, offset: number, sizeBytes: number, arrivalMs: number): void {
    const { sockets: table, worker } = this.#counters;
    const pair = slot >>> 1;
    const at = socketAt(slot);
    if ((this.#slots.flags[pair]! & pairFlag.maySend) === 0) {
      this.#refuse(slot, reason.mediaBlocked);
      return;
    }
    table[at + socketField.version]!++;
    table[at + socketField.packetsIn]!++;
    table[at + socketField.bytesIn]! += sizeBytes;
    table[at + socketField.lastPacketAt] = arrivalMs;
    if (kind === packetKind.rtp) this.#countStream(slot, offset, sizeBytes, arrivalMs);
    const code = this.#forward(slot, kind, offset, sizeBytes, arrivalMs);
    if (code === reason.noPeer || code === reason.noTarget) table[at + socketField.errorsIn]!++;
    table[at + socketField.version]!++;
    worker[workerField.packets]!++;
    worker[workerField.bytes]! += sizeBytes;
    worker[workerField.reasons + code]!++;
  }

  /** Sends from the peer's socket; `reason.relay`, `reason.hold` while the peer cannot be reached yet, or why not. */
  #forward(slot: number, kind: number, offset: number, sizeBytes: number, arrivalMs: number): number {
    const slots = this.#slots;
    const peer = slots.peerOf(slot);
    if (peer < 0) return reason.noPeer;
    const peerFlags = slots.flags[peer >>> 1]!;
    if ((peerFlags & pairFlag.mayReceive) === 0) return reason.peerOnHold;
    let egress = peer;
    if (kind === packetKind.rtcp) egress = (peerFlags & pairFlag.isMux) !== 0 ? peer : peer + 1;
    else if (kind === packetKind.data) egress = peer + (slot & 1);
    if (slots.targetStates[egress] === targetState.none) {
      // A target that is known and not to be used does not get better by waiting.
      if (slots.targets[5 * egress + 4] !== 0) return reason.noTarget;
      const outcome = this.#held.add(egress, egressCandidate, kind, offset, sizeBytes, arrivalMs);
      return outcome === reason.hold ? outcome : reason.noTarget;
    }
    return this.#send(egress, offset, sizeBytes, arrivalMs);
  }

  /** `reason.relay`, or why not. */
  #send(egress: number, offset: number, sizeBytes: number, arrivalMs: number): number {
    const table = this.#counters.sockets;
    const at = socketAt(egress);
    if (this.#slots.targetStates[egress] === targetState.own && !this.#mayReachOwn(egress, arrivalMs)) {
      table[at + socketField.errorsOut]!++;
      return reason.ownTargetLimit;
    }
    const code = this.#sockets.send(egress, offset, sizeBytes);
    if (code <= sendCode.sentOnRetry) {
      table[at + socketField.version]!++;
      table[at + socketField.packetsOut]!++;
      table[at + socketField.bytesOut]! += sizeBytes;
      table[at + socketField.version]!++;
      if (code === sendCode.sentOnRetry) this.#count(reason.sendRetried);
      return reason.relay;
    }
    table[at + socketField.errorsOut]!++;
    return code === sendCode.queueFull ? reason.sendQueueFull : reason.sendFailed;
  }

  /**
   * Two legs of ours may face each other, but two calls whose parties name each other's ports make a loop that no
   * packet leaves. No single packet tells the one from the other; the rate does.
   */
  #mayReachOwn(egress: number, arrivalMs: number): boolean {
    const { ownTargetPaidMs } = this.#slots;
    const paidMs = Math.max(ownTargetPaidMs[egress]!, arrivalMs) + ownTargetPacketMs;
    if (paidMs - arrivalMs > ownTargetAheadMsMax) return false;
    ownTargetPaidMs[egress] = paidMs;
    return true;
  }

  /** A packet that waited for a target in vain. */
  #countUnsent(egress: number): void {
    this.#counters.sockets[socketAt(egress) + socketField.errorsOut]!++;
    this.#count(reason.heldExpired);
  }

  #countStream(slot: number, offset: number, sizeBytes: number, arrivalMs: number): void {
    const bytes = this.#arena;
    const streams = this.#counters.streams;
    const sequence = rtpSequence(bytes, offset);
    const payloadType = rtpPayloadType(bytes, offset);
    const at = this.#streamOf(slot, rtpSsrc(bytes, offset), sequence);
    const clockRateHz = this.#slots.clockRates[slot >>> 1]![payloadType]!;
    const timestamp = rtpTimestamp(bytes, offset);
    receivePacket(streams, at, sequence, timestamp, payloadType, clockRateHz, sizeBytes, arrivalMs);
  }

  /** The record of the SSRC; a new one takes a free record, else the one unheard for longest. */
  #streamOf(slot: number, ssrc: number, sequence: number): number {
    const { sockets, streams } = this.#counters;
    const capacity = this.#slots.capacitySlots;
    const used = sockets[socketAt(slot) + socketField.streams]!;
    const wanted = ssrc >>> 0;
    let stalest = -1;
    for (let rank = 0; rank < used; rank++) {
      const at = streamAt(slot, rank, capacity);
      if (streams[at + reception.ssrc] === wanted) return at;
      if (stalest < 0 || streams[at + reception.lastPacketAt]! < streams[stalest + reception.lastPacketAt]!) {
        stalest = at;
      }
    }
    let at = stalest;
    if (used < ssrcsPerSlotMax) {
      at = streamAt(slot, used, capacity);
      sockets[socketAt(slot) + socketField.streams] = used + 1;
    }
    startStream(streams, at, wanted, sequence);
    return at;
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
