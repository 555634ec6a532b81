/**
 * Chromium through the relay's own TURN server, over UDP, TCP and TLS: two browsers that may use nothing else, and calls
 * with a plain RTP endpoint through ng whose ICE runs over it. No peer is allowed by name but where a test says so: the
 * lab's addresses are private, and what is reached without that are our own ports.
 */
import assert from "node:assert/strict";
import { Browser, type IceWay } from "../interop/lab/browser.ts";
import type { Lab } from "../interop/lab/lab.ts";
import { address } from "../interop/lab/network.ts";
import { PagePair, sentIn } from "../interop/lab/page-pair.ts";
import { until } from "../interop/lab/process.ts";
import { relayName } from "../interop/lab/relay.ts";
import {
  type TurnLabOptions,
  type TurnServer,
  type TurnUser,
  type TurnWay,
  withTurnLab,
} from "../interop/lab/turn.ts";
import { byLabel, wayFaults } from "../interop/lab/turn-judge.ts";
import { type WebCallPlan, WebCalls } from "../interop/lab/web-call.ts";
import { demandNone, faultsWithPlain } from "../interop/lab/web-judge.ts";
import { suite } from "../support/suite.ts";

const ways: readonly TurnWay[] = ["udp", "tcp", "tls"];
const connectLimitMs = 15_000;
const talkMs = 3_000;
/** On a busy machine what a browser counts, and its reports, come late. */
const settleLimitMs = 5_000;
const pollMs = 300;
const packetsMin = { audio: 120, video: 20 };
/** What a browser has by itself: a private address of the lab. */
const ownAddresses: IceWay = { iceTransportPolicy: "all", iceServers: [] };

interface End {
  readonly way: TurnWay;
  readonly user: TurnUser;
}

/** Each way by itself, and each with the next one. */
const ends: readonly (readonly [caller: End, callee: End])[] = ways.flatMap((way, index) => [
  [
    { way, user: "lasting" },
    { way, user: "hourly" },
  ] as const,
  [
    { way, user: "hourly" },
    { way: ways[(index + 1) % ways.length] ?? way, user: "lasting" },
  ] as const,
]);

async function throughTurn(
  pair: PagePair,
  name: string,
  [caller, callee]: readonly [End, End],
): Promise<string[]> {
  const connectMs = await pair.connect(connectLimitMs);
  await pair.talk();
  const faults = await pair.faults();
  const [ofCaller, ofCallee] = await pair.stats();
  await pair.close();
  log(
    `${name}: connected after ${connectMs.toFixed(0)} ms; ${sentIn(ofCaller)} one way, ${sentIn(ofCallee)} the other`,
  );
  return [
    ...faults,
    ...wayFaults(ofCaller, caller.way, "relay"),
    ...wayFaults(ofCallee, callee.way, "relay"),
  ];
}

async function talkInPairs(lab: Lab, turn: TurnServer): Promise<void> {
  const { caller, callee } = await startBrowsers(lab, turn);
  const found = await Promise.all(
    ends.map(async ([callerEnd, calleeEnd]) => {
      const name = `${callerEnd.way} ${callerEnd.user} to ${calleeEnd.way} ${calleeEnd.user}`;
      const callerIce = turn.relayOnly(callerEnd.way, callerEnd.user);
      const calleeIce = turn.relayOnly(calleeEnd.way, calleeEnd.user);
      const pair = new PagePair({ name, caller, callee, callerIce, calleeIce });
      return named(name, () => throughTurn(pair, name, [callerEnd, calleeEnd]));
    }),
  );
  await Promise.all([caller.end(), callee.end()]);
  demandNone(found.flat());
}

interface TurnCallPlan extends WebCallPlan {
  readonly way: TurnWay;
}

/** Sound alone and with pictures, whoever offers, by every way; where the browser offers once more, by new relays. */
function plainPlans(turn: TurnServer): readonly TurnCallPlan[] {
  return ways.flatMap((way) => {
    const plan = { way, bundlePolicy: "balanced", words: "parts" } as const;
    const [lasting, hourly] = [turn.relayOnly(way, "lasting"), turn.relayOnly(way, "hourly")];
    const both = ["audio", "video"] as const;
    const sound = ["audio"] as const;
    return [
      { ...plan, name: `browser offers, ${way}`, offerer: "browser", kinds: both, ice: lasting },
      { ...plan, name: `plain offers, ${way}`, offerer: "plain", kinds: sound, ice: hourly },
      {
        ...plan,
        name: `browser offers twice, ${way}`,
        offerer: "browser",
        kinds: sound,
        ice: hourly,
        restarts: true,
      },
    ] as const;
  });
}

