/** The call flows of the tests, from steps: what a caller and a callee say, and when their phones speak. */
import * as step from "./scenario.ts";

/** Longer than the packets take, so that a late last packet is not cut off by the BYE. */
const slackMs = 800;

export function talkMs(send: { readonly count: number; readonly intervalMs: number }): number {
  return send.count * send.intervalMs + slackMs;
}

const answered = step.expectResponse(200, { readsSdp: true, setsRoute: true });

function hangUp(cseq: number): string {
  return [step.callerRequest("BYE", cseq), step.expectResponse(200)].join("\n");
}

const hungUp = [step.expectRequest("BYE"), step.respondInDialogue(200, "OK")].join("\n");

export function plainCaller(ms: number): string {
  return step.scenario(
    "plain caller",
    step.invite({}),
    step.provisional,
    answered,
    step.tell("aim", "start"),
    step.callerRequest("ACK", 1),
    step.pause(ms),
    hangUp(2),
  );
}

export const plainCallee = step.scenario(
  "plain callee",
  step.expectRequest("INVITE", { readsSdp: true }),
  step.tell("aim"),
  step.respond(180, "Ringing"),
  step.respond(200, "OK", {}),
  step.expectRequest("ACK"),
  step.tell("start"),
  hungUp,
);

/** Speaks as soon as it knows the offer, before its answer is on the way. */
export function eagerCallee(leadMs: number): string {
  return step.scenario(
    "callee that speaks before it answers",
    step.expectRequest("INVITE", { readsSdp: true }),
    step.tell("aim", "start"),
    step.pause(leadMs),
    step.respond(200, "OK", {}),
    step.expectRequest("ACK"),
    hungUp,
  );
}

export function earlyMediaCaller(ms: number): string {
  return step.scenario(
    "caller with early media",
    step.invite({}),
    step.expectResponse(100, { isOptional: true }),
    step.expectResponse(183, { readsSdp: true }),
    step.tell("aim", "start"),
    answered,
    step.tell("aim"),
    step.callerRequest("ACK", 1),
    step.pause(ms),
    hangUp(2),
  );
}

export function earlyMediaCallee(ringMs: number): string {
  return step.scenario(
    "callee with early media",
    step.expectRequest("INVITE", { readsSdp: true }),
    step.respond(183, "Session Progress", {}),
    step.tell("aim", "start"),
    step.pause(ringMs),
    step.respond(200, "OK", {}),
    step.expectRequest("ACK"),
    hungUp,
  );
}

/** Has the caller speak before it does: with its first answer, half a second or so before it picks up. */
export function listeningCallee(ringMs: number): string {
  return step.scenario(
    "callee that listens first",
    step.expectRequest("INVITE", { readsSdp: true }),
    step.tell("aim"),
    step.respond(183, "Session Progress", {}),
    step.pause(ringMs),
    step.respond(200, "OK", {}),
    step.expectRequest("ACK"),
    step.tell("start"),
    hungUp,
  );
}

export function lateOfferCaller(ms: number): string {
  return step.scenario(
    "caller without an offer",
    step.invite(undefined),
    step.provisional,
    answered,
    step.tell("aim", "start"),
    step.callerRequest("ACK", 1, {}),
    step.pause(ms),
    hangUp(2),
  );
}

export const lateOfferCallee = step.scenario(
  "callee that offers in its answer",
  step.expectRequest("INVITE"),
  step.respond(180, "Ringing"),
  step.respond(200, "OK", {}),
  step.expectRequest("ACK", { readsSdp: true }),
  step.tell("aim", "start"),
  hungUp,
);

function callerReinvite(cseq: number, shape: step.SdpShape, ...words: readonly step.PhoneWord[]): string {
  return [
    step.callerRequest("INVITE", cseq, shape),
    step.expectResponse(100, { isOptional: true }),
    step.expectResponse(200, { readsSdp: true }),
    step.tell("aim", ...words),
    step.callerRequest("ACK", cseq),
  ].join("\n");
}

function reinvited(shape: step.SdpShape, before?: step.PhoneWord, after?: step.PhoneWord): string {
  return [
    step.expectRequest("INVITE", { readsSdp: true }),
    before === undefined ? step.tell("aim") : step.tell("aim", before),
    step.respondInDialogue(200, "OK", shape),
    step.expectRequest("ACK"),
    after === undefined ? "" : step.tell(after),
  ].join("\n");
}

/** The caller plays music to a held callee and takes it back. */
export function holdingCaller(firstMs: number, holdMs: number, lastMs: number): string {
  return step.scenario(
    "caller that holds and resumes",
    step.invite({}),
    step.provisional,
    answered,
    step.tell("aim", "start"),
    step.callerRequest("ACK", 1),
    step.pause(firstMs),
    callerReinvite(2, { direction: "sendonly", version: 2 }),
    step.pause(holdMs),
    callerReinvite(3, { direction: "sendrecv", version: 3 }),
    step.pause(lastMs),
    hangUp(4),
  );
}

