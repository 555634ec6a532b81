/**
 * The whole control and call side with the real relay over a fake driver, and everything that must hold of it.
 *
 * The order of work is the daemon's: relay events wait until all actions of the input before them are carried out.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { deserialize, serialize } from "node:v8";
import type { CallAction } from "../../../src/call/actions.ts";
import type { CallsSnapshot } from "../../../src/call/call-store.ts";
import { Calls } from "../../../src/call/calls.ts";
import type { CallOptions } from "../../../src/call/options.ts";
import type { CallReply, CallRequest, RequestId } from "../../../src/call/requests.ts";
import { type NgAction, NgControl } from "../../../src/control/ng/server.ts";
import { localAddresses } from "../../../src/control/rtpproxy/modifiers.ts";
import {
  type MessageOrigin,
  type RtpproxyAction,
  RtpproxyControl,
} from "../../../src/control/rtpproxy/server.ts";
import { type Endpoint, formatEndpoint } from "../../../src/core/address.ts";
import {
  legsPerCallMax,
  replyCacheEntriesMax,
  replyCacheSizeBytesMax,
  requestsWaitingPerCallMax,
} from "../../../src/core/limits.ts";
import type { RelayEvent } from "../../../src/core/plan/plan.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import { IceAgent } from "../../../src/ice/agent.ts";
import { systemDigests } from "../../../src/io/digests.ts";
import { Relay } from "../../../src/relay/relay.ts";
import type { TransportMakers } from "../../../src/relay/transports/transport-parts.ts";
import { Chance } from "./chance.ts";
import { FakeDriver } from "./fake-driver.ts";
import { Ledger } from "./ledger.ts";
import { relayInterfaces, stationOptions } from "./station-options.ts";
import { relayTotals, serverStatistics } from "./statistics.ts";
import { assertToldPorts } from "./told-ports.ts";
import { TwinCalls } from "./twin-calls.ts";
import type { Weather } from "./weather.ts";
import type { World } from "./world.ts";

/** How a reply gets back to whoever asked. */
export interface Client {
  readonly endpoint: Endpoint;
  /** What it asks is in order, so every question must have a reply. */
  readonly isProxy?: boolean;
  deliver(bytes: Uint8Array): void;
  /** Streams alone: the server hung up. */
  close?(): void;
}

type NgSource = { readonly endpoint: Endpoint; readonly client: Client };
type RtpproxyOrigin = MessageOrigin & { readonly client: Client };

export interface StationParts {
  readonly world: World;
  readonly chance: Chance;
  readonly weather: Weather;
  readonly options?: Partial<CallOptions>;
  /** False where requests may put other addresses than ours into bodies (`media-address`). */
  readonly checksBodies?: boolean;
  readonly portMin?: number;
  readonly portMax?: number;
}

/** Turns of `handleTimeout` at one moment, before it counts as a loop. */
const turnsAtOnceMax = 10_000;
const slotsMax = 16_384;

export class Station {
  readonly ledger = new Ledger();
  readonly driver: FakeDriver;
  readonly relay: Relay;
  readonly ng: NgControl<NgSource>;
  readonly rtpproxy: RtpproxyControl<RtpproxyOrigin>;
  /** Questions of proxies, by source and cookie. */
  readonly asked = new Set<string>();
  /** Replies by source and cookie: the same question has the same answer. */
  readonly replies = new Map<string, string>();
  readonly reasons = new Map<string, number>();
  endedCount = 0;
  callsMax = 0;
  readonly #parts: StationParts;
  readonly #options: CallOptions;
  readonly #chance: Chance;
  /** The calls' own, so that a twin can draw the same. */
  readonly #callChance: Chance;
  #calls: Calls | TwinCalls;
  readonly #inWork = new Set<RequestId>();
  readonly #actions: CallAction[] = [];
  readonly #events: RelayEvent[] = [];
  #isDraining = false;
  #requestCount = 0;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #relayTimerAtMs = Number.POSITIVE_INFINITY;
  #turns = { atMs: 0, count: 0 };

