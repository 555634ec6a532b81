/** The first half of an offer or answer: its body is read and checked, and its m-lines are found. Nothing is changed yet. */
import { ok, type Result, refused } from "../core/result.ts";
import { parseSdp } from "../sdp/parse.ts";
import { summarise } from "../sdp/summary.ts";
import { inheritTransports } from "./bundled-summary.ts";
import { counterpartIndex } from "./counterpart.ts";
import { isCarried, isSupported, isUnwanted } from "./hear.ts";
import type { AnswerRequest, CallRefusal, OfferRequest } from "./requests.ts";
import { checkOffer, proposedMedia, type SecurityTools } from "./secure-offer.ts";
import type { LegState, ParsedSdp } from "./state.ts";

export interface Parties {
  readonly speaker: LegState;
  readonly listener: LegState;
}

/** m-lines as [speaker's index, listener's index]. */
export type Lines = readonly (readonly [number, number])[];

/** Parses and checks a body; what of it cannot be carried at all refuses the request. */
export function readSdp(request: OfferRequest | AnswerRequest): Result<ParsedSdp, CallRefusal> {
  const parsed = parseSdp(request.sdp);
  if (!parsed.ok) return refused("sdp-malformed");
  const said = summarise(parsed.value);
  const isApart = request.kind === "offer" && request.options.bundle.has("reject");
  const summary = isApart ? said : inheritTransports(said);
  const live = summary.media.filter((media) => media.port !== 0);
  if (live.some((media) => media.ip === undefined || media.hasBadFormats)) return refused("sdp-incomplete");
  const isUsable = live.some((media) => isSupported(media, request.options) || !media.isRelayed);
  if (live.length > 0 && !isUsable) return refused("unsupported-protocol");
  return ok({ description: parsed.value, summary });
}

/** Refuses an offer whose security cannot be had, before anything has changed. */
export function checkSecurity(
  parties: Parties,
  lines: Lines,
  { sdp, request, tools }: { sdp: ParsedSdp; request: OfferRequest; tools: SecurityTools },
): Result<undefined, CallRefusal> {
  for (const [index] of lines) {
    const summary = sdp.summary.media[index];
    if (summary === undefined) continue;
    const offered = proposedMedia(parties, sdp.summary, summary, request.options);
    const checked = checkOffer(offered, request.options, tools);
    if (!checked.ok) return checked;
  }
  return ok(undefined);
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
