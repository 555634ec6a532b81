/**
 * Counts what became of every packet of a call.
 *
 * Late is measured by the clock all processes share, from when a packet was really sent. On a busy machine the phones
 * themselves are late, and the relay cannot know of a move before the phone's packet is out, nor hold for less than the
 * jitter the phone really made. So what a phone was behind its own schedule around the packet, and four times the
 * jitter it made (the weight jitter has in the hold time), is taken off a packet's delay; so is the time in which the
 * hearing phone's process did not run. On a quiet machine that comes to two or three milliseconds.
 */
import type { CallRecord } from "./call.ts";
import type { Protocol } from "./servers.ts";
import type { HeardRow, SentRow, Step, TalkerPlan, TalkerReport } from "./talker.ts";

export interface Flow {
  readonly sent: number;
  readonly lost: number;
  readonly late: number;
  readonly twice: number;
  /** Nobody could have delivered them: sent while the phone had no network or had not spoken from the new one yet. */
  readonly excused: number;
  readonly worstDelayMs: number;
  readonly reportsSent: number;
  readonly reportsLost: number;
  /** When those lost and late were sent, in milliseconds from the start. */
  readonly missedAtMs: readonly number[];
  readonly reportsMissedAtMs: readonly number[];
}

export interface Verdict {
  readonly title: string;
  readonly up: Flow;
  readonly down: Flow;
  /** Packets of the victims that reached an attacker. */
  readonly leaked: number;
  /** Packets of an attacker that reached a party, RTP and RTCP. */
  readonly injected: number;
  readonly injectedReports: number;
  /** Of all those, what happened while a phone that should have spoken did not, as its process did not run. */
  readonly intrusionsInSilence: number;
  readonly silentMs: number;
  /** When anything was injected or leaked, in milliseconds from the start. */
  readonly intrusionsAtMs: readonly number[];
  /** What a party heard and nobody of the lab made. */
  readonly strange: number;
  /** The worst the phones were behind their schedules. */
  readonly slipMs: number;
}

interface Party {
  readonly plan: TalkerPlan;
  readonly report: TalkerReport;
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Longer without a word from the new network than this, and what is sent meanwhile is nobody's fault. */
const gapMs = 100;
/** Both phones begin within this time of each other, even on a busy machine. */
const firstWordsMs = 50;
/** What was released meanwhile is heard until then, and the relay has rolled back. */
const afterSilenceMs = 30;
/** From a phone's socket to the relay, on a busy machine. */
const transitMs = 10;
const timesShown = 5;
const slackWindowMs = { before: 100, after: 200 };

export function judge(record: CallRecord): Verdict {
  const { mobile, far, attackers, plan } = record;
  const foes = new Set(attackers.map((one) => one.plan.party));
  const injected = [mobile, far].flatMap(({ report }) => report.heard.filter(([party]) => foes.has(party)));
  const leaked = attackers.flatMap(({ report }) => report.heard);
  const silences = [mobile, far].flatMap(silencesOf);
  const inSilence = (rows: readonly HeardRow[]): number =>
    rows.filter(([, , , atMs]) => isWithin(atMs, silences)).length;
  const deaf = deafSpans(plan.script, mobile.report);
  const slack = slackOf(mobile.report, far.report);
  const unheard = unheardOf(plan.protocol);
  const usurped = plan.attacks?.some(({ knows }) => knows !== undefined) === true ? silences : [];
  const upwards = { rtp: [...unheard(far.report, 0), ...usurped], rtcp: unheard(far.report, 1) };
  const downwards = {
    rtp: [...unheard(mobile.report, 0), ...deaf.rtp, ...usurped],
    rtcp: [...unheard(mobile.report, 1), ...deaf.rtcp],
  };
  return {
    title: plan.title,
    up: flow(mobile, far, { excused: upwards, slack }),
    down: flow(far, mobile, { excused: downwards, slack }),
    leaked: leaked.length + attackers.reduce((sum, { report }) => sum + report.strange, 0),
    injected: injected.filter(([, , kind]) => kind === 0).length,
    injectedReports: injected.filter(([, , kind]) => kind === 1).length,
    intrusionsInSilence: inSilence(leaked) + inSilence(injected),
    intrusionsAtMs: [...injected, ...leaked].map(([, , , atMs]) =>
      Math.round(atMs - mobile.report.startedAtMs),
    ),
    silentMs: Math.round(silences.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0)),
    strange: mobile.report.strange + far.report.strange,
    slipMs: Math.max(...[mobile, far].flatMap(({ report }) => report.sent.map(([, , , slip]) => slip))),
  };
}

