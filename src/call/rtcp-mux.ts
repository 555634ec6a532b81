/**
 * Who runs RTCP on the RTP port (RFC 5761), worked out for each side by what it offered or answered and by the
 * `rtcp-mux` words of the request. Each side is settled by itself: we have both ports towards both.
 */
import type { RtcpMuxItem } from "./requests.ts";
import type { MediaState } from "./state.ts";

type Words = ReadonlySet<RtcpMuxItem>;

/** An offer by `offerer`, who offers rtcp-mux or not. True when it is to be shown onward as already agreed. */
export function muxOffer(
  offerer: MediaState,
  answerer: MediaState,
  offersMux: boolean,
  words: Words,
): boolean {
  const wasMux = answerer.rtcpMux;
  const isOffered = chooseOnward(wasMux || offersMux, words);
  const isSettled = isOffered && (wasMux || words.has("require"));
  answerer.hasOfferedMux = isOffered;
  answerer.rtcpMux = isSettled;
  offerer.rtcpMux = offersMux && !words.has("reject");
  // The answerer's word decides for the offerer as well, unless one half of the bargain is missing or ours to say.
  const isPassedOn = offersMux && isOffered;
  answerer.overridesMux = !isPassedOn || words.has("accept") || words.has("reject");
  return isSettled;
}

/** The offerer has no other way, by a=rtcp-mux-only (RFC 8858) or a bundle (RFC 8843 section 9.3): the answerer's word is its own. */
export function keepOffererMux(answerer: MediaState): void {
  answerer.overridesMux = true;
}

/** A bundle is offered, and so RTCP on the RTP port (RFC 8843 section 9.3); what the offerer gets is settled already. */
export function offerMuxForBundle(answerer: MediaState): void {
  if (answerer.hasOfferedMux) return;
  answerer.hasOfferedMux = true;
  answerer.overridesMux = true;
}

function chooseOnward(isDefault: boolean, words: Words): boolean {
  if (words.has("offer") || words.has("require") || words.has("accept")) return true;
  return words.has("demux") ? false : isDefault;
}

/** The answer by `answerer`. */
export function muxAnswer(answerer: MediaState, offerer: MediaState, answersMux: boolean): void {
  answerer.rtcpMux = answersMux && answerer.hasOfferedMux;
  if (!answerer.overridesMux) offerer.rtcpMux = answerer.rtcpMux;
}
