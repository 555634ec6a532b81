/** What `rtpferry ctl` can ask of a running daemon: `list`, `show`, `kill`, `stats`, `turn`. Requests and replies are JSON. */
import type { CallReport } from "../call/report.ts";
import { identifierSizeBytesMax } from "../core/limits.ts";
import type { MonotonicMs } from "../core/time.ts";
import { callDetail, callRow, type RelayReader } from "./call-view.ts";
import type { TelemetrySource } from "./snapshot.ts";
import { answerTurn, type TurnControl } from "./turn-view.ts";

type Maybe<Value> = Value | Promise<Value>;

/** What the commands need of the daemon. */
export interface CtlSource {
  calls(): Maybe<readonly CallReport[]>;
  call(callId: string): Maybe<CallReport | undefined>;
  /** Ends a call at once; false if there is none. */
  kill(callId: string): Maybe<boolean>;
  readonly relay: RelayReader;
  readonly telemetry: TelemetrySource;
  /** Undefined: there is no TURN server. */
  readonly turn: TurnControl | undefined;
  monotonicMs(): MonotonicMs;
}

export type CtlAnswer =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: string };

/** `list` gives CallRow[], `show` a CallDetail, `kill` `{ killed }`, `stats` a TelemetrySnapshot. */
export async function answerCtl(
  source: CtlSource,
  request: Readonly<Record<string, unknown>>,
): Promise<CtlAnswer> {
  switch (request["command"]) {
    case "list": {
      const nowMs = source.monotonicMs();
      const reports = await source.calls();
      return { ok: true, result: reports.map((report) => callRow(report, source.relay, nowMs)) };
    }
    case "stats":
      return { ok: true, result: source.telemetry.snapshot() };
    case "show":
    case "kill":
      return answerCall(source, request["command"], request["callId"]);
    case "turn":
      return answerTurn(source.turn, request["action"]);
    default:
      return { ok: false, error: "there are the commands list, show, kill, stats and turn" };
  }
}

async function answerCall(source: CtlSource, command: "show" | "kill", callId: unknown): Promise<CtlAnswer> {
  if (typeof callId !== "string" || callId === "" || callId.length > identifierSizeBytesMax) {
    return { ok: false, error: `${command} needs a callId` };
  }
  const unknown: CtlAnswer = { ok: false, error: "there is no such call" };
  if (command === "kill") {
    return (await source.kill(callId)) ? { ok: true, result: { killed: callId } } : unknown;
  }
  const report = await source.call(callId);
  if (report === undefined) return unknown;
  return { ok: true, result: callDetail(report, source.relay, source.monotonicMs()) };
}
