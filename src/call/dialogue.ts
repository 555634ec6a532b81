/**
 * The two halves of an offer or answer. `prepare` finds the legs and says which ports are missing; once they are
 * open, `conclude` takes what was said into the call's state and writes the SDP for the other party. Between the two
 * nothing of the call has changed but new legs and names, so a request that fails leaves the call as it was.
 */
import type { PairId } from "../core/plan/plan.ts";
import { ok, type Result, refused } from "../core/result.ts";
import { parseSdp } from "../sdp/parse.ts";
import { transportProtocol } from "../sdp/protocol.ts";
import { type MediaSummary, summarise } from "../sdp/summary.ts";
import type { AddressJudge } from "./address-judge.ts";
import { composeSdp, type Line } from "./compose.ts";
import { counterpartIndex } from "./counterpart.ts";
import { hearSdp, isCarried, isSupported, isUnwanted } from "./hear.ts";
import { mediaAt } from "./leg.ts";
import type { AnswerRequest, CallRefusal, OfferRequest } from "./requests.ts";
import { muxAnswer, muxOffer } from "./rtcp-mux.ts";
import { type CallState, findLeg, type LegState, type MediaState, type ParsedSdp } from "./state.ts";
import { ownText } from "./text.ts";

export interface Parties {
  readonly speaker: LegState;
  readonly listener: LegState;
}

export interface Dialogue extends Parties {
  readonly call: CallState;
}

/** m-lines as [speaker's index, listener's index]. */
export type Lines = readonly (readonly [number, number])[];

export interface Conclusion {
  readonly sdp: string;
  /** Pairs that are not needed any more. */
  readonly closing: readonly PairId[];
}

/** Parses and checks a body; what of it cannot be carried at all refuses the request. */
export function readSdp(request: OfferRequest | AnswerRequest): Result<ParsedSdp, CallRefusal> {
  const parsed = parseSdp(request.sdp);
  if (!parsed.ok) return refused("sdp-malformed");
  const summary = summarise(parsed.value);
  const live = summary.media.filter((media) => media.port !== 0);
  if (live.some((media) => media.ip === undefined || media.hasBadFormats)) return refused("sdp-incomplete");
  if (live.length > 0 && !live.some((media) => isSupported(media) || !media.isRelayed))
    return refused("unsupported-protocol");
  if (request.kind === "offer" && asksForSecurity(request, live)) return refused("unsupported-protocol");
  return ok({ description: parsed.value, summary });
}

/** SRTP towards the peer was asked for, and there is RTP to put into it. */
function asksForSecurity(request: OfferRequest, live: readonly MediaSummary[]): boolean {
  const { transportProtocol: asked } = request.options;
  if (asked === undefined || !transportProtocol(asked).isSecure) return false;
  return live.some((media) => media.protocol.transport === "rtp");
}

/** m-lines of an offer that need ports on both sides. */
export function offeredLines({ speaker, listener }: Parties, sdp: ParsedSdp, request: OfferRequest): Lines {
  noteSkipped({ speaker, listener }, sdp, request);
  const lines: (readonly [number, number])[] = [];
  for (const media of sdp.summary.media) {
    const index = counterpartIndex(speaker, listener, media.index);
    if (index !== undefined && isCarried(media, request.options)) lines.push([media.index, index]);
  }
  return lines;
}

/** An m-line to be removed that the listener has never seen is kept from him for good; a known one is rejected. */
function noteSkipped({ speaker, listener }: Parties, sdp: ParsedSdp, request: OfferRequest): void {
  if (request.options.removesMedia.size === 0 || speaker.skipped.length > 0) return;
  for (const media of sdp.summary.media) {
    const index = counterpartIndex(speaker, listener, media.index);
    const isNew = index !== undefined && (listener.told === undefined || index >= listener.media.length);
    if (isNew && isUnwanted(media, request.options)) listener.skipped.push(media.index);
  }
}

/** The same of an answer. */
export function answeredLines({ speaker, listener }: Parties, sdp: ParsedSdp, request: AnswerRequest): Lines {
  const lines: (readonly [number, number])[] = [];
  for (const media of sdp.summary.media) {
    const index = counterpartIndex(speaker, listener, media.index);
    const offered = index === undefined ? undefined : listener.media[index];
    if (index !== undefined && offered?.isActive === true && isCarried(media, request.options)) {
      lines.push([media.index, index]);
    }
  }
  return lines;
}

export function concludeOffer(
  dialogue: Dialogue,
  sdp: ParsedSdp,
  request: OfferRequest,
  loopMark: string,
): Conclusion {
  const { call, speaker, listener } = dialogue;
  const { options } = request;
  hearSdp(speaker, { summary: sdp.summary, options, tag: request.fromTag });
  if (options.toLabel !== undefined) listener.label = ownText(options.toLabel);
  const lines: Line[] = [];
  for (const media of sdp.summary.media) {
    const index = counterpartIndex(speaker, listener, media.index);
    if (index !== undefined) lines[index] = offerLine(dialogue, media, index, request);
  }
  fillGaps(lines, listener);
  takeUp(call, speaker, listener);
  takeUp(call, listener, speaker);
  const text = composeSdp({ call, speaker, listener, sdp, options, isOffer: true, loopMark }, lines);
  return { sdp: text, closing: [] };
}

