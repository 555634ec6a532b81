/** What the phone under attack does: when it sends what from where, where it hears, and what its SDP says. */
import { packetKind } from "../../../src/handover/contract.ts";
import type { Chance } from "../simulation/chance.ts";
import { exactMs, type Packet } from "./packets.ts";
import { beside, cellular, inside, type Place, plainPhone, wifi } from "./places.ts";

/** Where signalling says the phone is, and how much of it is usable. */
export type Signalled = "natted" | "plain" | "hidden" | "moved";

/** The phone can be reached at a place from one time to another. */
export interface Stay {
  readonly at: Place;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** An SDP of the phone takes effect. */
export interface Sdp {
  readonly atMs: number;
  readonly generation: number;
  readonly signalled: Signalled;
}

/** The choices of one history; each a small number, so that a failing one shrinks to zeros. */
export interface VictimChoices {
  /** Long intervals: before the first packet, of silence, between networks. Thousandths of what the state allows. */
  readonly pause: number;
  readonly paceIndex: number;
  readonly jitterMs: number;
  readonly firstSequence: number;
  readonly isPlain: boolean;
  readonly hasRtcp: boolean;
  readonly hasKeepalives: boolean;
  readonly turn: number;
  readonly sdpOffset: number;
}

const forEver = Number.POSITIVE_INFINITY;
const paces = [20, 20, 20, 30, 10, 60] as const;
export const eventType = 101;

export class Victim {
  readonly packets: Packet[] = [];
  readonly stays: Stay[] = [];
  readonly sdps: Sdp[] = [];
  readonly signalled: Signalled;
  endMs = 0;
  /** When it first spoke. */
  spokeAtMs = forEver;
  /** When it first left a place. */
  leftAtMs = forEver;
  /** Nothing is sent against it before. */
  attackedFromMs = 0;
  readonly #choices: VictimChoices;
  readonly #chance: Chance;
  #at: Place;
  #nowMs = 0;
  #ssrc: number;
  #sequence: number;
  #timestamp: number;
  #paceMs: number;
  #payloadType = 0;
  #content = 0;
  #generation = 0;
  #rtcpDueMs = 0;
  /** Which stay the phone is in; -1: none. */
  #stay = -1;

  constructor(choices: VictimChoices, chance: Chance, isHidden: boolean) {
    this.#choices = choices;
    this.#chance = chance;
    this.signalled = isHidden ? "hidden" : choices.isPlain ? "plain" : "natted";
    this.#at = this.signalled === "plain" ? plainPhone : wifi;
    this.#ssrc = 1 + chance.below(2 ** 31 - 2);
    this.#sequence = choices.firstSequence;
    this.#timestamp = chance.below(2 ** 31);
    this.#paceMs = paces[choices.paceIndex % paces.length] ?? 20;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get place(): Place {
    return this.#at;
  }

  get paceMs(): number {
    return this.#paceMs;
  }

