/**
 * The second half of an offer or answer. `preparation.ts` says which ports are missing; once they are open, what was
 * said is taken into the call's state and the SDP for the other party is written. Between the two nothing of the call
 * has changed but new legs and names, so a request that fails leaves the call as it was.
 */
import type { PairId } from "../core/plan/plan.ts";
import type { MediaSummary } from "../sdp/summary.ts";
import type { AddressJudge } from "./address-judge.ts";
import {
  hearAnsweredBundles,
  hearOfferedBundles,
  isBundled,
  isNamed,
  offerBundle,
  settleOfferedBundles,
} from "./bundle.ts";
import { keepTransports, leaveCarriers } from "./carrier.ts";
import { composeSdp, type Line } from "./compose.ts";
import { counterpartIndex } from "./counterpart.ts";
import { hearSdp, isCarried, silence } from "./hear.ts";
import { forgetTransport, mediaAt } from "./leg.ts";
import { passedBundles } from "./passed-bundle.ts";
import { passesThrough } from "./passthrough.ts";
import type { Parties } from "./preparation.ts";
import type { AnswerRequest, OfferRequest } from "./requests.ts";
import { keepOffererMux, muxAnswer, muxOffer, offerMuxForBundle } from "./rtcp-mux.ts";
import { answerSecurity } from "./secure-answer.ts";
import {
  offerSecurity,
  proposedMedia,
  protocolToOffer,
  type SecurityTools,
  siblingOf,
} from "./secure-offer.ts";
import { type CallState, findLeg, type LegState, type MediaState, type ParsedSdp } from "./state.ts";
import { ownText } from "./text.ts";

export interface Dialogue extends Parties {
  readonly call: CallState;
}

/** What a request is concluded with. */
export interface ConclusionParts {
  /** Our value in a=rtpengine. */
  readonly loopMark: string;
  readonly tools: SecurityTools;
}

export interface Conclusion {
  readonly sdp: string;
  /** Pairs that are not needed any more. */
  readonly closing: readonly PairId[];
}

export function concludeOffer(
  dialogue: Dialogue,
  sdp: ParsedSdp,
  request: OfferRequest,
  { loopMark, tools }: ConclusionParts,
): Conclusion {
  const { call, speaker, listener } = dialogue;
  const { options } = request;
  hearSdp(speaker, { summary: sdp.summary, options, tag: request.fromTag });
  const isRefused = options.bundle.has("reject");
  const passes = (index: number): boolean => passesOn(dialogue, sdp, index, options);
  hearOfferedBundles(speaker, sdp.summary, { isRefused, passes });
  if (options.toLabel !== undefined) listener.label = ownText(options.toLabel);
  keepTransports(listener, (index) => isOfferedTo(dialogue, sdp, index, options));
  const lines: Line[] = [];
  const parts = { options, tools, sdp };
  for (const media of sdp.summary.media) {
    const index = counterpartIndex(speaker, listener, media.index);
    if (index !== undefined) lines[index] = offerLine(dialogue, media, index, parts);
  }
  fillGaps(lines, listener);
  tellBundle(dialogue, sdp, options);
  takeUp(call, speaker, listener);
  takeUp(call, listener, speaker);
  const telling = { call, speaker, listener, sdp, options, isOffer: true, loopMark, tools };
  return { sdp: composeSdp(telling, lines), closing: [] };
}

/** This m-line of the speaker is left to the parties. */
function passesOn(
  dialogue: Dialogue,
  { summary }: ParsedSdp,
  index: number,
  options: OfferRequest["options"],
): boolean {
  const said = summary.media[index];
  return said !== undefined && passesThrough(proposedMedia(dialogue, summary, said, options), options);
}

/** The offer has this m-line of the listener. */
function isOfferedTo(
  { speaker, listener }: Dialogue,
  sdp: ParsedSdp,
  index: number,
  options: OfferRequest["options"],
): boolean {
  const offered = counterpartIndex(listener, speaker, index);
  const summary = offered === undefined ? undefined : sdp.summary.media[offered];
  return summary !== undefined && isCarried(summary, options);
}

/** One transport for all RTP of the listener, if it is to be offered that; the offerer's own groups where media passes. */
function tellBundle(dialogue: Dialogue, sdp: ParsedSdp, options: OfferRequest["options"]): void {
  const { speaker, listener } = dialogue;
  const isConcerned =
    options.bundle.size > 0 ||
    speaker.media.some(isBundled) ||
    listener.media.some(({ bundle }) => bundle !== undefined);
  if (!isConcerned) return;
  const passed = passedBundles({ speaker, listener, sdp });
  offerBundle(listener, { lines: linesToBundle(dialogue, sdp), speaker, options });
  for (const [index, bundle] of passed) mediaAt(listener, index).bundle = bundle;
  for (const media of listener.media) if (isBundled(media)) offerMuxForBundle(media);
}

