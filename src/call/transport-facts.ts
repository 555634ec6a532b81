/** What the relay tells of ICE and DTLS on a pair, kept for whoever asks about the call. */
import type { RelayEvent } from "../core/plan/plan.ts";
import type { CallState, MediaState, TransportFacts } from "./state.ts";

export type TransportEvent = Extract<
  RelayEvent,
  { kind: "ice-selected" | "ice-failed" | "dtls-connected" | "dtls-failed" }
>;

const noFacts: TransportFacts = {
  iceRemote: undefined,
  iceFailure: undefined,
  dtlsSuite: undefined,
  dtlsAssociation: undefined,
  dtlsFailure: undefined,
};

export function isTransportEvent(event: RelayEvent): event is TransportEvent {
  const { kind } = event;
  return (
    kind === "ice-selected" || kind === "ice-failed" || kind === "dtls-connected" || kind === "dtls-failed"
  );
}

export function noteTransport(call: CallState, event: TransportEvent): void {
  const media = mediaOf(call, event);
  if (media?.pair === undefined) return;
  const news = factsOf(event, media.security?.dtls?.association);
  if (news !== undefined) media.pair.transport = { ...(media.pair.transport ?? noFacts), ...news };
}

function mediaOf(call: CallState, event: TransportEvent): MediaState | undefined {
  for (const leg of call.legs) {
    const found = leg.media.find(({ pair }) => pair?.id === event.pair);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** RTCP on a port of its own is left out: what counts is whether there is media. */
function factsOf(
  event: TransportEvent,
  dtlsAssociation: number | undefined,
): Partial<TransportFacts> | undefined {
  if (event.kind === "ice-failed") return { iceFailure: event.reason };
  if (event.component !== "rtp") return undefined;
  if (event.kind === "ice-selected") return { iceRemote: event.remote, iceFailure: undefined };
  if (event.kind === "dtls-failed") {
    return { dtlsSuite: undefined, dtlsFailure: event.reason, dtlsAssociation };
  }
  return { dtlsSuite: event.suite, dtlsFailure: undefined, dtlsAssociation };
}