async function talkWithPlain(
  browser: Browser,
  calls: WebCalls,
  plan: TurnCallPlan,
): Promise<readonly string[]> {
  const call = await calls.withPlain(browser, plan);
  await call.tellPlain("start");
  await pause(talkMs);
  if (plan.restarts === true) {
    await call.restart();
    await pause(talkMs / 2);
  }
  await call.tellPlain("stop");
  await call.quiet();
  const faultsNow = async (): Promise<readonly string[]> =>
    faultsWithPlain(await call.stats(), await call.exchanges(), { packetsMin });
  let faults = await faultsNow();
  for (const endMs = performance.now() + settleLimitMs; faults.length > 0 && performance.now() < endMs; ) {
    await pause(pollMs);
    faults = await faultsNow();
  }
  const stats = await call.stats();
  const back = (await call.exchanges()).map(({ kind, plain }) => `${plain.sent} ${kind}`).join(", ");
  await call.end();
  log(`${plan.name}: connected after ${call.connectMs.toFixed(0)} ms; ${sentIn(stats)} out, ${back} back`);
  return [...faults, ...wayFaults(stats, plan.way, "host")];
}

async function talkThroughNg(lab: Lab, turn: TurnServer): Promise<void> {
  const browser = await Browser.start(lab, "caller", turn);
  const calls = new WebCalls(lab);
  const found = await Promise.all(
    plainPlans(turn).map((plan) => named(plan.name, () => talkWithPlain(browser, calls, plan))),
  );
  await browser.end();
  demandNone(found.flat());
}

/** One browser behind TURN, the other with the lab's private address alone. */
function halfPair(
  turn: TurnServer,
  browsers: { readonly caller: Browser; readonly callee: Browser },
): PagePair {
  const callerIce = turn.relayOnly("udp", "lasting");
  return new PagePair({ name: "half", ...browsers, callerIce, calleeIce: ownAddresses });
}

async function meetRefusal(lab: Lab, turn: TurnServer): Promise<void> {
  const { caller, callee } = await startBrowsers(lab, turn);
  const pair = halfPair(turn, { caller, callee });
  const isConnected = pair.connect(connectLimitMs).then(
    () => true,
    () => false,
  );
  await until("a peer is refused", connectLimitMs, async () => {
    const replies = byLabel(await lab.relay.statistics(), "rtpferry_turn_replies_total");
    return (replies["403"] ?? 0) > 0;
  });
  // Media ports of ours have the same private address.
  const [plan] = plainPlans(turn);
  assert.ok(plan);
  const faults = await named(plan.name, () => talkWithPlain(caller, new WebCalls(lab), plan));
  assert.equal(await isConnected, false, "a private peer was reached");
  await pair.close();
  await Promise.all([caller.end(), callee.end()]);
  demandNone(faults);
}

async function meetAllowedPeer(lab: Lab, turn: TurnServer): Promise<void> {
  const { caller, callee } = await startBrowsers(lab, turn);
  const pair = halfPair(turn, { caller, callee });
  const connectMs = await pair.connect(connectLimitMs);
  await pair.talk();
  const faults = await pair.faults();
  const [ofCaller, ofCallee] = await pair.stats();
  await pair.close();
  log(
    `allowed peer: connected after ${connectMs.toFixed(0)} ms; ${sentIn(ofCaller)} out, ${sentIn(ofCallee)} back`,
  );
  await Promise.all([caller.end(), callee.end()]);
  demandNone([...faults, ...wayFaults(ofCaller, "udp", "host")]);
}

async function startBrowsers(
  lab: Lab,
  turn: TurnServer,
): Promise<{ readonly caller: Browser; readonly callee: Browser }> {
  const [caller, callee] = await Promise.all([
    Browser.start(lab, "caller", turn),
    Browser.start(lab, "callee", turn),
  ]);
  return { caller, callee };
}

async function named(name: string, run: () => Promise<readonly string[]>): Promise<readonly string[]> {
  try {
    return (await run()).map((fault) => `${name}: ${fault}`);
  } catch (error) {
    return [`${name}: ${String(error)}`];
  }
}

function log(line: string): void {
  process.stdout.write(`${line}\n`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

suite("interop: Chromium through TURN", (test) => {
  // Only ours is a TURN server.
  if (relayName() !== "rtpferry") return;
  const limit = { timeoutMs: 60_000 };
  const places: Readonly<Record<string, TurnLabOptions>> = {
    "UDP, TCP and TLS": {},
    "the same behind a static NAT": { isMapped: true },
    "the same on the main thread": { more: ["--io", "dgram"] },
  };
  for (const [over, options] of Object.entries(places)) {
    test(`two browsers over ${over}`, () => withTurnLab(talkInPairs, options), limit);
    test(`calls with plain RTP over ${over}`, () => withTurnLab(talkThroughNg, options), limit);
  }
  test("a private peer is refused, a media port of ours is not", () => withTurnLab(meetRefusal), limit);
  test(
    "a private peer that is allowed by name",
    () => withTurnLab(meetAllowedPeer, { more: ["--turn-allow-peer", `${address.callee}/32`] }),
    limit,
  );
});
