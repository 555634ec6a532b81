/** Statistics of the streams a pair receives (loss, jitter), in the counters that main reads. No allocation. */
import { ssrcsPerSlotMax } from "../core/limits.ts";
import { receivePacket, reception, startStream } from "../rtp/reception.ts";
import { rtpPayloadType, rtpSequence, rtpSsrc, rtpTimestamp } from "../rtp/rtp.ts";
import { type CounterMemory, socketAt, socketField, streamAt } from "./counters.ts";
import type { SentMarks } from "./sent-marks.ts";
import type { Slots } from "./slots.ts";

/** Every 32nd packet is looked at for a mark: often enough, and the others cost nothing. */
const marksMask = 31;

export class StreamCounts {
  readonly #bytes: Uint8Array;
  readonly #slots: Slots;
  readonly #counters: CounterMemory;
  readonly #marks: SentMarks;

  constructor(bytes: Uint8Array, slots: Slots, counters: CounterMemory, marks: SentMarks) {
    this.#bytes = bytes;
    this.#slots = slots;
    this.#counters = counters;
    this.#marks = marks;
  }

  /** An RTP packet at `offset` was accepted for the slot. */
  count(slot: number, offset: number, sizeBytes: number, arrivalMs: number): void {
    const bytes = this.#bytes;
    const sequence = rtpSequence(bytes, offset);
    const payloadType = rtpPayloadType(bytes, offset);
    const at = this.#streamOf(slot, rtpSsrc(bytes, offset), sequence, arrivalMs);
    const clockRateHz = this.#slots.clockRates[slot >>> 1]![payloadType]!;
    const timestamp = rtpTimestamp(bytes, offset);
    receivePacket(
      this.#counters.streams,
      at,
      sequence,
      timestamp,
      payloadType,
      clockRateHz,
      sizeBytes,
      arrivalMs,
    );
    if ((sequence & marksMask) === 0) this.#marks.note(at, arrivalMs);
  }

  /** The record of the SSRC; a new one takes a free record, else the one unheard for longest. */
  #streamOf(slot: number, ssrc: number, sequence: number, arrivalMs: number): number {
    const { sockets, streams } = this.#counters;
    const capacity = this.#slots.capacitySlots;
    const used = sockets[socketAt(slot) + socketField.streams]!;
    const wanted = ssrc >>> 0;
    let stalest = -1;
    for (let rank = 0; rank < used; rank++) {
      const at = streamAt(slot, rank, capacity);
      if (streams[at + reception.ssrc] === wanted) return at;
      if (stalest < 0 || streams[at + reception.lastPacketAt]! < streams[stalest + reception.lastPacketAt]!) {
        stalest = at;
      }
    }
    let at = stalest;
    if (used < ssrcsPerSlotMax) {
      at = streamAt(slot, used, capacity);
      sockets[socketAt(slot) + socketField.streams] = used + 1;
    }
    startStream(streams, at, wanted, sequence);
    this.#marks.start(at, arrivalMs);
    return at;
  }
}
