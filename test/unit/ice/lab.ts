/**
 * Agents against each other over a network in miniature: delay, loss, duplicates, reordering, NATs that filter and
 * change their binding. Everything follows one seed.
 */
import assert from "node:assert/strict";
import { type Endpoint, formatEndpoint, parseEndpoint, sameEndpoint } from "../../../src/core/address.ts";
import type { IceSettings, RemoteCandidate } from "../../../src/core/plan/security.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import { type IceAction, IceAgent } from "../../../src/ice/agent.ts";
import type { IceComponent } from "../../../src/ice/pair.ts";
import { systemDigests } from "../../../src/io/digests.ts";
import { parseStun } from "../../../src/stun/message.ts";
import { Chance } from "../../support/simulation/chance.ts";

export function at(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  assert.ok(endpoint !== undefined, text);
  return endpoint;
}

export function candidate(
  place: string,
  component: IceComponent = 1,
  priority = 2_130_706_431,
): RemoteCandidate {
  return { foundation: "1", component, priority, endpoint: at(place), type: "host" };
}

export interface Weather {
  readonly delayMs?: number;
  readonly jitterMs?: number;
  readonly loss?: number;
  readonly duplicates?: number;
}

interface Flight {
  readonly atMs: number;
  readonly order: number;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: Uint8Array;
}

/** One side: an agent, its sockets and what it said. */
export class Side {
  readonly name: string;
  readonly agent: IceAgent;
  /** Where others see its sockets, by component. */
  sockets: Endpoint[];
  /** Behind a NAT: only who was sent to may answer. */
  isFiltered = false;
  isDead = false;
  readonly permitted = new Set<string>();
  readonly log: string[] = [];
  sentCount = 0;
  settings: IceSettings;
  componentCount: 1 | 2 = 1;

  constructor(name: string, sockets: readonly string[], settings: IceSettings, chance: Chance) {
    this.name = name;
    this.agent = new IceAgent({ random: chance, digests: systemDigests });
    this.sockets = sockets.map(at);
    this.settings = settings;
    this.componentCount = sockets.length === 1 ? 1 : 2;
  }

  /** Where it sends, by component, as it was last told. */
  selected(component: IceComponent = 1): string | undefined {
    return this.log.findLast((line) => line.startsWith(`selected ${component} `))?.split(" ")[2];
  }

  has(line: string): boolean {
    return this.log.includes(line);
  }

  count(kind: string): number {
    return this.log.filter((line) => line.startsWith(kind)).length;
  }
}

export class Lab {
  readonly chance: Chance;
  nowMs = 1_000;
  weather: Weather = { delayMs: 10 };
  readonly sides: Side[] = [];
  /** Sees every packet on its way; false takes it away. */
  filter: (from: Endpoint, to: Endpoint, bytes: Uint8Array) => boolean = () => true;
  #flights: Flight[] = [];
  #order = 0;

  constructor(seed: number) {
    this.chance = new Chance(seed);
  }

  get now(): MonotonicMs {
    return this.nowMs as MonotonicMs;
  }

  add(name: string, sockets: readonly string[], settings: Partial<IceSettings> = {}): Side {
    const whole: IceSettings = {
      localUfrag: `${name}u`,
      localPassword: `${name}-password-0123456789`,
      remote: undefined,
      isLite: false,
      isControlling: false,
      candidates: [],
      restart: 0,
      ...settings,
    };
    const side = new Side(name, sockets, whole, new Chance(this.chance.below(2 ** 32)));
    this.sides.push(side);
    return side;
  }

  configure(side: Side, change: Partial<IceSettings> = {}): void {
    side.settings = { ...side.settings, ...change };
    this.take(side, side.agent.configure(this.now, side.settings, side.componentCount));
  }

