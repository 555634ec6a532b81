/** How calls and branches end: by delete, by time, by the operator. */
import { addMs, type MonotonicMs } from "../core/time.ts";
import type { CallAction } from "./actions.ts";
import type { CallStore } from "./call-store.ts";
import { type DeleteScope, deleteScope, scopeOf, streamLeg } from "./deletion.ts";
import { removeLeg } from "./leg.ts";
import type { EndReason } from "./report.ts";
import { reportCall } from "./reports.ts";
import type { CallReply, DeleteRequest, StreamDeleteRequest } from "./requests.ts";
import { failWork, refuse } from "./signalling.ts";
import { type CallState, findLeg, type LegState, type QueuedRequest } from "./state.ts";

interface Moment {
  readonly nowMs: MonotonicMs;
  readonly out: CallAction[];
}

/** The call goes at once. A call that its first request was still making just fails. */
export function endCall(store: CallStore, call: CallState, reason: EndReason, { nowMs, out }: Moment): void {
  const wasMade = call.work?.isNewCall !== true;
  failWork(store, call, store.isShuttingDown ? "shutting-down" : "unknown-call", out);
  if (!wasMade) return;
  const report = reportCall(call, nowMs);
  out.push({ kind: "ended", call: { report, reason, endedAt: nowMs, notify: call.notify } });
  for (const leg of call.legs) closeLeg(store, leg, out);
  store.remove(call);
}

function closeLeg(store: CallStore, leg: LegState, out: CallAction[]): void {
  for (const media of leg.media) {
    if (media.pair !== undefined) store.closePair(media.pair, out);
    media.pair = undefined;
  }
}

/** Branches go; whoever talked with them turns to another one, the latest that answered first. */
export function endLegs(
  store: CallStore,
  call: CallState,
  legs: readonly LegState[],
  out: CallAction[],
): void {
  for (const leg of legs) {
    closeLeg(store, leg, out);
    removeLeg(call, leg);
  }
  for (const leg of call.legs) {
    if (leg.active !== undefined) continue;
    const peers = leg.peers.map((id) => findLeg(call, id)).filter((peer) => peer !== undefined);
    leg.active = (peers.findLast((peer) => peer.isHeard) ?? peers.at(-1))?.id;
  }
  store.configure(call, call.legs, out);
  store.schedule(call);
}

/** ng `delete`: the report as it is now, and the end now or after the delay. */
export function deleteByTags(
  store: CallStore,
  queued: QueuedRequest,
  request: DeleteRequest,
  out: CallAction[],
): CallReply | undefined {
  const call = store.calls.get(request.callId);
  if (call === undefined) return refuse("unknown-call");
  const scope = deleteScope(call, request);
  if (scope.kind === "none") return refuse("tags-mismatch");
  const nowMs = queued.now.monotonicMs;
  out.push({ kind: "reply", request: queued.id, reply: { kind: "report", report: reportCall(call, nowMs) } });
  carryOut(store, call, { scope, delayMs: delayOf(store, request) }, { nowMs, out });
  return undefined;
}

function delayOf(store: CallStore, { deleteDelaySec }: DeleteRequest): number {
  const isOwn = deleteDelaySec !== undefined && deleteDelaySec >= 0;
  return isOwn ? deleteDelaySec * 1_000 : store.options.deleteDelayMs;
}

function carryOut(
  store: CallStore,
  call: CallState,
  { scope, delayMs }: { readonly scope: DeleteScope; readonly delayMs: number },
  moment: Moment,
): void {
  if (scope.kind === "none") return;
  if (delayMs <= 0) {
    if (scope.kind === "call") endCall(store, call, "deleted", moment);
    else endLegs(store, call, scope.legs, moment.out);
    return;
  }
  const at = addMs(moment.nowMs, delayMs);
  for (const target of scope.kind === "call" ? [call] : scope.legs) {
    if (target.deleteAtMs === undefined || target.deleteAtMs > at) target.deleteAtMs = at;
  }
  store.schedule(call);
}

/** rtpproxy `D`: at once, unless the other strength still holds the session. */
export function deleteStream(
  store: CallStore,
  queued: QueuedRequest,
  request: StreamDeleteRequest,
  out: CallAction[],
): CallReply | undefined {
  const call = store.calls.get(request.callId);
  const leg = call === undefined ? undefined : streamLeg(call, request);
  if (call === undefined || leg === undefined) return refuse("unknown-call");
  const { mediaIndex } = request;
  out.push({ kind: "reply", request: queued.id, reply: { kind: "done" } });
  if (mediaIndex !== undefined && closesOneStream(call, leg, mediaIndex)) {
    closeStream(store, call, { leg, mediaIndex }, out);
    return undefined;
  }
  if (request.isWeak) leg.isWeak = false;
  else call.isStrong = false;
  if (call.isStrong || call.legs.some((one) => one.isWeak)) return undefined;
  carryOut(store, call, { scope: scopeOf(call, leg), delayMs: 0 }, { nowMs: queued.now.monotonicMs, out });
  return undefined;
}

/** The stream is not the last one of its call. */
function closesOneStream(call: CallState, leg: LegState, mediaIndex: number): boolean {
  return [leg, ...leg.peers.map((id) => findLeg(call, id))].some((one) =>
    one?.media.some((media, index) => index !== mediaIndex && media.pair !== undefined),
  );
}

function closeStream(
  store: CallStore,
  call: CallState,
  { leg, mediaIndex }: { readonly leg: LegState; readonly mediaIndex: number },
  out: CallAction[],
): void {
  for (const one of [leg, ...leg.peers.map((id) => findLeg(call, id))]) {
    const media = one?.media[mediaIndex];
    if (media?.pair === undefined) continue;
    store.closePair(media.pair, out);
    media.pair = undefined;
    media.isActive = false;
    media.isSignalled = false;
  }
  store.configure(call, call.legs, out);
  store.schedule(call);
}
