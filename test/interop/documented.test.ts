/** The Kamailio configurations under docs/kamailio, as they stand there, carry calls. */
import { suite } from "../support/suite.ts";
import * as flow from "./lab/call-flows.ts";
import { type PlacedCalls, placeCalls, show, sides } from "./lab/calls.ts";
import { demand } from "./lab/judge.ts";
import { kamailioModules, withLab } from "./lab/lab.ts";

const packets = 250;
const calls = 2;
const send = { count: packets, intervalMs: 20, whenHeard: false };
const wholeMs = flow.talkMs(send);
const flows: Readonly<Record<string, readonly [string, string]>> = {
  plain: [flow.plainCaller(wholeMs), flow.plainCallee],
  hold: [flow.holdingCaller(1_500, 500, wholeMs - 1_500), flow.heldCallee],
  "late-offer": [flow.lateOfferCaller(wholeMs), flow.lateOfferCallee],
};

suite("interop: documented configurations", (test) => {
  for (const module of kamailioModules) {
    test(
      `docs/kamailio/${module}.cfg carries calls and frees them`,
      () =>
        withLab(
          module,
          async (lab) => {
            const common = {
              from: sides.caller,
              to: sides.callee,
              calls,
              callerSends: send,
              calleeSends: send,
            };
            const placed: PlacedCalls[] = [];
            for (const [name, [callerScenario, calleeScenario]] of Object.entries(flows)) {
              placed.push(await placeCalls(lab, { ...common, name, callerScenario, calleeScenario }));
            }
            const cancelled = await placeCalls(lab, {
              ...common,
              name: "cancel",
              callerScenario: flow.cancellingCaller(500),
              calleeScenario: flow.cancelledCallee,
            });
            await cancelled.finished(20_000);
            for (const one of placed) {
              const found = await one.finished(30_000);
              show(one.name, found);
              demand(found, { calls, packets });
            }
          },
          { config: "documented" },
        ),
      { timeoutMs: 60_000 },
    );
  }
});
