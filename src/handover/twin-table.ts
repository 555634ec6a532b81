/**
 * Windows of streams that are read over two paths at once: which of the last 128 numbers of a stream went out already,
 * and a digest of each. Few slots need one, so they come from one table of limited size, and a slot's windows are
 * chained. Nothing is allocated after construction.
 *
 * A handle is an index + 1; 0 is none.
 */
import { twinWindowPackets, twinWindowsMax, twinWindowsPerSlotMax } from "../core/limits.ts";

/** What a window knows of a number. */
export const windowState = {
  /** It did not go out yet. */
  fresh: 0,
  /** It went out, and the digest is the same. */
  same: 1,
  /** Other bytes went out under it. */
  different: 2,
  /** Before the window; or before it was opened, and not heard of since. */
  old: 3,
} as const;

const mask = twinWindowPackets - 1;

export class TwinTable {
  readonly #next = new Uint16Array(twinWindowsMax + 1);
  readonly #ssrc = new Int32Array(twinWindowsMax + 1);
  /** The number the window was opened with, and the highest that went out. */
  readonly #floor = new Int32Array(twinWindowsMax + 1);
  readonly #highest = new Int32Array(twinWindowsMax + 1);
  readonly #isSent = new Uint8Array((twinWindowsMax + 1) * twinWindowPackets);
  readonly #digests = new Uint32Array((twinWindowsMax + 1) * twinWindowPackets);
  /** By the first window of a slot: when the source beside the proven one was heard last. */
  readonly #heardAt = new Float64Array(twinWindowsMax + 1);
  #free = 1;

  constructor() {
    for (let handle = 1; handle < twinWindowsMax; handle++) this.#next[handle] = handle + 1;
  }

  /** The window of `ssrc` in the chain that begins with `first`; 0: none. */
  find(first: number, ssrc: number): number {
    let handle = first;
    while (handle !== 0 && this.#ssrc[handle] !== ssrc) handle = this.#next[handle]!;
    return handle;
  }

  /** Opens a window from `sequence` on behind `first` (0: a new chain); 0 when there is none to be had. */
  open(first: number, ssrc: number, sequence: number): number {
    const handle = this.#free;
    if (handle === 0) return 0;
    let last = first;
    for (let count = 1; last !== 0 && this.#next[last] !== 0; last = this.#next[last]!) {
      if (++count >= twinWindowsPerSlotMax) return 0;
    }
    this.#free = this.#next[handle]!;
    this.#next[handle] = 0;
    if (last !== 0) this.#next[last] = handle;
    this.#ssrc[handle] = ssrc;
    this.#floor[handle] = sequence;
    this.#highest[handle] = (sequence - 1) & 0xffff;
    this.#isSent.fill(0, handle * twinWindowPackets, (handle + 1) * twinWindowPackets);
    return handle;
  }

  /** Gives the whole chain back. */
  close(first: number): void {
    let handle = first;
    while (handle !== 0) {
      const next = this.#next[handle]!;
      this.#next[handle] = this.#free;
      this.#free = handle;
      handle = next;
    }
  }

  look(handle: number, sequence: number, digest: number): number {
    const behind = (this.#highest[handle]! - sequence) & 0xffff;
    if (behind >= 0x8000) return windowState.fresh;
    if (behind >= twinWindowPackets) return windowState.old;
    const at = handle * twinWindowPackets + (sequence & mask);
    if (this.#isSent[at] !== 0)
      return this.#digests[at] === digest ? windowState.same : windowState.different;
    const isBeforeOpening = ((sequence - this.#floor[handle]!) & 0xffff) >= 0x8000;
    return isBeforeOpening ? windowState.old : windowState.fresh;
  }

  /** The packet goes out. What is older than the window is forgotten at once. */
  mark(handle: number, sequence: number, digest: number): void {
    const base = handle * twinWindowPackets;
    const ahead = (sequence - this.#highest[handle]!) & 0xffff;
    if (ahead < 0x8000) this.#advance(handle, base, sequence, ahead);
    else if (0x10000 - ahead >= twinWindowPackets) return;
    this.#isSent[base + (sequence & mask)] = 1;
    this.#digests[base + (sequence & mask)] = digest;
  }

  #advance(handle: number, base: number, sequence: number, ahead: number): void {
    const skipped = Math.min(ahead, twinWindowPackets);
    for (let back = 0; back < skipped; back++) this.#isSent[base + ((sequence - back) & mask)] = 0;
    this.#highest[handle] = sequence;
    const floor = (sequence - mask) & 0xffff;
    if (((floor - this.#floor[handle]!) & 0xffff) < 0x8000) this.#floor[handle] = floor;
  }

  heardAtMs(first: number): number {
    return this.#heardAt[first]!;
  }

  hear(first: number, nowMs: number): void {
    this.#heardAt[first] = nowMs;
  }
}
