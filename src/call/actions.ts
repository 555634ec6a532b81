/** The call model's outputs. The shell carries them out in order and hands relay events back in. */
import type { RelayAction } from "../core/plan/plan.ts";
import type { EndedCall } from "./report.ts";
import type { CallReply, RequestId } from "./requests.ts";

export type CallAction =
  | { readonly kind: "relay"; readonly action: RelayAction }
  | { readonly kind: "reply"; readonly request: RequestId; readonly reply: CallReply }
  /** A call is over; its pairs are closing. Its counters can still be read while this action is handled. */
  | { readonly kind: "ended"; readonly call: EndedCall }
  | { readonly kind: "warning"; readonly callId: string; readonly message: string };

/**
 * The machine itself (`call/calls.ts`, class `Calls`):
 *
 *   handleRequest(now on both clocks, request id, request): readonly CallAction[]
 *   handleRelayEvent(nowMs, event): readonly CallAction[]
 *   handleTimeout(nowMs): readonly CallAction[]
 *   nextDeadlineMs(): MonotonicMs | undefined
 *
 * An offer that needs ports returns `open` actions and no reply; the reply comes out of handleRelayEvent with the
 * last `opened`. Requests for one call that arrive meanwhile wait in order; other calls go on.
 */
export type { RelayEvent } from "../core/plan/plan.ts";
