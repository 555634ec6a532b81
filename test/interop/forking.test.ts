/** Two phones ring: one plays early media, the other answers. With one media session for both, and with one for each. */
import { suite } from "../support/suite.ts";
import { cancelledCallee, forkingCaller, slowCallee, talkMs } from "./lab/call-flows.ts";
import { answer, placeCalls, reachedAt, show, sides } from "./lab/calls.ts";
import { demand, directions } from "./lab/judge.ts";
import { kamailioModules, type Lab, withLab } from "./lab/lab.ts";
import { relayLacks } from "./lab/relay.ts";

const packets = 750;
const calls = 3;
const send = { count: packets, intervalMs: 10, whenHeard: false };
const ringMs = 1_000;
/** Early media under way when the other branch answers. */
const inFlight = 5;

async function fork(lab: Lab, user: "fork" | "fork-branch") {
  const ringing = await answer(lab, {
    name: `${user}-ringing`,
    side: sides.callee,
    scenario: cancelledCallee,
    calls,
    send,
  });
  const placed = await placeCalls(lab, {
    name: user,
    from: sides.caller,
    to: sides.callee,
    callerScenario: forkingCaller(talkMs(send)),
    calleeScenario: slowCallee(ringMs),
    calls,
    callerSends: send,
    calleeSends: send,
    targetUser: user,
    extraHeader: `X-Fork: sip:ringing@${reachedAt(sides.callee, ringing)}`,
  });
  return { placed, ringing };
}

suite("interop: forking", (test) => {
  for (const module of kamailioModules) {
    test(
      `early media of one branch, answer of the other, through ${module}`,
      () =>
        withLab(module, async (lab) => {
          const forks = [await fork(lab, "fork")];
          if (!relayLacks(module, "fork-branch")) forks.push(await fork(lab, "fork-branch"));
          for (const { placed, ringing } of forks) {
            const found = await placed.finished(40_000);
            show(placed.name, found);
            await ringing.finished(10_000);
            const early = (await directions(placed.caller, ringing)).filter(
              (one) => one.from === ringing.plan.name,
            );
            show(`${placed.name}, early media`, early);
            demand(found, { calls, packets, allowsForeign: true });
            for (const one of early) {
              if (one.heard < one.sent - inFlight) throw new Error(`early media: ${JSON.stringify(one)}`);
            }
          }
        }),
      { timeoutMs: 60_000 },
    );
  }
});
