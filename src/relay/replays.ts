/**
 * Replays under way. A party that changed its network gets again what was sent to where it no longer was: the same bytes,
 * oldest first, four at once and then one a millisecond, to where the slot sends now, and all that remain before the next
 * live packet, so that order is kept. What it has already it drops by its sequence number (by the index, under SRTP).
 *
 * Typed arrays, nothing allocated. A replay that the policy asks for waits until the slot's new target is settled; what is
 * sent again is looked up with its first packets, not before.
 */
import {
  replayAgeMsMax,
  replayBurstPacketsMax,
  replayIntervalMsMin,
  replayPacketsMax,
  replaySizeBytesMax,
  replaysAtOnceMax,
} from "../core/limits.ts";
import { packetKind } from "../handover/contract.ts";
import { workerField } from "./counters.ts";
import { type SocketPort, sendCode } from "./driver.ts";
import type { ReplayLog } from "./replay-log.ts";
import { pairFlag, type Slots, targetState } from "./slots.ts";
import { TargetTrail } from "./target-trail.ts";

/** How far a replay is: asked for, target settled, packets looked up. */
const stage = { asked: 0, ready: 1, running: 2 } as const;

export interface ReplayParts {
  readonly log: ReplayLog;
  readonly slots: Slots;
  readonly sockets: SocketPort;
  /** The worker's counter record. */
  readonly worker: Float64Array;
  /** One double: the time of this turn of the worker. */
  readonly clock: Float64Array;
}

export class Replays {
  readonly #log: ReplayLog;
  readonly #slots: Slots;
  readonly #sockets: SocketPort;
  readonly #worker: Float64Array;
  readonly #clock: Float64Array;
  readonly #trail: TargetTrail;
  /** Replays under way; they are the first so many of each table. */
  #count = 0;
  #nextMs = Number.POSITIVE_INFINITY;
  readonly #slotOf = new Int32Array(replaysAtOnceMax);
  readonly #stages = new Uint8Array(replaysAtOnceMax);
  readonly #sinceMs = new Float64Array(replaysAtOnceMax);
  readonly #dueMs = new Float64Array(replaysAtOnceMax);
  /** Serials of what is to be sent, newest first, and how many are left. */
  readonly #serials = new Int32Array(replaysAtOnceMax * replayPacketsMax);
  readonly #left = new Uint8Array(replaysAtOnceMax);
  /** By slot: its replay's place + 1, and when its last one began. */
  readonly #placeOf: Uint16Array;
  readonly #begunMs: Float64Array;

  constructor(parts: ReplayParts) {
    this.#log = parts.log;
    this.#slots = parts.slots;
    this.#sockets = parts.sockets;
    this.#worker = parts.worker;
    this.#clock = parts.clock;
    this.#trail = new TargetTrail(parts.log.isOn ? parts.slots.capacitySlots : 0);
    this.#placeOf = new Uint16Array(parts.slots.capacitySlots);
    this.#begunMs = new Float64Array(parts.slots.capacitySlots).fill(Number.NEGATIVE_INFINITY);
  }

  /** False: nothing is kept, and nothing sent again. */
  get isOn(): boolean {
    return this.#log.isOn;
  }

  /** True if packets of that kind are kept when they leave the slot: RTP, or UDPTL where that is the media. */
  keeps(slot: number, kind: number): boolean {
    const flags = this.#slots.flags[slot >>> 1]!;
    if ((flags & pairFlag.mayReplay) === 0) return false;
    return kind === packetKind.rtp || (kind === packetKind.data && (flags & pairFlag.isUdptl) !== 0);
  }

