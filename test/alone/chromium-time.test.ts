/**
 * How long a browser waits between the answer and `connected`, as information: the median of several calls, and of
 * rtpengine's beside them where it is installed.
 */
import { existsSync } from "node:fs";
import { Browser } from "../interop/lab/browser.ts";
import { type Lab, withLab } from "../interop/lab/lab.ts";
import { type RelayName, relayName } from "../interop/lab/relay.ts";
import { WebCalls } from "../interop/lab/web-call.ts";
import { suite } from "../support/suite.ts";

const runs = 7;
const warmUpRuns = 2;
const relays: readonly RelayName[] =
  relayName() === "rtpferry" && existsSync("/usr/bin/rtpengine") ? ["rtpengine", "rtpferry"] : [relayName()];

interface Place {
  readonly relay: RelayName;
  readonly browser: Browser;
  readonly calls: WebCalls;
  readonly times: number[];
}

/** Raises a lab for each relay and measures when all stand. */
async function withPlaces(wanted: readonly RelayName[], places: readonly Place[]): Promise<void> {
  const [relay, ...rest] = wanted;
  if (relay === undefined) return measure(places);
  await withLab(
    "rtpengine",
    async (lab: Lab) => {
      const browser = await Browser.start(lab, "caller");
      await withPlaces(rest, [...places, { relay, browser, calls: new WebCalls(lab), times: [] }]);
      await browser.end();
    },
    { config: "none", relay },
  );
}

/** In turns, so that whatever else the machine does falls on all of them. */
async function measure(places: readonly Place[]): Promise<void> {
  // The first calls warm up what is compiled late, on both sides.
  for (let run = -warmUpRuns; run < runs; run++) {
    for (const { browser, calls, times } of places) {
      const call = await calls.withPlain(browser, {
        ...{
          name: `run ${run}`,
          kinds: ["audio"],
          bundlePolicy: "balanced",
          offerer: "browser",
          words: "parts",
        },
      });
      if (run >= 0) times.push(call.connectMs);
      await call.end();
    }
  }
  for (const { relay, times } of places) {
    const sorted = times.toSorted((a, b) => a - b);
    const all = sorted.map((ms) => ms.toFixed(1)).join(" ");
    process.stdout.write(`${relay}: connected after ${sorted[runs >> 1]?.toFixed(1)} ms (${all})\n`);
  }
}

suite("interop: Chromium, time to connect", (test) => {
  test(`${runs} calls that the browser offers`, () => withPlaces(relays, []), { timeoutMs: 60_000 });
});