/** `the larger of 60 ms and 1.5 ptime + 40 ms`: more is lost. */
export function lateMs(ptimeMs: number): number {
  return Math.max(60, 1.5 * ptimeMs + 40);
}

interface Terms {
  readonly excused: { readonly rtp: readonly Span[]; readonly rtcp: readonly Span[] };
  readonly slack: (atMs: number) => number;
}

function flow(sender: Party, hearer: Party, { excused, slack }: Terms): Flow {
  const rtp = arrivals(hearer.report.heard, sender.plan.party, 0);
  const rtcp = arrivals(hearer.report.heard, sender.plan.party, 1);
  const ptimeMs = Math.max(sender.plan.ptimeMs, hearer.plan.ptimeMs);
  const found = { sent: 0, lost: 0, late: 0, twice: 0, excused: 0, worstDelayMs: 0 };
  const reports = { reportsSent: 0, reportsLost: 0 };
  const missedAtMs: number[] = [];
  const reportsMissedAtMs: number[] = [];
  for (const [index, isReport, atMs] of sender.report.sent) {
    const rows = (isReport === 1 ? rtcp : rtp).get(index);
    if (isReport === 1) {
      reports.reportsSent++;
      if (rows === undefined && !isWithin(atMs, excused.rtcp)) {
        reports.reportsLost++;
        reportsMissedAtMs.push(Math.round(atMs - sender.report.startedAtMs));
      }
      continue;
    }
    found.sent++;
    if (rows !== undefined) found.twice += rows.length - 1;
    if (isWithin(atMs, excused.rtp)) {
      found.excused++;
    } else if (rows === undefined) {
      found.lost++;
      missedAtMs.push(Math.round(atMs - sender.report.startedAtMs));
    } else {
      const delayMs = Math.min(...rows.map(([, , , , notBeforeMs]) => notBeforeMs)) - atMs - slack(atMs);
      found.worstDelayMs = Math.max(found.worstDelayMs, delayMs);
      if (delayMs > lateMs(ptimeMs)) {
        found.late++;
        missedAtMs.push(Math.round(atMs - sender.report.startedAtMs));
      }
    }
  }
  return { ...found, ...reports, missedAtMs, reportsMissedAtMs };
}

/**
 * Behind a NAT nobody is heard of before he has spoken: what the other one says until then is nobody's fault. In the
 * first moments of a call under ng the relay waits with it, as the private address of the SDP tells it to; rtpproxy's
 * commands name the NAT's public address, with a port that only the phone inside knows, and look as good as any.
 */
function unheardOf(protocol: Protocol): (hearer: TalkerReport, kind: 0 | 1) => readonly Span[] {
  return ({ startedAtMs, sent }, kind) => {
    const first = sent.find(([, isReport]) => isReport === kind)?.[2] ?? Number.POSITIVE_INFINITY;
    const waitsMs = protocol === "ng" && kind === 0 ? firstWordsMs : 0;
    if (first < startedAtMs + waitsMs) return [];
    return [{ fromMs: startedAtMs, toMs: Math.max(first + transitMs, startedAtMs + firstWordsMs) }];
  };
}

/**
 * While a speaking phone is behind its schedule by half a packet or more it is silent for longer than the hold time,
 * which is what an attacker who knows its SSRC and sequence waits for.
 */
function silencesOf({ plan, report }: Party): readonly Span[] {
  const rows = report.sent.filter(([, isReport]) => isReport === 0);
  return rows.flatMap(([, , atMs, slipMs], at) => {
    const before = rows[at - 1];
    if (before === undefined) return [];
    const gap = atMs - before[2];
    const planned = gap - slipMs + before[3];
    const isStall = planned < 1.1 * plan.ptimeMs && gap > 1.4 * plan.ptimeMs;
    return isStall ? [{ fromMs: before[2], toMs: atMs + afterSilenceMs }] : [];
  });
}

function arrivals(
  heard: readonly HeardRow[],
  from: number,
  kind: 0 | 1,
): ReadonlyMap<number, readonly HeardRow[]> {
  const byIndex = new Map<number, HeardRow[]>();
  for (const row of heard) {
    if (row[0] !== from || row[2] !== kind) continue;
    const rows = byIndex.get(row[1]);
    if (rows === undefined) byIndex.set(row[1], [row]);
    else rows.push(row);
  }
  return byIndex;
}