/** m-lines of the listener that the speaker does not have, or forgot: they keep their place, rejected. */
function fillGaps(lines: Line[], listener: LegState): void {
  for (const [index, media] of listener.media.entries()) {
    if (lines[index] !== undefined) continue;
    media.isActive = false;
    lines[index] = { listenerIndex: index, speakerIndex: undefined, isMuxSettled: false };
  }
}

/** A leg that talks with nobody who has answered turns to the other one; early media then has a way. */
export function takeUp(call: CallState, leg: LegState, other: LegState): void {
  const current = findLeg(call, leg.active);
  if (current === undefined || !current.isHeard) leg.active = other.id;
}

function offerLine(dialogue: Dialogue, summary: MediaSummary, index: number, request: OfferRequest): Line {
  const { speaker, listener } = dialogue;
  const { options } = request;
  const from = mediaAt(speaker, summary.index);
  const to = mediaAt(listener, index);
  const carried = isCarried(summary, options);
  const keepsProtocol = to.isSignalled && to.transport === "rtp" && from.transport === "rtp" && carried;
  if (!keepsProtocol || options.resets) to.protocol = from.protocol;
  if (carried && from.transport === "rtp" && options.transportProtocol !== undefined) {
    const asked = transportProtocol(options.transportProtocol);
    if (asked.transport === "rtp") to.protocol = asked.name;
  }
  to.kind = from.kind;
  to.formats = from.formats;
  if (to.transport !== from.transport) to.clocks = [];
  to.transport = from.transport;
  to.isActive = carried;
  if (options.resets) to.rtcpMux = false;
  const isRtp = carried && from.transport === "rtp";
  const isMuxSettled = isRtp && muxOffer(from, to, summary.rtcpMux, options.rtcpMux);
  if (!isRtp) to.hasOfferedMux = false;
  return { listenerIndex: index, speakerIndex: summary.index, isMuxSettled };
}

export function concludeAnswer(
  dialogue: Dialogue,
  sdp: ParsedSdp,
  request: AnswerRequest,
  { loopMark, judge }: { readonly loopMark: string; readonly judge: AddressJudge },
): Conclusion {
  const { call, speaker, listener } = dialogue;
  const { options } = request;
  hearSdp(speaker, { summary: sdp.summary, options, tag: request.toTag });
  const lines: Line[] = [];
  for (let index = 0; index < listener.media.length; index++) {
    lines.push(answerLine(dialogue, sdp, index));
  }
  engage(speaker, listener);
  const closing = closeRejected(dialogue, judge);
  const text = composeSdp({ call, speaker, listener, sdp, options, isOffer: false, loopMark }, lines);
  return { sdp: text, closing };
}

function answerLine({ speaker, listener }: Dialogue, sdp: ParsedSdp, index: number): Line {
  const answered = counterpartIndex(listener, speaker, index);
  const summary = answered === undefined ? undefined : sdp.summary.media[answered];
  const from = answered === undefined ? undefined : speaker.media[answered];
  const to = listener.media[index];
  if (summary === undefined || from === undefined || to === undefined) {
    return { listenerIndex: index, speakerIndex: undefined, isMuxSettled: false };
  }
  if (from.isActive && from.transport === "rtp") muxAnswer(from, to, summary.rtcpMux);
  return { listenerIndex: index, speakerIndex: summary.index, isMuxSettled: to.rtcpMux };
}

/** From now on these two hear each other; whoever heard one of them before is left alone. */
export function engage(a: LegState, b: LegState): void {
  a.active = b.id;
  b.active = a.id;
}

/**
 * Ports of m-lines that were rejected or removed. A body that rejects everything is a hold of old and closes
 * nothing; the other party's ports stay while another branch may still take the m-line.
 */
function closeRejected({ call, speaker, listener }: Dialogue, judge: AddressJudge): readonly PairId[] {
  const closing: PairId[] = [];
  const close = (media: MediaState): void => {
    if (media.pair === undefined) return;
    judge.noteProven(media.pair.provenIp, undefined);
    closing.push(media.pair.id);
    media.pair = undefined;
    media.isSignalled = false;
  };
  if (!speaker.media.some((media) => media.isActive)) return closing;
  for (const [index, media] of speaker.media.entries()) {
    if (media.isActive) continue;
    close(media);
    const offered = listener.media[counterpartIndex(speaker, listener, index) ?? -1];
    if (offered !== undefined && !isWantedElsewhere(call, listener, speaker)) close(offered);
  }
  return closing;
}

function isWantedElsewhere(call: CallState, leg: LegState, except: LegState): boolean {
  return leg.peers.some((id) => id !== except.id && findLeg(call, id) !== undefined);
}
