/** Two phones ring: one plays early media, the other answers. With one media session for both, and with one for each. */
import { suite } from "../support/suite.ts";
import { cancelledCallee, listeningCaller, slowCallee, talkMs } from "./lab/call-flows.ts";
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
    callerScenario: listeningCaller(talkMs(send)),
    calleeScenario: slowCallee(ringMs),
    calls,
    callerSends: send,
    calleeSends: send,
    targetUser: user,
    extraHeader: `X-Fork: sip:ringing@${reachedAt(sides.callee, ringing)}`,
  });
  return { placed, ringing };
}

async function judge({ placed, ringing }: Awaited<ReturnType<typeof fork>>): Promise<void> {
  const found = await placed.finished(40_000);
  show(placed.name, found);
  await ringing.finished(10_000);
  const both = await directions(placed.caller, ringing);
  const early = both.filter((one) => one.from === ringing.plan.name);
  show(`${placed.name}, early media`, early);
  demand(found, { calls, packets, allowsForeign: true });
  const cut = early.find((one) => one.heard < one.sent - inFlight);
  if (cut !== undefined) throw new Error(`early media: ${JSON.stringify(cut)}`);
}

suite("interop: forking", (test) => {
  for (const module of kamailioModules) {
    const kinds = (["fork", "fork-branch"] as const).filter((kind) => !relayLacks(module, kind));
    test(
      `early media of one branch, answer of the other, through ${module}`,
      () =>
        withLab(module, async (lab) => {
          const forks = [];
          for (const kind of kinds) forks.push(await fork(lab, kind));
          for (const one of forks) await judge(one);
        }),
      { timeoutMs: 60_000 },
    );
  }
});