  /** A packet of a kept kind is about to leave the slot, as it stands at `offset`: what is owed goes first. */
  note(slot: number, offset: number, sizeBytes: number): void {
    if (this.#count !== 0) this.#sendRest(slot);
    this.#log.append(slot, offset, sizeBytes, this.#clock[0]! | 0);
  }

  /** What leaves the slot from now on goes to its target as it stands in `Slots`. */
  turn(slot: number): void {
    if (this.#log.isOn) this.#trail.turn(slot, this.#log.nextSerial, this.#slots.targets, 5 * slot);
  }

  /** The policy wants what left the slot since `sinceMs` to be sent again. */
  ask(slot: number, sinceMs: number): void {
    let place = this.#placeOf[slot]! - 1;
    if (place < 0) {
      if (!this.#log.isOn || this.#log.newestOf(slot) === 0) return;
      if (this.#count === replaysAtOnceMax) {
        this.#worker[workerField.replaysRefused]!++;
        return;
      }
      place = this.#count++;
      this.#slotOf[place] = slot;
      this.#placeOf[slot] = place + 1;
    } else if (this.#stages[place] === stage.running) {
      return;
    }
    this.#stages[place] = stage.asked;
    this.#sinceMs[place] = sinceMs;
    this.#nextMs = Number.NEGATIVE_INFINITY;
  }

  /** All targets are what the policy wants them to be. */
  settle(): void {
    for (let place = 0; place < this.#count; place++) {
      if (this.#stages[place] === stage.asked) this.#stages[place] = stage.ready;
    }
  }

  /** The slot goes back to the source it had: that one has heard everything. */
  rollBack(slot: number): void {
    const place = this.#placeOf[slot]! - 1;
    if (place >= 0 && this.#stages[place] !== stage.asked) this.#end(place);
  }

  /** What left the slot must not be sent again: it is another party's, or of another key or meaning. */
  forget(slot: number): void {
    const place = this.#placeOf[slot]! - 1;
    if (place >= 0) this.#end(place);
    if (this.#log.forget(slot)) this.#worker[workerField.replaysForgotten]!++;
  }

  /** The slot serves another pair from now on. */
  open(slot: number): void {
    this.forget(slot);
    this.#trail.clear(slot);
    this.#begunMs[slot] = Number.NEGATIVE_INFINITY;
  }

  /** Sends what is due. */
  run(nowMs: number): void {
    if (nowMs < this.#nextMs) return;
    this.#nextMs = Number.POSITIVE_INFINITY;
    // Backwards: the last one takes the place of one that ends.
    for (let place = this.#count - 1; place >= 0; place--) {
      this.#runOne(place, nowMs);
    }
    for (let place = 0; place < this.#count; place++) {
      if (this.#stages[place] !== stage.asked) this.#nextMs = Math.min(this.#nextMs, this.#dueMs[place]!);
    }
  }

  /** Infinity when nothing is to be sent again. */
  nextDeadlineMs(): number {
    return this.#nextMs;
  }

  #runOne(place: number, nowMs: number): void {
    if (this.#stages[place] === stage.asked) return;
    if (this.#stages[place] === stage.ready) {
      if (!this.#begin(place, nowMs)) return;
      this.#send(place, replayBurstPacketsMax);
    } else if (nowMs >= this.#dueMs[place]!) {
      this.#send(place, Math.min(replayBurstPacketsMax, 1 + Math.floor(nowMs - this.#dueMs[place]!)));
    } else {
      return;
    }
    this.#dueMs[place] = nowMs + 1;
    if (this.#left[place] === 0) this.#end(place);
  }

  /** A slot whose new target is not settled yet sends to the old one once more; that packet is sent again with the others. */
  #sendRest(slot: number): void {
    const place = this.#placeOf[slot]! - 1;
    if (place < 0 || this.#stages[place] === stage.asked) return;
    if (this.#stages[place] === stage.ready && !this.#begin(place, this.#clock[0]!)) return;
    this.#send(place, replayPacketsMax);
    this.#end(place);
  }

  /** Looks up what is to be sent; false if there is nothing, and the replay is over. */
  #begin(place: number, nowMs: number): boolean {
    const slot = this.#slotOf[place]!;
    const left = nowMs - this.#begunMs[slot]! < replayIntervalMsMin ? 0 : this.#lookUp(place, slot, nowMs);
    if (left === 0) {
      this.#end(place);
      return false;
    }
    this.#stages[place] = stage.running;
    this.#left[place] = left;
    this.#begunMs[slot] = nowMs;
    this.#worker[workerField.replays]!++;
    return true;
  }

  /** Lists the slot's packets since the wanted time that went elsewhere, newest first; their number. */
  #lookUp(place: number, slot: number, nowMs: number): number {
    const log = this.#log;
    const sinceMs = Math.max(this.#sinceMs[place]!, nowMs - replayAgeMsMax);
    const first = place * replayPacketsMax;
    let packets = 0;
    let sizeBytes = 0;
    for (
      let serial = log.newestOf(slot);
      serial !== 0 && packets < replayPacketsMax && log.msSince(serial, sinceMs) >= 0;
      serial = log.previousOf(serial, slot)
    ) {
      if (this.#trail.wentToTarget(slot, serial)) continue;
      sizeBytes += log.sizeOf(serial);
      if (sizeBytes > replaySizeBytesMax) break;
      this.#serials[first + packets++] = serial;
    }
    return packets;
  }

  /** The oldest `packets` of what is left, as far as they are still there. */
  #send(place: number, packets: number): void {
    const log = this.#log;
    const slot = this.#slotOf[place]!;
    // Another leg of ours does not move between networks, and what goes round between two calls must not multiply.
    if (this.#slots.targetStates[slot] !== targetState.any) {
      this.#left[place] = 0;
      return;
    }
    const worker = this.#worker;
    for (let sent = 0; sent < packets && this.#left[place]! > 0; sent++) {
      const serial = this.#serials[place * replayPacketsMax + --this.#left[place]!]!;
      if (!log.isAlive(serial, slot)) continue;
      const sizeBytes = log.sizeOf(serial);
      if (this.#sockets.send(slot, log.offsetOf(serial), sizeBytes) <= sendCode.sentOnRetry) {
        worker[workerField.replayedPackets]!++;
        worker[workerField.replayedBytes]! += sizeBytes;
      } else {
        worker[workerField.replayErrors]!++;
      }
    }
  }

  #end(place: number): void {
    const last = --this.#count;
    this.#placeOf[this.#slotOf[place]!] = 0;
    if (last === 0) this.#nextMs = Number.POSITIVE_INFINITY;
    if (place === last) return;
    this.#slotOf[place] = this.#slotOf[last]!;
    this.#stages[place] = this.#stages[last]!;
    this.#sinceMs[place] = this.#sinceMs[last]!;
    this.#dueMs[place] = this.#dueMs[last]!;
    this.#left[place] = this.#left[last]!;
    const from = last * replayPacketsMax;
    this.#serials.copyWithin(place * replayPacketsMax, from, from + this.#left[last]!);
    this.#placeOf[this.#slotOf[place]!] = place + 1;
  }
}
