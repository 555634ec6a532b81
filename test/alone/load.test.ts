/** 200 calls at once and 2,000 in all, of every kind; no packet of an answered call is lost and nothing is left. */
import * as flow from "../interop/lab/call-flows.ts";
import {
  answer,
  type PlacedCalls,
  placeCalls,
  reachedAt,
  type Side,
  show,
  sides,
} from "../interop/lab/calls.ts";
import { demand } from "../interop/lab/judge.ts";
import { kamailioModules, type Lab, withLab } from "../interop/lab/lab.ts";
import { until } from "../interop/lab/process.ts";
import { relayLacks } from "../interop/lab/relay.ts";
import type { Party } from "../interop/lab/sipp.ts";
import { suite } from "../support/suite.ts";

const packets = 60;
const send = { count: packets, intervalMs: 40, whenHeard: false };
const talkMs = flow.talkMs(send);
const firstMs = 1_000;
const rounds = 10;
const atOnce = 200;
const limitMs = 120_000;

interface Kind {
  readonly name: string;
  readonly calls: number;
  readonly caller: string;
  readonly callee: string;
  readonly from?: Side;
  readonly to?: Side;
  readonly fork?: "fork" | "fork-branch";
  /** Ends before it is answered. */
  readonly isCancelled?: boolean;
}

const plain = { caller: flow.plainCaller(talkMs), callee: flow.plainCallee };
const forked = { caller: flow.listeningCaller(talkMs), callee: flow.slowCallee(500) };
const kinds: readonly Kind[] = [
  { name: "plain", calls: 600, ...plain },
  { name: "v6", calls: 200, ...plain, from: sides.caller6, to: sides.callee6 },
  { name: "v4-to-v6", calls: 150, ...plain, to: sides.callee6 },
  { name: "v6-to-v4", calls: 150, ...plain, from: sides.caller6 },
  {
    name: "reinvite",
    calls: 200,
    caller: flow.holdingCaller(firstMs, 500, talkMs - firstMs),
    callee: flow.heldCallee,
  },
  {
    name: "early-media",
    calls: 200,
    caller: flow.earlyMediaCaller(talkMs),
    callee: flow.earlyMediaCallee(500),
  },
  { name: "late-offer", calls: 150, caller: flow.lateOfferCaller(talkMs), callee: flow.lateOfferCallee },
  {
    name: "cancel",
    calls: 150,
    caller: flow.cancellingCaller(2_000),
    callee: flow.cancelledCallee,
    isCancelled: true,
  },
  { name: "fork", calls: 100, ...forked, fork: "fork" },
  { name: "fork-branch", calls: 100, ...forked, fork: "fork-branch" },
];

interface Running {
  readonly kind: Kind;
  readonly placed: PlacedCalls;
  readonly ringing: Party | undefined;
}

async function start(lab: Lab, kind: Kind): Promise<Running> {
  const ringing =
    kind.fork === undefined
      ? undefined
      : await answer(lab, {
          name: `${kind.name}-ringing`,
          side: sides.callee,
          scenario: flow.cancelledCallee,
          calls: kind.calls,
          send,
        });
  const placed = await placeCalls(lab, {
    name: kind.name,
    from: kind.from ?? sides.caller,
    to: kind.to ?? sides.callee,
    callerScenario: kind.caller,
    calleeScenario: kind.callee,
    calls: kind.calls,
    callerSends: send,
    calleeSends: send,
    callsPerSecond: kind.calls / rounds,
    atOnceMax: kind.calls / rounds,
    ...(ringing === undefined
      ? {}
      : {
          targetUser: kind.fork ?? "",
          extraHeader: `X-Fork: sip:ringing@${reachedAt(sides.callee, ringing)}`,
        }),
  });
  return { kind, placed, ringing };
}

async function judge({ kind, placed, ringing }: Running): Promise<void> {
  const found = await placed.finished(limitMs);
  await ringing?.finished(10_000);
  show(placed.name, found);
  if (kind.isCancelled === true) {
    const silent = found.filter((one) => one.heard === 0);
    if (silent.length > 0) throw new Error(`early media not heard: ${JSON.stringify(silent.slice(0, 5))}`);
    return;
  }
  demand(found, { calls: kind.calls, packets, allowsForeign: ringing !== undefined });
}

suite("interop: load", (test) => {
  for (const module of kamailioModules) {
    test(
      `${atOnce} calls at once, 2000 in all, through ${module}`,
      () =>
        withLab(module, async (lab) => {
          const able = kinds.filter((kind) => !relayLacks(module, kind.name));
          const running: Running[] = [];
          for (const kind of able) running.push(await start(lab, kind));
          const wanted = able.reduce((sum, kind) => sum + kind.calls / rounds, 0);
          await until(
            `${wanted} calls at once`,
            20_000,
            async () => (await lab.relay.counts()).calls >= wanted,
          );
          const faults: string[] = [];
          for (const one of running) {
            await judge(one).catch((error: Error) => faults.push(`${one.kind.name}: ${error.message}`));
          }
          if (faults.length > 0) throw new Error(faults.join("\n"));
        }),
      { timeoutMs: limitMs },
    );
  }
});
