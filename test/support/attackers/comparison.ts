/** The scenes in which other relays were measured, played to ours in simulated time. */
import { Chance } from "../simulation/chance.ts";
import { Attacker, type AttackerClass } from "./attacks.ts";
import { Coverage } from "./coverage.ts";
import { compare, type Harm, miniatureMaker, runCall } from "./history.ts";
import { cellular } from "./places.ts";
import { Victim, type VictimChoices } from "./victim.ts";

const usual: VictimChoices = {
  pause: 0,
  paceIndex: 0,
  jitterMs: 4,
  firstSequence: 65_500,
  isPlain: false,
  hasRtcp: true,
  hasKeepalives: false,
  turn: 0,
  sdpOffset: 0,
};
const cell = { attacker: "blind", state: "moving", protection: "plain" } as const;
const makeRelay = miniatureMaker(new Coverage());
const attackPackets = 200;

export interface Moved {
  readonly lostUp: number;
  readonly lostDown: number;
}

/** The phone leaves Wi-Fi for cellular; `mutedMs`: it is silent so long when it does. */
export function move(mutedMs: number): Moved {
  const victim = new Victim(usual, new Chance(1), false);
  victim.signal();
  victim.arrive(victim.place);
  victim.talk(1_000);
  victim.leave();
  victim.arrive(cellular);
  victim.wait(mutedMs);
  victim.talk(1_000);
  victim.finish();
  const relay = runCall(makeRelay(cell, victim, 80), cell, victim, []);
  const lostUp = victim.packets.filter(({ content }) => !relay.relayedAtMs.has(content)).length;
  let lostDown = 0;
  for (const number of relay.sentDown) if (number % 2 === 0 && !relay.reached.has(number)) lostDown++;
  return { lostUp, lostDown };
}

/** Packets at 50 a second against a phone that speaks, or, `isEarly`, in the two seconds before it does. */
export function attack(attacker: AttackerClass, isEarly: boolean): Record<keyof Harm, number> {
  const victim = new Victim(usual, new Chance(1), false);
  victim.signal();
  if (isEarly) victim.wait(2_000);
  victim.arrive(victim.place);
  victim.talk(isEarly ? 2_500 : 4_500);
  victim.finish();
  if (!isEarly) victim.attackedFromMs = 200;
  const stranger = new Attacker(attacker, victim, new Chance(2));
  stranger.attack({ kind: 0, start: 0, packets: attackPackets, paceIndex: 0, from: 0, twist: 3 });
  const attacks = stranger.packets.filter(({ atMs }) => atMs <= victim.endMs);
  const harm = compare(
    victim,
    runCall(makeRelay(cell, victim, 80), cell, victim, []),
    runCall(makeRelay(cell, victim, 80), cell, victim, attacks),
  );
  return { leaked: harm.leaked.length, injected: harm.injected.length, lost: harm.lost.length };
}
