/** How many lines the log may take about one call, and about all of them: a flood must not fill a disk. */
import { payOneMore } from "../core/allowance.ts";
import { sourceLineCallsMax } from "../core/limits.ts";
import type { MonotonicMs } from "../core/time.ts";

export interface LineRate {
  readonly burst: number;
  readonly perSec: number;
}

/** What was left out. */
export interface Untold {
  readonly lines: number;
  readonly calls: number;
  /** The call with the most of them. */
  readonly example: string | undefined;
}

/** When all lines so far will have been paid for at the rate, and how many found no room since the last summary. */
interface Account {
  paidMs: number;
  untold: number;
}

export class LineBudget {
  readonly #perCall: LineRate;
  readonly #ofAll: LineRate;
  readonly #all: Account = { paidMs: 0, untold: 0 };
  /** By call, the one opened longest ago first. */
  readonly #calls = new Map<string, Account>();

  constructor(perCall: LineRate, ofAll: LineRate) {
    this.#perCall = perCall;
    this.#ofAll = ofAll;
  }

  /** True if the line may be written; else it is counted as left out. */
  take(nowMs: MonotonicMs, callId: string): boolean {
    const account = this.#account(callId);
    const callPaidMs = payLine(account, this.#perCall, nowMs);
    const allPaidMs = payLine(this.#all, this.#ofAll, nowMs);
    if (callPaidMs === undefined || allPaidMs === undefined) {
      account.untold++;
      this.#all.untold++;
      return false;
    }
    account.paidMs = callPaidMs;
    this.#all.paidMs = allPaidMs;
    return true;
  }

  get untoldCount(): number {
    return this.#all.untold;
  }

  /** What was left out since the last time; forgets it, and the calls that may tell everything again. */
  takeUntold(nowMs: MonotonicMs): Untold {
    let calls = 0;
    let example: string | undefined;
    let most = 0;
    for (const [callId, account] of this.#calls) {
      if (account.untold > 0) calls++;
      if (account.untold > most) {
        most = account.untold;
        example = callId;
      }
      account.untold = 0;
      if (account.paidMs <= nowMs) this.#calls.delete(callId);
    }
    const lines = this.#all.untold;
    this.#all.untold = 0;
    return { lines, calls, example };
  }

  #account(callId: string): Account {
    let account = this.#calls.get(callId);
    if (account === undefined) {
      if (this.#calls.size >= sourceLineCallsMax) this.#dropOldest();
      account = { paidMs: 0, untold: 0 };
      this.#calls.set(callId, account);
    }
    return account;
  }

  #dropOldest(): void {
    for (const callId of this.#calls.keys()) {
      this.#calls.delete(callId);
      return;
    }
  }
}

function payLine({ paidMs }: Account, { burst, perSec }: LineRate, nowMs: MonotonicMs): number | undefined {
  const stepMs = 1_000 / perSec;
  return payOneMore(paidMs, nowMs, stepMs, burst * stepMs);
}
