/**
 * Made-up histories: two agents with any roles, any order of signalling, NATs, bad weather, moves and restarts. When it
 * is calm again both have to send to where the other one is.
 */
import assert from "node:assert/strict";
import { formatEndpoint } from "../../../src/core/address.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { at, candidate, candidatesOf, Lab, type Side } from "./lab.ts";

class History {
  readonly lab: Lab;
  readonly a: Side;
  readonly b: Side;
  readonly #told: string[] = [];
  #restart = 0;
  #place = 0;

  constructor(seed: number) {
    this.lab = new Lab(seed);
    const { chance } = this.lab;
    const componentCount = chance.pick([1, 2]);
    const lite = chance.below(4);
    const isControlling = chance.happens(0.5);
    this.a = this.lab.add("a", this.#freshPlaces(componentCount), { isControlling, isLite: lite === 0 });
    this.b = this.lab.add("b", this.#freshPlaces(componentCount), {
      // One in five begins with a conflict.
      isControlling: chance.happens(0.2) ? isControlling : !isControlling,
      isLite: lite === 1,
    });
    for (const side of [this.a, this.b]) side.isFiltered = !side.settings.isLite && chance.happens(0.3);
    if (this.a.isFiltered && this.b.isFiltered) this.a.isFiltered = false;
  }

  run(): void {
    const { lab } = this;
    const { chance } = lab;
    this.#storm();
    this.#signal();
    lab.runFor(chance.between(0, 9_000));
    for (let event = chance.below(4); event > 0; event--) {
      chance.pick([
        () => this.#restartBoth(),
        () => this.#move(),
        () => this.#storm(),
        () => this.#repeat(),
      ])();
      lab.runFor(chance.between(0, 25_000));
    }
    lab.weather = { delayMs: 30 };
    lab.runFor(45_000);
  }

  check(name: string): void {
    const story = `${name}: ${this.#told.join("; ")}\n a ${this.a.log.join(", ")}\n b ${this.b.log.join(", ")}`;
    for (const [side, peer] of [
      [this.a, this.b],
      [this.b, this.a],
    ] as const) {
      for (const [index, socket] of peer.sockets.entries()) {
        assert.equal(side.selected(index === 0 ? 1 : 2), formatEndpoint(socket), story);
      }
      assert.notEqual(
        side.log.findLast((line) => /^(failed|selected) 1/.test(line))?.split(" ")[0],
        "failed",
        story,
      );
      // Each source once, and once more nominated, in each of the sessions.
      for (const line of new Set(side.log.filter((each) => /^(valid|nominated)/.test(each)))) {
        assert.ok(side.count(line) <= this.#restart + 1, `${line} ${story}`);
      }
    }
  }

  #storm(): void {
    const { chance } = this.lab;
    this.lab.weather = {
      delayMs: chance.between(1, 150),
      jitterMs: chance.pick([0, 10, 200]),
      loss: chance.pick([0, 0.05, 0.2]),
      duplicates: chance.pick([0, 0.1]),
    };
    this.#told.push(`weather ${JSON.stringify(this.lab.weather)}`);
  }

  /** Offer and answer, with the first checks between them; some candidates only trickle, or stay hidden. */
  #signal(): void {
    const { lab, a, b } = this;
    const { chance } = lab;
    lab.configure(a);
    const hides = chance.happens(0.3) && !a.isFiltered && !b.settings.isLite;
    lab.introduce(b, a, [...candidatesOf(a), candidate("10.0.0.1:9", 1, 2_130_706_500)]);
    lab.runFor(chance.between(0, 1_500));
    lab.introduce(a, b, hides || chance.happens(0.5) ? [] : candidatesOf(b));
    lab.runFor(chance.between(0, 500));
    if (!hides) lab.introduce(a, b);
    this.#told.push(`signalled${hides ? " without candidates" : ""}`);
  }

  #restartBoth(): void {
    const { lab, a, b } = this;
    const restart = ++this.#restart;
    for (const side of [a, b]) {
      const [localUfrag, localPassword] = [`${side.name}${restart}`, `${side.name}-${restart}-password`];
      lab.configure(side, { restart, localUfrag, localPassword, remote: undefined, candidates: [] });
    }
    this.#told.push("restart");
    this.#signal();
  }

  /** A NAT's new binding. What cannot be reached from outside has to speak first, which a lite side never does. */
  #move(): void {
    const side = [this.a, this.b].find(({ settings, isFiltered }) => !settings.isLite && !isFiltered);
    const peer = side === this.a ? this.b : this.a;
    if (side === undefined || peer.isFiltered) return;
    side.sockets = this.#freshPlaces(side.componentCount).map(at);
    this.#told.push(`${side.name} moves to ${side.sockets.map(formatEndpoint).join(" ")}`);
  }

  #repeat(): void {
    this.lab.configure(this.a);
    this.lab.configure(this.b);
    this.#told.push("repeated");
  }

  #freshPlaces(count: number): string[] {
    const host = ++this.#place;
    return [`203.0.113.${host}:5000`, `203.0.113.${host}:5001`].slice(0, count);
  }
}

suite("ice: made-up histories", (test) => {
  test(
    "in the end both send to where the other one is",
    () => {
      for (let seed = 0; seed < fuzzRuns(150); seed++) {
        const history = new History(seed);
        history.run();
        history.check(`seed ${seed}`);
      }
    },
    { timeoutMs: 120_000 },
  );
});
