/** The TURN server's way into the daemon: doors opened, files read and read again, drained, closed. */
import type { Config } from "../config/schema.ts";
import { formatTurnListen, type TurnListenSpec } from "../config/turn-values.ts";
import type { Endpoint } from "../core/address.ts";
import type { Digests } from "../core/digests.ts";
import type { Logger } from "../core/log.ts";
import type { RelayEvent } from "../core/plan/plan.ts";
import type { Random } from "../core/random.ts";
import { messageOf } from "../core/thrown.ts";
import type { Clock } from "../core/time.ts";
import { openDigests } from "../io/digests.ts";
import type { TurnOptions } from "../io/driver-options.ts";
import { hostAddresses } from "../io/host-addresses.ts";
import { ListenError } from "../io/listen.ts";
import { DtlsListeners } from "../io/turn/dtls-listener.ts";
import type { DtlsServerEngine } from "../io/turn/dtls-server.ts";
import { SecretFileError } from "../io/turn/secret-files.ts";
import { type Certificate, StreamListeners } from "../io/turn/stream-listener.ts";
import type { TcpBinder } from "../io/turn/tcp-relays.ts";
import type { Interfaces } from "../relay/interfaces.ts";
import type { EventName } from "../telemetry/events.ts";
import { dataCapacityDefault } from "../turn/data-plan.ts";
import { OwnPlaces } from "../turn/own-places.ts";
import type { TurnSettings } from "../turn/settings.ts";
import { datagramListeners, readTurnSettings, type TurnPlace, withAddresses } from "./turn-settings.ts";
import { TurnShell, type TurnWorkers } from "./turn-shell.ts";

const addressesEveryMs = 10_000;

export interface TurnParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The media's addresses and ports. */
  readonly interfaces: Interfaces;
  /** Undefined: the main thread carries the data. */
  readonly workers: TurnWorkers | undefined;
}

/** What the relay workers need to carry TURN; undefined if `listen-turn` asks for nothing. */
export function turnOptions(config: Config): TurnOptions | undefined {
  if (config.listenTurn.length === 0) return undefined;
  const addresses = config.interfaces.map(({ ip, advertisedIp }) => ({ ip, advertisedIp }));
  return {
    addresses,
    places: new SharedArrayBuffer(4 * OwnPlaces.sizeWords(addresses.length)),
    capacity: { ...dataCapacityDefault, allocations: config.turnMaxAllocations },
    tos: config.tos,
  };
}

/** Undefined if `listen-turn` asks for nothing. Fails with one sentence for the operator; nobody is let in before `open`. */
export async function makeTurn(parts: TurnParts): Promise<Turn | undefined> {
  if (parts.config.listenTurn.length === 0) return undefined;
  return new Turn(parts, await openNative(parts));
}

interface Native {
  readonly digests: Digests;
  readonly binder: TcpBinder | undefined;
  readonly engine: DtlsServerEngine | undefined;
}

/** What needs more than node's own modules; without it the rest serves as before. */
async function openNative({ config, log }: TurnParts): Promise<Native> {
  const warn = (what: string, error: unknown): void => {
    const reason = messageOf(error);
    log.warn({ event: "config-warning" satisfies EventName, reason }, what);
  };
  let binder: TcpBinder | undefined;
  let engine: DtlsServerEngine | undefined;
  if (config.turnTcpRelay === "on") {
    try {
      const { TcpBinder } = await import("../io/linux/tcp-sockets.ts");
      binder = new TcpBinder();
    } catch (error) {
      warn("no TURN relays over TCP", error);
    }
  }
  if (config.listenTurn.some(({ transport }) => transport === "dtls")) {
    try {
      const { openDtlsServerEngine } = await import("../io/linux/dtls-server-openssl.ts");
      engine = openDtlsServerEngine();
    } catch (error) {
      warn("no DTLS for TURN", error);
    }
  }
  return { digests: await openDigests(), binder, engine };
}

export class Turn {
  /** What was really opened. */
  readonly listeners: TurnListenSpec[] = [];
  readonly shell: TurnShell;
  readonly streams: StreamListeners;
  readonly associations: DtlsListeners | undefined;
  readonly #parts: TurnParts;
  readonly #watch: NodeJS.Timeout;
  #place: TurnPlace;
  /** As they are in force. */
  #settings: TurnSettings;

