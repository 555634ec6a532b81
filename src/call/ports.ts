/** Which port pairs a request needs, and on which interfaces. */
import type { IpFamily } from "../core/address.ts";
import { familyOf } from "../core/address.ts";
import type { MediaSummary } from "../sdp/summary.ts";
import { familyOfSdp } from "./hear.ts";
import { chooseInterface, type InterfaceChoice } from "./interfaces.ts";
import type { InterfaceOption } from "./options.ts";
import type { Lines } from "./preparation.ts";
import type { MediaOptions } from "./requests.ts";
import type { LegState, MediaState, ParsedSdp } from "./state.ts";

export interface WantedPair {
  readonly leg: LegState;
  readonly mediaIndex: number;
  readonly choice: InterfaceChoice;
}

export interface SidesOfOffer {
  readonly speaker: LegState;
  readonly listener: LegState;
  readonly sdp: ParsedSdp;
  readonly options: MediaOptions;
}

/** Both sides' pairs, so that an answer cannot run out of ports; those that exist stay unless asked otherwise. */
export function pairsForOffer(
  sides: SidesOfOffer,
  lines: Lines,
  interfaces: readonly InterfaceOption[],
): readonly WantedPair[] {
  const { speaker, listener, sdp, options } = sides;
  const [nearName, farName] = options.direction?.map(nameOrNone) ?? [];
  const near = chooseFor(
    speaker,
    { name: nearName, family: spokenFamily(speaker, sdp), isAsked: false },
    interfaces,
  );
  const farWish = options.addressFamily ?? listener.family ?? near.family;
  const isAsked = options.addressFamily !== undefined;
  const far = chooseFor(listener, { name: farName, family: farWish, isAsked }, interfaces);
  if (options.addressFamily !== undefined) listener.family = options.addressFamily;
  const wanted: WantedPair[] = [];
  for (const [nearIndex, farIndex] of lines) {
    const moves =
      options.portLatching === false && hasMoved(speaker.media[nearIndex], sdp.summary.media[nearIndex]);
    if (isOther(speaker.media[nearIndex], near))
      wanted.push({ leg: speaker, mediaIndex: nearIndex, choice: near });
    if (moves || isOther(listener.media[farIndex], far)) {
      wanted.push({ leg: listener, mediaIndex: farIndex, choice: far });
    }
  }
  return wanted;
}

/** What is missing on either side, if an offer before closed it. */
export function pairsForAnswer(
  speaker: LegState,
  listener: LegState,
  lines: Lines,
  interfaces: readonly InterfaceOption[],
): readonly WantedPair[] {
  const wanted: WantedPair[] = [];
  for (const [speakerIndex, listenerIndex] of lines) {
    for (const [leg, mediaIndex] of [
      [speaker, speakerIndex],
      [listener, listenerIndex],
    ] as const) {
      if (leg.media[mediaIndex]?.pair !== undefined) continue;
      const wish = { name: undefined, family: leg.family ?? 4, isAsked: false };
      wanted.push({ leg, mediaIndex, choice: chooseFor(leg, wish, interfaces) });
    }
  }
  return wanted;
}

/** An empty name stands for a side that nobody named. */
function nameOrNone(name: string): string | undefined {
  return name === "" ? undefined : name;
}

interface Wish {
  readonly name: string | undefined;
  readonly family: IpFamily | undefined;
  readonly isAsked: boolean;
}

/** A name that is known is kept for the leg; later requests need not repeat it. */
function chooseFor(leg: LegState, wish: Wish, interfaces: readonly InterfaceOption[]): InterfaceChoice {
  leg.interfaceName = interfaces.find((one) => one.name === wish.name)?.name ?? leg.interfaceName;
  const family = wish.family ?? interfaces[0]?.family ?? 4;
  return chooseInterface(interfaces, {
    name: leg.interfaceName ?? wish.name,
    family,
    isFamilyAsked: wish.isAsked,
  });
}

/** The family of the addresses in this body; a hold by 0.0.0.0 says it only of a party not heard before. */
function spokenFamily(leg: LegState, sdp: ParsedSdp): IpFamily | undefined {
  const known = familyOfSdp(sdp.summary) ?? leg.family;
  if (known !== undefined) return known;
  const ip = sdp.summary.media.find((media) => media.ip !== undefined)?.ip;
  return ip === undefined ? undefined : familyOf(ip);
}

function isOther(media: MediaState | undefined, choice: InterfaceChoice): boolean {
  const pair = media?.pair;
  return pair === undefined || pair.interfaceName !== choice.interfaceName || pair.family !== choice.family;
}

function hasMoved(media: MediaState | undefined, summary: MediaSummary | undefined): boolean {
  const before = media?.remote;
  const after = summary?.remote;
  if (before === undefined || after === undefined) return false;
  return before.ip !== after.ip || before.port !== after.port;
}
