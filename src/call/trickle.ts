/** ICE candidates that follow an offer or an answer (RFC 8840), in bodies of their own. */
import { parseFragment } from "../sdp/fragment.ts";
import { carrierOf } from "./carrier.ts";
import { addCandidates } from "./ice-side.ts";
import { legByBranch, legByTag } from "./leg.ts";
import type { AnswerRequest, CallRefusal, OfferRequest } from "./requests.ts";
import { type CallState, findLeg, type LegState, type MediaState } from "./state.ts";

/** Takes the candidates in. The leg they are of, if one now has more of them; or why not. */
export function takeFragment(
  call: CallState,
  request: OfferRequest | AnswerRequest,
): { readonly leg: LegState | undefined } | { readonly refusal: CallRefusal } {
  const fragment = parseFragment(request.sdp);
  if (!fragment.ok) return { refusal: "sdp-malformed" };
  const leg = speakerOf(call, request);
  if (leg === undefined) return { leg: undefined };
  let isNews = false;
  for (const { mid, index, ufrag, candidates } of fragment.value.media) {
    const ice = mediaOf(leg, mid, index)?.ice;
    if (ice === undefined || candidates.length === 0) continue;
    addCandidates(ice, ufrag, candidates);
    isNews = true;
  }
  return { leg: isNews ? leg : undefined };
}

/** He who sends candidates before his answer has no tag yet. */
function speakerOf(call: CallState, request: OfferRequest | AnswerRequest): LegState | undefined {
  const isOffer = request.kind === "offer";
  const speakerTag = isOffer ? request.fromTag : request.toTag;
  const known = legByTag(call, speakerTag) ?? legByBranch(call, request.viaBranch);
  if (known !== undefined) return known;
  const listener = legByTag(call, isOffer ? request.toTag : request.fromTag);
  const peer = findLeg(call, listener?.active);
  return peer?.tag === undefined ? peer : undefined;
}

function mediaOf(leg: LegState, mid: string | undefined, index: number): MediaState | undefined {
  const at = mid === undefined ? index : leg.media.findIndex((media) => media.mid === mid);
  return at < 0 ? undefined : carrierOf(leg, at);
}