  /** The SDP becomes known to the relay, at this moment unless told otherwise. */
  signal(isChanged = true, atMs = this.#nowMs, signalled = this.signalled): void {
    if (isChanged) this.#generation++;
    this.sdps.push({ atMs, generation: this.#generation, signalled });
  }

  wait(durationMs: number): void {
    this.#nowMs += durationMs;
  }

  /** The phone's NAT has a way in from its first packet on, and as long as it stays. */
  arrive(at: Place, fromMs = this.#nowMs): void {
    this.leave();
    this.#at = at;
    this.#stay = this.stays.push({ at, fromMs, untilMs: forEver }) - 1;
  }

  leave(atMs = this.#nowMs): void {
    if (this.#stay < 0) return;
    const stay = this.stays[this.#stay];
    if (stay !== undefined) this.stays[this.#stay] = { ...stay, untilMs: atMs };
    this.leftAtMs = Math.min(this.leftAtMs, atMs);
    this.#stay = -1;
  }

  /** Speaks for so long, at its pace; `also`: over a second path too, whose copies come so much later. */
  talk(durationMs: number, also?: { readonly at: Place; readonly lagMs: number }): void {
    const untilMs = this.#nowMs + durationMs;
    while (this.#nowMs < untilMs) {
      this.#report();
      this.#say(also);
      this.#nowMs += this.#paceMs;
    }
  }

  /** Says nothing; shows itself as its choices have it. `isRunning`: its timestamp goes on meanwhile. */
  pause(durationMs: number, isRunning: boolean): void {
    const untilMs = this.#nowMs + durationMs;
    const { hasKeepalives, turn } = this.#choices;
    const everyMs = 250 + 50 * (turn % 10);
    let dueMs = this.#nowMs + everyMs;
    while (hasKeepalives && dueMs < untilMs) {
      this.#nowMs = dueMs;
      this.#keepAlive();
      this.#report();
      dueMs += everyMs;
    }
    this.#nowMs = untilMs;
    if (isRunning) this.#timestamp = (this.#timestamp + durationMs * 8) | 0;
  }

  changePace(): void {
    this.#paceMs = this.#paceMs === 20 ? 30 : 20;
  }

  changeSsrc(): void {
    this.#ssrc = 1 + this.#chance.below(2 ** 31 - 2);
    this.#sequence = this.#chance.below(65_536);
  }

  /** Telephone events instead of audio, or audio again. */
  press(isPressed: boolean): void {
    this.#payloadType = isPressed ? eventType : 0;
  }

  finish(): this {
    this.endMs = this.#nowMs;
    this.packets.sort((a, b) => a.atMs - b.atMs);
    return this;
  }

  #say(also: { readonly at: Place; readonly lagMs: number } | undefined): void {
    const packet: Packet = {
      atMs: this.#nowMs + this.#jitter(),
      slot: 0,
      kind: packetKind.rtp,
      from: this.#at,
      isAttack: false,
      ssrc: this.#ssrc,
      sequence: this.#sequence,
      timestamp: this.#timestamp,
      payloadType: this.#payloadType,
      content: ++this.#content,
      isSealed: true,
      isReceipt: false,
    };
    this.spokeAtMs = Math.min(this.spokeAtMs, packet.atMs);
    this.packets.push(packet);
    if (also !== undefined) {
      this.packets.push({ ...packet, from: also.at, atMs: this.#nowMs + also.lagMs + this.#jitter() });
    }
    this.#sequence = (this.#sequence + 1) & 0xffff;
    if (this.#payloadType !== eventType) this.#timestamp = (this.#timestamp + this.#paceMs * 8) | 0;
  }

  #report(): void {
    if (!this.#choices.hasRtcp || this.#nowMs < this.#rtcpDueMs) return;
    this.#rtcpDueMs = this.#nowMs + 400;
    this.packets.push(this.#control(packetKind.rtcp, 1, this.#payloadType === 0 ? 200 : 201));
  }

  #keepAlive(): void {
    const kind = this.#choices.turn % 2 === 0 ? packetKind.keepalive : packetKind.stun;
    this.packets.push(this.#control(kind, 0, 0));
  }

  #control(kind: number, slot: number, payloadType: number): Packet {
    return {
      atMs: this.#nowMs + this.#jitter(),
      slot,
      kind,
      from: slot === 1 ? beside(this.#at, 1) : this.#at,
      isAttack: false,
      ssrc: kind === packetKind.rtcp ? this.#ssrc : 0,
      sequence: 0,
      timestamp: 0,
      payloadType,
      content: ++this.#content,
      isSealed: true,
      isReceipt: kind === packetKind.rtcp,
    };
  }

  #jitter(): number {
    return this.#choices.jitterMs === 0 ? 0 : exactMs(this.#chance.upTo(this.#choices.jitterMs));
  }
}

/** Where SDP and the SIP source say the phone is: endpoints with what each is worth, and the send target. */
export function hintsOf(signalled: Signalled): {
  readonly hints: readonly { readonly at: Place; readonly isUsable: boolean }[];
  readonly target: Place;
} {
  switch (signalled) {
    case "plain":
      return { hints: [{ at: plainPhone, isUsable: true }], target: plainPhone };
    case "natted": {
      const received = { ...wifi, port: inside.port };
      return {
        hints: [
          { at: inside, isUsable: false },
          { at: received, isUsable: true },
        ],
        target: received,
      };
    }
    case "hidden":
      return { hints: [{ at: inside, isUsable: false }], target: inside };
    case "moved":
      return {
        hints: [
          { at: cellular, isUsable: true },
          { at: plainPhone, isUsable: true },
        ],
        target: cellular,
      };
  }
}
