/**
 * The relay as main sees it: carries out the call room's actions and tells it what came of them.
 *
 * Owns the ports, the placement of pairs on workers and the names of slots; the packets themselves never come here.
 * Sockets are bound by the driver, handed to a worker with a command, and from then on belong to that worker; a port
 * and a slot are free again when the worker has said `closed`.
 */
import type { CounterReader, PairCounters } from "../core/plan/counters.ts";
import type {
  OpenFailure,
  OpenPair,
  PairId,
  PairSettings,
  RelayAction,
  RelayEvent,
} from "../core/plan/plan.ts";
import type { Random } from "../core/random.ts";
import type { Clock, MonotonicMs } from "../core/time.ts";
import { readSlot, type SlotView } from "../handover/view.ts";
import { CommandQueue } from "./command-queue.ts";
import {
  isCurrent,
  readLastPacketAt,
  readPair,
  readWorker,
  silentPair,
  type WorkerStats,
} from "./counter-view.ts";
import type { BindResult, DriverListener, RelayDriver, SrtpAbility } from "./driver.ts";
import { eventField, eventKind, evidenceName, noteName, readEndpoint } from "./events.ts";
import { type InterfaceStats, Interfaces, type RelayInterface } from "./interfaces.ts";
import { type PairEntry, Pairs } from "./pairs.ts";
import { type Place, Placement } from "./placement.ts";
import type { TransportView } from "./transports/pair-transport.ts";
import type { TransportCounts } from "./transports/transport-counts.ts";
import type { TransportMakers } from "./transports/transport-parts.ts";
import { Transports } from "./transports/transports.ts";
import { componentOf, WorkerDoor } from "./transports/worker-door.ts";

export interface RelayOptions {
  readonly driver: RelayDriver;
  readonly interfaces: readonly RelayInterface[];
  readonly portMin: number;
  readonly portMax: number;
  /** For pairs that ask for none. */
  readonly tos: number;
  readonly random: Random;
  readonly clock: Clock;
  readonly makers: TransportMakers;
  /** May run inside `perform`. A closed pair's counters can be read until it returns. */
  readonly onEvent: (event: RelayEvent) => void;
  /** `nextDeadlineMs` may be another one now. */
  readonly onDeadline: () => void;
  /** A worker died; the process has to end. */
  readonly onFault: (message: string) => void;
}

export interface RelayStats {
  readonly driver: string;
  readonly interfaces: readonly InterfaceStats[];
  readonly workers: readonly (WorkerStats & {
    readonly usedPairs: number;
    readonly waitingCommands: number;
  })[];
  readonly transports: TransportCounts;
  /** Known once the relay is ready. */
  readonly srtp: SrtpAbility;
}

/** Ports tried for one pair before giving up; each was held by another process. */
const bindAttemptsMax = 64;
const none: readonly Place[] = [];
/** How long workers may take to close their sockets. */
const stopTimeoutMs = 2_000;

