/**
 * Bundles of media that passes (RFC 8843): its transports, keys and ICE are the parties' own, and so is who shares them.
 * Groups go through both ways as they came, and the relay takes nothing apart: what comes to the carrier's pair leaves by
 * that of the same m-line of the other party, whichever m-line it belongs to.
 */
import { attributeName } from "../sdp/attribute.ts";
import type { SdpLine } from "../sdp/description.ts";
import type { MediaSummary } from "../sdp/summary.ts";
import type { MediaDraft } from "../sdp/write-media.ts";
import { alone, carrierFirst, carrierIndex, offeredGroups } from "./carrier.ts";
import { counterpartIndex } from "./counterpart.ts";
import type { BundleSide } from "./security-state.ts";
import type { LegState, MediaState, ParsedSdp } from "./state.ts";

export interface PassedOffer {
  readonly speaker: LegState;
  readonly listener: LegState;
  readonly sdp: ParsedSdp;
}

/** The offerer's groups as the listener is to have them, by m-line of the listener. */
export function passedBundles(offer: PassedOffer): ReadonlyMap<number, BundleSide> {
  const { speaker, listener } = offer;
  const told = new Map<number, BundleSide>();
  for (const group of offeredGroups(speaker, true)) {
    const lines = group
      .map((index) => counterpartIndex(speaker, listener, index))
      .filter((index) => index !== undefined)
      .filter((index) => listener.media[index]?.security?.told.includes("passed") === true);
    tellGroup(offer, carrierFirst(listener, lines), told);
  }
  return told;
}

/** Each where it was offered: with a place of its own, with the carrier's, or with none (section 7.2). */
function tellGroup(offer: PassedOffer, members: readonly number[], told: Map<number, BundleSide>): void {
  const [first, ...others] = members;
  if (first === undefined) return;
  const beside = others.filter((index) => isBeside(offer, index, first));
  for (const index of members) {
    const isShared = beside.length > 0 && (index === first || beside.includes(index));
    told.set(index, {
      ...(offer.listener.media[index]?.bundle ?? alone),
      carrier: isShared ? first : undefined,
      offered: members,
      isOwn: false,
      isOnly: index !== first && hasNoPlace(offer, index),
    });
  }
}

/** An address yet to come, as 0.0.0.0 and port 9 of who trickles, is nobody's; what is shared already stays so. */
function isBeside(offer: PassedOffer, index: number, carrier: number): boolean {
  if (hasNoPlace(offer, index)) return true;
  const [said, other] = [summaryOf(offer, index), summaryOf(offer, carrier)];
  const isKnown = said?.remote !== undefined || offer.listener.media[index]?.bundle?.carrier === carrier;
  return isKnown && said?.port === other?.port && said?.ip === other?.ip;
}

/** Offered as bundled only: the summary has the carrier's port by now. */
function hasNoPlace({ speaker, listener, sdp }: PassedOffer, index: number): boolean {
  return sdp.description.media[counterpartIndex(listener, speaker, index) ?? -1]?.port === 0;
}

function summaryOf({ speaker, listener, sdp }: PassedOffer, index: number): MediaSummary | undefined {
  return sdp.summary.media[counterpartIndex(listener, speaker, index) ?? -1];
}

/**
 * The offerer's m-lines have the carriers they have with the answerer: nobody else could put them on one transport. One
 * m-line is a bundle of its own whatever the answerer says, and offerers may insist on that.
 */
export function passedCarriers(
  offerer: LegState,
  answerer: LegState,
  present: readonly number[],
): ReadonlyMap<number, number> {
  const carriers = new Map<number, number>();
  const [only] = present;
  if (present.length === 1 && only !== undefined) carriers.set(only, only);
  for (const index of present) {
    const at = answerer.media[counterpartIndex(offerer, answerer, index) ?? -1]?.bundle?.carrier;
    const carrier = at === undefined ? undefined : counterpartIndex(answerer, offerer, at);
    if (carrier !== undefined && present.includes(carrier)) carriers.set(index, carrier);
  }
  return carriers;
}

/** m-lines whose packets come to this one's pair; but for bundles that pass there is one, or packets are told apart. */
export function linesHeard(leg: LegState, index: number): readonly number[] {
  const media = leg.media[index];
  if (media?.bundle?.carrier !== index || media.security?.kind !== "passed") return [index];
  const others = [...leg.media.keys()].filter((at) => at !== index && carrierIndex(leg, at) === index);
  return [index, ...others];
}

/**
 * A member of a bundle as the other party wrote it: with no port where it had none, without candidates of ours where the
 * ICE is its carrier's, and without names in RTP headers that only we would ask for.
 */
export function passedDraft(
  draft: MediaDraft,
  { bundle }: MediaState,
  { isOffer, session }: { readonly isOffer: boolean; readonly session: readonly SdpLine[] },
): MediaDraft {
  if (draft.secrecy !== "passed" || bundle === undefined) return draft;
  const saysIce = [draft.source.lines, session].some((lines) => lines.some(isUfrag));
  return {
    ...draft,
    isBundleOnly: isOffer && bundle.isOnly,
    ice: saysIce ? draft.ice : undefined,
    midExtension: undefined,
  };
}

function isUfrag({ type, value }: SdpLine): boolean {
  return type === "a" && attributeName(value) === "ice-ufrag";
}