export const heldCallee = step.scenario(
  "callee that is held",
  step.expectRequest("INVITE", { readsSdp: true }),
  step.tell("aim"),
  step.respond(180, "Ringing"),
  step.respond(200, "OK", {}),
  step.expectRequest("ACK"),
  step.tell("start"),
  reinvited({ direction: "recvonly", version: 2 }, "pause"),
  reinvited({ direction: "sendrecv", version: 3 }, undefined, "resume"),
  hungUp,
);

/** The caller changes its media port in the middle of the call. */
export function movingCaller(firstMs: number, lastMs: number): string {
  return step.scenario(
    "caller that moves",
    step.invite({}),
    step.provisional,
    answered,
    step.tell("aim", "start"),
    step.callerRequest("ACK", 1),
    step.pause(firstMs),
    callerReinvite(2, { usesSecondPair: true, version: 2 }, "move"),
    step.pause(lastMs),
    hangUp(3),
  );
}

export const followingCallee = step.scenario(
  "callee whose peer moves",
  step.expectRequest("INVITE", { readsSdp: true }),
  step.tell("aim"),
  step.respond(200, "OK", {}),
  step.expectRequest("ACK"),
  step.tell("start"),
  reinvited({ version: 2 }),
  hungUp,
);

/** The callee holds, resumes and hangs up: all requests come from the other end. */
export function drivingCallee(firstMs: number, holdMs: number, lastMs: number): string {
  const reinvite = (cseq: number, shape: step.SdpShape): string =>
    [
      step.calleeRequest("INVITE", cseq, shape),
      step.expectResponse(100, { isOptional: true }),
      step.expectResponse(200, { readsSdp: true }),
      step.tell("aim"),
      step.calleeRequest("ACK", cseq),
    ].join("\n");
  return step.scenario(
    "callee that holds, resumes and hangs up",
    step.expectRequest("INVITE", { readsSdp: true, setsRoute: true }),
    step.tell("aim"),
    step.respond(200, "OK", {}),
    step.expectRequest("ACK", { readsParties: true }),
    step.tell("start"),
    step.pause(firstMs),
    reinvite(1, { direction: "sendonly", version: 2 }),
    step.pause(holdMs),
    reinvite(2, { direction: "sendrecv", version: 3 }),
    step.pause(lastMs),
    step.calleeRequest("BYE", 3),
    step.expectResponse(200),
  );
}

export const drivenCaller = step.scenario(
  "caller that is held and hung up on",
  step.invite({}),
  step.provisional,
  answered,
  step.tell("aim", "start"),
  step.callerRequest("ACK", 1),
  reinvited({ direction: "recvonly", version: 2 }, "pause"),
  reinvited({ direction: "sendrecv", version: 3 }, undefined, "resume"),
  hungUp,
);

/** Gives up while the other side plays early media. */
export function cancellingCaller(patienceMs: number): string {
  return step.scenario(
    "caller that cancels",
    step.invite({}),
    step.expectResponse(100, { isOptional: true }),
    step.expectResponse(183, { readsSdp: true }),
    step.tell("aim", "start"),
    step.pause(patienceMs),
    step.tell("finish"),
    step.cancel(),
    step.expectResponse(200),
    step.expectResponse(487),
    step.ackRefusal(),
  );
}

/** Plays early media until it is cancelled. */
export const cancelledCallee = step.scenario(
  "callee that is cancelled",
  step.expectRequest("INVITE", { readsSdp: true, keepsVia: true }),
  step.respond(183, "Session Progress", {}),
  step.tell("aim", "start"),
  step.expectRequest("CANCEL"),
  step.tell("finish"),
  step.respond(200, "OK"),
  step.respondCancelled(),
  step.expectRequest("ACK"),
);

export const refusedCaller = step.scenario(
  "caller that is refused",
  step.invite({}),
  step.provisional,
  step.expectResponse(486),
  step.ackRefusal(),
);

export const refusingCallee = step.scenario(
  "callee that refuses",
  step.expectRequest("INVITE", { readsSdp: true }),
  step.tell("aim"),
  step.respond(180, "Ringing"),
  step.respond(486, "Busy Here"),
  step.expectRequest("ACK"),
);

/** Listens to early media and speaks when the call is answered, perhaps by another branch. */
export function listeningCaller(ms: number): string {
  return step.scenario(
    "caller that listens first",
    step.invite({}),
    step.expectResponse(100, { isOptional: true }),
    step.expectResponse(183, { readsSdp: true }),
    step.tell("aim"),
    answered,
    step.tell("aim", "start"),
    step.callerRequest("ACK", 1),
    step.pause(ms),
    hangUp(2),
  );
}

export function slowCallee(ringMs: number): string {
  return step.scenario(
    "callee that answers late",
    step.expectRequest("INVITE", { readsSdp: true }),
    step.tell("aim"),
    step.pause(ringMs),
    step.respond(200, "OK", {}),
    step.expectRequest("ACK"),
    step.tell("start"),
    hungUp,
  );
}
