/**
 * The ng control protocol: datagrams in, call requests and replies out (docs/ng.md).
 *
 * Pure. The shell hands in datagrams from sources it has let in, sends what it is told to send, gives call requests to
 * the call model and brings its replies back. A repeated request is answered from memory, or, while it is in work, by
 * the one reply that is to come. A ping is answered at once, whatever the load.
 */
import type { CallReply, CallRequest, RequestId } from "../../call/requests.ts";
import { type Endpoint, formatEndpoint } from "../../core/address.ts";
import {
  controlMessageSizeBytesMax,
  controlRequestsInWorkMax,
  controlWarningsMax,
} from "../../core/limits.ts";
import type { LogFields } from "../../core/log.ts";
import type { CounterReader } from "../../core/plan/counters.ts";
import type { MonotonicMs } from "../../core/time.ts";
import { ReplyCache, replyKey } from "../reply-cache.ts";
import { interpret } from "./commands.ts";
import type { SourceReader } from "./handover-words.ts";
import type { Instant } from "./instant.ts";
import { decodePayload, encodeMessage, type NgEncoding, splitFrame } from "./message.ts";
import { countCommand, type PeerCounts, PeerTable } from "./peer-counts.ts";
import { errorReply, okReply, pongReply, replyDict } from "./replies.ts";
import type { NgRequest } from "./request.ts";
import { type ServerStatistics, serverStatistics } from "./server-statistics.ts";
import type { NgDict } from "./value.ts";

/** Where a datagram came from. The shell adds what it needs to send the reply back the same way. */
export interface ControlSource {
  readonly endpoint: Endpoint;
}

export type NgAction<Source extends ControlSource> =
  /** The bytes may be kept by the reply cache: to be sent, not changed. */
  | { readonly kind: "send"; readonly to: Source; readonly bytes: Uint8Array }
  | { readonly kind: "call"; readonly requestId: RequestId; readonly request: CallRequest }
  | {
      readonly kind: "log";
      readonly level: "warn";
      readonly fields: LogFields;
      readonly message: string;
    };

/** What the protocol needs of the daemon. */
export interface NgControlParts {
  readonly counters: CounterReader;
  /** For `query`; absent: it tells nothing of sources beside the counters. */
  readonly sources?: SourceReader;
  /** A number no other request in work has; shared with the other control protocols. */
  readonly nextRequestId: () => RequestId;
  readonly serverStatistics: () => ServerStatistics;
  readonly replyCache?: ReplyCache;
}

/** For metrics; counts since start. */
export interface NgCounters {
  readonly peers: readonly PeerCounts[];
  /** Datagrams without a cookie, dropped silently. */
  readonly withoutCookie: number;
  /** Repeated requests, answered from memory or waiting for the reply that is to come. */
  readonly duplicates: number;
  readonly requestsInWork: number;
  readonly cachedReplies: number;
  readonly cachedReplyBytes: number;
}

/** One request on its way: who asked, and how to answer. */
interface Exchange<Source extends ControlSource> {
  readonly source: Source;
  readonly key: string;
  readonly cookie: string;
  readonly encoding: NgEncoding;
  readonly startedAt: MonotonicMs;
}

interface InWork<Source extends ControlSource> {
  readonly exchange: Exchange<Source>;
  readonly request: NgRequest;
}

export class NgControl<Source extends ControlSource> {
  readonly #parts: NgControlParts;
  readonly #cache: ReplyCache;
  readonly #inWork = new Map<RequestId, InWork<Source>>();
  readonly #peers = new PeerTable();
  #withoutCookie = 0;
  #duplicates = 0;

  constructor(parts: NgControlParts) {
    this.#parts = parts;
    this.#cache = parts.replyCache ?? new ReplyCache();
  }

  counters(): NgCounters {
    return {
      peers: this.#peers.all(),
      withoutCookie: this.#withoutCookie,
      duplicates: this.#duplicates,
      requestsInWork: this.#inWork.size,
      cachedReplies: this.#cache.entriesCount,
      cachedReplyBytes: this.#cache.sizeBytes,
    };
  }

  /** `bytes` are read before this returns and not kept. */
  handleDatagram(now: Instant, source: Source, bytes: Uint8Array): readonly NgAction<Source>[] {
    const frame = splitFrame(bytes);
    if (frame === undefined) {
      this.#withoutCookie++;
      return [];
    }
    const key = replyKey(source.endpoint, frame.cookie);
    const known = this.#cache.find(now.monotonicMs, key);
    if (known !== undefined) {
      this.#duplicates++;
      return known === "in-work" ? [] : [{ kind: "send", to: source, bytes: known }];
    }
    const payload = decodePayload(frame.payload);
    const exchange: Exchange<Source> = {
      source,
      key,
      cookie: frame.cookie,
      encoding: payload.encoding,
      startedAt: now.monotonicMs,
    };
    return payload.ok ? this.#execute(now, exchange, payload.dict) : this.#fail(now, exchange, payload.error);
  }

