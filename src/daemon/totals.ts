/** Sums over the life of the daemon that no room keeps by itself: calls by their end, opens that failed, rates. */
import type { EndedCall, EndReason } from "../call/report.ts";
import type { CallReply } from "../call/requests.ts";
import type { Evidence, OpenFailure } from "../core/plan/plan.ts";
import { endReasons, evidences } from "../telemetry/snapshot.ts";
import type { SourceNoted } from "../telemetry/source-history.ts";

const openFailures: readonly OpenFailure[] = ["no-ports", "no-interface", "no-descriptors", "overloaded"];

export class Totals {
  readonly ended: Record<EndReason, number> = zeroes(endReasons);
  readonly openFailures: Record<OpenFailure, number> = zeroes(openFailures);
  /** Sources that were believed, by the rule. */
  readonly believed: Readonly<Record<"proven" | "switched", Record<Evidence, number>>> = {
    proven: zeroes(evidences),
    switched: zeroes(evidences),
  };
  /** Ended calls that had at least two parties with media. */
  complete = 0;
  rejected = 0;
  durationMs = 0;

  noteEnd({ reason, report }: EndedCall): void {
    this.ended[reason]++;
    this.durationMs += report.ageMs;
    const heard = report.legs.filter((leg) => leg.media.some((media) => media.advertised !== undefined));
    if (heard.length >= 2) this.complete++;
  }

  noteReply(reply: CallReply): void {
    if (reply.kind !== "refused") return;
    const { reason } = reply;
    if (reason === "sessions-exhausted" || reason === "load-limit" || reason === "no-ports") this.rejected++;
  }

  noteSource({ note, evidence }: SourceNoted): void {
    const isBelieved = note === "proven" || note === "switched";
    if (isBelieved && evidence !== undefined) this.believed[note][evidence]++;
  }

  get endedCount(): number {
    return endReasons.reduce((sum, reason) => sum + this.ended[reason], 0);
  }
}

function zeroes<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
