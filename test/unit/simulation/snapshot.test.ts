/** Live calls as bytes and back: equal, and they go on as if nothing had been. */
import assert from "node:assert/strict";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { Simulation } from "../../support/simulation/simulation.ts";
import { fairWeather } from "../../support/simulation/weather.ts";
import { suite } from "../../support/suite.ts";

/** Slow enough that some calls are always waiting for their ports. */
const weather = { ...fairWeather, delayMsMax: 40, repeatedShare: 0.05, bindMsMax: 300, workerMsMax: 50 };
const options = { maxSessions: 0, finalTimeoutMs: 0 };

suite("simulation: calls as bytes", (test) => {
  test(
    "1,000 live calls turn into bytes and back, and go on alike",
    () => {
      const simulation = new Simulation({ seed: 1, weather, options, portMax: 60_000, stepsPerCheck: 200 });
      const { station, world } = simulation;
      simulation.startCalls(2_500, 6_000);
      simulation.stir(20, 6_000);
      while (station.callCount < 1_000) assert.ok(world.step(Number.POSITIVE_INFINITY), "enough calls");
      const { calls } = station.snapshot();
      assert.ok(calls.length >= 1_000);
      // In every stage of a call's life.
      assert.ok(calls.some((call) => call.work !== undefined));
      assert.ok(calls.some((call) => call.waiting.length > 0));
      assert.ok(calls.some((call) => call.deleteAtMs !== undefined));
      assert.ok(calls.some((call) => call.legs.length > 2));
      assert.ok(
        calls.some((call) => call.legs.some((leg) => leg.media.some((media) => media.pair?.provenIp))),
      );
      const twins = station.bringUpTwin();
      world.pass(3_000);
      station.roundTrip();
      twins.assertEqual();
      simulation.settle();
      assert.ok(twins.comparedCount > 5_000, "they had something to compare");
    },
    { timeoutMs: 60_000 },
  );

  test(
    "in bad weather, at any moment",
    () => {
      for (let seed = 1; seed <= fuzzRuns(25); seed++) {
        const simulation = new Simulation({ seed: 1_000_000 + seed });
        simulation.startCalls(25, 20_000);
        simulation.stir(250, 40_000);
        simulation.world.pass(simulation.chance.between(2_000, 25_000));
        simulation.station.bringUpTwin().assertEqual();
        simulation.world.pass(20_000);
        simulation.settle();
      }
    },
    { timeoutMs: 600_000 },
  );
});
