/** A call model with a fake relay behind it: ports come at once or by hand, and every pair is accounted for. */

import assert from "node:assert/strict";
import type { CallAction } from "../../../src/call/actions.ts";
import { Calls } from "../../../src/call/calls.ts";
import type { CallOptions, InterfaceOption } from "../../../src/call/options.ts";
import type { EndedCall } from "../../../src/call/report.ts";
import type {
  AnswerRequest,
  CallReply,
  CallRequest,
  MediaOptions,
  OfferRequest,
  RequestId,
  StreamOptions,
} from "../../../src/call/requests.ts";
import { newMediaDraft } from "../../../src/control/ng/request.ts";
import { type IpAddress, type IpFamily, parseIp } from "../../../src/core/address.ts";
import { parseCidr } from "../../../src/core/address-class.ts";
import type { CounterReader } from "../../../src/core/plan/counters.ts";
import type { OpenFailure, OpenPair, PairId, PairSettings } from "../../../src/core/plan/plan.ts";
import type { Random } from "../../../src/core/random.ts";
import type { MonotonicMs, UnixMs } from "../../../src/core/time.ts";

export function ip(text: string): IpAddress {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return parsed;
}

export const defaultInterfaces: readonly InterfaceOption[] = [
  { name: "default", family: 4, localIp: ip("198.51.100.1"), advertisedIp: ip("198.51.100.1") },
  { name: "default", family: 6, localIp: ip("2001:db8::1"), advertisedIp: ip("2001:db8::1") },
  { name: "inside", family: 4, localIp: ip("10.0.0.1"), advertisedIp: ip("10.0.0.1") },
];

function onLink(text: string) {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new Error(`not a network: ${text}`);
  return cidr;
}

export const defaultOptions: CallOptions = {
  timeoutMs: 60_000,
  silentTimeoutMs: 3_600_000,
  offerTimeoutMs: 3_600_000,
  finalTimeoutMs: 0,
  deleteDelayMs: 30_000,
  maxSessions: 0,
  isStrict: false,
  interfaces: defaultInterfaces,
  onLink: [onLink("10.0.0.0/24")],
};

export const plainOptions: MediaOptions = newMediaDraft();

export const plainStream: StreamOptions = {
  isAsymmetric: false,
  isSymmetric: false,
  bridge: undefined,
  family: 4,
  localIp: undefined,
  wantsNewPort: false,
  isWeak: false,
};

export interface SdpShape {
  readonly ip?: string;
  readonly port?: number;
  readonly version?: number;
  /** Lines below the first m= line. */
  readonly extra?: readonly string[];
  /** All m-lines, in place of the one audio line. */
  readonly media?: readonly string[];
}

export function sdp(shape: SdpShape = {}): string {
  const address = shape.ip ?? "203.0.113.5";
  const family = address.includes(":") ? "IP6" : "IP4";
  const media = shape.media ?? [
    `m=audio ${shape.port ?? 4000} RTP/AVP 0 8 101`,
    "a=rtpmap:101 telephone-event/8000",
  ];
  const lines = [
    "v=0",
    `o=- 1545997027 ${shape.version ?? 1} IN ${family} ${address}`,
    "s=-",
    `c=IN ${family} ${address}`,
    "t=0 0",
    ...media,
    ...(shape.extra ?? []),
  ];
  return `${lines.join("\r\n")}\r\n`;
}

/** A small linear congruential generator: the same runs every time. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
  return {
    bytes: (sizeBytes) => Uint8Array.from({ length: sizeBytes }, () => next() >>> 24),
    below: (limit) => Math.floor((next() / 2 ** 32) * limit),
  };
}

/** Opens pairs and keeps the books: a pair is opened once and closed once, and never configured in between wrongly. */
export class FakeRelay {
  readonly open = new Map<PairId, OpenPair & { readonly port: number }>();
  readonly settings = new Map<PairId, PairSettings>();
  readonly pending: OpenPair[] = [];
  readonly closed: PairId[] = [];
  failure: OpenFailure | undefined;
  #port = 30_000;
  readonly #interfaces: readonly InterfaceOption[];
  readonly #seen = new Set<PairId>();

  constructor(interfaces: readonly InterfaceOption[]) {
    this.#interfaces = interfaces;
  }

  request(action: OpenPair): void {
    assert.ok(!this.#seen.has(action.pair), "a pair id is never used twice");
    this.#seen.add(action.pair);
    this.pending.push(action);
  }

  close(pair: PairId): void {
    assert.ok(this.open.delete(pair), `pair ${pair} is closed exactly once, after it was opened`);
    this.settings.delete(pair);
    this.closed.push(pair);
  }

  configure(pair: PairId, settings: PairSettings): void {
    assert.ok(this.open.has(pair), `pair ${pair} is configured while it is open`);
    this.settings.set(pair, settings);
  }

  /** Answers one pending opening. */
  settle(action: OpenPair): Parameters<Calls["handleRelayEvent"]>[1] {
    if (this.failure !== undefined) return { kind: "open-failed", pair: action.pair, reason: this.failure };
    const found =
      this.#interfaces.find((one) => one.name === action.interfaceName && one.family === action.family) ??
      this.#interfaces.find((one) => one.family === action.family);
    if (found === undefined) return { kind: "open-failed", pair: action.pair, reason: "no-interface" };
    const port = this.#port;
    this.#port += 2;
    this.open.set(action.pair, { ...action, port });
    const rtp = { ip: found.localIp, port };
    return {
      kind: "opened",
      pair: action.pair,
      local: { rtp, advertisedIp: found.advertisedIp, interfaceName: found.name },
    };
  }
}

export interface LabParts {
  readonly options?: Partial<CallOptions>;
  readonly proxies?: readonly string[];
  /** Openings wait for `settle`. */
  readonly isManual?: boolean;
  readonly seed?: number;
}

export class Lab {
  readonly calls: Calls;
  readonly relay: FakeRelay;
  readonly replies = new Map<RequestId, CallReply>();
  readonly ended: EndedCall[] = [];
  readonly warnings: string[] = [];
  readonly lastPacketAt = new Map<PairId, MonotonicMs>();
  nowMs = 1_000 as MonotonicMs;
  readonly #isManual: boolean;
  #nextId = 1;

