/** A station that gets hostile messages while a call of a good proxy goes through it. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Endpoint, IpAddress } from "../../../src/core/address.ts";
import { Chance } from "../simulation/chance.ts";
import { type Client, Station } from "../simulation/station.ts";
import { fairWeather } from "../simulation/weather.ts";
import { World } from "../simulation/world.ts";
import { type NgWords, ngMessage, plainBody } from "./messages.ts";

class Listener implements Client {
  readonly endpoint: Endpoint;
  readonly heard: string[] = [];

  constructor(port: number) {
    this.endpoint = { ip: "192.0.2.66" as IpAddress, port };
  }

  deliver(bytes: Uint8Array): void {
    this.heard.push(Buffer.from(bytes).toString("latin1"));
  }
}

export class HostileStation {
  readonly world = new World();
  readonly station: Station;
  readonly #good = new Listener(1);
  readonly #bad = new Listener(2);
  #questions = 0;

  constructor({ checksBodies }: { readonly checksBodies: boolean }) {
    const weather = { ...fairWeather, workerMsMax: 0 };
    const parts = { chance: new Chance(1), weather, checksBodies, portMin: 30_000, portMax: 30_059 };
    this.station = new Station({ world: this.world, ...parts });
  }

  /** The replies to a datagram of the ng protocol; none or one. */
  ng(bytes: Uint8Array): readonly string[] {
    this.station.ngDatagram(bytes, this.#bad);
    return this.#heardByBad();
  }

  rtpproxy(bytes: Uint8Array): readonly string[] {
    this.station.rtpproxyDatagram(bytes, this.#bad);
    return this.#heardByBad();
  }

  line(bytes: Uint8Array): readonly string[] {
    this.station.rtpproxyLine(bytes, 1, this.#bad);
    return this.#heardByBad();
  }

  /** The good proxy's question, answered with `result` ok or pong. */
  good(words: NgWords): void {
    this.station.ngDatagram(ngMessage(`good${++this.#questions}`, words), this.#good);
    assert.match(this.#good.heard.splice(0).join(), /6:result(?:2:ok|4:pong)/);
  }

  goodOffer(): void {
    this.good({ command: "offer", "call-id": "well-behaved", "from-tag": "good", sdp: plainBody });
  }

  goodAnswer(): void {
    this.good({
      command: "answer",
      "call-id": "well-behaved",
      "from-tag": "good",
      "to-tag": "better",
      sdp: plainBody,
    });
    this.good({ command: "ping" });
  }

  /** Everything has its timeout. */
  settle(): void {
    this.station.check();
    this.world.pass(200_000);
    this.station.checkEmpty();
  }

  #heardByBad(): readonly string[] {
    return this.#bad.heard.splice(0);
  }
}