/** RTP that is not passed on unread, and that can be told apart by payload types, SSRCs or the mid in its headers. */
function linesToBundle({ speaker, listener }: Dialogue, { summary }: ParsedSdp): readonly number[] {
  const lines: number[] = [];
  const types = new Set<number>();
  for (const [index, media] of listener.media.entries()) {
    if (!media.isActive || media.transport !== "rtp" || media.security?.told[0] === "passed") continue;
    const said = summary.media[counterpartIndex(listener, speaker, index) ?? -1];
    if (said === undefined) continue;
    const isUnique = said.codecs.every(({ payloadType }) => !types.has(payloadType));
    if (!isUnique && said.midExtension === undefined && !isNamed(media)) continue;
    for (const { payloadType } of said.codecs) types.add(payloadType);
    lines.push(index);
  }
  return lines;
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

interface LineParts {
  readonly options: OfferRequest["options"];
  readonly tools: SecurityTools;
}

function offerLine(
  dialogue: Dialogue,
  summary: MediaSummary,
  index: number,
  { options, tools, sdp }: LineParts & { readonly sdp: ParsedSdp },
): Line {
  const { speaker, listener } = dialogue;
  const from = mediaAt(speaker, summary.index);
  const to = mediaAt(listener, index);
  const carried = isCarried(summary, options);
  const sibling = carried ? siblingOf(dialogue, sdp.summary, summary, options) : undefined;
  const offered = { from, to, summary, sibling };
  to.protocol = carried ? protocolToOffer(offered, options) : from.protocol;
  to.kind = from.kind;
  to.formats = from.formats;
  if (to.transport !== from.transport) to.clocks = [];
  to.transport = from.transport;
  to.isActive = carried;
  if (options.resets) to.rtcpMux = false;
  const isRtp = carried && from.transport === "rtp";
  const isMuxSettled = isRtp && muxOffer(from, to, summary.rtcpMux, options.rtcpMux);
  if (summary.rtcpMuxOnly || isBundled(from)) keepOffererMux(to);
  if (!isRtp) to.hasOfferedMux = false;
  if (carried) offerSecurity(offered, options, tools);
  return { listenerIndex: index, speakerIndex: summary.index, isMuxSettled };
}

export function concludeAnswer(
  dialogue: Dialogue,
  sdp: ParsedSdp,
  request: AnswerRequest,
  { loopMark, judge, tools }: ConclusionParts & { readonly judge: AddressJudge },
): Conclusion {
  const { call, speaker, listener } = dialogue;
  const { options } = request;
  const isFirst = !speaker.isHeard;
  hearSdp(speaker, { summary: sdp.summary, options, tag: request.toTag });
  hearAnsweredBundles(speaker, sdp.summary);
  const isTaken = (index: number): boolean => isActiveOnBoth(dialogue, index);
  // What it was offered itself and has not answered yet is not settled by this answer.
  keepTransports(listener, (index) => isTaken(index) || listener.media[index]?.bundle?.isOwn !== true);
  const settling = { answerer: speaker, isAnswered: isTaken };
  settleOfferedBundles(listener, settling);
  const lines: Line[] = [];
  const parts = { options, tools, isFirst };
  for (let index = 0; index < listener.media.length; index++) {
    lines.push(answerLine(dialogue, sdp, index, parts));
  }
  // Some may have fallen out for want of a key.
  leaveCarriers(speaker, (index) => speaker.media[index]?.isActive === true);
  settleOfferedBundles(listener, settling);
  engage(speaker, listener);
  const closing = closeRejected(dialogue, judge);
  const telling = { call, speaker, listener, sdp, options, isOffer: false, loopMark, tools };
  return { sdp: composeSdp(telling, lines), closing };
}

/** The answerer took this m-line of the listener, and the listener still has it. */
function isActiveOnBoth({ speaker, listener }: Dialogue, index: number): boolean {
  const answered = counterpartIndex(listener, speaker, index);
  const isAnswered = answered !== undefined && speaker.media[answered]?.isActive === true;
  return isAnswered && listener.media[index]?.isActive === true;
}

function answerLine(
  { speaker, listener }: Dialogue,
  sdp: ParsedSdp,
  index: number,
  { options, tools, isFirst }: LineParts & { readonly isFirst: boolean },
): Line {
  const answered = counterpartIndex(listener, speaker, index);
  const summary = answered === undefined ? undefined : sdp.summary.media[answered];
  const from = answered === undefined ? undefined : speaker.media[answered];
  const to = listener.media[index];
  if (summary === undefined || from === undefined || to === undefined) {
    return { listenerIndex: index, speakerIndex: undefined, isMuxSettled: false };
  }
  if (from.kind.toLowerCase() !== to.kind.toLowerCase() || from.transport !== to.transport) {
    // No answer to this m-line (RFC 3264 section 6). Of who was heard before, it may be one to a former offer.
    if (isFirst) silence(from);
    return { listenerIndex: index, speakerIndex: undefined, isMuxSettled: false };
  }
  if (from.isActive && from.transport === "rtp") muxAnswer(from, to, summary.rtcpMux);
  if (from.isActive && to.isActive && !answerSecurity({ from, to, summary }, options, tools)) silence(from);
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
    forgetTransport(media);
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