  constructor(parts: LabParts = {}) {
    const options = { ...defaultOptions, ...parts.options };
    this.relay = new FakeRelay(options.interfaces);
    this.#isManual = parts.isManual ?? false;
    const proxies = new Set((parts.proxies ?? []).map(ip));
    const counters: CounterReader = {
      read: () => undefined,
      lastPacketAt: (pair) => this.lastPacketAt.get(pair),
    };
    this.calls = new Calls({
      options,
      random: seededRandom(parts.seed ?? 1),
      counters,
      isSignallingProxy: (address) => proxies.has(address),
    });
  }

  /** Sends a request; the id tells its reply. */
  send(request: CallRequest): RequestId {
    const id = this.#nextId++ as RequestId;
    this.take(
      this.calls.handleRequest(
        { monotonicMs: this.nowMs, unixMs: (this.nowMs + 1e12) as UnixMs },
        id,
        request,
      ),
    );
    if (!this.#isManual) this.settle();
    return id;
  }

  ask(request: CallRequest): CallReply {
    const reply = this.replies.get(this.send(request));
    assert.ok(reply !== undefined, "the request has its reply");
    return reply;
  }

  /** Opens or refuses everything that waits. */
  settle(): void {
    for (;;) {
      const action = this.relay.pending.shift();
      if (action === undefined) return;
      this.take(this.calls.handleRelayEvent(this.nowMs, this.relay.settle(action)));
    }
  }

  settleOne(index = 0): void {
    const [action] = this.relay.pending.splice(index, 1);
    if (action !== undefined) this.take(this.calls.handleRelayEvent(this.nowMs, this.relay.settle(action)));
  }

  /** Lets time pass, deadline by deadline. */
  advance(durationMs: number): void {
    const end = this.nowMs + durationMs;
    for (;;) {
      const next = this.calls.nextDeadlineMs();
      if (next === undefined || next > end) break;
      this.nowMs = Math.max(this.nowMs, next) as MonotonicMs;
      this.take(this.calls.handleTimeout(this.nowMs));
    }
    this.nowMs = end as MonotonicMs;
  }

  take(actions: readonly CallAction[]): void {
    for (const action of actions) {
      if (action.kind === "reply") {
        assert.ok(!this.replies.has(action.request), "a request has one reply");
        this.replies.set(action.request, action.reply);
      } else if (action.kind === "ended") {
        this.ended.push(action.call);
      } else if (action.kind === "warning") {
        this.warnings.push(action.message);
      } else if (action.action.kind === "open") {
        this.relay.request(action.action);
      } else if (action.action.kind === "close") {
        this.relay.close(action.action.pair);
      } else {
        this.relay.configure(action.action.pair, action.action.settings);
      }
    }
  }

  /** The body of an offer's or answer's reply. */
  body(request: OfferRequest | AnswerRequest): string {
    const reply = this.ask(request);
    assert.equal(reply.kind, "sdp", `refused: ${"reason" in reply ? reply.reason : ""}`);
    return reply.kind === "sdp" ? reply.sdp : "";
  }

  /** Settings of the pair on this port. */
  settingsOf(port: number): PairSettings {
    const found = [...this.relay.open.values()].find((pair) => pair.port === port);
    const settings = found === undefined ? undefined : this.relay.settings.get(found.pair);
    assert.ok(settings !== undefined, `port ${port} is open and configured`);
    return settings;
  }

  pairOf(port: number): PairId {
    const found = [...this.relay.open.values()].find((pair) => pair.port === port);
    assert.ok(found !== undefined, `port ${port} is open`);
    return found.pair;
  }

  heard(port: number): void {
    this.lastPacketAt.set(this.pairOf(port), this.nowMs);
  }
}

export interface OfferShape {
  readonly callId?: string;
  readonly from?: string;
  readonly to?: string;
  readonly branch?: string;
  readonly sdp?: string;
  readonly options?: Partial<MediaOptions>;
}

export function offer(shape: OfferShape = {}): OfferRequest {
  return {
    kind: "offer",
    callId: shape.callId ?? "call-1",
    fromTag: shape.from ?? "alice",
    toTag: shape.to,
    viaBranch: shape.branch,
    sdp: shape.sdp ?? sdp(),
    options: { ...plainOptions, ...shape.options },
  };
}

export function answer(shape: OfferShape = {}): AnswerRequest {
  return {
    kind: "answer",
    callId: shape.callId ?? "call-1",
    fromTag: shape.from ?? "alice",
    toTag: shape.to ?? "bob",
    viaBranch: shape.branch,
    sdp: shape.sdp ?? sdp({ ip: "203.0.113.6", port: 5000 }),
    options: { ...plainOptions, ...shape.options },
  };
}

/** Ports of the m-lines of a body. */
export function portsIn(body: string): readonly number[] {
  return [...body.matchAll(/^m=\S+ (\d+)/gm)].map((match) => Number(match[1]));
}

export function portIn(body: string): number {
  return portsIn(body)[0] ?? -1;
}

export function familyIn(body: string): IpFamily {
  return /^c=IN IP6/m.test(body) ? 6 : 4;
}
