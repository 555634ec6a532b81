/**
 * The composition root: builds the parts from the configuration, starts them in order, and stops them in order.
 * Nothing else wires rooms together.
 */
import { availableParallelism, networkInterfaces } from "node:os";
import { Calls } from "./call/calls.ts";
import type { CallOptions } from "./call/options.ts";
import type { EndedCall } from "./call/report.ts";
import { bannerLines } from "./config/banner.ts";
import type { Config } from "./config/schema.ts";
import { familyOf } from "./core/address.ts";
import { type Cidr, cidrContains, parseCidr } from "./core/address-class.ts";
import type { Logger } from "./core/log.ts";
import type { RelayEvent } from "./core/plan/plan.ts";
import { CallShell } from "./daemon/call-shell.ts";
import { ControlShell } from "./daemon/control-shell.ts";
import { DeadlineTimer } from "./daemon/deadline-timer.ts";
import { dieOf, dieOnFaults } from "./daemon/dying.ts";
import { ownListeners } from "./daemon/own-listeners.ts";
import { certificatesForCalls, openSecureMedia, type SecureMedia } from "./daemon/secure-media.ts";
import { SourceLog } from "./daemon/source-log.ts";
import { relayReader, sourceReader } from "./daemon/source-readers.ts";
import { TelemetryShell } from "./daemon/telemetry-shell.ts";
import { Totals } from "./daemon/totals.ts";
import { TransportLog } from "./daemon/transport-log.ts";
import { makeTurn, type Turn, turnOptions } from "./daemon/turn.ts";
import type { TurnWorkers } from "./daemon/turn-shell.ts";
import { turnControl, turnTelemetry } from "./daemon/turn-telemetry.ts";
import { systemClock } from "./io/clock.ts";
import { TimeoutNotifier } from "./io/control/notify.ts";
import { type CtlServer, startCtlServer } from "./io/ctl-server.ts";
import { type HttpServer, startHttpServer } from "./io/http-server.ts";
import { machineWarnings, spareDescriptors } from "./io/machine-limits.ts";
import { systemRandom } from "./io/random.ts";
import { endpointWords, openRelayDriver, portRangeWords } from "./io/relay-driver.ts";
import type { RelayDriver } from "./relay/driver.ts";
import { Relay } from "./relay/relay.ts";
import { callEndFields, callEndMessage } from "./telemetry/call-end.ts";
import type { RelayReader } from "./telemetry/call-view.ts";
import { answerCtl } from "./telemetry/ctl-commands.ts";
import type { EventName } from "./telemetry/events.ts";
import { createMetrics } from "./telemetry/metrics.ts";

/** Who hears of the relay's events. */
interface EventListeners {
  readonly shell: CallShell;
  readonly totals: Totals;
  readonly transports: TransportLog;
  readonly sources: SourceLog;
  readonly turn: Turn | undefined;
}

interface StartedRelay {
  readonly relay: Relay;
  readonly timer: DeadlineTimer;
  /** For banner and log. */
  readonly driver: string;
  readonly turnWorkers: TurnWorkers | undefined;
}

/** What operators may look at and act on. */
interface OperatorParts {
  readonly relay: RelayReader;
  readonly calls: Calls;
  readonly shell: CallShell;
  readonly telemetry: TelemetryShell;
  readonly turn: Turn | undefined;
}

export interface Daemon {
  /** What it listens on, and the lines that point a proxy at it. */
  readonly ready: readonly string[];
  isAlive(): boolean;
  /** TURN users, secrets, peer lists and certificates from this configuration; the rest stays as it was at start. */
  reload(config: Config): void;
  /** The TURN server takes no new allocations from now on. */
  drainTurn(): void;
  stop(): Promise<void>;
}

/** Fails with one sentence for the operator when the machine does not give what was asked for. */
export async function startDaemon(config: Config, log: Logger): Promise<Daemon> {
  dieOnFaults();
  const building = new Building(config, log);
  try {
    return await building.build();
  } catch (error) {
    await building.tearDown();
    throw error;
  }
}

/** The parts in the order they are built; taken down in the opposite order. */
class Building {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #closers: (() => void | Promise<void>)[] = [];