function isWithin(atMs: number, spans: readonly Span[]): boolean {
  return spans.some(({ fromMs, toMs }) => atMs >= fromMs && atMs <= toMs);
}

/** From when the mobile left a network until it first spoke from the next one, where that took longer than `gapMs`. */
function deafSpans(script: readonly Step[], report: TalkerReport): Terms["excused"] {
  const moves: number[] = [];
  let before: readonly string[] | undefined;
  for (const { atMs, hear } of script) {
    if (hear === undefined) continue;
    if (before !== undefined && !hear.some((path) => before?.includes(path))) {
      moves.push(report.startedAtMs + atMs);
    }
    if (hear.length > 0 || before === undefined) before = hear;
    else before = [];
  }
  const spans = (kind: 0 | 1, limitMs: number): readonly Span[] =>
    moves.flatMap((fromMs) => {
      const next = report.sent.find(([, isReport, atMs]) => isReport === kind && atMs >= fromMs);
      const toMs = next?.[2] ?? Number.POSITIVE_INFINITY;
      return toMs - fromMs > limitMs ? [{ fromMs: fromMs - gapMs, toMs: toMs + transitMs }] : [];
    });
  return { rtp: spans(0, gapMs), rtcp: spans(1, 0) };
}

/** How much of a delay around a time is the phones' own. */
function slackOf(...reports: readonly TalkerReport[]): (atMs: number) => number {
  const marks = reports.flatMap(({ sent }) => slips(sent)).sort((a, b) => a.atMs - b.atMs);
  return (atMs) => {
    let worstMs = 0;
    for (let at = firstAfter(marks, atMs - slackWindowMs.before); at < marks.length; at++) {
      const mark = marks[at];
      if (mark === undefined || mark.atMs > atMs + slackWindowMs.after) break;
      worstMs = Math.max(worstMs, mark.ownMs);
    }
    return worstMs;
  };
}

interface Mark {
  readonly atMs: number;
  readonly ownMs: number;
}

function slips(sent: readonly SentRow[]): readonly Mark[] {
  let jitterMs = 0;
  let beforeMs: number | undefined;
  return sent.flatMap(([, isReport, atMs, slipMs]) => {
    if (isReport === 1) return [];
    if (beforeMs !== undefined) jitterMs += (Math.abs(slipMs - beforeMs) - jitterMs) / 16;
    beforeMs = slipMs;
    return [{ atMs, ownMs: slipMs + 4 * jitterMs }];
  });
}

function firstAfter(marks: readonly Mark[], atMs: number): number {
  let low = 0;
  let high = marks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((marks[middle]?.atMs ?? 0) < atMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

function times(what: string, atMs: readonly number[]): string {
  if (atMs.length === 0) return "";
  const inOrder = [...atMs].sort((a, b) => a - b);
  const isLong = atMs.length > 2 * timesShown;
  const shown = isLong ? [...inOrder.slice(0, timesShown), "...", ...inOrder.slice(-timesShown)] : inOrder;
  return ` (${what} ${shown.join(" ")} ms)`;
}

/** One line for the log of the run. */
export function describe(verdict: Verdict): string {
  const {
    title,
    up,
    down,
    leaked,
    injected,
    injectedReports,
    intrusionsAtMs,
    intrusionsInSilence,
    strange,
    slipMs,
  } = verdict;
  const side = (name: string, flow: Flow): string =>
    `${name} ${flow.sent} sent ${flow.lost} lost ${flow.late} late ${flow.twice} twice` +
    `${flow.excused > 0 ? ` ${flow.excused} excused` : ""} worst ${flow.worstDelayMs.toFixed(0)} ms` +
    times("missed at", flow.missedAtMs) +
    times(`${flow.reportsLost} of ${flow.reportsSent} reports lost at`, flow.reportsMissedAtMs);
  return (
    `${title}: ${side("up", up)}; ${side("down", down)}; leaked ${leaked} injected ${injected}+${injectedReports}` +
    `${times(`${intrusionsInSilence} in stalls, at`, intrusionsAtMs)}${strange > 0 ? ` strange ${strange}` : ""} slip ${slipMs.toFixed(0)} ms`
  );
}
