/**
 * The statistics in the replies to `query` and `delete`: a call's report joined with the relay's counters, in the words
 * of rtpengine 26.3 (docs/ng.md lists them). What is not known is left out, not made up.
 */

import type { CallReport, LegReport, MediaReport } from "../../call/report.ts";
import { type Endpoint, familyOf, type IpAddress } from "../../core/address.ts";
import type {
  CounterReader,
  PairCounters,
  SocketCounters,
  StreamCounters,
} from "../../core/plan/counters.ts";
import type { Component } from "../../core/plan/plan.ts";
import { type SourceReader, SourceWords } from "./handover-words.ts";
import { type Instant, unixSecondsOf } from "./instant.ts";
import type { NgDict, NgValue } from "./value.ts";

interface Sums {
  packets: number;
  bytes: number;
  errors: number;
}

/** What the relay can be asked. */
export interface RelayReading {
  readonly counters: CounterReader;
  /** Undefined: sources are not shown. */
  readonly sources?: SourceReader | undefined;
}

interface Context {
  readonly now: Instant;
  readonly counters: CounterReader;
  readonly sources: SourceWords | undefined;
  /** SSRC to its entry, of the whole call. */
  readonly ssrcs: Map<string, NgDict>;
  readonly rtp: Sums;
  readonly rtcp: Sums;
}

/** `onlyTag`: this leg and its peers alone, as when a query names a tag. */
export function callStatistics(
  now: Instant,
  report: CallReport,
  { counters, sources: reader }: RelayReading,
  onlyTag: string | undefined,
): Map<string, NgValue> {
  const sources = reader === undefined ? undefined : new SourceWords(now, reader);
  const context: Context = { now, counters, sources, ssrcs: new Map(), rtp: newSums(), rtcp: newSums() };
  const tags = new Map<string, NgValue>();
  for (const leg of legsOf(report, onlyTag)) {
    tags.set(leg.tag ?? `<untagged ${leg.legId}>`, legStatistics(context, leg, report));
  }
  const createdMs = report.createdAt;
  return new Map<string, NgValue>([
    ["created", Math.floor(createdMs / 1000)],
    ["created_us", Math.floor((createdMs % 1000) * 1000)],
    ["created_ts", Math.floor(createdMs * 1000)],
    ["last signal", Math.floor(report.lastSignalAt / 1000)],
    ["last redis update", 0],
    ["SSRC", context.ssrcs],
    ["tags", tags],
    [
      "totals",
      dict([
        ["RTP", sumsDict(context.rtp)],
        ["RTCP", sumsDict(context.rtcp)],
      ]),
    ],
  ]);
}

function legsOf(report: CallReport, onlyTag: string | undefined): readonly LegReport[] {
  if (onlyTag === undefined) return report.legs;
  const leg = report.legs.find(({ tag, aliases }) => tag === onlyTag || aliases.includes(onlyTag));
  if (leg === undefined) return [];
  return [leg, ...report.legs.filter(({ legId }) => legId !== leg.legId && leg.peers.includes(legId))];
}

function legStatistics(context: Context, leg: LegReport, report: CallReport): NgDict {
  const peers = report.legs
    .filter(({ legId }) => leg.peers.includes(legId))
    .map(({ tag }) =>
      dict([
        ["tag", tag ?? ""],
        ["type", "offer/answer"],
      ]),
    );
  const entries: [string, NgValue][] = [["tag", leg.tag ?? ""]];
  if (leg.viaBranch !== undefined) entries.push(["via-branch", leg.viaBranch]);
  if (leg.aliases.length > 0) entries.push(["tag-aliases", leg.aliases]);
  if (leg.label !== undefined) entries.push(["label", leg.label]);
  entries.push(
    ["created", Math.floor(leg.createdAt / 1000)],
    ["subscriptions", peers],
    ["subscribers", peers],
    ["medias", leg.media.map((media) => mediaStatistics(context, media))],
    ["VSC", []],
  );
  return dict(entries);
}

function mediaStatistics(context: Context, media: MediaReport): NgDict {
  const counters = media.pair === undefined ? undefined : context.counters.read(media.pair);
  const received = counters?.streams ?? [];
  const entries: [string, NgValue][] = [
    ["index", media.index + 1],
    ["type", media.type],
    ["protocol", media.protocol],
  ];
  if (media.codec !== undefined) entries.push(["codec", media.codec]);
  entries.push(
    ["streams", streamList(context, media, counters)],
    ["flags", mediaFlags(media)],
    ["ingress SSRCs", received.map((stream) => dict([["SSRC", stream.ssrc], ...ssrcEntries(stream)]))],
    ["egress SSRCs", []],
  );
  for (const stream of received) {
    const name = String(stream.ssrc);
    if (!context.ssrcs.has(name)) context.ssrcs.set(name, dict(ssrcEntries(stream)));
  }
  return dict(entries);
}

