/** `rtpferry ctl`: one question to a running daemon, the answer as tables or as JSON. */
import { askDaemon } from "../io/ctl-client.ts";
import type { CallDetail, CallRow, MediaDetail, SocketDetail } from "../telemetry/call-view.ts";
import type { SecurityDetail } from "../telemetry/security-view.ts";
import type { TelemetrySnapshot } from "../telemetry/snapshot.ts";
import type { TurnDetail } from "../telemetry/turn-view.ts";
import { clientCtlPath } from "./ctl-path.ts";
import { renderSources } from "./ctl-sources.ts";
import { renderTurn, renderTurnStats, type TurnDrain } from "./ctl-turn.ts";
import { environment, userId } from "./environment.ts";
import { exitCode } from "./exit-code.ts";
import { duration, printable, size, table } from "./table.ts";

export interface CtlQuestion {
  readonly command: string;
  readonly callId?: string | undefined;
  /** Of `turn`. */
  readonly action?: string | undefined;
}

export interface CtlOptions {
  readonly path: string | undefined;
  readonly isJson: boolean;
}

/** Prints the answer; the exit code. */
export async function runCtl(question: CtlQuestion, options: CtlOptions): Promise<number> {
  const path = options.path ?? clientCtlPath(environment, userId);
  const reply = await askDaemon(path, { ...question });
  if (!reply.ok) {
    process.stderr.write(`rtpferry: ${printable(reply.error)}\n`);
    return exitCode.failed;
  }
  const text = options.isJson
    ? JSON.stringify(reply.result, null, 2)
    : render(question.command, reply.result);
  process.stdout.write(`${text}\n`);
  return exitCode.ok;
}

/** Both ends are of one release, so an answer has the shape of its command. */
function render(command: string, result: unknown): string {
  switch (command) {
    case "list":
      return renderList(result as readonly CallRow[]);
    case "show":
      return renderCall(result as CallDetail);
    case "stats":
      return renderStats(result as TelemetrySnapshot);
    case "turn":
      return renderTurn(result as TurnDetail | TurnDrain);
    default:
      return `killed ${printable((result as { readonly killed: string }).killed)}`;
  }
}

export function renderList(calls: readonly CallRow[]): string {
  if (calls.length === 0) return "no calls";
  const rows = calls.map((call) => [
    call.callId,
    duration(call.ageMs),
    call.legs,
    call.streams,
    call.packets,
    call.silentMs === null ? "no media yet" : duration(call.silentMs),
    call.isDeleted ? "deleted" : "",
  ]);
  return table(["CALL-ID", "AGE", "LEGS", "STREAMS", "PACKETS", "SILENT", "STATE"], rows);
}

export function renderCall(call: CallDetail): string {
  const since = new Date(call.createdAtMs).toISOString();
  const state = call.isDeleted ? ", deleted" : "";
  const lines = [`call ${printable(call.callId)}`, `  since ${since}, for ${duration(call.ageMs)}${state}`];
  for (const [index, leg] of call.legs.entries()) {
    const label = leg.label === null ? "" : ` (${printable(leg.label)})`;
    lines.push(`leg ${index + 1}: tag ${printable(leg.tag ?? "not known yet")}${label}`);
    for (const media of leg.media) lines.push(...renderMedia(media));
  }
  return lines.join("\n");
}

function renderMedia(media: MediaDetail): string[] {
  const words = [media.type, media.codec, media.protocol, media.direction, media.rtcpMux ? "rtcp-mux" : null];
  const lines = [`  media ${media.index + 1}: ${printable(words.filter((word) => word !== null).join(" "))}`];
  if (media.rtp === null) return [...lines, ...media.diagnosis.map((sentence) => `    ! ${sentence}`)];
  lines.push(`    we listen on ${media.local ?? "?"}; announced is ${media.advertised ?? "nothing yet"}`);
  lines.push(`    ${renderSecurity(media.security)}`);
  lines.push(`    RTP   ${renderSocket(media.rtp)}`, ...renderSources(media.rtp, media.diagnosis));
  if (media.rtcp !== null && !media.rtcpMux) {
    lines.push(`    RTCP  ${renderSocket(media.rtcp)}`, ...renderSources(media.rtcp, []));
  }
  for (const stream of media.streams) {
    const ssrc = stream.ssrc.toString(16).padStart(8, "0");
    lines.push(
      `    SSRC ${ssrc} type ${stream.payloadType}: ${stream.packets} packets, ${stream.packetsLost} lost, jitter ${stream.jitterMs} ms`,
    );
  }
  for (const sentence of media.diagnosis) lines.push(`    ! ${sentence}`);
  return lines;
}

