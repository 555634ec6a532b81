/** Making calls, legs and media. */
import type { GroupId } from "../core/plan/plan.ts";
import { defaultLearning } from "../core/plan/plan.ts";
import type { CallState, LegState, MediaState, Now } from "./state.ts";
import { ownText } from "./text.ts";

export function newCall(callId: string, group: GroupId, ownSessionId: string, now: Now): CallState {
  return {
    callId: ownText(callId),
    group,
    createdAtMs: now.monotonicMs,
    createdAt: now.unixMs,
    lastSignalAtMs: now.monotonicMs,
    lastSignalAt: now.unixMs,
    ownSessionId,
    nextLegId: 1,
    legs: [],
    tos: undefined,
    isStrong: false,
    deleteAtMs: undefined,
    notify: undefined,
    work: undefined,
    waiting: [],
  };
}

export function addLeg(call: CallState, now: Now): LegState {
  const leg: LegState = {
    id: call.nextLegId++,
    tag: undefined,
    aliases: [],
    viaBranch: undefined,
    label: undefined,
    createdAt: now.unixMs,
    peers: [],
    active: undefined,
    isHeard: false,
    generation: 0,
    identity: "",
    family: undefined,
    interfaceName: undefined,
    receivedFrom: undefined,
    learning: defaultLearning,
    told: undefined,
    skipped: [],
    isWeak: false,
    deleteAtMs: undefined,
    media: [],
  };
  call.legs.push(leg);
  return leg;
}

/** One object for all m-lines that have none. */
export const noFormats: readonly string[] = [];

function newMedia(): MediaState {
  return {
    kind: "audio",
    protocol: "RTP/AVP",
    transport: "rtp",
    codec: undefined,
    isActive: false,
    isSignalled: false,
    direction: "sendrecv",
    isHeld: false,
    remote: undefined,
    remoteRtcp: undefined,
    trustsAddress: true,
    origin: "sdp",
    rtcpMux: false,
    hasOfferedMux: false,
    overridesMux: false,
    mid: undefined,
    ptimeMs: undefined,
    formats: noFormats,
    clocks: [],
    codecs: [],
    toldCodecs: [],
    pair: undefined,
    security: undefined,
    ice: undefined,
    bundle: undefined,
  };
}

/** The media of an m-line, made with all before it when it is new. The index is bounded by the SDP parser. */
export function mediaAt(leg: LegState, index: number): MediaState {
  while (leg.media.length <= index) leg.media = grown(leg.media, newMedia());
  const media = leg.media[index];
  if (media === undefined) throw new Error("leg: negative m-line");
  return media;
}

/** With no room to spare. Nearly all of these lists have one entry, and a literal of that is made at once. */
function grown<Item>(items: readonly Item[], item: Item): readonly Item[] {
  return items.length === 0 ? [item] : items.concat([item]);
}

/** The pair is gone, and with it what was agreed for it. */
export function forgetTransport(media: MediaState): void {
  media.security = undefined;
  media.ice = undefined;
  media.bundle = undefined;
}

/** From now on these two exchange offers and answers. */
export function associate(a: LegState, b: LegState): void {
  if (!a.peers.includes(b.id)) a.peers = grown(a.peers, b.id);
  if (!b.peers.includes(a.id)) b.peers = grown(b.peers, a.id);
}

export function hasTag(leg: LegState, tag: string): boolean {
  return leg.tag === tag || leg.aliases.includes(tag);
}

export function legByTag(call: CallState, tag: string | undefined): LegState | undefined {
  if (tag === undefined || tag === "") return undefined;
  return call.legs.find((leg) => hasTag(leg, tag));
}

export function legByBranch(call: CallState, branch: string | undefined): LegState | undefined {
  if (branch === undefined || branch === "") return undefined;
  return call.legs.find((leg) => leg.viaBranch === branch);
}

/** Takes a leg out of the call. Its pairs must have been closed. */
export function removeLeg(call: CallState, leg: LegState): void {
  call.legs.splice(call.legs.indexOf(leg), 1);
  for (const other of call.legs) {
    if (other.peers.includes(leg.id)) other.peers = other.peers.filter((id) => id !== leg.id);
    if (other.active === leg.id) other.active = undefined;
  }
}
