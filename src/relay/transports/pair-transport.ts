/**
 * The secure transport of one pair: ICE over both sockets, DTLS on each, or the keys SDES gave.
 *
 * Packets, settings and the time go in; what to send, whose source is proven and which keys serve come out. Under
 * rtcp-mux there is one socket's worth of everything (RFC 5761 section 5.1.3, RFC 8842 section 5.4).
 */
import { type Endpoint, sameEndpoint } from "../../core/address.ts";
import type { Component, PairSettings } from "../../core/plan/plan.ts";
import { noSecurity, type PairSecurity, type SrtpSuite } from "../../core/plan/security.ts";
import type { MonotonicMs } from "../../core/time.ts";
import type { IceAction } from "../../ice/actions.ts";
import { type HandshakeState, SocketHandshake } from "./socket-handshake.ts";
import type { IceFailure } from "./transport-counts.ts";
import type { IcePart, TransportAction, TransportMakers } from "./transport-parts.ts";
import { CheckedSources, isSignalled } from "./vouching.ts";

/** What protects a pair, and how its way is found, for the operator. */
export interface TransportView {
  readonly kind: PairSecurity["kind"];
  /** Of the keys SDES gave for what we send, or else for what we receive; of DTLS see its handshakes. */
  readonly suite: SrtpSuite | undefined;
  readonly ice: IceView | undefined;
  readonly handshakes: Readonly<Partial<Record<Component, HandshakeState>>>;
}

export interface IceView {
  readonly state: "checking" | "selected" | "failed";
  /** Where ICE sends, by socket. */
  readonly selected: Readonly<Partial<Record<Component, Endpoint>>>;
}

interface SocketState {
  readonly component: Component;
  readonly checked: CheckedSources;
  handshake: SocketHandshake | undefined;
  /** By ICE. */
  selected: Endpoint | undefined;
  /** As last read from the settings or from ICE; what the worker found out since is not undone by a repetition. */
  told: Endpoint | undefined;
}

const both: readonly Component[] = ["rtp", "rtcp"];

export class PairTransport {
  readonly #makers: TransportMakers;
  readonly #sockets: readonly SocketState[];
  #settings: PairSettings | undefined;
  #ice: IcePart | undefined;
  #hasIceFailed = false;

