/**
 * Which two legs a request is about (docs/ng.md, "Call matching").
 *
 * Tags decide first, then the via-branch of a leg that has not answered, then whom the other side talks with. An
 * offer with tags we do not know makes legs and is never refused: proxies go on with calls over our restart.
 */
import { aliasesPerLegMax, legsPerCallMax } from "../core/limits.ts";
import { ok, type Result, refused } from "../core/result.ts";
import { addLeg, associate, legByBranch, legByTag } from "./leg.ts";
import type { CallRefusal } from "./requests.ts";
import { activePeer, type CallState, findLeg, type LegState, type Now } from "./state.ts";
import { ownText } from "./text.ts";

export interface Match {
  readonly speaker: LegState;
  readonly listener: LegState;
  /** Ids of legs made now. */
  readonly created: readonly number[];
}

export interface Names {
  /** Tag of the party that speaks. */
  readonly speakerTag: string;
  readonly listenerTag: string | undefined;
  readonly viaBranch: string | undefined;
}

type MatchResult = Result<Match, CallRefusal>;

class LegMaker {
  readonly created: number[] = [];
  readonly #call: CallState;
  readonly #now: Now;

  constructor(call: CallState, now: Now) {
    this.#call = call;
    this.#now = now;
  }

  make(tag: string | undefined, viaBranch: string | undefined): LegState {
    const leg = addLeg(this.#call, this.#now);
    if (tag !== undefined && tag !== "") leg.tag = ownText(tag);
    if (viaBranch !== undefined && viaBranch !== "") leg.viaBranch = ownText(viaBranch);
    this.created.push(leg.id);
    return leg;
  }
}

/** Offer and rtpproxy `U`. */
export function matchOffer(call: CallState, names: Names, now: Now): MatchResult {
  if (names.speakerTag === names.listenerTag) return refused("dialogue-invalid");
  if (call.legs.length + 2 > legsPerCallMax) return matchWithoutRoom(call, names);
  const maker = new LegMaker(call, now);
  const listener = legByTag(call, names.listenerTag);
  if (listener === undefined) {
    const speaker = legByTag(call, names.speakerTag);
    if (speaker === undefined) {
      return joined(maker.make(names.speakerTag, undefined), newListener(maker, names), maker);
    }
    return joined(speaker, listenerOf(call, speaker, names) ?? newListener(maker, names), maker);
  }
  const speaker = legByTag(call, names.speakerTag) ?? untaggedSpeaker(call, listener, names);
  return joined(speaker ?? maker.make(names.speakerTag, undefined), listener, maker);
}

/** At the limit only legs that exist may go on. */
function matchWithoutRoom(call: CallState, names: Names): MatchResult {
  const speaker = legByTag(call, names.speakerTag);
  if (speaker === undefined) return refused("limit-exceeded");
  const listener = legByTag(call, names.listenerTag) ?? listenerOf(call, speaker, names);
  if (listener === undefined) return refused("limit-exceeded");
  if (listener === speaker) return refused("dialogue-invalid");
  associate(speaker, listener);
  return ok({ speaker, listener, created: [] });
}

function newListener(maker: LegMaker, names: Names): LegState {
  return maker.make(names.listenerTag, names.viaBranch);
}

/** The peer an offer without a known to-tag goes to; undefined: a new branch. */
function listenerOf(call: CallState, speaker: LegState, names: Names): LegState | undefined {
  if (names.listenerTag !== undefined && names.listenerTag !== "") return undefined;
  if (names.viaBranch !== undefined && names.viaBranch !== "") {
    const branch = legByBranch(call, names.viaBranch);
    return branch === speaker ? undefined : branch;
  }
  return currentPeer(call, speaker);
}

/** An offer from a tag we do not know to a leg we do: that leg's unanswered peer, if it has one. */
function untaggedSpeaker(call: CallState, listener: LegState, names: Names): LegState | undefined {
  const found = legByBranch(call, names.viaBranch) ?? currentPeer(call, listener);
  if (found === undefined || found === listener || found.tag !== undefined) return undefined;
  found.tag = ownText(names.speakerTag);
  return found;
}

/** Answer and rtpproxy `L`: `speaker` is the answerer. */
export function matchAnswer(call: CallState, names: Names): MatchResult {
  const listener = legByTag(call, names.listenerTag);
  if (listener === undefined) return refused("dialogue-invalid");
  const known = legByTag(call, names.speakerTag);
  if (known === listener) return refused("dialogue-invalid");
  if (known !== undefined) return joined(known, listener, undefined);
  const found = answeringBranch(call, listener, names);
  if (found === undefined || found === listener) return refused("dialogue-invalid");
  if (!nameLeg(found, names.speakerTag)) return refused("limit-exceeded");
  return joined(found, listener, undefined);
}

function answeringBranch(call: CallState, listener: LegState, names: Names): LegState | undefined {
  const branch = legByBranch(call, names.viaBranch);
  if (branch !== undefined && branch !== listener) return branch;
  const untagged = listener.peers.map((id) => findLeg(call, id)).find((leg) => leg?.tag === undefined);
  return untagged ?? currentPeer(call, listener);
}

/** Gives a leg this tag; a leg that has one already keeps its ports and answers to the old tag as well. */
export function nameLeg(leg: LegState, tag: string): boolean {
  if (leg.tag !== undefined) {
    if (leg.aliases.length >= aliasesPerLegMax) return false;
    leg.aliases.push(leg.tag);
  }
  leg.tag = ownText(tag);
  return true;
}

/** Whom a leg talks with, else the first it was associated with. */
export function currentPeer(call: CallState, leg: LegState): LegState | undefined {
  return activePeer(call, leg) ?? findLeg(call, leg.active) ?? findLeg(call, leg.peers[0]);
}

function joined(speaker: LegState, listener: LegState, maker: LegMaker | undefined): MatchResult {
  if (speaker === listener) return refused("dialogue-invalid");
  associate(speaker, listener);
  return ok({ speaker, listener, created: maker?.created ?? [] });
}
