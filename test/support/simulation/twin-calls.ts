/** Two call models that get the same inputs and must give the same outputs. */
import assert from "node:assert/strict";
import type { CallAction } from "../../../src/call/actions.ts";
import type { CallsSnapshot } from "../../../src/call/call-store.ts";
import type { Calls } from "../../../src/call/calls.ts";
import type { CallRequest, RequestId } from "../../../src/call/requests.ts";
import type { Now } from "../../../src/call/state.ts";
import type { RelayEvent } from "../../../src/core/plan/plan.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";

export class TwinCalls {
  readonly #first: Calls;
  readonly #second: Calls;
  comparedCount = 0;

  constructor(first: Calls, second: Calls) {
    this.#first = first;
    this.#second = second;
  }

  get callCount(): number {
    assert.equal(this.#second.callCount, this.#first.callCount);
    return this.#first.callCount;
  }

  handleRequest(now: Now, id: RequestId, request: CallRequest): readonly CallAction[] {
    return this.#both((calls) => calls.handleRequest(now, id, request));
  }

  handleRelayEvent(nowMs: MonotonicMs, event: RelayEvent): readonly CallAction[] {
    return this.#both((calls) => calls.handleRelayEvent(nowMs, event));
  }

  /** Calls whose time is up at the same moment go in any order. */
  handleTimeout(nowMs: MonotonicMs): readonly CallAction[] {
    return this.#both((calls) => calls.handleTimeout(nowMs), inAnyOrder);
  }

  endAll(nowMs: MonotonicMs): readonly CallAction[] {
    return this.#both((calls) => calls.endAll(nowMs));
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    // A call that came back was looked at then, so its next look may be due later; it ends at the same time.
    const [first, second] = [this.#first.nextDeadlineMs(), this.#second.nextDeadlineMs()];
    return first === undefined || second === undefined || first < second ? first : second;
  }

  snapshot(): CallsSnapshot {
    return this.#first.snapshot();
  }

  /** What both hold is equal, not only what they say. */
  assertEqual(): void {
    assert.deepEqual(this.#second.snapshot(), this.#first.snapshot());
  }

  #both(
    run: (calls: Calls) => readonly CallAction[],
    arrange = (actions: readonly CallAction[]): readonly unknown[] => actions,
  ): readonly CallAction[] {
    const actions = run(this.#first);
    assert.deepEqual(arrange(run(this.#second)), arrange(actions));
    this.comparedCount++;
    return actions;
  }
}

function inAnyOrder(actions: readonly CallAction[]): readonly unknown[] {
  const named = actions.map((action) => ({ action, text: JSON.stringify(action) }));
  return named.sort((a, b) => (a.text < b.text ? -1 : 1));
}
