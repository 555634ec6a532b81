/**
 * The life of an offer, answer, U or L: legs are found, missing ports are asked for, and when the last one is open
 * the request is concluded. Whatever fails on the way leaves no port open and no half-made call behind.
 */
import { mediaPerCallMax } from "../core/limits.ts";
import type { OpenFailure, RelayEvent } from "../core/plan/plan.ts";
import type { Result } from "../core/result.ts";
import { addMs } from "../core/time.ts";
import { transportProtocol } from "../sdp/protocol.ts";
import type { CallAction } from "./actions.ts";
import type { CallStore } from "./call-store.ts";
import { conclude } from "./conclude.ts";
import { removeLeg } from "./leg.ts";
import { type Match, matchAnswer, matchOffer } from "./matching.ts";
import { pairsForAnswer, pairsForOffer, type WantedPair } from "./ports.ts";
import { answeredLines, checkSecurity, offeredLines, readSdp } from "./preparation.ts";
import type {
  AnswerRequest,
  CallRefusal,
  CallReply,
  LookupRequest,
  OfferRequest,
  UpdateRequest,
} from "./requests.ts";
import {
  type CallState,
  findLeg,
  type LegState,
  type ParsedSdp,
  type QueuedRequest,
  type Work,
} from "./state.ts";
import { matchLookup, matchUpdate, pairsForStream } from "./streams.ts";
import { ownText } from "./text.ts";
import { takeFragment } from "./trickle.ts";

export type SignalRequest = OfferRequest | AnswerRequest | UpdateRequest | LookupRequest;

/** Ports that are not open by then never will be: their worker is stuck or gone. */
const openTimeoutMs = 5_000;

const refusalOfFailure: Readonly<Record<OpenFailure, CallRefusal>> = {
  "no-ports": "no-ports",
  "no-interface": "no-interface",
  "no-descriptors": "no-ports",
  overloaded: "load-limit",
};

export function isSignal(request: { readonly kind: string }): request is SignalRequest {
  const { kind } = request;
  return kind === "offer" || kind === "answer" || kind === "update" || kind === "lookup";
}

export function refuse(reason: CallRefusal): CallReply {
  return { kind: "refused", reason };
}

/** Runs a request on a call that is not busy. The reply, unless it stands among the actions or comes later. */
export function startSignal(
  store: CallStore,
  queued: QueuedRequest,
  request: SignalRequest,
  out: CallAction[],
): CallReply | undefined {
  if ((request.kind === "offer" || request.kind === "answer") && request.options.isFragment) {
    return hearFragment(store, request, out);
  }
  const body = readBody(store, request);
  if (body?.kind === "reply") return body.reply;
  const known = store.calls.get(callIdOf(request));
  const refusal = known === undefined ? refusalOfNew(store, request) : undefined;
  if (refusal !== undefined) return refuse(refusal);
  const call = known ?? store.create(callIdOf(request), queued.now);
  const preparation = { call, request, sdp: body?.sdp, queued, isNewCall: known === undefined };
  const reason = prepare(store, preparation, out);
  if (reason === undefined) return undefined;
  if (known === undefined) store.remove(call);
  return refuse(reason);
}

export function callIdOf(request: SignalRequest): string {
  return "key" in request ? request.key.callId : request.callId;
}

type Body =
  | { readonly kind: "reply"; readonly reply: CallReply }
  | { readonly kind: "sdp"; readonly sdp: ParsedSdp };

/** The body as parsed, or what is answered without any look at a call. */
function readBody(store: CallStore, request: SignalRequest): Body | undefined {
  if (request.kind === "update" || request.kind === "lookup") {
    const { mediaIndex } = request.key;
    if (mediaIndex >= 0 && mediaIndex < mediaPerCallMax) return undefined;
    return { kind: "reply", reply: refuse("limit-exceeded") };
  }
  const sdp = readSdp(request);
  if (!sdp.ok) return { kind: "reply", reply: refuse(sdp.reason) };
  const isOurs = request.options.loopProtect && sdp.value.summary.loopMarks.includes(store.loopMark);
  if (isOurs) return { kind: "reply", reply: { kind: "sdp", sdp: request.sdp, warnings: [] } };
  return { kind: "sdp", sdp: sdp.value };
}

/** Candidates for a call that is not there (any more) are nobody's. */
function hearFragment(store: CallStore, request: OfferRequest | AnswerRequest, out: CallAction[]): CallReply {
  const call = store.calls.get(request.callId);
  if (call === undefined) return { kind: "done" };
  const taken = takeFragment(call, request);
  if ("refusal" in taken) return refuse(taken.refusal);
  if (taken.leg !== undefined) store.configure(call, [taken.leg], out);
  return { kind: "done" };
}

function refusalOfNew(store: CallStore, request: SignalRequest): CallRefusal | undefined {
  if (request.kind === "answer" || request.kind === "lookup") return "unknown-call";
  if (store.isShuttingDown) return "shutting-down";
  const { maxSessions } = store.options;
  return maxSessions > 0 && store.calls.size >= maxSessions ? "sessions-exhausted" : undefined;
}

interface Preparation {
  readonly call: CallState;
  readonly request: SignalRequest;
  readonly sdp: ParsedSdp | undefined;
  readonly queued: QueuedRequest;
  readonly isNewCall: boolean;
}

