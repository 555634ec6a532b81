/**
 * TCP sockets that listen at a port and connect from it at the same time, as TCP relays must (RFC 6062 section 5.2).
 * Linux allows that with SO_REUSEPORT on each, which this node cannot set; the descriptors are handed to node:net.
 */
import type { Endpoint } from "../../core/address.ts";
import { errnoName, option } from "./libc.ts";
import { SocketCalls } from "./sockets.ts";

/** SOCK_STREAM and SO_REUSEADDR (asm-generic/socket.h). */
const stream = 1;
const reuseAddress = 2;

export type BoundTcp =
  | { readonly ok: true; readonly fd: number }
  | { readonly ok: false; readonly code: string };

export class TcpBinder {
  readonly #calls = new SocketCalls();

  /** A descriptor that is bound and does nothing yet; the system's name of the error otherwise. */
  bind({ ip, port }: Endpoint): BoundTcp {
    const opened = this.#calls.open(ip, stream);
    if (opened < 0) return { ok: false, code: errnoName(-opened) };
    this.#calls.set(opened, option.socket.level, reuseAddress, 1);
    this.#calls.set(opened, option.socket.level, option.socket.reusePort, 1);
    const fd = this.#calls.bind(opened, ip, port);
    return fd < 0 ? { ok: false, code: errnoName(-fd) } : { ok: true, fd };
  }
}
