/** What the log tells of ICE and DTLS. Failures are warnings, bounded: a flood of bad parties must not fill a disk. */
import { formatEndpoint } from "../core/address.ts";
import { Allowance } from "../core/allowance.ts";
import type { Logger } from "../core/log.ts";
import type { RelayEvent } from "../core/plan/plan.ts";
import type { MonotonicMs } from "../core/time.ts";
import type { EventName } from "../telemetry/events.ts";
import { dtlsFailureTexts, iceFailureTexts } from "../telemetry/security-texts.ts";

export type TransportEvent = Extract<
  RelayEvent,
  { kind: "ice-selected" | "ice-failed" | "dtls-connected" | "dtls-failed" }
>;

/** Warnings a second; of those beyond the number is told with the next one. */
const warningsPerSecMax = 20;

export class TransportLog {
  readonly #log: Logger;
  readonly #callIdOf: (pair: RelayEvent["pair"]) => string | undefined;
  readonly #warnings = new Allowance(1, warningsPerSecMax, warningsPerSecMax);
  #untold = 0;

  constructor(log: Logger, callIdOf: (pair: RelayEvent["pair"]) => string | undefined) {
    this.#log = log;
    this.#callIdOf = callIdOf;
  }

  tell(nowMs: MonotonicMs, event: TransportEvent): void {
    switch (event.kind) {
      case "ice-selected":
        this.#debug(event, { component: event.component, remote: formatEndpoint(event.remote) }, "ICE chose");
        break;
      case "dtls-connected":
        this.#debug(event, { component: event.component, suite: event.suite }, "DTLS connected");
        break;
      case "ice-failed":
        this.#warn(nowMs, event, `ICE: ${iceFailureTexts[event.reason]}`);
        break;
      case "dtls-failed":
        this.#warn(nowMs, event, `DTLS: ${dtlsFailureTexts[event.reason]}`);
        break;
    }
  }

  #debug(event: TransportEvent, fields: Readonly<Record<string, string>>, message: string): void {
    this.#log.debug({ event: event.kind satisfies EventName, ...this.#names(event), ...fields }, message);
  }

  #warn(
    nowMs: MonotonicMs,
    event: Extract<TransportEvent, { kind: "ice-failed" | "dtls-failed" }>,
    message: string,
  ): void {
    if (!this.#warnings.take(0, nowMs)) {
      this.#untold++;
      return;
    }
    const untold = this.#untold === 0 ? undefined : this.#untold;
    this.#untold = 0;
    const { kind, reason } = event;
    this.#log.warn({ event: kind satisfies EventName, ...this.#names(event), reason, untold }, message);
  }

  #names(event: TransportEvent): { readonly callId: string | undefined; readonly pair: number } {
    return { callId: this.#callIdOf(event.pair), pair: event.pair };
  }
}
