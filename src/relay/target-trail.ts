/**
 * Where the packets of a slot went: its last targets, and from which packet on each was the target. Endpoints are kept as
 * hashes; two that are taken for one cost a replay, nothing else.
 */

/** Targets remembered a slot: within the age of what is kept, more do not come. */
const depth = 4;
/** Words of one: serial of the first packet, hash of the endpoint (0: none). */
const pointWords = 2;
const rowWords = depth * pointWords;

export class TargetTrail {
  readonly #points: Int32Array;

  constructor(capacitySlots: number) {
    this.#points = new Int32Array(capacitySlots * rowWords);
  }

  clear(slot: number): void {
    this.#points.fill(0, slot * rowWords, (slot + 1) * rowWords);
  }

  /** From the packet `serial` on the slot sends to the endpoint in five words at `at`. */
  turn(slot: number, serial: number, targets: Int32Array, at: number): void {
    const points = this.#points;
    const base = slot * rowWords;
    const hash = hashOf(targets, at);
    if (points[base + 1] === hash) return;
    points.copyWithin(base + pointWords, base, base + rowWords - pointWords);
    points[base] = serial;
    points[base + 1] = hash;
  }

  /** True if the packet went to where the slot sends now. */
  wentToTarget(slot: number, serial: number): boolean {
    const points = this.#points;
    const base = slot * rowWords;
    for (let at = base; at < base + rowWords && points[at + 1] !== 0; at += pointWords) {
      // Serials are counted modulo 2^32.
      if (((serial - points[at]!) | 0) >= 0) return points[at + 1] === points[base + 1];
    }
    return false;
  }
}

/** Never 0. */
function hashOf(words: Int32Array, at: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let index = 0; index < 5; index++) hash = Math.imul(hash ^ words[at + index]!, 0x01000193);
  return hash === 0 ? 1 : hash;
}
