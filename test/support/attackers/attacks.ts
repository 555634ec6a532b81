/** What an attacker sends, by what it knows. Every class does what the blind one does, and its own besides. */
import { noPayloadType, packetKind } from "../../../src/handover/contract.ts";
import type { Chance } from "../simulation/chance.ts";
import { exactMs, forgedContent, type Packet } from "./packets.ts";
import { beside, cellular, farParty, lairs, neighbours, type Place, plainPhone, wifi } from "./places.ts";
import type { Victim } from "./victim.ts";

export const attackerClasses = [
  "blind",
  "spoofs-source",
  "knows-ssrc",
  "knows-ssrc-and-sequence",
  "on-path-copier",
  "same-nat",
  "other-party",
] as const;
export type AttackerClass = (typeof attackerClasses)[number];

/** One attack of a history. Numbers only, so that a failing one shrinks. */
export interface Op {
  readonly kind: number;
  /** Thousandths of the history. */
  readonly start: number;
  readonly packets: number;
  readonly paceIndex: number;
  readonly from: number;
  readonly twist: number;
}

export const opKinds = [
  "stream",
  "spray",
  "rotate",
  "flood",
  "burst",
  "control",
  "presence",
  "copy",
  "stream",
  "copy",
] as const;
type OpKind = (typeof opKinds)[number];

const burstPaceMs = 0.125;
const pacesMs = [20, 20, 5, 10, 1, 50, 60, 120] as const;
const payloadTypes = [0, 0, 8, 13, 101, 96] as const;
const controlTypes = [200, 201, 203, 204, 205] as const;

export class Attacker {
  readonly packets: Packet[] = [];
  readonly #class: AttackerClass;
  readonly #victim: Victim;
  readonly #chance: Chance;
  /** The victim's media, as it arrives. */
  readonly #said: readonly Packet[];
  #content = forgedContent;

  constructor(attackerClass: AttackerClass, victim: Victim, chance: Chance) {
    this.#class = attackerClass;
    this.#victim = victim;
    this.#chance = chance;
    this.#said = victim.packets.filter(({ kind }) => kind === packetKind.rtp);
  }

  attack(op: Op): void {
    const { endMs, attackedFromMs } = this.#victim;
    const startMs = exactMs(attackedFromMs + ((endMs - attackedFromMs) * op.start) / 1_000);
    const kind = opKinds[op.kind % opKinds.length] ?? "stream";
    switch (kind) {
      case "control":
        this.#control(op, startMs);
        break;
      case "presence":
        this.#presence(op, startMs);
        break;
      case "copy":
        if (this.#class === "on-path-copier" || this.#class === "other-party") this.#copy(op, startMs);
        else this.#media(op, startMs, "stream");
        break;
      default:
        this.#media(op, startMs, kind);
    }
  }

  #media(op: Op, startMs: number, kind: OpKind): void {
    const paceMs = kind === "burst" ? burstPaceMs : (pacesMs[op.paceIndex % pacesMs.length] ?? 20);
    const isSpray = kind === "spray" || kind === "flood" || (kind === "rotate" && op.twist % 2 === 0);
    const draft = newDraft();
    const say = isSpray ? this.#spray(op) : this.#stream(op, startMs);
    for (let index = 0; index < op.packets; index++) {
      const atMs = startMs + index * paceMs;
      if (atMs > this.#victim.endMs) break;
      draft.atMs = atMs;
      draft.from = this.#from(op, kind, index);
      say(draft, index);
      this.#push(draft);
    }
  }

  /** A stream as a phone sends it: the victim's, carried on from where it is, or one of its own. */
  #stream(op: Op, startMs: number): (draft: Draft, index: number) => void {
    const known = this.#latest(startMs);
    const ssrc = this.#ssrc(known, op);
    const isInformed = this.#knowsSequence() && known !== undefined;
    const first = isInformed ? known.sequence + 1 + (op.twist % 14) : op.twist * 60;
    const firstTimestamp = isInformed ? known.timestamp : this.#chance.below(2 ** 31);
    const payloadType = payloadTypes[op.twist % 3] ?? 0;
    return (draft, index) => {
      draft.ssrc = ssrc;
      draft.sequence = (first + index) & 0xffff;
      draft.timestamp = (firstTimestamp + index * 160) | 0;
      draft.payloadType = payloadType;
    };
  }

