/**
 * rtpproxy's control protocol as a machine: messages and replies of the call model in, things to send out.
 *
 * Datagrams carry a cookie, are remembered by it, and are answered in whatever order the call model is done. Streams
 * have neither cookie nor retransmission: their replies leave in the order of their commands, one line each, so a
 * reply that is ready waits for an earlier one that is not.
 */
import { Buffer } from "node:buffer";
import type { CallReply, CallRequest, RequestId } from "../../call/requests.ts";
import type { Endpoint, IpAddress } from "../../core/address.ts";
import { controlLinesInWorkMax, controlRequestsInWorkMax } from "../../core/limits.ts";
import type { LogFields } from "../../core/log.ts";
import type { CounterReader } from "../../core/plan/counters.ts";
import { refused } from "../../core/result.ts";
import type { MonotonicMs } from "../../core/time.ts";
import { ReplyCache, replyKey } from "../reply-cache.ts";
import { type Outcome, type ReplyText, runCommand } from "./commands.ts";
import { errorCode, errorText } from "./errors.ts";
import { lineText, parseCommand, splitDatagram } from "./grammar.ts";
import type { LocalAddresses } from "./modifiers.ts";
import type { CommandCounters, RelayTotals } from "./statistics.ts";

/** Where a message came from and where its reply goes; the shell may add what it needs to send. */
export type MessageOrigin =
  | { readonly framing: "datagram"; readonly endpoint: Endpoint }
  /** `connection` is a number of its own for each connection; `endpoint` is undefined on unix sockets. */
  | { readonly framing: "line"; readonly connection: number; readonly endpoint: Endpoint | undefined };

export type RtpproxyAction<Origin> =
  | { readonly kind: "send"; readonly to: Origin; readonly bytes: Uint8Array }
  /** A stream client that does not wait for replies: its connection is to be closed. */
  | { readonly kind: "close"; readonly to: Origin }
  | { readonly kind: "call"; readonly requestId: RequestId; readonly request: CallRequest }
  | {
      readonly kind: "log";
      readonly level: "warn";
      readonly fields: LogFields;
      readonly message: string;
    };

export interface RtpproxySettings {
  /** Silence that ends a session, for the time to live in Q. */
  readonly timeoutMs: number;
  readonly local: LocalAddresses;
  /** `unix:PATH` or `tcp:HOST:PORT` that commands may name for timeout notification; none switches it off. */
  readonly notifySockets: readonly string[];
}

export interface RtpproxySources {
  readonly counters: CounterReader;
  readonly readTotals: () => RelayTotals;
  /** Numbers are shared with the other control protocols, so that each reply finds its way back. */
  readonly nextRequestId: () => RequestId;
}

/** A command that waits for the call model. */
interface Waiting<Origin> {
  readonly origin: Origin;
  /** Empty on streams. */
  readonly cookie: string;
  readonly answer: (nowMs: MonotonicMs, reply: CallReply) => ReplyText;
  readonly line: Line | undefined;
}

/** The place of a reply in the order of its connection. */
interface Line {
  bytes: Uint8Array | undefined;
}

export class RtpproxyControl<Origin extends MessageOrigin> {
  readonly #settings: RtpproxySettings;
  readonly #sources: RtpproxySources;
  readonly #cache: ReplyCache;
  readonly #waiting = new Map<RequestId, Waiting<Origin>>();
  /** Connections with a reply outstanding, and all replies behind it. */
  readonly #lines = new Map<number, Line[]>();
  readonly #commands: CommandCounters = { received: 0, repeated: 0, succeeded: 0, failed: 0, replied: 0 };
  #droppedCount = 0;

  constructor(settings: RtpproxySettings, sources: RtpproxySources, cache: ReplyCache = new ReplyCache()) {
    this.#settings = settings;
    this.#sources = sources;
    this.#cache = cache;
  }

  get commandCounters(): Readonly<CommandCounters> {
    return this.#commands;
  }

  /** Datagrams without a cookie: there was nobody to answer. */
  get droppedCount(): number {
    return this.#droppedCount;
  }

