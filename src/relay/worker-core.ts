/**
 * A relay worker without its thread and its sockets: takes commands, datagrams and the time; writes events.
 *
 * The driver's loop calls, in this order: `drainCommands` when woken, `receive` for each datagram, `tick` once per
 * wake-up, `flushEvents`. What must not get lost (closed, stopped, proven) is kept as a mark per slot and written
 * when the event ring has room, so no event is ever dropped and a slot is told of at most once per flush.
 */
import {
  evidenceCode,
  type HandoverPolicy,
  type HandoverSink,
  handoverNote,
  noDigest,
} from "../handover/contract.ts";
import { Bundles } from "./bundles.ts";
import { commandField, commandKind } from "./commands.ts";
import { type CounterMemory, socketAt, socketField, workerField } from "./counters.ts";
import { DownLink } from "./down-link.ts";
import { commandWords, type RecordReader, type RecordWriter, type SocketPort } from "./driver.ts";
import { eventField, eventKind } from "./events.ts";
import { Forwarder, type TargetKeeper } from "./forwarder.ts";
import { Gate } from "./gate.ts";
import { HoldStore, keylessCandidate } from "./hold-store.ts";
import { decodeKeys } from "./key-records.ts";
import { type MediaCrypto, Protection } from "./protection.ts";
import { reason } from "./reasons.ts";
import { Sender } from "./sender.ts";
import { SlotQueue } from "./slot-queue.ts";
import { type DecodedSettings, SettingsDecoder, securityCode, transportCode } from "./slot-settings.ts";
import { pairFlag, Slots, targetState } from "./slots.ts";
import { isUnspecified, TargetRules } from "./target-rules.ts";

export interface WorkerParts {
  readonly capacitySlots: number;
  readonly arena: Uint8Array;
  /** Where in the arena the hold store lies (`holdStoreBytes`). */
  readonly holdBase: number;
  readonly counters: CounterMemory;
  readonly sockets: SocketPort;
  readonly events: RecordWriter;
  /** STUN and DTLS for main, and what main sends from sockets of this worker. */
  readonly packetsUp: RecordWriter;
  readonly packetsDown: RecordReader;
  /** SRTP; undefined where none can be had: secure legs are silent then. */
  readonly crypto: MediaCrypto | undefined;
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
  readonly #sender: Sender;
  readonly #protection: Protection;
  readonly #gate: Gate;
  readonly #bundles: Bundles;
  readonly #down: DownLink;
  readonly #rules: TargetRules;
  readonly #slots: Slots;
  readonly #counters: CounterMemory;
  readonly #sockets: SocketPort;
  readonly #events: RecordWriter;
  readonly #held: HoldStore;
  readonly #policy: HandoverPolicy;
  readonly #decoder = new SettingsDecoder();
  readonly #movedTargets: SlotQueue;
  readonly #provenSlots: SlotQueue;
  readonly #closedSlots: SlotQueue;
  /** By pair: the generation its `closed` event names. */
  readonly #closedGenerations: Int32Array;
  #owesStopped = false;
  #owesWake = false;
  #hasCommands = false;

