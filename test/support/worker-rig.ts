/** A relay worker's core with neither thread nor sockets: datagrams go in by call, sends come out as a list. */
import { type Endpoint, formatEndpoint, ipFromWords, ipToWords } from "../../src/core/address.ts";
import type { PairSettings } from "../../src/core/plan/plan.ts";
import {
  type HandoverPolicy,
  type HandoverSink,
  type PacketFacts,
  type SlotSettings,
  type Verdict,
  verdict,
} from "../../src/handover/contract.ts";
import { allocateRing, RingReader, RingWriter } from "../../src/io/ring.ts";
import { type Command, encodeCommand } from "../../src/relay/commands.ts";
import { type CounterMemory, counterSizes } from "../../src/relay/counters.ts";
import { commandWords, eventWords, type SocketPort, sendCode } from "../../src/relay/driver.ts";
import { eventField, eventKind } from "../../src/relay/events.ts";
import { holdStoreBytes } from "../../src/relay/hold-store.ts";
import { type CarriedPacket, packetWords, readPacket, writePacket } from "../../src/relay/packet-records.ts";
import { cryptoPlaces, type MediaCrypto } from "../../src/relay/protection.ts";
import { replayLogBytes } from "../../src/relay/replay-log.ts";
import { WorkerCore } from "../../src/relay/worker-core.ts";
import { scratchBytes } from "../../src/srtp/engine.ts";
import { PacketCrypto, srtpHandlesMax } from "../../src/srtp/packet-crypto.ts";
import { NodeCryptoEngine } from "./srtp-node-engine.ts";

export const packetOffset = 64;
const holdBase = 16_384;
const scratchBase = holdBase + holdStoreBytes;
/** 64 KiB and more: what the rig's workers may send again. */
export const rigReplayMemoryBytes = 1024 * 1024;
const replayBase = Math.ceil((scratchBase + scratchBytes) / 64) * 64;

/** Makes what protects media, over an arena with `scratchBytes` free at `offset`. */
export type CryptoMaker = (
  arena: Uint8Array,
  offset: number,
  capacitySlots: number,
) => MediaCrypto | undefined;

export const nodeCryptoMaker: CryptoMaker = (arena, offset, capacitySlots) => {
  const places = cryptoPlaces(capacitySlots);
  return new PacketCrypto(new NodeCryptoEngine(arena, offset, srtpHandlesMax(places)), arena, places);
};

/** Says yes to everything and sends where the settings say, unless told otherwise. */
export class PlainPolicy implements HandoverPolicy {
  readonly calls: string[] = [];
  readonly settings = new Map<number, SlotSettings>();
  next: Verdict = verdict.relay;
  heldFor = 0;
  deadlineMs = Number.POSITIVE_INFINITY;
  evidence = 0;
  isKnown = true;
  keepsSeen = false;
  /** Copies of what `packet` was asked about. */
  readonly seen: PacketFacts[] = [];
  readonly sink: HandoverSink;

  constructor(sink: HandoverSink) {
    this.sink = sink;
  }

  open(slot: number): void {
    this.calls.push(`open ${slot}`);
  }

  configure(slot: number, settings: SlotSettings): void {
    this.calls.push(`configure ${slot}`);
    this.settings.set(slot, structuredClone(settings));
  }

  close(slot: number): void {
    this.calls.push(`close ${slot}`);
    this.settings.delete(slot);
  }

  packet(facts: PacketFacts): Verdict {
    if (this.keepsSeen) this.seen.push({ ...facts });
    return this.next;
  }

  isKnownSource(): boolean {
    return this.isKnown;
  }

  iceCheck(facts: PacketFacts, isNominated: boolean): void {
    this.calls.push(`ice ${facts.slot} ${facts.port} ${isNominated}`);
  }

  iceRevoked(slot: number): void {
    this.calls.push(`revoke ${slot}`);
  }

  iceSuperseded(slot: number): void {
    this.calls.push(`supersede ${slot}`);
  }

  dtlsVerified(facts: PacketFacts): void {
    this.calls.push(`dtls ${facts.slot} ${facts.port}`);
  }

  advance(): void {
    this.calls.push("advance");
    this.deadlineMs = Number.POSITIVE_INFINITY;
  }

