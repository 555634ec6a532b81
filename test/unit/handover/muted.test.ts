/** A phone comes back from mute while somebody who knows its stream speaks in its name: with its first packet, always. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { verdict } from "../../../src/handover/contract.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { Leg, Phone, type Wanted } from "./leg.ts";

const sdp = "198.51.100.7:4000";
const nat = "198.51.100.7:61000";
const usable: Wanted = { hints: [[sdp, "ip"]], target: sdp };
const unusable: Wanted = { hints: [["10.0.0.5:4000", "exact"]], target: "10.0.0.5:4000" };
const lairs = ["203.0.113.66:6666", "203.0.113.66:6668", "192.0.2.66:6666"];

const pause = fc.record({
  words: fc.integer({ min: 1, max: 60 }),
  silenceMs: fc.integer({ min: 20, max: 3_000 }),
  /** The timestamp stands still while the phone is mute, or runs on. */
  isFrozen: fc.boolean(),
  aheadBy: fc.integer({ min: 0, max: 16 }),
  paceMs: fc.constantFrom(5, 10, 20, 33),
  startsMs: fc.integer({ min: -300, max: 600 }),
  lair: fc.nat(lairs.length - 1),
});

const call = fc.record({
  from: fc.constantFrom(sdp, nat),
  isUsable: fc.boolean(),
  first: fc.nat(65_535),
  jitterMs: fc.constantFrom(0, 3, 9),
  pauses: fc.array(pause, { minLength: 1, maxLength: 4 }),
});
type Call = typeof call extends fc.Arbitrary<infer T> ? T : never;

suite("handover: back from mute", (test) => {
  test("every packet of the phone goes out, whoever speaks in its name meanwhile", () => {
    const check = ({ from, isUsable, first, jitterMs, pauses }: Call): void => {
      const leg = new Leg().open(isUsable ? usable : unusable);
      const phone = new Phone(from, 0x1000, 0, first);
      leg.talk(phone, 120);
      for (const { words, silenceMs, isFrozen, aheadBy, paceMs, startsMs, lair } of pauses) {
        let thief: Phone | undefined;
        let nextMs = leg.nowMs + words * 20 + startsMs;
        const attackUntil = (untilMs: number): void => {
          while (nextMs < untilMs) {
            if (nextMs > leg.nowMs) leg.wait(nextMs - leg.nowMs);
            thief ??= phone.forge(lairs[lair] ?? "", aheadBy);
            leg.send(thief.next());
            nextMs += paceMs;
          }
          if (untilMs > leg.nowMs) leg.wait(untilMs - leg.nowMs);
        };
        const speak = (packets: number): void => {
          for (let count = 0; count < packets; count++) {
            attackUntil(leg.nowMs + ((count * 7) % (jitterMs + 1)));
            const before = leg.nowMs;
            assert.equal(leg.send(phone.next()), verdict.relay, `${leg.notes}`);
            attackUntil(before + 20 - ((count * 7) % (jitterMs + 1)));
          }
        };
        speak(words);
        attackUntil(leg.nowMs + silenceMs);
        if (!isFrozen) phone.timestamp = (phone.timestamp + silenceMs * 8) | 0;
        // Numbers up to the first that the thief used may have been on their way, and prove nothing.
        speak(40);
        assert.equal(leg.proven(), from);
      }
    };
    fc.assert(fc.property(call, check), { numRuns: fuzzRuns(400) });
  });
});
