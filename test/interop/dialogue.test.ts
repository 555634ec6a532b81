/** What SIP does with a call: re-INVITEs from both ends, early media, late offer, CANCEL and refusal. */
import { suite } from "../support/suite.ts";
import * as flow from "./lab/call-flows.ts";
import { type PlacedCalls, placeCalls, show, sides } from "./lab/calls.ts";
import { demand } from "./lab/judge.ts";
import { type KamailioModule, kamailioModules, type Lab, withLab } from "./lab/lab.ts";

const packets = 750;
const calls = 3;
const send = { count: packets, intervalMs: 10, whenHeard: false };
/** Who says that it moves may hear at its new place once more what went to the old one: 240 ms of it at most. */
const sentAgainMax = 24;
const wholeMs = flow.talkMs(send);
const firstMs = 2_500;
const holdMs = 1_500;

/** Caller's and callee's scenario; every packet either phone sends must arrive. */
const complete: Readonly<Record<string, readonly [string, string]>> = {
  hold: [flow.holdingCaller(firstMs, holdMs, wholeMs - firstMs), flow.heldCallee],
  "hold-by-callee": [flow.drivenCaller, flow.drivingCallee(firstMs, holdMs, wholeMs - firstMs)],
  "new-address": [flow.movingCaller(firstMs, wholeMs - firstMs), flow.followingCallee],
  "early-media": [flow.earlyMediaCaller(wholeMs), flow.earlyMediaCallee(1_000)],
  "late-offer": [flow.lateOfferCaller(wholeMs), flow.lateOfferCallee],
};

function place(lab: Lab, name: string, [callerScenario, calleeScenario]: readonly [string, string]) {
  return placeCalls(lab, {
    name,
    from: sides.caller,
    to: sides.callee,
    callerScenario,
    calleeScenario,
    callerMoves: name === "new-address",
    calls,
    callerSends: send,
    calleeSends: send,
  });
}

async function converse(module: KamailioModule): Promise<void> {
  await withLab(module, async (lab) => {
    const placed: PlacedCalls[] = [];
    for (const [name, scenarios] of Object.entries(complete)) placed.push(await place(lab, name, scenarios));
    for (const one of placed) {
      const found = await one.finished(40_000);
      show(one.name, found);
      demand(found, { calls, packets, twiceMax: one.name === "new-address" ? sentAgainMax : 0 });
    }
  });
}

/** Early media flows both ways until the end; nothing of the calls may be left. */
async function fail(module: KamailioModule): Promise<void> {
  await withLab(module, async (lab) => {
    const cancelled = await place(lab, "cancel", [flow.cancellingCaller(1_000), flow.cancelledCallee]);
    const refused = await place(lab, "refuse", [flow.refusedCaller, flow.refusingCallee]);
    const found = await cancelled.finished(20_000);
    show("cancel", found);
    for (const one of found) {
      if (one.heard === 0 || one.lost.some(([, last]) => last < one.heard - inFlight)) {
        throw new Error(`early media of a call that is cancelled: ${JSON.stringify(one)}`);
      }
    }
    await refused.finished(20_000);
  });
}

/** Packets under way when a cancelled call is torn down. */
const inFlight = 5;

suite("interop: dialogues", (test) => {
  for (const module of kamailioModules) {
    test(`hold, new address, early media and late offer through ${module}`, () => converse(module), {
      timeoutMs: 60_000,
    });
    test(`CANCEL and refusal through ${module}`, () => fail(module), { timeoutMs: 40_000 });
  }
});
