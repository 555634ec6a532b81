/** UDP control listeners; a wildcard becomes one socket for each address this machine has at that moment. */
import type { Socket } from "node:dgram";
import { type Endpoint, familyOf, formatEndpoint, sameEndpoint } from "../../core/address.ts";
import type { Logger } from "../../core/log.ts";
import type { DirectUdp } from "../direct-udp.ts";
import { listenAtEach, wildcardEndpoints } from "../host-addresses.ts";
import { adoptUdp, bindUdp } from "../udp-socket.ts";
import type { ControlListener, ListenerParts } from "./contract.ts";
import { listenError } from "./listen-error.ts";

/** Room for a burst of commands while the thread is busy: some thousand offers. */
const receiveBufferSizeBytes = 4 * 1024 * 1024;

/** Datagrams read in one turn of the event loop beside node's own, of which there are as many; then others have theirs. */
const readsPerTurnMax = 32;

/**
 * Replies to one socket that wait for each other while more is read. Whoever sleeps is woken by a reply, which costs as much
 * as the rest of sending it: who asks much by one socket is woken once for these. More of them would keep him waiting.
 */
const repliesTogetherMax = 4;

interface Reply {
  readonly target: Endpoint;
  readonly bytes: Uint8Array;
}

let socketsMinted = 0;

export async function openDatagramListener(
  endpoint: Endpoint,
  parts: ListenerParts,
): Promise<ControlListener> {
  const sockets: ControlSocket[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(sockets.map((socket) => socket.close()));
  };
  try {
    const endpoints = await listenAtEach(socketsFor(endpoint), async (wanted) => {
      const socket = await ControlSocket.open(wanted, parts);
      sockets.push(socket);
      return { ip: wanted.ip, port: socket.port };
    });
    for (const socket of sockets) socket.receive();
    return { endpoints, close };
  } catch (error) {
    await close();
    throw listenError({ kind: "udp", endpoint }, error);
  }
}

/** One endpoint for each socket a listener there has. Throws when a wildcard finds no address. */
export function socketsFor(endpoint: Endpoint): readonly Endpoint[] {
  const found = wildcardEndpoints(endpoint);
  if (found.length > 0) return found;
  throw listenError({ kind: "udp", endpoint }, new Error("this machine has no such address"));
}

function growReceiveBuffer(socket: Socket, log: Logger): void {
  socket.setRecvBufferSize(receiveBufferSizeBytes);
  // Linux tells twice what it was asked for, the half being its own overhead (socket(7)).
  const factor = process.platform === "linux" ? 2 : 1;
  const grantedSizeBytes = socket.getRecvBufferSize() / factor;
  if (grantedSizeBytes >= receiveBufferSizeBytes) return;
  log.warn(
    { wantedSizeBytes: receiveBufferSizeBytes, grantedSizeBytes },
    "control receive buffer is smaller than wanted; raise net.core.rmem_max",
  );
}

/** A socket of node:dgram; datagrams take the direct way where there is one. */
class ControlSocket {
  readonly #socket: Socket;
  readonly #parts: ListenerParts;
  readonly #listener = ++socketsMinted;
  /** Undefined: there is no direct way, or the descriptor is closed and may be anybody's by now. */
  #direct: { readonly udp: DirectUdp; readonly descriptor: number } | undefined;
  #readsLeft = readsPerTurnMax;
  readonly #nextTurn = (): void => {
    this.#readsLeft = readsPerTurnMax;
    this.#sendWaiting();
  };
  /** Replies to what was read in this turn, all to one asker, which leave together. */
  readonly #waiting: Reply[] = [];
  #isReading = false;

  private constructor(socket: Socket, parts: ListenerParts) {
    this.#socket = socket;
    this.#parts = parts;
  }

  static async open(endpoint: Endpoint, parts: ListenerParts): Promise<ControlSocket> {
    const udp = familyOf(endpoint.ip) === 4 ? parts.directUdp : undefined;
    if (udp === undefined) return new ControlSocket(await bindUdp(endpoint), parts);
    const descriptor = udp.bind(endpoint);
    const control = new ControlSocket(adoptUdp(descriptor), parts);
    udp.claim(descriptor);
    control.#direct = { udp, descriptor };
    return control;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  close(): Promise<void> {
    this.#sendWaiting();
    this.#direct = undefined;
    return new Promise((done) => this.#socket.close(done));
  }

  receive(): void {
    const { log } = this.#parts;
    growReceiveBuffer(this.#socket, log);
    this.#socket.on("message", (bytes, from) => {
      this.#isReading = this.#direct !== undefined;
      this.#take(bytes, from.address, from.port);
      this.#readOn();
      this.#isReading = false;
    });
    this.#socket.on("error", (error) =>
      log.warn({ error: error.message }, "control socket reports an error"),
    );
  }

  /** What came meanwhile: where one datagram is, more are. Called for each of those that node reads in a turn. */
  #readOn(): void {
    while (this.#readsLeft > 0 && this.#direct !== undefined) {
      const next = this.#direct.udp.receive(this.#direct.descriptor);
      if (next === undefined) {
        this.#sendWaiting();
        return;
      }
      if (this.#readsLeft === readsPerTurnMax) setImmediate(this.#nextTurn);
      this.#readsLeft--;
      this.#take(next.bytes, next.ip, next.port);
    }
  }

  #take(bytes: Uint8Array, address: string, port: number): void {
    const { guard, handler } = this.#parts;
    const endpoint = guard.admit(address, port);
    if (endpoint === undefined) return;
    this.#sendToOthers(endpoint);
    const reply = (answer: Uint8Array): void => this.#reply(endpoint, answer);
    handler.onMessage(bytes, { framing: "datagram", listener: this.#listener, endpoint, reply });
  }

  #reply(target: Endpoint, bytes: Uint8Array): void {
    if (!this.#isReading) {
      this.#send(target, bytes);
      return;
    }
    this.#sendToOthers(target);
    this.#waiting.push({ target, bytes });
    if (this.#waiting.length === repliesTogetherMax) this.#sendWaiting();
  }

  /**
   * What waits for anybody else leaves. Each of Kamailio's processes has a socket of its own and blocks until it has its
   * reply, which must not wait for what others asked.
   */
  #sendToOthers(asker: Endpoint): void {
    const first = this.#waiting[0];
    if (first !== undefined && !sameEndpoint(first.target, asker)) this.#sendWaiting();
  }

  #sendWaiting(): void {
    for (const { target, bytes } of this.#waiting) this.#send(target, bytes);
    this.#waiting.length = 0;
  }

  #send(target: Endpoint, bytes: Uint8Array): void {
    // What the system does not take at once waits with node:dgram, or fails there with a reason.
    if (this.#direct?.udp.send(this.#direct.descriptor, bytes, target) !== true) {
      sendTo(this.#socket, target, bytes, this.#parts.log);
    }
  }
}

function sendTo(socket: Socket, target: Endpoint, bytes: Uint8Array, log: Logger): void {
  const failed = (error: Error): void =>
    log.warn({ target: formatEndpoint(target), error: error.message }, "control reply could not be sent");
  try {
    socket.send(bytes, target.port, target.ip, (error) => {
      if (error !== null) failed(error);
    });
  } catch (error) {
    // A reply that is ready after the listener was closed has no socket any more.
    failed(error instanceof Error ? error : new Error(String(error)));
  }
}
