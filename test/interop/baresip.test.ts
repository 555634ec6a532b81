/** Two baresips call each other: each must hear the other's tone, second for second, and not its own. */
import { suite } from "../support/suite.ts";
import { Baresip, baresipPort } from "./lab/baresip.ts";
import { kamailioModules, withLab } from "./lab/lab.ts";
import { address } from "./lab/network.ts";
import { expectTone } from "./lab/tone.ts";

const proxy = `${address.proxy}:5060`;
const tones = { caller: 440, callee: 660 };
const callSeconds = 6;
/** What set-up and the jitter buffers cost at either end. */
const heardSecondsMin = 4;

function judge(who: string, recording: Buffer, toneHz: number): void {
  process.stdout.write(`${expectTone(who, recording, { toneHz, secondsMin: heardSecondsMin })}\n`);
}

suite("interop: baresip", (test) => {
  for (const module of kamailioModules) {
    test(
      `each side hears the other's tone through ${module}`,
      () =>
        withLab(module, async (lab) => {
          const callee = await Baresip.start(lab, {
            name: "callee",
            host: "callee",
            address: address.callee,
            proxy,
            toneHz: tones.callee,
            lifeSeconds: 4 * callSeconds,
          });
          const caller = await Baresip.start(lab, {
            name: "caller",
            host: "caller",
            address: address.caller,
            proxy,
            toneHz: tones.caller,
            lifeSeconds: callSeconds,
            dial: `sip:callee@${address.callee}:${baresipPort}`,
          });
          await caller.program.exitCode(4 * callSeconds * 1_000);
          await callee.program.stop();
          judge("caller", caller.recording(), tones.callee);
          judge("callee", callee.recording(), tones.caller);
        }),
      { timeoutMs: 60_000 },
    );
  }
});
