/** IPv4, IPv6, and bridging between them in both directions: every packet arrives. */
import { suite } from "../support/suite.ts";
import { plainCallee, plainCaller, talkMs } from "./lab/call-flows.ts";
import { type PlacedCalls, placeCalls, show, sides } from "./lab/calls.ts";
import { demand } from "./lab/judge.ts";
import { kamailioModules, withLab } from "./lab/lab.ts";
import { relayLacks } from "./lab/relay.ts";

const packets = 750;
const calls = 3;
const send = { count: packets, intervalMs: 10, whenHeard: false };
const pairs = [
  ["v4", sides.caller, sides.callee],
  ["v6", sides.caller6, sides.callee6],
  ["v4-to-v6", sides.caller, sides.callee6],
  ["v6-to-v4", sides.caller6, sides.callee],
] as const;

suite("interop: address families", (test) => {
  for (const module of kamailioModules) {
    test(
      `IPv4, IPv6 and bridged calls through ${module}`,
      () =>
        withLab(module, async (lab) => {
          const placed: PlacedCalls[] = [];
          for (const [name, from, to] of pairs) {
            if (relayLacks(module, name)) continue;
            placed.push(
              await placeCalls(lab, {
                name,
                from,
                to,
                callerScenario: plainCaller(talkMs(send)),
                calleeScenario: plainCallee,
                calls,
                callerSends: send,
                calleeSends: send,
              }),
            );
          }
          for (const one of placed) {
            const found = await one.finished(40_000);
            show(one.name, found);
            demand(found, { calls, packets });
          }
        }),
      { timeoutMs: 60_000 },
    );
  }
});
