/**
 * The codec lists that calls keep. Few distinct lists serve thousands of calls, so equal ones are one object; the
 * memory of those lists is bounded and only saves room: with or without it the answers are equal.
 */
import { codecListsSharedMax, sharedCodecListSizeMax } from "../core/limits.ts";
import type { PayloadClock } from "../core/plan/plan.ts";
import type { Codec } from "../sdp/codec.ts";
import { ownText } from "./text.ts";

export interface KeptCodecs {
  /** What tells codecs apart, without the long texts of a body. */
  readonly codecs: readonly Codec[];
  /** Types without a known clock (0) count as well: they are in the SDP, so they may speak. */
  readonly clocks: readonly PayloadClock[];
}

const shared = new Map<string, KeptCodecs>();

export function keptCodecs(codecs: readonly Codec[]): KeptCodecs {
  // Names have neither space nor slash (RFC 8866 section 6.6), so no two lists have one text.
  let key = "";
  for (const { payloadType, name, clockRateHz, channels } of codecs) {
    key += `${payloadType} ${name}/${clockRateHz}/${channels},`;
  }
  const known = shared.get(key);
  if (known !== undefined) return known;
  const kept = copyOf(codecs);
  if (key.length > sharedCodecListSizeMax) return kept;
  if (shared.size >= codecListsSharedMax) shared.clear();
  shared.set(ownText(key), kept);
  return kept;
}

const noFeedback: readonly string[] = [];

function copyOf(list: readonly Codec[]): KeptCodecs {
  const codecs = list.map(({ payloadType, name, clockRateHz, channels }) => ({
    payloadType,
    name: ownText(name),
    clockRateHz,
    channels,
    encoding: "",
    parameters: "",
    feedback: noFeedback,
  }));
  const clocks = codecs.map(({ payloadType, clockRateHz }) => ({ payloadType, clockRateHz }));
  return { codecs, clocks };
}
