/** One history: a victim, an attacker, and the same call without the attacker to measure the harm by. */
import fc from "fast-check";
import { Chance } from "../simulation/chance.ts";
import { Attacker, type AttackerClass, type Op, opKinds } from "./attacks.ts";
import type { Books, Moment } from "./books.ts";
import type { Coverage } from "./coverage.ts";
import { Miniature, type RelayUnderTest, Stage } from "./miniature.ts";
import type { Packet } from "./packets.ts";
import { type Override, settingsOf } from "./settings.ts";
import { play, type VictimState } from "./states.ts";
import { Victim, type VictimChoices } from "./victim.ts";

/** Plain RTP, SRTP whose keys the relay has, or plain RTP under `strict-source`. */
export const protections = ["plain", "srtp", "strict"] as const;
/** Explicit overrides promise little, and are run to see that they do not break what they leave alone. */
export type Protection = (typeof protections)[number] | Override;

export interface Choices {
  readonly seed: number;
  readonly victim: VictimChoices;
  readonly ops: readonly Op[];
}

export const choices: fc.Arbitrary<Choices> = fc.record({
  seed: fc.nat(0xffff),
  victim: fc.record({
    pause: fc.nat(1_000),
    paceIndex: fc.nat(5),
    jitterMs: fc.constantFrom(0, 0, 4, 12),
    firstSequence: fc.oneof(fc.nat(65_535), fc.integer({ min: 65_500, max: 65_535 })),
    isPlain: fc.boolean(),
    hasRtcp: fc.boolean(),
    hasKeepalives: fc.boolean(),
    turn: fc.nat(239),
    sdpOffset: fc.nat(1_000),
  }),
  ops: fc.array(
    fc.record({
      kind: fc.nat(opKinds.length - 1),
      start: fc.nat(1_000),
      packets: fc.integer({ min: 1, max: 60 }),
      paceIndex: fc.nat(7),
      from: fc.nat(11),
      twist: fc.nat(999),
    }),
    { minLength: 1, maxLength: 5 },
  ),
});

/** What an attack did to the call: each packet that leaked, was injected or lost. */
export interface Harm {
  readonly leaked: readonly Moment[];
  readonly injected: readonly Moment[];
  readonly lost: readonly Moment[];
}

export interface History {
  readonly victim: Victim;
  readonly attacks: readonly Packet[];
  readonly calm: Books;
  readonly attacked: Books;
  readonly harm: Harm;
}

const downEveryMs = 20;
const downControlEveryMs = 500;

export interface Cell {
  readonly attacker: AttackerClass;
  readonly state: VictimState;
  readonly protection: Protection;
}

/** Makes the relay that a call is played to. */
export type RelayMaker = (cell: Cell, victim: Victim, tagBits: number) => RelayUnderTest;

export function miniatureMaker(coverage: Coverage): RelayMaker {
  const stage = new Stage();
  return ({ protection }, { stays }, tagBits) =>
    new Miniature({ stage, stays, isSecure: protection === "srtp", tagBits, coverage });
}

export function run(cell: Cell, chosen: Choices, makeRelay: RelayMaker): History {
  const chance = new Chance(chosen.seed);
  const wanted = {
    ...chosen.victim,
    hasKeepalives: chosen.victim.hasKeepalives || cell.state === "listening",
  };
  const victim = play(cell.state, new Victim(wanted, chance, cell.state === "no-usable-address"), wanted);
  const attacker = new Attacker(cell.attacker, victim, chance);
  for (const op of chosen.ops) attacker.attack(op);
  const attacks = attacker.packets.filter(({ atMs }) => atMs >= 0 && atMs <= victim.endMs);
  const tagBits = chosen.seed % 4 === 0 ? 32 : 80;
  const calm = runCall(makeRelay(cell, victim, tagBits), cell, victim, []);
  const attacked = runCall(makeRelay(cell, victim, tagBits), cell, victim, attacks);
  return {
    victim,
    attacks,
    calm,
    attacked,
    harm: compare(victim, calm, attacked),
  };
}

/** Lost is what the same call without the attack would have delivered; what it would not have said twice, injected. */
export function compare(victim: Victim, calm: Books, attacked: Books): Harm {
  const lost: Moment[] = [];
  for (const { content, atMs, slot } of victim.packets) {
    if (calm.relayedAtMs.has(content) && !attacked.relayedAtMs.has(content)) lost.push({ atMs, slot });
  }
  for (const number of calm.reached) {
    if (!attacked.reached.has(number)) lost.push({ atMs: downAtMs(number), slot: number % 2 });
  }
  const repeats = attacked.repeats.slice(calm.repeats.length);
  return { leaked: attacked.leaks, injected: [...attacked.injections, ...repeats], lost };
}

/** Even numbers are the other party's RTP, odd ones its RTCP. */
export function downAtMs(number: number): number {
  const index = number >>> 1;
  return number % 2 === 0 ? 7.3125 + index * downEveryMs : 11.5625 + index * downControlEveryMs;
}

export function runCall(
  relay: RelayUnderTest,
  cell: Cell,
  victim: Victim,
  attacks: readonly Packet[],
): Books {
  const packets = [...victim.packets, ...attacks].sort((a, b) => a.atMs - b.atMs);
  const sdps = [...victim.sdps].sort((a, b) => a.atMs - b.atMs);
  let down = 0;
  let downControl = 0;
  let sdp = 0;
  const passTime = (untilMs: number): void => {
    for (;;) {
      const nextDownMs = downAtMs(2 * down);
      const nextControlMs = downAtMs(2 * downControl + 1);
      const nextSdpMs = sdps[sdp]?.atMs ?? Number.POSITIVE_INFINITY;
      const nextMs = Math.min(nextDownMs, nextControlMs, nextSdpMs);
      if (nextMs > untilMs) break;
      relay.advance(nextMs);
      if (nextMs === nextSdpMs) {
        const next = sdps[sdp++];
        const signalled = next?.signalled ?? victim.signalled;
        const named = { signalled, generation: next?.generation ?? 0, rules: cell.protection } as const;
        relay.configure(settingsOf(named, 0), settingsOf(named, 1));
      } else if (nextMs === nextDownMs) relay.sendDown(0, 2 * down++);
      else relay.sendDown(1, 2 * downControl++ + 1);
    }
    relay.advance(untilMs);
  };
  for (const packet of packets) {
    passTime(packet.atMs);
    relay.receive(packet);
  }
  passTime(victim.endMs);
  return relay.books;
}
