/** A control machine with two interfaces and a call model that is played by the test. */
import type { CallReply, CallRequest, RequestId } from "../../../../src/call/requests.ts";
import { localAddresses } from "../../../../src/control/rtpproxy/modifiers.ts";
import {
  type MessageOrigin,
  type RtpproxyAction,
  RtpproxyControl,
  type RtpproxySettings,
} from "../../../../src/control/rtpproxy/server.ts";
import type { RelayTotals } from "../../../../src/control/rtpproxy/statistics.ts";
import { type Endpoint, type IpAddress, parseEndpoint, parseIp } from "../../../../src/core/address.ts";
import type { CounterReader } from "../../../../src/core/plan/counters.ts";
import type { MonotonicMs } from "../../../../src/core/time.ts";

export const start = 1_000_000 as MonotonicMs;

export function ip(text: string): IpAddress {
  const value = parseIp(text);
  if (value === undefined) throw new Error(`no address: ${text}`);
  return value;
}

export function at(text: string): Endpoint {
  const value = parseEndpoint(text);
  if (value === undefined) throw new Error(`no endpoint: ${text}`);
  return value;
}

export function endpointReply(text: string): CallReply {
  return { kind: "endpoint", endpoint: at(text) };
}

export const totals: RelayTotals = {
  sessionsCreated: 12,
  sessionsDestroyed: 10,
  sessionsTimedOut: 3,
  sessionsComplete: 9,
  sessionsActive: 2,
  streamsActive: 4,
  packetsReceived: 1500,
  packetsRelayed: 1490,
  packetsDiscarded: 10,
  totalDurationSec: 61.5,
  packetsInPerSec: 100,
  load: 0.25,
};

export const noCounters: CounterReader = { read: () => undefined, lastPacketAt: () => undefined };

export const plainInterfaces = [
  { name: "default", ip: ip("192.0.2.10") },
  { name: "default", ip: ip("2001:db8::10") },
] as const;

export const bridgeInterfaces = [
  { name: "internal", ip: ip("10.0.0.10") },
  { name: "external", ip: ip("192.0.2.10") },
] as const;

export function settings(changes: Partial<RtpproxySettings> = {}): RtpproxySettings {
  return {
    timeoutMs: 60_000,
    local: localAddresses(bridgeInterfaces, () => ip("192.0.2.10")),
    notifySockets: [],
    ...changes,
  };
}

export const kamailio: MessageOrigin = { framing: "datagram", endpoint: at("127.0.0.1:40000") };

export class Bench {
  readonly control: RtpproxyControl<MessageOrigin>;
  nowMs = start;
  #minted = 0;

  constructor(changes: Partial<RtpproxySettings> = {}, counters: CounterReader = noCounters) {
    this.control = new RtpproxyControl<MessageOrigin>(settings(changes), {
      counters,
      readTotals: () => totals,
      nextRequestId: () => ++this.#minted as RequestId,
    });
  }

  hear(text: string, origin: MessageOrigin = kamailio): readonly RtpproxyAction<MessageOrigin>[] {
    return this.control.handleMessage(this.nowMs, origin, Buffer.from(text, "latin1"));
  }

  answer(request: RequestId, reply: CallReply): readonly RtpproxyAction<MessageOrigin>[] {
    return this.control.handleReply(this.nowMs, request, reply);
  }

  /** The one request a command makes. */
  request(
    text: string,
    origin: MessageOrigin = kamailio,
  ): { readonly id: RequestId; readonly body: CallRequest } {
    const [action, ...rest] = this.hear(text, origin);
    if (action?.kind !== "call" || rest.length > 0) throw new Error(`no request: ${text}`);
    return { id: action.requestId, body: action.request };
  }

  /** What a datagram without cookie would be answered. */
  ask(command: string, reply?: CallReply): string {
    const cookie = `1_${++this.#minted}`;
    let actions = this.hear(`${cookie} ${command}`);
    const [first] = actions;
    if (first?.kind === "call") {
      if (reply === undefined) throw new Error(`a request, not an answer: ${command}`);
      actions = this.answer(first.requestId, reply);
    }
    const [text = ""] = sent(actions);
    if (!text.startsWith(`${cookie} `)) throw new Error(`another cookie: ${text}`);
    return text.slice(cookie.length + 1);
  }
}

export function sent(actions: readonly RtpproxyAction<MessageOrigin>[]): readonly string[] {
  return actions.flatMap((action) =>
    action.kind === "send" ? [Buffer.from(action.bytes).toString("latin1")] : [],
  );
}
