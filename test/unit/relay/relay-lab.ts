/** The relay over a driver whose worker is the test itself. */
import type { IpAddress } from "../../../src/core/address.ts";
import type { GroupId, PairId, PairSettings, RelayEvent } from "../../../src/core/plan/plan.ts";
import type { MonotonicMs, UnixMs } from "../../../src/core/time.ts";
import { handoverBytes } from "../../../src/handover/slot-table.ts";
import { allocateRing, RingReader, RingWriter } from "../../../src/io/ring.ts";
import { commandField } from "../../../src/relay/commands.ts";
import { counterSizes } from "../../../src/relay/counters.ts";
import {
  type BindRequest,
  type BindResult,
  commandWords,
  eventWords,
  type RelayDriver,
} from "../../../src/relay/driver.ts";
import { eventField } from "../../../src/relay/events.ts";
import type { RelayInterface } from "../../../src/relay/interfaces.ts";
import { packetWords } from "../../../src/relay/packet-records.ts";
import { Relay } from "../../../src/relay/relay.ts";
import { plainSettings } from "../../support/relay-rig.ts";
import { FakeMakers } from "../../support/transport-fakes.ts";

export const inside: RelayInterface = {
  name: "in",
  ip: "10.0.0.1" as IpAddress,
  advertisedIp: "10.0.0.1" as IpAddress,
};
export const outside: RelayInterface = {
  name: "out",
  ip: "10.0.0.2" as IpAddress,
  advertisedIp: "203.0.113.9" as IpAddress,
};
const capacitySlots = 64;

/** A driver whose sockets are numbers and whose worker is the test itself. */
export class FakeDriver implements RelayDriver {
  readonly name = "dgram";
  readonly sendsBatches = false;
  readonly receivesBatches = false;
  readonly srtp = { engine: undefined, faults: [] };
  readonly capacitySlots = capacitySlots;
  readonly binds: BindRequest[] = [];
  readonly discarded: number[] = [];
  wakes = 0;
  outcome: (request: BindRequest) => BindResult = () => this.#bound();
  isAsynchronous = false;
  readonly waiting: (() => void)[] = [];
  readonly commands: RingReader;
  readonly packetsDown: RingReader;
  readonly packetsUp: RingWriter;
  readonly handover = new SharedArrayBuffer(handoverBytes(capacitySlots));
  readonly links;
  readonly #events: RingWriter;
  #lastHandle = 100;

  constructor(commandRecords = 64) {
    const sizes = counterSizes(capacitySlots);
    const commands = allocateRing(commandRecords, commandWords);
    const events = allocateRing(64, eventWords);
    const up = allocateRing(128, packetWords);
    const down = allocateRing(4, packetWords);
    this.packetsUp = new RingWriter(up, packetWords);
    this.packetsDown = new RingReader(down, packetWords);
    this.commands = new RingReader(commands, commandWords);
    this.#events = new RingWriter(events, eventWords);
    this.links = [
      {
        commands: new RingWriter(commands, commandWords),
        events: new RingReader(events, eventWords),
        packetsUp: new RingReader(up, packetWords),
        packetsDown: new RingWriter(down, packetWords),
        counters: {
          worker: new Float64Array(sizes.worker),
          sockets: new Float64Array(sizes.sockets),
          streams: new Float64Array(sizes.streams),
        },
        handover: this.handover,
        wake: () => void this.wakes++,
      },
    ];
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  bindPair(request: BindRequest, done: (result: BindResult) => void): void {
    this.binds.push(request);
    const result = this.outcome(request);
    if (this.isAsynchronous) this.waiting.push(() => done(result));
    else done(result);
  }

  discard(_worker: number, rtpHandle: number, rtcpHandle: number): void {
    this.discarded.push(rtpHandle, rtcpHandle);
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  /** What main has asked for: kind, slot and generation. */
  taken(): {
    readonly kind: number;
    readonly slot: number;
    readonly generation: number;
    readonly at: number;
  }[] {
    const taken = [];
    for (let at = this.commands.begin(); at >= 0; at = this.commands.begin()) {
      const { words } = this.commands;
      taken.push({
        kind: words[at + commandField.kind]!,
        slot: words[at + commandField.slot]!,
        generation: words[at + commandField.generation]!,
        at,
      });
      this.commands.release();
    }
    return taken;
  }

  tell(kind: number, slot: number, generation: number, note = 0): void {
    const at = this.#events.begin();
    const { words } = this.#events;
    words[at + eventField.kind] = kind;
    words[at + eventField.slot] = slot;
    words[at + eventField.generation] = generation;
    words[at + eventField.evidence] = 2;
    words[at + eventField.note] = note;
    words.set([0, 0, 0xffff, 0x0a000009, 4_000], at + eventField.source);
    this.#events.commit();
  }

  #bound(): BindResult {
    this.#lastHandle += 2;
    return { ok: true, rtpHandle: this.#lastHandle, rtcpHandle: this.#lastHandle + 1 };
  }
}

export function rig(driver = new FakeDriver(), interfaces = [inside, outside], portMax = 30_007) {
  const events: RelayEvent[] = [];
  const makers = new FakeMakers();
  let onEvent = (event: RelayEvent): void => void events.push(event);
  const relay = new Relay({
    driver,
    interfaces,
    portMin: 30_000,
    portMax,
    tos: 184,
    random: { bytes: () => new Uint8Array(), below: () => 0 },
    clock: { monotonicMs: () => 5_000 as MonotonicMs, unixMs: () => 0 as UnixMs },
    makers,
    onEvent: (event) => onEvent(event),
    onDeadline: () => undefined,
    onFault: () => undefined,
  });
  const open = (
    pair: number,
    own: { group?: number; name?: string; family?: 4 | 6; tos?: number; localIp?: IpAddress } = {},
  ): void =>
    relay.perform({
      kind: "open",
      pair: pair as PairId,
      group: (own.group ?? 1) as GroupId,
      interfaceName: own.name,
      family: own.family ?? 4,
      localIp: own.localIp,
      tos: own.tos,
    });
  const configure = (pair: number, own: Partial<PairSettings>): void =>
    relay.perform({ kind: "configure", pair: pair as PairId, settings: { ...plainSettings, ...own } });
  const close = (pair: number): void => relay.perform({ kind: "close", pair: pair as PairId });
  const used = (): number[] => relay.stats().interfaces.map((each) => each.used);
  const whenEvent = (handler: (event: RelayEvent) => void): void => {
    onEvent = handler;
  };
  return { driver, relay, makers, events, open, configure, close, used, whenEvent };
}
