/**
 * A relay worker without its thread and its sockets: takes commands, datagrams and the time; writes events.
 *
 * The driver's loop calls, in this order: `drainCommands` when woken, `receive` for each datagram, `tick` once per
 * wake-up, `flushEvents`. Neither packets nor commands, but for keys, make lists or closures: packets wait while garbage
 * is collected.
 */
import type { HandoverPolicy, HandoverSink } from "../handover/contract.ts";
import { Bundles } from "./bundles.ts";
import { commandField, commandKind } from "./commands.ts";
import { type CounterMemory, socketAt, socketField, workerField } from "./counters.ts";
import { DownLink } from "./down-link.ts";
import { commandWords, type RecordReader, type RecordWriter, type SocketPort } from "./driver.ts";
import { EventWriter } from "./event-writer.ts";
import { Forwarder } from "./forwarder.ts";
import { Gate } from "./gate.ts";
import { HoldStore, keylessCandidate } from "./hold-store.ts";
import { decodeKeys } from "./key-records.ts";
import { PacketHash } from "./packet-hash.ts";
import { PacketInHand } from "./packet-in-hand.ts";
import { isSameMedia, pairFlags } from "./pair-flags.ts";
import { PolicySink } from "./policy-sink.ts";
import { type MediaCrypto, Protection } from "./protection.ts";
import { reason } from "./reasons.ts";
import { Receipts } from "./receipts.ts";
import { ReplayLog } from "./replay-log.ts";
import { Replays } from "./replays.ts";
import { Sender } from "./sender.ts";
import { SentMarks } from "./sent-marks.ts";
import { type DecodedSettings, SettingsDecoder, securityCode } from "./slot-settings.ts";
import { Slots } from "./slots.ts";
import { TargetRules } from "./target-rules.ts";
import { Targets } from "./targets.ts";

export interface WorkerParts {
  readonly capacitySlots: number;
  readonly arena: Uint8Array;
  /** Where in the arena the hold store lies (`holdStoreBytes`). */
  readonly holdBase: number;
  /** Where in the arena packets lie that may be sent again (`replayLogBytes` of `replayMemoryBytes`), aligned to 8. */
  readonly replayBase: number;
  /** 0: nothing is sent again. */
  readonly replayMemoryBytes: number;
  /** `packetHashKeyWords` words of chance. */
  readonly digestKey: Int32Array;
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

export class WorkerCore {
  readonly forwarder: Forwarder;
  /** One double: the time of this turn. */
  readonly #clock = new Float64Array(1);
  readonly #sender: Sender;
  readonly #protection: Protection;
  readonly #gate: Gate;
  readonly #bundles: Bundles;
  readonly #down: DownLink;
  readonly #slots: Slots;
  readonly #counters: CounterMemory;
  readonly #sockets: SocketPort;
  readonly #held: HoldStore;
  readonly #replays: Replays;
  readonly #targets: Targets;
  readonly #events: EventWriter;
  readonly #policy: HandoverPolicy;
  readonly #decoder = new SettingsDecoder();
  #hasCommands = false;

