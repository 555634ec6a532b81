/** The last half of an offer, answer, U or L: its ports are open, nothing can fail any more. */
import type { PairId } from "../core/plan/plan.ts";
import type { MonotonicMs } from "../core/time.ts";
import type { CallAction } from "./actions.ts";
import type { CallStore } from "./call-store.ts";
import { type Conclusion, concludeAnswer, concludeOffer, type Dialogue, engage, takeUp } from "./dialogue.ts";
import { limitFormerKeys } from "./former-keys.ts";
import { mediaAt } from "./leg.ts";
import type { CallRequest } from "./requests.ts";
import { renewTransport } from "./secure-offer.ts";
import { activePeer, type CallState, findLeg, type LegState, type Work } from "./state.ts";
import { hearAddress, noteStrength } from "./streams.ts";

/** Takes a request into the call now that its ports are open, tells the relay, and replies. */
export function conclude(store: CallStore, call: CallState, work: Work, out: CallAction[]): void {
  const { now, id, request } = work.queued;
  const speaker = findLeg(call, work.speaker);
  const listener = findLeg(call, work.listener);
  if (speaker === undefined || listener === undefined)
    throw new Error("signalling: a leg left while it was busy");
  const closing = installPairs(store, call, work);
  call.lastSignalAtMs = laterOf(call.lastSignalAtMs, now.monotonicMs);
  call.lastSignalAt = now.unixMs;
  const dialogue = { call, speaker, listener };
  const affected = [speaker, listener];
  addHearers(affected, dialogue);
  const ended = concludeRequest(store, dialogue, work);
  takeBackDelete(dialogue, request.kind);
  if (request.kind === "answer") {
    for (const leg of [speaker, listener]) limitFormerKeys(leg, now.monotonicMs);
  }
  if (store.options.isStrict) {
    for (const leg of [speaker, listener]) leg.learning = { ...leg.learning, isStrict: true };
  }
  addHearers(affected, dialogue);
  store.configure(call, affected, out);
  for (const pair of closing) store.closeId(pair, out);
  for (const pair of ended.closing) store.closeId(pair, out);
  if (request.kind === "lookup" || request.kind === "update") {
    const local = listener.media[request.key.mediaIndex]?.pair?.local;
    if (local === undefined) throw new Error("signalling: a stream without its ports");
    const endpoint = { ip: local.advertisedIp, port: local.rtp.port };
    out.push({ kind: "reply", request: id, reply: { kind: "endpoint", endpoint } });
  } else {
    out.push({ kind: "reply", request: id, reply: { kind: "sdp", sdp: ended.sdp, warnings: [] } });
  }
  store.schedule(call);
}

/** The two legs stay, if they were to go; a new offer keeps the call as well. Not before: a request that fails keeps nothing. */
function takeBackDelete({ call, speaker, listener }: Dialogue, kind: CallRequest["kind"]): void {
  if (kind === "offer" || kind === "update") call.deleteAtMs = undefined;
  speaker.deleteAtMs = undefined;
  listener.deleteAtMs = undefined;
}

/** Whoever hears one of the two: asked before and after, as a request may part them or give new ports to one. */
function addHearers(affected: LegState[], { call, speaker, listener }: Dialogue): void {
  for (const leg of [speaker, listener]) {
    const hearer = activePeer(call, leg);
    if (hearer !== undefined && !affected.includes(hearer)) affected.push(hearer);
  }
}

function laterOf(a: MonotonicMs, b: MonotonicMs): MonotonicMs {
  return a > b ? a : b;
}

/** New pairs take their places; those they replace are to be closed. */
function installPairs(store: CallStore, call: CallState, work: Work): readonly PairId[] {
  const closing: PairId[] = [];
  for (const { leg: legId, mediaIndex, pair, local, interfaceName, family } of work.opens) {
    const leg = findLeg(call, legId);
    if (leg === undefined || local === undefined)
      throw new Error("signalling: a pair without its leg or ports");
    const media = mediaAt(leg, mediaIndex);
    if (media.pair !== undefined) {
      store.judge.noteProven(media.pair.provenIp, undefined);
      closing.push(media.pair.id);
    }
    if (media.pair !== undefined) renewTransport(media, store.tools);
    media.pair = { id: pair, local, interfaceName, family, provenIp: undefined, transport: undefined };
  }
  return closing;
}

function concludeRequest(store: CallStore, dialogue: Dialogue, work: Work): Conclusion {
  const { request } = work.queued;
  const { call, speaker, listener } = dialogue;
  if (request.kind === "offer" && work.sdp !== undefined) {
    return concludeOffer(dialogue, work.sdp, request, store);
  }
  if (request.kind === "answer" && work.sdp !== undefined) {
    return concludeAnswer(dialogue, work.sdp, request, store);
  }
  if (request.kind !== "update" && request.kind !== "lookup") throw new Error("signalling: not a signal");
  hearAddress(speaker, request);
  mediaAt(listener, request.key.mediaIndex).isActive = true;
  noteStrength(call, speaker, request.options.isWeak);
  if (request.kind === "lookup") {
    engage(speaker, listener);
  } else {
    takeUp(call, speaker, listener);
    takeUp(call, listener, speaker);
  }
  return { sdp: "", closing: [] };
}