  /** Commands the call model has not answered yet. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** One datagram, one line without its end, or all of a unix connection. */
  handleMessage(nowMs: MonotonicMs, origin: Origin, bytes: Uint8Array): readonly RtpproxyAction<Origin>[] {
    if (origin.framing === "line") {
      if ((this.#lines.get(origin.connection)?.length ?? 0) >= controlLinesInWorkMax) {
        this.#lines.delete(origin.connection);
        return [{ kind: "close", to: origin }];
      }
      this.#commands.received++;
      return this.#run(nowMs, origin, "", lineText(bytes));
    }
    const frame = splitDatagram(bytes);
    if (frame === undefined) {
      this.#droppedCount++;
      return [];
    }
    const known = this.#cache.find(nowMs, replyKey(origin.endpoint, frame.cookie));
    if (known !== undefined) {
      this.#commands.repeated++;
      return known === "in-work" ? [] : [{ kind: "send", to: origin, bytes: known }];
    }
    this.#commands.received++;
    return this.#run(nowMs, origin, frame.cookie, frame.text);
  }

  /** The call model's reply to an action of kind `call`. */
  handleReply(nowMs: MonotonicMs, requestId: RequestId, reply: CallReply): readonly RtpproxyAction<Origin>[] {
    const waiting = this.#waiting.get(requestId);
    if (waiting === undefined) return [];
    this.#waiting.delete(requestId);
    const text = waiting.answer(nowMs, reply);
    return this.#reply(nowMs, waiting, text);
  }

  #run(nowMs: MonotonicMs, origin: Origin, cookie: string, text: string): readonly RtpproxyAction<Origin>[] {
    const outcome = this.#outcome(text, origin.endpoint?.ip);
    const line = origin.framing === "line" ? this.#nextLine(origin.connection) : undefined;
    if (outcome.kind === "reply") {
      const actions = this.#reply(nowMs, { origin, cookie, line }, outcome.reply);
      return outcome.reply.ok ? actions : [...actions, refusalLog(text, errorText(outcome.reply.reason))];
    }
    if (origin.framing === "datagram") this.#cache.start(nowMs, replyKey(origin.endpoint, cookie));
    const requestId = this.#sources.nextRequestId();
    this.#waiting.set(requestId, { origin, cookie, line, answer: outcome.answer });
    return [{ kind: "call", requestId, request: outcome.request }];
  }

  #outcome(text: string, source: IpAddress | undefined): Outcome {
    const command = parseCommand(text);
    if (!command.ok) return { kind: "reply", reply: command };
    const outcome = runCommand(command.value, {
      ...this.#settings,
      counters: this.#sources.counters,
      readTotals: this.#sources.readTotals,
      commands: this.#commands,
      source,
    });
    const isFull = outcome.kind === "request" && this.#waiting.size >= controlRequestsInWorkMax;
    return isFull ? { kind: "reply", reply: refused(errorCode.overload) } : outcome;
  }

  /** A place behind the outstanding replies of a connection. */
  #nextLine(connection: number): Line {
    const line: Line = { bytes: undefined };
    const lines = this.#lines.get(connection);
    if (lines === undefined) this.#lines.set(connection, [line]);
    else lines.push(line);
    return line;
  }

  #reply(
    nowMs: MonotonicMs,
    to: Pick<Waiting<Origin>, "origin" | "cookie" | "line">,
    text: ReplyText,
  ): readonly RtpproxyAction<Origin>[] {
    this.#commands.replied++;
    if (text.ok) this.#commands.succeeded++;
    else this.#commands.failed++;
    const body = text.ok ? text.value : errorText(text.reason);
    const { origin, cookie, line } = to;
    if (origin.framing === "datagram") {
      const bytes = Buffer.from(`${cookie} ${body}\n`, "latin1");
      this.#cache.store(nowMs, replyKey(origin.endpoint, cookie), bytes);
      return [{ kind: "send", to: origin, bytes }];
    }
    if (line !== undefined) line.bytes = Buffer.from(`${body}\n`, "latin1");
    return this.#flush(origin, origin.connection);
  }

  /** Sends what is ready at the head of a connection's replies, each on its own so that a shell may close between. */
  #flush(to: Origin, connection: number): readonly RtpproxyAction<Origin>[] {
    const lines = this.#lines.get(connection) ?? [];
    const firstOutstanding = lines.findIndex((line) => line.bytes === undefined);
    const ready = lines.splice(0, firstOutstanding < 0 ? lines.length : firstOutstanding);
    if (lines.length === 0) this.#lines.delete(connection);
    return ready.flatMap(({ bytes }) => (bytes === undefined ? [] : [{ kind: "send" as const, to, bytes }]));
  }
}

function refusalLog<Origin>(text: string, error: string): RtpproxyAction<Origin> {
  return {
    kind: "log",
    level: "warn",
    fields: { error, command: text.trim().slice(0, 200) },
    message: "rtpproxy command refused",
  };
}