export class Relay implements CounterReader, DriverListener {
  /** Resolves when every worker reads its sockets; a relay that serves before loses the overflow of their buffers. */
  readonly ready: Promise<void>;
  readonly #options: RelayOptions;
  readonly #driver: RelayDriver;
  readonly #interfaces: Interfaces;
  readonly #placement: Placement;
  readonly #queues: readonly CommandQueue[];
  readonly #pairs: Pairs;
  readonly #transports: Transports;
  readonly #door: WorkerDoor;
  #isStopping = false;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#driver = options.driver;
    this.#interfaces = new Interfaces(options.interfaces, options.portMin, options.portMax, options.random);
    this.#placement = new Placement(options.driver.links.length, options.driver.capacitySlots);
    this.#queues = options.driver.links.map((link) => new CommandQueue(link));
    this.#pairs = new Pairs(options.driver.links.length);
    this.#door = new WorkerDoor({
      links: options.driver.links,
      queues: this.#queues,
      pairs: this.#pairs,
      onPacket: (pair, packet) => this.#transports.handlePacket(options.clock.monotonicMs(), pair, packet),
    });
    this.#transports = new Transports(
      {
        perform: (pair, action) => this.#door.perform(pair, action),
        counters: (pair) => this.read(pair),
        tell: options.onEvent,
      },
      options.makers,
    );
    this.ready = options.driver.start(this);
  }

  /** Its addresses and ports, which TURN relays share. */
  get interfaces(): Interfaces {
    return this.#interfaces;
  }

  perform(action: RelayAction): void {
    if (action.kind === "open") this.#open(action);
    else if (action.kind === "configure") this.#configure(action.pair, action.settings);
    else this.#close(action.pair);
  }

  /** Undefined: nothing is due. A moment that has passed: there is more to do now than fits into one turn. */
  nextDeadlineMs(): MonotonicMs | undefined {
    return this.#door.hasBacklog ? this.#options.clock.monotonicMs() : this.#transports.nextDeadlineMs();
  }

  /** Runs what is due of ICE and DTLS, at most a turn's worth. */
  handleTimeout(nowMs: MonotonicMs): void {
    this.#door.workOff();
    this.#transports.handleTimeout(nowMs);
    this.#options.onDeadline();
  }

  /** Where ICE and DTLS of the pair stand; undefined where there are none. */
  transport(pair: PairId): TransportView | undefined {
    return this.#transports.view(pair);
  }

  read(pair: PairId): PairCounters | undefined {
    const entry = this.#pairs.get(pair);
    if (entry === undefined) return undefined;
    const { worker, slot, generation } = entry.place;
    const memory = this.#driver.links[worker]!.counters;
    if (!isCurrent(memory, slot, generation)) return silentPair;
    return readPair(memory, slot, this.#driver.capacitySlots);
  }

  /** Sources that the policy keeps of the pair's sockets; undefined: there is no such pair. A glance for an operator. */
  sources(pair: PairId): { readonly rtp: SlotView; readonly rtcp: SlotView } | undefined {
    const entry = this.#pairs.get(pair);
    if (entry === undefined) return undefined;
    const { worker, slot, generation } = entry.place;
    const { counters, handover } = this.#driver.links[worker]!;
    // A slot that its worker has not taken over yet shows what a closed one does.
    const first = isCurrent(counters, slot, generation) ? slot : -2;
    const words = new Int32Array(handover);
    const reals = new Float64Array(handover);
    const nowMs = this.#options.clock.monotonicMs();
    return { rtp: readSlot(words, reals, first, nowMs), rtcp: readSlot(words, reals, first + 1, nowMs) };
  }

  lastPacketAt(pair: PairId): MonotonicMs | undefined {
    const entry = this.#pairs.get(pair);
    if (entry === undefined) return undefined;
    const { worker, slot, generation } = entry.place;
    const memory = this.#driver.links[worker]!.counters;
    return isCurrent(memory, slot, generation) ? readLastPacketAt(memory, slot) : undefined;
  }

  stats(): RelayStats {
    return {
      driver: this.#driver.name,
      interfaces: this.#interfaces.stats(),
      workers: this.#driver.links.map((link, worker) => ({
        ...readWorker(link.counters.worker),
        usedPairs: this.#placement.usedPairs(worker),
        waitingCommands: this.#queues[worker]!.waitingCount,
      })),
      transports: this.#transports.counts,
      srtp: this.#driver.srtp,
    };
  }

  /** Closes every socket and ends the workers; later opens are refused. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const queue of this.#queues) queue.submit({ kind: "stop", at: { slot: 0, generation: 0 } });
    await this.#driver.stop(stopTimeoutMs);
    this.#transports.closeAll();
  }

  handleFault(worker: number, message: string): void {
    this.#options.onFault(`relay worker ${worker}: ${message}`);
  }

  handleWake(worker: number): void {
    const { events } = this.#driver.links[worker]!;
    for (let at = events.begin(); at >= 0; at = events.begin()) {
      const slot = events.words[at + eventField.slot]!;
      const generation = events.words[at + eventField.generation]!;
      const kind = events.words[at + eventField.kind];
      const evidence = evidenceName(events.words[at + eventField.evidence]!);
      const source = readEndpoint(events.words, at + eventField.source);
      const note = noteName(events.words[at + eventField.note]!);
      events.release();
      const entry = this.#pairs.at(worker, { slot, generation });
      if (entry === undefined) continue;
      if (kind === eventKind.closed) {
        this.#handleClosed(entry);
      } else if (kind === eventKind.proven && source !== undefined && evidence !== undefined) {
        const { pair } = entry.request;
        const component = componentOf(slot);
        this.#transports.noteTarget(this.#options.clock.monotonicMs(), pair, component, source);
        this.#options.onEvent({ kind: "source-proven", pair, component, source, evidence });
      } else if (kind === eventKind.noted && source !== undefined && note !== undefined) {
        const { pair } = entry.request;
        this.#options.onEvent({
          kind: "source-noted",
          pair,
          component: componentOf(slot),
          note,
          source,
          evidence,
        });
      }
    }
    this.#queues[worker]!.flush();
    this.#door.handleWake(worker);
    this.#options.onDeadline();
  }

  #open(request: OpenPair): void {
    if (this.#pairs.get(request.pair) !== undefined) throw new Error(`relay: pair ${request.pair} is open`);
    const addresses = this.#interfaces.choose(request);
    const place = addresses.length === 0 ? undefined : this.#placement.take(request.group);
    if (place === undefined) {
      this.#fail(request, addresses.length === 0 ? "no-interface" : "no-ports");
    } else if (this.#isStopping || this.#queues[place.worker]!.isOverloaded) {
      this.#placement.giveBack(request.group, place);
      this.#fail(request, "overloaded");
    } else {
      const entry: PairEntry = { request, place, state: "opening", local: undefined, settings: undefined };
      this.#pairs.add(entry);
      this.#bind(entry, addresses, 0);
    }
  }

  /** Takes a port of the first address that has one and binds it; a taken port leads to the next. */
  #bind(entry: PairEntry, addresses: readonly RelayInterface[], attempt: number): void {
    const { clock, tos } = this.#options;
    const [address, ...others] = addresses;
    if (address === undefined || attempt >= bindAttemptsMax) {
      this.#abandon(entry, "no-ports");
      return;
    }
    const pool = this.#interfaces.poolOf(address.ip);
    const port = pool.take(clock.monotonicMs());
    if (port === undefined) {
      this.#bind(entry, others, attempt);
      return;
    }
    const { worker } = entry.place;
    const request = { ip: address.ip, port, tos: entry.request.tos ?? tos, worker };
    this.#driver.bindPair(request, (result) => {
      if (result.ok) {
        this.#handleBound(entry, address, port, result);
      } else if (result.reason === "port-taken") {
        pool.avoid(port, clock.monotonicMs());
        this.#bind(entry, addresses, attempt + 1);
      } else {
        pool.giveBack(port);
        this.#abandon(entry, result.reason === "no-descriptors" ? "no-descriptors" : "no-interface");
      }
    });
  }

  #handleBound(
    entry: PairEntry,
    address: RelayInterface,
    port: number,
    bound: BindResult & { readonly ok: true },
  ): void {
    const { place, request } = entry;
    if (entry.state === "closing" || this.#isStopping) {
      this.#driver.discard(place.worker, bound.rtpHandle, bound.rtcpHandle);
      this.#interfaces.poolOf(address.ip).giveBack(port);
      this.#abandon(entry, "overloaded");
      return;
    }
    const local = { ip: address.ip, port };
    entry.state = "open";
    entry.local = local;
    const { rtpHandle, rtcpHandle } = bound;
    this.#queues[place.worker]!.submit({ kind: "open", at: place, rtpHandle, rtcpHandle, local });
    if (entry.settings !== undefined) this.#submitSettings(entry, entry.settings);
    this.#options.onEvent({
      kind: "opened",
      pair: request.pair,
      local: { rtp: local, advertisedIp: address.advertisedIp, interfaceName: address.name },
    });
  }

  /** A pair that never opened: `closed` if that was asked for meanwhile, else the reason. */
  #abandon(entry: PairEntry, reason: OpenFailure): void {
    this.#forget(entry);
    if (entry.state === "closing") this.#options.onEvent({ kind: "closed", pair: entry.request.pair });
    else this.#fail(entry.request, reason);
  }

  #fail(request: OpenPair, reason: OpenFailure): void {
    this.#options.onEvent({ kind: "open-failed", pair: request.pair, reason });
  }

  #configure(pair: PairId, settings: PairSettings): void {
    const entry = this.#pairs.get(pair);
    if (entry === undefined || entry.state === "closing") return;
    if (entry.state === "open") this.#submitSettings(entry, settings);
    else entry.settings = settings;
  }

  #submitSettings(entry: PairEntry, settings: PairSettings): void {
    const { place, request } = entry;
    const placeOf = (pair: PairId): Place | undefined => this.#pairs.placeOf(pair, place.worker);
    const peer = settings.peer === undefined ? undefined : placeOf(settings.peer);
    const carrier = settings.bundle === undefined ? undefined : placeOf(settings.bundle.carrier);
    const siblings =
      settings.siblings.length === 0 ? none : settings.siblings.flatMap((pair) => placeOf(pair) ?? []);
    this.#queues[place.worker]!.submit({ kind: "configure", at: place, settings, peer, siblings, carrier });
    entry.settings = settings.siblings.length > 0 ? settings : undefined;
    this.#transports.configure(this.#options.clock.monotonicMs(), request.pair, settings);
    this.#options.onDeadline();
  }

  #close(pair: PairId): void {
    const entry = this.#pairs.get(pair);
    if (entry === undefined || entry.state === "closing") return;
    const wasOpen = entry.state === "open";
    entry.state = "closing";
    if (!wasOpen) return;
    this.#transports.close(pair);
    this.#queues[entry.place.worker]!.submit({ kind: "close", at: entry.place });
    // Siblings are named by slot alone; once this slot serves another call it must vouch for nobody here.
    for (const other of this.#pairs.groupOf(entry)) {
      if (other.state === "open" && other.settings?.siblings.includes(pair)) {
        this.#submitSettings(other, other.settings);
      }
    }
  }

  #handleClosed(entry: PairEntry): void {
    if (entry.local !== undefined) this.#interfaces.poolOf(entry.local.ip).giveBack(entry.local.port);
    this.#options.onEvent({ kind: "closed", pair: entry.request.pair });
    this.#forget(entry);
  }

  #forget(entry: PairEntry): void {
    this.#pairs.delete(entry);
    this.#placement.giveBack(entry.request.group, entry.place);
  }
}
