/**
 * Keeps the sockets' send targets, and what main is shown of them, in step with what the policy says. The policy's word
 * is taken once it has returned, because its tables may be half written while it calls.
 */
import type { HandoverPolicy } from "../handover/contract.ts";
import { type CounterMemory, socketAt, socketField, workerField } from "./counters.ts";
import type { SocketPort } from "./driver.ts";
import { reason } from "./reasons.ts";
import type { Replays } from "./replays.ts";
import type { Sender } from "./sender.ts";
import { SlotQueue } from "./slot-queue.ts";
import { pairFlag, type Slots, targetState } from "./slots.ts";
import { isUnspecified, type TargetRules } from "./target-rules.ts";

export interface TargetParts {
  readonly slots: Slots;
  readonly counters: CounterMemory;
  readonly sockets: SocketPort;
  readonly rules: TargetRules;
  readonly sender: Sender;
  readonly replays: Replays;
}

export class Targets {
  readonly #slots: Slots;
  readonly #counters: CounterMemory;
  readonly #sockets: SocketPort;
  readonly #rules: TargetRules;
  readonly #sender: Sender;
  readonly #replays: Replays;
  readonly #moved: SlotQueue;
  #policy!: HandoverPolicy;

  constructor(parts: TargetParts) {
    this.#slots = parts.slots;
    this.#counters = parts.counters;
    this.#sockets = parts.sockets;
    this.#rules = parts.rules;
    this.#sender = parts.sender;
    this.#replays = parts.replays;
    this.#moved = new SlotQueue(parts.slots.capacitySlots);
  }

  /** The policy's sink needs this, so the policy comes second. */
  attach(policy: HandoverPolicy): void {
    this.#policy = policy;
  }

  /** The slot's target, or what is shown of its proof, is another one. */
  move(slot: number): void {
    this.#moved.push(slot);
  }

  get hasMoved(): boolean {
    return this.#moved.size > 0;
  }

  settle(): void {
    while (this.#moved.size > 0) {
      const slot = this.#moved.shift();
      if ((this.#slots.flags[slot >>> 1]! & pairFlag.isOpen) !== 0) this.#settleOne(slot);
    }
    this.#replays.settle();
  }

  #settleOne(slot: number): void {
    const { targets, targetStates } = this.#slots;
    const at = slot * 5;
    for (let word = 0; word < 5; word++) targets[at + word] = this.#policy.targetWord(slot, word);
    let isUsable = targets[at + 4] !== 0 && !isUnspecified(targets, at);
    if (isUsable && this.#rules.isForbidden(slot, targets, at)) {
      this.#counters.worker[workerField.reasons + reason.forbiddenTarget]!++;
      isUsable = false;
    }
    isUsable &&= this.#sockets.setTarget(
      slot,
      targets[at]!,
      targets[at + 1]!,
      targets[at + 2]!,
      targets[at + 3]!,
      targets[at + 4]!,
    );
    if (isUsable) this.#replays.turn(slot);
    const isNew = isUsable && targetStates[slot] === targetState.none;
    if (!isUsable) targetStates[slot] = targetState.none;
    else targetStates[slot] = this.#rules.isOwnMedia(targets, at) ? targetState.own : targetState.any;
    if (isNew) this.#sender.releaseEgress(slot);
    this.#show(slot, isUsable);
  }

  /** Writes target and proof into the counters that main reads. */
  #show(slot: number, isUsable: boolean): void {
    const { targets } = this.#slots;
    const record = socketAt(slot);
    const table = this.#counters.sockets;
    table[record + socketField.version]!++;
    for (let word = 0; word < 5; word++) {
      table[record + socketField.target + word] = isUsable ? targets[5 * slot + word]! : 0;
      table[record + socketField.proven + word] = this.#policy.provenWord(slot, word);
    }
    table[record + socketField.evidence] = this.#policy.evidenceOf(slot);
    table[record + socketField.version]!++;
  }
}
