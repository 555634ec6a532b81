/**
 * The portable driver: node:dgram sockets and the relay's core in the main thread. Slower than epoll and unable to
 * mark packets (TOS), but it needs nothing but Node.
 */
import type { RemoteInfo } from "node:dgram";
import { ipToWords, parseIp } from "../../core/address.ts";
import { jumboSizeBytesMax, packetHeadroomBytes, packetRoomBytes } from "../../core/limits.ts";
import { stackOf } from "../../core/thrown.ts";
import { Handover } from "../../handover/handover.ts";
import type {
  BindRequest,
  BindResult,
  DriverListener,
  RelayDriver,
  SrtpAbility,
  WorkerLink,
} from "../../relay/driver.ts";
import { commandWords, eventWords, sendCode } from "../../relay/driver.ts";
import { holdStoreBytes } from "../../relay/hold-store.ts";
import { packetHashKeyWords } from "../../relay/packet-hash.ts";
import { packetWords } from "../../relay/packet-records.ts";
import { replayLogBytes } from "../../relay/replay-log.ts";
import { WorkerCore } from "../../relay/worker-core.ts";
import { systemClock } from "../clock.ts";
import type { DriverOptions } from "../driver-options.ts";
import { type OpenedCrypto, openPacketCrypto } from "../packet-crypto.ts";
import { allocatePacketMemory } from "../packet-memory.ts";
import { randomWords } from "../random.ts";
import { RingReader, RingWriter } from "../ring.ts";
import { srtpEngineBytes } from "../srtp-engine.ts";
import { makeWorkerSetup, sourceOptions } from "../worker-setup.ts";
import { DgramSockets } from "./dgram-sockets.ts";

/** The arena: one packet, the hold store, what the SRTP engine works with, and what may be sent again. */
const holdBase = packetRoomBytes;
const engineBase = Math.ceil((holdBase + holdStoreBytes) / 64) * 64;
const replayBase = Math.ceil((engineBase + srtpEngineBytes) / 64) * 64;

/** The core's deadlines are looked at this often at least. */
const tickMsMax = 200;

export class DgramDriver implements RelayDriver {
  readonly name = "dgram";
  readonly sendsBatches = false;
  readonly receivesBatches = false;
  readonly capacitySlots: number;
  readonly links: readonly WorkerLink[];
  readonly srtp: SrtpAbility;
  readonly #arena: Uint8Array;
  readonly #sockets: DgramSockets;
  readonly #core: WorkerCore;
  readonly #commands: RingReader;
  #listener: DriverListener | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerMs = 0;
  #isTurnDue = false;
  #isStopped = false;
  #whenStopped: () => void = () => undefined;

  static async open(options: DriverOptions): Promise<DgramDriver> {
    const arena = allocatePacketMemory(replayBase + replayLogBytes(options.replayMemoryBytes));
    const crypto = await openPacketCrypto(arena, engineBase, options.capacitySlots);
    return new DgramDriver(options, arena.bytes, crypto);
  }

