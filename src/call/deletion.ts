/**
 * What a delete takes away: a branch and the peers that are left alone by it, or the whole call
 * (docs/ng.md, "Delete").
 */
import { legByBranch, legByTag } from "./leg.ts";
import type { DeleteRequest, StreamDeleteRequest } from "./requests.ts";
import { type CallState, findLeg, type LegState } from "./state.ts";

export type DeleteScope =
  | { readonly kind: "call" }
  | { readonly kind: "legs"; readonly legs: readonly LegState[] }
  | { readonly kind: "none" };

/** Finds what an ng `delete` means. */
export function deleteScope(call: CallState, request: DeleteRequest): DeleteScope {
  if (isEmpty(request.fromTag)) return { kind: "call" };
  const leg = legToDelete(call, request);
  return leg === undefined ? { kind: "none" } : scopeOf(call, leg);
}

function legToDelete(call: CallState, request: DeleteRequest): LegState | undefined {
  const { fromTag, toTag, viaBranch } = request;
  const branch = legByBranch(call, viaBranch);
  if (isEmpty(toTag)) return branch ?? legByTag(call, fromTag);
  const byTag = legByTag(call, toTag) ?? branch;
  if (byTag !== undefined) return byTag;
  // Deleted with both tags before there was an answer: the offerer goes, if nobody has answered him.
  const offerer = legByTag(call, fromTag);
  const isUnanswered = offerer?.peers.every((id) => findLeg(call, id)?.tag === undefined) === true;
  return isUnanswered ? offerer : undefined;
}

/** The leg, and those that talk with nobody else; the call, when nobody would be left. */
export function scopeOf(call: CallState, leg: LegState): DeleteScope {
  const gone = new Set(call.legs.filter((other) => other.deleteAtMs !== undefined).map((other) => other.id));
  gone.add(leg.id);
  const legs = [leg];
  for (const one of legs) {
    for (const id of one.peers) {
      const peer = findLeg(call, id);
      if (peer === undefined || gone.has(id) || !peer.peers.every((other) => gone.has(other))) continue;
      gone.add(id);
      legs.push(peer);
    }
  }
  const isAnyLeft = call.legs.some((other) => !gone.has(other.id));
  return isAnyLeft ? { kind: "legs", legs } : { kind: "call" };
}

/** The leg that an rtpproxy `D` names: by the first tag, or by the other where that one is empty or unknown. */
export function streamLeg(
  call: CallState,
  request: Pick<StreamDeleteRequest, "fromTag" | "toTag">,
): LegState | undefined {
  return legByTag(call, request.fromTag) ?? legByTag(call, request.toTag);
}

function isEmpty(text: string | undefined): boolean {
  return text === undefined || text === "";
}
