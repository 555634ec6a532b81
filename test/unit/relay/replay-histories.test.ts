/** Replays under generated histories of three calls whose callees move about. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Endpoint, IpAddress } from "../../../src/core/address.ts";
import { encodeEndpoint } from "../../../src/relay/slot-settings.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { rtpPacket, settingsAt } from "../../support/relay-rig.ts";
import { suite } from "../../support/suite.ts";
import { WorkerRig } from "../../support/worker-rig.ts";

const at = (ip: string, port: number): Endpoint => ({ ip: ip as IpAddress, port });
const phoneA = at("198.51.100.1", 4_000);

function settings(party: Endpoint) {
  return settingsAt(party, at(party.ip, party.port + 1), {});
}

suite("relay/replay histories", (test) => {
  test("in any history each party gets its own packets only, in order, and each at most once from one place", () => {
    const step = fc.record({
      what: fc.constantFrom("speak", "speak", "speak", "move", "tick", "tick", "forget", "reopen"),
      call: fc.nat(2),
      repeat: fc.integer({ min: 1, max: 8 }),
      waitMs: fc.nat(60),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => runHistory(steps)),
      { numRuns: fuzzRuns(200) },
    );
  });
});

interface Step {
  readonly what: string;
  readonly call: number;
  readonly repeat: number;
  readonly waitMs: number;
}

/** Three calls; the callee of each moves about. SSRCs name the call and its opening, places are never used twice. */
function runHistory(steps: readonly Step[]): void {
  const rig = new WorkerRig(16, { replayMemoryBytes: 131_072 });
  const openings = [1, 1, 1];
  const sequences = [0, 0, 0];
  let places = 0;
  const configure = (call: number, party: Endpoint): void => {
    const generation = openings[call]!;
    rig.configure(4 * call, settings(phoneA), 4 * call + 2, generation);
    rig.configure(4 * call + 2, settings(party), 4 * call, generation);
  };
  const open = (call: number): void => {
    const generation = openings[call]!;
    rig.open(4 * call, at("192.0.2.1", 30_000 + 4 * call), generation);
    rig.open(4 * call + 2, at("192.0.2.1", 30_002 + 4 * call), generation);
    configure(call, at("198.51.100.2", 10_000 + ++places));
  };
  for (const call of [0, 1, 2]) open(call);
  for (const { what, call, repeat, waitMs } of steps) {
    rig.nowMs += waitMs;
    if (what === "speak") {
      const ssrc = 100 * call + openings[call]!;
      for (let n = 0; n < repeat; n++)
        rig.receive(4 * call, rtpPacket(ssrc, ++sequences[call]!, 20 * n), phoneA);
    } else if (what === "move") {
      encodeEndpoint(rig.policy.settings.get(4 * call + 2)!.target, 0, at("203.0.113.1", 10_000 + ++places));
      rig.policy.sink.targetChanged(4 * call + 2);
      rig.policy.sink.replay(4 * call + 2, rig.nowMs - 30 * repeat);
    } else if (what === "forget") {
      configure(call, at("198.51.100.2", 10_000 + ++places));
    } else if (what === "reopen") {
      for (const slot of [4 * call, 4 * call + 2]) {
        rig.command({ kind: "close", at: { slot, generation: openings[call]! } });
      }
      openings[call]!++;
      open(call);
    }
    rig.core.tick(rig.nowMs);
  }
  const last = new Map<string, number>();
  for (const { slot, to, bytes } of rig.sent) {
    const ssrc = bytes.readUInt32BE(8);
    assert.equal(Math.floor(ssrc / 100), Math.floor(slot / 4), "a call's packets stay in the call");
    const key = `${to} ${ssrc}`;
    const sequence = bytes.readUInt16BE(2);
    assert.ok(sequence > (last.get(key) ?? 0), "in order, and once");
    last.set(key, sequence);
  }
}
