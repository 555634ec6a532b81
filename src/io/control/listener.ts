/**
 * Control listeners: the sockets on which SIP proxies speak to us, whatever they speak.
 *
 * A listener hands whole messages to its handler: a datagram, a line, or all a unix connection brings. It knows no
 * protocol; it holds the limits on connections, buffers and idleness, and asks the guard who may speak at all.
 */
import type { ListenSpec } from "../../core/listen-spec.ts";
import type { ControlListener, ListenerParts } from "./contract.ts";
import { openDatagramListener } from "./datagram-listener.ts";
import { openStreamListener } from "./stream-listener.ts";

/** Rejects with one sentence for an operator when the address is taken or missing or permission lacks. */
export function openControlListener(spec: ListenSpec, parts: ListenerParts): Promise<ControlListener> {
  return "endpoint" in spec && spec.kind === "udp"
    ? openDatagramListener(spec.endpoint, parts)
    : openStreamListener(spec, parts.guard, parts.handler, parts.log);
}
