/** From what the call model answered to the dictionary of the reply. */
import assert from "node:assert/strict";
import type { CallRefusal, CallReply } from "../../call/requests.ts";
import { callStatistics, type RelayReading } from "./call-statistics.ts";
import type { Instant } from "./instant.ts";
import { deleteFoundNothing, refusalText } from "./refusal-texts.ts";
import type { NgRequest } from "./request.ts";
import type { NgDict, NgValue } from "./value.ts";

export function errorReply(text: string): NgDict {
  return new Map([
    ["result", "error"],
    ["error-reason", text],
  ]);
}

export function okReply(entries: Iterable<readonly [string, NgValue]> = []): NgDict {
  return new Map<string, NgValue>([...entries, ["result", "ok"]]);
}

export const pongReply: NgDict = new Map([["result", "pong"]]);

/** Counters are read now: the call may be gone a moment later. */
export function replyDict(now: Instant, request: NgRequest, reply: CallReply, relay: RelayReading): NgDict {
  switch (reply.kind) {
    case "sdp":
      return sdpReply(reply.sdp, [...request.lacks, ...reply.warnings]);
    case "report":
      if (request.command === "delete" && request.isFast) return okReply();
      return okReply(
        callStatistics(
          now,
          reply.report,
          readingFor(request, relay),
          tagShown(request, reply.report.isDeleted),
        ),
      );
    case "list":
      return okReply([["calls", reply.calls.map(({ callId }) => callId)]]);
    case "done":
      return okReply();
    case "refused":
      return refusedReply(request, reply.reason);
    case "endpoint":
      return assert.fail("ng asks for no endpoint");
  }
}

function sdpReply(sdp: string, warnings: readonly string[]): NgDict {
  const entries: [string, NgValue][] = [["sdp", sdp]];
  if (warnings.length > 0) entries.push(["warning", warnings.join("; ")]);
  return okReply(entries);
}

/** Sources are shown to whoever asks for the call, not to whoever ends it. */
function readingFor(request: NgRequest, { counters, sources }: RelayReading): RelayReading {
  return { counters, sources: request.command === "query" ? sources : undefined };
}

/** A query shows the leg it names; so does a delete that leaves the call alive. */
function tagShown(request: NgRequest, isDeleted: boolean): string | undefined {
  if (request.command === "query") return request.toTag ?? request.fromTag;
  if (isDeleted) return undefined;
  return (request.usesToTag ? request.toTag : undefined) ?? request.fromTag;
}

function refusedReply(request: NgRequest, reason: CallRefusal): NgDict {
  const isNothingFound = reason === "unknown-call" || reason === "unknown-tag" || reason === "tags-mismatch";
  if (request.command === "delete" && isNothingFound) {
    return request.isFatal ? errorReply(deleteFoundNothing) : okReply([["warning", deleteFoundNothing]]);
  }
  const { result, text } = refusalText(reason, request.supportsLoadLimit);
  if (result === "error") return errorReply(text);
  return new Map([
    ["result", result],
    ["message", text],
  ]);
}
