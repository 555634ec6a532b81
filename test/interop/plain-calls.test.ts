/**
 * Calls at the pace of a real phone, 750 packets each way, also when RTP starts 300 ms before the 200 OK:
 * every RTP and RTCP packet arrives in both directions, from the first one on.
 */
import { suite } from "../support/suite.ts";
import { eagerCallee, plainCallee, plainCaller, talkMs } from "./lab/call-flows.ts";
import { placeCalls, show, sides } from "./lab/calls.ts";
import { demand } from "./lab/judge.ts";
import { kamailioModules, withLab } from "./lab/lab.ts";

const packets = 750;
const calls = 5;
const leadMs = 300;
const send = { count: packets, intervalMs: 20, whenHeard: false };

suite("interop: plain calls", (test) => {
  for (const module of kamailioModules) {
    test(
      `${packets} packets each way, also ${leadMs} ms before the answer, through ${module}`,
      () =>
        withLab(module, async (lab) => {
          const flows = { plain: plainCallee, eager: eagerCallee(leadMs) };
          const placed = await Promise.all(
            Object.entries(flows).map(([name, calleeScenario]) =>
              placeCalls(lab, {
                name,
                from: sides.caller,
                to: sides.callee,
                callerScenario: plainCaller(talkMs(send)),
                calleeScenario,
                calls,
                callerSends: send,
                calleeSends: send,
              }),
            ),
          );
          for (const one of placed) {
            const found = await one.finished(60_000);
            show(one.name, found);
            demand(found, { calls, packets });
          }
        }),
      { timeoutMs: 90_000 },
    );
  }
});
