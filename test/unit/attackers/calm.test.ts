/**
 * The same phones with nobody attacking them: muted, changing their pace, their SSRC, their port, their network, with a
 * re-INVITE or without, over two paths at once and back again. Nothing they say is lost or heard twice, but what they
 * overtake on their way back, and they hear all that was sent since shortly before they came.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { packetKind } from "../../../src/handover/contract.ts";
import type { Books } from "../../support/attackers/books.ts";
import { Coverage } from "../../support/attackers/coverage.ts";
import { choices, downAtMs, miniatureMaker, run } from "../../support/attackers/history.ts";
import type { Packet } from "../../support/attackers/packets.ts";
import { isSameAddress } from "../../support/attackers/places.ts";
import type { VictimState } from "../../support/attackers/states.ts";
import type { Stay, Victim } from "../../support/attackers/victim.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";

const known: readonly VictimState[] = [
  "early",
  "not-yet-speaking",
  "listening",
  "silent-from-start",
  "speaking",
  "muted",
];
const makeRelay = miniatureMaker(new Coverage());

/** What was sent so long before the phone's first packet from a new place reaches it there. */
const replayedMs = 150;
/** Nothing is sent again to one that comes and goes. */
const replayIntervalMs = 2_200;

/** Before the relay knows the phone, what it says may wait for the answer or for a few packets more. */
const latched: ReadonlySet<VictimState> = new Set(["speaking", "muted", "moving"]);

/** A packet that is later is as good as lost. Who follows a path that jitters has to wait a little longer. */
function lateMsMax({ paceMs }: Victim, jitterMs: number): number {
  return Math.max(60, 1.5 * paceMs + 40) + 2 * jitterMs;
}

/** When the relay can know of the phone's stay. */
function firstHeardMs({ packets }: Victim, { at, fromMs }: Stay): number {
  const isFirst = (packet: Packet): boolean =>
    packet.slot === 0 && isSameAddress(packet.from, at) && packet.atMs >= fromMs;
  return packets.find(isFirst)?.atMs ?? Number.POSITIVE_INFINITY;
}

/**
 * The phone is heard where it was before, and then comes a packet from where it went meanwhile. It may be a stranger's, who
 * has to be patient now (docs/handover.md, After a switch).
 */
function isOvertaken(victim: Victim, { atMs, from }: Packet): boolean {
  return victim.stays.some(
    (stay, index) =>
      !isSameAddress(stay.at, from) &&
      victim.stays.slice(0, index).some((earlier) => isSameAddress(earlier.at, stay.at)) &&
      firstHeardMs(victim, stay) < atMs,
  );
}

function checkSpoken(victim: Victim, calm: Books, lateMs = Number.POSITIVE_INFINITY): void {
  for (const packet of victim.packets) {
    const { kind, content, atMs } = packet;
    if (kind !== packetKind.rtp) continue;
    const relayedAtMs = calm.relayedAtMs.get(content);
    if (relayedAtMs === undefined && isOvertaken(victim, packet)) continue;
    assert.ok(relayedAtMs !== undefined, `packet ${content} of ${atMs} ms is lost`);
    assert.ok(relayedAtMs - atMs <= lateMs, `packet ${content} is ${relayedAtMs - atMs} ms late`);
  }
  assert.deepEqual(calm.repeats, [], "relayed twice");
}

function checkHeard(victim: Victim, calm: Books): void {
  const heardAtMs = victim.stays.map((stay) => firstHeardMs(victim, stay));
  for (const number of calm.sentDown) {
    const atMs = downAtMs(number);
    if (number % 2 === 1 || calm.reached.has(number)) continue;
    // Of two at the same moment the other party's is played first.
    const next = heardAtMs.findIndex((each) => each >= atMs);
    const cameMs = heardAtMs[next] ?? 0;
    const isNowhere = next >= 0 && (next === 0 || atMs < cameMs - replayedMs);
    const isHasty = next > 1 && cameMs - (heardAtMs[next - 1] ?? 0) < replayIntervalMs;
    assert.ok(isNowhere || isHasty, `what was sent at ${atMs} ms did not arrive`);
  }
}

suite("attackers: nobody attacks", (test) => {
  for (const state of [...known, "moving"] as const) {
    test(`nothing of a phone ${state} is lost`, () => {
      const cell = { attacker: "blind", state, protection: "plain" } as const;
      fc.assert(
        fc.property(choices, (chosen) => {
          const { victim, calm } = run(cell, { ...chosen, ops: [] }, makeRelay);
          const { jitterMs } = chosen.victim;
          checkSpoken(victim, calm, latched.has(state) ? lateMsMax(victim, jitterMs) : undefined);
          checkHeard(victim, calm);
        }),
        { numRuns: fuzzRuns(300) },
      );
    });
  }
});