  private constructor(options: DriverOptions, arena: Uint8Array, { crypto, ability }: OpenedCrypto) {
    this.capacitySlots = options.capacitySlots;
    this.srtp = ability;
    this.#arena = arena;
    const setup = makeWorkerSetup(options.capacitySlots, { ...options, wakeDescriptor: 0 });
    this.#commands = new RingReader(setup.commands, commandWords);
    this.links = [
      {
        commands: new RingWriter(setup.commands, commandWords),
        events: new RingReader(setup.events, eventWords),
        packetsUp: new RingReader(setup.packetsUp, packetWords),
        packetsDown: new RingWriter(setup.packetsDown, packetWords),
        counters: setup.counters,
        handover: setup.handover,
        wake: () => this.#turnSoon(),
      },
    ];
    this.#sockets = new DgramSockets({
      arena: this.#arena,
      capacitySlots: options.capacitySlots,
      onDatagram: (slot, data, source) => this.#guard(() => this.#receive(slot, data, source)),
      onSendFailure: (slot) => this.#core.forwarder.countLateFailure(slot, sendCode.failed),
    });
    this.#core = new WorkerCore({
      capacitySlots: options.capacitySlots,
      arena: this.#arena,
      holdBase,
      replayBase,
      replayMemoryBytes: options.replayMemoryBytes,
      digestKey: randomWords(packetHashKeyWords),
      counters: setup.counters,
      sockets: this.#sockets,
      events: new RingWriter(setup.events, eventWords),
      packetsUp: new RingWriter(setup.packetsUp, packetWords),
      packetsDown: new RingReader(setup.packetsDown, packetWords),
      crypto,
      forbiddenTargets: options.forbiddenTargets,
      ownMedia: options.ownMedia,
      makePolicy: (capacitySlots, sink) =>
        new Handover(capacitySlots, sink, { ...sourceOptions(options), memory: setup.handover }),
    });
  }

  start(listener: DriverListener): Promise<void> {
    this.#listener = listener;
    this.#turnSoon();
    return Promise.resolve();
  }

  bindPair(request: BindRequest, done: (result: BindResult) => void): void {
    this.#sockets.bindPair(request.ip, request.port).then(done, (error: unknown) => {
      this.#listener?.handleFault(0, String(error));
    });
  }

  discard(_worker: number, rtpHandle: number, rtcpHandle: number): void {
    this.#sockets.discard(rtpHandle);
    this.#sockets.discard(rtcpHandle);
  }

  async stop(timeoutMs: number): Promise<void> {
    if (!this.#isStopped) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#whenStopped = resolve;
        timer = setTimeout(resolve, timeoutMs);
      });
      clearTimeout(timer);
    }
    clearTimeout(this.#timer);
    this.#sockets.discardAll();
  }

  #receive(slot: number, data: Uint8Array, source: RemoteInfo): void {
    const ip = parseIp(source.address);
    if (ip === undefined || this.#isStopped) return;
    const { facts } = this.#core.forwarder;
    [facts.ip0, facts.ip1, facts.ip2, facts.ip3] = ipToWords(ip).map((word) => word | 0) as [
      number,
      number,
      number,
      number,
    ];
    facts.port = source.port;
    this.#arena.set(data.subarray(0, jumboSizeBytesMax), packetHeadroomBytes);
    const nowMs = systemClock.monotonicMs();
    this.#core.forwarder.receive(slot, packetHeadroomBytes, data.length, nowMs);
    this.#finish(nowMs);
  }

  /** Commands are carried out after the caller is done, and before the next datagram. */
  #turnSoon(): void {
    if (this.#isTurnDue || this.#isStopped) return;
    this.#isTurnDue = true;
    queueMicrotask(() => {
      this.#isTurnDue = false;
      this.#guard(() => this.#turn());
    });
  }

  #turn(): void {
    if (this.#isStopped) return;
    const nowMs = systemClock.monotonicMs();
    this.#isStopped = this.#core.drainCommands(this.#commands, nowMs);
    this.#finish(nowMs);
    if (this.#isStopped) this.#whenStopped();
    // Datagrams get their turn in between.
    else if (this.#core.hasCommands) setImmediate(() => this.#turnSoon());
  }

  #finish(nowMs: number): void {
    this.#core.tick(nowMs);
    while (this.#core.flushEvents()) this.#listener?.handleWake(0);
    const dueMs = Math.min(nowMs + tickMsMax, this.#core.nextDeadlineMs());
    // A timer that fires too early does no harm; setting one per datagram would.
    if (this.#isStopped || (this.#timer !== undefined && this.#timerMs <= dueMs)) return;
    clearTimeout(this.#timer);
    this.#timerMs = dueMs;
    const fire = (): void => {
      this.#timer = undefined;
      this.#guard(() => this.#turn());
    };
    this.#timer = setTimeout(fire, Math.max(1, Math.ceil(dueMs - nowMs)));
  }

  /** A throw in here is a worker's death, told as one. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#isStopped = true;
      const message = stackOf(error);
      this.#listener?.handleFault(0, message);
      this.#whenStopped();
    }
  }
}
