/** What the handover policy asks of the relay, and who of the relay does it. */
import { type HandoverSink, handoverNote, noDigest, packetKind } from "../handover/contract.ts";
import { rtpSequence } from "../rtp/rtp.ts";
import type { EventWriter } from "./event-writer.ts";
import type { Forwarder } from "./forwarder.ts";
import type { HoldStore } from "./hold-store.ts";
import type { PacketHash } from "./packet-hash.ts";
import type { PacketInHand } from "./packet-in-hand.ts";
import type { Receipts } from "./receipts.ts";
import type { Replays } from "./replays.ts";
import { sealedFlag } from "./sender.ts";
import type { Targets } from "./targets.ts";

export interface PolicySinkParts {
  readonly arena: Uint8Array;
  readonly held: HoldStore;
  readonly hand: PacketInHand;
  readonly hash: PacketHash;
  readonly forwarder: Forwarder;
  readonly receipts: Receipts;
  readonly replays: Replays;
  readonly targets: Targets;
  readonly events: EventWriter;
  /** One double: the time of this turn of the worker. */
  readonly clock: Float64Array;
}

export class PolicySink implements HandoverSink {
  readonly #parts: PolicySinkParts;

  constructor(parts: PolicySinkParts) {
    this.#parts = parts;
  }

  releaseHeld(slot: number, candidate: number, sinceMs?: number): void {
    this.#parts.forwarder.releaseHeld(slot, candidate, sinceMs);
  }

  dropHeld(slot: number, candidate: number): void {
    this.#parts.forwarder.dropHeld(slot, candidate);
  }

  /** Read later, once the policy has returned: its tables may be half written now. */
  targetChanged(slot: number): void {
    this.#parts.targets.move(slot);
  }

  replay(slot: number, sinceMs: number): void {
    this.#parts.replays.ask(slot, sinceMs);
  }

  note(slot: number, kind: number, evidence: number, source: Int32Array, at: number): void {
    const { events, targets, replays } = this.#parts;
    // What was proven is shown beside the target.
    targets.move(slot);
    if (kind === handoverNote.rolledBack) replays.rollBack(slot);
    events.note(slot, kind, evidence, source, at);
  }

  digest(): number {
    const { hash, arena, hand } = this.#parts;
    return hash.of(arena, hand.offset, hand.sizeBytes);
  }

  heldDigest(slot: number, candidate: number, sequence: number): number {
    const { held, arena, hash } = this.#parts;
    for (let link = held.first(slot, candidate); link !== 0; link = held.nextOf(link, candidate)) {
      const offset = held.offsetOf(link);
      const isRtp = (held.kindOf(link) & ~sealedFlag) === packetKind.rtp;
      if (isRtp && rtpSequence(arena, offset) === sequence) {
        return hash.of(arena, offset, held.sizeOf(link));
      }
    }
    return noDigest;
  }

  isReceipt(slot: number): boolean {
    const { receipts, hand, clock } = this.#parts;
    // Under SRTP that passes as it came the reports cannot be read.
    if (hand.kind !== packetKind.rtcp) return false;
    return receipts.isReceipt(slot, hand.offset, hand.sizeBytes, clock[0]!);
  }
}
