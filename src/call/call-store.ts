/** All calls, who owns which pair, and what is due when. Everything but the calls themselves can be drawn from them. */
import { DeadlineHeap } from "../core/deadline-heap.ts";
import type { CounterReader } from "../core/plan/counters.ts";
import type { GroupId, PairId } from "../core/plan/plan.ts";
import type { Random } from "../core/random.ts";
import type { MonotonicMs } from "../core/time.ts";
import type { CallAction } from "./actions.ts";
import type { AddressJudge } from "./address-judge.ts";
import { newCall } from "./leg.ts";
import type { CallOptions } from "./options.ts";
import type { SecurityTools } from "./secure-offer.ts";
import { pairSettings } from "./settings.ts";
import type { CallState, LegState, Now, PairState } from "./state.ts";
import { fateOf, nextLookMs } from "./timeouts.ts";

/** The calls as plain data, with the two counters that must never run backwards. */
export interface CallsSnapshot {
  readonly nextPair: number;
  readonly nextGroup: number;
  /** See `CallStore.loopMark`: bodies of these calls may come round again. */
  readonly loopMark: string;
  readonly calls: readonly CallState[];
}

export interface StoreParts {
  readonly options: CallOptions;
  readonly random: Random;
  readonly counters: CounterReader;
  readonly judge: AddressJudge;
}

export class CallStore {
  readonly options: CallOptions;
  readonly counters: CounterReader;
  readonly judge: AddressJudge;
  readonly tools: SecurityTools;
  readonly calls = new Map<string, CallState>();
  isShuttingDown = false;
  readonly #random: Random;
  readonly #owners = new Map<PairId, CallState>();
  readonly #deadlines = new DeadlineHeap<string>();
  #nextPair = 1;
  #nextGroup = 1;
  #loopMark: string;

  constructor(parts: StoreParts) {
    this.options = parts.options;
    this.counters = parts.counters;
    this.judge = parts.judge;
    this.#random = parts.random;
    this.tools = { random: parts.random, certificates: parts.options.certificates };
    this.#loopMark = [...parts.random.bytes(6)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** Our value in a=rtpengine, by which we know a body that went through us before. */
  get loopMark(): string {
    return this.#loopMark;
  }

  create(callId: string, now: Now): CallState {
    const sessionId = String(1 + this.#random.below(0x7fff_ffff));
    const call = newCall(callId, this.#nextGroup++ as GroupId, sessionId, now);
    this.calls.set(call.callId, call);
    return call;
  }

  /** Forgets a call whose pairs are closed. */
  remove(call: CallState): void {
    this.calls.delete(call.callId);
    this.#deadlines.delete(call.callId);
  }

  mintPair(call: CallState): PairId {
    const pair = this.#nextPair++ as PairId;
    this.#owners.set(pair, call);
    return pair;
  }

  ownerOf(pair: PairId): CallState | undefined {
    return this.#owners.get(pair);
  }

  /** A pair that never opened, or whose opening nobody waits for any more: if it still opens, it is closed then. */
  disown(pair: PairId): void {
    this.#owners.delete(pair);
  }

  closePair(pair: PairState, out: CallAction[]): void {
    this.judge.noteProven(pair.provenIp, undefined);
    this.closeId(pair.id, out);
  }

  closeId(pair: PairId, out: CallAction[]): void {
    this.#owners.delete(pair);
    out.push({ kind: "relay", action: { kind: "close", pair } });
  }

  configure(call: CallState, legs: Iterable<LegState>, out: CallAction[]): void {
    for (const leg of legs) {
      for (let index = 0; index < leg.media.length; index++) {
        const pair = leg.media[index]?.pair;
        const settings = pairSettings(call, leg, index, this.judge);
        if (pair === undefined || settings === undefined) continue;
        out.push({ kind: "relay", action: { kind: "configure", pair: pair.id, settings } });
      }
    }
  }

  /** Works out anew when this call must be looked at. */
  schedule(call: CallState): void {
    this.#deadlines.set(call.callId, nextLookMs(call, fateOf(call, this.counters, this.options)));
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    return this.#deadlines.size === 0 ? undefined : (this.#deadlines.firstAtMs() as MonotonicMs);
  }

  /** A call that must be looked at now. */
  dueCall(nowMs: MonotonicMs): CallState | undefined {
    const name = this.#deadlines.firstAtMs() <= nowMs ? this.#deadlines.firstName() : undefined;
    return name === undefined ? undefined : this.calls.get(name);
  }

  snapshot(): CallsSnapshot {
    const calls = [...this.calls.values()];
    return { nextPair: this.#nextPair, nextGroup: this.#nextGroup, loopMark: this.#loopMark, calls };
  }

  restore(snapshot: CallsSnapshot): void {
    this.#nextPair = snapshot.nextPair;
    this.#nextGroup = snapshot.nextGroup;
    this.#loopMark = snapshot.loopMark;
    for (const call of snapshot.calls) {
      this.calls.set(call.callId, call);
      for (const open of call.work?.opens ?? []) this.#owners.set(open.pair, call);
      for (const leg of call.legs) {
        for (const { pair } of leg.media) {
          if (pair === undefined) continue;
          this.#owners.set(pair.id, call);
          this.judge.noteProven(undefined, pair.provenIp);
        }
      }
      this.schedule(call);
    }
  }
}
