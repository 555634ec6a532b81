/**
 * A relay in miniature around the policy, and the books it is judged by. It holds, releases, waits, replays and opens
 * SRTP as the relay does; what went where is counted exactly. Slots 0 and 1 face the victim, whose party hears what
 * they relay; what that party sends to the victim is in `downlink.ts`.
 */
import { heldAgeMsMax, heldPacketsPerStreamMax } from "../../../src/core/limits.ts";
import {
  authResult,
  type HandoverSink,
  handoverNote,
  noDigest,
  PacketFacts,
  packetKind,
  type SlotSettings,
  verdict,
} from "../../../src/handover/contract.ts";
import { Handover } from "../../../src/handover/handover.ts";
import { candidate, slotWords } from "../../../src/handover/slot-table.ts";
import { Books } from "./books.ts";
import type { Coverage } from "./coverage.ts";
import { Downlink, timerLagMs } from "./downlink.ts";
import type { Packet } from "./packets.ts";
import type { Stay } from "./victim.ts";

/** One policy for many calls, one after the other: its memory is what takes time to set up. */
export class Stage {
  readonly policy: Handover;
  #playing: HandoverSink | undefined;

  constructor() {
    const playing = (): HandoverSink => {
      if (this.#playing === undefined) throw new Error("nobody plays");
      return this.#playing;
    };
    this.policy = new Handover(2, {
      releaseHeld: (slot, index, sinceMs) => playing().releaseHeld(slot, index, sinceMs),
      dropHeld: (slot, index) => playing().dropHeld(slot, index),
      targetChanged: (slot) => playing().targetChanged(slot),
      replay: (slot, sinceMs) => playing().replay(slot, sinceMs),
      note: (slot, kind, evidence, source, at) => playing().note(slot, kind, evidence, source, at),
      digest: () => playing().digest(),
      heldDigest: (slot, index, sequence) => playing().heldDigest(slot, index, sequence),
      isReceipt: (slot) => playing().isReceipt(slot),
    });
  }

  enter(sink: HandoverSink): Handover {
    const { policy } = this;
    this.#playing = sink;
    for (const slot of [0, 1]) {
      policy.close(slot);
      policy.open(slot, 0);
    }
    return policy;
  }
}

export interface MiniatureParts {
  readonly stage: Stage;
  readonly stays: readonly Stay[];
  readonly isSecure: boolean;
  readonly tagBits: number;
  readonly coverage: Coverage;
}

/** What a history can be played to. */
export interface RelayUnderTest {
  readonly books: Books;
  configure(rtp: SlotSettings, rtcp: SlotSettings): void;
  /** Runs what is due until then. */
  advance(untilMs: number): void;
  receive(packet: Packet): void;
  /** The victim's party sends it a packet. */
  sendDown(slot: 0 | 1, number: number): void;
}

export class Miniature implements HandoverSink, RelayUnderTest {
  readonly policy: Handover;
  readonly books: Books;
  nowMs = 0;
  readonly #parts: MiniatureParts;
  readonly #facts = new PacketFacts();
  readonly #held = new Map<number, { packet: Packet; atMs: number }[]>();
  readonly #down: Downlink;
  readonly #moved: number[] = [];
  readonly #opened = new Set<number>();
  readonly #newest = new Map<number, number>();
  #inHand: Packet | undefined;

