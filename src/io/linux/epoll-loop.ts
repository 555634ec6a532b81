/**
 * A worker's loop on Linux: wait, read one datagram from each socket that has some, hand it to the core, which sends
 * from where it lies. The loop runs until main says stop; the thread's own event loop does not turn meanwhile.
 *
 * Epoll is level-triggered, so one read per report is enough: what remains is reported again, other sockets get their
 * turn first, and the read that would only say EAGAIN is saved. Only a worker that is behind, which a full list of
 * reports tells, reads a few datagrams of each socket: then most queues hold several, and reports cost more than reads.
 * TURN's listeners are otherwise: all clients are behind them, so they are read and written many datagrams at a time.
 */
import type { CounterMemory } from "../../relay/counters.ts";
import { workerField } from "../../relay/counters.ts";
import { reason } from "../../relay/reasons.ts";
import type { WorkerCore } from "../../relay/worker-core.ts";
import type { RingReader, RingWriter } from "../ring.ts";
import type { Arena } from "./arena.ts";
import { Coalescer } from "./coalescer.ts";
import { DatagramReader, datagramReaderBytes } from "./datagram-reader.ts";
import { type EpollSockets, secondBit, sharedBit } from "./epoll-sockets.ts";
import {
  type BoxedNumbers,
  clockGettime,
  clockMonotonic,
  epoll,
  epollWait,
  errno,
  errnoName,
  error,
  read,
  usleep,
} from "./libc.ts";
import type { SendBatch } from "./send-batch.ts";
import { readSource } from "./sockets.ts";
import { type TurnPart, TurnReceiver } from "./turn-receiver.ts";
import { socketOfEpollName } from "./turn-sockets.ts";

const eventsMax = 256;
/** Datagrams read per report when the list of reports is full. */
const readsWhenBehind = 4;
/** Calls to read datagrams that busy slots share, in one turn. */
const sharedReadsMax = 16;
/** Each costs some ten system calls. */
const connectsPerTurn = 4;
/** As many as a receive buffer may hold of speech; beyond them order is not kept. */
const readsBeforeSecondMax = 256;
/** A new time is a new object, the only one a wake-up makes; under load most wake-ups do without. */
const clockStepMs = 0.1;
/** Main and the watchdog want a sign of life at least this often. */
const waitMsMax = 200;
/** Slot number of the eventfd in the epoll set. */
const wakeSlot = -1;

export interface LoopParts {
  readonly arena: Arena;
  readonly core: WorkerCore;
  readonly sockets: EpollSockets;
  readonly commands: RingReader;
  readonly events: RingWriter;
  readonly counters: CounterMemory;
  /** Undefined: media alone. */
  readonly turn: TurnPart | undefined;
  readonly wakeDescriptor: number;
  readonly coalesces: boolean;
  /** Makes main look at the event ring. */
  wakeMain(): void;
  /** Called about once a second, off the packet path. */
  everySecond(): void;
}

/** Bytes of the arena the loop needs. */
export const loopBytes = eventsMax * epoll.eventBytes + datagramReaderBytes + 256;

/** Entries of the numbers given to calls. */
const boxed = { events: 1, time: 2, now: 3 } as const;

export class EpollLoop {
  readonly #parts: LoopParts;
  readonly #view: DataView;
  readonly #events: number;
  readonly #reader: DatagramReader;
  readonly #turn: TurnReceiver | undefined;
  readonly #time: number;
  readonly #boxed: BoxedNumbers;
  readonly #coalescer: Coalescer;
  readonly #batch: SendBatch;
  /** Datagrams of shared sockets beyond one a report, in this turn. */
  #unreported = 0;
  #isWoken = false;
  #nextSecondMs = 0;