  nextDeadlineMs(): number {
    return this.deadlineMs;
  }

  targetWord(slot: number, word: number): number {
    return this.settings.get(slot)?.target[word] ?? 0;
  }

  provenWord(slot: number, word: number): number {
    return this.evidence === 0 ? 0 : this.targetWord(slot, word);
  }

  evidenceOf(): number {
    return this.evidence;
  }
}

export class WorkerRig {
  readonly arena: Uint8Array;
  readonly sent: { readonly slot: number; readonly to: string; readonly bytes: Buffer }[] = [];
  readonly #targets = new Map<number, string>();
  /** What `sendTo` was given, with its destination. */
  readonly sentTo: { readonly slot: number; readonly to: string; readonly bytes: Buffer }[] = [];
  /** Which of the two each send was, in their order. */
  readonly sendOrder: ("send" | "sendTo")[] = [];
  readonly sockets: string[] = [];
  readonly counters: CounterMemory;
  readonly capacitySlots: number;
  readonly core: WorkerCore;
  policy!: PlainPolicy;
  sendOutcome: number = sendCode.sent;
  keepsSent = true;
  /** What adopting a socket comes to. */
  watches = true;
  nowMs = 1_000;
  readonly #commandWriter: RingWriter;
  readonly #commandReader: RingReader;
  readonly #eventReader: RingReader;
  readonly #upReader: RingReader;
  readonly #downWriter: RingWriter;

  constructor(
    capacitySlots = 16,
    own: {
      readonly forbiddenTargets?: Int32Array;
      readonly ownMedia?: Int32Array;
      readonly makeCrypto?: CryptoMaker;
      readonly packetRecords?: number;
      readonly replayMemoryBytes?: number;
    } = {},
    makePolicy?: (capacitySlots: number, sink: HandoverSink) => HandoverPolicy,
    eventRecords = 4,
  ) {
    this.capacitySlots = capacitySlots;
    const replayMemoryBytes = own.replayMemoryBytes ?? rigReplayMemoryBytes;
    this.arena = new Uint8Array(replayBase + replayLogBytes(replayMemoryBytes));
    const sizes = counterSizes(capacitySlots);
    this.counters = {
      worker: new Float64Array(sizes.worker),
      sockets: new Float64Array(sizes.sockets),
      streams: new Float64Array(sizes.streams),
    };
    const commands = allocateRing(64, commandWords);
    this.#commandWriter = new RingWriter(commands, commandWords);
    this.#commandReader = new RingReader(commands, commandWords);
    const events = allocateRing(eventRecords, eventWords);
    this.#eventReader = new RingReader(events, eventWords);
    const up = allocateRing(own.packetRecords ?? 64, packetWords);
    this.#upReader = new RingReader(up, packetWords);
    const down = allocateRing(own.packetRecords ?? 64, packetWords);
    this.#downWriter = new RingWriter(down, packetWords);
    const sockets: SocketPort = {
      adopt: (slot, _generation, handle) => {
        this.sockets.push(`adopt ${slot} ${handle}`);
        return this.watches;
      },
      release: (slot) => void this.sockets.push(`release ${slot}`),
      setTarget: (slot, ip0, ip1, ip2, ip3, port) => {
        if (ip0 !== 0 || ip2 !== 0xffff) return false;
        this.#targets.set(slot, formatEndpoint({ ip: ipFromWords(ip0, ip1, ip2, ip3), port }));
        return true;
      },
      send: (slot, offset, sizeBytes) => this.#send(slot, offset, sizeBytes),
      sendTo: (slot, offset, sizeBytes, ip0, ip1, ip2, ip3, port) => {
        const to = formatEndpoint({ ip: ipFromWords(ip0, ip1, ip2, ip3), port });
        this.sendOrder.push("sendTo");
        this.sentTo.push({ slot, to, bytes: Buffer.from(this.arena.slice(offset, offset + sizeBytes)) });
        return this.sendOutcome;
      },
    };
    this.core = new WorkerCore({
      capacitySlots,
      arena: this.arena,
      holdBase,
      replayBase,
      replayMemoryBytes,
      digestKey: Int32Array.of(1, 2),
      counters: this.counters,
      sockets,
      events: new RingWriter(events, eventWords),
      packetsUp: new RingWriter(up, packetWords),
      packetsDown: new RingReader(down, packetWords),
      crypto: (own.makeCrypto ?? nodeCryptoMaker)(this.arena, scratchBase, capacitySlots),
      forbiddenTargets: own.forbiddenTargets ?? new Int32Array(0),
      ownMedia: own.ownMedia ?? new Int32Array(0),
      makePolicy: (capacity, sink) => {
        this.policy = new PlainPolicy(sink);
        return makePolicy?.(capacity, sink) ?? this.policy;
      },
    });
  }

