/** Receiver reports as proof that somebody hears us (RFC 3550 section 6.4): bounded, and in doubt there is none. */
import { bundleReportsMax } from "../core/limits.ts";
import { firstReportBlock, nextRtcpPacket, reportHighestSequence, reportSsrc } from "../rtp/rtcp.ts";
import type { Bundles } from "./bundles.ts";
import type { SentMarks } from "./sent-marks.ts";
import { type Slots, targetState } from "./slots.ts";

const reportBlockBytes = 24;

export class Receipts {
  readonly #bytes: Uint8Array;
  readonly #slots: Slots;
  readonly #bundles: Bundles;
  readonly #marks: SentMarks;

  constructor(bytes: Uint8Array, slots: Slots, bundles: Bundles, marks: SentMarks) {
    this.#bytes = bytes;
    this.#slots = slots;
    this.#bundles = bundles;
    this.#marks = marks;
  }

  /** The compound at `offset`, in clear, names a number that was sent to the party of the slot within the last 10 s. */
  isReceipt(slot: number, offset: number, sizeBytes: number, nowMs: number): boolean {
    // Nothing was sent there: its sequence numbers are known to the other party alone.
    if (this.#slots.targetStates[slot & ~1] === targetState.none) return false;
    const bytes = this.#bytes;
    const end = offset + sizeBytes;
    let looked = 0;
    for (let at = offset; at >= 0 && looked < bundleReportsMax; at = nextRtcpPacket(bytes, at, end)) {
      looked++;
      const first = firstReportBlock(bytes, at, end);
      if (first < 0) continue;
      const blocks = bytes[at]! & 31;
      for (let block = first; block < first + blocks * reportBlockBytes; block += reportBlockBytes) {
        if (this.#isOurs(slot, block, nowMs)) return true;
      }
    }
    return false;
  }

  #isOurs(slot: number, block: number, nowMs: number): boolean {
    const at = this.#bundles.streamSentTo(slot, reportSsrc(this.#bytes, block));
    return at >= 0 && this.#marks.isRecent(at, reportHighestSequence(this.#bytes, block), nowMs);
  }
}
