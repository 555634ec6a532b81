/**
 * A trunk whose media comes from an address that stands neither in its SDP nor in front of its SIP.
 *
 * Where it speaks first, with a ringing tone or with its first packet after the answer, every packet must arrive both
 * ways. Where both speak with the answer, the other side's packets go where the trunk's SDP says until the trunk's own
 * media is proven (docs/handover.md, "Where we send"): those are lost, and only those, and none at all to a trunk in
 * `trusted-media`.
 */
import { suite } from "../support/suite.ts";
import * as flow from "./lab/call-flows.ts";
import { type CallPlan, type PlacedCalls, placeCalls, type Side, show, sides } from "./lab/calls.ts";
import { type Demand, demand } from "./lab/judge.ts";
import { kamailioModules, type LabOptions, withLab } from "./lab/lab.ts";
import { address, farTrunkNetwork } from "./lab/network.ts";

const packets = 750;
const calls = 3;
const send = { count: packets, intervalMs: 10, whenHeard: false };
const talkMs = flow.talkMs(send);
const ringMs = 600;
/** A first speaker of a known network is believed after five packets or 100 ms; and the two sides do not start at once. */
const nearProofMs = 100 + 100;
/** One of an unknown network while the SDP's address could be true: after 3 s alone. */
const farProofMs = 3_000;
const startSkewMs = 300;

const trunk: Side = {
  host: "trunk",
  sipAddress: address.trunkSip,
  mediaAddress: address.trunkSdp,
  phoneAddress: address.trunkMedia,
};
const farTrunk: Side = { ...trunk, phoneAddress: address.farTrunkMedia };

interface Case {
  readonly plan: Pick<CallPlan, "name" | "from" | "to" | "callerScenario" | "calleeScenario">;
  readonly demand: Partial<Demand>;
}

function trunkSpeaksFirst(side: Side, prefix: string): readonly Case[] {
  return [
    {
      plan: {
        name: `to-${prefix}`,
        from: sides.caller,
        to: side,
        callerScenario: flow.listeningCaller(talkMs),
        calleeScenario: flow.earlyMediaCallee(ringMs),
      },
      demand: {},
    },
    {
      plan: {
        name: `from-${prefix}`,
        from: side,
        to: sides.callee,
        callerScenario: flow.earlyMediaCaller(talkMs),
        calleeScenario: flow.listeningCallee(ringMs),
      },
      demand: {},
    },
  ];
}

/** Both speak with the answer. */
function bothSpeak(side: Side, prefix: string, wanted: Partial<Demand>): readonly Case[] {
  const scenarios = { callerScenario: flow.plainCaller(talkMs), calleeScenario: flow.plainCallee };
  return [
    { plan: { name: `both-to-${prefix}`, from: sides.caller, to: side, ...scenarios }, demand: wanted },
    { plan: { name: `both-from-${prefix}`, from: side, to: sides.callee, ...scenarios }, demand: wanted },
  ];
}

const known: readonly Case[] = [
  ...trunkSpeaksFirst(trunk, "trunk"),
  ...bothSpeak(trunk, "trunk", { lossAllowedBelow: nearProofMs / send.intervalMs, reports: "some" }),
  ...bothSpeak(farTrunk, "far-trunk", {
    lossAllowedBelow: (farProofMs + startSkewMs) / send.intervalMs,
    reports: "some",
  }),
];
const trusted: readonly Case[] = [
  ...trunkSpeaksFirst(farTrunk, "trusted-trunk"),
  ...bothSpeak(farTrunk, "trusted-trunk", { reports: "some" }),
];

suite("interop: trunk with a media address of its own", (test) => {
  const labs: readonly (readonly [string, readonly Case[], LabOptions])[] = [
    ["not announced", known, {}],
    ["in trusted-media", trusted, { relayOptions: ["--trusted-media", farTrunkNetwork] }],
  ];
  for (const module of kamailioModules) {
    for (const [what, cases, options] of labs) {
      test(`${what}: calls to and from it through ${module}`, () => converse(module, cases, options), {
        timeoutMs: 60_000,
      });
    }
  }
});

async function converse(
  module: (typeof kamailioModules)[number],
  cases: readonly Case[],
  options: LabOptions,
): Promise<void> {
  await withLab(
    module,
    async (lab) => {
      const placed: PlacedCalls[] = [];
      for (const { plan } of cases) {
        placed.push(await placeCalls(lab, { ...plan, calls, callerSends: send, calleeSends: send }));
      }
      for (const [index, one] of placed.entries()) {
        const found = await one.finished(40_000);
        show(one.name, found);
        demand(found, { calls, packets, ...cases[index]?.demand });
      }
    },
    options,
  );
}
