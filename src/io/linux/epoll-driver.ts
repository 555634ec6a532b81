/** The relay's driver on Linux: binds sockets in main, runs one thread per worker over epoll. */
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import type {
  BindRequest,
  BindResult,
  DriverListener,
  RelayDriver,
  SrtpAbility,
  WorkerLink,
} from "../../relay/driver.ts";
import { commandWords, eventWords } from "../../relay/driver.ts";
import { packetWords } from "../../relay/packet-records.ts";
import type { TurnDriver, TurnLink } from "../../relay/turn/turn-driver.ts";
import { turnCommandWords } from "../../relay/turn/turn-records.ts";
import type { DriverOptions } from "../driver-options.ts";
import { RingReader, RingWriter } from "../ring.ts";
import { makeWorkerSetup, type WorkerSetup } from "../worker-setup.ts";
import { Arena } from "./arena.ts";
import { close, errno, errnoName, eventfd, write } from "./libc.ts";
import { mayBatch } from "./send-batch.ts";
import { SocketBinder } from "./sockets.ts";
import { Steering, type SteeringShare } from "./steering.ts";
import { TurnBinder } from "./turn-binder.ts";

/** EFD_CLOEXEC | EFD_NONBLOCK. */
const eventfdFlags = 0x80000 | 0x800;

/**
 * Of a worker's heap, read by V8 when one is made, so main's stays as it is. Packets make no garbage and commands little:
 * the smallest nursery there is saves memory, and its collections are the shortest (1 ms instead of 2.6 in a worker that
 * shares its core). As a limit of the worker's own it would yield to a `--max-semi-space-size` given to main. With Node 20
 * and 22 it keeps its size, so no collection leaves memory to a helper thread to give back.
 */
const nurseryFlags = ["--max-semi-space-size=1", "--min-semi-space-size=1"] as const;

/**
 * So small a nursery is collected by the thread itself. Helper threads want a core too: where main and worker share one, a
 * collection that wakes them or waits for them took up to 13 ms, and takes 0.3 to 0.8 ms without. Of the whole process, as
 * V8 has it.
 */
const collectorFlags = ["--no-parallel-scavenge", "--no-concurrent-array-buffer-sweeping"] as const;

const workerFile = new URL("../worker-main.js", import.meta.url);

/** One worker's thread and the two rings to it. */
class EpollWorker implements WorkerLink {
  readonly commands: RingWriter;
  readonly events: RingReader;
  readonly packetsUp: RingReader;
  readonly packetsDown: RingWriter;
  readonly counters: WorkerSetup["counters"];
  readonly handover: SharedArrayBuffer;
  srtp: SrtpAbility = { engine: undefined, faults: [] };
  readonly turn: TurnLink | undefined;
  /** Called when the worker has written anything, after media has looked. */
  onTurn: () => void = () => undefined;
  readonly #setup: WorkerSetup;
  readonly #arena: Arena;
  readonly #one: number;
  #thread: Worker | undefined;
  #hasEnded: Promise<void> = Promise.resolve();
  #isStopping = false;
  #endMessage = "ended without being told to";
  #isWakeDue = false;
  #isWakeable = true;

