/**
 * Chromium and an endpoint that speaks plain RTP/AVP, each offering, with sound alone and with pictures: every packet
 * arrives both ways, reports pass, and nothing is in clear on the browser's wire.
 */
import { Browser, type BundlePolicy } from "../interop/lab/browser.ts";
import { Capture } from "../interop/lab/capture.ts";
import { type Lab, withLab } from "../interop/lab/lab.ts";
import { relayName } from "../interop/lab/relay.ts";
import { type PlainCall, type WebCallPlan, WebCalls } from "../interop/lab/web-call.ts";
import { demandNone, faultsWithPlain, wireFaults } from "../interop/lab/web-judge.ts";
import { suite } from "../support/suite.ts";

const talkMs = 3_000;
const settleMs = 500;
const expectation = { packetsMin: { audio: 120, video: 20 } };
const packetsSeenMin = 240;
const media = { audio: ["audio"], "audio and video": ["audio", "video"] } as const;
/** The peer loses packets while ICE still moves from one pair of candidates to another. */
const iceSettlesMs = relayName() === "rtpengine" ? 500 : 0;
/** The peer drops BUNDLE, and a page that insists on it refuses the peer's description. */
const policies: readonly BundlePolicy[] =
  relayName() === "rtpengine" ? ["balanced"] : ["balanced", "max-bundle"];

/** After a restart the peer and the browser disagree about who controls, and the browser hears nothing more. */
const specials: readonly Partial<WebCallPlan>[] =
  relayName() === "rtpengine" ? [{ hidesAddresses: true }] : [{ hidesAddresses: true }, { restarts: true }];

function plansOf(bundlePolicy: BundlePolicy): readonly WebCallPlan[] {
  return Object.entries(media).flatMap(([what, kinds]): WebCallPlan[] => [
    { name: `browser offers ${what}`, kinds, bundlePolicy, offerer: "browser", words: "parts" },
    // To a page that insists on one transport the script must say that it may be offered.
    {
      ...{ name: `plain offers ${what}`, kinds, bundlePolicy, offerer: "plain" },
      words: bundlePolicy === "max-bundle" ? "WebRTC" : "parts",
    },
    ...specials.map(
      (special): WebCallPlan => ({
        ...{ name: `browser offers ${what}, ${Object.keys(special)}`, kinds, bundlePolicy },
        ...{ offerer: "browser", words: "parts", ...special },
      }),
    ),
  ]);
}

async function converse(call: PlainCall, restarts = false): Promise<readonly string[]> {
  await pause(iceSettlesMs);
  await call.tellPlain("start");
  await pause(restarts ? talkMs / 2 : talkMs);
  if (restarts) {
    await call.restart();
    await pause(talkMs / 2);
  }
  await call.tellPlain("stop");
  await call.quiet();
  await pause(settleMs);
  const faults = faultsWithPlain(await call.stats(), await call.exchanges(), expectation);
  await call.end();
  return faults;
}

async function place(browser: Browser, calls: WebCalls, plan: WebCallPlan): Promise<readonly string[]> {
  try {
    const faults = await converse(await calls.withPlain(browser, plan), plan.restarts);
    return faults.map((fault) => `${plan.name}: ${fault}`);
  } catch (error) {
    return [`${plan.name}: ${String(error)}`];
  }
}

async function talk(lab: Lab, bundlePolicy: BundlePolicy): Promise<void> {
  const [browserWire, plainWire] = await Promise.all([
    Capture.start(lab, "caller"),
    Capture.start(lab, "callee"),
  ]);
  const browser = await Browser.start(lab, "caller");
  const calls = new WebCalls(lab);
  const plans = plansOf(bundlePolicy);
  const found = await Promise.all(plans.map((plan) => place(browser, calls, plan)));
  await browser.end();
  const [datagrams, plainDatagrams] = await Promise.all([browserWire.stop(), plainWire.stop()]);
  const faults = [
    ...found.flat(),
    ...wireFaults(datagrams, { datagrams: plainDatagrams, isPlain: true }, plans.length * packetsSeenMin),
  ];
  demandNone(faults);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

suite("interop: Chromium and plain RTP", (test) => {
  for (const policy of policies) {
    test(
      `calls in both directions, ${policy}`,
      () => withLab("rtpengine", (lab) => talk(lab, policy), { config: "none" }),
      { timeoutMs: 60_000 },
    );
  }
});