  constructor(makers: TransportMakers) {
    this.#makers = makers;
    this.#sockets = both.map((component) => ({
      component,
      checked: new CheckedSources(),
      handshake: undefined,
      selected: undefined,
      told: undefined,
    }));
  }

  configure(nowMs: MonotonicMs, settings: PairSettings): readonly TransportAction[] {
    this.#settings = settings;
    const out: TransportAction[] = [...this.#configureIce(nowMs, settings)];
    for (const socket of this.#sockets) out.push(...this.#configureSocket(nowMs, socket, settings));
    return out;
  }

  handleStun(
    nowMs: MonotonicMs,
    component: Component,
    source: Endpoint,
    bytes: Uint8Array,
  ): readonly TransportAction[] {
    const actions = this.#ice?.handlePacket(nowMs, component === "rtp" ? 1 : 2, source, bytes);
    return actions === undefined ? [] : this.#translate(nowMs, actions);
  }

  handleDtls(
    nowMs: MonotonicMs,
    component: Component,
    source: Endpoint,
    bytes: Uint8Array,
  ): readonly TransportAction[] {
    const socket = this.#socket(component);
    return socket.handshake?.handlePacket(nowMs, source, bytes, this.#isVouched(socket, source)) ?? [];
  }

  /** Where the worker sends now: a client without ICE follows it while its handshake lasts. */
  follow(nowMs: MonotonicMs, component: Component, target: Endpoint): readonly TransportAction[] {
    if (this.#ice !== undefined) return [];
    return this.#socket(component).handshake?.aim(nowMs, target) ?? [];
  }

  /** True while `follow` may make a difference. */
  get isSeeking(): boolean {
    if (this.#ice !== undefined) return false;
    return this.#sockets.some(
      ({ handshake }) => handshake !== undefined && handshake.state.kind !== "connected",
    );
  }

  handleTimeout(nowMs: MonotonicMs): readonly TransportAction[] {
    const out: TransportAction[] = [];
    if (isDue(this.#ice?.nextDeadlineMs(), nowMs)) {
      out.push(...this.#translate(nowMs, this.#ice?.handleTimeout(nowMs) ?? []));
    }
    for (const { handshake } of this.#sockets) {
      if (isDue(handshake?.nextDeadlineMs(), nowMs)) out.push(...(handshake?.handleTimeout(nowMs) ?? []));
    }
    return out;
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    let next = this.#ice?.nextDeadlineMs();
    for (const { handshake } of this.#sockets) {
      const deadline = handshake?.nextDeadlineMs();
      if (deadline !== undefined && (next === undefined || deadline < next)) next = deadline;
    }
    return next;
  }

  close(): void {
    this.#ice = undefined;
    for (const socket of this.#sockets) this.#closeHandshake(socket);
  }

  view(): TransportView {
    const selected: Partial<Record<Component, Endpoint>> = {};
    const handshakes: Partial<Record<Component, HandshakeState>> = {};
    for (const { component, selected: remote, handshake } of this.#sockets) {
      if (remote !== undefined) selected[component] = remote;
      if (handshake !== undefined) handshakes[component] = handshake.state;
    }
    const { rtp } = selected;
    const state = this.#hasIceFailed ? "failed" : rtp === undefined ? "checking" : "selected";
    const security = this.#settings?.security ?? noSecurity;
    const keys = security.kind === "sdes" ? (security.send ?? security.receive[0]) : undefined;
    const ice = this.#ice === undefined ? undefined : ({ state, selected } as const);
    return { kind: security.kind, suite: keys?.suite, ice, handshakes };
  }

  #configureIce(nowMs: MonotonicMs, { ice, rtcpMux }: PairSettings): readonly TransportAction[] {
    if (ice === undefined) {
      this.#ice = undefined;
      this.#hasIceFailed = false;
      for (const socket of this.#sockets) {
        socket.checked.clear();
        socket.selected = undefined;
      }
      return [];
    }
    this.#ice ??= this.#makers.ice();
    if (rtcpMux) this.#socket("rtcp").selected = undefined;
    return this.#translate(nowMs, this.#ice.configure(nowMs, ice, rtcpMux ? 1 : 2));
  }

  #configureSocket(
    nowMs: MonotonicMs,
    socket: SocketState,
    settings: PairSettings,
  ): readonly TransportAction[] {
    const { security, rtcpMux } = settings;
    const { component } = socket;
    const isInUse = component === "rtp" || !rtcpMux;
    if (security.kind === "sdes") {
      this.#closeHandshake(socket);
      const { receive, send } = security;
      // Either socket's keys stand for both.
      return component === "rtp" ? [{ kind: "keys", component, receive, send, provenBy: undefined }] : [];
    }
    if (security.kind !== "dtls" || !isInUse) {
      this.#closeHandshake(socket);
      return [];
    }
    socket.handshake ??= new SocketHandshake(component, this.#makers);
    const isVouched = (source: Endpoint): boolean => this.#isVouched(socket, source);
    const out = [...socket.handshake.configure(nowMs, security, isVouched)];
    const target = this.#targetOf(socket, settings);
    const isNews = socket.told === undefined || target === undefined || !sameEndpoint(socket.told, target);
    if (target !== undefined && (isNews || socket.handshake.state.kind === "failed")) {
      socket.told = target;
      out.push(...socket.handshake.aim(nowMs, target));
    }
    return out;
  }

  #closeHandshake(socket: SocketState): void {
    socket.handshake?.close();
    socket.handshake = undefined;
    socket.told = undefined;
  }

  #targetOf(socket: SocketState, settings: PairSettings): Endpoint | undefined {
    if (settings.ice !== undefined) return socket.selected;
    return socket.component === "rtp" ? settings.rtpTarget : settings.rtcpTarget;
  }

  #isVouched({ component, checked }: SocketState, source: Endpoint): boolean {
    return checked.has(source) || isSignalled(this.#settings?.hints ?? [], component, source);
  }

  #translate(nowMs: MonotonicMs, actions: readonly IceAction[]): readonly TransportAction[] {
    return actions.flatMap((action) => this.#translated(nowMs, action));
  }

  #translated(nowMs: MonotonicMs, action: IceAction): readonly TransportAction[] {
    const component = action.component === 1 ? "rtp" : "rtcp";
    if (action.kind === "failed") return this.#failed(component, action.reason);
    const socket = this.#socket(component);
    if (action.kind === "send") return [{ ...action, component }];
    if (action.kind === "superseded") return this.#superseded(socket, action.valid);
    if (action.kind === "valid") {
      const { source } = action;
      socket.checked.add(source);
      // Several pairs may be nominated; which one is sent to is told by `selected` alone.
      return [{ kind: "prove", component, source, isNominated: false }];
    }
    const { remote } = action;
    socket.selected = remote;
    if (component === "rtp") this.#hasIceFailed = false;
    return [
      { kind: "prove", component, source: remote, isNominated: true },
      { kind: "tell", event: { kind: "ice-selected", component, remote } },
      ...(socket.handshake?.aim(nowMs, remote) ?? []),
    ];
  }

  #superseded({ component, checked }: SocketState, valid: readonly Endpoint[]): readonly TransportAction[] {
    checked.clear();
    for (const source of valid) checked.add(source);
    return [
      { kind: "supersede", component },
      ...valid.map((source) => ({ kind: "prove", component, source, isNominated: false }) as const),
    ];
  }

  /** RTP without RTCP is a call: what becomes of the second socket alone is not told. */
  #failed(component: Component, reason: IceFailure): readonly TransportAction[] {
    const out: TransportAction[] = [];
    if (reason === "consent-lost") {
      this.#socket(component).selected = undefined;
      out.push({ kind: "revoke", component });
    }
    if (component === "rtp") {
      this.#hasIceFailed = true;
      out.push({ kind: "tell", event: { kind: "ice-failed", reason } });
    }
    return out;
  }

  #socket(component: Component): SocketState {
    const [rtp, rtcp] = this.#sockets;
    const socket = component === "rtp" ? rtp : rtcp;
    if (socket === undefined) throw new Error("transport: a pair has two sockets");
    return socket;
  }
}

function isDue(deadlineMs: MonotonicMs | undefined, nowMs: MonotonicMs): boolean {
  return deadlineMs !== undefined && deadlineMs <= nowMs;
}