  /** Tells `side` the credentials of `peer`, and candidates: all of its sockets unless said otherwise. */
  introduce(side: Side, peer: Side, candidates: readonly RemoteCandidate[] = candidatesOf(peer)): void {
    const { localUfrag: ufrag, localPassword: password, isLite } = peer.settings;
    this.configure(side, { remote: { ufrag, password, isLite }, candidates });
  }

  deliver(side: Side, component: IceComponent, source: Endpoint, bytes: Uint8Array): readonly IceAction[] {
    const actions = side.agent.handlePacket(this.now, component, source, bytes);
    this.take(side, actions);
    return actions;
  }

  runFor(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    let turns = 0;
    for (;;) {
      const next = this.#nextMs();
      if (next === undefined || next > endMs) break;
      assert.ok(next >= this.nowMs - 1e-9, "a deadline in the past");
      turns = next === this.nowMs ? turns + 1 : 0;
      assert.ok(turns < 1_000, "time stands still");
      this.nowMs = Math.max(this.nowMs, next);
      this.#step();
    }
    this.nowMs = endMs;
  }

  take(side: Side, actions: readonly IceAction[]): void {
    for (const action of actions) {
      if (action.kind === "send") this.#send(side, action.component, action.to, action.bytes);
      else side.log.push(lineOf(action));
    }
  }

  #send(side: Side, component: IceComponent, to: Endpoint, bytes: Uint8Array): void {
    side.sentCount++;
    side.permitted.add(formatEndpoint(to));
    const from = side.sockets[component - 1];
    assert.ok(from !== undefined);
    assert.ok(parseStun(bytes)?.hasFingerprint, "what an agent sends is well-formed");
    if (side.isDead || !this.filter(from, to, bytes)) return;
    const { delayMs = 0, jitterMs = 0, loss = 0, duplicates = 0 } = this.weather;
    for (let copy = this.chance.happens(duplicates) ? 2 : 1; copy > 0; copy--) {
      if (this.chance.happens(loss)) continue;
      const atMs = this.nowMs + delayMs + this.chance.upTo(jitterMs);
      this.#flights.push({ atMs, order: this.#order++, from, to, bytes: bytes.slice() });
    }
  }

  #nextMs(): number | undefined {
    const times = this.#flights.map(({ atMs }) => atMs);
    for (const { agent } of this.sides) {
      const deadline = agent.nextDeadlineMs();
      if (deadline !== undefined) times.push(deadline);
    }
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #step(): void {
    this.#flights.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    const first = this.#flights[0];
    if (first !== undefined && first.atMs <= this.nowMs) {
      this.#flights.shift();
      this.#arrive(first);
      return;
    }
    for (const side of this.sides) {
      const deadline = side.agent.nextDeadlineMs();
      if (deadline !== undefined && deadline <= this.nowMs)
        this.take(side, side.agent.handleTimeout(this.now));
    }
  }

  #arrive({ from, to, bytes }: Flight): void {
    for (const side of this.sides) {
      const index = side.sockets.findIndex((socket) => sameEndpoint(socket, to));
      if (index < 0 || side.isDead) continue;
      if (side.isFiltered && !side.permitted.has(formatEndpoint(from))) continue;
      this.deliver(side, index === 0 ? 1 : 2, from, bytes);
      // The ring's memory is used again for the next packet.
      bytes.fill(0xee);
    }
  }
}

export function candidatesOf(side: Side): RemoteCandidate[] {
  return side.sockets.map((socket, index) =>
    candidate(formatEndpoint(socket), index === 0 ? 1 : 2, 2_130_706_431 - index),
  );
}

function lineOf(action: Exclude<IceAction, { kind: "send" }>): string {
  const { kind, component } = action;
  if (kind === "failed") return `failed ${component} ${action.reason}`;
  if (kind === "superseded")
    return `superseded ${component} but ${action.valid.map(formatEndpoint).join(" ")}`;
  if (kind === "selected") return `selected ${component} ${formatEndpoint(action.remote)}`;
  return `${action.isNominated ? "nominated" : "valid"} ${component} ${formatEndpoint(action.source)}`;
}
