/**
 * Control listeners: the sockets on which SIP proxies speak to us, whatever they speak.
 *
 * A listener hands whole messages to its handler: a datagram, a line, or all a unix connection brings. It knows no
 * protocol; it holds the limits on connections, buffers and idleness, and asks the guard who may speak at all.
 */
import type { Endpoint } from "../../core/address.ts";
import type { ListenSpec } from "../../core/listen-spec.ts";
import type { Logger } from "../../core/log.ts";
import { openDatagramListener } from "./datagram-listener.ts";
import type { ControlGuard } from "./guard.ts";
import { openStreamListener } from "./stream-listener.ts";

/** Where a message came from and the way back to it. */
export type ControlOrigin = DatagramOrigin | LineOrigin;

export interface DatagramOrigin {
  readonly framing: "datagram";
  /** A number no other socket of this process has. */
  readonly listener: number;
  readonly endpoint: Endpoint;
  /** Sends one datagram from the socket that was asked; it may be lost like any other. */
  reply(bytes: Uint8Array): void;
}

export interface LineOrigin {
  readonly framing: "line";
  /** A number no other connection of this process has. */
  readonly connection: number;
  /** undefined on unix sockets. */
  readonly endpoint: Endpoint | undefined;
  /** Sends the bytes as they are; once per message. A unix connection is closed behind it. */
  reply(bytes: Uint8Array): void;
  close(): void;
}

export interface ControlHandler {
  /** The bytes are the handler's to keep. */
  onMessage(bytes: Uint8Array, from: ControlOrigin): void;
}

export interface ControlListener {
  /** Where it listens: one endpoint for each socket, with real port numbers; empty for unix sockets. */
  readonly endpoints: readonly Endpoint[];
  /** Stops listening, closes every connection and removes a socket file. */
  close(): Promise<void>;
}

/** Rejects with one sentence for an operator when the address is taken or missing or permission lacks. */
export function openControlListener(
  spec: ListenSpec,
  guard: ControlGuard,
  handler: ControlHandler,
  log: Logger,
): Promise<ControlListener> {
  return "endpoint" in spec && spec.kind === "udp"
    ? openDatagramListener(spec.endpoint, guard, handler, log)
    : openStreamListener(spec, guard, handler, log);
}
