/**
 * A trunk whose media comes from an address that stands neither in its SDP nor in front of its SIP.
 *
 * A leg that was told an address believes another one only after 3 s alone (docs/handover.md): from then on every packet
 * must arrive, in both directions.
 */
import { suite } from "../support/suite.ts";
import { plainCallee, plainCaller, talkMs } from "./lab/call-flows.ts";
import { type PlacedCalls, placeCalls, type Side, show, sides } from "./lab/calls.ts";
import { demand } from "./lab/judge.ts";
import { kamailioModules, withLab } from "./lab/lab.ts";
import { address } from "./lab/network.ts";

const packets = 750;
const calls = 3;
const send = { count: packets, intervalMs: 10, whenHeard: false };
const proofMs = 3_500;
const trunk: Side = {
  host: "trunk",
  sipAddress: address.trunkSip,
  mediaAddress: address.trunkSdp,
  phoneAddress: address.trunkMedia,
};
const pairs = [
  ["to-trunk", sides.caller, trunk],
  ["from-trunk", trunk, sides.callee],
] as const;

suite("interop: trunk with a media address of its own", (test) => {
  for (const module of kamailioModules) {
    test(
      `calls to and from it through ${module}`,
      () =>
        withLab(module, async (lab) => {
          const placed: PlacedCalls[] = [];
          for (const [name, from, to] of pairs) {
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
            demand(found, {
              calls,
              packets,
              lossAllowedBelow: proofMs / send.intervalMs,
              reports: "some",
            });
          }
        }),
      { timeoutMs: 60_000 },
    );
  }
});
