/** A relay in miniature around the policy: it keeps what is held under the relay's caps and lists what goes out. */
import { formatEndpoint, ipFromWords, ipToWords, parseEndpoint } from "../../../src/core/address.ts";
import { heldAgeMsMax, heldPacketsPerStreamMax } from "../../../src/core/limits.ts";
import {
  evidenceCode,
  type HandoverSink,
  handoverNote,
  noDigest,
  PacketFacts,
  packetKind,
  type SlotSettings,
  type Verdict,
  verdict,
} from "../../../src/handover/contract.ts";
import { Handover, type HandoverOptions } from "../../../src/handover/handover.ts";

export interface Packet {
  readonly slot: number;
  readonly from: string;
  readonly kind: number;
  readonly ssrc: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly payloadType: number;
  /** Stands for the payload; undefined: a relay that cannot tell packets apart. */
  readonly body?: number;
}

export interface Wanted {
  readonly hints?: readonly (readonly [endpoint: string, use: "ip" | "exact" | "expected"])[];
  readonly target?: string;
  readonly payloadTypes?: readonly number[];
  readonly clockRateHz?: number;
  readonly siblings?: readonly number[];
  readonly isRtp?: boolean;
  readonly isMux?: boolean;
  readonly isSignalled?: boolean;
  readonly generation?: number;
  readonly isAsymmetric?: boolean;
  readonly isStrict?: boolean;
  readonly followsAnySource?: boolean;
  readonly hasIce?: boolean;
  readonly learningMode?: number;
}

export function endpointWords(text: string): number[] {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) throw new Error(`no endpoint: ${text}`);
  return [...ipToWords(endpoint.ip).map((each) => each | 0), endpoint.port];
}

export function settings(wanted: Wanted): SlotSettings {
  const hints = (wanted.hints ?? []).map(([at, use]) => [
    ...endpointWords(at),
    { ip: 1, exact: 0, expected: 2 }[use],
  ]);
  const payloadTypes = new Int32Array(4);
  const clockRates = new Uint32Array(128);
  for (const type of wanted.payloadTypes ?? [0, 8]) {
    payloadTypes[type >>> 5]! |= 1 << (type & 31);
    clockRates[type] = wanted.clockRateHz ?? 8_000;
  }
  return {
    isRtp: wanted.isRtp ?? true,
    isMux: wanted.isMux ?? false,
    isSignalled: wanted.isSignalled ?? true,
    generation: wanted.generation ?? 1,
    isAsymmetric: wanted.isAsymmetric ?? false,
    isStrict: wanted.isStrict ?? false,
    followsAnySource: wanted.followsAnySource ?? false,
    hasIce: wanted.hasIce ?? false,
    learningMode: wanted.learningMode ?? 0,
    hints: Int32Array.from(hints.flat()),
    hintCount: hints.length,
    target: wanted.target === undefined ? new Int32Array(5) : Int32Array.from(endpointWords(wanted.target)),
    payloadTypes,
    clockRates,
    siblings: Int32Array.from(wanted.siblings ?? []),
    siblingCount: wanted.siblings?.length ?? 0,
  };
}

/** The same wish for the RTCP socket: every port one higher. */
export function rtcpOf(wanted: Wanted): Wanted {
  const above = (text: string): string => {
    const split = text.lastIndexOf(":");
    const port = Number(text.slice(split + 1));
    return `${text.slice(0, split)}:${port === 0 ? 0 : port + 1}`;
  };
  return {
    ...wanted,
    hints: (wanted.hints ?? []).map(([at, use]) => [above(at), use]),
    ...(wanted.target === undefined ? {} : { target: above(wanted.target) }),
    siblings: (wanted.siblings ?? []).map((slot) => slot + 1),
  };
}

let voices = 0;

/** What a phone sends: 20 ms of 8 kHz audio a packet. */
export class Phone {
  from: string;
  ssrc: number;
  sequence: number;
  timestamp: number;
  payloadType: number;
  /** Who speaks: two phones never say the same. */
  voice = ++voices;