function mediaFlags(media: MediaReport): string[] {
  const sends = media.direction === "sendrecv" || media.direction === "sendonly";
  const receives = media.direction === "sendrecv" || media.direction === "recvonly";
  const flags: readonly (readonly [string, boolean])[] = [
    ["initialized", media.local !== undefined],
    ["asymmetric", media.isAsymmetric],
    ["send", sends],
    ["recv", receives],
    ["rtcp-mux", media.rtcpMux],
  ];
  return flags.filter(([, isSet]) => isSet).map(([name]) => name);
}

/** `cumulative loss` and `jitter` (ms) are as measured here, not as a receiver reported them. */
function ssrcEntries(stream: StreamCounters): [string, NgValue][] {
  return [
    ["bytes", stream.bytes],
    ["packets", stream.packets],
    ["last RTP timestamp", stream.lastTimestamp],
    ["last RTP seq", stream.lastSequence],
    ["cumulative loss", stream.packetsLost],
    ["jitter", Math.round(stream.jitterMs)],
  ];
}

/** The RTP socket and the RTCP socket; under rtcp-mux RTCP counts with the first, and the second is the fallback. */
function streamList(context: Context, media: MediaReport, counters: PairCounters | undefined): NgDict[] {
  const { local, advertised } = media;
  if (local === undefined) return [];
  const ssrc = counters?.streams[0]?.ssrc;
  addTo(context.rtp, counters?.rtp);
  addTo(context.rtcp, counters?.rtcp);
  const handover = (component: Component): NgDict | undefined =>
    media.pair === undefined || counters === undefined
      ? undefined
      : context.sources?.dict(media.pair, component, counters[component]);
  return [
    streamStatistics(context.now, {
      local: { ip: local.ip, port: local.port },
      advertised,
      counters: counters?.rtp,
      ssrc,
      flags: streamFlags(media, media.rtcpMux ? ["RTP", "RTCP"] : ["RTP"], counters?.rtp),
      handover: handover("rtp"),
    }),
    streamStatistics(context.now, {
      local: { ip: local.ip, port: local.port + 1 },
      advertised: media.advertisedRtcp,
      counters: counters?.rtcp,
      ssrc,
      flags: streamFlags(media, media.rtcpMux ? ["RTCP", "fallback RTCP"] : ["RTCP"], counters?.rtcp),
      handover: handover("rtcp"),
    }),
  ];
}

function streamFlags(
  media: MediaReport,
  kinds: readonly string[],
  counters: SocketCounters | undefined,
): string[] {
  const flags = [...kinds];
  if (media.advertised !== undefined) flags.push("filled");
  if (counters?.provenSource !== undefined) flags.push("confirmed");
  if (media.isStrict) flags.push("strict source address");
  if (media.followsAnySource) flags.push("media handover");
  return flags;
}

interface StreamFacts {
  readonly local: { readonly ip: IpAddress; readonly port: number };
  readonly advertised: Endpoint | undefined;
  readonly counters: SocketCounters | undefined;
  readonly ssrc: number | undefined;
  readonly flags: string[];
  readonly handover: NgDict | undefined;
}

function streamStatistics(now: Instant, facts: StreamFacts): NgDict {
  const { counters, local } = facts;
  const entries: [string, NgValue][] = [
    ["local port", local.port],
    ["local address", local.ip],
    ["family", familyName(local.ip)],
    ["endpoint", endpointDict(counters?.sendTarget ?? facts.advertised)],
    ["advertised endpoint", endpointDict(facts.advertised)],
  ];
  const last = counters?.lastPacketAt;
  if (last !== undefined) {
    const seconds = unixSecondsOf(now, last);
    entries.push(["last packet", seconds], ["last kernel packet", 0], ["last user packet", seconds]);
  }
  if (facts.ssrc !== undefined) entries.push(["SSRC", facts.ssrc]);
  entries.push(["flags", facts.flags]);
  if (counters !== undefined) {
    const { packetsIn, bytesIn, errorsIn, packetsOut, bytesOut, errorsOut } = counters;
    entries.push(
      ["stats", sumsDict({ packets: packetsIn, bytes: bytesIn, errors: errorsIn })],
      ["stats_out", sumsDict({ packets: packetsOut, bytes: bytesOut, errors: errorsOut })],
    );
  }
  if (facts.handover !== undefined) entries.push(["handover", facts.handover]);
  return dict(entries);
}

function endpointDict(endpoint: Endpoint | undefined): NgDict {
  if (endpoint === undefined) return new Map();
  return dict([
    ["family", familyName(endpoint.ip)],
    ["address", endpoint.ip],
    ["port", endpoint.port],
  ]);
}

function familyName(ip: IpAddress): string {
  return familyOf(ip) === 6 ? "IPv6" : "IPv4";
}

function newSums(): Sums {
  return { packets: 0, bytes: 0, errors: 0 };
}

function addTo(sums: Sums, counters: SocketCounters | undefined): void {
  if (counters === undefined) return;
  sums.packets += counters.packetsIn;
  sums.bytes += counters.bytesIn;
  sums.errors += counters.errorsIn;
}

function sumsDict({ packets, bytes, errors }: Readonly<Sums>): NgDict {
  return dict([
    ["packets", packets],
    ["bytes", bytes],
    ["errors", errors],
  ]);
}

function dict(entries: readonly (readonly [string, NgValue])[]): NgDict {
  return new Map(entries);
}