  /** The call model's answer to a `call` action. */
  handleReply(now: Instant, requestId: RequestId, reply: CallReply): readonly NgAction<Source>[] {
    const work = this.#inWork.get(requestId);
    if (work === undefined) return [];
    this.#inWork.delete(requestId);
    const { exchange, request } = work;
    const durationMs = now.monotonicMs - exchange.startedAt;
    const peer = this.#peers.of(exchange.source.endpoint.ip);
    countCommand(peer, request.command, durationMs);
    const dict = replyDict(now, request, reply, this.#parts);
    const actions: NgAction<Source>[] = [this.#send(now, exchange, dict)];
    const result = dict.get("result");
    if (result !== "ok") {
      const reason = dict.get("error-reason") ?? dict.get("message");
      if (result === "error") peer.errors++;
      actions.push(logOf(exchange, request, String(reason)));
    }
    return actions;
  }

  #execute(now: Instant, exchange: Exchange<Source>, dict: NgDict): readonly NgAction<Source>[] {
    const meaning = interpret(dict);
    const peer = this.#peers.of(exchange.source.endpoint.ip);
    switch (meaning.kind) {
      case "pong": {
        // Not remembered: a repeated ping costs as little as a look into the cache.
        countCommand(peer, "ping", 0);
        const bytes = encodeMessage(exchange.cookie, exchange.encoding, pongReply);
        return [{ kind: "send", to: exchange.source, bytes }];
      }
      case "statistics": {
        countCommand(peer, "statistics", 0);
        const statistics = serverStatistics(this.#parts.serverStatistics(), this.#peers.all());
        return [this.#send(now, exchange, okReply([["statistics", statistics]]))];
      }
      case "error":
        if (typeof dict.get("command") === "string") countCommand(peer, String(dict.get("command")), 0);
        return this.#fail(now, exchange, meaning.text, meaning.request);
      case "call":
        return this.#ask(now, exchange, meaning.request, meaning.call);
    }
  }

  #ask(
    now: Instant,
    exchange: Exchange<Source>,
    request: NgRequest,
    call: CallRequest,
  ): readonly NgAction<Source>[] {
    if (this.#inWork.size >= controlRequestsInWorkMax) {
      const refused: CallReply = { kind: "refused", reason: "load-limit" };
      return [this.#send(now, exchange, replyDict(now, request, refused, this.#parts))];
    }
    const requestId = this.#parts.nextRequestId();
    this.#inWork.set(requestId, { exchange, request });
    this.#cache.start(now.monotonicMs, exchange.key);
    const action: NgAction<Source> = { kind: "call", requestId, request: call };
    const warnings = warningsOf(request);
    return warnings === undefined ? [action] : [action, logOf(exchange, request, warnings)];
  }

  #fail(
    now: Instant,
    exchange: Exchange<Source>,
    text: string,
    request?: NgRequest,
  ): readonly NgAction<Source>[] {
    this.#peers.of(exchange.source.endpoint.ip).errors++;
    return [this.#send(now, exchange, errorReply(text)), logOf(exchange, request, text)];
  }

  #send(now: Instant, exchange: Exchange<Source>, dict: NgDict): NgAction<Source> {
    const { cookie, encoding } = exchange;
    const whole = encodeMessage(cookie, encoding, dict);
    const bytes =
      whole.length <= controlMessageSizeBytesMax
        ? whole
        : encodeMessage(cookie, encoding, errorReply("Reply is too large for a datagram"));
    this.#cache.store(now.monotonicMs, exchange.key, bytes);
    return { kind: "send", to: exchange.source, bytes };
  }
}

function warningsOf(request: NgRequest): string | undefined {
  const all = [...request.warnings, ...request.lacks];
  if (all.length === 0) return undefined;
  const shown = all.slice(0, controlWarningsMax).join("; ");
  return all.length > controlWarningsMax ? `${shown}; and ${all.length - controlWarningsMax} more` : shown;
}

function logOf(
  exchange: Exchange<ControlSource>,
  request: NgRequest | undefined,
  message: string,
): Extract<NgAction<never>, { readonly kind: "log" }> {
  const from = formatEndpoint(exchange.source.endpoint);
  return {
    kind: "log",
    level: "warn",
    fields: { from, command: request?.command, callId: request?.callId },
    message,
  };
}