  constructor(parts: MiniatureParts) {
    this.#parts = parts;
    this.books = new Books(parts.stays);
    this.policy = parts.stage.enter(this);
    this.#down = new Downlink(this.policy, this.books);
    Object.assign(this.#facts, { ip0: 0, ip1: 0, ip2: 0xffff, sizeBytes: 172 });
  }

  configure(rtp: SlotSettings, rtcp: SlotSettings): void {
    this.policy.configure(0, rtp, this.nowMs);
    this.policy.configure(1, rtcp, this.nowMs);
    this.#settle();
  }

  advance(untilMs: number): void {
    const { policy } = this;
    for (;;) {
      const dueMs = policy.nextDeadlineMs();
      const replayDueMs = this.#down.dueMs;
      if (Math.min(dueMs, replayDueMs) > untilMs) break;
      if (replayDueMs < dueMs) {
        this.nowMs = Math.max(this.nowMs, replayDueMs);
        this.#down.advance(this.nowMs);
        continue;
      }
      this.nowMs = Math.max(this.nowMs, dueMs + timerLagMs);
      policy.advance(this.nowMs);
      if (policy.nextDeadlineMs() <= this.nowMs) throw new Error("the deadline did not move on");
      this.#settle();
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  receive(packet: Packet): void {
    const { kind } = packet;
    // Not of a leg without DTLS: the relay counts it and asks nobody.
    if (kind === packetKind.dtls) return;
    const isMedia = kind === packetKind.rtp || kind === packetKind.rtcp;
    const isChecked = this.#parts.isSecure && isMedia;
    const isRepeated = isChecked && packet.isSealed && this.#opened.has(packet.content);
    if (isChecked && !isRepeated && !this.#open(packet)) return;
    const facts = this.#facts;
    facts.slot = packet.slot;
    facts.kind = kind;
    facts.ip3 = packet.from.ip3;
    facts.port = packet.from.port;
    facts.ssrc = packet.ssrc | 0;
    facts.sequence = packet.sequence;
    facts.timestamp = packet.timestamp | 0;
    facts.payloadType = packet.payloadType;
    facts.auth = isChecked ? authResult.verified : authResult.none;
    if (isRepeated && kind === packetKind.rtp) facts.auth = authResult.repeated;
    else if (isRepeated) return;
    this.#inHand = packet;
    const outcome = this.policy.packet(facts, this.nowMs);
    this.#parts.coverage.verdicts[outcome]!++;
    if (outcome === verdict.relay) {
      this.#settle();
      this.#deliver(packet);
    } else if (outcome === verdict.hold && kind !== packetKind.keepalive) {
      this.#keep(packet);
    }
    this.#inHand = undefined;
    this.#settle();
  }

  sendDown(slot: 0 | 1, number: number): void {
    this.#down.take(slot, number, this.nowMs);
  }

  releaseHeld(slot: number, index: number, sinceMs = Number.NEGATIVE_INFINITY): void {
    for (const { packet, atMs } of this.#take(slot, index)) {
      if (atMs >= sinceMs && atMs + heldAgeMsMax >= this.nowMs - timerLagMs) this.#deliver(packet);
    }
  }

  dropHeld(slot: number, index: number): void {
    this.#take(slot, index);
  }

  targetChanged(slot: number): void {
    this.#moved.push(slot);
  }

  replay(slot: number, sinceMs: number): void {
    this.#parts.coverage.replays++;
    if (slot === 0) this.#down.ask(sinceMs);
  }

  digest(): number {
    return this.#inHand === undefined ? noDigest : this.#inHand.content;
  }

  heldDigest(slot: number, index: number, sequence: number): number {
    const found = this.#held.get(slot * 16 + index)?.find(({ packet }) => packet.sequence === sequence);
    return found === undefined ? noDigest : found.packet.content;
  }

  isReceipt(): boolean {
    return this.#inHand?.isReceipt === true;
  }

  note(_slot: number, kind: number, evidence: number, _source?: Int32Array, _at?: number): void {
    if (kind === handoverNote.rolledBack) this.#down.rollBack();
    this.#parts.coverage.notes[kind]!++;
    this.#parts.coverage.evidences[evidence]!++;
  }

  /** Takes the protection off; false where the tag does not verify. */
  #open(packet: Packet): boolean {
    if (!packet.isSealed) return false;
    this.#opened.add(packet.content);
    const stream = packet.ssrc * 2 + packet.slot;
    const newest = this.#newest.get(stream) ?? -1;
    this.#facts.isNewest = packet.content > newest;
    this.#facts.tagBits = this.#parts.tagBits;
    if (packet.content > newest) this.#newest.set(stream, packet.content);
    return true;
  }

  #deliver(packet: Packet): void {
    this.books.relay(packet, this.nowMs);
  }

  #keep(packet: Packet): void {
    const { policy, nowMs } = this;
    const key = packet.slot * 16 + policy.heldFor;
    const list = this.#held.get(key) ?? [];
    this.#held.set(key, list);
    while (list[0] !== undefined && list[0].atMs + heldAgeMsMax <= nowMs) list.shift();
    list.push({ packet, atMs: nowMs });
    if (list.length > heldPacketsPerStreamMax) list.shift();
    this.#parts.coverage.claim(() => {
      const annex = new Int32Array(policy.copyOut(packet.slot).buffer, 4 * slotWords);
      return annex[candidate.first + policy.heldFor * candidate.size + candidate.claim]! & 0xff;
    });
  }

  #take(slot: number, index: number): readonly { packet: Packet; atMs: number }[] {
    const list = this.#held.get(slot * 16 + index) ?? [];
    this.#held.delete(slot * 16 + index);
    return list;
  }

  /** What the policy decided about targets and replays, once it has returned. */
  #settle(): void {
    for (let slot = this.#moved.pop(); slot !== undefined; slot = this.#moved.pop()) {
      this.#down.release(slot === 0 ? 0 : 1, this.nowMs);
    }
    this.#down.settle(this.nowMs);
  }
}
