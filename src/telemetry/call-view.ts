/** Calls as `rtpferry ctl` shows them: plain values, ready for JSON. Durations are in milliseconds. */
import type { CallReport, MediaReport } from "../call/report.ts";
import { type Endpoint, formatEndpoint } from "../core/address.ts";
import type { CounterReader, PairCounters, SocketCounters } from "../core/plan/counters.ts";
import type { Component, PairId } from "../core/plan/plan.ts";
import type { MonotonicMs } from "../core/time.ts";
import type { SlotView } from "../handover/view.ts";
import type { TransportView } from "../relay/transports/pair-transport.ts";
import { diagnose } from "./diagnosis.ts";
import { type SecurityDetail, securityDetail } from "./security-view.ts";
import type { NoteRecord } from "./source-history.ts";
import { type SourcesDetail, sourcesDetail } from "./sources-view.ts";

/** The relay, as far as a call's view goes. */
export interface RelayReader extends CounterReader {
  /** Undefined for plain media without ICE. */
  transport(pair: PairId): TransportView | undefined;
  /** A glance at the policy's tables. */
  sources(pair: PairId): Readonly<Record<Component, SlotView>> | undefined;
  /** What became of the pair's sources, oldest first. */
  history(pair: PairId): readonly NoteRecord[];
}

/** One line of `ctl list`. */
export interface CallRow {
  readonly callId: string;
  readonly ageMs: number;
  readonly legs: number;
  readonly streams: number;
  /** Relayed from all parties. */
  readonly packets: number;
  readonly isDeleted: boolean;
  /** Since the last media packet; null before the first. */
  readonly silentMs: number | null;
}

/** All of `ctl show`. */
export interface CallDetail {
  readonly callId: string;
  /** Unix time. */
  readonly createdAtMs: number;
  readonly ageMs: number;
  readonly isDeleted: boolean;
  readonly legs: readonly LegDetail[];
}

export interface LegDetail {
  readonly tag: string | null;
  readonly label: string | null;
  readonly viaBranch: string | null;
  readonly media: readonly MediaDetail[];
}

export interface MediaDetail {
  readonly index: number;
  readonly type: string;
  readonly protocol: string;
  readonly codec: string | null;
  readonly direction: string;
  readonly rtcpMux: boolean;
  readonly security: SecurityDetail;
  /** Our port, as the party sees it. */
  readonly local: string | null;
  /** What signalling gave. */
  readonly advertised: string | null;
  readonly rtp: SocketDetail | null;
  readonly rtcp: SocketDetail | null;
  readonly streams: readonly StreamDetail[];
  /** Why there is no audio, in sentences; none while both directions flow. */
  readonly diagnosis: readonly string[];
}

export interface SocketDetail extends SourcesDetail {
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly errorsIn: number;
  readonly errorsOut: number;
  /** Where its packets come from, and why we believe it. */
  readonly source: string | null;
  readonly evidence: string | null;
  readonly target: string | null;
  readonly silentMs: number | null;
}

export interface StreamDetail {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly packets: number;
  readonly packetsLost: number;
  readonly jitterMs: number;
}

export function callRow(report: CallReport, counters: CounterReader, nowMs: MonotonicMs): CallRow {
  let streams = 0;
  let packets = 0;
  let lastPacketAt: number | undefined;
  for (const leg of report.legs) {
    for (const media of leg.media) {
      if (media.pair === undefined) continue;
      streams++;
      packets += counters.read(media.pair)?.rtp.packetsIn ?? 0;
      const at = counters.lastPacketAt(media.pair);
      if (at !== undefined && at > (lastPacketAt ?? Number.NEGATIVE_INFINITY)) lastPacketAt = at;
    }
  }
  return {
    callId: report.callId,
    ageMs: Math.round(report.ageMs),
    legs: report.legs.length,
    streams,
    packets,
    isDeleted: report.isDeleted,
    silentMs: lastPacketAt === undefined ? null : Math.round(nowMs - lastPacketAt),
  };
}

export function callDetail(report: CallReport, relay: RelayReader, nowMs: MonotonicMs): CallDetail {
  return {
    callId: report.callId,
    createdAtMs: report.createdAt,
    ageMs: Math.round(report.ageMs),
    isDeleted: report.isDeleted,
    legs: report.legs.map((leg) => ({
      tag: leg.tag ?? null,
      label: leg.label ?? null,
      viaBranch: leg.viaBranch ?? null,
      media: leg.media.map((media) => mediaDetail(media, relay, nowMs)),
    })),
  };
}

function mediaDetail(media: MediaReport, relay: RelayReader, nowMs: MonotonicMs): MediaDetail {
  const pair: PairCounters | undefined = media.pair === undefined ? undefined : relay.read(media.pair);
  const transport = media.pair === undefined ? undefined : relay.transport(media.pair);
  const local = media.local && { ip: media.local.advertisedIp, port: media.local.port };
  const socket = (component: Component): SocketDetail | null =>
    pair === undefined ? null : socketDetail({ media, component, pair, transport, relay }, nowMs);
  const rtp = socket("rtp");
  return {
    index: media.index,
    type: media.type,
    protocol: media.protocol,
    codec: media.codec ?? null,
    direction: media.direction,
    rtcpMux: media.rtcpMux,
    security: securityDetail(transport),
    local: place(local),
    advertised: place(media.advertised),
    rtp,
    rtcp: socket("rtcp"),
    streams: (pair?.streams ?? []).map(({ ssrc, payloadType, packets, packetsLost, jitterMs }) => ({
      ssrc,
      payloadType,
      packets,
      packetsLost,
      jitterMs: Math.round(jitterMs * 10) / 10,
    })),
    diagnosis: diagnose(media, pair?.rtp, rtp ?? undefined, nowMs),
  };
}

interface SocketParts {
  readonly media: MediaReport;
  readonly component: Component;
  readonly pair: PairCounters;
  readonly transport: TransportView | undefined;
  readonly relay: RelayReader;
}

function socketDetail(parts: SocketParts, nowMs: MonotonicMs): SocketDetail {
  const { media, component, pair, transport, relay } = parts;
  const socket: SocketCounters = pair[component];
  const view = media.pair === undefined ? undefined : relay.sources(media.pair)?.[component];
  const history = media.pair === undefined ? [] : relay.history(media.pair);
  const iceTarget = transport?.ice === undefined ? undefined : (transport.ice.selected[component] ?? null);
  return {
    packetsIn: socket.packetsIn,
    packetsOut: socket.packetsOut,
    bytesIn: socket.bytesIn,
    bytesOut: socket.bytesOut,
    errorsIn: socket.errorsIn,
    errorsOut: socket.errorsOut,
    source: place(socket.provenSource),
    evidence: socket.evidence ?? null,
    target: place(socket.sendTarget),
    silentMs: socket.lastPacketAt === undefined ? null : Math.round(nowMs - socket.lastPacketAt),
    ...sourcesDetail({ media, component, counters: socket, view, history, iceTarget }, nowMs),
  };
}

function place(endpoint: Endpoint | undefined): string | null {
  return endpoint === undefined ? null : formatEndpoint(endpoint);
}
