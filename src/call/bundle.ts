/**
 * BUNDLE with each party by itself (RFC 8843): a party that bundles has all its media on one transport of ours, the
 * carrier's; a party that does not has one for each. Every m-line keeps a pair of its own, so that either can come.
 */
import { mediaPerCallMax } from "../core/limits.ts";
import type { SessionSummary } from "../sdp/summary.ts";
import { membersOf } from "./bundled-summary.ts";
import { alone, carrierFirst, keepTransports, offeredGroups } from "./carrier.ts";
import { counterpartIndex } from "./counterpart.ts";
import { passedCarriers } from "./passed-bundle.ts";
import type { MediaOptions } from "./requests.ts";
import type { BundleSide } from "./security-state.ts";
import type { LegState, MediaState } from "./state.ts";

/** How an offer's groups are to be taken. */
export interface BundleHearing {
  /** `bundle=reject`. */
  readonly isRefused: boolean;
  /** The m-line's packets are the parties' own: nobody here has to tell them from those of others. */
  passes(index: number): boolean;
}

/** The offerer's groups. What was settled before goes on until the answer. */
export function hearOfferedBundles(leg: LegState, summary: SessionSummary, hearing: BundleHearing): void {
  keepTransports(leg, (index) => leg.media[index]?.isActive === true);
  for (const media of leg.media) {
    if (media.bundle === undefined) continue;
    media.bundle =
      media.bundle.carrier === undefined ? undefined : { ...media.bundle, offered: [], isOwn: true };
  }
  if (hearing.isRefused) return;
  for (const mids of summary.bundles) {
    const members = membersOf(summary, mids).map(({ index }) => index);
    const offered = distinctMembers(leg, { summary, members, passes: hearing.passes });
    for (const index of offered) {
      const media = leg.media[index];
      if (media !== undefined) media.bundle = bundleOf(media, summary, index, { offered, isOwn: true });
    }
  }
}

function bundleOf(
  { bundle }: MediaState,
  summary: SessionSummary,
  index: number,
  { offered, isOwn }: Pick<BundleSide, "offered" | "isOwn">,
): BundleSide {
  const { midExtension, ssrcs = [] } = summary.media[index] ?? {};
  return { ...(bundle ?? alone), offered, isOnly: false, isOwn, midExtension, ssrcs: [...ssrcs] };
}

interface OfferedGroup extends Pick<BundleHearing, "passes"> {
  readonly summary: SessionSummary;
  readonly members: readonly number[];
}

/** RTP m-lines whose packets can be told from those of the others (RFC 8843 section 9.2), or need not be. */
function distinctMembers(leg: LegState, { summary, members, passes }: OfferedGroup): readonly number[] {
  const taken: number[] = [];
  const types = new Set<number>();
  for (const index of members) {
    const said = summary.media[index];
    const media = leg.media[index];
    if (said === undefined || media?.isActive !== true || media.transport !== "rtp") continue;
    const isAlike = said.protocol.isSecure === summary.media[taken[0] ?? index]?.protocol.isSecure;
    if (!isAlike) continue;
    if (media.bundle?.offered.includes(index) === true) continue;
    if (!passes(index)) {
      const isNamed = said.midExtension !== undefined || said.ssrcs.length > 0;
      const isUnique = said.codecs.every(({ payloadType }) => !types.has(payloadType));
      if (!isNamed && !isUnique) continue;
      for (const { payloadType } of said.codecs) types.add(payloadType);
    }
    taken.push(index);
  }
  return taken;
}

export function isBundled(media: MediaState | undefined): boolean {
  return media?.bundle !== undefined && media.bundle.offered.length > 0;
}

export interface BundleSettling {
  readonly answerer: LegState;
  isAnswered(index: number): boolean;
}

/** Our answer to the offerer's groups: who of each is there after all; the one that carried before does so still. */
export function settleOfferedBundles(leg: LegState, { answerer, isAnswered }: BundleSettling): void {
  if (leg.media.every(({ bundle }) => bundle?.isOwn !== true)) return;
  const carriers = new Map<number, number>();
  for (const group of offeredGroups(leg, true)) {
    const present = group.filter((index) => {
      const media = leg.media[index];
      return media?.pair !== undefined && media.transport === "rtp" && isAnswered(index);
    });
    const ours = present.filter((index) => leg.media[index]?.security?.wanted !== "passed");
    const members = carrierFirst(leg, ours);
    for (const index of members) carriers.set(index, members[0] ?? index);
    if (ours.length > 0) continue;
    for (const [index, carrier] of passedCarriers(leg, answerer, present)) carriers.set(index, carrier);
  }
  takeCarriers(leg, carriers, true);
}

/** Carriers are these from now on; whoever has none stands alone, until another branch answers what it offered. */
function takeCarriers(leg: LegState, carriers: ReadonlyMap<number, number>, isOwn: boolean): void {
  for (const [index, media] of leg.media.entries()) {
    if (media.bundle?.isOwn !== isOwn) continue;
    const carrier = carriers.get(index);
    media.bundle = carrier === undefined && !isOwn ? undefined : { ...media.bundle, carrier };
  }
}

export interface BundleOffer {
  /** m-lines of the leg that may be bundled, in order. */
  readonly lines: readonly number[];
  readonly speaker: LegState;
  readonly options: MediaOptions;
}

/**
 * Offers a party one transport for all: by word, if it bundles already, or if the offerer does and both talk as
 * browsers do, which may insist on it.
 */
