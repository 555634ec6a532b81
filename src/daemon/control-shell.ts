/**
 * The control side in action: listeners hand messages in, the two protocols turn them into call requests, and replies
 * find their way back to whoever asked.
 */
import type { CallReply, CallRequest, RequestId } from "../call/requests.ts";
import type { Config } from "../config/schema.ts";
import type { SourceReader } from "../control/ng/handover-words.ts";
import { type NgAction, NgControl } from "../control/ng/server.ts";
import type { ServerStatistics } from "../control/ng/server-statistics.ts";
import { localAddresses } from "../control/rtpproxy/modifiers.ts";
import { type RtpproxyAction, RtpproxyControl } from "../control/rtpproxy/server.ts";
import type { RelayTotals } from "../control/rtpproxy/statistics.ts";
import type { Endpoint, IpAddress } from "../core/address.ts";
import { controlPeersMax } from "../core/limits.ts";
import type { ListenSpec } from "../core/listen-spec.ts";
import type { Logger } from "../core/log.ts";
import type { CounterReader } from "../core/plan/counters.ts";
import type { MonotonicMs, UnixMs } from "../core/time.ts";
import type { ControlListener, ControlOrigin, DatagramOrigin } from "../io/control/contract.ts";
import { ControlGuard } from "../io/control/guard.ts";
import { openControlListener } from "../io/control/listener.ts";
import { localAddressTowards } from "../io/control/local-route.ts";
import { openDirectUdp } from "../io/direct-udp.ts";
import type { ControlCounts } from "../telemetry/snapshot.ts";
import { controlCounts } from "./control-counts.ts";

type Instant = { readonly monotonicMs: MonotonicMs; readonly unixMs: UnixMs };

export interface ControlShellParts {
  readonly config: Config;
  readonly log: Logger;
  /** There are system calls of our own; else control is heard through node:dgram alone. */
  readonly isDirect: boolean;
  readonly counters: CounterReader;
  readonly sources: SourceReader;
  readonly now: () => Instant;
  readonly request: (id: RequestId, request: CallRequest) => void;
  readonly serverStatistics: () => ServerStatistics;
  readonly relayTotals: () => RelayTotals;
}

export class ControlShell {
  readonly #parts: ControlShellParts;
  readonly #ng: NgControl<DatagramOrigin>;
  readonly #rtpproxy: RtpproxyControl<ControlOrigin>;
  readonly #guard: ControlGuard;
  readonly #listeners: ControlListener[] = [];
  /** Addresses that control us: SIP comes from there, media hardly does. */
  readonly #clients = new Set<IpAddress>();
  readonly ngEndpoints: Endpoint[] = [];
  /** As configured, with the ports that were chosen for port 0. */
  readonly rtpproxySpecs: ListenSpec[] = [];
  #requestCount = 0;

  constructor(parts: ControlShellParts) {
    const { config, counters, sources, serverStatistics, relayTotals } = parts;
    this.#parts = parts;
    this.#guard = new ControlGuard(config.controlAllow.map(({ cidr }) => cidr));
    this.#ng = new NgControl<DatagramOrigin>({
      counters,
      sources,
      nextRequestId: () => this.#nextRequestId(),
      serverStatistics,
    });
    const ips = config.interfaces.map(({ ip }) => ip);
    const local = localAddresses(config.interfaces, (remote) => localAddressTowards(remote, ips));
    this.#rtpproxy = new RtpproxyControl<ControlOrigin>(
      { timeoutMs: config.timeoutMs, local, notifySockets: config.rtpproxyNotify },
      { counters, readTotals: relayTotals, nextRequestId: () => this.#nextRequestId() },
    );
  }

  async open(): Promise<void> {
    const { config, log, isDirect } = this.#parts;
    const directUdp = isDirect ? await openDirectUdp() : undefined;
    const parts = { guard: this.#guard, log, directUdp };
    for (const endpoint of config.listenNg) {
      const handler = { onMessage: (bytes: Uint8Array, from: ControlOrigin) => this.#ngMessage(bytes, from) };
      const listener = await openControlListener({ kind: "udp", endpoint }, { ...parts, handler });
      this.#listeners.push(listener);
      this.ngEndpoints.push(...listener.endpoints);
    }
    for (const spec of config.listenRtpproxy) {
      const handler = {
        onMessage: (bytes: Uint8Array, from: ControlOrigin) => this.#rtpproxyMessage(bytes, from),
      };
      const listener = await openControlListener(spec, { ...parts, handler });
      this.#listeners.push(listener);
      const [endpoint] = listener.endpoints;
      const isChosen = "endpoint" in spec && spec.endpoint.port === 0 && endpoint !== undefined;
      this.rtpproxySpecs.push(isChosen ? { ...spec, endpoint } : spec);
    }
  }

  /** Where control listens over UDP or TCP; media is never sent there. */
  get endpoints(): readonly Endpoint[] {
    return this.#listeners.flatMap((listener) => listener.endpoints);
  }

  isClient(ip: IpAddress): boolean {
    return this.#clients.has(ip);
  }

  reply(request: RequestId, reply: CallReply): void {
    const now = this.#parts.now();
    this.#carryOutNg(this.#ng.handleReply(now, request, reply));
    this.#carryOutRtpproxy(this.#rtpproxy.handleReply(now.monotonicMs, request, reply));
  }

  counts(): ControlCounts {
    return controlCounts(this.#ng.counters(), this.#rtpproxy, this.#guard.refusedCount);
  }

  async close(): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close()));
  }

  #nextRequestId(): RequestId {
    return ++this.#requestCount as RequestId;
  }

  #ngMessage(bytes: Uint8Array, from: ControlOrigin): void {
    if (from.framing !== "datagram") return;
    this.#noteClient(from.endpoint.ip);
    this.#carryOutNg(this.#ng.handleDatagram(this.#parts.now(), from, bytes));
  }

  #carryOutNg(actions: readonly NgAction<DatagramOrigin>[]): void {
    for (const action of actions) {
      if (action.kind === "send") action.to.reply(action.bytes);
      else if (action.kind === "call") this.#parts.request(action.requestId, action.request);
      else this.#parts.log.warn({ event: "control-refused", ...action.fields }, action.message);
    }
  }

  #rtpproxyMessage(bytes: Uint8Array, from: ControlOrigin): void {
    if (from.endpoint !== undefined) this.#noteClient(from.endpoint.ip);
    this.#carryOutRtpproxy(this.#rtpproxy.handleMessage(this.#parts.now().monotonicMs, from, bytes));
  }

  #carryOutRtpproxy(actions: readonly RtpproxyAction<ControlOrigin>[]): void {
    for (const action of actions) {
      if (action.kind === "send") action.to.reply(action.bytes);
      else if (action.kind === "call") this.#parts.request(action.requestId, action.request);
      else if (action.kind === "log")
        this.#parts.log.warn({ event: "control-refused", ...action.fields }, action.message);
      else if (action.to.framing === "line") action.to.close();
    }
  }

  #noteClient(ip: IpAddress): void {
    if (this.#clients.size < controlPeersMax) this.#clients.add(ip);
  }
}
