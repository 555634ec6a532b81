/**
 * Phones behind a NAT that masquerades with random ports, so that neither the address nor the port of the SDP is true.
 *
 * Nobody can reach such a phone before it has spoken; what the far side says meanwhile waits in the relay. Every packet
 * must arrive, also where both speak with the answer and where both are behind the NAT. The relay is not told of the
 * second proxy; where it is (`signalling-proxies`), nothing may change.
 */
import { suite } from "../support/suite.ts";
import { plainCallee, plainCaller, talkMs } from "./lab/call-flows.ts";
import { type CallPlan, type PlacedCalls, placeCalls, type Side, show, sides } from "./lab/calls.ts";
import { demand } from "./lab/judge.ts";
import { type KamailioModule, kamailioModules, type LabOptions, withLab } from "./lab/lab.ts";
import { address, deskSipPort } from "./lab/network.ts";
import { relayName } from "./lab/relay.ts";

const packets = 750;
const calls = 3;
const send = { count: packets, intervalMs: 10, whenHeard: false };
const sendWhenHeard = { ...send, whenHeard: true };
const talk = plainCaller(talkMs(send));
const phone: Side = { host: "phone", sipAddress: address.phone };
const desk: Side = {
  host: "desk",
  sipAddress: address.desk,
  reachedAt: { host: address.nat, port: deskSipPort },
};
const edgeProxy = `${address.edge}:5060`;

type NatPlan = Pick<CallPlan, "name" | "to" | "calleeSends"> & Partial<CallPlan>;
/** The peer sends what comes first where nobody is. */
const lossAllowedBelow = relayName() === "rtpengine" ? 5 : 0;
const plans: readonly NatPlan[] = [
  { name: "direct", to: sides.callee, calleeSends: sendWhenHeard },
  { name: "direct-at-once", to: sides.callee, calleeSends: send },
  { name: "second-proxy", to: sides.callee, calleeSends: sendWhenHeard, proxy: edgeProxy },
  // The relay is told the second proxy's address as the phone's.
  {
    name: "second-proxy-sip-source",
    to: sides.callee,
    calleeSends: sendWhenHeard,
    proxy: edgeProxy,
    extraHeader: "X-Trust: sip",
  },
  { name: "second-proxy-at-once", to: sides.callee, calleeSends: send, proxy: edgeProxy },
  { name: "both", to: desk, calleeSends: send, proxy: edgeProxy },
];

const announced: readonly NatPlan[] = plans.filter(({ name }) => name.endsWith("-at-once"));

suite("interop: phones behind NAT", (test) => {
  const labs: readonly (readonly [string, readonly NatPlan[], LabOptions])[] = [
    ["directly, through a second proxy, and both behind one NAT", plans, {}],
    [
      "the second proxy announced",
      announced,
      { relayOptions: ["--signalling-proxies", `${address.edge}/32`, "--signalling-proxies", address.proxy] },
    ],
  ];
  for (const module of kamailioModules) {
    for (const [what, wanted, options] of labs) {
      test(`${what}, through ${module}`, () => converse(module, wanted, options), { timeoutMs: 60_000 });
    }
  }
});

async function converse(
  module: KamailioModule,
  wanted: readonly NatPlan[],
  options: LabOptions,
): Promise<void> {
  await withLab(
    module,
    async (lab) => {
      const placed: PlacedCalls[] = [];
      for (const plan of wanted) {
        placed.push(
          await placeCalls(lab, {
            from: phone,
            callerScenario: talk,
            calleeScenario: plainCallee,
            calls,
            callerSends: send,
            ...plan,
          }),
        );
      }
      for (const one of placed) {
        const found = await one.finished(40_000);
        show(one.name, found);
        // A report to a phone that has sent none itself goes to a port the NAT does not know.
        demand(found, { calls, packets, lossAllowedBelow, reports: "some" });
      }
    },
    options,
  );
}