  constructor(parts: WorkerParts) {
    const { capacitySlots, arena, counters, sockets } = parts;
    const clock = this.#clock;
    const slots = new Slots(capacitySlots);
    this.#slots = slots;
    this.#counters = counters;
    this.#sockets = sockets;
    const held = new HoldStore(arena, parts.holdBase, capacitySlots, counters.worker);
    this.#held = held;
    this.#protection = new Protection(parts.crypto, slots);
    this.#gate = new Gate(arena, slots, parts.packetsUp);
    this.#bundles = new Bundles(arena, slots, counters);
    this.#replays = new Replays({ log: makeLog(parts), slots, sockets, worker: counters.worker, clock });
    this.#events = new EventWriter({ ring: parts.events, slots, counters, clock });
    const shared = {
      arena,
      slots,
      counters,
      sockets,
      clock,
      held,
      protection: this.#protection,
      bundles: this.#bundles,
      gate: this.#gate,
      replays: this.#replays,
      events: this.#events,
      rules: new TargetRules(slots, parts.forbiddenTargets, parts.ownMedia),
      marks: new SentMarks(counters.streams, capacitySlots),
      hand: new PacketInHand(),
      hash: new PacketHash(parts.digestKey),
    };
    const sender = new Sender(shared);
    this.#sender = sender;
    this.#down = new DownLink({ ...shared, ring: parts.packetsDown, offset: held.outletOffset });
    this.#targets = new Targets({ ...shared, sender });
    this.forwarder = new Forwarder({ ...shared, sender, targets: this.#targets });
    const receipts = new Receipts(arena, slots, this.#bundles, shared.marks);
    const sink = new PolicySink({ ...shared, forwarder: this.forwarder, targets: this.#targets, receipts });
    this.#policy = parts.makePolicy(capacitySlots, sink);
    for (const each of [this.forwarder, this.#targets, this.#events]) each.attach(this.#policy);
  }

  isOpen(slot: number, generation: number): boolean {
    return this.#slots.isOpen(slot, generation);
  }

  /**
   * Carries out the oldest commands, then sends the oldest of main's datagrams, a turn's worth of each. True when told
   * to stop: all sockets are closed then.
   */
  drainCommands(commands: RecordReader, nowMs: number): boolean {
    this.#clock[0] = nowMs;
    this.#hasCommands = false;
    const isStopped = this.#carryOut(commands, nowMs);
    if (!isStopped && this.#down.send()) {
      this.#events.wakeMain();
      this.#hasCommands = true;
    }
    return isStopped;
  }

  #carryOut(commands: RecordReader, nowMs: number): boolean {
    let drained = 0;
    for (let at = commands.begin(); at >= 0; at = commands.begin()) {
      if (drained === commandsPerTurn) {
        // Main may be waiting for room in the ring.
        this.#events.wakeMain();
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
    this.#clock[0] = nowMs;
    const worker = this.#counters.worker;
    worker[workerField.heartbeat]!++;
    if (this.#policy.nextDeadlineMs() <= nowMs) this.#policy.advance(nowMs);
    this.forwarder.expireHeld(nowMs);
    this.#targets.settle();
    this.#replays.run(nowMs);
  }

  nextDeadlineMs(): number {
    const ofPolicy = this.#policy.nextDeadlineMs();
    return Math.min(ofPolicy, this.#held.nextDeadlineMs(), this.#replays.nextDeadlineMs());
  }

  /** Writes what the ring has room for; true when main should be woken. */
  flushEvents(): boolean {
    if (this.#gate.owesWake) this.#events.wakeMain();
    this.#gate.owesWake = false;
    return this.#events.flush();
  }

  /** True while an event waits for room. */
  get owesEvents(): boolean {
    return this.#events.owesEvents;
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
      this.#targets.settle();
    } else if (kind === commandKind.revoke) {
      this.#policy.iceRevoked(slot);
      this.#targets.settle();
    } else if (kind === commandKind.supersede) {
      this.#policy.iceSuperseded(slot);
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
    this.#openSocket(slot, generation, words[at + commandField.rtpHandle]!, isV6, nowMs);
    this.#openSocket(slot + 1, generation, words[at + commandField.rtcpHandle]!, isV6, nowMs);
    this.#counters.worker[workerField.openSlots]! += 2;
  }

  #openSocket(slot: number, generation: number, handle: number, isV6: boolean, nowMs: number): void {
    this.#clearCounters(slot, generation);
    this.#sender.open(slot);
    this.#events.open(slot);
    this.#policy.open(slot, nowMs);
    if (!this.#sockets.adopt(slot, generation, handle, isV6)) {
      this.#counters.worker[workerField.reasons + reason.unwatched]!++;
    }
  }

  #configure(slot: number, settings: DecodedSettings, nowMs: number): void {
    const before = this.#slots.securities[slot >>> 1]!;
    const { security } = settings;
    if (!isSameMedia(this.#slots, slot, settings)) this.#forget(slot, this.#bundles.socketsOf(slot));
    this.#slots.configure(slot, pairFlags(settings, this.#replays.isOn), settings.rtp);
    this.#slots.securities[slot >>> 1] = security;
    if (before !== security) this.#changeSecurity(slot, before, security);
    this.#gate.setUfrag(slot, settings.ufrag, settings.ufragSizeBytes);
    const carrier = this.#bundles.socketsOf(slot);
    this.#bundles.configure(slot, settings.bundle, settings.rtp.payloadTypes);
    if (this.#bundles.socketsOf(slot) !== carrier) this.#forget(slot, carrier);
    this.#slots.peerSlots[slot >>> 1] = settings.peerSlot;
    this.#slots.peerGenerations[slot >>> 1] = settings.peerGeneration;
    this.#policy.configure(slot, settings.rtp, nowMs);
    this.#policy.configure(slot + 1, settings.rtcp, nowMs);
    this.#targets.move(slot);
    this.#targets.move(slot + 1);
    this.#targets.settle();
  }

  /** Nothing that left the pair, or the sockets that serve it, is sent again. */
  #forget(slot: number, carrier: number): void {
    this.#replays.forget(slot);
    this.#replays.forget(slot + 1);
    if (carrier < 0 || carrier === slot) return;
    this.#replays.forget(carrier);
    this.#replays.forget(carrier + 1);
  }

  /** Keys of one kind of security never serve another, nor does what was taken or kept under it. */
  #changeSecurity(slot: number, before: number, security: number): void {
    this.#protection.suspend(slot);
    for (let each = slot; each <= slot + 1; each++) {
      this.forwarder.dropHeld(each, keylessCandidate);
      const isStricter = before === securityCode.none && security !== securityCode.passed;
      if (!isStricter) this.#sender.dropWaiting(each);
    }
  }

  #setKeys(slot: number, words: Int32Array, at: number, nowMs: number): void {
    const keys = decodeKeys(words, at + commandField.keys);
    const isPairs = this.#slots.securities[slot >>> 1] !== securityCode.dtls;
    const isOtherSend = this.#protection.setKeys(slot, keys, nowMs);
    if (words[at + commandField.source + 4] !== 0) {
      // The flight that ends the handshake is in the ring already. What waits for the keys must not overtake it.
      this.#down.sendOpen();
      this.#readSource(slot, words, at);
      this.#policy.dtlsVerified(this.forwarder.facts, nowMs);
    }
    // The ring's memory is used again late; keys are not left in it.
    words.fill(0, at + commandField.keys, at + commandWords);
    const first = isPairs ? slot & ~1 : slot;
    for (let each = first; each <= (isPairs ? first + 1 : first); each++) {
      if (isOtherSend) {
        this.#sender.dropSealed(each);
        this.#replays.forget(each);
      }
      if (this.#protection.canReceive(each)) this.forwarder.releaseKeyless(each, nowMs);
    }
    this.#targets.settle();
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
    for (let each = slot; each <= slot + 1; each++) {
      this.forwarder.dropAllHeld(each);
      this.#replays.forget(each);
      this.#policy.close(each);
      this.#sockets.release(each);
    }
    this.#protection.clear(slot);
    this.#gate.close(slot);
    this.#bundles.close(slot);
    this.#slots.close(slot);
    this.#events.closed(slot, generation);
    this.#counters.worker[workerField.openSlots]! -= 2;
  }

  #stop(): void {
    for (let pair = 0; pair < this.#slots.flags.length; pair++) {
      if (this.#slots.flags[pair] !== 0) this.#close(2 * pair, this.#slots.generations[pair]!);
    }
    this.#events.stopped();
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

function makeLog({ arena, replayBase, replayMemoryBytes, capacitySlots, counters }: WorkerParts): ReplayLog {
  return new ReplayLog(arena, replayBase, replayMemoryBytes, capacitySlots, counters.worker);
}