  constructor(parts: StationParts) {
    this.#parts = parts;
    this.#chance = parts.chance.clone();
    this.#options = { ...stationOptions, ...parts.options };
    const { world, weather, portMin = 30_000, portMax = 30_199 } = parts;
    const capacitySlots = Math.min(slotsMax, relayInterfaces.length * (portMax - portMin + 1));
    this.driver = new FakeDriver(world, this.#chance, weather, capacitySlots);
    this.relay = new Relay({
      driver: this.driver,
      interfaces: relayInterfaces,
      portMin,
      portMax,
      tos: 0,
      random: this.#chance,
      clock: world.clock,
      makers: transportMakers(this.#chance.clone()),
      onEvent: (event) => this.#relayEvent(event),
      onDeadline: () => this.#scheduleRelay(),
      onFault: (message) => assert.fail(message),
    });
    this.#callChance = new Chance(this.#chance.below(2 ** 32));
    this.#calls = this.#makeCalls(this.#callChance);
    const counters = this.relay;
    const nextRequestId = (): RequestId => ++this.#requestCount as RequestId;
    this.ng = new NgControl<NgSource>({
      counters,
      nextRequestId,
      serverStatistics: () => serverStatistics(this.#calls.callCount),
    });
    this.rtpproxy = new RtpproxyControl<RtpproxyOrigin>(
      {
        timeoutMs: this.#options.timeoutMs,
        local: localAddresses(relayInterfaces, () => relayInterfaces[0]?.ip),
        notifySockets: ["unix:/run/notify"],
      },
      { counters, readTotals: () => relayTotals, nextRequestId },
    );
  }

  get callCount(): number {
    return this.#calls.callCount;
  }

  get requestsInWork(): number {
    return this.#inWork.size;
  }

  snapshot(): CallsSnapshot {
    return this.#calls.snapshot();
  }

  ngDatagram(bytes: Uint8Array, client: Client): void {
    this.#noteAsked("ng", bytes, client);
    const { clock } = this.#parts.world;
    const now = { monotonicMs: clock.monotonicMs(), unixMs: clock.unixMs() };
    const source = { endpoint: client.endpoint, client };
    this.#carryOutNg(this.ng.handleDatagram(now, source, bytes));
  }

  rtpproxyDatagram(bytes: Uint8Array, client: Client): void {
    this.#noteAsked("rtpproxy", bytes, client);
    const origin = { framing: "datagram", endpoint: client.endpoint, client } as const;
    this.#carryOutRtpproxy(this.rtpproxy.handleMessage(this.#parts.world.nowMs, origin, bytes));
  }

  rtpproxyLine(bytes: Uint8Array, connection: number, client: Client): void {
    const origin = { framing: "line", connection, endpoint: client.endpoint, client } as const;
    this.#carryOutRtpproxy(this.rtpproxy.handleMessage(this.#parts.world.nowMs, origin, bytes));
  }

  endAll(): void {
    this.#take(this.#calls.endAll(this.#parts.world.nowMs));
  }

  /** The calls as bytes and back: equal, and from now on a second model lives beside the first and must do the same. */
  bringUpTwin(): TwinCalls {
    assert.ok(this.#calls instanceof Calls, "one twin is enough");
    const snapshot = this.roundTrip();
    // The twin draws what the first will draw; a new model's first draw is a mark that the snapshot's replaces.
    const chances = this.#callChance.clone();
    let isFirst = true;
    const twin = this.#makeCalls({
      below: (limit) => chances.below(limit),
      bytes: (sizeBytes) => {
        if (!isFirst) return chances.bytes(sizeBytes);
        isFirst = false;
        return new Uint8Array(sizeBytes);
      },
    });
    twin.restore(snapshot);
    const twins = new TwinCalls(this.#calls, twin);
    twins.assertEqual();
    this.#calls = twins;
    return twins;
  }

  roundTrip(): CallsSnapshot {
    const before = this.#calls.snapshot();
    const after = deserialize(serialize(before)) as CallsSnapshot;
    assert.deepEqual(after, before);
    return after;
  }

  /** What must hold between any two steps. */
  check(): void {
    assert.ok(!this.#isDraining);
    const snapshot = this.#calls.snapshot();
    this.callsMax = Math.max(this.callsMax, snapshot.calls.length);
    this.ledger.check(snapshot);
    for (const call of snapshot.calls) {
      assert.ok(call.legs.length <= legsPerCallMax, "legs are bounded");
      assert.ok(call.waiting.length <= requestsWaitingPerCallMax, "waiting requests are bounded");
      assert.ok(call.work !== undefined || call.waiting.length === 0, "nobody waits for nothing");
    }
    this.#checkPorts();
    const { requestsInWork, cachedReplies, cachedReplyBytes } = this.ng.counters();
    assert.equal(requestsInWork + this.rtpproxy.waitingCount, this.#inWork.size);
    assert.ok(cachedReplies <= replyCacheEntriesMax && cachedReplyBytes <= replyCacheSizeBytesMax);
    const { maxSessions } = this.#options;
    if (maxSessions > 0) assert.ok(snapshot.calls.length <= maxSessions, "calls are limited");
    const deadline = this.#calls.nextDeadlineMs();
    if (deadline !== undefined)
      assert.ok(this.#timerAtMs <= deadline, "the timer is set for the next deadline");
  }

  /** What must hold once everything is over. */
  checkEmpty(): void {
    this.check();
    assert.equal(this.#calls.callCount, 0, "no call is left");
    assert.equal(this.ledger.size, 0, "no pair is left");
    assert.equal(this.driver.boundCount, 0, "no socket is left");
    assert.equal(this.driver.openSlots, 0, "no slot is left");
    assert.equal(this.ledger.openedCount, this.ledger.closedCount, "every pair that opened was closed");
    assert.equal(this.#inWork.size, 0, "every request had its reply");
    for (const key of this.asked) assert.ok(this.replies.has(key), `${key} was answered`);
    assert.equal(this.#calls.nextDeadlineMs(), undefined);
    assert.equal(this.relay.nextDeadlineMs(), undefined, "no agent is left");
    for (const one of this.relay.stats().interfaces) assert.equal(one.used, 0, `ports of ${one.name}`);
    for (const one of this.relay.stats().workers) {
      assert.equal(one.usedPairs, 0);
      assert.equal(one.waitingCommands, 0);
    }
  }

  #noteAsked(protocol: string, bytes: Uint8Array, client: Client): void {
    if (client.isProxy === true)
      this.asked.add(keyOf(protocol, client, Buffer.from(bytes).toString("latin1")));
  }

  #checkPorts(): void {
    let used = 0;
    for (const one of this.relay.stats().interfaces) {
      used += one.used;
      assert.ok(one.used >= this.ledger.usedPairs(one.ip), "ports in use are out of the pool");
    }
    assert.equal(used, this.ledger.usedPairs(undefined), "ports in use are those of pairs");
  }

  #makeCalls(random: ConstructorParameters<typeof Calls>[0]["random"]): Calls {
    return new Calls({
      options: this.#options,
      random,
      counters: this.relay,
      isSignallingProxy: (address) => address.startsWith("192.0.2.9"),
    });
  }

  #carryOutNg(actions: readonly NgAction<NgSource>[]): void {
    for (const action of actions) {
      if (action.kind === "send") this.#send("ng", action.to.client, action.bytes);
      else if (action.kind === "call") this.#request(action.requestId, action.request);
    }
  }

  #carryOutRtpproxy(actions: readonly RtpproxyAction<RtpproxyOrigin>[]): void {
    for (const action of actions) {
      if (action.kind === "send") {
        if (action.to.framing === "datagram") this.#send("rtpproxy", action.to.client, action.bytes);
        else action.to.client.deliver(action.bytes);
      } else if (action.kind === "close") action.to.client.close?.();
      else if (action.kind === "call") this.#request(action.requestId, action.request);
    }
  }

  #send(protocol: string, client: Client, bytes: Uint8Array): void {
    const text = Buffer.from(bytes).toString("latin1");
    const key = keyOf(protocol, client, text);
    const before = this.replies.get(key);
    if (before === undefined) {
      this.replies.set(key, text);
      this.#parts.world.note(`${key} <- ${text.slice(text.indexOf(" ") + 1)}`);
    } else assert.equal(text, before, "a repeated request has the reply it had");
    client.deliver(bytes);
  }

  #request(id: RequestId, request: CallRequest): void {
    this.#inWork.add(id);
    const { clock } = this.#parts.world;
    const now = { monotonicMs: clock.monotonicMs(), unixMs: clock.unixMs() };
    this.#take(this.#calls.handleRequest(now, id, request));
  }

  #relayEvent(event: RelayEvent): void {
    this.ledger.event(event);
    this.#events.push(event);
    this.#drain();
  }

  #take(actions: readonly CallAction[]): void {
    this.#actions.push(...actions);
    this.#drain();
  }

  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    for (;;) {
      for (const action of this.#actions.splice(0)) this.#carryOut(action);
      const event = this.#events.shift();
      if (event === undefined) break;
      this.#actions.push(...this.#calls.handleRelayEvent(this.#parts.world.nowMs, event));
    }
    this.#isDraining = false;
    this.#schedule();
  }