export function offerBundle(leg: LegState, { lines: all, speaker, options }: BundleOffer): void {
  const lines = alike(leg, carrierFirst(leg, all));
  const inForce = lines.some((index) => leg.media[index]?.bundle?.carrier === index);
  const { bundle: words } = options;
  const isOnly = words.has("require") || words.has("strict");
  const isWished = isOnly || words.has("offer") || inForce || isOfferedByBrowser(leg, speaker);
  const isOffered = isWished && !(words.has("reject") && !isOnly && !words.has("offer")) && lines.length > 0;
  if (!isOffered) {
    for (const media of leg.media) media.bundle = undefined;
    return;
  }
  const isShared = inForce || isOnly;
  for (const [index, media] of leg.media.entries()) {
    media.bundle = lines.includes(index)
      ? {
          ...(isRefused(media) ? alone : (media.bundle ?? alone)),
          carrier: isShared ? lines[0] : undefined,
          offered: lines,
          isOwn: false,
          isOnly: isOnly && index !== lines[0],
        }
      : undefined;
  }
}

/** It offered this in a bundle and got none: what it named there may be no more. */
function isRefused({ bundle }: MediaState): boolean {
  return bundle?.isOwn === true && bundle.carrier === undefined;
}

/** One transport is secured in one way: those that are offered like the first. */
function alike(leg: LegState, lines: readonly number[]): readonly number[] {
  const shape = (index: number): string => {
    const { protocol, security, ice } = leg.media[index] ?? {};
    return `${protocol} ${security?.told.join()} ${ice === undefined}`;
  };
  const [first] = lines;
  return first === undefined ? lines : lines.filter((index) => shape(index) === shape(first));
}

function isOfferedByBrowser(leg: LegState, speaker: LegState): boolean {
  if (!speaker.media.some(isBundled)) return false;
  return leg.media.some(({ ice, security }) => ice !== undefined && security?.told.includes("dtls") === true);
}

function mayBundle(media: MediaState | undefined): boolean {
  return media?.isActive === true && media.transport === "rtp" && isOfferedBundle(media);
}

/** We offered it a bundle. */
function isOfferedBundle(media: MediaState): boolean {
  return isBundled(media) && media.bundle?.isOwn === false;
}

/** A party's answer to our group: the first mid it names carries, if it names any. */
export function hearAnsweredBundles(leg: LegState, summary: SessionSummary): void {
  if (!leg.media.some(isOfferedBundle)) return;
  keepTransports(leg, (index) => leg.media[index]?.isActive === true);
  const carriers = new Map<number, number>();
  for (const mids of summary.bundles) {
    const present = membersOf(summary, mids)
      .map(({ index }) => index)
      .filter((index) => mayBundle(leg.media[index]));
    const members = carrierFirst(leg, present);
    for (const index of members) {
      carriers.set(index, members[0] ?? index);
      const media = leg.media[index];
      if (media !== undefined) {
        media.bundle = bundleOf(media, summary, index, {
          offered: media.bundle?.offered ?? [],
          isOwn: false,
        });
      }
    }
  }
  for (const [index, media] of leg.media.entries()) {
    // Offered without a port of its own, it has none but the carrier's, whatever the answer says.
    const shared = media.bundle?.isOnly === true && media.isActive ? media.bundle.carrier : undefined;
    if (shared === undefined || carriers.has(index)) continue;
    carriers.set(index, shared);
    carriers.set(shared, shared);
  }
  takeCarriers(leg, carriers, false);
}

/** Who is told of a bundle, by whom. */
export interface BundleTelling {
  readonly speaker: LegState;
  readonly listener: LegState;
  readonly isOffer: boolean;
}

/**
 * The number under which a party that bundles is to name this m-line in RTP headers, if it said that it can and nothing
 * else tells the m-line from others of the bundle: neither SSRCs nor payload types (RFC 8843 section 9.2). It is said
 * whoever offers: a party names what offer and answer both have.
 */
export function midToName(telling: BundleTelling, index: number): number | undefined {
  const { listener, isOffer } = telling;
  const bundle = listener.media[index]?.bundle;
  if (bundle === undefined || bundle.isOwn === isOffer || bundle.ssrcs.length > 0) return undefined;
  if (!isOffer && bundle.carrier === undefined) return undefined;
  const types = typesOf(telling, index);
  const isShared = listener.media.some((other, at) => {
    const isBeside = isOffer
      ? other.bundle?.offered === bundle.offered
      : other.bundle?.carrier === bundle.carrier;
    return at !== index && isBeside && [...typesOf(telling, at)].some((type) => types.has(type));
  });
  return isShared ? bundle.midExtension : undefined;
}

/** The payload types the relay takes for this m-line's: either party's, those of before included. */
function typesOf({ speaker, listener }: BundleTelling, index: number): ReadonlySet<number> {
  const own = listener.media[index]?.clocks ?? [];
  const others = speaker.media[counterpartIndex(listener, speaker, index) ?? -1]?.clocks ?? [];
  return new Set([...own, ...others].map(({ payloadType }) => payloadType));
}

/** In a bundle in force whose packets show which of its m-lines they belong to, whatever their payload type. */
export function isNamed({ bundle }: MediaState): boolean {
  if (bundle?.carrier === undefined) return false;
  return bundle.midExtension !== undefined || bundle.ssrcs.length > 0;
}

/** A name for an m-line that has none and needs one: its number from 1 on, or one no other m-line would take. */
export function freeMid(index: number, taken: readonly (string | undefined)[]): string {
  for (let number = index + 1; ; number += mediaPerCallMax) {
    const mid = String(number);
    if (!taken.includes(mid)) return mid;
  }
}
