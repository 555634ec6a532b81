/** Main's datagrams on their way out: answers and checks of ICE, flights of DTLS. */
import { packetsDownPerTurnMax } from "../core/limits.ts";
import { type CounterMemory, workerField } from "./counters.ts";
import { type RecordReader, type SocketPort, sendCode } from "./driver.ts";
import type { Gate } from "./gate.ts";
import { packetField } from "./packet-records.ts";
import { reason } from "./reasons.ts";
import type { Slots } from "./slots.ts";
import type { TargetRules } from "./target-rules.ts";

export interface DownLinkParts {
  readonly ring: RecordReader;
  readonly arena: Uint8Array;
  /** Where in the arena a datagram may lie while it is sent. */
  readonly offset: number;
  readonly slots: Slots;
  readonly sockets: SocketPort;
  readonly counters: CounterMemory;
  readonly rules: TargetRules;
  readonly gate: Gate;
}

export class DownLink {
  readonly #parts: DownLinkParts;
  readonly #ringBytes: Uint8Array;

  constructor(parts: DownLinkParts) {
    this.#parts = parts;
    const { buffer, byteOffset, byteLength } = parts.ring.words;
    this.#ringBytes = new Uint8Array(buffer, byteOffset, byteLength);
  }

  /** Sends the oldest, a turn's worth; true when more are left. */
  send(): boolean {
    const { ring } = this.#parts;
    let sent = 0;
    for (let at = ring.begin(); at >= 0; at = ring.begin()) {
      if (sent === packetsDownPerTurnMax) return true;
      this.#sendOne(at);
      ring.release();
      sent++;
    }
    return false;
  }

  /**
   * Sends all there is, a ring's worth, amid commands: up to one whose socket is yet to open, as the command that opens
   * it may stand behind the one in hand.
   */
  sendOpen(): void {
    const { ring, slots } = this.#parts;
    const { words } = ring;
    for (let at = ring.begin(); at >= 0; at = ring.begin()) {
      if (slots.isToCome(words[at + packetField.slot]!, words[at + packetField.generation]!)) return;
      this.#sendOne(at);
      ring.release();
    }
  }

  /** From the slot's socket to where main says; the slot's target stays. */
  #sendOne(at: number): void {
    const { ring, arena, offset, slots, sockets, rules, gate } = this.#parts;
    const { words } = ring;
    const slot = words[at + packetField.slot]!;
    const remote = at + packetField.remote;
    const sizeBytes = words[at + packetField.sizeBytes]!;
    if (!slots.isOpen(slot, words[at + packetField.generation]!)) {
      this.#count(reason.packetsDownStale);
    } else if (rules.isForbidden(slot, words, remote)) {
      this.#count(reason.forbiddenTarget);
    } else {
      const from = 4 * (at + packetField.bytes);
      arena.set(this.#ringBytes.subarray(from, from + sizeBytes), offset);
      gate.noteSent(arena, offset, sizeBytes);
      const code = sockets.sendTo(
        slot,
        offset,
        sizeBytes,
        words[remote]!,
        words[remote + 1]!,
        words[remote + 2]!,
        words[remote + 3]!,
        words[remote + 4]!,
      );
      if (code === sendCode.queueFull) this.#count(reason.sendQueueFull);
      else if (code > sendCode.sentOnRetry) this.#count(reason.sendFailed);
    }
  }

  #count(code: number): void {
    this.#parts.counters.worker[workerField.reasons + code]!++;
  }
}
