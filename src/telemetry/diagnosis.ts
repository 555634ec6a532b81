/** Why there is no audio, in words: what is missing between a party and us, and what stands in its way. */
import type { MediaReport } from "../call/report.ts";
import { formatEndpoint } from "../core/address.ts";
import { classifyIp } from "../core/address-class.ts";
import type { SocketCounters } from "../core/plan/counters.ts";
import type { MonotonicMs } from "../core/time.ts";
import { dtlsFailureTexts, iceFailureTexts } from "./security-texts.ts";
import type { SourcesDetail } from "./sources-view.ts";

/** A party that was not heard for so long is worth a word. */
const silenceMsMin = 2_000;

/** Sentences without their full stops; none while both directions flow. `rtp` is the m-line's own socket. */
export function diagnose(
  media: MediaReport,
  rtp: SocketCounters | undefined,
  sources: SourcesDetail | undefined,
  nowMs: MonotonicMs,
): readonly string[] {
  if (!media.isActive) return ["no ports: this m-line was rejected or removed"];
  if (rtp === undefined || sources === undefined) return ["its ports are not open yet"];
  const words = securing(media);
  if (media.carrier === undefined)
    words.push(...fromParty(media, rtp, sources, nowMs), ...toParty(media, rtp, sources));
  else if (rtp.lastPacketAt === undefined)
    words.push(`it goes over the ports of media ${media.carrier + 1}: see there`);
  return words;
}

function securing({ security, ice }: MediaReport): string[] {
  const words: string[] = [];
  if (ice?.failure !== undefined) words.push(`ICE: ${iceFailureTexts[ice.failure]}`);
  if (security?.failure !== undefined) words.push(`DTLS: ${dtlsFailureTexts[security.failure]}`);
  else if (security?.kind === "dtls" && !security.isVerified)
    words.push("DTLS is not finished: media waits for it");
  else if (security?.kind === "pending") words.push("no keys are agreed on yet: media waits for them");
  return words;
}

function fromParty(
  media: MediaReport,
  rtp: SocketCounters,
  sources: SourcesDetail,
  nowMs: MonotonicMs,
): string[] {
  const heardAgoMs = rtp.lastPacketAt === undefined ? undefined : nowMs - rtp.lastPacketAt;
  if (heardAgoMs !== undefined && heardAgoMs < silenceMsMin) return [];
  const words: string[] = [];
  const source = rtp.provenSource === undefined ? undefined : formatEndpoint(rtp.provenSource);
  const isQuiet = media.direction === "recvonly" || media.direction === "inactive";
  if (heardAgoMs !== undefined && source !== undefined) {
    words.push(
      `nothing relayed from ${source} for ${seconds(heardAgoMs)}${isQuiet ? ", as it said (hold)" : ""}`,
    );
  } else if (isQuiet) {
    words.push(`this party said that it sends nothing (a=${media.direction})`);
  } else {
    words.push(...neverHeard(media, rtp, sources));
  }
  for (const one of sources.candidates) {
    words.push(`${one.source} sends (${one.packets} packets in a row) and is held: ${one.text}`);
  }
  for (const one of sources.struck) {
    words.push(`${one.source} is struck for another ${seconds(one.forMs)}: it contradicted the party`);
  }
  const refused = sources.history.findLast(({ note }) => note === "refused");
  if (refused !== undefined) words.push(`${seconds(refused.agoMs)} ago: ${refused.text}`);
  return words;
}

function neverHeard(
  media: MediaReport,
  rtp: SocketCounters,
  { candidates, struck }: SourcesDetail,
): string[] {
  if (candidates.length > 0 || struck.length > 0) return ["nobody is believed to be this party yet"];
  const port = media.local === undefined ? "our port" : `${media.local.advertisedIp}:${media.local.port}`;
  if (rtp.errorsIn === 0) {
    return [
      `nothing has come to ${port} from this party: is it reachable for it, and in the SDP it was sent?`,
    ];
  }
  const strict = media.isStrict ? "; strict-source: only announced addresses may speak" : "";
  return [`${rtp.errorsIn} packets came to ${port} and none was from a source that may speak${strict}`];
}

function toParty(media: MediaReport, rtp: SocketCounters, sources: SourcesDetail): string[] {
  const words: string[] = [];
  if (rtp.sendTarget === undefined) words.push(`nothing is sent to this party: ${sources.targetReason}`);
  else if (rtp.provenSource === undefined && classifyIp(rtp.sendTarget.ip) === "private") {
    const target = formatEndpoint(rtp.sendTarget);
    words.push(`we send to ${target}, a private address: a party behind NAT hears nothing before it speaks`);
  }
  if (media.isAsymmetric && rtp.provenSource !== undefined && rtp.sendTarget !== undefined) {
    const [from, to] = [formatEndpoint(rtp.provenSource), formatEndpoint(rtp.sendTarget)];
    if (from !== to) words.push(`it speaks from ${from} and we send to ${to}, as asymmetric wants it`);
  }
  if (rtp.errorsOut > 0) words.push(`sends that failed on this machine: ${rtp.errorsOut}`);
  return words;
}

function seconds(durationMs: number): string {
  return `${(Math.max(0, durationMs) / 1_000).toFixed(1)} s`;
}
