/**
 * rtpproxy's `U` and `L` on the same calls: one address for one stream instead of a whole SDP.
 *
 * Matching is rtpproxy's (docs/rtpproxy.md): one known tag is enough, the other one then is the other party's,
 * whatever it is.
 */
import { type Endpoint, isUnspecified } from "../core/address.ts";
import { legsPerCallMax } from "../core/limits.ts";
import { defaultLearning } from "../core/plan/plan.ts";
import { ok, type Result, refused } from "../core/result.ts";
import { renewGeneration } from "./hear.ts";
import {
  bridgeEnd,
  chooseAddress,
  chooseInterface,
  type InterfaceChoice,
  interfaceOfIp,
} from "./interfaces.ts";
import { addLeg, associate, hasTag, legByTag, mediaAt } from "./leg.ts";
import { currentPeer, type Match, nameLeg } from "./matching.ts";
import type { InterfaceOption } from "./options.ts";
import type { WantedPair } from "./ports.ts";
import type { CallRefusal, LookupRequest, StreamKey, StreamOptions, UpdateRequest } from "./requests.ts";
import type { CallState, LegState, Now } from "./state.ts";
import { ownText } from "./text.ts";

type MatchResult = Result<Match, CallRefusal>;

/** The party of `from` speaks. */
export function matchUpdate(call: CallState, key: StreamKey, now: Now): MatchResult {
  const found = matchKnown(call, key.fromTag, key.toTag);
  if (found !== undefined) return found;
  if (key.fromTag === key.toTag) return refused("dialogue-invalid");
  if (call.legs.length + 2 > legsPerCallMax) return refused("limit-exceeded");
  const firstNewId = call.nextLegId;
  const speaker = legByTag(call, key.fromTag) ?? tagged(addLeg(call, now), key.fromTag);
  const listener = legByTag(call, key.toTag) ?? tagged(addLeg(call, now), key.toTag);
  const created = [speaker.id, listener.id].filter((id) => id >= firstNewId);
  associate(speaker, listener);
  return ok({ speaker, listener, created });
}

/** The party of `to` speaks; the stream must have been there before. */
export function matchLookup(call: CallState, key: StreamKey): MatchResult {
  const found = matchKnown(call, key.toTag ?? "", key.fromTag) ?? refused("unknown-call");
  if (!found.ok) return found;
  const { listener, speaker } = found.value;
  const hasStream = [listener, speaker].every((leg) => leg.media[key.mediaIndex]?.pair !== undefined);
  return hasStream ? found : refused("unknown-call");
}

function matchKnown(
  call: CallState,
  speakerTag: string,
  listenerTag: string | undefined,
): MatchResult | undefined {
  let speaker = legByTag(call, speakerTag);
  let listener = legByTag(call, listenerTag);
  if (speaker === undefined && listener === undefined) return undefined;
  if (speaker === undefined && listener !== undefined) speaker = currentPeer(call, listener);
  else if (listener === undefined && speaker !== undefined) listener = currentPeer(call, speaker);
  if (speaker === undefined || listener === undefined) return undefined;
  if (speaker === listener) return refused("dialogue-invalid");
  if (!learnTag(speaker, speakerTag) || !learnTag(listener, listenerTag)) return refused("limit-exceeded");
  associate(speaker, listener);
  return ok({ speaker, listener, created: [] });
}

function learnTag(leg: LegState, tag: string | undefined): boolean {
  return tag === undefined || tag === "" || hasTag(leg, tag) || nameLeg(leg, tag);
}

function tagged(leg: LegState, tag: string | undefined): LegState {
  if (tag !== undefined && tag !== "") leg.tag = ownText(tag);
  return leg;
}

/** Pairs that a `U` has to open: both sides', as for an offer. An `L` opens none but for `n`. */
export function pairsForStream(
  { speaker, listener }: Pick<Match, "speaker" | "listener">,
  request: UpdateRequest | LookupRequest,
  interfaces: readonly InterfaceOption[],
): Result<readonly WantedPair[], CallRefusal> {
  const { options, key } = request;
  const wanted: WantedPair[] = [];
  for (const [side, leg] of [speaker, listener].entries()) {
    const isNew = leg === listener && options.wantsNewPort;
    if (leg.media[key.mediaIndex]?.pair !== undefined && !isNew) continue;
    const localIp = leg === listener ? options.localIp : undefined;
    const choice = chooseForStream(leg, { ...options, localIp }, side, interfaces);
    if (choice === undefined) return refused("unsupported-address");
    wanted.push({ leg, mediaIndex: key.mediaIndex, choice });
  }
  return ok(wanted);
}

/** By `l`, which names one address; by bridge letters the first time; else what the leg had. */
function chooseForStream(
  leg: LegState,
  { bridge, family, localIp }: StreamOptions,
  side: number,
  interfaces: readonly InterfaceOption[],
): InterfaceChoice | undefined {
  const end = bridge?.[side];
  const bridged = end === undefined ? undefined : bridgeEnd(interfaces, end);
  leg.interfaceName ??= bridged?.name;
  if (localIp !== undefined) {
    const named = interfaceOfIp(interfaces, localIp);
    return named === undefined ? undefined : chooseAddress(named);
  }
  const isSharedName = new Set(interfaces.map((one) => one.name)).size === 1;
  if (bridged !== undefined && isSharedName) return chooseAddress(bridged);
  const wish = { name: leg.interfaceName, family: leg.family ?? family, isFamilyAsked: false };
  return chooseInterface(interfaces, wish);
}

/** Takes the address of a `U` or `L` into the leg it is of. An address of hold keeps what was known. */
export function hearAddress(leg: LegState, request: UpdateRequest | LookupRequest): void {
  const { remote, options } = request;
  const media = mediaAt(leg, request.key.mediaIndex);
  media.isActive = true;
  media.isSignalled = true;
  media.origin = "command";
  media.isHeld = isUnspecified(remote.ip) || remote.port === 0;
  if (!media.isHeld) {
    media.remote = remote;
    media.remoteRtcp = rtcpOf(remote);
    leg.family = options.family;
  }
  leg.learning = options.isAsymmetric ? { ...defaultLearning, isAsymmetric: true } : defaultLearning;
  leg.isHeard = true;
  const addresses = leg.media.map((one) => `${one.remote?.ip ?? ""} ${one.remote?.port ?? ""}`);
  renewGeneration(leg, `${leg.tag ?? ""} ${addresses.join(" ")}`);
}

/** Separate RTCP always (rtpproxy knows no rtcp-mux). */
function rtcpOf(rtp: Endpoint): Endpoint | undefined {
  return rtp.port < 65_535 ? { ip: rtp.ip, port: rtp.port + 1 } : undefined;
}

/** `w` and its absence, on U and L: how many deletes it takes to end the call. */
export function noteStrength(call: CallState, leg: LegState, isWeak: boolean): void {
  if (isWeak) leg.isWeak = true;
  else call.isStrong = true;
}