  constructor(parts: WorkerParts) {
    const { capacitySlots, arena, counters, sockets } = parts;
    this.#slots = new Slots(capacitySlots);
    this.#counters = parts.counters;
    this.#sockets = parts.sockets;
    this.#events = parts.events;
    this.#rules = new TargetRules(this.#slots, parts.forbiddenTargets, parts.ownMedia);
    this.#held = new HoldStore(parts.arena, parts.holdBase, capacitySlots, parts.counters.worker);
    this.#movedTargets = new SlotQueue(capacitySlots);
    this.#provenSlots = new SlotQueue(capacitySlots);
    this.#closedSlots = new SlotQueue(capacitySlots);
    this.#closedGenerations = new Int32Array(capacitySlots >>> 1);
    this.#protection = new Protection(parts.crypto, this.#slots);
    this.#gate = new Gate(arena, this.#slots, parts.packetsUp);
    this.#bundles = new Bundles(arena, this.#slots, counters);
    const shared = {
      arena,
      slots: this.#slots,
      counters,
      held: this.#held,
      protection: this.#protection,
      bundles: this.#bundles,
    };
    this.#sender = new Sender({ ...shared, sockets });
    this.#down = new DownLink({
      ...shared,
      ring: parts.packetsDown,
      offset: this.#held.outletOffset,
      sockets,
      rules: this.#rules,
      gate: this.#gate,
    });
    this.forwarder = new Forwarder({ ...shared, gate: this.#gate, sender: this.#sender });
    this.#policy = parts.makePolicy(capacitySlots, this);
    this.forwarder.attach(this.#policy, this);
  }

  isOpen(slot: number, generation: number): boolean {
    return this.#slots.isOpen(slot, generation);
  }

  /**
   * Carries out the oldest commands, then sends the oldest of main's datagrams, a turn's worth of each. True when told
   * to stop: all sockets are closed then.
   */
  drainCommands(commands: RecordReader, nowMs: number): boolean {
    this.#hasCommands = false;
    const isStopped = this.#carryOut(commands, nowMs);
    if (!isStopped && this.#down.send()) {
      this.#owesWake = true;
      this.#hasCommands = true;
    }
    return isStopped;
  }

  #carryOut(commands: RecordReader, nowMs: number): boolean {
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
    let hasWritten = this.#owesWake || this.#gate.owesWake;
    this.#owesWake = false;
    this.#gate.owesWake = false;
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

  digest(): number {
    return noDigest;
  }

  heldDigest(): number {
    return noDigest;
  }

  isReceipt(): boolean {
    return false;
  }

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
    } else if (kind === commandKind.keys) {
      this.#setKeys(slot, words, at, nowMs);
    } else if (kind === commandKind.prove) {
      this.#readSource(slot, words, at);
      this.#policy.iceCheck(this.forwarder.facts, words[at + commandField.isNominated] === 1, nowMs);
      this.settleTargets();
    } else if (kind === commandKind.revoke) {
      this.#policy.iceRevoked(slot);
      this.settleTargets();
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
    this.#bundles.open(slot);
    for (const [component, field] of [commandField.rtpHandle, commandField.rtcpHandle].entries()) {
      this.#clearCounters(slot + component, generation);
      this.#sender.open(slot + component);
      this.#policy.open(slot + component, nowMs);
      if (!this.#sockets.adopt(slot + component, generation, words[at + field]!, isV6)) {
        this.#counters.worker[workerField.reasons + reason.unwatched]!++;
      }
    }
    this.#counters.worker[workerField.openSlots]! += 2;
  }

  #configure(slot: number, settings: DecodedSettings, nowMs: number): void {
    const before = this.#slots.securities[slot >>> 1]!;
    const { security } = settings;
    const flags =
      (settings.isMux ? pairFlag.isMux : 0) |
      (settings.mayReceive ? pairFlag.mayReceive : 0) |
      (settings.maySend ? pairFlag.maySend : 0) |
      (settings.transport === transportCode.rtp ? pairFlag.isRtp : 0) |
      (settings.transport === transportCode.udptl ? pairFlag.isUdptl : 0) |
      (security === securityCode.sdes || security === securityCode.dtls ? pairFlag.isSecure : 0) |
      (security === securityCode.dtls ? pairFlag.isDtls : 0) |
      (security === securityCode.passed ? pairFlag.isPassed : 0) |
      (settings.rtp.hasIce ? pairFlag.hasIce : 0);
    this.#slots.configure(slot, flags, settings.rtp);
    this.#slots.securities[slot >>> 1] = security;
    if (before !== security) this.#changeSecurity(slot, before, security);
    this.#gate.setUfrag(slot, settings.ufrag);
    this.#bundles.configure(slot, settings.bundle, settings.rtp.payloadTypes);
    this.#slots.peerSlots[slot >>> 1] = settings.peerSlot;
    this.#slots.peerGenerations[slot >>> 1] = settings.peerGeneration;
    this.#policy.configure(slot, settings.rtp, nowMs);
    this.#policy.configure(slot + 1, settings.rtcp, nowMs);
    this.#movedTargets.push(slot);
    this.#movedTargets.push(slot + 1);
    this.settleTargets();
  }

  /** Keys of one kind of security never serve another, nor does what was taken or kept under it. */
  #changeSecurity(slot: number, before: number, security: number): void {
    this.#protection.suspend(slot);
    for (const each of [slot, slot + 1]) {
      this.forwarder.dropHeld(each, keylessCandidate);
      const isStricter = before === securityCode.none && security !== securityCode.passed;
      if (!isStricter) this.#sender.dropWaiting(each);
    }
  }

  #setKeys(slot: number, words: Int32Array, at: number, nowMs: number): void {
    const keys = decodeKeys(words, at + commandField.keys);
    const isPairs = this.#slots.securities[slot >>> 1] !== securityCode.dtls;
    const isOtherSend = this.#protection.setKeys(slot, keys);
    if (words[at + commandField.source + 4] !== 0) {
      this.#readSource(slot, words, at);
      this.#policy.dtlsVerified(this.forwarder.facts, nowMs);
    }
    // The ring's memory is used again late; keys are not left in it.
    words.fill(0, at + commandField.keys, at + commandWords);
    const first = isPairs ? slot & ~1 : slot;
    for (let each = first; each <= (isPairs ? first + 1 : first); each++) {
      if (isOtherSend) this.#sender.dropSealed(each);
      if (this.#protection.canReceive(each)) this.forwarder.releaseKeyless(each, nowMs);
    }
    this.settleTargets();
    for (let each = first; each <= (isPairs ? first + 1 : first); each++) this.#sender.releaseEgress(each);
  }

  /** The source a command names, as the facts of a packet from there. */
  #readSource(slot: number, words: Int32Array, at: number): void {
    const { facts } = this.forwarder;
    const source = at + commandField.source;
    facts.slot = slot;
    facts.ip0 = words[source]!;
    facts.ip1 = words[source + 1]!;
    facts.ip2 = words[source + 2]!;
    facts.ip3 = words[source + 3]!;
    facts.port = words[source + 4]!;
  }

  #close(slot: number, generation: number): void {
    for (const each of [slot, slot + 1]) {
      this.forwarder.dropAllHeld(each);
      this.#policy.close(each);
      this.#sockets.release(each);
    }
    this.#protection.clear(slot);
    this.#gate.close(slot);
    this.#bundles.close(slot);
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
    if (isUsable && this.#rules.isForbidden(slot, targets, at)) {
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
    else targetStates[slot] = this.#rules.isOwnMedia(targets, at) ? targetState.own : targetState.any;
    if (isNew) this.#sender.releaseEgress(slot);
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
