/** The one line that the log tells about every call when it is over. */
import type { EndedCall, LegReport } from "../call/report.ts";
import { formatEndpoint } from "../core/address.ts";
import type { LogFields } from "../core/log.ts";
import type { CounterReader, PairCounters } from "../core/plan/counters.ts";
import type { EventName } from "./events.ts";

/** Legs told in detail; of a call with more, `legs` still gives the number. */
const legsToldMax = 8;

export const callEndMessage = "call ended";

/**
 * Flat fields, legs numbered from 1 in the order they joined: `leg1PacketsIn`, `leg1PacketsLost`, `leg1JitterMs` ...
 * In is what came from that party. Counts are sums over its media; jitter is the worst of its streams.
 */
export function callEndFields(call: EndedCall, counters: CounterReader): LogFields {
  const fields: Record<string, string | number | boolean | undefined> = {
    event: "call-end" satisfies EventName,
    callId: call.report.callId,
    reason: call.reason,
    durationMs: Math.round(call.report.ageMs),
    legs: call.report.legs.length,
  };
  for (const [index, leg] of call.report.legs.slice(0, legsToldMax).entries()) {
    for (const [name, value] of Object.entries(legFields(leg, counters))) {
      fields[`leg${index + 1}${name}`] = value;
    }
  }
  return fields;
}

function legFields(leg: LegReport, counters: CounterReader): LogFields {
  const sum = { packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0, lost: 0, errors: 0 };
  let jitterMs = 0;
  let source: string | undefined;
  let evidence: string | undefined;
  for (const media of leg.media) {
    const pair = media.pair === undefined ? undefined : counters.read(media.pair);
    if (pair === undefined) continue;
    addPair(sum, pair);
    for (const stream of pair.streams) {
      sum.lost += Math.max(0, stream.packetsLost);
      jitterMs = Math.max(jitterMs, stream.jitterMs);
    }
    if (source === undefined && pair.rtp.provenSource !== undefined) {
      source = formatEndpoint(pair.rtp.provenSource);
      evidence = pair.rtp.evidence;
    }
  }
  return {
    Tag: leg.tag,
    PacketsIn: sum.packetsIn,
    PacketsOut: sum.packetsOut,
    BytesIn: sum.bytesIn,
    BytesOut: sum.bytesOut,
    PacketsLost: sum.lost,
    JitterMs: Math.round(jitterMs * 10) / 10,
    Errors: sum.errors,
    Source: source,
    Evidence: evidence,
  };
}

/** RTP alone: under rtcp-mux the RTP socket counts both, as the party sent them there. */
function addPair(
  sum: { packetsIn: number; packetsOut: number; bytesIn: number; bytesOut: number; errors: number },
  pair: PairCounters,
): void {
  sum.packetsIn += pair.rtp.packetsIn;
  sum.packetsOut += pair.rtp.packetsOut;
  sum.bytesIn += pair.rtp.bytesIn;
  sum.bytesOut += pair.rtp.bytesOut;
  sum.errors += pair.rtp.errorsIn + pair.rtp.errorsOut;
}
