/** Two Chromiums with sound and pictures, each through the relay's own ICE and DTLS, with either bundle policy. */
import { Browser } from "../interop/lab/browser.ts";
import { Capture } from "../interop/lab/capture.ts";
import { type Lab, withLab } from "../interop/lab/lab.ts";
import { relayName } from "../interop/lab/relay.ts";
import { type PairPlan, WebCalls } from "../interop/lab/web-call.ts";
import { demandNone, faultsBetween, wireFaults } from "../interop/lab/web-judge.ts";
import { suite } from "../support/suite.ts";

const talkMs = 3_000;
const settleMs = 1_000;
const kinds = ["audio", "video"] as const;
const packetsSeenMin = 300;
/** The peer loses packets while ICE still moves from one pair of candidates to another: nobody speaks until then. */
const isSilent = relayName() === "rtpengine";
const iceSettlesMs = 500;
/** What one speaks before the other is connected waits in the relay, as far as there is room. */
const expectation = { packetsMin: { audio: 120, video: 20 }, earlyMax: isSilent ? 0 : 16 };
const own = [
  { callerPolicy: "max-bundle", calleePolicy: "max-bundle", words: "parts" },
  { callerPolicy: "max-bundle", calleePolicy: "balanced", words: "WebRTC" },
  { callerPolicy: "balanced", calleePolicy: "max-bundle", words: "WebRTC" },
] as const;
const plans: readonly PairPlan[] = [
  { callerPolicy: "balanced", calleePolicy: "balanced", words: "parts" } as const,
  // The peer drops BUNDLE, and a page that insists on it refuses the peer's description.
  ...(relayName() === "rtpengine" ? [] : own),
].map((plan) => ({ ...plan, kinds, isSilent, name: `${plan.callerPolicy} to ${plan.calleePolicy}` }));

interface Browsers {
  readonly caller: Browser;
  readonly callee: Browser;
}

async function converse(
  { caller, callee }: Browsers,
  calls: WebCalls,
  name: string,
): Promise<readonly string[]> {
  if (isSilent) {
    await pause(iceSettlesMs);
    await Promise.all([caller.speak(name), callee.speak(name)]);
  }
  await pause(talkMs);
  await Promise.all([caller.quiet(name), callee.quiet(name)]);
  await pause(settleMs);
  const [callerStats, calleeStats] = await Promise.all([caller.stats(name), callee.stats(name)]);
  await calls.proxy.delete(name, "caller");
  await Promise.all([caller.close(name), callee.close(name)]);
  return [
    ...faultsBetween(callerStats, calleeStats, kinds, expectation).map((fault) => `to the callee: ${fault}`),
    ...faultsBetween(calleeStats, callerStats, kinds, expectation).map((fault) => `to the caller: ${fault}`),
  ];
}

async function talk(lab: Lab): Promise<void> {
  const wires = await Promise.all([Capture.start(lab, "caller"), Capture.start(lab, "callee")]);
  const [caller, callee] = await Promise.all([Browser.start(lab, "caller"), Browser.start(lab, "callee")]);
  const calls = new WebCalls(lab);
  const faults = await Promise.all(
    plans.map(async (plan) => {
      try {
        await calls.between(caller, callee, plan);
        return await converse({ caller, callee }, calls, plan.name);
      } catch (error) {
        return [String(error)];
      }
    }),
  );
  const named = faults.flatMap((found, index) => found.map((fault) => `${plans[index]?.name}: ${fault}`));
  const [callerWire = [], calleeWire = []] = await Promise.all(wires.map((wire) => wire.stop()));
  // A packet that is on both wires has gone through two associations.
  const matchesMin = plans.length * packetsSeenMin;
  named.push(
    ...wireFaults(callerWire, { datagrams: calleeWire, isPlain: false }, matchesMin),
    ...wireFaults(calleeWire, { datagrams: callerWire, isPlain: false }, matchesMin),
  );
  await Promise.all([caller.end(), callee.end()]);
  demandNone(named);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

suite("interop: Chromium and Chromium", (test) => {
  test("sound and pictures with either bundle policy", () => withLab("rtpengine", talk, { config: "none" }), {
    timeoutMs: 60_000,
  });
});