  constructor(config: Config, log: Logger) {
    this.#config = config;
    this.#log = log;
  }

  async build(): Promise<Daemon> {
    const config = this.#config;
    const log = this.#log;
    this.#warnOfLimits();
    const totals = new Totals();
    const notifier = new TimeoutNotifier(log);
    const secure = await openSecureMedia(systemClock, log, config.interfaces);
    const sources = new SourceLog({
      log,
      tellsDebug: config.logLevel === "debug",
      placeOf: (pair) => calls.placeOf(pair),
    });
    let turn: Turn | undefined;
    const { relay, timer, driver, turnWorkers } = await this.#startRelay(secure, sources, (event) =>
      this.#relayEvent(event, { shell, totals, transports, sources, turn }),
    );
    const calls = new Calls({
      options: callOptions(config, secure),
      random: systemRandom,
      counters: relay,
      isSignallingProxy: (ip) => isProxy(config, control, ip),
    });
    const transports = new TransportLog(log, (pair) => calls.callIdOf(pair));
    const shell: CallShell = new CallShell({
      calls,
      clock: systemClock,
      log,
      perform: (action) => relay.perform(action),
      reply: (request, reply) => {
        totals.noteReply(reply);
        control.reply(request, reply);
      },
      ended: (call) => this.#ended(call, relay, totals, notifier),
    });
    const telemetry = new TelemetryShell({
      config,
      clock: systemClock,
      relay,
      calls,
      totals,
      dtls: secure.dtlsCounts,
      turn: () => turnTelemetry(turn),
      control: () => control.counts(),
    });
    const control: ControlShell = new ControlShell({
      config,
      log,
      isDirect: relay.stats().driver === "epoll",
      counters: relay,
      sources: sourceReader(relay, sources.history),
      now: () => shell.now(),
      request: (id, request) => shell.request(id, request),
      serverStatistics: () => telemetry.serverStatistics(),
      relayTotals: () => telemetry.relayTotals(),
    });
    this.#closers.push(
      () => notifier.close(),
      () => telemetry.close(),
      () => timer.close(),
      () => relay.stop(),
      () => shell.stop(),
      () => control.close(),
    );
    turn = await this.#makeTurn(relay, turnWorkers);
    await relay.ready;
    const engine = `${driver}, ${this.#srtpEngine(relay)}`;
    await control.open();
    const reader = relayReader(relay, sources.history);
    const operator = await this.#openOperatorDoors({ relay: reader, calls, shell, telemetry, turn });
    await turn?.open(controlPorts(control, operator.listenHttp));
    log.info({ event: "ready" satisfies EventName, engine }, "ready");
    const facts = { ...config, ...operator, engine };
    return this.#running(bannerLines({ ...facts, ...listenersOf(control, turn) }), telemetry, turn);
  }

  #running(ready: readonly string[], telemetry: TelemetryShell, turn: Turn | undefined): Daemon {
    return {
      ready,
      isAlive: () => telemetry.isAlive(),
      reload: (next) => turn?.reload(next),
      drainTurn: () => turn?.drain(),
      stop: () => this.tearDown(),
    };
  }

  /** Closes all parts, also behind one that fails: a relay thread left running would keep the process from ending. */
  async tearDown(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  async #makeTurn({ interfaces }: Relay, workers: TurnWorkers | undefined): Promise<Turn | undefined> {
    const edges = { clock: systemClock, random: systemRandom, log: this.#log };
    const turn = await makeTurn({ config: this.#config, ...edges, interfaces, workers });
    this.#closers.push(() => turn?.close());
    return turn;
  }

  #warnOfLimits(): void {
    const { interfaces, maxSessions, portMin, portMax } = this.#config;
    const addressCount = new Set(interfaces.map(({ ip }) => ip)).size;
    for (const warning of machineWarnings({ maxSessions, portMin, portMax, addressCount })) {
      this.#log.warn({ event: "config-warning" satisfies EventName }, warning);
    }
  }

  async #startRelay(
    { makers, certificates }: SecureMedia,
    sources: SourceLog,
    onEvent: (event: RelayEvent) => void,
  ): Promise<StartedRelay> {
    const { interfaces, portMin, portMax, tos, workers, io, maxSessions } = this.#config;
    const { coalesce, batchSend, batchReceive } = this.#config;
    const { trustedMedia, settleTimeMs: settleMs, relearnAfterSilenceMs, replayMemoryBytes } = this.#config;
    const pairsPerAddress = Math.floor((portMax - portMin + 1) / 2);
    const addresses = new Set(interfaces.map(({ ip }) => ip)).size;
    const turn = turnOptions(this.#config);
    const threads = workers === 0 ? availableParallelism() : workers;
    const turnSockets = turn === undefined ? 0 : 2 * turn.capacity.allocations;
    const { driver, fallbackReason } = await openRelayDriver(io === "dgram" ? "dgram" : "epoll", {
      workers: threads,
      capacitySlots: 2 * pairsPerAddress * addresses,
      forbiddenTargets: endpointWords(ownListeners(this.#config)),
      // The advertised ones too: a router may turn packets for them round.
      ownMedia: portRangeWords(
        interfaces.flatMap(({ ip, advertisedIp }) => [ip, advertisedIp]),
        portMin,
        portMax,
      ),
      trustedMedia: trustedMedia.map(({ cidr }) => cidr),
      settleMs,
      relearnAfterSilenceMs: relearnAfterSilenceMs === 0 ? undefined : relearnAfterSilenceMs,
      replayMemoryBytes,
      coalesces: coalesce === "on",
      batches: batchSend === "on",
      receivesBatches: batchReceive === "on",
      secondSocketsMax: Math.floor(spareDescriptors(maxSessions, turnSockets) / threads),
      turn,
    });
    if (fallbackReason !== undefined) {
      this.#log.warn(
        { event: "config-warning" satisfies EventName, reason: fallbackReason },
        "relaying through node:dgram",
      );
    }
    if (driver.name === "dgram" && tos !== 0) {
      this.#log.warn(
        { event: "config-warning" satisfies EventName, tos },
        "node:dgram cannot set TOS; packets go out with 0",
      );
    }
    let timer: DeadlineTimer | undefined;
    const relay = new Relay({
      driver,
      interfaces,
      portMin,
      portMax,
      tos,
      random: systemRandom,
      clock: systemClock,
      makers,
      onEvent,
      onDeadline: () => timer?.schedule(),
      onFault: dieOf,
    });
    const timed = certificates === undefined ? [relay, sources] : [relay, sources, certificates];
    timer = new DeadlineTimer(systemClock, timed);
    timer.schedule();
    const { turnDriver } = driver;
    const turnWorkers =
      turn === undefined || turnDriver === undefined
        ? undefined
        : { driver: turnDriver, places: turn.places };
    return {
      relay,
      timer,
      driver: driverText(driver),
      turnWorkers,
    };
  }

  /** The engine's name, for the log; tells of those it stands in for. */
  #srtpEngine(relay: Relay): string {
    const { engine, faults } = relay.stats().srtp;
    for (const { name, fault } of faults) {
      const message = `SRTP without ${name}`;
      this.#log.warn({ event: "config-warning" satisfies EventName, reason: fault }, message);
    }
    if (engine !== undefined) return `SRTP by ${engine}`;
    this.#log.warn({ event: "config-warning" satisfies EventName }, "no SRTP: secure media is not relayed");
    return "no SRTP";
  }

  #relayEvent(event: RelayEvent, { shell, totals, transports, sources, turn }: EventListeners): void {
    turn?.noteMedia(event);
    if (event.kind === "open-failed") {
      totals.openFailures[event.reason]++;
      this.#log.warn({ event: "open-failed" satisfies EventName, reason: event.reason }, "no port pair");
    } else if (event.kind === "source-noted") {
      totals.noteSource(event);
      sources.tell(systemClock.monotonicMs(), event);
    } else if (event.kind === "closed") {
      sources.forget(event.pair);
    } else if (event.kind !== "opened" && event.kind !== "source-proven") {
      transports.tell(systemClock.monotonicMs(), event);
    }
    shell.relayEvent(event);
  }

  #ended(call: EndedCall, relay: Relay, totals: Totals, notifier: TimeoutNotifier): void {
    totals.noteEnd(call);
    this.#log.info(callEndFields(call, relay), callEndMessage);
    const isTimeout = call.reason === "timeout" || call.reason === "silent-timeout";
    if (isTimeout && call.notify !== undefined) notifier.send(call.notify.socket, call.notify.tag);
  }

  /** /metrics and `rtpferry ctl`. */
  async #openOperatorDoors(
    parts: OperatorParts,
  ): Promise<{ readonly listenHttp: Config["listenHttp"]; readonly ctl: Config["ctl"] }> {
    const { relay, calls, shell, telemetry, turn } = parts;
    const { listenHttp, ctl } = this.#config;
    let http: HttpServer | undefined;
    if (listenHttp !== undefined) {
      const metrics = createMetrics(telemetry);
      const illness = (): string | undefined =>
        telemetry.isAlive() ? undefined : "a relay thread stands still";
      const server = await startHttpServer(listenHttp, { metrics, illness });
      this.#closers.push(() => server.close());
      http = server;
    }
    if (ctl !== undefined) {
      const source = {
        calls: () =>
          [...calls.summaries()].flatMap(
            ({ callId }) => calls.report(systemClock.monotonicMs(), callId) ?? [],
          ),
        call: (callId: string) => calls.report(systemClock.monotonicMs(), callId),
        kill: (callId: string) => shell.kill(callId),
        relay,
        telemetry,
        turn: turn === undefined ? undefined : turnControl(turn),
        monotonicMs: () => systemClock.monotonicMs(),
      };
      const server: CtlServer = await startCtlServer(ctl, (request) => answerCtl(source, request));
      this.#closers.push(() => server.close());
    }
    return { listenHttp: http?.endpoint, ctl };
  }
}

