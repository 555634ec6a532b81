/**
 * The texts of Q, G and I: counters of a session and of the whole relay under rtpproxy's names.
 *
 * A counter this relay does not keep is refused by name, not answered with an invented number.
 */
import type { CallReport, LegReport, MediaReport } from "../../call/report.ts";
import { rtpproxyReplySizeBytesMax } from "../../core/limits.ts";
import type { CounterReader, PairCounters } from "../../core/plan/counters.ts";
import { ok, type Result, refused } from "../../core/result.ts";
import type { MonotonicMs } from "../../core/time.ts";
import { type ErrorCode, errorCode } from "./errors.ts";

/** Sums over the life of the daemon, and what is there now. Packets are those of RTP and RTCP sockets together. */
export interface RelayTotals {
  readonly sessionsCreated: number;
  readonly sessionsDestroyed: number;
  readonly sessionsTimedOut: number;
  /** Sessions whose both parties became known. */
  readonly sessionsComplete: number;
  readonly sessionsActive: number;
  readonly streamsActive: number;
  readonly packetsReceived: number;
  readonly packetsRelayed: number;
  readonly packetsDiscarded: number;
  /** Length of all ended sessions together, in seconds. */
  readonly totalDurationSec: number;
  /** Packets received per second, lately. */
  readonly packetsInPerSec: number;
  /** Share of the relay's capacity in use, 0 to 1. */
  readonly load: number;
}

/** Commands of this protocol since start. */
export interface CommandCounters {
  received: number;
  /** Retransmissions among them. */
  repeated: number;
  succeeded: number;
  failed: number;
  replied: number;
}

type TotalsReader = (totals: RelayTotals, commands: CommandCounters) => number;

const totalsByName: ReadonlyMap<string, TotalsReader> = new Map<string, TotalsReader>([
  ["nsess_created", (totals) => totals.sessionsCreated],
  ["nsess_destroyed", (totals) => totals.sessionsDestroyed],
  ["nsess_timeout", (totals) => totals.sessionsTimedOut],
  ["nsess_complete", (totals) => totals.sessionsComplete],
  ["npkts_rcvd", (totals) => totals.packetsReceived],
  ["npkts_relayed", (totals) => totals.packetsRelayed],
  ["npkts_discard", (totals) => totals.packetsDiscarded],
  // Nothing is played and nothing re-packetised here.
  ["npkts_played", () => 0],
  ["npkts_resizer_in", () => 0],
  ["npkts_resizer_out", () => 0],
  ["npkts_resizer_discard", () => 0],
  ["nplrs_created", () => 0],
  ["nplrs_destroyed", () => 0],
  ["ncmds_rcvd", (_, commands) => commands.received],
  ["ncmds_rcvd_ndups", (_, commands) => commands.repeated],
  ["ncmds_succd", (_, commands) => commands.succeeded],
  ["ncmds_errs", (_, commands) => commands.failed],
  ["ncmds_repld", (_, commands) => commands.replied],
]);

/** Those rtpproxy prints with six decimals. */
const fractionsByName: ReadonlyMap<string, TotalsReader> = new Map<string, TotalsReader>([
  ["total_duration", (totals) => totals.totalDurationSec],
  ["pps_in", (totals) => totals.packetsInPerSec],
]);

/** The answer to G; no names give an empty line. */
export function totalsText(
  names: readonly string[],
  isVerbose: boolean,
  totals: RelayTotals,
  commands: CommandCounters,
): Result<string, ErrorCode> {
  const values: string[] = [];
  for (const name of names) {
    const whole = totalsByName.get(name)?.(totals, commands);
    const value =
      whole === undefined ? fractionsByName.get(name)?.(totals, commands).toFixed(6) : String(whole);
    if (value === undefined) return refused(errorCode.statisticsCounter);
    values.push(isVerbose ? `${name}=${value}` : value);
  }
  return joined(values, errorCode.statisticsReplyTooBig);
}

/** The answer to I; several lines, the last without its end. */
export function infoText(totals: RelayTotals, withLoad: boolean): string {
  const lines = [
    `sessions created: ${totals.sessionsCreated}`,
    `active sessions: ${totals.sessionsActive}`,
    `active streams: ${totals.streamsActive}`,
    `packets received: ${totals.packetsReceived}`,
    `packets transmitted: ${totals.packetsRelayed}`,
  ];
  if (withLoad) lines.push(`average load: ${totals.load.toFixed(6)}`);
  return lines.join("\n");
}

/** Which stream of a session Q asks for, and how. */
export interface StreamQuery {
  readonly fromTag: string;
  readonly toTag: string | undefined;
  readonly mediaIndex: number;
  readonly isVerbose: boolean;
  /** Empty: the five of old. */
  readonly names: readonly string[];
}

interface StreamNumbers {
  readonly ttlSec: number;
  readonly from: PairCounters | undefined;
  readonly other: PairCounters | undefined;
}

const namesDefault = ["ttl", "npkts_ina", "npkts_ino", "nrelayed", "ndropped"] as const;

