/**
 * Runs the call model: hands it requests, relay events and time, and carries out what it returns, in order.
 *
 * The relay may answer inside `perform`; such events wait until all actions of the input before them are carried
 * out, so the model never sees an event in the middle of its own output.
 */
import type { CallAction } from "../call/actions.ts";
import type { Calls } from "../call/calls.ts";
import type { EndedCall } from "../call/report.ts";
import type { CallReply, CallRequest, RequestId } from "../call/requests.ts";
import type { Logger } from "../core/log.ts";
import type { RelayAction, RelayEvent } from "../core/plan/plan.ts";
import type { Clock, MonotonicMs, UnixMs } from "../core/time.ts";

export interface CallShellParts {
  readonly calls: Calls;
  readonly clock: Clock;
  readonly log: Logger;
  readonly perform: (action: RelayAction) => void;
  readonly reply: (request: RequestId, reply: CallReply) => void;
  readonly ended: (call: EndedCall) => void;
}

export class CallShell {
  readonly #parts: CallShellParts;
  #actions: readonly CallAction[] = [];
  readonly #events: RelayEvent[] = [];
  #isDraining = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAt: number = Number.POSITIVE_INFINITY;

  constructor(parts: CallShellParts) {
    this.#parts = parts;
  }

  now(): { readonly monotonicMs: MonotonicMs; readonly unixMs: UnixMs } {
    const { clock } = this.#parts;
    return { monotonicMs: clock.monotonicMs(), unixMs: clock.unixMs() };
  }

  request(id: RequestId, request: CallRequest): void {
    this.#take(this.#parts.calls.handleRequest(this.now(), id, request));
  }

  relayEvent(event: RelayEvent): void {
    this.#events.push(event);
    this.#drain();
  }

  /** False when there is no such call. */
  kill(callId: string): boolean {
    const actions = this.#parts.calls.kill(this.#parts.clock.monotonicMs(), callId);
    if (actions === undefined) return false;
    this.#take(actions);
    return true;
  }

  /** Ends every call; nothing is scheduled any more. */
  stop(): void {
    this.#take(this.#parts.calls.endAll(this.#parts.clock.monotonicMs()));
    clearTimeout(this.#timer);
    this.#timerAt = Number.NEGATIVE_INFINITY;
  }

  #take(actions: readonly CallAction[]): void {
    this.#actions = this.#actions.length === 0 ? actions : [...this.#actions, ...actions];
    this.#drain();
  }

  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    for (;;) {
      const actions = this.#actions;
      this.#actions = [];
      for (const action of actions) this.#carryOut(action);
      if (this.#actions.length > 0) continue;
      const event = this.#events.shift();
      if (event === undefined) break;
      this.#actions = this.#parts.calls.handleRelayEvent(this.#parts.clock.monotonicMs(), event);
    }
    this.#isDraining = false;
    this.#schedule();
  }

  #carryOut(action: CallAction): void {
    const { perform, reply, ended, log } = this.#parts;
    if (action.kind === "relay") perform(action.action);
    else if (action.kind === "reply") reply(action.request, action.reply);
    else if (action.kind === "ended") ended(action.call);
    else log.warn({ event: "call-warning", callId: action.callId }, action.message);
  }

  /** One timer, at the model's next deadline; an earlier one replaces it. */
  #schedule(): void {
    const deadline = this.#parts.calls.nextDeadlineMs();
    if (deadline === undefined || deadline >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = deadline;
    const delayMs = Math.max(0, Math.min(deadline - this.#parts.clock.monotonicMs(), 2 ** 30));
    this.#timer = setTimeout(() => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#take(this.#parts.calls.handleTimeout(this.#parts.clock.monotonicMs()));
    }, Math.ceil(delayMs));
  }
}
