/**
 * Stream control listeners: `unix` takes one command a connection, `cunix` and `tcp` take lines over lasting ones.
 *
 * A `unix` client neither ends its command with a line end nor closes its side; like rtpproxy, we take what the first
 * read brings as the command. A lasting connection may be silent for hours between calls, so silence alone closes
 * none; but a command once begun must be finished in time, and when all places are taken the quietest one makes room.
 */
import { Buffer } from "node:buffer";
import { createServer, type Server, type Socket } from "node:net";
import type { Endpoint } from "../../core/address.ts";
import {
  controlConnectionsMax,
  controlLineSizeBytesMax,
  controlPartialLineMsMax,
  controlQuietMsMin,
  controlUnreadSizeBytesMax,
} from "../../core/limits.ts";
import type { ListenSpec } from "../../core/listen-spec.ts";
import { formatListenSpec } from "../../core/listen-spec.ts";
import type { Logger } from "../../core/log.ts";
import type { ControlHandler, ControlListener, LineOrigin } from "./contract.ts";
import type { ControlGuard } from "./guard.ts";
import { listenError } from "./listen-error.ts";
import { listenUnix } from "./unix-socket.ts";

const lineFeed = 0x0a;
const empty = Buffer.alloc(0);
const sweepEveryMs = 5_000;

let connectionsMinted = 0;

export async function openStreamListener(
  spec: ListenSpec,
  guard: ControlGuard,
  handler: ControlHandler,
  log: Logger,
): Promise<ControlListener> {
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true });
  const connections = new Set<Connection>();
  server.on("connection", (socket) => {
    // Errors of a socket that is being refused have no one else to go to.
    socket.on("error", () => socket.destroy());
    const isInternet = spec.kind === "tcp";
    const endpoint = isInternet ? guard.admit(socket.remoteAddress, socket.remotePort) : undefined;
    if (isInternet && endpoint === undefined) socket.destroy();
    else if (!hasRoom(connections)) {
      log.warn({ listener: formatListenSpec(spec) }, "control connection refused: too many connections");
      socket.destroy();
    } else {
      const connection = new Connection(socket, endpoint, spec.kind === "unix", handler);
      connections.add(connection);
      socket.once("close", () => connections.delete(connection));
    }
  });
  try {
    await ("endpoint" in spec ? listenTcp(server, spec.endpoint) : listenUnix(server, spec));
  } catch (error) {
    throw listenError(spec, error);
  }
  server.on("error", (error) => log.warn({ error: error.message }, "control listener reports an error"));
  const sweep = setInterval(() => {
    for (const connection of connections) connection.closeIfStuck();
  }, sweepEveryMs);
  sweep.unref();
  return {
    endpoints: "endpoint" in spec ? [{ ip: spec.endpoint.ip, port: boundPort(server) }] : [],
    close: () =>
      new Promise((done) => {
        clearInterval(sweep);
        server.close(() => done());
        for (const connection of connections) connection.close();
      }),
  };
}

function listenTcp(server: Server, { ip, port }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: ip, port, ipv6Only: true, exclusive: true }, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}

function boundPort(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Closes the connection that was quiet for longest if that is what it takes. */
export function hasRoom<Each extends Pick<Connection, "quietMs" | "close">>(connections: Set<Each>): boolean {
  if (connections.size < controlConnectionsMax) return true;
  let quietest: Each | undefined;
  for (const connection of connections) {
    if (quietest === undefined || connection.quietMs > quietest.quietMs) quietest = connection;
  }
  if (quietest === undefined || quietest.quietMs < controlQuietMsMin) return false;
  // Out at once: its `close` comes later, and until then it would make room again for each newcomer.
  connections.delete(quietest);
  quietest.close();
  return true;
}

class Connection implements LineOrigin {
  readonly framing = "line";
  readonly connection: number;
  readonly endpoint: Endpoint | undefined;
  readonly #socket: Socket;
  readonly #isOneShot: boolean;
  readonly #handler: ControlHandler;
  #partial: Buffer = empty;
  #partialSinceMs: number | undefined;
  #lastActiveMs = performance.now();
  /** Commands without their reply. */
  #outstandingCount = 0;
  #hasEnded = false;

  constructor(socket: Socket, endpoint: Endpoint | undefined, isOneShot: boolean, handler: ControlHandler) {
    this.connection = ++connectionsMinted;
    this.endpoint = endpoint;
    this.#socket = socket;
    this.#isOneShot = isOneShot;
    this.#handler = handler;
    if (isOneShot) this.#partialSinceMs = this.#lastActiveMs;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("end", () => {
      this.#hasEnded = true;
      this.#endIfDone();
    });
  }

  /** 0 while a reply is outstanding. */
  get quietMs(): number {
    return this.#outstandingCount > 0 ? 0 : performance.now() - this.#lastActiveMs;
  }

  reply(bytes: Uint8Array): void {
    if (this.#socket.destroyed) return;
    this.#outstandingCount--;
    this.#socket.write(bytes);
    if (this.#socket.writableLength > controlUnreadSizeBytesMax) this.close();
    else this.#endIfDone();
  }

  close(): void {
    this.#socket.destroy();
  }

  closeIfStuck(): void {
    const sinceMs = this.#partialSinceMs;
    if (sinceMs !== undefined && performance.now() - sinceMs > controlPartialLineMsMax) this.close();
  }

  #receive(chunk: Buffer): void {
    this.#lastActiveMs = performance.now();
    if (this.#isOneShot) this.#receiveOnce(chunk);
    else this.#receiveLines(chunk);
  }

  /** The first read is the command; the deadline of the connection stays, for a client that never closes. */
  #receiveOnce(chunk: Buffer): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#deliver(chunk);
  }

  #receiveLines(chunk: Buffer): void {
    let rest = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    for (let end = rest.indexOf(lineFeed); end >= 0; end = rest.indexOf(lineFeed)) {
      if (end > controlLineSizeBytesMax) break;
      this.#deliver(rest.subarray(0, end));
      if (this.#socket.destroyed) return;
      this.#partialSinceMs = undefined;
      rest = rest.subarray(end + 1);
    }
    if (rest.length > controlLineSizeBytesMax) {
      this.close();
      return;
    }
    if (rest.length === 0) this.#partialSinceMs = undefined;
    else this.#partialSinceMs ??= this.#lastActiveMs;
    // A copy, so that a few bytes do not keep a whole read alive.
    this.#partial = rest.length === 0 ? empty : Buffer.from(rest);
  }

  #deliver(bytes: Uint8Array): void {
    this.#outstandingCount++;
    this.#handler.onMessage(bytes, this);
  }

  /** Our side closes once the client's has and every reply is out. */
  #endIfDone(): void {
    if (this.#hasEnded && this.#outstandingCount <= 0) this.#socket.end();
  }
}