  constructor(parts: TurnParts, { digests, binder, engine }: Native) {
    const { config, clock, random, log, interfaces, workers } = parts;
    this.#parts = parts;
    this.#place = {
      controlPorts: [],
      hasTcpRelays: binder !== undefined,
      // Linux sends what fits the path with DF set unless told otherwise (ip(7), IP_MTU_DISCOVER).
      hasDontFragment: process.platform === "linux",
    };
    this.#settings = readTurnSettings(config, this.#place).settings;
    this.shell = new TurnShell({
      clock,
      random,
      digests,
      log,
      settings: this.#settings,
      interfaces,
      addresses: config.interfaces,
      interfaceName: config.turnInterface,
      tcpBinder: binder,
      workers,
    });
    const hub = this.shell.home;
    const onEnd = this.shell.handleClientClosed.bind(this.shell);
    this.streams = new StreamListeners({ hub, onEnd });
    this.associations =
      engine === undefined ? undefined : new DtlsListeners({ engine, hub, onEnd, clock, random });
    this.#watch = setInterval(() => this.#renewAddresses(), addressesEveryMs);
    this.#watch.unref();
  }

  /** Lets clients in. `controlPorts`: of our control and operator sockets, which are no peers. */
  async open(controlPorts: readonly number[]): Promise<void> {
    const { config } = this.#parts;
    const ours = config.listenTurn.map(({ endpoint }) => endpoint.port);
    const ports = new Set([...controlPorts, ...ours].filter((port) => port > 0));
    this.#place = { ...this.#place, controlPorts: [...ports] };
    const { settings, certificate, warnings } = readTurnSettings(config, this.#place);
    this.#warn(warnings);
    this.#apply(settings);
    for (const endpoint of datagramListeners(config)) {
      for (const opened of await this.#listenUdp(endpoint)) {
        this.listeners.push({ transport: "udp", endpoint: opened });
      }
    }
    if (certificate !== undefined) this.associations?.renew(certificate);
    for (const spec of config.listenTurn) {
      if (spec.transport === "udp") continue;
      const opened = await this.#listenOther(spec, certificate);
      this.listeners.push(...opened.map((endpoint) => ({ transport: spec.transport, endpoint })));
    }
  }

  get allocationsLimit(): number {
    return this.#parts.config.turnMaxAllocations;
  }

  noteMedia(event: RelayEvent): void {
    this.shell.noteMedia(event);
  }

  /** Users, secrets, peer lists and certificates from now on; if a file cannot be read, nothing changes. */
  reload(config: Config): void {
    const { log } = this.#parts;
    const event = "turn-reloaded" satisfies EventName;
    // What needs other sockets or memory stays as it was at start.
    const { listenTurn, interfaces, turnMaxAllocations, turnDiscovery } = this.#parts.config;
    const kept = { ...config, listenTurn, interfaces, turnMaxAllocations, turnDiscovery };
    try {
      const { settings, certificate, warnings } = readTurnSettings(kept, this.#place);
      if (certificate !== undefined) {
        this.streams.renew(certificate);
        this.associations?.renew(certificate);
      }
      this.#apply(settings);
      this.#warn(warnings);
      const { users, secrets } = settings;
      log.info({ event, users: users.length, secrets: secrets.length }, "TURN settings reloaded");
    } catch (error) {
      if (!(error instanceof SecretFileError)) throw error;
      log.error({ event, reason: error.message }, "TURN settings stay as they were");
    }
  }

  drain(): void {
    this.shell.drain();
  }

  #apply(settings: TurnSettings): void {
    this.#settings = settings;
    this.shell.reload(settings);
  }

  /** A peer that has become this machine itself is no longer anybody's. */
  #renewAddresses(): void {
    const settings = withAddresses(this.#settings, hostAddresses());
    if (settings !== undefined) this.#apply(settings);
  }

  #warn(warnings: readonly string[]): void {
    for (const warning of warnings) {
      this.#parts.log.warn({ event: "config-warning" satisfies EventName }, warning);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#watch);
    // First what could bring new clients.
    await this.streams.close();
    await this.associations?.close();
    await this.shell.close();
  }

  async #listenUdp(endpoint: Endpoint): Promise<readonly Endpoint[]> {
    try {
      return await this.shell.home.listen(endpoint);
    } catch (error) {
      throw refusal({ transport: "udp", endpoint }, error);
    }
  }

  async #listenOther(
    spec: TurnListenSpec,
    certificate: Certificate | undefined,
  ): Promise<readonly Endpoint[]> {
    const { transport, endpoint } = spec;
    if (transport === "tcp") return [await this.streams.listenTcp(endpoint)];
    if (certificate === undefined) throw new Error("turn: a listener without a certificate");
    if (transport === "tls") return [await this.streams.listenTls(endpoint, certificate)];
    if (this.associations === undefined) {
      throw new ListenError("listen-turn", formatTurnListen(spec), "OpenSSL cannot be reached for DTLS");
    }
    try {
      return await this.associations.listen(endpoint);
    } catch (error) {
      throw refusal(spec, error);
    }
  }
}

function refusal(spec: TurnListenSpec, error: unknown): ListenError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new ListenError("listen-turn", formatTurnListen(spec), code ?? message);
}