/** Of all doors that no TURN peer may knock at. */
function controlPorts(control: ControlShell, http: Config["listenHttp"]): readonly number[] {
  return [...control.endpoints, ...(http === undefined ? [] : [http])].map(({ port }) => port);
}

/** What was really opened. */
function listenersOf(
  control: ControlShell,
  turn: Turn | undefined,
): Pick<Config, "listenNg" | "listenRtpproxy" | "listenTurn"> {
  const { ngEndpoints, rtpproxySpecs } = control;
  return { listenNg: ngEndpoints, listenRtpproxy: rtpproxySpecs, listenTurn: turn?.listeners ?? [] };
}

function callOptions(config: Config, secure: SecureMedia): CallOptions {
  return {
    timeoutMs: config.timeoutMs,
    silentTimeoutMs: config.silentTimeoutMs,
    offerTimeoutMs: config.offerTimeoutMs,
    finalTimeoutMs: config.finalTimeoutMs,
    deleteDelayMs: config.deleteDelayMs,
    maxSessions: config.maxSessions,
    isStrict: config.strict,
    interfaces: config.interfaces.map(({ name, ip, advertisedIp }) => ({
      name,
      family: familyOf(ip),
      localIp: ip,
      advertisedIp,
    })),
    onLink: attachedNetworks(),
    certificates: certificatesForCalls(secure),
  };
}

/** Driver and threads, for banner and log. */
function driverText({ name, links, sendsBatches, receivesBatches }: RelayDriver): string {
  const workers = `${name}, ${links.length} worker${links.length === 1 ? "" : "s"}`;
  if (!sendsBatches) return workers;
  return `${workers} ${receivesBatches ? "reading and sending" : "sending"} in batches`;
}

/** The subnets of this machine's interfaces. */
function attachedNetworks(): readonly Cidr[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.flatMap(({ cidr }) => (cidr === null ? [] : (parseCidr(cidr) ?? [])));
}

/** SIP that came from such an address says nothing about where media comes from. */
function isProxy(
  config: Config,
  control: ControlShell,
  ip: Parameters<ControlShell["isClient"]>[0],
): boolean {
  const { signallingProxies } = config;
  return signallingProxies.length > 0
    ? signallingProxies.some(({ cidr }) => cidrContains(cidr, ip))
    : control.isClient(ip);
}
