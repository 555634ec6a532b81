/** What the control protocols count, in the words of the metrics. */
import { commandNames } from "../control/ng/command-names.ts";
import type { NgCounters } from "../control/ng/server.ts";
import type { CommandCounters } from "../control/rtpproxy/statistics.ts";
import type { ControlCounts } from "../telemetry/snapshot.ts";

interface RtpproxyCounts {
  readonly commandCounters: Readonly<CommandCounters>;
  readonly droppedCount: number;
}

type Request = ControlCounts["requests"][number];

export function controlCounts(ng: NgCounters, rtpproxy: RtpproxyCounts, refusedCount: number): ControlCounts {
  const { succeeded, failed, repeated } = rtpproxy.commandCounters;
  const errors = ng.peers.reduce((sum, peer) => sum + peer.errors, 0);
  const requests: Request[] = commandNames.map(({ name }, index) => ({
    protocol: "ng",
    command: name,
    result: "answered",
    count: ng.peers.reduce((sum, peer) => sum + (peer.counts[index] ?? 0), 0),
  }));
  requests.push(
    { protocol: "ng", command: "any", result: "error", count: errors },
    { protocol: "ng", command: "any", result: "repeated", count: ng.duplicates },
    { protocol: "rtpproxy", command: "any", result: "answered", count: succeeded },
    { protocol: "rtpproxy", command: "any", result: "error", count: failed },
    { protocol: "rtpproxy", command: "any", result: "repeated", count: repeated },
  );
  return {
    requests,
    drops: [
      { protocol: "ng", reason: "no-cookie", count: ng.withoutCookie },
      { protocol: "rtpproxy", reason: "no-cookie", count: rtpproxy.droppedCount },
      { protocol: "any", reason: "source-not-allowed", count: refusedCount },
    ],
    repliesRemembered: ng.cachedReplies,
    repliesRememberedBytes: ng.cachedReplyBytes,
  };
}