const streamByName: ReadonlyMap<string, (numbers: StreamNumbers) => number> = new Map<
  string,
  (numbers: StreamNumbers) => number
>([
  ["ttl", (numbers) => numbers.ttlSec],
  ["npkts_ina", (numbers) => numbers.from?.rtp.packetsIn ?? 0],
  ["npkts_ino", (numbers) => numbers.other?.rtp.packetsIn ?? 0],
  ["nrelayed", (numbers) => (numbers.from?.rtp.packetsOut ?? 0) + (numbers.other?.rtp.packetsOut ?? 0)],
  ["ndropped", (numbers) => (numbers.from?.rtp.errorsIn ?? 0) + (numbers.other?.rtp.errorsIn ?? 0)],
  ["rtpa_nsent", (numbers) => sequenceCounts(numbers.from).sent],
  ["rtpa_nrcvd", (numbers) => sequenceCounts(numbers.from).received],
  ["rtpa_ndups", (numbers) => sequenceCounts(numbers.from).duplicates],
  ["rtpa_nlost", (numbers) => sequenceCounts(numbers.from).lost],
  // What is not RTP never reaches the sequence counters; it stands among ndropped.
  ["rtpa_perrs", () => 0],
]);

/** How far a session's counters and time to live can be told. */
export interface StreamQueryContext {
  readonly nowMs: MonotonicMs;
  readonly timeoutMs: number;
  readonly counters: CounterReader;
}

/** The answer to Q. */
export function streamText(
  report: CallReport,
  query: StreamQuery,
  context: StreamQueryContext,
): Result<string, ErrorCode> {
  const [from, other] = mediaOf(report, query);
  if (from === undefined && other === undefined) return refused(errorCode.unknownSession);
  const numbers: StreamNumbers = {
    ttlSec: ttlSec(report, [from, other], context),
    from: countersOf(from, context),
    other: countersOf(other, context),
  };
  const values: string[] = [];
  for (const name of query.names.length === 0 ? namesDefault : query.names) {
    const value = streamByName.get(name)?.(numbers);
    if (value === undefined) return refused(errorCode.queryCounter);
    values.push(query.isVerbose ? `${name}=${value}` : String(value));
  }
  return joined(values, errorCode.queryReplyTooBig);
}

/** The stream of the party that asks, and that of the party it talks to. */
function mediaOf(
  report: CallReport,
  query: StreamQuery,
): readonly [MediaReport | undefined, MediaReport | undefined] {
  const to = query.toTag === undefined ? undefined : legOf(report, query.toTag);
  const from = legOf(report, query.fromTag) ?? report.legs.find((leg) => leg !== to);
  const other =
    to !== undefined && to !== from
      ? to
      : (report.legs.find((leg) => from?.peers.includes(leg.legId)) ??
        report.legs.find((leg) => leg !== from));
  const media = (leg: LegReport | undefined): MediaReport | undefined =>
    leg?.media.find(({ index }) => index === query.mediaIndex);
  return [media(from), media(other)];
}

function legOf(report: CallReport, tag: string): LegReport | undefined {
  return report.legs.find((leg) => leg.tag === tag || leg.aliases.includes(tag));
}

function countersOf(media: MediaReport | undefined, context: StreamQueryContext): PairCounters | undefined {
  return media?.pair === undefined ? undefined : context.counters.read(media.pair);
}

/** Whole seconds until silence ends the session, counted from the latest packet or command. */
function ttlSec(
  report: CallReport,
  media: readonly (MediaReport | undefined)[],
  context: StreamQueryContext,
): number {
  let idleMs = report.createdAt + report.ageMs - report.lastSignalAt;
  for (const one of media) {
    const lastAt = one?.pair === undefined ? undefined : context.counters.lastPacketAt(one.pair);
    if (lastAt !== undefined) idleMs = Math.min(idleMs, context.nowMs - lastAt);
  }
  return Math.max(0, Math.ceil((context.timeoutMs - Math.max(0, idleMs)) / 1_000));
}

interface SequenceCounts {
  readonly sent: number;
  readonly received: number;
  readonly duplicates: number;
  readonly lost: number;
}

/** RFC 3550 section 6.4.1 counts losses minus duplicates; so duplicates show as far as they outnumber the losses. */
function sequenceCounts(counters: PairCounters | undefined): SequenceCounts {
  let sent = 0;
  let received = 0;
  let duplicates = 0;
  for (const stream of counters?.streams ?? []) {
    const expected = Math.max(0, stream.packets + stream.packetsLost);
    const unique = Math.min(stream.packets, expected);
    sent += expected;
    received += unique;
    duplicates += stream.packets - unique;
  }
  return { sent, received, duplicates, lost: sent - received };
}

function joined(values: readonly string[], tooBig: ErrorCode): Result<string, ErrorCode> {
  const text = values.join(" ");
  return text.length < rtpproxyReplySizeBytesMax ? ok(text) : refused(tooBig);
}