  #carryOut(action: CallAction): void {
    if (action.kind === "relay") {
      this.ledger.perform(action.action);
      this.relay.perform(action.action);
    } else if (action.kind === "reply") {
      this.#reply(action.request, action.reply);
    } else if (action.kind === "ended") {
      this.endedCount++;
      this.#count(action.call.reason);
      for (const leg of action.call.report.legs) {
        for (const { pair } of leg.media) {
          if (pair !== undefined)
            assert.ok(this.relay.read(pair) !== undefined, "counters can still be read");
        }
      }
    }
  }

  #reply(id: RequestId, reply: CallReply): void {
    assert.ok(this.#inWork.delete(id), `request ${id} has one reply`);
    this.#count(reply.kind === "refused" ? reply.reason : reply.kind);
    if (reply.kind === "sdp" && this.#parts.checksBodies !== false) assertToldPorts(reply.sdp, this.ledger);
    if (reply.kind === "endpoint") this.ledger.assertOpen(reply.endpoint.ip, reply.endpoint.port);
    const { clock } = this.#parts.world;
    const now = { monotonicMs: clock.monotonicMs(), unixMs: clock.unixMs() };
    this.#carryOutNg(this.ng.handleReply(now, id, reply));
    this.#carryOutRtpproxy(this.rtpproxy.handleReply(now.monotonicMs, id, reply));
  }

  #count(word: string): void {
    this.reasons.set(word, (this.reasons.get(word) ?? 0) + 1);
  }

  #schedule(): void {
    const deadline = this.#calls.nextDeadlineMs();
    if (deadline === undefined || deadline >= this.#timerAtMs) return;
    this.#timerAtMs = deadline;
    const { world } = this.#parts;
    world.after(deadline - world.nowMs, () => this.#timeout(deadline));
  }

  #scheduleRelay(): void {
    const deadline = this.relay.nextDeadlineMs();
    if (deadline === undefined || deadline >= this.#relayTimerAtMs) return;
    this.#relayTimerAtMs = deadline;
    const { world } = this.#parts;
    world.after(deadline - world.nowMs, () => {
      if (deadline !== this.#relayTimerAtMs) return;
      this.#relayTimerAtMs = Number.POSITIVE_INFINITY;
      this.relay.handleTimeout(world.nowMs);
    });
  }

  #timeout(atMs: MonotonicMs): void {
    if (atMs !== this.#timerAtMs) return;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const { nowMs } = this.#parts.world;
    this.#turns =
      this.#turns.atMs === nowMs ? { atMs: nowMs, count: this.#turns.count + 1 } : { atMs: nowMs, count: 0 };
    assert.ok(this.#turns.count < turnsAtOnceMax, "time goes on");
    this.#take(this.#calls.handleTimeout(nowMs));
  }
}

/** Real agents, and no DTLS. */
function transportMakers(random: Chance): TransportMakers {
  return { ice: () => new IceAgent({ random, digests: systemDigests }), dtls: () => undefined };
}

/** Of a datagram and its reply: protocol, source, cookie. */
function keyOf(protocol: string, client: Client, text: string): string {
  return `${protocol} ${formatEndpoint(client.endpoint)} ${text.slice(0, text.indexOf(" "))}`;
}
