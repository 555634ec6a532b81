/** One run from one seed: a station, proxies around it, weather, and the checks after each step. */
import { Buffer } from "node:buffer";
import type { CallOptions } from "../../../src/call/options.ts";
import type { Endpoint, IpAddress } from "../../../src/core/address.ts";
import { Chance } from "./chance.ts";
import { Network } from "./network.ts";
import { NgProxy, RtpproxyProxy, RtpproxyStreamProxy } from "./proxies.ts";
import { Station } from "./station.ts";
import { drawWeather, type Weather } from "./weather.ts";
import { World } from "./world.ts";

export interface SimulationParts {
  readonly seed: number;
  readonly weather?: Weather;
  readonly options?: Partial<CallOptions>;
  readonly portMax?: number;
  /** Checks come after every so many steps; with a thousand calls each step would take a while. */
  readonly stepsPerCheck?: number;
}

function endpointOf(index: number): Endpoint {
  return { ip: `192.0.2.${10 + index}` as IpAddress, port: 40_000 + index };
}

export class Simulation {
  readonly world = new World();
  readonly chance: Chance;
  readonly station: Station;
  readonly proxies: readonly (NgProxy | RtpproxyProxy | RtpproxyStreamProxy)[];
  readonly #weather: Weather;
  #garbageCount = 0;

  constructor({ seed, weather, options, portMax, stepsPerCheck = 1 }: SimulationParts) {
    this.chance = new Chance(seed);
    this.#weather = weather ?? drawWeather(this.chance);
    const { world, chance } = this;
    const network = new Network(world, chance, this.#weather);
    const ports = portMax ?? chance.pick([30_007, 30_039, 30_199]);
    const limits = {
      maxSessions: chance.pick([0, 0, 0, 5]),
      finalTimeoutMs: chance.pick([0, 12_000, 120_000]),
      ...options,
    };
    this.station = new Station({ world, chance, weather: this.#weather, options: limits, portMax: ports });
    const parts = (index: number, name: string) => ({
      ...{ world, chance, network, station: this.station },
      ...{ endpoint: endpointOf(index), name },
    });
    this.proxies = [
      new NgProxy(parts(0, "kamailio"), "bencode"),
      new NgProxy(parts(1, "opensips"), "json"),
      new RtpproxyProxy(parts(2, "old")),
      new RtpproxyStreamProxy(parts(3, "older")),
    ];
    let steps = 0;
    world.afterStep = () => {
      if (++steps % stepsPerCheck === 0) this.station.check();
    };
  }

  /** Starts this many calls, spread over a time. */
  startCalls(count: number, durationMs: number): void {
    const { world, chance } = this;
    for (let index = 0; index < count; index++) {
      world.after(chance.between(0, durationMs), () => chance.pick(this.proxies).startCall());
    }
  }

  /** Packets on open ports, garbage on the control ports, and crashes. */
  stir(everyMs: number, durationMs: number): void {
    const { world, chance } = this;
    for (let atMs = 0; atMs < durationMs; atMs += everyMs) {
      world.after(atMs, () => {
        this.station.driver.hearSomething();
        if (chance.happens(0.1)) this.#garbage();
        if (chance.happens(this.#weather.crashShare / 10)) chance.pick(this.proxies).crash();
        if (chance.happens(this.#weather.crashShare / 20)) this.#deleteAll(atMs);
      });
    }
  }

  /** Lets everything come to its end. */
  settle(): void {
    const { world, station } = this;
    world.pass(400_000);
    if (world.planCount > 0) throw new Error("simulation: it does not come to rest");
    station.checkEmpty();
    // What is remembered too long goes with the next request.
    const client = { endpoint: endpointOf(9), deliver: () => undefined };
    for (const take of [station.ngDatagram, station.rtpproxyDatagram]) {
      take.call(station, Buffer.from("last "), client);
    }
  }

  #deleteAll(number: number): void {
    const client = { endpoint: endpointOf(7), isProxy: true, deliver: () => undefined };
    this.station.rtpproxyDatagram(Buffer.from(`x${number} X`), client);
  }

  #garbage(): void {
    const { chance, station } = this;
    // A cookie may come again with other bytes behind it; each is told apart by where it came from.
    const port = (this.#garbageCount++ % 65_535) + 1;
    const client = { endpoint: { ...endpointOf(8), port }, deliver: () => undefined };
    const text = chance.pick(["", "x", "g1 d7:command5:offere", "g2 {", "g3 U", "g4 D x", "\0\0\0\0", " "]);
    const noise = chance.bytes(chance.below(64));
    const bytes = Buffer.concat([Buffer.from(text, "latin1"), noise]);
    if (chance.happens(0.5)) station.ngDatagram(bytes, client);
    else station.rtpproxyDatagram(bytes, client);
  }
}

/** A run as the normal tests have it. */
export function runSeed(seed: number): Simulation {
  const simulation = new Simulation({ seed });
  const { chance } = simulation;
  simulation.startCalls(chance.between(1, 25), 20_000);
  simulation.stir(250, 40_000);
  simulation.world.pass(40_000);
  simulation.settle();
  return simulation;
}
