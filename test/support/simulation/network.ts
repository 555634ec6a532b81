/** Datagrams between proxies and the station: lost, repeated and overtaken, as the weather has it. */
import { Buffer } from "node:buffer";
import type { Chance } from "./chance.ts";
import type { Weather } from "./weather.ts";
import type { World } from "./world.ts";

export class Network {
  readonly #world: World;
  readonly #chance: Chance;
  readonly #weather: Weather;

  constructor(world: World, chance: Chance, weather: Weather) {
    this.#world = world;
    this.#chance = chance;
    this.#weather = weather;
  }

  /** The bytes may change after this returns. */
  carry(bytes: Uint8Array, arrive: (bytes: Uint8Array) => void): void {
    const { lostShare, repeatedShare, delayMsMax } = this.#weather;
    const copy = Buffer.from(bytes);
    const copies = (this.#chance.happens(lostShare) ? 0 : 1) + (this.#chance.happens(repeatedShare) ? 1 : 0);
    for (let index = 0; index < copies; index++) {
      this.#world.after(this.#chance.upTo(delayMsMax), () => arrive(copy));
    }
  }
}