  constructor(from: string, ssrc = 0x1000, payloadType = 0, sequence = 65_530) {
    this.from = from;
    this.ssrc = ssrc;
    this.payloadType = payloadType;
    this.sequence = sequence;
    this.timestamp = 0x7fff_ff00;
  }

  next(slot = 0): Packet {
    const { from, ssrc, sequence, timestamp, payloadType } = this;
    this.sequence = (sequence + 1) & 0xffff;
    this.timestamp = (timestamp + 160) | 0;
    return { slot, from, kind: packetKind.rtp, ssrc, sequence, timestamp, payloadType, body: this.voice };
  }

  /** The same stream from here on, by somebody else who knows its numbers. */
  forge(from: string, ahead = 0): Phone {
    const thief = new Phone(from, this.ssrc, this.payloadType, (this.sequence + ahead) & 0xffff);
    thief.timestamp = (this.timestamp + 160 * ahead) | 0;
    return thief;
  }
}

export function rtcp(from: string, ssrc = 0x1000, payloadType = 200, slot = 1): Packet {
  return { slot, from, kind: packetKind.rtcp, ssrc, sequence: 0, timestamp: 0, payloadType };
}

export function other(from: string, kind: number, slot = 0): Packet {
  return { slot, from, kind, ssrc: 0, sequence: 0, timestamp: 0, payloadType: 0 };
}

interface Held {
  readonly packet: Packet;
  readonly atMs: number;
}

export class Leg implements HandoverSink {
  readonly policy: Handover;
  readonly relayed: Packet[] = [];
  readonly dropped: Packet[] = [];
  readonly notes: string[] = [];
  readonly held = new Map<string, Held[]>();
  readonly targetChanges: number[] = [];
  /** What is said of every report: it is about something we sent lately. */
  hasReceipts = false;
  readonly replays: string[] = [];
  nowMs = 1_000;
  onNote: (slot: number, kind: number, source: string) => void = () => undefined;
  #facts = new PacketFacts();
  #inHand: Packet | undefined;

  constructor(options: HandoverOptions = {}, capacitySlots = 8) {
    this.policy = new Handover(capacitySlots, this, options);
  }

  /** Opens a pair and configures both its sockets, as the relay does. */
  open(wanted?: Wanted, slot = 0): this {
    this.policy.open(slot, this.nowMs);
    this.policy.open(slot + 1, this.nowMs);
    return wanted === undefined ? this : this.configure(wanted, slot);
  }

  configure(wanted: Wanted, slot = 0, ofRtcp: Wanted = rtcpOf(wanted)): this {
    this.policy.configure(slot, settings(wanted), this.nowMs);
    this.policy.configure(slot + 1, settings(ofRtcp), this.nowMs);
    return this;
  }

  send(packet: Packet): Verdict {
    const facts = this.#facts;
    const [ip0 = 0, ip1 = 0, ip2 = 0, ip3 = 0, port = 0] = endpointWords(packet.from);
    Object.assign(facts, packet, { ip0, ip1, ip2, ip3, port, sizeBytes: 172, auth: 0 });
    this.#inHand = packet;
    const outcome = this.policy.packet(facts, this.nowMs);
    if (outcome === verdict.relay) this.relayed.push(packet);
    else if (outcome === verdict.hold) this.#keep(packet);
    else this.dropped.push(packet);
    return outcome;
  }

  /** Time passes; what falls due meanwhile is run at its time. */
  wait(durationMs: number): this {
    const untilMs = this.nowMs + durationMs;
    for (let due = this.policy.nextDeadlineMs(); due <= untilMs; due = this.policy.nextDeadlineMs()) {
      this.nowMs = Math.max(this.nowMs, due);
      this.policy.advance(this.nowMs);
      if (this.policy.nextDeadlineMs() <= this.nowMs) throw new Error("the deadline did not move on");
    }
    this.nowMs = untilMs;
    this.#expire();
    return this;
  }

  /** The phone speaks at its pace; verdicts of its packets. */
  talk(phone: Phone, packets: number, slot = 0, paceMs = 20): Verdict[] {
    const outcomes: Verdict[] = [];
    for (let count = 0; count < packets; count++) {
      outcomes.push(this.send(phone.next(slot)));
      this.wait(paceMs);
    }
    return outcomes;
  }

