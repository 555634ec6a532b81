/**
 * Listeners for clients over TCP and TLS: who may connect, and how many.
 *
 * A connection that never says anything is closed, and so is one that falls silent without an allocation. With TLS the
 * certificate can be exchanged at any time; connections that are there go on with theirs.
 */
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import { type Endpoint, parseIp } from "../../core/address.ts";
import { Allowance } from "../../core/allowance.ts";
import {
  turnFirstWordMsMax,
  turnHandshakesBurstMax,
  turnHandshakesPerSecMax,
  turnHandshakesPerSourcePerSecMax,
  turnStreamsMax,
  turnStreamsPerSourceMax,
} from "../../core/limits.ts";
import type { MonotonicMs } from "../../core/time.ts";
import type { TurnClient } from "../../turn/actions.ts";
import { ChallengeRate } from "../../turn/challenge-rate.ts";
import { closeServer, listen } from "../listen.ts";
import { systemRandom } from "../random.ts";
import type { StreamHub } from "./contract.ts";
import { sourceName } from "./source-name.ts";
import { StreamClient } from "./stream-client.ts";

/** In PEM: a certificate with its chain, and its private key. */
export interface Certificate {
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
}

export interface StreamCounts {
  accepted: number;
  /** Too many, of all or of one source, or too many handshakes at once. */
  refused: number;
  /** TLS handshakes that came to nothing. */
  failed: number;
}

export interface StreamListenersParts {
  readonly hub: StreamHub;
  readonly onEnd: (client: TurnClient) => void;
}

const sweepEveryMs = 2_000;

/** All of them together, as the limits are. */
export class StreamListeners {
  readonly counts: StreamCounts = { accepted: 0, refused: 0, failed: 0 };
  readonly #parts: StreamListenersParts;
  readonly #servers: Server[] = [];
  readonly #tlsServers: TlsServer[] = [];
  /** Connections by their sources, those in their handshake included. */
  readonly #sources = new Map<string, number>();
  readonly #clients = new Map<Socket, StreamClient>();
  readonly #handshakes = new Allowance(1, turnHandshakesPerSecMax, turnHandshakesBurstMax);
  readonly #sourceRate = new ChallengeRate(systemRandom, turnHandshakesPerSourcePerSecMax);
  readonly #sweep: NodeJS.Timeout;
  readonly #open = { tcp: 0, tls: 0 };

  constructor(parts: StreamListenersParts) {
    this.#parts = parts;
    this.#sweep = setInterval(() => this.#closeStuck(), sweepEveryMs);
    this.#sweep.unref();
  }

  /** Connections now, those in their handshake included. */
  get open(): Readonly<Record<"tcp" | "tls", number>> {
    return { ...this.#open };
  }

  async listenTcp(endpoint: Endpoint): Promise<Endpoint> {
    const server = createTcpServer({ noDelay: true, keepAlive: true });
    server.on("connection", (socket) => {
      if (this.#admit(socket, "tcp")) this.#begin(socket, "tcp");
    });
    return this.#listen(server, "listen-turn tcp", endpoint);
  }

  async listenTls(endpoint: Endpoint, certificate: Certificate): Promise<Endpoint> {
    const server = createTlsServer({
      ...secureOptions(certificate),
      noDelay: true,
      keepAlive: true,
      handshakeTimeout: turnFirstWordMsMax,
      // RFC 7443 section 3; who asks for none gets none.
      ALPNProtocols: ["stun.turn", "stun.nat-discovery"],
    });
    server.on("connection", (socket: Socket) => {
      if (this.#mayShakeHands(socket)) this.#admit(socket, "tls");
      else this.#refuse(socket);
    });
    server.on("secureConnection", (socket: TLSSocket) => this.#begin(socket, "tls"));
    server.on("tlsClientError", (_error, socket) => {
      this.counts.failed++;
      socket.destroy();
    });
    this.#tlsServers.push(server);
    return this.#listen(server, "listen-turn tls", endpoint);
  }

  /** For connections from now on. Throws what node throws at a certificate it cannot use. */
  renew(certificate: Certificate): void {
    for (const server of this.#tlsServers) server.setSecureContext(secureOptions(certificate));
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep);
    for (const client of [...this.#clients.values()]) client.close();
    await Promise.all(this.#servers.splice(0).map(closeServer));
  }

  async #listen(server: Server, option: string, { ip, port }: Endpoint): Promise<Endpoint> {
    await listen(server, option, { host: ip, port, ipv6Only: true, exclusive: true });
    // Out of descriptors, for example: the listener itself goes on.
    server.on("error", () => undefined);
    this.#servers.push(server);
    const address = server.address();
    return { ip, port: typeof address === "object" && address !== null ? address.port : port };
  }

  #admit(socket: Socket, transport: "tcp" | "tls"): boolean {
    const ip = parseIp(socket.remoteAddress ?? "");
    const source = ip === undefined ? "" : sourceName(ip);
    const ofSource = this.#sources.get(source) ?? 0;
    const isFull = this.#open.tcp + this.#open.tls >= turnStreamsMax;
    if (ip === undefined || isFull || ofSource >= turnStreamsPerSourceMax) {
      this.#refuse(socket);
      return false;
    }
    this.#open[transport]++;
    this.counts.accepted++;
    this.#sources.set(source, ofSource + 1);
    socket.on("error", () => undefined);
    socket.once("close", () => {
      this.#open[transport]--;
      const left = (this.#sources.get(source) ?? 1) - 1;
      if (left === 0) this.#sources.delete(source);
      else this.#sources.set(source, left);
    });
    return true;
  }

  /** One source must not use up what all have together. */
  #mayShakeHands({ remoteAddress = "" }: Socket): boolean {
    const ip = parseIp(remoteAddress);
    const nowMs = performance.now() as MonotonicMs;
    return ip !== undefined && this.#sourceRate.take(nowMs, ip) && this.#handshakes.take(0, nowMs);
  }

  #refuse(socket: Socket): void {
    this.counts.refused++;
    socket.on("error", () => undefined);
    socket.destroy();
  }

  #begin(socket: Socket, transport: "tcp" | "tls"): void {
    const remote = endpointOf(socket.remoteAddress, socket.remotePort);
    const local = endpointOf(socket.localAddress, socket.localPort);
    if (remote === undefined || local === undefined) {
      // It has gone already.
      socket.destroy();
      return;
    }
    const { hub, onEnd } = this.#parts;
    const client = new StreamClient({ socket, client: { transport, remote, local }, hub, onEnd });
    if (!hub.enter(client)) {
      client.close();
      return;
    }
    this.#clients.set(socket, client);
    socket.once("close", () => this.#clients.delete(socket));
  }

  #closeStuck(): void {
    const nowMs = performance.now();
    for (const client of this.#clients.values()) client.closeIfStuck(nowMs);
  }
}

function secureOptions({ cert, key }: Certificate): {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly minVersion: "TLSv1.2";
} {
  return { cert: Buffer.from(cert), key: Buffer.from(key), minVersion: "TLSv1.2" };
}

function endpointOf(address: string | undefined, port: number | undefined): Endpoint | undefined {
  const ip = address === undefined ? undefined : parseIp(address);
  return ip === undefined || port === undefined ? undefined : { ip, port };
}