  constructor(parts: LoopParts) {
    const { arena } = parts;
    this.#parts = parts;
    this.#view = arena.view;
    this.#events = arena.reserve(eventsMax * epoll.eventBytes);
    this.#reader = new DatagramReader(arena);
    this.#turn =
      parts.turn === undefined ? undefined : new TurnReceiver(parts.turn, this.#reader, arena.view);
    this.#time = arena.reserve(16);
    const offsets = [this.#events, this.#time];
    this.#boxed = [null, ...offsets.map((offset) => arena.address + offset), 0];
    this.#coalescer = new Coalescer(parts.coalesces);
    this.#batch = parts.sockets.batch;
    parts.sockets.onUnsent = (slot, code) => parts.core.forwarder.countLateFailure(slot, code);
    if (!parts.sockets.watch(parts.wakeDescriptor, wakeSlot, 0)) {
      throw new Error(`epoll_ctl: ${errnoName(errno())}`);
    }
  }

  /** Returns once main has said stop and everything is closed. */
  run(): void {
    let isStopped = false;
    let timeoutMs = 0;
    while (!isStopped) {
      const ready = epollWait(this.#parts.sockets.epoll, this.#boxed[boxed.events]!, eventsMax, timeoutMs);
      if (ready < 0 && errno() !== error.EINTR) throw new Error(`epoll_wait: ${errnoName(errno())}`);
      const clockMs = this.#readClock();
      if (clockMs - this.#boxed[boxed.now]! >= clockStepMs) this.#boxed[boxed.now] = clockMs;
      const nowMs = this.#boxed[boxed.now]!;
      isStopped = this.#wake(ready, nowMs);
      timeoutMs = this.#timeout(nowMs);
      if (this.#coalescer.isBusy) this.#coalescer.noteWork(this.#readClock() - clockMs);
      // Requests are main's work, and wait for it already.
      const requests = this.#parts.turn?.worker.takeRequests() ?? 0;
      const unreported = this.#unreported + (this.#turn?.takeUnreported() ?? 0);
      const pauseUs = this.#coalescer.pauseUs(ready + unreported - requests, clockMs);
      if (pauseUs > 0) {
        this.#parts.counters.worker[workerField.pauses]!++;
        usleep(pauseUs);
      }
    }
  }

  #wake(ready: number, nowMs: number): boolean {
    const { core, counters } = this.#parts;
    counters.worker[workerField.wakeups]!++;
    this.#isWoken = false;
    this.#unreported = 0;
    const readsMax = ready === eventsMax ? readsWhenBehind : 1;
    // Commands first: a packet that follows a proxy's answer must meet the settings that came before that answer.
    let isStopped = core.drainCommands(this.#parts.commands, nowMs);
    this.#parts.turn?.worker.drain(nowMs);
    for (let index = 0; index < ready; index++) this.#handleEvent(index, readsMax, this.#boxed[boxed.now]!);
    this.#batch.send();
    this.#parts.turn?.worker.sendPosts();
    // What was written between that look and the acknowledgement of a wake-up asks for no other wake-up.
    if (this.#isWoken && !isStopped) {
      isStopped = core.drainCommands(this.#parts.commands, nowMs);
      this.#parts.turn?.worker.drain(nowMs);
    }
    if (isStopped) this.#parts.turn?.worker.closeAll();
    else this.#speedUpBusy(nowMs);
    core.tick(nowMs);
    this.#tellMain(isStopped);
    if (nowMs >= this.#nextSecondMs) {
      this.#nextSecondMs = nowMs + 1000;
      this.#parts.everySecond();
    }
    return isStopped;
  }

  #tellMain(isStopped: boolean): void {
    const { core, events } = this.#parts;
    const owesTurn = this.#parts.turn?.worker.flush() ?? false;
    if ((core.flushEvents() || owesTurn) && events.requestWake()) this.#parts.wakeMain();
    // The last events must not be left behind; main keeps reading while it waits for the end.
    while (isStopped && core.owesEvents) {
      usleep(1000);
      if (core.flushEvents() && events.requestWake()) this.#parts.wakeMain();
    }
  }

  #handleEvent(index: number, readsMax: number, nowMs: number): void {
    const at = this.#events + index * epoll.eventBytes + epoll.dataOffset;
    const slot = this.#view.getInt32(at, true);
    if (slot === wakeSlot) {
      this.#isWoken = true;
      // In this order: a wake-up asked for after the acknowledgement must not be read away.
      read(this.#parts.wakeDescriptor, this.#boxed[boxed.time]!, 8);
      this.#parts.commands.acknowledgeWake();
    } else if (slot < wakeSlot) {
      this.#turn?.receive(socketOfEpollName(slot), readsMax, nowMs);
    } else if ((slot & sharedBit) !== 0) {
      this.#receiveShared(slot !== sharedBit, nowMs);
    } else if (this.#parts.core.isOpen(slot & ~secondBit, this.#view.getInt32(at + 4, true))) {
      this.#receiveSome(slot, readsMax, nowMs);
    } else {
      this.#parts.core.forwarder.countReceiveTrouble(reason.staleWakeup);
    }
  }

  /** Batches, or second sockets, for slots that have become busy, a few a turn. */
  #speedUpBusy(nowMs: number): void {
    const { sockets } = this.#parts;
    for (let count = 0; count < connectsPerTurn; count++) {
      const slot = sockets.takeBusy();
      if (slot < 0) break;
      // From now on the place it was connected to so far is heard at the first socket.
      const second = sockets.seconds[slot]!;
      if (second !== 0) this.#readOut(slot, second, nowMs);
      if (sockets.batchOrConnect(slot)) this.#readOut(slot, sockets.descriptors[slot]!, nowMs);
    }
    for (let count = 0; count < connectsPerTurn; count++) {
      const slot = sockets.takeUnshared();
      if (slot < 0) break;
      if (sockets.share(slot)) this.#readOut(slot, sockets.descriptors[slot]!, nowMs);
    }
    this.#batch.send();
  }

  /** Reads what has come to a socket of the slot before later packets come to the other one. */
  #readOut(slot: number, fd: number, nowMs: number): void {
    let reads = 1;
    while (reads <= readsBeforeSecondMax && this.#receive(slot, fd, reads, nowMs)) reads++;
  }

  #receiveSome(name: number, readsMax: number, nowMs: number): void {
    const { descriptors, seconds } = this.#parts.sockets;
    const slot = name & ~secondBit;
    const fd = (name === slot ? descriptors : seconds)[slot]!;
    let reads = 0;
    while (reads < readsMax && this.#receive(slot, fd, reads, nowMs)) reads++;
  }

  /**
   * Reads what has come for slots that share a socket, as many datagrams at a time as there are places; the rest is reported
   * again. It is once a command waits: what comes now may follow an answer that the command came before.
   */
  #receiveShared(isV6: boolean, nowMs: number): void {
    const { commands, sockets, core } = this.#parts;
    const { shared } = sockets;
    const { forwarder } = core;
    const { count } = this.#batch.places;
    let received = count;
    for (let reads = 0; reads < sharedReadsMax && received === count; reads++) {
      if (reads > 0 && commands.begin() >= 0) break;
      this.#batch.send();
      received = shared.receive(isV6);
      for (let index = 0; index < received; index++) {
        const slot = shared.slotOf(index);
        if (slot < 0) {
          forwarder.countReceiveTrouble(reason.staleWakeup);
          continue;
        }
        this.#batch.goTo(index);
        readSource(this.#view, shared.nameAt(index), forwarder.facts);
        forwarder.receive(slot, this.#batch.offset, shared.sizeOf(index), nowMs);
      }
      this.#unreported += Math.max(0, received);
    }
    this.#unreported--;
    this.#batch.send();
  }

  /** Reads one datagram, the `reads`-th of this report; false when there was none. */
  #receive(slot: number, fd: number, reads: number, nowMs: number): boolean {
    const { core } = this.#parts;
    const batch = this.#batch;
    const sizeBytes = this.#reader.read(fd, batch.address);
    if (sizeBytes < 0) {
      // After the first read: the queue is empty. Else a pending ICMP error or a datagram with a bad checksum: the
      // socket is as good as before.
      if (reads === 0) core.forwarder.countReceiveTrouble(reason.receiveFailed);
      return false;
    }
    readSource(this.#view, this.#reader.source, core.forwarder.facts);
    core.forwarder.receive(slot, batch.offset, sizeBytes, nowMs);
    return true;
  }

  #timeout(nowMs: number): number {
    const { core, turn } = this.#parts;
    if (core.hasCommands || turn?.worker.hasCommands === true) return 0;
    const dueMs = core.nextDeadlineMs() - nowMs;
    const waitMs = core.owesEvents || turn?.worker.owesEvents === true ? 10 : waitMsMax;
    return dueMs <= 0 ? 0 : Math.ceil(Math.min(dueMs, waitMs));
  }

  #readClock(): number {
    clockGettime(clockMonotonic, this.#boxed[boxed.time]!);
    const view = this.#view;
    const seconds = view.getInt32(this.#time + 4, true) * 4_294_967_296 + view.getUint32(this.#time, true);
    return seconds * 1000 + view.getUint32(this.#time + 8, true) / 1e6;
  }
}