  constructor(options: DriverOptions, steering: SteeringShare | undefined) {
    const wakeDescriptor = eventfd(0, eventfdFlags);
    if (wakeDescriptor < 0) throw new Error(`eventfd: ${errnoName(errno())}`);
    this.#setup = makeWorkerSetup(options.capacitySlots, { ...options, steering, wakeDescriptor });
    this.commands = new RingWriter(this.#setup.commands, commandWords);
    this.events = new RingReader(this.#setup.events, eventWords);
    this.packetsUp = new RingReader(this.#setup.packetsUp, packetWords);
    this.packetsDown = new RingWriter(this.#setup.packetsDown, packetWords);
    this.counters = this.#setup.counters;
    this.handover = this.#setup.handover;
    this.turn = this.#makeTurnLink();
    this.#arena = new Arena(8);
    this.#one = this.#arena.reserve(8);
    this.#arena.view.setInt32(this.#one, 1, true);
  }

  /** Resolves with the worker's first message, which it sends when its loop begins, or with its end. */
  async start(onWake: () => void, onFault: (message: string) => void): Promise<void> {
    for (const flag of [...nurseryFlags, ...collectorFlags]) setFlagsFromString(flag);
    const thread = new Worker(workerFile, { workerData: this.#setup, name: "rtpferry-relay" });
    this.#thread = thread;
    thread.on("message", () => {
      this.events.acknowledgeWake();
      onWake();
      this.onTurn();
    });
    thread.on("error", (error) => {
      this.#endMessage = error.stack ?? error.message;
    });
    this.#hasEnded = new Promise((resolve) => {
      thread.on("exit", (code) => {
        // What it wrote last has no message of its own any more.
        onWake();
        this.onTurn();
        if (!this.#isStopping || code !== 0) onFault(this.#endMessage);
        resolve();
      });
    });
    const hasBegun = new Promise<void>((resolve) => {
      thread.once("message", (ability: SrtpAbility) => {
        this.srtp = ability;
        resolve();
      });
    });
    await Promise.race([hasBegun, this.#hasEnded]);
  }

  /** Once main has worked off what it read at once: a wake-up costs as much as a dozen commands. */
  wake(): void {
    if (this.#isWakeDue) return;
    this.#isWakeDue = true;
    setImmediate(() => {
      this.#isWakeDue = false;
      if (!this.#isWakeable || !this.commands.requestWake()) return;
      write(this.#setup.wakeDescriptor, this.#arena.address + this.#one, 8);
    });
  }

  #makeTurnLink(): TurnLink | undefined {
    const { turn } = this.#setup;
    if (turn === undefined) return undefined;
    return {
      commands: new RingWriter(turn.commands, turnCommandWords),
      requests: new RingReader(turn.requests, packetWords),
      events: new RingReader(turn.events, eventWords),
      counters: turn.counters,
      wake: () => this.wake(),
    };
  }

  async stop(timeoutMs: number): Promise<void> {
    this.#isStopping = true;
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        // It returns from its wait within 200 ms, so this ends it unless it is stuck for good.
        this.#endMessage = `had not stopped after ${timeoutMs} ms`;
        void this.#thread?.terminate().then(() => resolve());
      }, timeoutMs);
    });
    await Promise.race([this.#hasEnded, expired]);
    clearTimeout(timer);
    this.#isWakeable = false;
    close(this.#setup.wakeDescriptor);
  }
}

export class EpollDriver implements RelayDriver {
  readonly name = "epoll";
  readonly sendsBatches: boolean;
  readonly receivesBatches: boolean;
  readonly capacitySlots: number;
  readonly links: readonly EpollWorker[];
  readonly turnDriver: TurnDriver | undefined;
  readonly #binder = new SocketBinder();
  readonly #steering: Steering | undefined;

  constructor(options: DriverOptions) {
    this.capacitySlots = options.capacitySlots;
    const batches = options.batches && mayBatch();
    this.sendsBatches = batches;
    const steering = batches && options.receivesBatches ? openSteering(options) : undefined;
    this.#steering = steering;
    this.receivesBatches = steering !== undefined;
    try {
      this.links = Array.from({ length: options.workers }, (_, worker) => {
        const share = steering === undefined ? undefined : { maps: steering.maps, worker };
        return new EpollWorker({ ...options, batches }, share);
      });
    } catch (error) {
      // Another driver takes over, and needs none of it.
      steering?.close();
      throw error;
    }
    this.turnDriver = options.turn === undefined ? undefined : this.#makeTurn(options.turn.tos);
  }

  async start(listener: DriverListener): Promise<void> {
    const started = this.links.map((worker, index) =>
      worker.start(
        () => listener.handleWake(index),
        (message) => listener.handleFault(index, message),
      ),
    );
    await Promise.all(started);
  }

  #makeTurn(tos: number): TurnDriver {
    const binder = new TurnBinder(this.links.length, tos);
    return {
      links: this.links.flatMap(({ turn }) => turn ?? []),
      attach: (onWake) => {
        for (const [index, worker] of this.links.entries()) worker.onTurn = () => onWake(index);
      },
      bindListener: (local) => binder.bindListener(local),
      bindRelay: (ip, port) => binder.bindRelay(ip, port),
      duplicate: (handle) => binder.duplicate(handle),
      discard: (handle) => binder.discard(handle),
    };
  }

  /** Of all workers alike: they run the same code on the same machine. */
  get srtp(): SrtpAbility {
    return this.links[0]?.srtp ?? { engine: undefined, faults: [] };
  }

  bindPair(request: BindRequest, done: (result: BindResult) => void): void {
    done(this.#binder.bindPair(request.ip, request.port, request.tos));
  }

  discard(_worker: number, rtpHandle: number, rtcpHandle: number): void {
    close(rtpHandle);
    close(rtcpHandle);
  }

  async stop(timeoutMs: number): Promise<void> {
    await Promise.all(this.links.map((worker) => worker.stop(timeoutMs)));
    this.#steering?.close();
  }
}

/** RTCP is never busy: every other slot has a flow at most. */
function openSteering({ workers, capacitySlots }: DriverOptions): Steering | undefined {
  return Steering.open(workers, (workers * capacitySlots) / 2);
}
