/**
 * Phones behind a NAT that masquerades with random ports, so that neither the address nor the port of the SDP is true.
 *
 * Nobody can reach such a phone before it has spoken. Where the far side speaks only when it hears something, every
 * packet must arrive; where it speaks at once, its packets up to the phone's first one may be lost.
 */
import { suite } from "../support/suite.ts";
import { plainCallee, plainCaller, talkMs } from "./lab/call-flows.ts";
import { type CallPlan, type PlacedCalls, placeCalls, type Side, show, sides } from "./lab/calls.ts";
import { demand } from "./lab/judge.ts";
import { kamailioModules, withLab } from "./lab/lab.ts";
import { address, deskSipPort } from "./lab/network.ts";

const packets = 750;
const calls = 3;
const send = { count: packets, intervalMs: 10, whenHeard: false };
const sendWhenHeard = { ...send, whenHeard: true };
/** Until both phones have punched their holes and the relay has believed them. */
const punchMs = 300;
const talk = plainCaller(talkMs(send) + punchMs);
const phone: Side = { host: "phone", sipAddress: address.phone };
const desk: Side = {
  host: "desk",
  sipAddress: address.desk,
  reachedAt: { host: address.nat, port: deskSipPort },
};
const edgeProxy = `${address.edge}:5060`;

type NatPlan = Pick<CallPlan, "name" | "to" | "calleeSends"> & Partial<CallPlan>;
const plans: readonly NatPlan[] = [
  { name: "direct", to: sides.callee, calleeSends: sendWhenHeard },
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

suite("interop: phones behind NAT", (test) => {
  for (const module of kamailioModules) {
    test(
      `directly, through a second proxy, and both behind one NAT, through ${module}`,
      () =>
        withLab(module, async (lab) => {
          const placed: PlacedCalls[] = [];
          for (const plan of plans) {
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
          for (const [index, one] of placed.entries()) {
            const found = await one.finished(40_000);
            show(one.name, found);
            const speaksAtOnce = plans[index]?.calleeSends.whenHeard === false;
            demand(found, {
              calls,
              packets,
              lossAllowedBelow: speaksAtOnce ? punchMs / send.intervalMs : 0,
              reports: "some",
            });
          }
        }),
      { timeoutMs: 60_000 },
    );
  }
});