const securityWords = {
  plain: "plain",
  passed: "keys of the parties",
  sdes: "SRTP by SDES",
  dtls: "SRTP by DTLS",
};

function renderSecurity({ kind, suite, dtls, ice }: SecurityDetail): string {
  const words: string[] = [suite === null ? securityWords[kind] : `${securityWords[kind]}, ${suite}`];
  if (dtls !== null) {
    words.push(dtls.rtp === "connected" ? "certificate verified" : `DTLS ${dtls.rtp}`);
    if (dtls.rtcp !== null && dtls.rtcp !== dtls.rtp) words.push(`RTCP's DTLS ${dtls.rtcp}`);
  }
  if (ice !== null) words.push(`ICE ${ice.state}${ice.rtp === null ? "" : ` ${ice.rtp}`}`);
  return words.join("; ");
}

function renderSocket(socket: SocketDetail): string {
  const since = socket.provenForMs === null ? "" : `, for ${duration(socket.provenForMs)}`;
  const from = socket.source === null ? "nobody yet" : `${socket.source} (${socket.evidence}${since})`;
  const to = `${socket.target ?? "nowhere"} (${socket.targetReason})`;
  const errors = socket.errorsIn + socket.errorsOut;
  const silence = socket.silentMs === null ? "" : `, silent ${duration(socket.silentMs)}`;
  return `from ${from}, ${socket.packetsIn} in; to ${to}, ${socket.packetsOut} out; ${errors} errors${silence}`;
}

export function renderStats(now: TelemetrySnapshot): string {
  const ended = Object.entries(now.calls.ended).filter(([, count]) => count > 0);
  const parts = [
    `rtpferry ${now.version}, up since ${new Date(now.startedAt).toISOString()}`,
    `calls ${now.calls.current} of ${now.calls.maximum}; created ${now.calls.created}; ended ${
      ended.map(([reason, count]) => `${count} ${reason}`).join(", ") || "none"
    }`,
    `memory ${size(now.process.residentBytes)} resident, ${size(now.process.heapBytes)} heap; event loop at most ${now.process.loopDelayMs.max.toFixed(1)} ms late`,
    "",
    table(
      ["INTERFACE", "ADDRESS", "FREE PAIRS", "USED"],
      now.interfaces.map((each) => [each.name, each.ip, each.pairsFree, each.pairsUsed]),
    ),
    "",
    table(
      ["WORKER", "SOCKETS", "RELAYED", "BYTES", "DROPPED"],
      now.workers.map((each) => [
        each.index,
        each.socketsOpen,
        each.packetsRelayed,
        each.bytesRelayed,
        Object.values(each.packetsDropped).reduce((sum, count) => sum + count, 0),
      ]),
    ),
  ];
  const drops = now.workers.flatMap((each) =>
    Object.entries(each.packetsDropped)
      .filter(([, count]) => count > 0)
      .map(([reason, count]) => [each.index, reason, count] as const),
  );
  if (now.turn !== undefined) parts.push("", renderTurnStats(now.turn));
  if (drops.length > 0) parts.push("", table(["WORKER", "DROPPED FOR", "PACKETS"], drops));
  const requests = now.control.requests.filter(({ count }) => count > 0);
  if (requests.length > 0) {
    parts.push(
      "",
      table(
        ["PROTOCOL", "COMMAND", "RESULT", "REQUESTS"],
        requests.map(({ protocol, command, result, count }) => [protocol, command, result, count]),
      ),
    );
  }
  return parts.join("\n");
}
