/** A control room with everything around it played by the test. */
import { Buffer } from "node:buffer";
import type { CallReply, CallRequest, RequestId } from "../../../../src/call/requests.ts";
import type { SourceReader } from "../../../../src/control/ng/handover-words.ts";
import type { Instant } from "../../../../src/control/ng/instant.ts";
import { type ControlSource, type NgAction, NgControl } from "../../../../src/control/ng/server.ts";
import type { ServerStatistics } from "../../../../src/control/ng/server-statistics.ts";
import type { ReplyCache } from "../../../../src/control/reply-cache.ts";
import { parseIp } from "../../../../src/core/address.ts";
import type { CounterReader, PairCounters } from "../../../../src/core/plan/counters.ts";
import type { PairId } from "../../../../src/core/plan/plan.ts";
import type { MonotonicMs, UnixMs } from "../../../../src/core/time.ts";

export const startUnixMs = 1_700_000_000_000;

/** A shell knows more of a source than its endpoint. */
export interface TestSource extends ControlSource {
  readonly listener: number;
}

export function instant(ms: number): Instant {
  return { monotonicMs: ms as MonotonicMs, unixMs: (startUnixMs + ms) as UnixMs };
}

export function sourceOf(address: string, port: number, listener = 0): TestSource {
  const ip = parseIp(address);
  if (ip === undefined) throw new Error(address);
  return { listener, endpoint: { ip, port } };
}

export const kamailio = sourceOf("127.0.0.1", 40_000);

export const latin1 = (text: string): Uint8Array => Buffer.from(text, "latin1");
export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** A bencode string. */
export const b = (text: string): string => `${text.length}:${text}`;
/** A bencode dictionary of strings and of values already encoded (tuples with `raw`). */
export function bencoded(
  entries: Readonly<Record<string, string | number | readonly string[] | { raw: string }>>,
): string {
  const value = (item: string | number | readonly string[] | { raw: string }): string => {
    if (typeof item === "string") return b(item);
    if (typeof item === "number") return `i${item}e`;
    return "raw" in item ? item.raw : `l${item.map(b).join("")}e`;
  };
  return `d${Object.entries(entries)
    .map(([key, item]) => b(key) + value(item))
    .join("")}e`;
}

export class Rig {
  readonly pairs = new Map<number, PairCounters>();
  readonly control: NgControl<TestSource>;
  nowMs = 1_000;
  #requests = 0;

  constructor(
    options: {
      readonly replyCache?: ReplyCache;
      readonly statistics?: ServerStatistics;
      readonly sources?: SourceReader;
    } = {},
  ) {
    const counters: CounterReader = {
      read: (pair: PairId) => this.pairs.get(pair),
      lastPacketAt: (pair: PairId) => this.pairs.get(pair)?.rtp.lastPacketAt,
    };
    this.control = new NgControl<TestSource>({
      counters,
      nextRequestId: () => ++this.#requests as RequestId,
      serverStatistics: () => {
        if (options.statistics === undefined) throw new Error("no statistics in this test");
        return options.statistics;
      },
      ...(options.sources === undefined ? {} : { sources: options.sources }),
      ...(options.replyCache === undefined ? {} : { replyCache: options.replyCache }),
    });
  }

  datagram(text: string | Uint8Array, source = kamailio): readonly NgAction<TestSource>[] {
    const bytes = typeof text === "string" ? latin1(text) : text;
    return this.control.handleDatagram(instant(this.nowMs), source, bytes);
  }

  reply(id: RequestId, reply: CallReply): readonly NgAction<TestSource>[] {
    return this.control.handleReply(instant(this.nowMs), id, reply);
  }

  /** What goes to the call model; fails on anything else but log lines. */
  call(
    text: string,
    source = kamailio,
  ): { readonly id: RequestId; readonly request: CallRequest; readonly log: string } {
    const actions = this.datagram(text, source);
    const call = actions.find((action) => action.kind === "call");
    if (call === undefined) throw new Error(`no call: ${JSON.stringify(sent(actions))}`);
    const log = actions.find((action) => action.kind === "log");
    return { id: call.requestId, request: call.request, log: log?.message ?? "" };
  }

  /** The reply to a datagram that needs no call model. */
  answer(text: string, source = kamailio): string | undefined {
    return sent(this.datagram(text, source));
  }

  /** The reply after the call model has spoken. */
  exchange(text: string, reply: CallReply): string | undefined {
    return sent(this.reply(this.call(text).id, reply));
  }
}

/** The one datagram that goes out, as text. */
export function sent(actions: readonly NgAction<TestSource>[]): string | undefined {
  const sends = actions.filter((action) => action.kind === "send");
  if (sends.length > 1) throw new Error("more than one reply");
  return sends[0] === undefined ? undefined : textOf(sends[0].bytes);
}
