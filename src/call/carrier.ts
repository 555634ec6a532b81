/**
 * The carrier of a bundle (RFC 8843): the m-line whose transport serves all of it. Each m-line keeps a pair of its own, so
 * that either can come.
 */
import { transportProtocol } from "../sdp/protocol.ts";
import type { BundleSide } from "./security-state.ts";
import type { LegState, MediaState } from "./state.ts";

/** In no bundle, and offered none. */
export const alone: BundleSide = {
  carrier: undefined,
  offered: [],
  isOwn: false,
  isOnly: false,
  midExtension: undefined,
  ssrcs: [],
};

/** The groups that were offered last, by this party (`isOwn`) or to it. */
export function offeredGroups(leg: LegState, isOwn: boolean): Iterable<readonly number[]> {
  const groups = new Map<string, readonly number[]>();
  for (const { bundle } of leg.media) {
    if (bundle?.isOwn === isOwn && bundle.offered.length > 0)
      groups.set(bundle.offered.join(), bundle.offered);
  }
  return groups.values();
}

/** The members of each carrier, it first. Who stands alone is a bundle of its own. */
export function partedByCarrier(leg: LegState, members: readonly number[]): readonly (readonly number[])[] {
  const parts = new Map<number, number[]>();
  for (const index of members) {
    const carrier = leg.media[index]?.bundle?.carrier ?? index;
    parts.set(carrier, [...(parts.get(carrier) ?? []), index]);
  }
  return [...parts.values()].map((part) => carrierFirst(leg, part));
}

/** The m-line that carries them now stands first. */
export function carrierFirst(leg: LegState, members: readonly number[]): readonly number[] {
  const carrier = members.find((index) => leg.media[index]?.bundle?.carrier === index);
  return carrier === undefined ? members : [carrier, ...members.filter((index) => index !== carrier)];
}

/** The m-line whose transport serves this one: its own, or that of one that carries itself as well. */
export function carrierIndex(leg: LegState, index: number): number {
  const at = leg.media[index]?.bundle?.carrier;
  if (at === undefined || at === index) return index;
  const [media, carrier] = [leg.media[index], leg.media[at]];
  const isAlike = isSecure(carrier) === isSecure(media) && isPassed(carrier) === isPassed(media);
  return carrier?.bundle?.carrier === at && isAlike ? at : index;
}

function isPassed(media: MediaState | undefined): boolean {
  return media?.security?.kind === "passed";
}

function isSecure(media: MediaState | undefined): boolean {
  return transportProtocol(media?.protocol ?? "").isSecure;
}

export function carrierOf(leg: LegState, index: number): MediaState | undefined {
  return leg.media[carrierIndex(leg, index)];
}

/**
 * Bundles whose carrier leaves go on with its transport under their next m-line: to the party each is the same bundle
 * still, with the same ICE and DTLS.
 */
export function keepTransports(leg: LegState, stays: (index: number) => boolean): void {
  for (const [index, media] of leg.media.entries()) {
    if (media.bundle?.carrier !== index || stays(index)) continue;
    const heirAt = leg.media.findIndex((other, at) => other.bundle?.carrier === index && stays(at));
    const heir = leg.media[heirAt];
    if (heir === undefined || media.pair === undefined) continue;
    [media.pair, heir.pair] = [heir.pair, media.pair];
    [media.ice, heir.ice] = [heir.ice, media.ice];
    [media.security, heir.security] = [heir.security, media.security];
    for (const other of leg.media) {
      if (other.bundle?.carrier === index) other.bundle = { ...other.bundle, carrier: heirAt };
    }
  }
}

/** Whoever has a carrier that turned out to be unusable stands alone. */
export function leaveCarriers(leg: LegState, stays: (index: number) => boolean): void {
  for (const media of leg.media) {
    const carrier = media.bundle?.carrier;
    if (carrier !== undefined && !stays(carrier)) media.bundle = undefined;
  }
}
