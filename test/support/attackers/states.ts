/** What the victim is doing while it is attacked. Each state is a short play; the choices of a history fill it in. */
import { beside, cellular } from "./places.ts";
import type { Victim, VictimChoices } from "./victim.ts";

export const victimStates = [
  "early",
  "not-yet-speaking",
  "listening",
  "silent-from-start",
  "no-usable-address",
  "speaking",
  "muted",
  "moving",
] as const;
export type VictimState = (typeof victimStates)[number];

type Play = (victim: Victim, choices: VictimChoices) => void;

/** Thousandths of a range. */
function within(share: number, min: number, max: number): number {
  return Math.round(min + ((max - min) * share) / 1_000);
}

const plays: Readonly<Record<VictimState, Play>> = {
  /** It speaks before its answer tells where it is. */
  early: (victim, choices) => {
    victim.wait(within(choices.pause, 0, 800));
    victim.arrive(victim.place);
    victim.signal(true, victim.nowMs + within(choices.sdpOffset, 1, 300));
    victim.talk(500);
  },
  /** Its address is known, and it speaks within the settle time after the answer. */
  "not-yet-speaking": (victim, choices) => {
    victim.wait(within(choices.sdpOffset, 0, 300));
    victim.signal();
    victim.wait(within(choices.pause, 0, 2_800));
    victim.arrive(victim.place);
    victim.talk(400);
  },
  /** It has sent no media, and shows by keepalives and RTCP that it is there. */
  listening: (victim, choices) => {
    victim.wait(within(choices.sdpOffset, 0, 300));
    victim.signal();
    victim.arrive(victim.place);
    victim.pause(within(choices.pause, 600, 4_000), false);
    victim.talk(300);
  },
  /** It sends nothing at all for longer than the settle time. */
  "silent-from-start": (victim, choices) => {
    victim.signal();
    victim.wait(within(choices.pause, 3_050, 4_500));
    victim.arrive(victim.place);
    victim.talk(400);
  },
  /** Its SDP is private and what SIP says of it is of no use. */
  "no-usable-address": (victim, choices) => {
    victim.wait(within(choices.sdpOffset, 0, 300));
    victim.signal();
    victim.wait(within(choices.pause, 0, 1_500));
    victim.arrive(victim.place);
    victim.talk(600);
    if (choices.turn % 3 !== 0) return;
    victim.signal();
    victim.changeSsrc();
    victim.leave();
    victim.wait(250);
    victim.arrive(cellular);
    victim.talk(300);
  },
  speaking: speak,
  muted: mute,
  moving: move,
};

/** Telephone events, another packet time, wraps; re-INVITEs that change nothing, the address or the SSRC. */
function speak(victim: Victim, choices: VictimChoices): void {
  victim.signal();
  victim.arrive(victim.place);
  victim.talk(300);
  switch (choices.turn % 6) {
    case 1:
      victim.press(true);
      victim.talk(160);
      victim.press(false);
      break;
    case 2:
      victim.changePace();
      break;
    case 3:
      victim.signal(false);
      break;
    case 4:
      victim.signal();
      break;
    case 5:
      victim.signal();
      victim.changeSsrc();
      break;
    default:
  }
  victim.talk(within(choices.pause, 200, 900));
}

/** Muted with a frozen or a running timestamp, or discontinuous; with or without a re-INVITE meanwhile. */
function mute(victim: Victim, choices: VictimChoices): void {
  victim.signal();
  victim.arrive(victim.place);
  victim.talk(300);
  const silence = within(choices.pause, 150, choices.turn % 8 === 7 ? 6_000 : 2_600);
  if (choices.turn % 4 === 1) victim.signal(true, victim.nowMs + within(choices.sdpOffset, 0, silence));
  if (choices.turn % 4 === 2) victim.signal(false, victim.nowMs + within(choices.sdpOffset, 0, silence));
  victim.pause(silence, choices.turn % 2 === 0);
  victim.talk(900);
}

/** Another network, another port, both at once, and back; silently or with a re-INVITE around it. */
function move(victim: Victim, choices: VictimChoices): void {
  victim.signal();
  victim.arrive(victim.place);
  victim.talk(400);
  const home = victim.place;
  const kind = choices.turn % 5;
  const to = kind === 1 ? beside(home, 1_234) : cellular;
  const signalsAt = Math.max(1, victim.nowMs + within(choices.sdpOffset, -200, 500));
  // Without a NAT its new SDP names the new place, where it hears from then on.
  const isNamed = victim.signalled === "plain" && kind !== 1;
  if (choices.turn % 3 === 1) {
    victim.signal(true, signalsAt, isNamed ? "moved" : victim.signalled);
    if (isNamed) victim.stays.push({ at: to, fromMs: signalsAt, untilMs: Number.POSITIVE_INFINITY });
  }
  if (kind === 2) {
    const lagMs = within(choices.pause, -10, 40);
    victim.stays.push({ at: to, fromMs: victim.nowMs, untilMs: Number.POSITIVE_INFINITY });
    victim.talk(240, { at: to, lagMs });
    // The longer path stays the longer one.
    victim.wait(Math.max(0, lagMs));
  }
  const gap = kind === 0 || kind === 3 ? within(choices.pause, 0, 1_200) : 0;
  victim.leave();
  victim.wait(gap);
  victim.arrive(to);
  victim.talk(kind === 3 && choices.hasRtcp ? 2_100 : 500);
  if (kind !== 3) return;
  victim.arrive(home);
  victim.talk(300);
}

/** States of a party that the relay has heard already: what comes before is a matter of the others. */
const latched: ReadonlySet<VictimState> = new Set(["speaking", "muted", "moving"]);

export function play(state: VictimState, victim: Victim, choices: VictimChoices): Victim {
  plays[state](victim, choices);
  if (latched.has(state)) victim.attackedFromMs = victim.spokeAtMs + 1;
  return victim.finish();
}