  command(...commands: readonly Command[]): boolean {
    for (const command of commands) {
      encodeCommand(this.#commandWriter.words, this.#commandWriter.begin(), command);
      this.#commandWriter.commit();
    }
    let isStopped = this.core.drainCommands(this.#commandReader, this.nowMs);
    while (this.core.hasCommands) isStopped = this.core.drainCommands(this.#commandReader, this.nowMs);
    return isStopped;
  }

  open(slot: number, local: Endpoint, generation = 1): void {
    this.command({ kind: "open", at: { slot, generation }, rtpHandle: 50, rtcpHandle: 51, local });
  }

  configure(
    slot: number,
    settings: PairSettings,
    peerSlot?: number,
    generation = 1,
    carrierSlot?: number,
  ): void {
    const peer = peerSlot === undefined ? undefined : { slot: peerSlot, generation };
    const carrier = carrierSlot === undefined ? undefined : { slot: carrierSlot, generation };
    this.command({ kind: "configure", at: { slot, generation }, settings, peer, siblings: [], carrier });
  }

  /** What the worker passed up to main. */
  passedUp(): CarriedPacket[] {
    const packets: CarriedPacket[] = [];
    for (let next = readPacket(this.#upReader); next !== undefined; next = readPacket(this.#upReader)) {
      packets.push(next);
    }
    return packets;
  }

  /** Main hands a datagram down; false when there is no room. It is sent with the next commands. */
  handDown(slot: number, to: Endpoint, bytes: Uint8Array, generation = 1): boolean {
    return writePacket(this.#downWriter, { slot, generation }, to, bytes);
  }

  receive(slot: number, data: Uint8Array, source: Endpoint): void {
    const [ip0, ip1, ip2, ip3] = ipToWords(source.ip).map((word) => word | 0);
    Object.assign(this.core.forwarder.facts, { ip0, ip1, ip2, ip3, port: source.port });
    this.arena.set(data.subarray(0, 9_216), packetOffset);
    this.core.forwarder.receive(slot, packetOffset, data.length, this.nowMs);
  }

  /** The notes among what the core has to say: `[slot, note, evidence, port of the source]` each. */
  notes(): number[][] {
    const notes: number[][] = [];
    for (let at = this.#eventReader.begin(); at >= 0; at = this.#eventReader.begin()) {
      const { words } = this.#eventReader;
      const fields = [eventField.slot, eventField.note, eventField.evidence, eventField.source + 4];
      if (words[at + eventField.kind] === eventKind.noted)
        notes.push(fields.map((field) => words[at + field]!));
      this.#eventReader.release();
    }
    return notes;
  }

  /** Takes what the core has to say, but for notes: `[kind, slot, generation]` each. */
  events(): number[][] {
    const events: number[][] = [];
    for (let at = this.#eventReader.begin(); at >= 0; at = this.#eventReader.begin()) {
      const { words } = this.#eventReader;
      if (words[at + eventField.kind] !== eventKind.noted) {
        events.push(
          [eventField.kind, eventField.slot, eventField.generation].map((field) => words[at + field]!),
        );
      }
      this.#eventReader.release();
    }
    return events;
  }

  #send(slot: number, offset: number, sizeBytes: number): number {
    if (this.keepsSent) {
      this.sendOrder.push("send");
      const to = this.#targets.get(slot) ?? "nowhere";
      this.sent.push({ slot, to, bytes: Buffer.from(this.arena.slice(offset, offset + sizeBytes)) });
    }
    return this.sendOutcome;
  }
}
