/**
 * Relays over TCP (RFC 6062 sections 5.2 to 5.4): listeners at relayed addresses, connections from there, and the bytes
 * that a client's data connection and a peer's carry for each other.
 *
 * A peer's bytes wait in the kernel until the client has joined; both directions hold each other back, so nothing here
 * grows.
 */
import { createServer, type Server, Socket } from "node:net";
import { type Endpoint, parseIp } from "../../core/address.ts";
import { turnConnectionsPerAllocationMax } from "../../core/limits.ts";
import type { ConnectionId, RelayId } from "../../turn/actions.ts";
import { closeServer } from "../listen.ts";
import type { BindOutcome, GivenStream, RelayBinding } from "./contract.ts";

/** What binds a socket to a port that another of ours listens at. */
export interface TcpBinder {
  bind(
    place: Endpoint,
  ): { readonly ok: true; readonly fd: number } | { readonly ok: false; readonly code: string };
}

export interface TcpRelayListener {
  handleConnected(connection: ConnectionId): void;
  handleConnectionClosed(connection: ConnectionId): void;
  /** Undefined: the peer may not connect. */
  handlePeerConnection(relay: RelayId, peer: Endpoint): ConnectionId | undefined;
}

interface TcpRelay {
  readonly server: Server;
  readonly local: Endpoint;
}

const lingerMs = 5_000;

export class TcpRelays {
  /** Bytes carried since start. */
  readonly bytes = { up: 0, down: 0 };
  readonly #binder: TcpBinder;
  readonly #listener: TcpRelayListener;
  readonly #relays = new Map<RelayId, TcpRelay>();
  readonly #peers = new Map<ConnectionId, Socket>();

  constructor(binder: TcpBinder, listener: TcpRelayListener) {
    this.#binder = binder;
    this.#listener = listener;
  }

  bindRelay({ relay, ip, port }: RelayBinding, done: (outcome: BindOutcome) => void): void {
    const local = { ip, port };
    const bound = this.#binder.bind(local);
    if (!bound.ok) {
      done(bound.code === "EADDRINUSE" || bound.code === "EACCES" ? "port-taken" : "failed");
      return;
    }
    const server = createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: true });
    server.maxConnections = 2 * turnConnectionsPerAllocationMax;
    server.on("connection", (socket) => this.#accept(relay, socket));
    const refuse = (): void => {
      server.close();
      done("port-taken");
    };
    server.once("error", refuse);
    server.listen({ fd: bound.fd }, () => {
      server.off("error", refuse);
      server.on("error", () => undefined);
      this.#relays.set(relay, { server, local });
      done("bound");
    });
  }

  closeRelay(relay: RelayId, done: () => void): void {
    // Connections have been ended by then; the server's port is free at once.
    this.#relays.get(relay)?.server.close();
    this.#relays.delete(relay);
    done();
  }

  connect(connection: ConnectionId, relay: RelayId, peer: Endpoint): void {
    const local = this.#relays.get(relay)?.local;
    const bound = local === undefined ? undefined : this.#binder.bind(local);
    if (bound?.ok !== true) {
      queueMicrotask(() => this.#listener.handleConnectionClosed(connection));
      return;
    }
    // Paused from the start: what the peer says waits until there is somebody to hear it.
    const socket = new Socket({ fd: bound.fd, allowHalfOpen: true });
    socket.pause();
    this.#keep(connection, socket);
    socket.once("connect", () => {
      socket.setNoDelay(true);
      this.#listener.handleConnected(connection);
    });
    socket.connect({ host: peer.ip, port: peer.port });
  }

  join(connection: ConnectionId, { socket: client, rest }: GivenStream): void {
    const peer = this.#peers.get(connection);
    if (peer === undefined) {
      client.destroy();
      return;
    }
    client.on("data", (chunk: Uint8Array) => this.#count("up", chunk));
    peer.on("data", (chunk: Uint8Array) => this.#count("down", chunk));
    if (rest.length > 0) {
      this.#count("up", rest);
      peer.write(rest);
    }
    // Each end closes the other's; what was on its way arrives first.
    client.pipe(peer);
    peer.pipe(client);
    client.once("close", () => peer.destroySoon());
    peer.once("close", () => {
      // A client that does not read would keep its connection for ever.
      client.setTimeout(lingerMs, () => client.destroy());
      client.destroySoon();
    });
  }

  disconnect(connection: ConnectionId): void {
    const socket = this.#peers.get(connection);
    this.#peers.delete(connection);
    if (socket === undefined) return;
    // What its client sent last is still on its way, but not for ever.
    socket.setTimeout(lingerMs, () => socket.destroy());
    if (socket.connecting) socket.destroy();
    else socket.destroySoon();
  }

  get connectionCount(): number {
    return this.#peers.size;
  }

  async close(): Promise<void> {
    for (const connection of [...this.#peers.keys()]) this.disconnect(connection);
    const relays = [...this.#relays.values()];
    this.#relays.clear();
    await Promise.all(relays.map(({ server }) => closeServer(server)));
  }

  #accept(relay: RelayId, socket: Socket): void {
    socket.on("error", () => undefined);
    const ip = parseIp(socket.remoteAddress ?? "");
    const port = socket.remotePort;
    const isThere = ip !== undefined && port !== undefined;
    const connection = isThere ? this.#listener.handlePeerConnection(relay, { ip, port }) : undefined;
    if (connection === undefined) socket.destroy();
    else this.#keep(connection, socket);
  }

  #keep(connection: ConnectionId, socket: Socket): void {
    this.#peers.set(connection, socket);
    socket.on("error", () => undefined);
    socket.once("close", () => {
      // Ended by us: nobody has to be told.
      if (!this.#peers.delete(connection)) return;
      this.#listener.handleConnectionClosed(connection);
    });
  }

  #count(direction: "up" | "down", { length }: Uint8Array): void {
    this.bytes[direction] += length;
  }
}
