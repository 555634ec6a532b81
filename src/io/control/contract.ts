/** What listeners and those they listen for say to each other. */
import type { Endpoint } from "../../core/address.ts";
import type { Logger } from "../../core/log.ts";
import type { DirectUdp } from "../direct-udp.ts";
import type { ControlGuard } from "./guard.ts";

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

export interface ListenerParts {
  readonly guard: ControlGuard;
  readonly handler: ControlHandler;
  readonly log: Logger;
  /** Undefined: through node:dgram alone. */
  readonly directUdp?: DirectUdp | undefined;
}

export interface ControlListener {
  /** Where it listens: one endpoint for each socket, with real port numbers; empty for unix sockets. */
  readonly endpoints: readonly Endpoint[];
  /** Stops listening, closes every connection and removes a socket file. */
  close(): Promise<void>;
}