function prepare(store: CallStore, preparation: Preparation, out: CallAction[]): CallRefusal | undefined {
  const { call, request, sdp, queued } = preparation;
  const match = matchLegs(call, preparation);
  if (!match.ok) return match.reason;
  const wanted = wantedPairs(store, match.value, request, sdp);
  if (!wanted.ok) {
    removeLegs(call, match.value.created);
    return wanted.reason;
  }
  noteCall(call, request);
  warnOfSecurity(call, match.value.listener, request, out);
  const work: Work = {
    queued,
    isNewCall: preparation.isNewCall,
    createdLegs: match.value.created,
    speaker: match.value.speaker.id,
    listener: match.value.listener.id,
    sdp,
    opens: [],
    deadlineMs: addMs(queued.now.monotonicMs, openTimeoutMs),
  };
  for (const one of wanted.value) openPair(store, call, { work, one }, out);
  if (work.opens.length > 0) {
    call.work = work;
    store.schedule(call);
  } else {
    conclude(store, call, work, out);
  }
  return undefined;
}

function matchLegs(call: CallState, { request, queued }: Preparation): Result<Match, CallRefusal> {
  switch (request.kind) {
    case "offer": {
      const names = { speakerTag: request.fromTag, listenerTag: request.toTag, viaBranch: request.viaBranch };
      return matchOffer(call, names, queued.now);
    }
    case "answer": {
      const names = { speakerTag: request.toTag, listenerTag: request.fromTag, viaBranch: request.viaBranch };
      return matchAnswer(call, names);
    }
    case "update":
      return matchUpdate(call, request.key, queued.now);
    case "lookup":
      return matchLookup(call, request.key);
  }
}

function wantedPairs(
  store: CallStore,
  { speaker, listener }: Match,
  request: SignalRequest,
  sdp: ParsedSdp | undefined,
): Result<readonly WantedPair[], CallRefusal> {
  const { interfaces } = store.options;
  if (request.kind === "update" || request.kind === "lookup") {
    return pairsForStream({ speaker, listener }, request, interfaces);
  }
  if (sdp === undefined) throw new Error("signalling: an offer or answer without its body");
  if (request.kind === "offer") {
    const lines = offeredLines({ speaker, listener }, sdp, request);
    const checked = checkSecurity({ speaker, listener }, lines, { sdp, request, tools: store.tools });
    if (!checked.ok) return checked;
    const sides = { speaker, listener, sdp, options: request.options };
    return { ok: true, value: pairsForOffer(sides, lines, interfaces) };
  }
  const lines = answeredLines({ speaker, listener }, sdp, request);
  return { ok: true, value: pairsForAnswer(speaker, listener, lines, interfaces) };
}

/** An answer cannot bring SRTP where the offer had none. */
function warnOfSecurity(call: CallState, offerer: LegState, request: SignalRequest, out: CallAction[]): void {
  if (request.kind !== "answer" || request.options.transportProtocol === undefined) return;
  const asked = transportProtocol(request.options.transportProtocol);
  if (!asked.isSecure || offerer.media.some(({ security }) => security !== undefined)) return;
  out.push({
    kind: "warning",
    callId: call.callId,
    message: `${asked.name} cannot be answered to a plain offer`,
  });
}

/** What a request says about the call as a whole. */
function noteCall(call: CallState, request: SignalRequest): void {
  if (request.kind === "update" && request.notify !== undefined) {
    call.notify = { socket: ownText(request.notify.socket), tag: ownText(request.notify.tag) };
  }
  if (request.kind !== "offer") return;
  const { tos } = request.options;
  if (tos === undefined || tos > 255) call.tos = undefined;
  else if (tos >= 0) call.tos = tos;
}

function openPair(
  store: CallStore,
  call: CallState,
  { work, one }: { readonly work: Work; readonly one: WantedPair },
  out: CallAction[],
): void {
  const { interfaceName, family, localIp, warning } = one.choice;
  const pair = store.mintPair(call);
  work.opens.push({
    leg: one.leg.id,
    mediaIndex: one.mediaIndex,
    pair,
    interfaceName,
    family,
    local: undefined,
  });
  if (warning !== undefined) out.push({ kind: "warning", callId: call.callId, message: warning });
  out.push({
    kind: "relay",
    action: {
      kind: "open",
      pair,
      group: call.group,
      interfaceName,
      family,
      ...(localIp === undefined ? undefined : { localIp }),
      tos: call.tos,
    },
  });
}

/** An `opened` or `open-failed` of the relay. True when the call is free for its next request. */
export function handleOpening(
  store: CallStore,
  event: Extract<RelayEvent, { kind: "opened" | "open-failed" }>,
  out: CallAction[],
): CallState | undefined {
  const call = store.ownerOf(event.pair);
  const open = call?.work?.opens.find((one) => one.pair === event.pair);
  if (call?.work === undefined || open === undefined) {
    if (event.kind === "opened") store.closeId(event.pair, out);
    return undefined;
  }
  if (event.kind === "open-failed") {
    store.disown(event.pair);
    failWork(store, call, refusalOfFailure[event.reason], out);
    return call;
  }
  open.local = event.local;
  const { work } = call;
  if (work.opens.some((one) => one.local === undefined)) return undefined;
  call.work = undefined;
  conclude(store, call, work, out);
  return call;
}

/** Gives up the request in hand: its ports go back, its legs go, and so does the call if it made it. */
export function failWork(store: CallStore, call: CallState, reason: CallRefusal, out: CallAction[]): void {
  const { work } = call;
  if (work === undefined) return;
  call.work = undefined;
  for (const open of work.opens) {
    if (open.local === undefined) store.disown(open.pair);
    else store.closeId(open.pair, out);
  }
  out.push({ kind: "reply", request: work.queued.id, reply: refuse(reason) });
  removeLegs(call, work.createdLegs);
  if (work.isNewCall) store.remove(call);
  else store.schedule(call);
}

function removeLegs(call: CallState, ids: readonly number[]): void {
  for (const id of ids) {
    const leg = findLeg(call, id);
    if (leg !== undefined) removeLeg(call, leg);
  }
}
