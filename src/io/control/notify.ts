/**
 * Tells a proxy that a session timed out: the tag its command gave, as one line over a stream socket.
 *
 * One connection a socket, opened when there is something to say and closed when there is not. What cannot be
 * delivered at the second attempt is dropped with a warning: a notification is worth no memory without end.
 */
import { connect, type Socket } from "node:net";
import { parseEndpoint } from "../../core/address.ts";
import { notificationsQueuedMax } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";

const retryAfterMs = 1_000;
const connectMsMax = 5_000;
const idleMsMax = 10_000;

export class TimeoutNotifier {
  readonly #log: Logger;
  readonly #targets = new Map<string, Target>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** `socket` is `unix:PATH` or `tcp:HOST:PORT` with an address for HOST. */
  send(socket: string, tag: string): void {
    const address = socketAddress(socket);
    if (address === undefined) {
      this.#log.warn({ socket }, "not a notification socket");
      return;
    }
    let target = this.#targets.get(socket);
    if (target === undefined) {
      target = new Target(address, this.#log, () => this.#targets.delete(socket));
      this.#targets.set(socket, target);
    }
    target.send(`${tag}\n`);
  }

  close(): void {
    for (const target of [...this.#targets.values()]) target.close();
  }
}

type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

function socketAddress(text: string): SocketAddress | undefined {
  if (text.startsWith("unix:")) return { path: text.slice("unix:".length) };
  const endpoint = text.startsWith("tcp:") ? parseEndpoint(text.slice("tcp:".length)) : undefined;
  return endpoint === undefined ? undefined : { host: endpoint.ip, port: endpoint.port };
}

/** One notification socket for as long as there is something to say to it. */
class Target {
  readonly #address: SocketAddress;
  readonly #log: Logger;
  readonly #onGone: () => void;
  readonly #queue: string[] = [];
  #socket: Socket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #hasFailed = false;

  constructor(address: SocketAddress, log: Logger, onGone: () => void) {
    this.#address = address;
    this.#log = log;
    this.#onGone = onGone;
  }

  send(line: string): void {
    if (this.#queue.length >= notificationsQueuedMax) this.#queue.shift();
    this.#queue.push(line);
    if (this.#socket === undefined && this.#retry === undefined) this.#connect();
    else if (this.#socket?.readyState === "open") this.#flush(this.#socket);
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#socket?.removeAllListeners("close").destroy();
    this.#onGone();
  }

  #connect(): void {
    const socket = connect(this.#address);
    this.#socket = socket;
    socket.setTimeout(connectMsMax, () => socket.destroy());
    socket.once("connect", () => {
      this.#hasFailed = false;
      socket.setTimeout(idleMsMax);
      this.#flush(socket);
    });
    socket.on("drain", () => this.#flush(socket));
    socket.on("error", (error) =>
      this.#log.debug({ ...this.#address, error: error.message }, "notification socket"),
    );
    socket.on("close", () => this.#closed());
    // Nothing is expected from the other side, but its end must be seen.
    socket.resume();
  }

  /** What a slow reader has not taken yet stays in the queue, which has a limit; the socket's buffer has none. */
  #flush(socket: Socket): void {
    if (this.#queue.length > 0 && !socket.writableNeedDrain)
      socket.write(this.#queue.splice(0).join(""), "latin1");
  }

  #closed(): void {
    this.#socket = undefined;
    if (this.#queue.length > 0 && !this.#hasFailed) {
      this.#hasFailed = true;
      this.#retry = setTimeout(() => {
        this.#retry = undefined;
        this.#connect();
      }, retryAfterMs);
      this.#retry.unref();
      return;
    }
    if (this.#queue.length > 0) {
      this.#log.warn({ ...this.#address, droppedCount: this.#queue.length }, "timeout notifications dropped");
    }
    this.#onGone();
  }
}
