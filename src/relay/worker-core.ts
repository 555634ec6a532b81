/**
 * A relay worker without its thread and its sockets: takes commands, datagrams and the time; writes events.
 *
 * The driver's loop calls, in this order: `drainCommands` when woken, `receive` for each datagram, `tick` once per
 * wake-up, `flushEvents`. What must not get lost (closed, stopped, proven) is kept as a mark per slot and written
 * when the event ring has room, so no event is ever dropped and a slot is told of at most once per flush.
 */
import { evidenceCode, type HandoverPolicy, type HandoverSink, handoverNote } from "../handover/contract.ts";
import { commandField, commandKind } from "./commands.ts";
import { type CounterMemory, socketAt, socketField, workerField } from "./counters.ts";
import type { RecordReader, RecordWriter, SocketPort } from "./driver.ts";
import { eventField, eventKind } from "./events.ts";
import { Forwarder, type TargetKeeper } from "./forwarder.ts";
import { HoldStore } from "./hold-store.ts";
import { reason } from "./reasons.ts";
import { SlotQueue } from "./slot-queue.ts";
import { type DecodedSettings, SettingsDecoder, transportCode } from "./slot-settings.ts";
import { pairFlag, Slots, targetState } from "./slots.ts";

export interface WorkerParts {
  readonly capacitySlots: number;
  readonly arena: Uint8Array;
  /** Where in the arena the hold store lies (`holdStoreBytes`). */
  readonly holdBase: number;
  readonly counters: CounterMemory;
  readonly sockets: SocketPort;
  readonly events: RecordWriter;
  /** Endpoints never to send to, five words each. */
  readonly forbiddenTargets: Int32Array;
  /** Where pairs of ours may be: rows of four IP words, first and last port. */
  readonly ownMedia: Int32Array;
  makePolicy(capacitySlots: number, sink: HandoverSink): HandoverPolicy;
}

/** Commands between two batches of packets: half a millisecond at most, or a burst of offers is heard as a gap. */
const commandsPerTurn = 32;

export class WorkerCore implements HandoverSink, TargetKeeper {
  readonly forwarder: Forwarder;
  readonly #slots: Slots;
  readonly #counters: CounterMemory;
  readonly #sockets: SocketPort;
  readonly #events: RecordWriter;
  readonly #held: HoldStore;
  readonly #policy: HandoverPolicy;
  readonly #decoder = new SettingsDecoder();
  readonly #forbidden: Int32Array;
  readonly #ownMedia: Int32Array;
  readonly #movedTargets: SlotQueue;
  readonly #provenSlots: SlotQueue;
  readonly #closedSlots: SlotQueue;
  /** By pair: the generation its `closed` event names. */
  readonly #closedGenerations: Int32Array;
  #owesStopped = false;
  #owesWake = false;
  #hasCommands = false;