  /** Packets of the phone that went out, in order. */
  heard(from: string): number[] {
    return this.relayed.filter((packet) => packet.from === from).map((packet) => packet.sequence);
  }

  target(slot = 0): string {
    return this.#text((index) => this.policy.targetWord(slot, index));
  }

  proven(slot = 0): string {
    return this.#text((index) => this.policy.provenWord(slot, index));
  }

  evidence(slot = 0): string {
    return nameOf(evidenceCode, this.policy.evidenceOf(slot));
  }

  heldCount(): number {
    let count = 0;
    for (const list of this.held.values()) count += list.length;
    return count;
  }

  releaseHeld(slot: number, candidate: number, sinceMs = Number.NEGATIVE_INFINITY): void {
    for (const { packet, atMs } of this.#take(slot, candidate)) {
      (atMs < sinceMs ? this.dropped : this.relayed).push(packet);
    }
  }

  dropHeld(slot: number, candidate: number): void {
    for (const { packet } of this.#take(slot, candidate)) this.dropped.push(packet);
  }

  targetChanged(slot: number): void {
    this.targetChanges.push(slot);
  }

  replay(slot: number, sinceMs: number): void {
    this.replays.push(`${slot} ${this.target(slot)} ${sinceMs}`);
  }

  digest(): number {
    return this.#inHand === undefined ? noDigest : digestOf(this.#inHand);
  }

  heldDigest(slot: number, candidate: number, sequence: number): number {
    const list = this.held.get(`${slot}/${candidate}`) ?? [];
    const found = list.find(({ packet }) => packet.sequence === sequence);
    return found === undefined ? noDigest : digestOf(found.packet);
  }

  isReceipt(): boolean {
    return this.hasReceipts;
  }

  note(slot: number, kind: number, evidence: number, source: Int32Array, at: number): void {
    this.notes.push(`${slot} ${nameOf(handoverNote, kind)} ${nameOf(evidenceCode, evidence)}`);
    this.onNote(
      slot,
      kind,
      this.#text((index) => source[at + index]!),
    );
  }

  #keep(packet: Packet): void {
    const key = `${packet.slot}/${this.policy.heldFor}`;
    const list = this.held.get(key) ?? [];
    this.held.set(key, list);
    list.push({ packet, atMs: this.nowMs });
    if (list.length > heldPacketsPerStreamMax) this.#lose(list);
  }

  #expire(): void {
    for (const list of this.held.values()) {
      while (list[0] !== undefined && list[0].atMs + heldAgeMsMax <= this.nowMs) this.#lose(list);
    }
  }

  #lose(list: Held[]): void {
    const oldest = list.shift();
    if (oldest !== undefined) this.dropped.push(oldest.packet);
  }

  #take(slot: number, candidate: number): readonly Held[] {
    const key = `${slot}/${candidate}`;
    const list = this.held.get(key) ?? [];
    this.held.delete(key);
    return list;
  }

  #text(wordOf: (index: number) => number): string {
    const port = wordOf(4);
    if (port === 0) return "-";
    const ip = ipFromWords(wordOf(0) >>> 0, wordOf(1) >>> 0, wordOf(2) >>> 0, wordOf(3) >>> 0);
    return formatEndpoint({ ip, port });
  }
}

function nameOf(codes: Readonly<Record<string, number>>, code: number): string {
  for (const [name, value] of Object.entries(codes)) if (value === code) return name;
  throw new Error(`no such code: ${code}`);
}

function digestOf({ body, ssrc, sequence, timestamp, payloadType }: Packet): number {
  if (body === undefined) return noDigest;
  return [body, ssrc, sequence, timestamp, payloadType].reduce((sum, each) => (sum * 31 + each) >>> 0, 7);
}

/** How many verdicts of each kind, by name. */
export function tally(outcomes: readonly Verdict[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) {
    const name = nameOf(verdict, outcome);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** `count` sequence numbers from `first` on. */
export function run(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => (first + index) & 0xffff);
}