  /** Packets that have nothing to do with each other, each as near to the victim's as its maker can come. */
  #spray(op: Op): (draft: Draft) => void {
    const chance = this.#chance;
    const isInformed = this.#knowsSequence();
    const firstTimestamp = chance.below(2 ** 31);
    return (draft) => {
      const now = this.#latest(draft.atMs);
      const near = (now?.sequence ?? 0) + chance.between(-3, 18);
      draft.ssrc = this.#ssrc(now, op);
      draft.sequence = isInformed ? near & 0xffff : chance.below(65_536);
      draft.timestamp = ((isInformed ? (now?.timestamp ?? 0) : firstTimestamp) + chance.below(3_000)) | 0;
      draft.payloadType = payloadTypes[chance.below(6)] ?? 0;
    };
  }

  #control(op: Op, startMs: number): void {
    const known = this.#latest(startMs);
    const paceMs = pacesMs[op.paceIndex % pacesMs.length] ?? 20;
    for (let index = 0; index < Math.min(op.packets, 12); index++) {
      const slot = op.twist % 4 === 0 ? 0 : 1;
      const from = this.#from(op, "control", index);
      this.#push({
        ...newDraft(),
        atMs: startMs + index * paceMs,
        slot,
        kind: packetKind.rtcp,
        from: slot === 1 ? beside(from, 1) : from,
        ssrc: this.#ssrc(known, op),
        payloadType: controlTypes[(op.twist + index) % controlTypes.length] ?? 200,
      });
    }
  }

  #presence(op: Op, startMs: number): void {
    for (let index = 0; index < Math.min(op.packets, 12); index++) {
      const slot = op.twist % 2;
      const from = this.#from(op, "presence", index);
      const kind = op.twist % 3 === 0 ? packetKind.keepalive : packetKind.stun;
      this.#push({
        ...newDraft(),
        atMs: startMs + index * 30,
        slot,
        kind,
        from: slot === 1 ? beside(from, 1) : from,
        payloadType: noPayloadType,
      });
    }
  }

  /** The victim's own packets once more: on the path soon after they were sent, at the other party later. */
  #copy(op: Op, startMs: number): void {
    const lagMs = this.#class === "other-party" ? 5 + (op.twist % 80) : (op.twist % 70) - 15;
    const from = this.#from(op, "copy", 0);
    let count = 0;
    for (const packet of this.#said) {
      if (packet.atMs < startMs) continue;
      if (count++ >= op.packets) break;
      this.packets.push({ ...packet, isAttack: true, from, atMs: packet.atMs + lagMs });
    }
  }

  #from(op: Op, kind: OpKind, index: number): Place {
    if (kind === "flood") return this.#spoofed(op);
    const own = lairs[op.from % lairs.length] ?? farParty;
    const base = this.#base(op, own);
    if (kind !== "rotate") return base;
    if (this.#class === "spoofs-source") return base;
    return op.from % 2 === 0 ? beside(base, 2 * index) : (lairs[index % lairs.length] ?? own);
  }

  #base(op: Op, own: Place): Place {
    const home = this.#victim.signalled === "plain" ? plainPhone : wifi;
    switch (this.#class) {
      case "spoofs-source":
        return op.from % 3 === 2 ? cellular : home;
      case "same-nat":
        return neighbours[op.from % 4 === 3 ? 1 : 0] ?? own;
      case "other-party":
        return farParty;
      default:
        return own;
    }
  }

  /** Addresses that are nobody's: many networks, or many hosts of a few. */
  #spoofed(op: Op): Place {
    const chance = this.#chance;
    const network = op.twist % 2 === 0 ? chance.between(1, 0xdffff) : 0xcb_0071 + (op.twist % 3);
    const ip3 = (network << 8) | chance.between(1, 254);
    // Who forges the phone's own address is of another class, and is promised less.
    const isPhones = ip3 === wifi.ip3 || ip3 === cellular.ip3;
    return { owner: "nobody", ip3: isPhones ? ip3 + 1 : ip3, port: chance.between(1_024, 65_000) };
  }

  #ssrc(known: Packet | undefined, op: Op): number {
    if (this.#class === "blind" || this.#class === "same-nat" || this.#class === "spoofs-source") {
      return op.twist % 2 === 0 ? op.twist + 1 : this.#chance.below(2 ** 31);
    }
    // Now and then a stranger's stream, as the blind one sends it.
    return op.twist % 5 === 4 ? op.twist : (known?.ssrc ?? 1);
  }

  #knowsSequence(): boolean {
    return ["knows-ssrc-and-sequence", "on-path-copier", "other-party"].includes(this.#class);
  }

  /** What the victim sent last by then; before it spoke, what it will send first. */
  #latest(atMs: number): Packet | undefined {
    const media = this.#said;
    let low = 0;
    let high = media.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((media[middle]?.atMs ?? 0) <= atMs) low = middle + 1;
      else high = middle;
    }
    return media[Math.max(0, low - 1)];
  }

  #push(draft: Draft): void {
    const { atMs, slot, kind, from, ssrc, sequence, timestamp, payloadType } = draft;
    const content = this.#content++;
    this.packets.push({
      atMs,
      slot,
      kind,
      from,
      ssrc,
      sequence,
      timestamp,
      payloadType,
      content,
      isAttack: true,
      isSealed: false,
      isReceipt: false,
    });
  }
}

/** A packet being made; one serves many. */
interface Draft {
  atMs: number;
  slot: number;
  kind: number;
  from: Place;
  ssrc: number;
  sequence: number;
  timestamp: number;
  payloadType: number;
}

function newDraft(): Draft {
  const base = { atMs: 0, slot: 0, ssrc: 0, sequence: 0, timestamp: 0, payloadType: 0 };
  return { ...base, kind: packetKind.rtp, from: farParty };
}