  constructor(parts: WorkerParts) {
    const { capacitySlots } = parts;
    this.#slots = new Slots(capacitySlots);
    this.#counters = parts.counters;
    this.#sockets = parts.sockets;
    this.#events = parts.events;
    this.#forbidden = parts.forbiddenTargets;
    this.#ownMedia = parts.ownMedia;
    this.#held = new HoldStore(parts.arena, parts.holdBase, capacitySlots, parts.counters.worker);
    this.#movedTargets = new SlotQueue(capacitySlots);
    this.#provenSlots = new SlotQueue(capacitySlots);
    this.#closedSlots = new SlotQueue(capacitySlots);
    this.#closedGenerations = new Int32Array(capacitySlots >>> 1);
    this.forwarder = new Forwarder({
      arena: parts.arena,
      slots: this.#slots,
      counters: parts.counters,
      sockets: parts.sockets,
      held: this.#held,
    });
    this.#policy = parts.makePolicy(capacitySlots, this);
    this.forwarder.attach(this.#policy, this);
  }

  isOpen(slot: number, generation: number): boolean {
    return this.#slots.isOpen(slot, generation);
  }

  /** Carries out the oldest commands, a turn's worth. True when told to stop: all sockets are closed then. */
  drainCommands(commands: RecordReader, nowMs: number): boolean {
    this.#hasCommands = false;
    let drained = 0;
    for (let at = commands.begin(); at >= 0; at = commands.begin()) {
      if (drained === commandsPerTurn) {
        // Main may be waiting for room in the ring.
        this.#owesWake = true;
        this.#hasCommands = true;
        return false;
      }
      const isStop = commands.words[at + commandField.kind] === commandKind.stop;
      if (!isStop) this.#apply(commands.words, at, nowMs);
      commands.release();
      drained++;
      if (isStop) {
        this.#stop();
        return true;
      }
    }
    return false;
  }

  /** True after a turn that left commands in the ring: take the next without waiting. */
  get hasCommands(): boolean {
    return this.#hasCommands;
  }

  /** Runs what is due. */
  tick(nowMs: number): void {
    const worker = this.#counters.worker;
    worker[workerField.heartbeat]!++;
    if (this.#policy.nextDeadlineMs() <= nowMs) this.#policy.advance(nowMs);
    this.forwarder.expireHeld(nowMs);
    this.settleTargets();
  }

  nextDeadlineMs(): number {
    return Math.min(this.#policy.nextDeadlineMs(), this.#held.nextDeadlineMs());
  }

  /** Writes what the ring has room for; true when main should be woken. */
  flushEvents(): boolean {
    let hasWritten = this.#owesWake;
    this.#owesWake = false;
    while (this.#closedSlots.size > 0) {
      const slot = this.#closedSlots.peek();
      if (!this.#writeEvent(eventKind.closed, slot, this.#closedGenerations[slot >>> 1]!)) return hasWritten;
      this.#closedSlots.shift();
      hasWritten = true;
    }
    while (this.#provenSlots.size > 0) {
      const slot = this.#provenSlots.peek();
      if (this.#hasProof(slot)) {
        if (!this.#writeProven(slot)) return hasWritten;
        hasWritten = true;
      }
      this.#provenSlots.shift();
    }
    if (this.#owesStopped && this.#writeEvent(eventKind.stopped, 0, 0)) {
      this.#owesStopped = false;
      hasWritten = true;
    }
    return hasWritten;
  }

  /** True while an event waits for room. */
  get owesEvents(): boolean {
    return this.#owesStopped || this.#closedSlots.size > 0 || this.#provenSlots.size > 0;
  }

  releaseHeld(slot: number, candidate: number): void {
    this.forwarder.releaseHeld(slot, candidate);
  }

  dropHeld(slot: number, candidate: number): void {
    this.forwarder.dropHeld(slot, candidate);
  }

  /** Read later, once the policy has returned: its tables may be half written now. */
  targetChanged(slot: number): void {
    this.#movedTargets.push(slot);
  }

  /** Nothing is kept for replay, so there is nothing to send again. */
  replay(): void {}

  note(slot: number, kind: number, _evidence: number): void {
    this.#counters.worker[workerField.notes + kind]!++;
    this.#movedTargets.push(slot);
    if (kind === handoverNote.proven || kind === handoverNote.switched || kind === handoverNote.rolledBack) {
      this.#provenSlots.push(slot);
    }
  }

  get hasMovedTargets(): boolean {
    return this.#movedTargets.size > 0;
  }

  settleTargets(): void {
    while (this.#movedTargets.size > 0) {
      const slot = this.#movedTargets.shift();
      if ((this.#slots.flags[slot >>> 1]! & pairFlag.isOpen) !== 0) this.#settleTarget(slot);
    }
  }

  #apply(words: Int32Array, at: number, nowMs: number): void {
    const kind = words[at + commandField.kind]!;
    const slot = words[at + commandField.slot]!;
    const generation = words[at + commandField.generation]!;
    if (kind === commandKind.open) {
      this.#open(words, at, nowMs);
      return;
    }
    if (!this.#slots.isOpen(slot, generation)) throw new Error(`relay worker: slot ${slot} is not open`);
    if (kind === commandKind.configure) {
      this.#configure(slot, this.#decoder.decode(words, at + commandField.settings), nowMs);
    } else if (kind === commandKind.close) {
      this.#close(slot, generation);
    } else {
      throw new Error(`relay worker: unknown command ${kind}`);
    }
  }

  #open(words: Int32Array, at: number, nowMs: number): void {
    const slot = words[at + commandField.slot]!;
    const generation = words[at + commandField.generation]!;
    if (this.#slots.flags[slot >>> 1] !== 0) throw new Error(`relay worker: slot ${slot} is taken`);
    this.#slots.open(slot, generation, words, at + commandField.local);
    const isV6 = words[at + commandField.isV6] === 1;
    for (const [component, field] of [commandField.rtpHandle, commandField.rtcpHandle].entries()) {
      this.#clearCounters(slot + component, generation);
      this.#policy.open(slot + component, nowMs);
      if (!this.#sockets.adopt(slot + component, generation, words[at + field]!, isV6)) {
        this.#counters.worker[workerField.reasons + reason.unwatched]!++;
      }
    }
    this.#counters.worker[workerField.openSlots]! += 2;
  }

  #configure(slot: number, settings: DecodedSettings, nowMs: number): void {
    const flags =
      (settings.isMux ? pairFlag.isMux : 0) |
      (settings.mayReceive ? pairFlag.mayReceive : 0) |
      (settings.maySend ? pairFlag.maySend : 0) |
      (settings.transport === transportCode.rtp ? pairFlag.isRtp : 0) |
      (settings.transport === transportCode.udptl ? pairFlag.isUdptl : 0);
    this.#slots.configure(slot, flags, settings.rtp);
    this.#slots.peerSlots[slot >>> 1] = settings.peerSlot;
    this.#slots.peerGenerations[slot >>> 1] = settings.peerGeneration;
    this.#policy.configure(slot, settings.rtp, nowMs);
    this.#policy.configure(slot + 1, settings.rtcp, nowMs);
    this.#movedTargets.push(slot);
    this.#movedTargets.push(slot + 1);
    this.settleTargets();
  }

  #close(slot: number, generation: number): void {
    for (const each of [slot, slot + 1]) {
      this.forwarder.dropAllHeld(each);
      this.#policy.close(each);
      this.#sockets.release(each);
    }
    this.#slots.close(slot);
    this.#closedGenerations[slot >>> 1] = generation;
    this.#closedSlots.push(slot);
    this.#counters.worker[workerField.openSlots]! -= 2;
  }

  #stop(): void {
    for (let pair = 0; pair < this.#slots.flags.length; pair++) {
      if (this.#slots.flags[pair] !== 0) this.#close(2 * pair, this.#slots.generations[pair]!);
    }
    this.#owesStopped = true;
  }

  #settleTarget(slot: number): void {
    const { targets, targetStates } = this.#slots;
    const at = slot * 5;
    for (let word = 0; word < 5; word++) targets[at + word] = this.#policy.targetWord(slot, word);
    let isUsable = targets[at + 4] !== 0 && !isUnspecified(targets, at);
    if (isUsable && this.#isForbidden(slot, at)) {
      this.#counters.worker[workerField.reasons + reason.forbiddenTarget]!++;
      isUsable = false;
    }
    isUsable &&= this.#sockets.setTarget(
      slot,
      targets[at]!,
      targets[at + 1]!,
      targets[at + 2]!,
      targets[at + 3]!,
      targets[at + 4]!,
    );
    const isNew = isUsable && targetStates[slot] === targetState.none;
    if (!isUsable) targetStates[slot] = targetState.none;
    else targetStates[slot] = this.#isOwnMedia(at) ? targetState.own : targetState.any;
    if (isNew) this.forwarder.releaseEgress(slot);
    const record = socketAt(slot);
    const table = this.#counters.sockets;
    table[record + socketField.version]!++;
    for (let word = 0; word < 5; word++) {
      table[record + socketField.target + word] = isUsable ? targets[at + word]! : 0;
      table[record + socketField.proven + word] = this.#policy.provenWord(slot, word);
    }
    table[record + socketField.evidence] = this.#policy.evidenceOf(slot);
    table[record + socketField.version]!++;
  }

  /**
   * Our listeners, the sockets a packet sent there would come back through (the pair's own and its peer's), and what
   * is no single party.
   */
  #isForbidden(slot: number, at: number): boolean {
    const { targets } = this.#slots;
    if (isMulticast(targets, at)) return true;
    if (this.#slots.isLocal(slot, targets, at)) return true;
    const peer = this.#slots.peerOf(slot);
    if (peer >= 0 && this.#slots.isLocal(peer, targets, at)) return true;
    for (let row = 0; row < this.#forbidden.length; row += 5) {
      let word = 0;
      while (word < 5 && this.#forbidden[row + word] === targets[at + word]) word++;
      if (word === 5) return true;
    }
    return false;
  }

  /** A port on which this relay may have a pair: the party there is another leg of ours. */
  #isOwnMedia(at: number): boolean {
    const { targets } = this.#slots;
    const own = this.#ownMedia;
    const port = targets[at + 4]!;
    for (let row = 0; row < own.length; row += 6) {
      let word = 0;
      while (word < 4 && own[row + word] === targets[at + word]) word++;
      if (word === 4 && port >= own[row + 4]! && port <= own[row + 5]!) return true;
    }
    return false;
  }

  #hasProof(slot: number): boolean {
    const isOpen = (this.#slots.flags[slot >>> 1]! & pairFlag.isOpen) !== 0;
    return isOpen && this.#policy.evidenceOf(slot) !== evidenceCode.none;
  }

  #writeEvent(kind: number, slot: number, generation: number): boolean {
    const at = this.#events.begin();
    if (at < 0) return false;
    const { words } = this.#events;
    words[at + eventField.kind] = kind;
    words[at + eventField.slot] = slot;
    words[at + eventField.generation] = generation;
    this.#events.commit();
    return true;
  }

  #writeProven(slot: number): boolean {
    const at = this.#events.begin();
    if (at < 0) return false;
    const { words } = this.#events;
    words[at + eventField.kind] = eventKind.proven;
    words[at + eventField.slot] = slot;
    words[at + eventField.generation] = this.#slots.generations[slot >>> 1]!;
    words[at + eventField.evidence] = this.#policy.evidenceOf(slot);
    for (let word = 0; word < 5; word++) {
      words[at + eventField.source + word] = this.#policy.provenWord(slot, word);
    }
    this.#events.commit();
    return true;
  }

  #clearCounters(slot: number, generation: number): void {
    const at = socketAt(slot);
    const { sockets } = this.#counters;
    sockets[at + socketField.version]!++;
    sockets.fill(0, at + 1, at + socketField.size);
    sockets[at + socketField.generation] = generation;
    sockets[at + socketField.version]!++;
  }
}

/** 0.0.0.0 or ::, which the kernel takes for this very machine: hold, or an attempt at what listens here. */
function isUnspecified(words: Int32Array, at: number): boolean {
  if (words[at] !== 0 || words[at + 1] !== 0 || words[at + 3] !== 0) return false;
  return words[at + 2] === 0 || words[at + 2] === 0xffff;
}

/** 224.0.0.0/4 and what is above it, ff00::/8. */
function isMulticast(words: Int32Array, at: number): boolean {
  const isV4 = words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0xffff;
  return isV4 ? words[at + 3]! >>> 28 >= 14 : words[at]! >>> 24 === 0xff;
}
